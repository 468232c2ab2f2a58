"""Security groups cost what a change touches: one more member of a group of thousands is one flow on each switch."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from apps.security_groups.rows import Membership, SecurityGroup, SecurityGroupRule
from controller.core.model import Port
from controller.core.plan import Draft
from controller.core.resource import put_side
from tests.world.hypervisor import Hypervisor
from tests.world.world import World

SIZES = (10, 100, 1000)
RULES = 50


class Crowd(NamedTuple):
    """`size` ports of a group on two hosts, whose rules, RULES of them, all let the group's own members in."""

    world: World
    hosts: tuple[Hypervisor, Hypervisor]
    network: Any
    ports: list[Port]


def rule(number: int, group: str = "g", **values: Any) -> SecurityGroupRule:
    values = {"remote_group_id": "g", "port_range_min": number, "port_range_max": number, **values}
    return SecurityGroupRule(f"{group}{number}", security_group_id=group, protocol="tcp", **values)


def put(draft: Draft, *rows: Any) -> None:
    for row in rows:
        draft.put(row)


def join(draft: Draft, port: Port, *groups: str) -> None:
    put_side(draft, Membership, port.id, {"security_groups": groups})


def crowd(size: int) -> Crowd:
    world = World()
    hosts = world.host(), world.host()
    network = world.network("vxlan")
    world.subnet(network, "10.0.0.0/16")
    world.write(put, SecurityGroup("g", key=1), SecurityGroup("h", key=2), *(rule(n) for n in range(1, RULES + 1)))
    ports = [world.port(network, protected=True) for _ in range(size)]
    for port in ports:
        world.write(join, port, "g")
    world.settle()
    for number, port in enumerate(ports):
        world.plug(port, hosts[number % 2])
    world.settle()
    return Crowd(world, hosts, network, ports)


def cost(crowded: Crowd, plan: Any, *args: Any) -> tuple[dict[int, tuple[int, int]], int, int]:
    """What a plan costs: flows added and removed by switch, renders and resolved rows."""
    world, machine = crowded.world, crowded.world.machine
    sent, renders, resolved = len(world.mods), machine.engine.renders, machine.placement.resolved
    world.write(plan, *args)
    world.settle()
    flows = {mods.dpid: (len(mods.add), len(mods.remove)) for mods in world.mods[sent:]}
    return flows, machine.engine.renders - renders, machine.placement.resolved - resolved


def test_one_more_member_is_one_flow_on_each_switch_however_many_there_are_and_however_many_rules():
    costs = set()
    for size in SIZES:
        crowded = crowd(size)
        new = crowded.world.port(crowded.network, protected=True)
        crowded.world.settle()
        flows, renders, resolved = cost(crowded, join, new, "g")
        assert flows == {host.bridges["br-int"].dpid: (1, 0) for host in crowded.hosts}
        gone, *rest = cost(crowded, join, new)
        assert gone == {host.bridges["br-int"].dpid: (0, 1) for host in crowded.hosts}
        costs.add((renders, resolved, *rest))
    assert len(costs) == 1
    assert all(each <= 6 for each in next(iter(costs)))


@pytest.mark.parametrize("values", [{}, {"remote_group_id": None}])
def test_one_more_rule_is_a_flow_on_each_switch_however_many_ports_it_is_for(values):
    costs = []
    for size in SIZES:
        crowded = crowd(size)
        flows, renders, resolved = cost(crowded, put, rule(1000, **values))
        assert flows == {host.bridges["br-int"].dpid: (1, 0) for host in crowded.hosts}
        costs.append((renders, resolved))
    assert costs[0] == costs[1] == costs[2]


def flows_of_groups(crowded: Crowd) -> int:
    """The flows of security groups on all switches."""
    owners = (owner for ledger in crowded.world.machine.ledgers.values() for owner in ledger.owners.values())
    return sum(renderer.name.startswith("security_groups.") for renderer, _ in owners)


def test_a_port_has_three_flows_of_security_groups_however_many_rules_are_for_it():
    crowded = crowd(10)
    world = crowded.world
    before = flows_of_groups(crowded)
    world.plug(world.port(crowded.network), crowded.hosts[0])
    world.settle()
    assert flows_of_groups(crowded) == before
    port = world.port(crowded.network, protected=True)
    world.write(join, port, "g")
    world.settle()
    member = flows_of_groups(crowded)
    world.plug(port, crowded.hosts[0])
    world.settle()
    assert (member - before, flows_of_groups(crowded) - member) == (2, 3)
