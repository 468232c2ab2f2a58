"""The loop: events in one order, effects to their edge, proposals to the store and back as what was committed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import eventlet
import pytest

from controller.core import app
from controller.core.effects import FlowMods, OvsdbOps, Propose, Read
from controller.core.events import Acknowledged, BridgeRow, HostUp, InterfaceRow, PortDesc, SwitchError, SwitchUp, Tick
from controller.core.flow import LOCAL
from controller.core.machine import Machine
from controller.core.model import Binding, Host, Network, Port
from controller.core.plan import Draft
from controller.core.record import read_steps
from controller.core.settings import Settings
from controller.io.loop import CALM, HOSTS, Loop, write_proposals
from controller.io.store import Store, Unavailable

ROOT = Path(__file__).resolve().parents[2]
DPID = 0xA1
MAC = "fa:16:3e:00:00:01"
SWITCH_UP = SwitchUp(DPID, "192.0.2.1", (PortDesc(LOCAL, "br-int", MAC), PortDesc(1, "tap1", MAC)), ())


def host_up(name: str = "h1", dpid: int = DPID) -> HostUp:
    return HostUp(
        "tcp:192.0.2.1:4000",
        name,
        local_ip="192.0.2.1",
        bridges=(BridgeRow("br-int", dpid),),
        interfaces=(InterfaceRow("tap1", "br-int", iface_id="p1"),),
    )


class Edge:
    """Stands for a switch and a host: keeps what it is told to do."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def carry_out(self, *effects: Any) -> None:
        self.told += effects

    def taken_in(self, event: SwitchUp) -> None:
        self.told.append(event)

    def ensure(self, host: str, operations: Any) -> None:
        self.told.append(OvsdbOps(host, operations))


class Bench:
    """A loop over a real machine and store, stepped by hand."""

    def __init__(self, record: StringIO | None = None) -> None:
        settings = Settings()
        self.store = Store("sqlite://", settings)
        self.loop = Loop(Machine(app.load(), settings), self.store, Unavailable, record)
        self.edge = Edge()
        self.loop.openflow = self.loop.ovsdb = self.edge

    def run(self, *events: Any) -> list[Any]:
        """Step these events, and what is written because of them, until nothing is left; what the edges were told."""
        start = len(self.edge.told)
        for event in events:
            self.loop.emit(event)
        while burst := self.loop.take():
            self.loop.step(burst)
            write_proposals(self.store, self.loop.take_proposals())
        return self.edge.told[start:]

    def make_port(self) -> None:
        def plan(draft: Draft) -> None:
            draft.put(Network("n1", key=1))
            draft.put(Port("p1", network_id="n1", mac_address=MAC, key=1))

        self.store.execute(plan, who="test")


def test_what_a_host_shows_is_wired_and_becomes_active() -> None:
    """Event, proposal, commit, Changed, flows, acknowledgement, proposal, commit: all the way round."""
    bench = Bench()
    bench.make_port()
    told = bench.run(SWITCH_UP, host_up())
    assert any(isinstance(effect, OvsdbOps) for effect in told)
    (*_, mods) = [effect for effect in told if isinstance(effect, FlowMods)]
    assert bench.store.net.get(Host, "h1").bridges == (("br-int", DPID),)
    assert bench.store.net.get(Binding, "p1") == Binding("p1", "n1", "h1", active=False)
    bench.run(Acknowledged(DPID, mods.serial))
    assert bench.store.net.get(Binding, "p1").active


def test_what_is_proposed_for_later_waits() -> None:
    bench = Bench()
    later, now = Propose("end_interim", (), after=0.05), Propose("end_interim", ())
    for proposal in (later, now):
        bench.loop.carry_out(proposal)
    assert bench.loop.take_proposals() == [now]
    end = time.monotonic() + 10
    while not (waited := bench.loop.take_proposals()) and time.monotonic() < end:
        eventlet.sleep(0.01)
    assert waited == [later]


def test_what_was_observed_is_written_when_no_event_waits() -> None:
    """Flows go first; but it is written some time, however much goes on."""
    bench = Bench()
    bench.make_port()
    loop = bench.loop
    loop.start()
    for event in (SWITCH_UP, host_up()):
        loop.emit(event)
    begun = time.monotonic()
    while bench.store.net.get(Binding, "p1") is None and time.monotonic() < begun + 10:
        loop.emit(Acknowledged(DPID, 0))  # there is always one that waits
        eventlet.sleep(0)
    assert bench.store.net.get(Binding, "p1") is not None
    assert time.monotonic() - begun >= CALM


