"""Our side of OpenFlow with a real bridge, driven by hand."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from controller.core.effects import FlowMods
from controller.core.events import Acknowledged, SwitchError, SwitchUp
from controller.core.flow import Flow
from controller.io.openflow.session import Session
from tests.ovs.sandbox import PATIENCE, Sandbox


class Link:
    """A session of ours on a bridge's own management socket, driven by hand."""

    def __init__(self, host: Sandbox, bridge: str = "br0", reactive: frozenset[int] = frozenset()) -> None:
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.connect(f"{host.directory}/{bridge}.mgmt")
        self.session = Session("test", reactive, time.monotonic())
        self.wait(lambda: self.session.dpid)
        self.session.begin()
        self.up: SwitchUp = self.next(SwitchUp)

    def close(self) -> None:
        self._sock.close()

    def send(self, mods: FlowMods) -> None:
        self.session.send(mods)

    def carry_out(self, *add: Flow, serial: int = 1, **others: Any) -> None:
        """Send a bundle, which the switch must acknowledge."""
        self.send(FlowMods(self.session.dpid, serial, add, **others))
        assert self.next((Acknowledged, SwitchError)) == Acknowledged(self.session.dpid, serial)

    def next(self, kind: Any) -> Any:
        """The next event of a kind; those before it are dropped."""

        def found() -> bool:
            while self.session.events and not isinstance(self.session.events[0], kind):
                self.session.events.pop(0)
            return bool(self.session.events)

        self.wait(found)
        return self.session.events.pop(0)

    def wait(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            now = time.monotonic()
            assert now < deadline, "waited in vain"
            self.session.tick(now)
            self._sock.sendall(b"".join(self.session.out))
            self.session.out = []
            self._sock.settimeout(0.02)
            try:
                data = self._sock.recv(65536)
            except TimeoutError:
                continue
            assert data, "the switch closed the connection"
            self.session.receive(data, now)
