"""The order law: each source's events in their order, nothing lost, and nobody behind more than one lump of work."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.events import (
    Acknowledged,
    Changed,
    HostDown,
    HostUp,
    Installed,
    InterfaceRow,
    InterfacesChanged,
    PortDesc,
    PortStatus,
    Reread,
    SwitchDown,
    SwitchUp,
    Tick,
)
from controller.io.queue import BURST, LUMP, PORTS, Queue, ports, source, weight

ENTRY, INTERFACE = Installed(0, 1, 1), InterfaceRow("tap1", "br-int")
MAKERS: dict[str, Callable[[int, int, int], Any]] = {
    "up": lambda who, n, size: SwitchUp(who, str(n), (), (ENTRY,) * size),
    "reread": lambda who, n, size: Reread(who, (ENTRY,) * size, serial=n),
    "down": lambda who, n, size: SwitchDown(who),
    "port": lambda who, n, size: PortStatus(who, PortDesc(n, f"tap{n}", ""), False),
    "interfaces": lambda who, n, size: InterfacesChanged(f"h{who}", (INTERFACE,) * min(size, PORTS), (f"tap{n}",)),
    "acknowledged": lambda who, n, size: Acknowledged(who, n),
    "host up": lambda who, n, size: HostUp(str(n), f"h{who}", interfaces=(INTERFACE,) * (size // 10)),
    "host down": lambda who, n, size: HostDown(f"h{who}"),
    "changed": lambda who, n, size: Changed(n, ()),
    "tick": lambda who, n, size: Tick(float(n)),
}
"""Events of switch or host `who`, told apart by `n`, about `size` flows."""

sizes = st.sampled_from([0, 1, LUMP // 3, LUMP // 2, LUMP, 3 * LUMP])
puts = st.tuples(st.sampled_from(sorted(MAKERS)), st.integers(1, 3), sizes)
runs = st.lists(st.one_of(puts, puts, st.none()), max_size=40)
"""What happens: an event is put, or (None) a step is taken."""


class Run:
    """A queue, what was put into it, and the steps taken."""

    def __init__(self) -> None:
        self.queue = Queue()
        self.put: list[Any] = []
        self.steps: list[list[Any]] = []

    @property
    def waiting(self) -> list[Any]:
        taken = {id(event) for step in self.steps for event in step}
        return [event for event in self.put if id(event) not in taken]

    def add(self, event: Any) -> None:
        self.put.append(event)
        self.queue.put(event)

    def take(self) -> list[Any]:
        step = self.queue.take()
        if step:
            self.steps.append(step)
        return step

    def happens(self, actions: list[Any]) -> None:
        for n, action in enumerate(actions):
            if action is None:
                self.take()
            else:
                kind, who, size = action
                self.add(MAKERS[kind](who, n, size))

    def drain(self) -> None:
        while self.take():
            pass


def of(events: list[Any], origin: Hashable) -> list[int]:
    return [id(event) for event in events if source(event) == origin]


@given(runs)
def test_each_source_keeps_its_order_and_nothing_is_lost(actions: list[Any]) -> None:
    run = Run()
    run.happens(actions)
    run.drain()
    taken = [event for step in run.steps for event in step]
    assert len(taken) == len(run.put)
    for origin in {source(event) for event in run.put}:
        assert of(taken, origin) == of(run.put, origin)


@given(runs)
def test_a_step_of_small_events_tells_of_so_many_ports_at_most(actions: list[Any]) -> None:
    run = Run()
    run.happens(actions)
    run.drain()
    for step in run.steps:
        told = [ports(event) for event in step]
        assert any(map(weight, step)) or len(told) == 1 or sum(told) <= PORTS


@given(runs)
def test_a_step_has_one_lump_of_heavy_work_at_most(actions: list[Any]) -> None:
    run = Run()
    run.happens(actions)
    run.drain()
    for step in run.steps:
        heavy = [weight(event) for event in step if weight(event)]
        assert len(heavy) <= 1 or sum(heavy) <= LUMP


@given(runs, puts)
def test_a_small_event_waits_for_one_step_of_heavy_work_at_most(actions: list[Any], last: Any) -> None:
    """Unless it stands behind a heavy one of its own source or more ports than a step takes, or tells of time."""
    run = Run()
    run.happens(actions)
    kind, who, size = last
    event = MAKERS[kind](who, len(actions), size)
    origins = {source(heavy) for heavy in run.waiting if weight(heavy)}
    run.add(event)
    many = sum(map(ports, run.waiting)) > PORTS
    if weight(event) or source(event) in origins or isinstance(event, Tick) or many:
        return
    steps = [run.take(), run.take()]
    assert any(taken is event for step in steps for taken in step)


@given(runs)
def test_heavy_work_goes_on_however_much_else_happens(actions: list[Any]) -> None:
    run = Run()
    run.happens(actions)
    while heavy := [event for event in run.waiting if weight(event)]:
        for n in range(2):
            run.add(Changed(n, ()))
            run.take()
        assert len([event for event in run.waiting if weight(event)]) < len(heavy)


@given(runs)
def test_time_passes_only_when_all_before_it_is_known(actions: list[Any]) -> None:
    """Else a bridge would count as one whose host is away, while the host's first words wait here."""
    run = Run()
    run.happens(actions)
    run.drain()
    place = {id(event): n for n, event in enumerate(event for step in run.steps for event in step)}
    for n, tick in enumerate(run.put):
        if isinstance(tick, Tick):
            assert all(place[id(event)] < place[id(tick)] for event in run.put[:n] if weight(event))


