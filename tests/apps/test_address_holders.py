"""Holders: an address that several ports may have is answered for with the MAC of the one that last said it has it."""

from __future__ import annotations

import pytest

from apps.allowed_address_pairs import AddressPair, AddressPairs
from controller.core import frame
from controller.core.model import INT, Binding, Port
from controller.core.observed import Holder, WantedAddress
from controller.core.packet import (
    BROADCAST,
    arp_reply,
    arp_request,
    ethernet,
    neighbor_advertisement,
    neighbor_solicitation,
)
from controller.core.pipeline import LAYOUT
from controller.core.settings import Settings
from tests.apps.setup import MAC1, MAC2, MAC3, Small, flows, small
from tests.world.frames import encode
from tests.world.world import SETTINGS, World

VIP, VIP6 = "10.0.0.100", "fd00::100"
PROACTIVE = Settings(vlan_ranges=SETTINGS.vlan_ranges, bridge_mappings=SETTINGS.bridge_mappings, proactive=True)
TYPES = ("vxlan", "vlan", "flat", "local")


def allow(world: World, port: Port, *addresses: str, mac: str = "") -> None:
    """Let a port have addresses beside its own; none: take all back."""
    pairs = tuple(AddressPair(mac or port.mac_address, address) for address in addresses)
    world.write(lambda draft: draft.put(AddressPairs(port.id, pairs)))
    world.settle()


def tell(world: World, port: Port, address: str, mac: str = ""):
    """A guest tells everybody that it has an address: a gratuitous ARP, or an unsolicited advertisement."""
    mac = mac or port.mac_address
    if ":" in address:
        said = neighbor_advertisement(mac, address, "33:33:00:00:00:01", "ff02::1").but(nd_reserved=0x20000000)
    else:
        said = arp_request(mac, address, address)
    delivery = world.send(port, said)
    world.settle()
    return delivery


def answer(world: World, port: Port, address: str) -> tuple[list[str], int]:
    """Who gets a port's question, and the MAC address that it is answered with (0: none)."""
    own = next(fixed.ip_address for fixed in port.fixed_ips if (":" in fixed.ip_address) == (":" in address))
    six = ":" in address
    question = (neighbor_solicitation if six else arp_request)(port.mac_address, own, address)
    delivery = world.send(port, question)
    world.settle()
    places = world.places(delivery)
    told = delivery.reached[0].packet["nd_tll" if six else "arp_sha"] if places == [port.id] else 0
    return places, told


def number(mac: str) -> int:
    return int(mac.replace(":", ""), 16)


def three(type: str = "vxlan", settings: Settings = SETTINGS) -> tuple[Small, Port]:
    """`one` and a client on one host, `two` on the other; `one` and `two` may have the addresses."""
    cloud = small(type, ("10.0.0.0/24", "fd00::/64"), settings)
    client = cloud.world.port(cloud.network, mac_address=MAC3)
    cloud.world.plug(client, cloud.here)
    cloud.world.settle()
    for port in (cloud.one, cloud.two):
        allow(cloud.world, port, VIP, VIP6)
    return cloud, client


def holders(world: World) -> dict[str, str]:
    return {holder.ip: holder.port_id for holder in world.machine.net.all(Holder)}


@pytest.mark.parametrize("address", [VIP, VIP6])
@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("settings", [SETTINGS, PROACTIVE])
def test_the_last_to_speak_is_answered_for_on_every_host(type, address, settings):
    cloud, client = three(type, settings)
    world = cloud.world
    assert answer(world, client, address)[1] == 0
    tell(world, cloud.one, address)
    assert holders(world) == {address: cloud.one.id}
    assert answer(world, client, address) == ([client.id], number(MAC1))
    if type == "local":
        return
    tell(world, cloud.two, address)
    assert holders(world) == {address: cloud.two.id}
    answer(world, client, address)
    assert answer(world, client, address) == ([client.id], number(MAC2))
    tell(world, cloud.one, address)
    assert answer(world, client, address) == ([client.id], number(MAC1))


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_what_is_told_reaches_the_members_and_is_told_the_controller_once(address):
    cloud, client = three()
    first = tell(cloud.world, cloud.one, address)
    again = tell(cloud.world, cloud.one, address)
    for delivery in (first, again):
        assert cloud.world.places(delivery) == sorted([client.id, cloud.two.id])
    tables = [[table for _, table, _ in delivery.punted] for delivery in (first, again)]
    assert "claimed" in map(_name, tables[0]) and "claimed" not in map(_name, tables[1])
    rival = tell(cloud.world, cloud.two, address)
    assert cloud.world.places(rival) == sorted([client.id, cloud.one.id])
    assert cloud.world.places(tell(cloud.world, cloud.one, address)) == sorted([client.id, cloud.two.id])


