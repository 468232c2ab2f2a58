"""Law 6: a change costs what it touches, not what exists.  Counted, so that it holds on any machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from os_ken.ofproto import ofproto_v1_4 as ofp

from apps.security_groups.rows import Membership, SecurityGroup, SecurityGroupRule
from controller.core.flow import Flow, Goto, match
from controller.core.model import Network, Port
from controller.core.packet import ipv4
from controller.core.plan import Draft
from controller.core.plans import networks
from tests.unit.bridge_peer import Bridge
from tests.world.hypervisor import Hypervisor
from tests.world.world import World

SIZES = (10, 100, 1000)
TYPES = ("vxlan", "vlan", "local")


class Cost(NamedTuple):
    """What one change took: calls of app functions, resolved derived rows, and flows and meters on the wire."""

    renders: int = 0
    resolved: int = 0
    flows: int = 0


GROUP = "g"


def _joined(draft: Draft, port: Port) -> None:
    if draft.get(SecurityGroup, GROUP) is None:
        draft.put(SecurityGroup(GROUP, key=1))
        for direction in ("egress", "ingress"):
            draft.put(SecurityGroupRule(direction, direction, security_group_id=GROUP, remote_group_id=GROUP))
    draft.put(Membership(port.id, (GROUP,)))


def protected_port(world: World, network: Network) -> Port:
    """A protected port in GROUP, whose rules are about its own members: each has flows on every switch."""
    port = world.port(network, protected=True)
    world.write(_joined, port)
    return port


class Crowd(NamedTuple):
    """A network with `size` protected ports on the first of two hosts and one on the second, all ACTIVE."""

    world: World
    network: Network
    ports: list[Port]
    hosts: tuple[Hypervisor, Hypervisor]


def crowd(size: int, type: str) -> Crowd:
    world = World()
    hosts = world.host(), world.host()
    network = world.network(type)
    world.subnet(network, "10.0.0.0/16")
    ports = [protected_port(world, network) for _ in range(size + 1)]
    world.settle()
    for port in ports[1:]:
        world.plug(port, hosts[0])
    world.plug(ports[0], hosts[1])
    world.settle()
    assert all(world.active(port) for port in ports)
    return Crowd(world, network, ports, hosts)


@contextmanager
def counted(world: World) -> Iterator[list[int]]:
    """The costs of what happens inside: renders, resolved, flows."""
    machine, cost = world.machine, [0, 0, 0]
    before = machine.engine.renders, machine.placement.resolved, len(world.mods)
    yield cost
    world.settle()
    mods = world.mods[before[2] :]
    cost[0] = machine.engine.renders - before[0]
    cost[1] = machine.placement.resolved - before[1]
    cost[2] = sum(len(m.add) + len(m.remove) + len(m.meters) + len(m.stale_meters) + len(m.foreign) for m in mods)


def cost_of(change: Callable[[Crowd], None], crowded: Crowd) -> Cost:
    with counted(crowded.world) as cost:
        change(crowded)
    return Cost(*cost)


def one_more(crowded: Crowd) -> None:
    world = crowded.world
    world.plug(protected_port(world, crowded.network), crowded.hosts[0])


def one_less(crowded: Crowd) -> None:
    crowded.world.unplug(crowded.ports[5], crowded.hosts[0])


def deleted(crowded: Crowd) -> None:
    crowded.world.delete_port(crowded.ports[6])


def renamed(crowded: Crowd) -> None:
    crowded.world.change_port(crowded.ports[7], name="another", device_id="vm")


def downed(crowded: Crowd) -> None:
    crowded.world.change_port(crowded.ports[8], admin_state_up=False)


def moved(crowded: Crowd) -> None:
    crowded.world.move(crowded.ports[9], *crowded.hosts)


def asked(crowded: Crowd) -> None:
    there, here = crowded.ports[0], crowded.ports[4]
    own, other = (port.fixed_ips[0].ip_address for port in (here, there))
    crowded.world.send(here, ipv4(here.mac_address, there.mac_address, own, other))


def reconnected(crowded: Crowd) -> None:
    crowded.world.bounce(crowded.hosts[0].bridges["br-int"])


LIMITS = {
    one_more: Cost(13, 13, 21),
    one_less: Cost(1, 7, 17),
    deleted: Cost(1, 12, 21),
    renamed: Cost(0, 2, 0),
    downed: Cost(9, 2, 5),
    moved: Cost(12, 14, 34),
    asked: Cost(1, 1, 1),
}
"""The most that each change may take, whatever there is besides.  Six of a port's flows guard its source: two are
its own, two of its IPv4 address and two of its link-local one.  Three are for its security groups, and one for its
address in each direction on each switch that has a port of the group."""


@pytest.mark.parametrize("type", TYPES)
def test_a_change_costs_the_same_among_10_and_100_and_1000_ports(type):
    costs = []
    for size in SIZES:
        crowded = crowd(size, type)
        costs.append({change.__name__: cost_of(change, crowded) for change in LIMITS})
    assert costs[0] == costs[1] == costs[2]
    for change, limit in LIMITS.items():
        assert all(cost <= most for cost, most in zip(costs[0][change.__name__], limit, strict=True)), change.__name__


def test_a_reconnect_with_nothing_changed_renders_and_sends_nothing():
    assert cost_of(reconnected, crowd(100, "vxlan"))._replace(resolved=0) == Cost()


def joined_by_one_more(hosts: int, ports: int) -> Cost:
    """What it takes that one more host gets its first port of a network that has so many hosts, and ports on each."""
    world = World()
    there = [world.host() for _ in range(hosts)]
    new = world.host()
    network = world.network("vxlan")
    world.subnet(network, "10.0.0.0/16")
    made = [world.port(network) for _ in range(hosts * ports + 1)]
    world.settle()
    for number, port in enumerate(made[1:]):
        world.plug(port, there[number % hosts])
    world.settle()
    with counted(world) as cost:
        world.plug(made[0], new)
    return Cost(*cost)


def test_one_more_host_in_a_network_costs_its_hosts_and_not_their_ports():
    costs = {(hosts, ports): joined_by_one_more(hosts, ports) for hosts in (2, 4, 8) for ports in (1, 20)}
    for hosts in (2, 4, 8):
        assert costs[hosts, 1] == costs[hosts, 20]
    # The list of hosts is written anew on each host that is there.
    growth = [costs[4, 1].flows - costs[2, 1].flows, costs[8, 1].flows - costs[4, 1].flows]
    assert growth == [2, 4]


def first_of_its_network(others: int, bound: bool) -> tuple[Cost, int]:
    """What it takes, and how many flows its own switch gets, that a host gets its first port of a network whose group
    has so many members on another host; `bound`: as Nova does, the port was bound to the host before."""
    world = World()
    here, there = world.host(), world.host()
    network = world.network("vxlan")
    world.subnet(network, "10.0.0.0/16")
    members = [protected_port(world, network) for _ in range(others)]
    port = protected_port(world, network)
    beside = world.port(world.network("vxlan"))  # the host has its tunnel port
    world.settle()
    for number, member in enumerate([*members, beside]):
        world.plug(member, there if number < others else here)
    if bound:
        world.change_port(port, host_id=here.name)
    world.settle()
    sent = len(world.mods)
    with counted(world) as cost:
        world.plug(port, here)
    dpid = here.bridges["br-int"].dpid
    return Cost(*cost), sum(len(mods.add) + len(mods.remove) for mods in world.mods[sent:] if mods.dpid == dpid)


def test_a_bound_ports_vif_waits_for_its_own_flows_however_many_members_its_group_has():
    costs = [first_of_its_network(others, bound=True) for others in (2, 20, 200)]
    assert costs[0] == costs[1] == costs[2]
    assert costs[0][1] <= 12
    assert first_of_its_network(20, bound=False)[1] >= costs[1][1] + 40


def over_ten_hosts(ports: int) -> tuple[World, Network, list[Port], list[Hypervisor]]:
    world = World()
    hosts = [world.host() for _ in range(10)]
    network = world.network("vxlan")
    world.subnet(network, "10.0.0.0/16")
    made = [world.port(network) for _ in range(10 * ports)]
    beside = world.network("vxlan")  # it keeps the tunnel ports when the other one goes down
    others = [world.port(beside) for _ in hosts]
    world.settle()
    for number, port in enumerate([*made, *others]):
        world.plug(port, hosts[number % 10])
    world.settle()
    return world, network, made, hosts


@pytest.mark.parametrize("ports", [1, 10, 100])
def test_over_ten_switches_a_port_concerns_its_own_and_a_network_each_once(ports):
    world, network, made, hosts = over_ten_hosts(ports)
    sent = len(world.mods)
    world.plug(world.port(network), hosts[3])
    world.settle()
    assert {mods.dpid for mods in world.mods[sent:]} == {hosts[3].bridges["br-int"].dpid}
    sent = len(world.mods)
    world.change_port(made[0], name="renamed")
    world.settle()
    assert world.mods[sent:] == []
    world.write(networks.change, network.id, {"admin_state_up": False})
    world.settle()
    assert sorted(mods.dpid for mods in world.mods[sent:]) == sorted(host.bridges["br-int"].dpid for host in hosts)


@pytest.mark.parametrize("flows", [10, 100, 1000])
def test_a_reconnect_sends_the_read_back_and_not_a_byte_more(flows):
    bridge = Bridge()
    installed = [Flow(0, 1, match({"in_port": number + 1}), [Goto(16)]) for number in range(flows)]
    half = len(installed) // 2
    bridge.greet()
    asked = [kind for kind, _, _ in bridge.hears()]
    bridge.says(*bridge.contents(*installed[:half]))
    bridge.passes(1.0)
    assert bridge.hears() == []
    assert (asked.count(ofp.OFPT_MULTIPART_REQUEST), len(asked)) == (5, 9)