def test_a_port_of_another_switch_overtakes_bridges_that_connect() -> None:
    run = Run()
    for who in (1, 2, 3):
        run.add(SwitchUp(who, "", (), ()))
    run.take()
    small = Acknowledged(4, 1)
    run.add(small)
    run.drain()
    assert run.steps[1] == [small]
    assert [len(step) for step in run.steps] == [1, 1, 1, 1], "an empty bridge is a step of its own"


def test_bridges_that_come_back_as_they_were_share_a_step() -> None:
    run = Run()
    for who in range(1, 9):
        run.add(SwitchUp(who, "", (), (ENTRY,) * (LUMP // 4)))
    run.drain()
    assert [len(step) for step in run.steps] == [4, 4]


@pytest.mark.parametrize("count", [BURST, BURST + 1])
def test_a_flood_of_small_events_comes_in_bursts(count: int) -> None:
    run = Run()
    for n in range(count):
        run.add(Acknowledged(1, n))
    run.drain()
    assert [len(step) for step in run.steps] == [BURST, *([1] if count > BURST else [])]


def test_many_ports_come_in_parts() -> None:
    """Their bridge takes in the first ones' flows while those of the next are made."""
    run = Run()
    for n in range(2 * PORTS + 1):
        run.add(PortStatus(1, PortDesc(n, f"tap{n}", ""), False))
    acknowledged = Acknowledged(1, 1)
    run.add(acknowledged)
    run.drain()
    assert [len(step) for step in run.steps] == [PORTS, PORTS, 2]
    assert run.steps[-1][-1] is acknowledged


@pytest.mark.parametrize("count", [0, 1, PORTS, PORTS + 1, 3 * PORTS])
def test_an_event_of_many_interfaces_is_cut_and_nothing_of_it_is_lost(count: int) -> None:
    rows = tuple(InterfaceRow(f"tap{n}", "br-int") for n in range(count))
    run = Run()
    run.queue.put(InterfacesChanged("h1", rows, ("gone",)))
    run.drain()
    told = [event for step in run.steps for event in step]
    assert tuple(row for event in told for row in event.changed) == rows
    assert [event.removed for event in told] == [()] * (len(told) - 1) + [("gone",)]
    assert [len(step) for step in run.steps] == [1] * max(1, -(-count // PORTS))
    assert all(len(event.changed) <= PORTS for event in told)


def test_whether_anything_waits() -> None:
    queue = Queue()
    assert not queue
    for event in (Acknowledged(1, 1), SwitchUp(1, "", (), ())):
        queue.put(event)
        assert queue
        queue.take()
        assert not queue
