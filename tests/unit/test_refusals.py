"""A switch that refuses many flows, or all meters: how many round trips that takes, and what goes on meanwhile."""

from __future__ import annotations

import pytest

from controller.core import effects as fx
from controller.core import events as e
from controller.core.flow import Flow, Metered
from controller.core.inspect import Inspector
from controller.core.ledger import HANDFUL, PART, PARTS_IN_FLIGHT
from controller.core.model import Fault, Network, Port
from controller.core.packet import ethernet
from controller.core.pipeline import LAYOUT
from controller.core.rereads import LONGEST, PAUSE, Rereads
from tests.world.hypervisor import Hypervisor
from tests.world.world import HELD, NO_METERS, World, desired, installed, meters

PORTS = 100
UNICAST = LAYOUT.by_name["switching"].id


def wired(ports: int = PORTS) -> tuple[World, Hypervisor, list[Port]]:
    """A host with many ports, whose bridge has lost all flows and is about to connect again."""
    world = World()
    host = world.host()
    world.settle()
    network = world.network("local")
    made = [world.port(network) for _ in range(ports)]
    for port in made:
        world.plug(port, host)
    world.settle()
    bridge = host.bridges["br-int"]
    world.disconnect(bridge)
    bridge.switch.apply(fx.FlowMods(0, 0, remove=tuple((flow.table, flow.cookie) for flow in bridge.switch.flows)))
    bridge.switch.meters.clear()
    world.settle()
    world.mods.clear()
    world.steps.clear()
    world.connect(bridge)
    return world, host, made


def refuse_unicast(world: World, macs: set[str]) -> None:
    """Switches refuse the flows of `switching` that lead to these MAC addresses."""
    numbers = {int(mac.replace(":", ""), 16) for mac in macs}
    world.refuse = lambda flow: (
        "OFPFMFC_TABLE_FULL"
        if flow.table == UNICAST and any(name == "eth_dst" and value in numbers for name, value, _ in flow.match)
        else ""
    )


def faulty(world: World) -> set[str]:
    return {fault.id for fault in world.store.net.all(Fault) if fault.kind == "Port"}


def assert_all_else_is_there(world: World) -> None:
    wanted = {
        dpid: {slot: flow.cookie for slot, flow in ledger.desired.items() if not world.refuse(flow)}
        for dpid, ledger in world.machine.ledgers.items()
    }
    assert installed(world) == {dpid: flows for dpid, flows in wanted.items() if flows}
    assert all(ledger.settled for ledger in world.machine.ledgers.values())


def test_flows_that_a_switch_can_not_read_are_all_known_after_one_bundle():
    world, _, ports = wired()
    world.refuse_early = True
    refuse_unicast(world, {port.mac_address for port in ports[::2]})
    world.settle()
    assert len(world.mods) == 2
    assert faulty(world) == {port.id for port in ports[::2]}
    assert_all_else_is_there(world)


def test_errors_of_one_bundle_that_come_in_two_steps_are_no_more_round_trips_than_steps():
    world, _, ports = wired()
    world.refuse_early = True
    refuse_unicast(world, {port.mac_address for port in ports[::2]})
    bursts = [10]
    world.step(len(world.events))
    world.settle(lambda waiting: bursts.pop() if bursts else waiting)
    assert len(world.mods) == 3
    assert faulty(world) == {port.id for port in ports[::2]}
    assert_all_else_is_there(world)


@pytest.mark.parametrize("every", [1, 2, 20])
def test_flows_that_a_switch_can_not_commit_take_a_few_round_trips(every):
    world, _, ports = wired()
    refused = ports[::every]
    refuse_unicast(world, {port.mac_address for port in refused})
    world.settle()
    assert len(world.steps) <= HANDFUL + PORTS // PARTS_IN_FLIGHT + 5
    assert len(world.mods) <= HANDFUL + PORTS + 5
    assert faulty(world) == {port.id for port in refused}
    assert all(world.active(port) for port in ports if port not in refused)
    assert_all_else_is_there(world)

    world.refuse = lambda flow: ""
    for _ in range(15):
        world.tick()
        world.settle()
    assert faulty(world) == set()
    assert all(world.active(port) for port in ports)
    assert installed(world) == desired(world.machine)


def test_what_is_no_suspect_is_there_before_the_suspects_are_tried():
    world, host, ports = wired()
    refuse_unicast(world, {port.mac_address for port in ports})
    while len(world.mods) < HANDFUL + 1:
        world.step(len(world.events))
    ordinary, *parts = world.mods[HANDFUL:]
    assert {flow.table for flow in ordinary.add}.isdisjoint({UNICAST})
    assert {flow.table for part in parts for flow in part.add} == {UNICAST}
    assert len(ordinary.add) + PARTS_IN_FLIGHT - 1 == sum(len(mods.add) for mods in world.mods[HANDFUL:])
    stands = {flow.slot for flow in host.bridges["br-int"].switch.flows}
    assert {flow.slot for flow in ordinary.add} <= stands


def test_a_switch_that_refuses_much_gets_a_bounded_number_of_bundles_at_a_time():
    world, _, ports = wired(2 * PART * PARTS_IN_FLIGHT)
    bad = ports[::10]
    refuse_unicast(world, {port.mac_address for port in bad})
    most = 0
    while world.events:
        sent = len(world.mods)
        world.step(len(world.events))
        most = max(most, len(world.mods) - sent)
    assert most <= PARTS_IN_FLIGHT
    assert max(len(mods.add) for mods in world.mods[HANDFUL + 2 :]) <= PART
    assert faulty(world) == {port.id for port in bad}
    assert_all_else_is_there(world)


