"""Interim rows: what a port that changes groups may newly do waits for the switches, and for which of them how long."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import pytest

from apps.security_groups import groups
from apps.security_groups.rows import Membership, SecurityGroup, SecurityGroupRule, Superseded
from apps.security_groups.superseded import supersede
from controller.core.inspect import Inspector
from controller.core.interim import LONGEST
from controller.core.plan import Draft
from controller.core.plans import ports, wiring
from controller.core.resource import put_side
from tests.world.hypervisor import Hypervisor
from tests.world.world import APPLIED, HELD, World

TICK = 3.0
"""Seconds between two ticks of a world."""


def regroup(draft: Draft, port_id: str, *groups: str) -> None:
    put_side(draft, Membership, port_id, {"security_groups": groups})
    supersede(draft, port_id)


def allow(draft: Draft, *rules: SecurityGroupRule) -> None:
    for number, group in enumerate(("old", "new", "other")):
        draft.put(SecurityGroup(group, key=1 + number))
    for rule in rules:
        draft.put(rule)


class Cloud:
    """A port in group `old` on one host; on the other one a port that lets members of `old` and of `new` in."""

    def __init__(self) -> None:
        self.world = World()
        self.hosts = self.world.host(), self.world.host()
        network = self.world.network("vxlan")
        self.world.subnet(network)
        rules = (SecurityGroupRule(group, security_group_id="other", remote_group_id=group) for group in ("old", "new"))
        self.world.write(allow, *rules)
        self.port, other = (self.world.port(network, protected=True) for _ in range(2))
        self.world.write(regroup, self.port.id, "old")
        self.world.write(regroup, other.id, "other")
        self.world.settle()
        for port, host in zip((self.port, other), self.hosts, strict=True):
            self.world.plug(port, host)
        self.world.settle()
        assert not self.stands and not self.world.machine.interim.over(self.world.machine.convergence)

    @property
    def stands(self) -> bool:
        return self.world.store.net.get(Superseded, self.port.id) is not None

    @property
    def keys(self) -> list[int]:
        """The keys of the groups that the other host takes the port for a member of."""
        flows = self.world.bridge(self.hosts[1].bridges["br-int"].dpid).switch.flows
        owners = self.world.machine.ledgers[self.hosts[1].bridges["br-int"].dpid].owners
        mine = [flow for flow in flows if owners.get(flow.slot) and "addresses" in repr(owners[flow.slot][0])]
        return [action.id for flow in mine for action in flow.actions]

    def change(self, *groups: str) -> int:
        self.world.write(regroup, self.port.id, *groups)
        self.world.settle()
        return self.world.store.revision

    def release(self) -> None:
        held, self.world.held = self.world.held, []
        self.world.events += held
        self.world.settle()

    def converged(self, revision: int) -> bool:
        return bool(Inspector(self.world.machine).convergence(revision)["converged"])

    def ticks(self, seconds: float) -> None:
        for _ in range(int(seconds / TICK) + 1):
            self.world.tick()
            self.world.settle()

    def back(self, *hosts: Hypervisor) -> None:
        for host in hosts:
            self.world.join(host)
            for bridge in host.bridges.values():
                self.world.connect(bridge)
        self.world.settle()


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def test_what_is_new_begins_when_what_ends_is_acknowledged_and_is_acknowledged_with_it(cloud: Cloud) -> None:
    assert cloud.keys == [1]
    cloud.world.outcomes = repeat(HELD)
    revision = cloud.change("new")
    assert (cloud.keys, cloud.stands, cloud.converged(revision)) == ([], True, False)
    cloud.release()
    assert (cloud.keys, cloud.stands, cloud.converged(revision)) == ([2], False, False)
    cloud.release()
    assert cloud.converged(revision) and cloud.converged(cloud.world.store.revision)


def test_one_that_changes_again_is_waited_for_anew(cloud: Cloud) -> None:
    cloud.world.outcomes = repeat(HELD)
    first = cloud.change("new")
    (known,) = cloud.world.store.net.all(Superseded)
    cloud.change("other")
    cloud.world.write(wiring.end_interim, (known,))
    (again,) = cloud.world.store.net.all(Superseded)
    assert again.security_groups == ("old",) and again.turn > known.turn
    cloud.change("old", "other")
    assert not cloud.stands and cloud.keys == [1], "nothing that it had at first is taken from it any more"
    for _ in range(3):
        cloud.release()
    assert cloud.converged(first)


def test_what_was_proposed_for_an_earlier_change_does_not_end_one_that_is_the_same_again(cloud: Cloud) -> None:
    """It was there, went back, and goes there again, all before the first change's end is written."""
    cloud.world.waits = True
    cloud.change("new")
    (first,) = cloud.world.later
    cloud.world.outcomes = repeat(HELD)
    cloud.change("old")
    assert not cloud.stands
    cloud.release()
    assert cloud.keys == [1]
    cloud.world.later.clear()
    cloud.change("new")
    cloud.world.write(wiring.end_interim, first.argument)
    cloud.world.settle()
    assert cloud.stands and not cloud.world.later, "switches have yet to acknowledge"
    cloud.release()
    (second,) = cloud.world.later
    cloud.world.put_forward(second)
    cloud.world.settle()
    cloud.release()
    assert (cloud.stands, cloud.keys) == (False, [2])


