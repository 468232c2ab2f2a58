"""The machine and the encoder without a process around them: what a change costs inside the controller itself."""

from __future__ import annotations

from controller import green  # noqa: F401  isort: skip  (first: os-ken's hub is asked for below)

import time
from collections.abc import Iterable
from typing import Any

from bench.cloud import LOCAL, Cloud
from controller.core import app
from controller.core.effects import FlowMods, PacketOut, Propose
from controller.core.events import Acknowledged, Changed, Event, PortDesc, SwitchUp
from controller.core.machine import Machine
from controller.core.net import Change
from controller.core.pipeline import LAYOUT
from controller.core.plan import Draft
from controller.core.plans.proposed import carry_out
from controller.io.openflow.session import Session

UUID = "00000000-0000-4000-8000-{:012x}"


class Inside:
    """A machine whose proposals are carried out in memory and whose bundles are encoded, acknowledged and dropped."""

    def __init__(self, cloud: Cloud, rows: Iterable[Any], **settings: Any) -> None:
        self.cloud = cloud
        self.machine = Machine(app.load(), cloud.settings(**settings), rows)
        reactive = frozenset(table.id for table in LAYOUT.tables("INT") if table.reactive)
        self._sessions = {cloud.dpid(h): Session("127.0.0.1", reactive, 0.0) for h in range(cloud.hosts)}
        self._made = 0
        self.mods = 0

    def connect(self) -> float:
        """Every switch connects, empty, at once; seconds to the bytes of all bundles."""
        ups = []
        for dpid, ports in self.cloud.fakes():
            known = (PortDesc(LOCAL, "br-int", ""), *(PortDesc(n, name, "") for n, name in ports))
            ups.append(SwitchUp(dpid, "127.0.0.1", known, ()))
        return self.settle(ups)

    def step(self, burst: Iterable[Event]) -> tuple[float, list[Any]]:
        """Seconds from the events to the bytes of all bundles, and the effects."""
        start = time.perf_counter()
        effects = self.machine.step(burst)
        for effect in effects:
            if isinstance(effect, FlowMods):
                self._sessions[effect.dpid].send(effect)
            elif isinstance(effect, PacketOut):
                self._sessions[effect.dpid].send_packet(effect)
        return time.perf_counter() - start, effects

    def settle(self, burst: Iterable[Event]) -> float:
        """The same, then everything that follows from it; the seconds are those of the first step."""
        seconds, effects = self.step(burst)
        while effects:
            follow: list[Event] = []
            for effect in effects:
                if isinstance(effect, FlowMods):
                    self._sessions[effect.dpid].out.clear()
                    self.mods += len(effect.add) + len(effect.remove)
                    follow.append(Acknowledged(effect.dpid, effect.serial))
                elif isinstance(effect, Propose):
                    follow.append(Changed(self.machine.revision + 1, self._write(effect)))
            _, effects = self.step(follow)
        return seconds

    def _write(self, proposal: Propose) -> tuple[Change, ...]:
        draft = Draft(self.machine.net, self.machine.settings, "2026-11-20T12:00:00Z", self._new_id)
        carry_out(draft, proposal)
        return draft.changes()

    def _new_id(self) -> str:
        self._made += 1
        return UUID.format(self._made)