def test_a_port_whose_flows_are_suspects_is_active_only_when_they_are_acknowledged():
    world, host, ports = wired(10)
    refuse_unicast(world, {port.mac_address for port in ports})
    world.settle()
    world.mods.clear()
    world.outcomes = iter([HELD] * 1000)
    network = world.store.net.get(Network, ports[0].network_id)
    late = [world.port(network) for _ in range(4)]
    for port in late:  # while two bundles are on their way, those that follow are not sent yet
        world.plug(port, host)
        world.settle()
    acknowledged = 0
    while world.held:
        acknowledged = world.held[0].serial
        world.events.append(world.held.pop(0))
        world.settle()
        for port in late:
            number = int(port.mac_address.replace(":", ""), 16)
            due = [mods.serial for mods in world.mods for flow in mods.add if ("eth_dst", number, None) in flow.match]
            assert not world.active(port) or max(due) <= acknowledged
    assert all(world.active(port) for port in late)


# ---------------------------------------------------------------------------------------------------------------------
# No meters


def test_a_datapath_that_refuses_meters_unannounced_has_its_ports_in_fault_and_is_read_ever_more_seldom():
    world, host, ports = wired(10)
    world.has_meters = False
    world.settle()
    assert faulty(world) == {port.id for port in ports}
    assert all(NO_METERS in fault.reason for fault in world.store.net.all(Fault))
    read: list[float] = []
    for now in range(1, 601):
        world.reads.clear()
        world.clock = float(now)
        world.events.append(e.Tick(world.clock))
        world.settle()
        read += [world.clock] * len(world.reads)
    pauses = [later - earlier for earlier, later in zip(read, read[1:], strict=False)]
    assert pauses == [5, 10, 20, 40, *[60] * (len(pauses) - 4)]
    assert len(pauses) >= 12

    world.has_meters = True
    for _ in range(int(LONGEST)):
        world.tick()
        world.settle()
    assert faulty(world) == set()
    wanted, have = meters(world)
    assert wanted == have
    assert installed(world) == desired(world.machine)


def meterless(ports: int = 3) -> tuple[World, Hypervisor, list[Port]]:
    """A host that says that its datapath has no meters, and would refuse them."""
    world = World()
    world.has_meters = world.tells_meters = False
    host = world.host()
    world.settle()
    network = world.network("vxlan")
    for cidr in ("10.0.0.0/24", "fd00::/64"):
        world.subnet(network, cidr, **({"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"} if ":" in cidr else {}))
    made = [world.port(network) for _ in range(ports)]
    for port in made:
        world.plug(port, host)
    world.settle()
    return world, host, made


def metered(world: World) -> list[Flow]:
    flows = (flow for ledger in world.machine.ledgers.values() for flow in ledger.desired.values())
    return [flow for flow in flows if any(isinstance(action, Metered) for action in flow.actions)]


def test_a_datapath_that_says_it_has_no_meters_is_asked_for_none_and_all_else_works():
    world, host, ports = meterless()
    assert faulty(world) == set() and world.store.net.count(Fault) == 0
    assert all(world.active(port) for port in ports)
    assert not metered(world) and not any(mods.meters for mods in world.mods)
    assert installed(world) == desired(world.machine)
    (seen,) = Inspector(world.machine).hosts()
    assert seen["note"].startswith("br-int has no meters: DHCP, answers to router solicitations, and ")
    # What would be a copy for the controller goes its way; without a limit nothing is sent to the controller.
    broadcast = world.send(ports[0], ethernet(ports[0].mac_address, "ff:ff:ff:ff:ff:ff"))
    assert world.places(broadcast) == sorted(port.id for port in ports[1:])
    assert broadcast.punted == ()
    for _ in range(10):
        world.tick()
        world.settle()
    assert world.reads == []


def test_meters_are_there_when_a_newer_datapath_connects_and_gone_with_it():
    world, host, ports = meterless()
    bridge = host.bridges["br-int"]
    for has in (True, False, True):
        world.disconnect(bridge)
        world.settle()
        if not has:  # the old datapath has lost them, and the flows that use them
            bridge.switch.apply(fx.FlowMods(0, 0, stale_meters=tuple(bridge.switch.meters)))
        world.has_meters = world.tells_meters = has
        world.connect(bridge)
        world.settle()
        assert bool(metered(world)) == bool(bridge.switch.meters) == has
        assert installed(world) == desired(world.machine)
        assert world.store.net.count(Fault) == 0
        assert bool(Inspector(world.machine).hosts()[0]["note"]) != has


def test_a_switch_that_connects_again_is_tried_again_at_once():
    world, host, ports = wired(3)
    world.has_meters = False
    for _ in range(60):
        world.tick()
        world.settle()
    world.bounce(host.bridges["br-int"])
    world.settle()
    world.reads.clear()
    world.tick()
    world.settle()
    assert world.reads == [host.bridges["br-int"].dpid]


def test_the_pause_is_short_again_after_a_long_time_without_trouble():
    rereads = Rereads()
    for now in (0.0, PAUSE):
        rereads.want([7])
        assert rereads.due(now) == [7]
    rereads.want([7])
    assert rereads.due(2 * PAUSE) == []
    assert rereads.due(3 * PAUSE) == [7]
    assert rereads.due(4 * PAUSE) == []
    rereads.want([7])
    assert rereads.due(1000.0) == [7]
    rereads.want([7])
    assert rereads.due(1000.0 + PAUSE) == [7]
