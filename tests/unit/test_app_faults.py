"""Apps that fail or disagree: what it costs, where it is shown, and when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from controller.core import app as registry
from controller.core import effects as fx
from controller.core import events as e
from controller.core.app import App
from controller.core.derived import LocalPort, Switch
from controller.core.flow import Flow, Meter, Output, match
from controller.core.handlers import CALM, REASON_LIMIT
from controller.core.model import Fault, Port
from controller.core.observed import OfPort
from controller.core.pipeline import LAYOUT, OUTPUT
from controller.core.plans import wiring
from controller.core.settings import Settings
from tests.world.hypervisor import Hypervisor
from tests.world.world import APPS, World, desired, installed, name_of

SLOT = (200, 1, ())
BR_INT = 0x102


@pytest.fixture
def toy() -> Iterator[App]:
    """An app of its own, gone with its tables after the test."""
    made = App("toy")
    yield made
    del registry.APPS["toy"]
    for table in [table for table in LAYOUT.by_name.values() if table.owner == "toy"]:
        del LAYOUT.by_name[table.name], LAYOUT.by_id[table.role, table.id]


def faults(world: World) -> dict[tuple[str, str], str]:
    return {(fault.kind, fault.id): fault.reason for fault in world.store.net.all(Fault)}


def fault_writes(world: World) -> list[fx.Propose]:
    """What was proposed of faults since this was last asked."""
    found = [proposal for proposal in world.proposals if proposal.plan in ("set_fault", "clear_fault")]
    world.proposals.clear()
    return found


def one_host(toy: App, settings: Settings | None = None, managed: bool = True) -> tuple[World, Hypervisor]:
    world = World(settings or Settings(), apps=(*APPS, toy))
    host = world.host(managed)
    world.settle()
    assert world.machine.net.get(Switch, BR_INT).host == host.name
    return world, host


def tick(world: World, seconds: float = 1.0) -> World:
    world.clock += seconds
    world.events.append(e.Tick(world.clock))
    return world.settle()


# ---------------------------------------------------------------------------------------------------------------------
# Packet handlers


@pytest.fixture
def punt(toy: App) -> Any:
    """A packet handler that takes the number in a packet for an OpenFlow port that is there; returns what makes such
    packets."""
    table = toy.table("toy_punt", stage=OUTPUT, slot=7)

    @toy.packets(table)
    def handle(net, punted):
        yield fx.Observe(net.change(OfPort(punted.dpid, int(punted.data.decode()), "seen", "")))

    return lambda data: e.PacketIn(BR_INT, table.id, (), data)


def test_a_packet_handler_that_raises_is_a_fault_of_the_host_and_the_rest_of_its_step_goes_on(toy, punt):
    world, host = one_host(toy)
    port = world.port(world.network("local"))
    host.plug(name_of(port), port.id)
    world.events += [punt(b"odd"), punt(b"77")]
    world.tell(host)
    world.settle(lambda waiting: waiting)
    assert world.machine.net.get(OfPort, (BR_INT, 77)) is not None
    assert world.active(port)
    tick(world)
    reason = "toy.handle: ValueError: invalid literal for int() with base 10: 'odd'"
    assert faults(world) == {("Host", host.name): reason}


def test_the_fault_of_a_packet_handler_ends_when_it_has_done_its_work_and_not_failed_for_a_while(toy, punt):
    world, host = one_host(toy)
    world.events.append(punt(b"odd"))
    tick(tick(world), CALM + 1)
    assert faults(world), "it has not done its work since"
    world.events.append(punt(b"77"))
    tick(world)
    assert faults(world) == {}


def test_a_guest_can_not_make_a_fault_come_and_go_with_its_packets(toy, punt):
    world, _ = one_host(toy)
    fault_writes(world)
    for number in range(1000):
        world.events += [punt(b"odd %d" % number), punt(b"77")]
        world.settle()
    assert fault_writes(world) == []
    for number in range(int(2 * CALM)):
        world.events += [punt(b"77"), punt(b"odd %d" % number), punt(b"77")]
        tick(world)
    assert [proposal.plan for proposal in fault_writes(world)] == ["set_fault"]
    for _ in range(int(CALM)):
        world.events.append(punt(b"77"))
        tick(world)
    assert [proposal.plan for proposal in fault_writes(world)] == ["clear_fault"]
    tick(world, CALM)
    assert fault_writes(world) == []


def test_what_a_guest_puts_into_an_error_is_shown_as_what_can_be_printed(toy):
    table = toy.table("toy_punt", stage=OUTPUT, slot=7)

    @toy.packets(table)
    def handle(net, punted):
        raise ValueError(punted.data.decode("latin1") * 100)

    world, host = one_host(toy)
    world.events.append(e.PacketIn(BR_INT, table.id, (), b"\0\x1b[31mred"))
    tick(world)
    shown = faults(world)["Host", host.name]
    assert shown.startswith(r"toy.handle: ValueError: \x00\x1b[31mred\x00")
    assert shown.isprintable()
    assert len(shown) <= 4 * REASON_LIMIT


@pytest.mark.parametrize("given", [None, fx.Observe(None), Flow(0, 1, (), ())], ids=["None", "no change", "a flow"])
def test_a_packet_handler_that_gives_what_nobody_can_take_is_at_fault(toy, given):
    table = toy.table("toy_punt", stage=OUTPUT, slot=7)
    toy.packets(table)(lambda net, punted: [given])
    world, host = one_host(toy)
    before = desired(world.machine)
    world.events.append(e.PacketIn(BR_INT, table.id, (), b""))
    tick(world)
    assert list(faults(world)) == [("Host", host.name)]
    assert desired(world.machine) == before


def test_a_packet_handler_sends_packets(toy):
    table = toy.table("toy_punt", stage=OUTPUT, slot=7)
    answer = fx.PacketOut(BR_INT, b"pong", (Output(1),))
    toy.packets(table)(lambda net, punted: [answer])
    world, _ = one_host(toy)
    assert world.machine.step([e.PacketIn(BR_INT, table.id, (), b"ping")]) == [answer]


def test_the_fault_of_a_handler_ends_with_its_switch(toy, punt):
    world, host = one_host(toy)
    world.events.append(punt(b"odd"))
    tick(world)
    assert list(faults(world)) == [("Host", host.name)]
    world.write(wiring.forget_host, host.name)
    world.settle()
    assert world.machine.net.get(Switch, BR_INT) is None
    fault_writes(world)
    tick(world)
    assert [proposal.plan for proposal in fault_writes(world)] == ["clear_fault"]
    assert faults(world) == {}


def test_a_host_without_ovsdb_loses_the_fault_of_a_handler_with_the_next_start(toy, punt):
    world, host = one_host(toy, Settings(), managed=False)
    world.events.append(punt(b"odd"))
    tick(world)
    assert list(faults(world)) == [("Host", host.name)]
    world.restart()
    world.join(host)
    world.settle()
    assert faults(world) == {}


# ---------------------------------------------------------------------------------------------------------------------
# Restorers


class Wishes:
    """An app that keeps a flow, until it is idle, for every OpenFlow port called "wished"; `broken` makes its restorer
    raise."""

    def __init__(self, toy: App) -> None:
        table = self.table = toy.table("toy_wishes", stage=OUTPUT, slot=7, reads=("eth_dst",), reactive=True)
        self.broken = True

        @toy.flows(OfPort)
        def wished(net, port):
            if net.get(OfPort, (port.dpid, port.number)).name == "wished":
                yield table.flow(1, {"eth_dst": port.number}, [], idle_timeout=60)

        @toy.restore(table)
        def restored(net, dpid, fields):
            if self.broken:
                raise LookupError(fields["eth_dst"])
            yield OfPort(dpid, fields["eth_dst"], "wished", "")


def test_rows_that_can_not_be_restored_are_a_fault_once_the_host_is_known_and_until_they_can(toy):
    wishes = Wishes(toy)
    world, host = one_host(toy)
    bridge = host.bridges["br-int"]
    port = world.port(world.network("local"))
    world.plug(port, host)
    world.events.append(e.PortStatus(BR_INT, e.PortDesc(7, "wished", ""), False))
    world.settle()
    stands = [flow for flow in bridge.switch.flows if flow.table == wishes.table.id and flow.priority]
    assert len(stands) == 1

    world.restart()
    world.connect(bridge)
    tick(world)
    assert faults(world) == {}
    world.join(host)
    tick(world.settle())
    assert faults(world) == {("Host", host.name): "toy.restored: LookupError: 7"}
    assert world.active(port)

    wishes.broken = False
    bridge.switch.apply(fx.FlowMods(BR_INT, 0, add=tuple(stands)))
    world.bounce(bridge)
    tick(world, CALM)
    assert world.machine.net.get(OfPort, (BR_INT, 7)).name == "wished"
    assert faults(world) == {}


def test_what_a_flow_stood_for_stays_when_its_restorer_raises_as_it_idles_out_and_so_does_the_flow(toy):
    wishes = Wishes(toy)
    world, host = one_host(toy)
    bridge = host.bridges["br-int"]
    world.events.append(e.PortStatus(BR_INT, e.PortDesc(7, "wished", ""), False))
    world.settle()
    (flow,) = [flow for flow in bridge.switch.flows if flow.idle_timeout]
    world.expire(bridge, flow.cookie)
    assert flow not in bridge.switch.flows
    tick(world)
    assert faults(world) == {("Host", host.name): "toy.restored: LookupError: 7"}
    assert flow in bridge.switch.flows

    wishes.broken = False
    world.expire(bridge, flow.cookie)
    tick(world, CALM)
    assert world.machine.net.get(OfPort, (BR_INT, 7)) is None
    assert installed(world) == desired(world.machine)
    assert faults(world) == {}


# ---------------------------------------------------------------------------------------------------------------------
# Units that want the same


def three_ports(toy: App) -> tuple[World, Hypervisor, list[Port]]:
    """Three plugged ports, in the order of their ids."""
    world, host = one_host(toy)
    network = world.network("local")
    ports = sorted((world.port(network) for _ in range(3)), key=lambda port: port.id)
    for port in ports:
        world.plug(port, host)
    return world.settle(), host, ports


def test_who_does_not_get_a_slot_has_a_fault_until_it_has_it(toy):
    @toy.flows(LocalPort)
    def same(net, local):
        yield Flow(200, 1, match({"eth_type": 0x800}), [Output(local.ofport)])

    world, host, ports = three_ports(toy)
    reason = f"switch {BR_INT:016x}: flow table=200,priority=1,ip of toy.same is also wanted by toy.same of Port "
    assert faults(world) == {("Port", port.id): reason + ports[0].id for port in ports[1:]}
    assert [world.active(port) for port in ports] == [True, False, False]

    fault_writes(world)
    world.unplug(ports[0], host)
    world.settle()
    assert faults(world) == {("Port", ports[2].id): reason + ports[1].id}
    assert [world.active(port) for port in ports] == [False, True, False]
    assert [proposal.argument[1] for proposal in fault_writes(world) if proposal.plan == "set_fault"] == [ports[2].id]

    world.unplug(ports[2], host)
    world.settle()
    assert faults(world) == {}


def test_a_slot_that_is_contested_within_a_step_only_is_nobodys_fault(toy):
    @toy.flows(LocalPort)
    def by_number(net, local):
        yield Flow(200, 1, match({"in_port": net.get(LocalPort, local.port_id).ofport}), [])

    world, host = one_host(toy)
    network = world.network("local")
    old, new = world.port(network), world.port(network)
    world.plug(old, host)
    world.settle()
    number = host.bridges["br-int"].number(name_of(old))
    fault_writes(world)
    # The new VIF's interface is told first, so that its units come before the old one's go.
    host.remove(name_of(old))
    host.plug(name_of(new), new.id)
    assert host.bridges["br-int"].number(name_of(new)) == number
    world.tell(host)
    world.settle()
    assert world.active(new)
    assert fault_writes(world) == []


def test_a_meter_has_the_highest_rate_and_who_wants_a_lower_one_has_a_fault(toy):
    rates = {}

    @toy.flows(LocalPort)
    def metered(net, local):
        yield Meter(99, rates[net.get(Port, local.port_id).mac_address])

    world, host = one_host(toy)
    network = world.network("local")
    ports = sorted((world.port(network) for _ in range(3)), key=lambda port: port.id)
    rates.update(zip((port.mac_address for port in ports), (100, 200, 200), strict=True))
    for port in ports:
        world.plug(port, host)
    world.settle()
    reason = f"switch {BR_INT:016x}: meter 99 of toy.metered is wanted at a higher rate by toy.metered of Port "
    assert faults(world) == {("Port", ports[0].id): reason + ports[1].id}
    assert host.bridges["br-int"].switch.meters[99] == 200
    world.unplug(ports[1], host)
    world.settle()
    assert faults(world) == {("Port", ports[0].id): reason + ports[2].id}
    world.unplug(ports[2], host)
    world.settle()
    assert faults(world) == {}
    assert host.bridges["br-int"].switch.meters[99] == 100
    assert world.active(ports[0])


def test_units_of_switches_that_want_one_slot_show_it_on_the_host(toy):
    @toy.flows(Switch)
    def one(net, switch):
        yield Flow(200, 1, (), [])

    @toy.flows(Switch)
    def other(net, switch):
        yield Flow(200, 1, (), [Output(1)])

    world, host = one_host(toy)
    wanted = f"flow table=200,priority=1 of toy.other is also wanted by toy.one of Host {host.name}"
    assert wanted in faults(world)["Host", host.name]
