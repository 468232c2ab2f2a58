"""The machine: from events to effects, through whatever order and mishap."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, repeat

import pytest

from controller.core import app as registry
from controller.core import effects as fx
from controller.core import events as e
from controller.core.app import App
from controller.core.derived import LocalPort, Switch
from controller.core.flow import LOCAL, Flow, Output, match
from controller.core.machine import Machine
from controller.core.model import INT, Binding, Fault, Host, LocalVlan, Network, Port, Segment
from controller.core.net import Change
from controller.core.observed import WantedAddress, WantedMac
from controller.core.packet import arp_request, ethernet
from controller.core.pipeline import LAYOUT
from controller.core.settings import HostSettings, Settings
from tests.world.hypervisor import Hypervisor
from tests.world.world import APPS, HELD, SETTINGS, World, desired, installed, meters, name_of

PORT_ID = "11111111-2222-4333-8444-555555555555"
TAP = "tap11111111-22"
BR_INT = 0x101


def changed(*rows):
    return e.Changed(1, tuple(Change(None, row) for row in rows))


def faults(world: World) -> dict[tuple[str, str], str]:
    return {(fault.kind, fault.id): fault.reason for fault in world.store.net.all(Fault)}


def plugged(type: str = "vxlan", managed: bool = True) -> tuple[World, list[Hypervisor], list[Port]]:
    """Two hosts, one network, and an ACTIVE port on each."""
    world = World()
    hosts = [world.host(managed), world.host(managed)]
    world.settle()
    network = world.network(type)
    world.subnet(network)
    ports = [world.port(network), world.port(network)]
    for port, host in zip(ports, hosts, strict=True):
        world.plug(port, host)
    world.settle()
    assert all(world.active(port) for port in ports)
    return world, hosts, ports


# ---------------------------------------------------------------------------------------------------------------------
# The join of OfPort, Interface, Port and Host

CONNECTED = e.SwitchUp(BR_INT, "192.0.2.1", (e.PortDesc(LOCAL, "br-int", ""),), ())
ROWS = (
    Network("n1", key=7),
    Segment("s1", "n1", "local"),
    Port(PORT_ID, "n1", mac_address="fa:16:3e:00:00:01", key=9),
    Binding(PORT_ID, "n1", "h1"),
    LocalVlan("h1", "n1", 1),
)


def arrivals(managed: bool) -> dict[str, list]:
    """The events by which each of the four becomes known."""
    vif = e.InterfaceRow(TAP, "br-int", iface_id=PORT_ID)
    stored = changed(Host("h1", "192.0.2.1", bridges=(("br-int", BR_INT),), managed=managed))
    up = e.HostUp("tcp:192.0.2.1:1234", "h1", "192.0.2.1", bridges=(e.BridgeRow("br-int", BR_INT),))
    told = e.InterfacesChanged("h1", (vif,))
    return {
        "OfPort": [e.PortStatus(BR_INT, e.PortDesc(5, TAP, ""), False)],
        "Interface": [told] if managed else [],
        "Port": [changed(*ROWS)],
        # A host that dials in says all its interfaces at once: what was told before stands only if it is said again.
        "Host": [stored, up, told] if managed else [stored],
    }


@pytest.mark.parametrize("managed", [True, False], ids=["managed", "unmanaged"])
@pytest.mark.parametrize("order", list(permutations(("OfPort", "Interface", "Port", "Host"))), ids="-".join)
def test_a_port_is_found_in_every_order_of_arrival(order, managed):
    said = [CONNECTED, *(event for name in order for event in arrivals(managed)[name])]
    found = []
    for bursts in ([said], [[event] for event in said]):
        machine = Machine(APPS, SETTINGS)
        for burst in bursts:
            machine.step(burst)
        assert machine.net.get(LocalPort, PORT_ID) == LocalPort(PORT_ID, BR_INT, 5, "n1", "h1")
        found.append(desired(machine))
    reference = Machine(APPS, SETTINGS, ROWS)
    reference.step([event for name in ("Host", "Interface", "OfPort") for event in arrivals(managed)[name]])
    reference.step([CONNECTED, *arrivals(managed)["OfPort"]])
    assert found == [desired(reference)] * 2


def test_what_a_switch_is_sent_comes_before_what_is_to_be_written():
    machine = Machine(APPS, SETTINGS, [row for row in ROWS if not isinstance(row, (Binding, LocalVlan))])
    said = arrivals(managed=True)
    machine.step([*said["Host"], CONNECTED])
    now, then = machine.take_in(said["OfPort"]), machine.follow_up()
    assert [type(effect) for effect in now] == [fx.FlushConnections, fx.FlowMods]
    assert [effect.plan for effect in then if isinstance(effect, fx.Propose)] == ["bind"]
    assert not any(isinstance(effect, fx.FlowMods) for effect in then)


@pytest.mark.parametrize("missing", ["OfPort", "Interface", "Port", "Host"])
def test_a_port_is_not_found_while_one_of_the_four_is_missing(missing):
    machine = Machine(APPS, SETTINGS)
    said = arrivals(True)
    if missing == "Interface":
        said["OfPort"] = [e.PortStatus(BR_INT, e.PortDesc(5, "vnet0", ""), False)]
        said["Host"] = said["Host"][:2]
    machine.step([CONNECTED, *(event for name, events in said.items() if name != missing for event in events)])
    assert machine.net.get(LocalPort, PORT_ID) is None


def test_a_vif_is_found_by_the_interface_name_that_its_ports_profile_tells():
    world = World(Settings(hosts=(HostSettings("node", dpids=(0x101,)),)))
    node = world.host(managed=False, mappings=())
    world.settle()
    network = world.network("local")
    port = world.port(network, host_id="node", profile='{"interface": "node-eth0"}')
    elsewhere = world.port(network, host_id="other", profile='{"interface": "node-eth0"}')
    world.plug(port, node, name="node-eth0")
    world.settle()
    assert world.active(port)
    assert world.store.net.get(Binding, elsewhere.id) is None


# ---------------------------------------------------------------------------------------------------------------------
# DOWN and ACTIVE


def test_a_port_is_active_when_all_switches_that_got_flows_for_it_have_acknowledged_them():
    world, hosts, ports = plugged()
    port = world.port(world.store.net.get(Network, ports[0].network_id))
    world.outcomes = repeat(HELD)
    world.plug(port, hosts[0])
    world.settle()
    assert world.store.net.get(Binding, port.id) == Binding(port.id, port.network_id, hosts[0].name, active=False)
    assert world.held
    while world.held:
        assert not world.active(port)
        world.events.append(world.held.pop(0))
        world.settle()
    assert world.active(port)


def test_a_port_is_down_when_its_vif_goes_and_active_again_when_it_comes_back():
    world, hosts, (port, _) = plugged()
    flows = desired(world.machine)
    world.unplug(port, hosts[0])
    world.settle()
    assert world.store.net.get(Binding, port.id) is None
    world.plug(port, hosts[0])
    world.settle()
    assert world.active(port)
    assert desired(world.machine) == flows


def test_a_host_that_cannot_be_reached_keeps_its_ports_active_and_its_peers_flows():
    world, hosts, ports = plugged()
    flows = desired(world.machine)
    for bridge in hosts[1].bridges.values():
        world.disconnect(bridge)
    world.events.append(e.HostDown(hosts[1].name))
    world.settle()
    assert all(world.active(port) for port in ports)
    assert desired(world.machine) == flows


def test_a_switch_that_died_with_a_bundle_on_its_way_does_not_hold_up_the_ports_of_others():
    world, hosts, ports = plugged()
    network = world.store.net.get(Network, ports[0].network_id)
    world.outcomes = iter([HELD] * 50)
    world.change_port(ports[1], mac_address="fa:16:3e:00:00:99")
    world.settle()
    world.disconnect(hosts[1].bridges["br-int"])
    world.outcomes = iter(())
    port = world.port(network)
    world.plug(port, hosts[0])
    world.settle()
    assert world.active(port)


def test_a_port_becomes_active_when_its_switch_comes_back_with_all_flows_but_no_acknowledgement():
    world, hosts, ports = plugged()
    port = world.port(world.store.net.get(Network, ports[0].network_id))
    world.outcomes = iter([HELD] * 50)
    world.plug(port, hosts[0])
    world.settle()
    assert not world.active(port)
    world.outcomes, sent = iter(()), len(world.mods)
    for bridge in hosts[0].bridges.values():
        world.bounce(bridge)
    world.events.extend(event for event in world.held if event.dpid >> 8 != 1)
    world.settle()
    assert len(world.mods) == sent
    assert world.active(port)


def test_a_port_that_is_bound_while_its_switch_is_away_waits_for_it():
    world, hosts, ports = plugged()
    port = world.port(world.store.net.get(Network, ports[0].network_id))
    world.plug(port, hosts[0])
    world.step(len(world.events))  # found, and a binding is proposed
    integration = hosts[0].bridges["br-int"]
    world.disconnect(integration)
    world.settle()
    assert not world.active(port)
    world.connect(integration)
    world.settle()
    assert world.active(port)


def test_a_port_with_its_admin_state_down_is_not_active_until_it_is_up():
    world, hosts, ports = plugged()
    port = world.port(world.store.net.get(Network, ports[0].network_id), admin_state_up=False)
    world.plug(port, hosts[0])
    world.settle()
    assert not world.active(port)
    world.change_port(port, admin_state_up=True)
    world.settle()
    assert world.active(port)


# ---------------------------------------------------------------------------------------------------------------------
# What a switch refuses


def refusing(world: World, mac: str) -> None:
    """Switches refuse every flow that names the MAC address."""
    number = int(mac.replace(":", ""), 16)
    world.refuse = lambda flow: "OFPBAC_BAD_ARGUMENT" if ("eth_dst", number, None) in flow.match else ""


def test_a_refused_flow_is_a_fault_of_its_port_alone_and_over_when_the_port_is_changed():
    world, hosts, ports = plugged()
    network = world.store.net.get(Network, ports[0].network_id)
    bad, good = world.port(network, mac_address="fa:16:3e:00:00:66"), world.port(network)
    refusing(world, bad.mac_address)
    for port in (bad, good):
        world.plug(port, hosts[0])
    world.settle()
    reason = "switch 0000000000000102 refused a flow of switching.unicast: OFPBAC_BAD_ARGUMENT"
    assert faults(world) == {("Port", bad.id): reason}
    assert (world.active(bad), world.active(good)) == (False, True)
    assert world.places(world.send(good, ethernet(good.mac_address, ports[1].mac_address))) == [ports[1].id]

    world.change_port(bad, mac_address="fa:16:3e:00:00:67")
    world.settle()
    assert faults(world) == {}
    assert world.active(bad)


def test_a_bundle_of_nothing_but_a_refused_flow_leaves_its_switch_settled():
    world, hosts, ports = plugged()
    network = world.store.net.get(Network, ports[0].network_id)
    refusing(world, ports[0].mac_address)
    integration = hosts[0].bridges["br-int"]
    flow = next(flow for flow in integration.switch.flows if world.refuse(flow))
    integration.switch.apply(fx.FlowMods(0, 0, remove=((flow.table, flow.cookie),)))
    world.reread(integration)
    world.settle()
    assert list(faults(world)) == [("Port", ports[0].id)]
    assert world.machine.ledgers[integration.dpid].settled
    port = world.port(network)
    world.plug(port, hosts[1])
    world.settle()
    assert world.active(port)


def test_two_refused_flows_of_one_port_are_one_fault_that_ends_with_the_second():
    world, hosts, (port, _) = plugged()
    world.refuse = lambda flow: "OFPBMC_BAD_VALUE" if flow.table in (0, 56) and flow.priority == 100 else ""
    integration = hosts[0].bridges["br-int"]
    integration.switch.apply(fx.FlowMods(0, 0, remove=tuple((f.table, f.cookie) for f in integration.switch.flows)))
    world.bounce(integration)
    world.settle()
    assert list(faults(world)) == [("Port", port.id)]
    world.refuse = lambda flow: "OFPBMC_BAD_VALUE" if flow.table == 56 and flow.priority == 100 else ""
    world.bounce(integration)
    world.settle()
    assert faults(world)["Port", port.id].endswith("refused a flow of switching.unicast: OFPBMC_BAD_VALUE")
    world.refuse = lambda flow: ""
    world.bounce(integration)
    world.settle()
    assert faults(world) == {}
    assert installed(world) == desired(world.machine)


def restarted(world: World) -> World:
    """A new controller, to which everybody is back."""
    world.restart()
    for hypervisor in world.hypervisors.values():
        if hypervisor.managed:
            world.join(hypervisor)
        for bridge in hypervisor.bridges.values():
            world.connect(bridge)
    return world.settle()


@pytest.mark.parametrize("kind", ["Port", "Network"])
def test_a_fault_from_before_a_restart_is_over_when_the_switch_takes_the_flow_now(kind):
    world, hosts, (port, _) = plugged()
    table = LAYOUT.by_name["switching" if kind == "Port" else "flood"].id
    world.refuse = lambda flow: "OFPBAC_BAD_ARGUMENT" if (flow.table, flow.priority) == (table, 100) else ""
    integration = hosts[0].bridges["br-int"]
    integration.switch.apply(fx.FlowMods(0, 0, remove=tuple((f.table, f.cookie) for f in integration.switch.flows)))
    world.bounce(integration)
    world.settle()
    wanted = [(kind, port.id if kind == "Port" else port.network_id)]
    assert list(faults(world)) == wanted
    assert list(faults(restarted(world))) == wanted
    world.refuse = lambda flow: ""
    assert faults(restarted(world)) == {}
    assert world.active(port)


def test_an_error_that_names_no_flow_of_ours_has_the_switch_read_again():
    world, hosts, _ = plugged()
    integration = hosts[0].bridges["br-int"]
    gone = integration.switch.flows[0]
    integration.switch.apply(fx.FlowMods(0, 0, remove=((gone.table, gone.cookie),)))
    world.events.append(e.SwitchError(integration.dpid, 0, 0, "OFPBRC_EPERM"))
    world.settle()
    assert gone not in integration.switch.flows
    world.tick()
    world.settle()
    assert gone in integration.switch.flows


# ---------------------------------------------------------------------------------------------------------------------
# Faults of apps


@pytest.fixture
def toy() -> Iterator[App]:
    """An app of its own, that no other test sees."""
    made = App("toy")
    yield made
    del registry.APPS["toy"]


def test_an_app_function_that_raises_marks_its_object_and_all_else_goes_on(toy):
    @toy.flows(LocalPort)
    def odd(net, local):
        if net.get(Port, local.port_id).mac_address == "fa:16:3e:00:00:66":
            raise ValueError("odd")
        yield Flow(200, 1, match({"in_port": local.ofport}), [])

    world = World(apps=(*APPS, toy))
    host = world.host()
    world.settle()
    network = world.network()
    ports = [world.port(network), world.port(network, mac_address="fa:16:3e:00:00:66"), world.port(network)]
    for port in ports:
        world.plug(port, host)
    world.settle()
    assert faults(world) == {("Port", ports[1].id): "toy.odd: ValueError: odd"}
    assert [world.active(port) for port in ports] == [True, False, True]
    assert sum(flow.table == 200 for flow in host.bridges["br-int"].switch.flows) == 2
    assert world.places(world.send(ports[0], ethernet(ports[0].mac_address, ports[1].mac_address))) == [ports[1].id]

    world.change_port(ports[1], mac_address="fa:16:3e:00:00:67")
    world.settle()
    assert faults(world) == {}
    assert world.active(ports[1])
    assert sum(flow.table == 200 for flow in host.bridges["br-int"].switch.flows) == 3


def test_a_fault_that_no_object_has_is_shown_on_its_host_and_ends_with_the_switch(toy):
    @toy.flows(Switch)
    def broken(net, switch):
        raise KeyError(switch.bridge)

    world = World(Settings(), apps=(*APPS, toy))
    world.host(mappings=())
    world.settle()
    assert faults(world) == {("Host", "h1"): "toy.broken: KeyError: 'br-int'"}
    gone = world.machine.net.get(Switch, BR_INT)
    effects = world.machine.step([e.Changed(9, (Change(world.store.net.get(Host, gone.host), None),))])
    assert fx.Propose("clear_fault", ("Host", "h1")) in effects


def test_a_fault_that_is_there_when_the_controller_starts_is_told_in_its_first_step(toy):
    @toy.ovsdb(Host)
    def broken(net, host):
        raise KeyError(host.name)

    machine = Machine((*APPS, toy), SETTINGS, [Host("h1", "192.0.2.1", managed=True)])
    assert fx.Propose("set_fault", ("Host", "h1", "toy.broken: KeyError: 'h1'")) in machine.step([])


def test_a_slot_that_two_units_want_goes_to_one_of_them_whatever_the_order_and_to_the_other_when_it_leaves(toy):
    @toy.flows(LocalPort)
    def same(net, local):
        yield Flow(200, 1, match({}), [Output(local.ofport)])

    world = World(apps=(*APPS, toy))
    host = world.host()
    world.settle()
    network = world.network("local")
    ports = [world.port(network) for _ in range(3)]
    slot = (200, 1, ())
    for port in ports:
        world.plug(port, host)
        world.settle()
    ledger = world.machine.ledgers[host.bridges["br-int"].dpid]
    first = ledger.desired[slot]
    order = sorted(ports, key=lambda port: port.id)
    for gone, left in zip(order, order[1:], strict=False):
        world.unplug(gone, host)
        world.settle()
        local = world.machine.net.get(LocalPort, left.id)
        assert ledger.desired[slot].actions == (Output(local.ofport),) != first.actions
    world.unplug(order[-1], host)
    world.settle()
    assert slot not in ledger.desired
    assert not ledger.claims.contested
    assert installed(world) == desired(world.machine)


# ---------------------------------------------------------------------------------------------------------------------
# What is wanted


def unicast_flow(host: Hypervisor) -> Flow:
    return next(flow for flow in host.bridges["br-int"].switch.flows if flow.idle_timeout)


def test_an_idle_flow_that_ended_is_not_sent_again_until_it_is_asked_for():
    world, hosts, (port, peer) = plugged()
    packet = ethernet(port.mac_address, peer.mac_address)
    world.send(port, packet)
    world.settle()
    sent, cookie = len(world.mods), unicast_flow(hosts[0]).cookie
    world.expire(hosts[0].bridges["br-int"], cookie)
    world.settle()
    assert len(world.mods) == sent
    assert world.machine.net.count(WantedMac) == 0
    assert world.places(world.send(port, packet)) == [peer.id]
    world.settle()
    assert unicast_flow(hosts[0]).cookie == cookie


def test_an_expiry_of_a_flow_that_is_not_there_is_passed_over():
    world, hosts, _ = plugged()
    dpid, sent = hosts[0].bridges["br-int"].dpid, len(world.mods)
    flows = desired(world.machine)
    world.events += [e.FlowRemoved(dpid, 59, 100, 12345), e.FlowRemoved(dpid, 0, 100, 0)]
    world.settle()
    assert len(world.mods) == sent
    assert desired(world.machine) == flows


@pytest.mark.parametrize("end", ["unplugged", "deleted", "came here", "network gone"])
def test_a_destination_that_is_gone_is_no_longer_wanted(end):
    world, hosts, (port, peer) = plugged()
    address = peer.fixed_ips[0].ip_address
    world.send(port, arp_request(port.mac_address, port.fixed_ips[0].ip_address, address))
    world.settle()
    assert [want.ip for want in world.machine.net.all(WantedAddress)] == [address]
    assert [want.mac for want in world.machine.net.all(WantedMac)] == [peer.mac_address]
    if end == "unplugged":
        world.unplug(peer, hosts[1])
    elif end == "deleted":
        world.delete_port(peer)
    elif end == "came here":
        world.move(peer, hosts[1], hosts[0])
    else:
        world.unplug(port, hosts[0])
    world.settle()
    assert world.machine.net.count(WantedAddress) == 0
    assert world.machine.net.count(WantedMac) == 0
    assert not [flow for flow in hosts[0].bridges["br-int"].switch.flows if flow.idle_timeout]


def test_a_punted_packet_from_nowhere_is_passed_over():
    world, hosts, _ = plugged()
    dpid, before = hosts[0].bridges["br-int"].dpid, desired(world.machine)
    for table, fields in ((82, ()), (82, (("reg0", 99),)), (3, (("reg0", 1),))):
        world.events.append(e.PacketIn(dpid, table, fields, bytes(64)))
    world.events.append(e.PacketIn(0xDEAD, 82, (("reg0", 1),), bytes(64)))
    world.settle()
    assert desired(world.machine) == before


# ---------------------------------------------------------------------------------------------------------------------
# Switches and hosts


def test_a_port_number_that_is_given_again_keeps_the_meter_of_its_new_owner():
    world, hosts, ports = plugged()
    network = world.store.net.get(Network, ports[0].network_id)
    old, new = ports[0], world.port(network)
    world.settle()
    # The new VIF's Interface row is told first, so that its unit comes before the old one's goes.
    host, integration = hosts[0], hosts[0].bridges["br-int"]
    number = integration.number(name_of(old))
    told = e.InterfaceRow(name_of(new), "br-int", iface_id=new.id)
    world.events.append(e.InterfacesChanged(host.name, (told,), ()))
    host.remove(name_of(old))
    host.plug(name_of(new), new.id)
    assert integration.number(name_of(new)) == number
    world.tell(host)
    world.settle()
    wanted, have = meters(world)
    assert wanted == have
    assert number in have[integration.dpid]
    assert installed(world) == desired(world.machine)


def test_what_is_said_of_an_unknown_switch_is_passed_over():
    machine = Machine(APPS, SETTINGS)
    port = e.PortDesc(1, "x", "")
    said = [
        e.SwitchDown(5),
        e.Reread(5, ()),
        e.PortStatus(5, port, True),
        e.FlowRemoved(5, 0, 0, 1),
        e.Acknowledged(5, 1),
    ]
    assert machine.step(said) == []


def test_a_switch_without_a_known_host_is_not_written_to():
    machine = Machine(APPS, SETTINGS)
    ours = Flow(0, 1, (), [])
    flows = (e.Installed(0, 1, ours.cookie), e.Installed(0, 0, 0, "00"))
    assert machine.step([e.SwitchUp(0x77, "198.51.100.7", (), flows)]) == []


def test_the_error_of_an_ovsdb_transaction_is_a_fault_of_the_host_until_one_succeeds():
    world, _, _ = plugged()
    world.events.append(e.OvsdbDone("h1", "no such column"))
    world.settle()
    assert faults(world) == {("Host", "h1"): "OVSDB refused: no such column"}
    world.events.append(e.OvsdbDone("h1"))
    world.settle()
    assert faults(world) == {}


def test_a_deleted_integration_bridge_is_made_again_and_filled_when_its_vifs_are_back():
    world, hosts, (port, peer) = plugged("vlan")
    flows = desired(world.machine)
    world.disconnect(hosts[0].bridges["br-int"])
    del hosts[0].bridges["br-int"]
    hosts[0].interfaces.clear()
    hosts[0].bridges["br-eth1"].ports.pop(hosts[0].bridges["br-eth1"].number("phy-br-eth1"))
    world.events.append(hosts[0].changed())
    world.tell(hosts[0])
    world.settle()
    assert world.machine.net.get(LocalPort, port.id) is None
    assert world.store.net.get(Binding, port.id) is None
    world.plug(port, hosts[0])
    world.settle()
    assert installed(world) == desired(world.machine)
    # Its ports have other numbers now.
    assert {dpid: len(made) for dpid, made in desired(world.machine).items()} == {d: len(f) for d, f in flows.items()}
    assert world.places(world.send(port, ethernet(port.mac_address, peer.mac_address))) == [peer.id]


def test_the_local_ip_and_mappings_of_a_host_are_followed_live():
    world, hosts, (port, peer) = plugged()
    packet = ethernet(port.mac_address, peer.mac_address)
    hosts[1].local_ip = "192.0.2.77"
    world.events.append(hosts[1].changed())
    world.settle()
    assert world.places(world.send(port, packet)) == [peer.id]
    world.settle()
    assert world.places(world.send(peer, ethernet(peer.mac_address, port.mac_address))) == [port.id]

    hosts[1].mappings = (("physnet2", "br-eth1"),)
    world.events.append(hosts[1].changed())
    world.settle()
    eth = world.machine.net.get(Switch, hosts[1].bridges["br-eth1"].dpid)
    assert eth.physical_network == "physnet2"


def test_a_restart_keeps_the_flows_of_a_host_that_is_away():
    world, hosts, (port, peer) = plugged()
    world.send(port, ethernet(port.mac_address, peer.mac_address))
    world.settle()
    flows = desired(world.machine)
    world.restart()
    world.join(hosts[0])
    for bridge in hosts[0].bridges.values():
        world.connect(bridge)
    world.settle()
    world.tick()
    world.settle()
    assert world.mods == []
    assert world.active(peer)
    assert {dpid: desired(world.machine)[dpid] for dpid in (0x101, 0x102)} == {d: flows[d] for d in (0x101, 0x102)}


def test_a_restarted_vswitchd_is_made_whole():
    world, hosts, (port, peer) = plugged("vlan")
    for bridge in hosts[0].bridges.values():
        bridge.switch.apply(fx.FlowMods(0, 0, remove=tuple((f.table, f.cookie) for f in bridge.switch.flows)))
        bridge.switch.meters.clear()
        world.bounce(bridge)
    world.settle()
    assert installed(world) == desired(world.machine)
    assert world.places(world.send(port, ethernet(port.mac_address, peer.mac_address))) == [peer.id]


def test_proactive_is_the_same_machine_with_every_destination_wanted():
    world = World(Settings(proactive=True))
    hosts = [world.host(mappings=()), world.host(mappings=())]
    world.settle()
    network = world.network()
    world.subnet(network)
    ports = [world.port(network), world.port(network)]
    for port, host in zip(ports, hosts, strict=True):
        world.plug(port, host)
    world.settle()
    before = len(world.mods)
    delivery = world.send(ports[0], ethernet(ports[0].mac_address, ports[1].mac_address))
    assert (world.places(delivery), delivery.punted) == ([ports[1].id], ())
    asked = arp_request(ports[0].mac_address, "10.0.0.2", ports[1].fixed_ips[0].ip_address)
    assert world.places(world.send(ports[0], asked)) == [ports[0].id]
    world.settle()
    assert len(world.mods) == before
    assert not [f for h in hosts for f in h.bridges["br-int"].switch.flows if f.idle_timeout]
    assert world.machine.net.find(Switch, "host+role", ("h1", INT))
