"""A recorded run replays to the same effects."""

from __future__ import annotations

import io
from dataclasses import fields, is_dataclass
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core import derived, model, observed
from controller.core import events as e
from controller.core.machine import Machine
from controller.core.net import Change
from controller.core.record import RecordError, read_steps, write_event
from controller.core.replay import replayed
from controller.core.row import KINDS
from controller.core.settings import HostSettings, Settings
from tests import strategies as s
from tests.world.world import APPS, SETTINGS, World


def recorded(start: list[Any], steps: list[list[Any]]) -> list[str]:
    """The lines of a recording."""
    file = io.StringIO()
    for step in [start, *steps]:
        for event in step:
            write_event(file, event)
        file.write("\n")
    return file.getvalue().splitlines(keepends=True)


def run(settings: Settings, rows: list[Any], steps: list[list[Any]]) -> list[str]:
    machine = Machine(APPS, settings, rows)
    return [repr(machine.step(step)) for step in steps]


@given(s.clouds(), s.bursts)
def test_a_recorded_run_has_the_effects_of_the_run(cloud, bursts):
    world = World()
    for managed in cloud[0]:
        world.host(managed)
    world.settle(lambda waiting: bursts.pop() if bursts else waiting)
    for action in cloud[1]:
        s.perform(world, action)
        world.settle(lambda waiting: bursts.pop() if bursts else waiting)
    rows = world.store.rows()
    start, *steps = read_steps(recorded([world.settings, *rows], world.steps))
    assert start == [world.settings, *rows]
    assert steps == world.steps
    assert run(SETTINGS, [], steps) == run(SETTINGS, [], world.steps)


numbers, texts = st.integers(0, 2**64), st.text(max_size=4)
CORE = {model.__name__, observed.__name__, derived.__name__}
ROWS = sorted((kind for kind in KINDS.values() if kind.__module__ in CORE), key=lambda kind: kind.__name__)


def values(annotation: str) -> st.SearchStrategy[Any]:
    """Values for a field, by its declared type."""
    named = {
        "tuple[FixedIp, ...]": st.lists(st.builds(model.FixedIp, texts, texts), max_size=2).map(tuple),
        "tuple[Pool, ...]": st.lists(st.builds(model.Pool, texts, texts), max_size=2).map(tuple),
        "tuple[Route, ...]": st.lists(st.builds(model.Route, texts, texts), max_size=2).map(tuple),
        "tuple[str, ...]": st.lists(texts, max_size=2).map(tuple),
        "tuple[tuple[str, str], ...]": st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
        "tuple[tuple[str, int], ...]": st.lists(st.tuples(texts, numbers), max_size=2).map(tuple),
        "tuple[int, ...]": st.lists(numbers, max_size=2).map(tuple),
        "str": texts,
        "int": numbers,
        "bool": st.booleans(),
        "str | None": st.none() | texts,
        "int | None": st.none() | numbers,
    }
    return named[annotation]


any_row = st.sampled_from(ROWS).flatmap(
    lambda kind: st.builds(kind, **{field.name: values(field.type) for field in fields(kind)})
)


@given(any_row, any_row)
def test_every_row_is_read_as_it_was_written(one, other):
    changed = e.Changed(3, (Change(None, one), Change(other, None)))
    assert list(read_steps(recorded([one], [[changed]]))) == [[one], [changed]]


PORT, BRIDGE = e.PortDesc(1, "tap", "fa:16:3e:00:00:01"), e.BridgeRow("br-int", 5, protocols=("OpenFlow14",))
VIF = e.InterfaceRow("tap", "br-int", tag=None)
EVENTS = [
    e.Changed(1, ()),
    e.Tick(1.5),
    e.ProbeWanted(2**48 - 1, "one", "other"),
    e.ProbeOver(7),
    e.SwitchUp(5, "fd00::1", (PORT,), (e.Installed(0, 1, 2**63, "ff", (("reg0", 1),)),), ((1, 100),), (7,)),
    e.SwitchDown(5),
    e.Reread(5, (e.Installed(0, 1, 2),), (7,), ((1, 100),), 3),
    e.PortStatus(5, PORT, True),
    e.PacketIn(5, 82, (("in_port", 3),), bytes(range(256))),
    e.FlowRemoved(5, 1, 2, 3),
    e.SwitchError(5, 1, 2, "OFPBAC_BAD_TYPE"),
    e.Acknowledged(5, 1),
    e.HostUp("tcp:[fd00::1]:99", "h", "fd00::1", (("physnet1", "br-eth1"),), "netdev", "br-int", (BRIDGE,), (VIF,)),
    e.HostChanged("h", "", (), "", "", (BRIDGE,), "no local_ip"),
    e.HostDown("h"),
    e.InterfacesChanged("h", (VIF,), ("gone",)),
    e.OvsdbDone("h", "error"),
]


def test_every_event_is_read_as_it_was_written():
    assert {type(event) for event in EVENTS} == set(get_args(e.Event))
    assert all(is_dataclass(event) for event in EVENTS)
    assert list(read_steps(recorded(EVENTS, []))) == [EVENTS]


def test_settings_are_read_as_they_were_written():
    settings = Settings(vlan_ranges=(("p", ((1, 2),)),), hosts=(HostSettings("h", (1, 2), "10.0.0.1", (("p", "b"),)),))
    assert list(read_steps(recorded([settings], []))) == [[settings]]


@pytest.mark.parametrize(
    "line",
    ["{", "5", "[1]", '{"a":1}', '{"":"Nothing"}', '{"":"Tick"}', '{"":"Tick","now":1,"then":2}', '{"":"bytes"}'],
)
def test_a_line_that_is_no_event_is_named(line):
    good = recorded([e.Tick(1.0)], [])
    with pytest.raises(RecordError, match="line 3 is no recorded event"):
        list(read_steps([*good, line + "\n"]))


def test_a_replay_tells_what_went_in_and_what_came_out():
    world = World()
    host = world.host()
    world.settle()
    network = world.network("vlan")
    port = world.port(network)
    world.plug(port, host)
    world.settle()
    world.unplug(port, host)
    world.settle()
    lines = list(replayed(recorded([SETTINGS], world.steps)))
    assert lines[0] == "step 1"
    assert lines[1].startswith("  in   HostUp(connection='tcp:192.0.2.1:40000'")
    text = "\n".join(lines)
    assert f"  out  propose bind (('{port.id}', 'h1'),)" in text
    assert "  out    + table=56, priority=100,reg0=0x1,dl_dst=" in text
    assert "  out    - table=0, cookie=0x9b" in text
    assert "  out  ovsdb of h1: EnsureBridge(name='br-int'" in text
    assert max(map(len, (line for line in lines if line.startswith("  in ")))) <= 207


def test_a_replay_of_a_recording_without_settings_has_the_defaults():
    assert list(replayed(recorded([model.Host("h")], [[e.SwitchError(1, 1, 1, "x")], [e.Tick(1.0)], [e.Tick(2.0)]])))[
        :2
    ] == ["step 1", "  in   SwitchError(dpid=1, serial=1, cookie=1, reason='x')"]
    assert list(replayed([])) == []
