"""A port that changes groups opens no window, in whatever order its bundles reach the switches.

Between each two bundles packets are sent: what passes is allowed by the rows as they were at one moment, at both ends;
and what is allowed before, after, and by the groups that the port stays in meanwhile, always passes.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.allowed_address_pairs import AddressPair, AddressPairs
from apps.port_security import PortSecurity
from apps.security_groups.rows import Membership, SecurityGroup, SecurityGroupRule, Superseded
from apps.security_groups.superseded import standing, supersede
from controller.core.convergence import NEVER
from controller.core.derived import LocalPort
from controller.core.effects import FlowMods
from controller.core.model import Port
from controller.core.net import Net
from controller.core.plan import Draft
from controller.core.resource import put_side
from tests.laws.test_security_groups import COUNT, STATEFUL, TCP, Guarded, Way, few, lets_through
from tests.world.world import World

DIRECTIONS = ("egress", "ingress")
ADDRESSES = ("10.0.0.11", "10.0.0.12")


class Wires:
    """Bundles on their way: those of a switch arrive in their order, those of several in any.

    What is proposed for later is written at any moment, too, once the world `waits` with it.
    `moves` counts what happened; VIFs stay where they are.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.moves = 0
        self._network = world.wiring()
        self._places = {local.port_id: (local.dpid, local.ofport) for local in world.machine.net.all(LocalPort)}
        self.waiting: dict[int, deque[FlowMods]] = {}
        self._arrive = world._bundle
        world._bundle = self._send  # type: ignore[method-assign]

    def _send(self, mods: FlowMods) -> None:
        self.waiting.setdefault(mods.dpid, deque()).append(mods)

    @property
    def quiet(self) -> bool:
        return not (self.world.events or self.world.later or any(self.waiting.values()))

    def arrive(self, choices: Iterator[int]) -> None:
        """The machine takes in events until a bundle arrives, or nothing is left to happen."""
        while not self.quiet:
            self.moves += 1
            ready = [dpid for dpid, bundles in sorted(self.waiting.items()) if bundles]
            others = [self._step] * bool(self.world.events) + [self._write] * bool(self.world.later)
            choice = next(choices) % (len(ready) + len(others))
            if choice >= len(ready):
                others[choice - len(ready)]()
            else:
                self._arrive(self.waiting[ready[choice]].popleft())
                return

    def move(self, first: Callable[[list[int]], int]) -> None:
        """An event is taken in, else a bundle arrives, else what waits is written; `first` chooses among switches."""
        if self.world.events:
            self._step()
        elif ready := [dpid for dpid, bundles in self.waiting.items() if bundles]:
            self._arrive(self.waiting[first(ready)].popleft())
        else:
            self._write()

    def _step(self) -> None:
        self.world.step(1)

    def _write(self) -> None:
        self.world.put_forward(self.world.later.pop(0))

    def passes(self, source: Port, target: Port, way: Way) -> bool:
        """Whether a packet gets through, as the switches are now."""
        packet = way.packet(source.mac_address, target.mac_address)
        reached = self._network.send(*self._places[source.id], packet).reached
        return [(arrival.dpid, arrival.ofport) for arrival in reached] == [self._places[target.id]]


class Moment:
    """The rows at one moment, and what they let a port send and get; `members` says who is in which group."""

    def __init__(self, net: Net, members: Net | None = None) -> None:
        self.net = net
        self.members = members or net

    def passes(self, source: Port, target: Port, way: Way) -> bool:
        return self._may(source, "egress", way, way.dst) and self._may(target, "ingress", way, way.src)

    def _may(self, port: Port, direction: str, way: Way, remote: str) -> bool:
        now = standing(self.net, port.id)
        return not now.protected or any(
            rule.direction == direction and lets_through(self.members, rule, way, remote)
            for group in now.groups
            for rule in self.net.find(SecurityGroupRule, "security_group_id", group)
        )

    def is_stateful(self, port: Port) -> bool | None:
        """None: it is in no group."""
        groups = (self.net.get(SecurityGroup, key) for key in standing(self.net, port.id).groups)
        return next((group.stateful for group in groups if group is not None), None)


def regroup(draft: Draft, port_id: str, groups: tuple[str, ...], address: str, protected: bool) -> None:
    """What REST makes of a PUT of a port (tests/rest/test_protected_ports.py)."""
    port = draft.get(Port, port_id)
    assert port is not None
    pairs = (AddressPair(port.mac_address, address),) if address and protected else ()
    put_side(draft, PortSecurity, port_id, {"port_security_enabled": protected})
    put_side(draft, Membership, port_id, {"security_groups": groups if protected else ()})
    put_side(draft, AddressPairs, port_id, {"allowed_address_pairs": pairs})
    supersede(draft, port_id)


def change(cloud: Guarded, number: int, chosen: tuple[int, ...], address: str, protected: bool) -> None:
    same = [n for n in chosen if (n in STATEFUL) == (chosen[0] in STATEFUL)]
    groups = tuple(sorted({cloud.group_ids[n] for n in same}))
    cloud.world.write(regroup, cloud.ports[number].id, groups, address, protected)


