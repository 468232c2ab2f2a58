"""A bridge at the other end of a session, for tests: it answers as Open vSwitch does."""

from __future__ import annotations

from typing import Any

from os_ken.ofproto import ofproto_v1_4 as ofp

from controller.core import flow as f
from controller.core.events import (
    Installed,
    PortDesc,
)
from controller.core.flow import Flow, match
from controller.io.openflow import encode
from controller.io.openflow.session import (
    Session,
)
from tests.unit import bridge_messages as bridge

DPID = 0xA1
TAP = PortDesc(1, "tap1", "fa:16:3e:00:00:01")
FLOWS = [Flow(0, n, match({"in_port": n}), [f.Goto(16)]) for n in (1, 2, 3)]
REACTIVE = frozenset([59])


class Bridge:
    """A bridge that answers as Open vSwitch does, at the other end of a session."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now
        self.session = Session("192.0.2.1", REACTIVE, now)

    def says(self, *messages: bytes) -> list[Any]:
        """Send; the result is the events that came of it."""
        for data in messages:
            self.session.receive(data, self.now)
        events, self.session.events = self.session.events, []
        return events

    def hears(self) -> list[tuple[int, int, bytes]]:
        """What the session has sent since."""
        sent, self.session.out = b"".join(self.session.out), []
        return list(bridge.split(sent))

    def passes(self, seconds: float) -> None:
        """Time passes, one tick at a time."""
        for _ in range(round(seconds / 0.05)):
            self.now += 0.05
            self.session.tick(self.now)

    def greet(self) -> None:
        self.says(bridge.hello(), bridge.features(DPID))
        self.session.begin()

    def connect(self, *installed: Flow) -> list[Any]:
        """Up to SwitchUp."""
        self.greet()
        return self.says(*self.contents(*installed))

    @staticmethod
    def contents(*installed: Flow, meters: bytes = b"") -> list[bytes]:
        """The answers to a reading, each in one part."""
        return [
            *bridge.multipart(ofp.OFPMP_PORT_DESC, [bridge.port(TAP)]),
            *bridge.multipart(ofp.OFPMP_METER_CONFIG, [meters]),
            *bridge.multipart(ofp.OFPMP_FLOW, [b"".join(map(bridge.flow_entry, installed))]),
        ]


def entries(*flows: Flow) -> tuple[Installed, ...]:
    return tuple(Installed(f.table, f.priority, f.cookie, digest=encode.digest(f)) for f in flows)