def _name(table: int) -> str:
    return LAYOUT.name(INT, table)


def test_a_meter_that_drops_takes_no_packet_from_its_receivers():
    cloud, client = three()
    bridge = cloud.here.bridges["br-int"]
    vif = cloud.here.vif("tap" + cloud.one.id[:11])
    closed = cloud.world.wiring().send(bridge.dpid, vif[1], arp_request(MAC1, VIP, VIP), meters_open=False)
    assert cloud.world.places(closed) == sorted([client.id, cloud.two.id])
    assert closed.punted == ()


def test_a_question_and_an_answer_tell_of_their_sender_too():
    cloud, client = three()
    world = cloud.world
    target = client.fixed_ips[0].ip_address
    asked = world.send(cloud.one, arp_request(MAC1, VIP, target))
    assert world.places(asked) == [cloud.one.id]
    world.settle()
    assert holders(world) == {VIP: cloud.one.id}
    world.send(cloud.two, arp_reply(MAC2, VIP, MAC3, target))
    world.settle()
    assert holders(world) == {VIP: cloud.two.id}
    world.send(cloud.one, neighbor_solicitation(MAC1, VIP6, client.fixed_ips[1].ip_address))
    world.settle()
    assert holders(world) == {VIP: cloud.two.id, VIP6: cloud.one.id}


@pytest.mark.parametrize("settings", [SETTINGS, PROACTIVE])
@pytest.mark.parametrize("type", TYPES[:3])
def test_packets_to_the_mac_address_of_a_virtual_router_go_to_the_one_that_holds_its_address(type, settings):
    virtual = "00:00:5e:00:01:07"
    cloud, client = three(type, settings)
    world = cloud.world
    for port in (cloud.one, cloud.two):
        allow(world, port, VIP, mac=virtual)
    packet = ethernet(client.mac_address, virtual)
    assert world.places(world.send(client, packet)) == []
    for holder in (cloud.one, cloud.two, cloud.one):
        tell(world, holder, VIP, virtual)
        answer(world, client, VIP)  # who is asked for is answered for from then on
        assert answer(world, client, VIP) == ([client.id], number(virtual))
        assert world.places(world.send(client, packet)) == [holder.id]
        world.settle()


def test_who_asks_for_an_address_does_not_hold_it():
    cloud, _ = three()
    answer(cloud.world, cloud.one, VIP)
    answer(cloud.world, cloud.one, VIP6)
    cloud.world.send(cloud.one, arp_request(MAC1, "0.0.0.0", VIP))
    cloud.world.settle()
    assert holders(cloud.world) == {}


def test_a_port_that_may_not_have_it_becomes_no_holder():
    cloud, client = three()
    world = cloud.world
    for address, mac in ((VIP, MAC3), (VIP6, MAC3), (VIP, MAC1)):
        tell(world, client, address, mac)
    tell(world, cloud.one, VIP, MAC3)
    tell(world, cloud.one, "10.0.0.101")
    assert holders(world) == {}


@pytest.mark.parametrize(("block", "address"), [("10.0.0.96/27", VIP), ("0.0.0.0/0", VIP), ("fd00::/64", VIP6)])
def test_an_address_of_a_block_is_held_and_the_ports_own_are_not_told(block, address):
    cloud, client = three()
    world = cloud.world
    allow(world, cloud.one, block)
    own = cloud.one.fixed_ips[":" in address].ip_address
    assert "claimed" not in [_name(table) for _, table, _ in tell(world, cloud.one, own).punted]
    tell(world, cloud.one, address)
    assert holders(world) == {address: cloud.one.id}
    assert answer(world, client, address) == ([client.id], number(MAC1))
    tell(world, cloud.two, address)
    delivery = tell(world, cloud.one, address)
    assert world.places(delivery) == sorted([client.id, cloud.two.id])


def test_a_holder_goes_before_the_port_whose_own_the_address_is_until_that_speaks():
    cloud, client = three()
    world = cloud.world
    (own, _), client_own = client.fixed_ips, client.fixed_ips[0].ip_address
    allow(world, cloud.two, own.ip_address)
    tell(world, cloud.two, own.ip_address)
    assert holders(world) == {own.ip_address: cloud.two.id}
    answer(world, cloud.one, client_own)
    assert answer(world, cloud.one, client_own) == ([cloud.one.id], number(MAC2))
    tell(world, client, own.ip_address)
    assert holders(world) == {}
    assert answer(world, cloud.one, client_own) == ([cloud.one.id], number(MAC3))


