"""DHCPv4: what a guest asks is answered from the model, straight to its port (RFC 2131)."""

from __future__ import annotations

import struct

import pytest

from controller.core.model import Subnet
from controller.core.packet import ipv4
from controller.core.plans import networks, subnets
from controller.core.settings import Settings
from tests.apps.dhcp_client import (
    ACK,
    ALL,
    ANY,
    DECLINE,
    DISCOVER,
    INFORM,
    NAK,
    OFFER,
    RELEASE,
    REQUEST,
    XID,
    ask,
    ip,
    message,
)
from tests.apps.setup import MAC1, MAC2, MAC3, flows, ofport, small
from tests.world.world import SETTINGS, World, name_of

SERVER = "10.0.0.1"
REQUEST_PACKET = ipv4(MAC1, "ff:ff:ff:ff:ff:ff", ANY, ALL).but(udp_src=68, udp_dst=67)


def address(cloud) -> str:
    return cloud.one.fixed_ips[0].ip_address


def change_subnet(world: World, subnet, **values) -> None:
    world.write(subnets.change, subnet.id, values)
    world.settle()


def subnet_of(cloud):
    return cloud.world.store.net.find(Subnet, "network_id", cloud.network.id)[0]


# -- the flow -------------------------------------------------------------------------------------------------------


def test_a_request_goes_to_the_controller_whole_and_within_the_rate_of_the_port():
    cloud = small()
    port = ofport(cloud.here, name_of(cloud.one))
    assert flows(cloud.world, cloud.here, "dhcp.punt") == [
        f"table=dhcp, priority=100,udp,in_port={port},tp_src=68,tp_dst=67 actions=meter:{port},CONTROLLER:65535"
    ]
    assert cloud.here.bridges["br-int"].switch.meters[port] == cloud.world.settings.punt_rate


def test_proactive_switches_ask_about_dhcp_too():
    cloud = small(settings=Settings(proactive=True, punt_rate=7))
    port = ofport(cloud.here, name_of(cloud.one))
    assert cloud.here.bridges["br-int"].switch.meters[port] == 7


@pytest.mark.parametrize("meters_open", [True, False])
def test_a_request_reaches_no_other_guest(meters_open):
    cloud = small()
    world = cloud.world
    world.plug(peer := world.port(cloud.network, mac_address=MAC3), cloud.here)
    world.settle()
    number = ofport(cloud.here, name_of(cloud.one))
    delivery = world.wiring().send(cloud.here.bridges["br-int"].dpid, number, REQUEST_PACKET, meters_open=meters_open)
    assert (world.places(delivery), len(delivery.punted)) == ([], int(meters_open))
    assert peer.id in world.places(world.send(cloud.one, REQUEST_PACKET.but(udp_dst=69)))


def test_where_dhcp_is_not_enabled_guests_may_have_a_server_of_their_own():
    cloud = small()
    change_subnet(cloud.world, subnet_of(cloud), enable_dhcp=False)
    assert flows(cloud.world, cloud.here, "dhcp.punt") == []
    delivery = cloud.world.send(cloud.one, REQUEST_PACKET, punt=False)
    assert cloud.world.places(delivery) == [cloud.two.id]
    assert ask(cloud.world, cloud.one, *message(DISCOVER)) is None


# -- the exchange ---------------------------------------------------------------------------------------------------


def test_an_offer_says_everything_that_a_guest_needs():
    cloud = small(mtu=1400)
    change_subnet(cloud.world, subnet_of(cloud), dns_nameservers=("192.0.2.53", "192.0.2.54"))
    offer = ask(cloud.world, cloud.one, *message(DISCOVER))
    name = "host-" + address(cloud).replace(".", "-")
    assert dict(offer.listed) == {
        53: bytes((OFFER,)),
        54: ip(SERVER),
        51: struct.pack("!I", 86400),
        58: struct.pack("!I", 43200),
        59: struct.pack("!I", 75600),
        1: ip("255.255.255.0"),
        3: ip(SERVER),
        6: ip("192.0.2.53") + ip("192.0.2.54"),
        12: name.encode(),
        15: b"openstacklocal",
        26: struct.pack("!H", 1400),
        28: ip("10.0.0.255"),
    }
    assert (offer.bootp.op, offer.bootp.xid, offer.bootp.chaddr) == (2, XID, MAC1)
    assert (offer.bootp.yiaddr, offer.bootp.ciaddr, offer.bootp.siaddr) == (address(cloud), ANY, ANY)
    assert len(offer.payload) >= 300


def test_each_host_answers_its_own_guests():
    cloud = small()
    for port in (cloud.one, cloud.two):
        offer = ask(cloud.world, port, *message(DISCOVER))
        assert (offer.bootp.yiaddr, offer.bootp.chaddr) == (port.fixed_ips[0].ip_address, port.mac_address)


@pytest.mark.parametrize("state", ["selecting", "init-reboot", "renewing", "rebinding"])
@pytest.mark.parametrize("right", [True, False])
def test_a_request_is_granted_for_an_address_of_the_port_and_refused_for_another(state, right):
    cloud = small()
    wanted = address(cloud) if right else cloud.two.fixed_ips[0].ip_address
    options = {
        "selecting": {50: ip(wanted), 54: ip(SERVER)},
        "init-reboot": {50: ip(wanted)},
        "renewing": {},
        "rebinding": {},
    }[state]
    ciaddr = wanted if state in ("renewing", "rebinding") else ANY
    dst = SERVER if state == "renewing" else ALL
    answer = ask(cloud.world, cloud.one, *message(REQUEST, *options.items()), ciaddr=ciaddr, dst=dst)
    if right:
        assert (answer.type, answer.bootp.yiaddr, answer.bootp.ciaddr) == (ACK, wanted, ciaddr)
        assert (answer[54], answer[51]) == (ip(SERVER), struct.pack("!I", 86400))
    else:
        assert (answer.type, answer.bootp.yiaddr, answer.ip.dst) == (NAK, ANY, ALL)
        assert (answer[54], 51 in answer, 1 in answer) == (ip(SERVER), False, False)