def test_effects_on_switches_go_to_the_openflow_edge() -> None:
    bench = Bench()
    bench.run(SWITCH_UP, host_up())
    bench.run(SwitchError(DPID, 0, 0, "OFPET_BAD_REQUEST"))
    assert Read(DPID) in bench.run(Tick(1.0))


def test_nothing_is_lost_while_an_edge_is_not_there_yet() -> None:
    """Hosts that dial in before everything is started are told all when it is."""
    bench = Bench()
    bench.loop.openflow = bench.loop.ovsdb = None
    bench.run(SWITCH_UP)
    bench.loop.openflow = bench.loop.ovsdb = bench.edge
    assert any(isinstance(effect, FlowMods) for effect in bench.run(host_up()))


def test_the_edge_hears_of_a_bridge_before_its_first_flows() -> None:
    """So that flows meant for its former connection are told from those meant for this one."""
    bench = Bench()
    bench.run(host_up())
    told = bench.run(SWITCH_UP)
    assert told[0] is SWITCH_UP
    assert isinstance(told[1], FlowMods)


def test_hosts_that_dial_in_together_are_written_a_few_at_a_time() -> None:
    """All flows of a host's bridges may follow from its description, in one step."""
    bench = Bench()
    for n in range(2 * HOSTS + 1):
        bench.loop.emit(host_up(f"h{n}", n + 1))
    while burst := bench.loop.take():
        bench.loop.step(burst)
    batches = []
    while batch := bench.loop.take_proposals():
        batches.append([proposal.argument.name for proposal in batch])
    assert [len(batch) for batch in batches] == [HOSTS, HOSTS, 1]
    assert sum(batches, []) == [f"h{n}" for n in range(2 * HOSTS + 1)]


def test_every_burst_is_recorded_as_a_step() -> None:
    record = StringIO()
    bench = Bench(record)
    bench.run(SWITCH_UP, host_up())
    steps = list(read_steps(record.getvalue().splitlines()))
    assert steps[:2] == [[SWITCH_UP], [host_up()]]
    assert len(steps) == bench.loop.steps
    assert len(steps) > 2, "what was written came back as an event"


def test_a_proposal_that_no_database_can_hold_is_dropped_alone(caplog: pytest.LogCaptureFixture) -> None:
    """A host with a name of 300 characters harms neither itself nor those that were found in the same moment."""
    bench = Bench()
    bench.run(host_up("x" * 300, 0xBAD), host_up("h1"))
    assert [host.name for host in bench.store.net.all(Host)] == ["h1"]
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("describe_host is refused: ")
    assert "Host.name: a key has at most 255 characters" in told


def test_a_lost_database_is_told_and_nothing_is_dropped(tmp_path: Path) -> None:
    settings = Settings()
    store = Store(f"sqlite:///{tmp_path}/net.db?timeout=0.05", settings)
    loop = Loop(Machine(app.load(), settings), store, Unavailable)
    loop.step([host_up()])
    proposals = loop.take_proposals()
    locked = sqlite3.connect(tmp_path / "net.db", isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable):
        write_proposals(store, proposals)
    locked.rollback()
    write_proposals(store, proposals)
    assert store.net.get(Host, "h1") is not None


BUG = """
from controller import green
from controller.core import app
from controller.core.events import Tick
from controller.core.machine import Machine
from controller.core.settings import Settings
from controller.io.loop import Loop
from controller.io.store import Store, Unavailable
from os_ken.lib import hub

settings = Settings()
loop = Loop(Machine(app.load(), settings), Store("sqlite://", settings), Unavailable)
loop.start()
loop.emit(Tick("no time at all"))
hub.sleep(20)
"""


def test_a_bug_of_our_own_ends_the_process_loudly() -> None:
    """Rather than a controller that only seems to run: whoever supervises it starts it anew, and the flows stand."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", BUG], env=environment, capture_output=True, text=True, timeout=15, check=False
    )
    assert done.returncode == 70
    assert "the controller ends because of a bug of its own" in done.stderr
    assert "TypeError" in done.stderr