def test_an_address_held_by_nobody_is_asked_for_in_the_network():
    cloud, client = three()
    world = cloud.world
    assert answer(world, client, VIP)[0] == sorted([cloud.one.id, cloud.two.id])
    tell(world, cloud.one, VIP)
    world.unplug(cloud.one, cloud.here)
    world.settle()
    assert holders(world) == {}
    assert answer(world, client, VIP)[0] == [cloud.two.id]


@pytest.mark.parametrize("how", ["pair", "down"])
def test_a_holder_that_may_have_it_no_more_or_is_down_is_not_answered_for(how):
    cloud, client = three()
    world = cloud.world
    tell(world, cloud.two, VIP)
    answer(world, client, VIP)
    assert answer(world, client, VIP)[1] == number(MAC2)
    if how == "pair":
        allow(world, cloud.two)
    else:
        world.change_port(cloud.two, admin_state_up=False)
        world.settle()
    assert answer(world, client, VIP)[1] == 0
    tell(world, cloud.one, VIP)
    assert answer(world, client, VIP)[1] == number(MAC1)


def test_a_holder_that_is_silent_is_forgotten():
    cloud, client = three()
    world, bridge = cloud.world, cloud.here.bridges["br-int"]
    tell(world, cloud.one, VIP)
    (quiet,) = [flow for flow in bridge.switch.flows if flow.idle_timeout]
    world.expire(bridge, quiet.cookie)
    world.settle()
    assert holders(world) == {}
    assert answer(world, client, VIP)[0] == sorted([cloud.one.id, cloud.two.id])


def come_back(world: World, *hypervisors) -> None:
    world.restart()
    for host in hypervisors:
        world.join(host)
        for bridge in host.bridges.values():
            world.connect(bridge)
        world.settle()


@pytest.mark.parametrize("first", ["here", "there"])
def test_a_holder_survives_a_restart_and_nothing_is_sent(first):
    """Whichever switch is back first: that of the holder, or one where the address was asked for."""
    cloud, client = three()
    world = cloud.world
    tell(world, cloud.two, VIP)
    tell(world, cloud.one, VIP6)
    for address in (VIP, VIP6):
        answer(world, client, address)
    before, wanted = set(world.machine.net.all(Holder)), set(world.machine.net.all(WantedAddress))
    assert len(before) == 2
    come_back(world, *((cloud.here, cloud.there) if first == "here" else (cloud.there, cloud.here)))
    assert set(world.machine.net.all(Holder)) == before
    assert set(world.machine.net.all(WantedAddress)) == wanted
    assert world.mods == []


@pytest.mark.parametrize("address", [VIP, VIP6, "own"])
def test_a_switch_that_is_back_before_the_holders_goes_on_answering(address):
    cloud, client = three()
    world = cloud.world
    if address == "own":  # another port's, which its holder goes before
        address = client.fixed_ips[0].ip_address
        allow(world, cloud.two, address)
    asking = client if address in (VIP, VIP6) else cloud.one
    tell(world, cloud.two, address)
    answer(world, asking, address)
    assert answer(world, asking, address) == ([asking.id], number(MAC2))
    world.restart()
    world.join(cloud.here)
    for bridge in cloud.here.bridges.values():
        world.connect(bridge)
    world.settle()
    assert holders(world) == {address: cloud.two.id}
    assert answer(world, asking, address) == ([asking.id], number(MAC2))
    assert world.mods == []


def test_what_a_holders_own_switch_has_goes_before_what_others_answer_with():
    """The address has moved while the other switch was away, and the controller knows of neither any more."""
    cloud, client = three()
    world = cloud.world
    late = world.port(cloud.network)
    world.plug(late, cloud.there)
    world.settle()
    allow(world, late, VIP)
    tell(world, cloud.two, VIP)
    answer(world, client, VIP)
    assert answer(world, client, VIP)[1] == number(MAC2)
    world.disconnect(cloud.here.bridges["br-int"])
    world.settle()
    tell(world, late, VIP)
    come_back(world, cloud.here)
    assert holders(world) == {VIP: cloud.two.id}
    for bridge in cloud.there.bridges.values():
        world.connect(bridge)
    world.join(cloud.there)
    world.settle()
    assert holders(world) == {VIP: late.id}
    assert answer(world, client, VIP) == ([client.id], number(late.mac_address))