@pytest.mark.parametrize("groups", [(), ("old", "new"), ("old",)])
def test_what_only_takes_away_or_only_adds_needs_no_order(cloud: Cloud, groups: tuple[str, ...]) -> None:
    cloud.world.outcomes = repeat(HELD)
    cloud.change(*groups)
    assert not cloud.stands
    assert len(cloud.keys) == len(groups)


def test_a_switch_that_is_away_is_not_waited_for(cloud: Cloud) -> None:
    cloud.world.disconnect(cloud.hosts[0].bridges["br-int"])
    cloud.world.settle()
    cloud.change("new")
    assert (cloud.stands, cloud.keys) == (False, [2])
    cloud.world.outcomes = repeat(HELD)
    cloud.change("old")
    assert cloud.stands
    cloud.world.disconnect(cloud.hosts[1].bridges["br-int"])
    cloud.world.held.clear()
    cloud.world.settle()
    assert not cloud.stands


def test_a_switch_that_does_not_acknowledge_is_waited_for_so_long(cloud: Cloud) -> None:
    cloud.ticks(TICK)
    cloud.world.outcomes = repeat(HELD)
    cloud.change("new")
    cloud.ticks(LONGEST - 2 * TICK)
    assert cloud.stands
    cloud.ticks(2 * TICK)
    assert not cloud.stands


def restarted_in_between(cloud: Cloud) -> None:
    """The port changes; no switch acknowledges before the controller starts anew, and one has yet to connect to it."""
    cloud.world.outcomes = repeat(HELD)
    cloud.change("new")
    cloud.world.restart()
    cloud.world.outcomes = repeat(APPLIED)
    cloud.world.held.clear()
    cloud.back(cloud.hosts[1])


@pytest.mark.parametrize("comes_back", [True, False])
def test_after_a_restart_switches_are_waited_for_that_have_yet_to_connect(cloud: Cloud, comes_back: bool) -> None:
    restarted_in_between(cloud)
    assert (cloud.stands, cloud.keys) == (True, [])
    if comes_back:
        cloud.back(cloud.hosts[0])
    else:
        cloud.ticks(LONGEST + TICK)
    assert (cloud.stands, cloud.keys) == (False, [2])


def test_one_that_changes_again_after_a_restart_still_waits_for_switches_that_have_yet_to_connect(cloud: Cloud) -> None:
    restarted_in_between(cloud)
    cloud.change("new", "other")
    assert (cloud.stands, cloud.keys) == (True, []), "the port's own switch may still let out what `old` does"
    cloud.back(cloud.hosts[0])
    assert (cloud.stands, cloud.keys) == (False, [2])


def test_a_port_that_is_deleted_meanwhile_leaves_nothing_to_wait_for(cloud: Cloud) -> None:
    cloud.world.waits = True
    revision = cloud.change("new")
    (proposed,) = cloud.world.later
    cloud.world.write(ports.delete, cloud.port.id)
    cloud.world.settle()
    assert (cloud.stands, cloud.keys) == (False, []) and cloud.converged(revision)
    cloud.world.put_forward(proposed)
    cloud.world.settle()
    assert cloud.converged(cloud.world.store.revision)


def test_when_the_group_that_a_port_left_is_deleted_meanwhile_the_new_one_still_waits(cloud: Cloud) -> None:
    cloud.world.waits = True
    cloud.world.outcomes = repeat(HELD)
    cloud.change("new")
    cloud.world.write(groups.delete, "old")
    cloud.world.settle()
    assert (cloud.stands, cloud.keys, cloud.world.later) == (True, [], [])
    for _ in range(3):
        cloud.release()
    (proposed,) = cloud.world.later
    cloud.world.put_forward(proposed)
    cloud.world.settle()
    assert (cloud.stands, cloud.keys) == (False, [2])


def test_many_ports_take_two_bundles_of_each_switch(cloud: Cloud) -> None:
    """And one write ends what stands for all of them."""
    world = cloud.world
    network = world.network("vxlan")
    world.subnet(network, "10.1.0.0/24")
    ports = [world.port(network, protected=True) for _ in range(40)]
    for port in ports:
        world.write(regroup, port.id, "old")
    world.settle()

    def all_at_once(draft: Draft) -> Any:
        for port in ports:
            regroup(draft, port.id, "new")

    sent, proposed = len(world.mods), len(world.proposals)
    world.write(all_at_once)
    world.settle()
    (ended,) = [proposal for proposal in world.proposals[proposed:] if proposal.plan == "end_interim"]
    assert len(ended.argument) == len(ports)
    assert len(world.mods) - sent == 2