def test_a_guest_that_chose_another_server_is_left_alone():
    cloud = small()
    assert ask(cloud.world, cloud.one, *message(REQUEST, (50, ip(address(cloud))), (54, ip("10.0.0.77")))) is None
    assert ask(cloud.world, cloud.one, *message(REQUEST, (50, ip(address(cloud))), (54, b"\x0a"))) is None


@pytest.mark.parametrize("kind", [OFFER, DECLINE, ACK, NAK, RELEASE, 0, 9, 255])
def test_what_needs_no_answer_gets_none(kind):
    cloud = small()
    assert ask(cloud.world, cloud.one, *message(kind, (50, ip(address(cloud))), (54, ip(SERVER)))) is None


def test_a_guest_that_has_an_address_is_informed_and_gets_no_lease():
    cloud = small()
    answer = ask(cloud.world, cloud.one, *message(INFORM), ciaddr=address(cloud))
    assert (answer.type, answer.bootp.yiaddr, answer.bootp.ciaddr) == (ACK, ANY, address(cloud))
    assert (answer.ip.dst, answer.eth.dst) == (address(cloud), MAC1)
    assert [number for number in (51, 58, 59) if number in answer] == []
    assert answer[3] == ip(SERVER)


@pytest.mark.parametrize(
    ("flags", "eth", "dst"), [(0x8000, "ff:ff:ff:ff:ff:ff", ALL), (0, MAC1, None), (0x7FFF, MAC1, None)]
)
def test_an_offer_is_broadcast_when_the_guest_asks_for_that(flags, eth, dst):
    cloud = small()
    offer = ask(cloud.world, cloud.one, *message(DISCOVER), flags=flags)
    assert (offer.eth.dst, offer.ip.dst, offer.bootp.flags) == (eth, dst or address(cloud), flags & 0x8000)
    assert (offer.ip.src, offer.udp.src_port, offer.udp.dst_port) == (SERVER, 67, 68)


def test_a_relay_in_the_guest_is_not_believed_and_the_client_identifier_comes_back():
    cloud = small()
    offer = ask(cloud.world, cloud.one, *message(DISCOVER, (61, b"\x01me")), giaddr="192.0.2.9")
    assert (offer.bootp.giaddr, offer.ip.dst, offer[61]) == (ANY, address(cloud), b"\x01me")


def test_only_the_ports_own_mac_is_served():
    cloud = small()
    assert ask(cloud.world, cloud.one, *message(DISCOVER), mac=MAC2) is None
    assert ask(cloud.world, cloud.one, *message(DISCOVER), chaddr=MAC2) is None


def test_what_the_model_says_now_is_what_counts():
    cloud = small()
    old = address(cloud)
    moved = cloud.world.change_port(cloud.one, fixed_ips=[])
    cloud.world.settle()
    assert ask(cloud.world, moved, *message(REQUEST, (50, ip(old)))) is None
    assert flows(cloud.world, cloud.here, "dhcp.punt") == []


def test_a_port_with_several_addresses_is_offered_the_one_it_wants_else_the_first():
    cloud = small(cidrs=("10.0.0.0/24", "10.0.1.0/24"))
    world = cloud.world
    wanted = [{"ip_address": "10.0.0.50"}, {"ip_address": "10.0.1.60"}]
    port = world.port(cloud.network, fixed_ips=wanted)
    world.plug(port, cloud.here)
    world.settle()
    offers = [
        ask(world, port, *message(DISCOVER, *options))
        for options in ([], [(50, ip("10.0.1.60"))], [(50, ip("10.0.9.9"))])
    ]
    assert [offer.bootp.yiaddr for offer in offers] == ["10.0.0.50", "10.0.1.60", "10.0.0.50"]
    assert [offer[54] for offer in offers] == [ip("10.0.0.1"), ip("10.0.1.1"), ip("10.0.0.1")]
    second = ask(world, port, *message(REQUEST, (50, ip("10.0.1.60")), (54, ip("10.0.1.1"))))
    assert (second.type, second[3]) == (ACK, ip("10.0.1.1"))


def test_a_lease_may_never_end():
    settings = Settings(dhcp_lease_duration=-1, bridge_mappings=SETTINGS.bridge_mappings)
    offer = ask((cloud := small(settings=settings)).world, cloud.one, *message(DISCOVER))
    assert offer[51] == offer[58] == offer[59] == b"\xff\xff\xff\xff"


def test_a_controller_that_was_started_again_answers_the_same():
    cloud = small()
    world = cloud.world
    before = ask(world, cloud.one, *message(DISCOVER))
    world.restart()
    for host in (cloud.here, cloud.there):
        world.join(host)
        for bridge in host.bridges.values():
            world.connect(bridge)
    world.settle()
    assert world.mods == []
    again = ask(world, cloud.one, *message(DISCOVER))
    assert (again.payload, again.eth.src) == (before.payload, before.eth.src)


def test_ports_of_a_network_that_is_down_get_nothing_through():
    cloud = small()
    cloud.world.write(networks.change, cloud.network.id, {"admin_state_up": False})
    cloud.world.settle()
    assert cloud.world.send(cloud.one, REQUEST_PACKET).punted == ()