@pytest.mark.parametrize("named", ["its own", "another's"])
def test_a_switch_that_is_back_takes_no_owner_for_a_holder(named):
    """A pair may repeat what its port has anyway, or name the MAC and the address that another port has."""
    cloud, client = three()
    world = cloud.world
    address = cloud.two.fixed_ips[0].ip_address
    allow(world, cloud.two if named == "its own" else cloud.one, address, mac=MAC2)
    answer(world, client, address)
    assert answer(world, client, address) == ([client.id], number(MAC2))
    come_back(world, cloud.here, cloud.there)
    assert holders(world) == {}
    assert world.mods == []


@pytest.mark.parametrize("case", ["block", "virtual MAC"])
def test_who_cannot_be_told_by_an_answer_is_asked_for_in_the_network_until_its_switch_is_back(case):
    cloud, client = three()
    world = cloud.world
    if case == "block":
        allow(world, cloud.two, "10.0.0.96/27")
    else:
        for port in (cloud.one, cloud.two):
            allow(world, port, VIP, mac="00:00:5e:00:01:07")
    tell(world, cloud.two, VIP, "" if case == "block" else "00:00:5e:00:01:07")
    answer(world, client, VIP)
    answered = answer(world, client, VIP)
    assert answered[0] == [client.id] and answered[1]
    come_back(world, cloud.here)
    assert holders(world) == {}
    # The model knows the VIFs of this switch alone; the question leaves for the other one, too.
    assert answer(world, client, VIP) == ([cloud.one.id], 0)
    world.join(cloud.there)
    for bridge in cloud.there.bridges.values():
        world.connect(bridge)
    world.settle()
    assert holders(world) == {VIP: cloud.two.id}
    answer(world, client, VIP)
    assert answer(world, client, VIP) == answered


def test_what_a_switch_has_from_before_does_not_go_before_what_was_said_since():
    cloud, _ = three()
    world, bridge = cloud.world, cloud.here.bridges["br-int"]
    tell(world, cloud.one, VIP)
    world.disconnect(bridge)
    world.settle()
    tell(world, cloud.two, VIP)
    assert holders(world) == {VIP: cloud.two.id}
    world.connect(bridge)
    world.settle()
    assert holders(world) == {VIP: cloud.two.id}
    assert not [flow for flow in bridge.switch.flows if flow.idle_timeout and _name(flow.table) == "claims"]


def test_a_holder_that_moves_with_its_vif_keeps_the_address():
    cloud, client = three()
    world = cloud.world
    tell(world, cloud.two, VIP)
    world.move(cloud.two, cloud.there, cloud.here)
    world.settle()
    assert world.machine.net.get(Binding, cloud.two.id).host == cloud.here.name
    assert holders(world) == {VIP: cloud.two.id}
    assert answer(world, client, VIP) == ([client.id], number(MAC2))


def test_the_flows_of_a_port_that_may_have_an_address():
    cloud = small()
    allow(cloud.world, cloud.one, VIP)
    key = f"reg1=0x{cloud.one.key:x}"
    (claim, own, copy) = flows(cloud.world, cloud.here, "address_holders.listen")
    address = cloud.one.fixed_ips[0].ip_address
    assert own == (
        f"table=claims, priority=100,arp,{key},arp_spa={VIP},arp_sha={MAC1} "
        "actions=resubmit(,arrivals),resubmit(,claimed)"
    )
    assert claim == (
        f"table=claims, priority=110,arp,{key},arp_spa={address},arp_sha={MAC1} actions=goto_table:arrivals"
    )
    assert copy.startswith("table=claimed, priority=100,in_port=")
    tell(cloud.world, cloud.one, VIP)
    held = [flow for flow in flows(cloud.world, cloud.here, "address_holders.listen") if "idle_timeout" in flow]
    assert len(held) == 1 and VIP in held[0] and "priority=110" in held[0]


def test_a_port_without_pairs_has_none_of_it():
    assert flows(*(cloud := small())[:2], "address_holders.listen") == []
    assert holders(cloud.world) == {}


@pytest.mark.parametrize("cut", range(0, 100, 3))
def test_a_frame_that_is_cut_off_claims_nothing_that_it_does_not_hold(cut):
    for whole in (arp_request(MAC1, VIP, VIP), neighbor_advertisement(MAC1, VIP6, BROADCAST, "ff02::1")):
        data = encode(whole)
        claims = frame.claims(data[:cut])
        assert claims in ([], frame.claims(data))