def rows(cloud: Guarded) -> Net:
    return Net(cloud.world.store.rows())


def kept(old: Net, new: Net, port: Port) -> Net:
    """The old rows, but the port is in the groups that it stays in, with the pairs that it keeps."""
    net = Net(row for kind in old._rows for row in old.all(kind))
    was, now = standing(old, port.id), standing(new, port.id)
    groups = tuple(group for group in was.groups if group in now.groups)
    before, after = old.get(AddressPairs, port.id), new.get(AddressPairs, port.id)
    pairs = before if before == after else None
    for row in (Membership(port.id, groups), pairs or AddressPairs(port.id)):
        net.apply(net.change(row))
    return net


def ways(cloud: Guarded, about: set[int], number: int) -> list[tuple[Port, Port, Way]]:
    """New connections of some ports to each other one, and back."""
    pairs = {pair for one in about for other in range(COUNT) if one != other for pair in ((one, other), (other, one))}
    return [
        (cloud.ports[one], cloud.ports[other], cloud.way(one, other, 4, TCP, 1000 + number, 80))
        for one, other in sorted(pairs)
    ]


@st.composite
def beginnings(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Some groups let everything out; most rules are about members of others; each protected port is in a group."""
    plain = {"ethertype": "IPv4"}
    for_all = st.tuples(st.just("allow"), few, st.sampled_from(DIRECTIONS).map(lambda way: {**plain, "direction": way}))
    about = st.tuples(few, st.sampled_from(DIRECTIONS)).map(
        lambda drawn: {**plain, "remote_group_id": drawn[0], "direction": drawn[1]}
    )
    for_members = st.tuples(st.just("allow"), few, about)
    out = draw(st.lists(for_all, min_size=1, max_size=4)) + draw(st.lists(for_members, min_size=3, max_size=9))
    return out + [("join", number, draw(groups)) for number in range(4)]


groups = st.lists(few, min_size=1, max_size=2).map(tuple)
addresses = st.sampled_from(("", "", *ADDRESSES))
changes = st.tuples(few, groups, addresses, st.sampled_from((True, True, True, False)))
choices = st.lists(st.integers(0, 5), max_size=40).map(lambda chosen: iter([*chosen, *[0] * 2000]))
paces = st.lists(st.integers(0, 5), min_size=1, max_size=20).map(itertools.cycle)
"""Choices that go on as they began: so one switch may be far behind all along."""


def begun(story: Any, *first: Any) -> Guarded:
    cloud = Guarded("vxlan")
    for name, *what in story:
        cloud.perform(name, *what)
    for what in first:
        change(cloud, *what)
        cloud.world.settle()
    return cloud


@given(beginnings(), changes, changes, choices, st.integers(0, 60))
def test_a_port_that_changes_groups_lets_nothing_pass_that_neither_its_old_nor_its_new_ones_allow(
    story, first, then, chosen, restart
):
    cloud = begun(story, first)
    wires, changing = Wires(cloud.world), cloud.ports[then[0]]
    old = rows(cloud)
    change(cloud, *then)
    new = rows(cloud)
    moments = Moment(old), Moment(new)
    members = kept(old, new, changing)
    always = *moments, Moment(old, members), Moment(new, members)
    tracked = {moment.is_stateful(changing) for moment in moments}
    while not wires.quiet:
        if wires.moves >= restart:
            restart = NEVER
            wires.waiting.clear()
            cloud.restart()
        wires.arrive(chosen)
        for source, target, way in ways(cloud, {then[0]}, wires.moves):
            passed = wires.passes(source, target, way)
            assert not passed or any(moment.passes(source, target, way) for moment in moments)
            lasts = not {True, False} <= tracked
            assert passed or not lasts or not all(moment.passes(source, target, way) for moment in always)
    assert cloud.world.store.net.count(Superseded) == 0
    for source, target, way in ways(cloud, {then[0]}, 0):
        assert wires.passes(source, target, way) == moments[1].passes(source, target, way)


@pytest.mark.parametrize("chosen", list(itertools.product((0, 1), repeat=6)))
def test_a_port_that_leaves_a_group_that_lets_it_out_for_one_that_is_let_in(chosen):
    """It was let out and not let in, and is let in and not out: its packets pass at no time."""
    cloud = Guarded("vxlan")
    cloud.allow(0, {"direction": "egress", "ethertype": "IPv4"})
    cloud.allow(2, {"direction": "ingress", "ethertype": "IPv4", "remote_group_id": 1})
    cloud.perform("join", 0, (0,))
    cloud.perform("join", 1, (2,))
    wires, (sender, receiver) = Wires(cloud.world), cloud.ports[:2]
    way, choices = cloud.way(0, 1, 4, TCP, 1000, 80), itertools.chain(chosen, itertools.repeat(0))
    change(cloud, 0, (1,), "", True)
    while not wires.quiet:
        wires.arrive(choices)
        assert not wires.passes(sender, receiver, way)
    cloud.allow(1, {"direction": "egress", "ethertype": "IPv4"})
    while not wires.quiet:
        wires.arrive(choices)
    assert wires.passes(sender, receiver, way)


@pytest.mark.parametrize("first", [min, max])
@pytest.mark.parametrize("late", range(6))
def test_one_that_goes_back_and_there_again_waits_for_its_own_end(first, late):
    """As above, twice; what was proposed at first is written after `late` moves of the second time.

    One switch gets all its bundles `first`.
    """
    cloud = Guarded("vxlan")
    cloud.allow(0, {"direction": "egress", "ethertype": "IPv4"})
    cloud.allow(2, {"direction": "ingress", "ethertype": "IPv4", "remote_group_id": 1})
    cloud.perform("join", 0, (0,))
    cloud.perform("join", 1, (2,))
    world, (sender, receiver), way = cloud.world, cloud.ports[:2], cloud.way(0, 1, 4, TCP, 1000, 80)
    world.waits = True
    change(cloud, 0, (1,), "", True)
    world.settle()
    ended = world.later.pop()
    change(cloud, 0, (0,), "", True)
    world.settle()
    wires = Wires(world)
    change(cloud, 0, (1,), "", True)
    for move in itertools.count():
        if move == late:
            world.put_forward(ended)
        if wires.quiet:
            break
        wires.move(first)
        assert not wires.passes(sender, receiver, way)
    assert world.store.net.count(Superseded) == 0


NARROW = (
    ("allow", 0, {"direction": "egress", "ethertype": "IPv4"}),
    ("allow", 2, {"direction": "ingress", "ethertype": "IPv4", "remote_group_id": 1}),
    ("join", 0, (0,)),
    ("join", 1, (2,)),
)
"""Port 0 is let out in group 0, and let in in group 1: between these two, the smallest mistake opens a window."""


@st.composite
def journeys(draw: st.DrawFn) -> tuple[Any, list[tuple[Any, ...]]]:
    """One port goes back and forth between two or three ways to stand, and rules that let much go meanwhile."""
    if draw(st.booleans()):
        legs = st.sampled_from((0, 1)).map(lambda group: ("stand", 0, (group,), "", True))
        return NARROW, draw(st.lists(legs, min_size=2, max_size=6))
    number, ends = draw(few), draw(st.lists(st.tuples(groups, addresses, st.just(True)), min_size=2, max_size=3))
    legs = st.sampled_from(ends).map(lambda end: ("stand", number, *end))
    forbid = st.tuples(st.just("forbid"), few)
    return draw(beginnings()), draw(st.lists(st.one_of(legs, legs, legs, forbid), min_size=2, max_size=6))


@given(journeys(), paces, st.integers(0, 120))
def test_a_port_that_goes_back_and_forth_lets_nothing_pass_that_was_allowed_at_no_moment(travelled, chosen, restart):
    """What is proposed for later is written early or late; rules go meanwhile, and the controller may restart."""
    story, journey = travelled
    cloud = begun(story)
    cloud.world.waits = True
    wires = Wires(cloud.world)
    moments, waiting = [Moment(rows(cloud))], list(journey)
    about = {what[1] for what in journey if what[0] == "stand"} or {0}
    (number,) = about
    while waiting or not wires.quiet:
        if waiting and (wires.quiet or next(chosen) % 3 == 0):
            name, *what = waiting.pop(0)
            net, port = cloud.world.store.net, cloud.ports[number]
            before, stood = standing(net, port.id), net.get(Superseded, port.id)
            if name == "stand":
                change(cloud, *what)
            else:
                cloud.forbid(*what)
            after = standing(net, port.id)
            if before.within(after) and not after.within(before) and stood is None:
                break  # it only adds: it waits for none that took away
            moments.append(Moment(rows(cloud)))
        if wires.moves >= restart:
            restart = NEVER
            wires.waiting.clear()
            cloud.restart()
        wires.arrive(chosen)
        for source, target, way in ways(cloud, about, wires.moves):
            if wires.passes(source, target, way):
                assert any(moment.passes(source, target, way) for moment in moments)
    else:
        assert cloud.world.store.net.count(Superseded) == 0
        for source, target, way in ways(cloud, about, 0):
            assert wires.passes(source, target, way) == moments[-1].passes(source, target, way)


@given(beginnings(), st.lists(changes, min_size=2, max_size=3), choices)
def test_several_ports_at_once_let_nothing_pass_that_was_allowed_at_no_moment(story, several, chosen):
    """Each of them may both less and more: a change that only adds is not kept waiting for another port's."""
    cloud = begun(story)
    wires = Wires(cloud.world)
    moments, waiting, about = [Moment(rows(cloud))], list(several), {what[0] for what in several}
    while waiting or not wires.quiet:
        if waiting and (wires.quiet or next(chosen) % 3 == 0):
            what = waiting.pop(0)
            port = cloud.ports[what[0]]
            before = standing(cloud.world.store.net, port.id)
            change(cloud, *what)
            after = standing(cloud.world.store.net, port.id)
            if before.within(after) and not after.within(before):
                break
            moments.append(Moment(rows(cloud)))
        wires.arrive(chosen)
        for source, target, way in ways(cloud, about, wires.moves):
            if wires.passes(source, target, way):
                assert any(moment.passes(source, target, way) for moment in moments)
