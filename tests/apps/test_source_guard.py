"""Source guard: what a protected port may send goes on, everything else is counted and dropped on the spot."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from apps.allowed_address_pairs import AddressPair, AddressPairs
from apps.port_security import PortSecurity
from apps.source_guard import SPOOFED
from controller.core import packet as p
from controller.core import probe
from controller.core.address import ip_text, link_local, mac
from controller.core.inspect import Inspector
from controller.core.model import Port
from controller.core.pipeline import GUARD, LAYOUT, SLOTS
from tests.apps.setup import MAC1, MAC2, MAC3, flows
from tests.world.hypervisor import Hypervisor
from tests.world.world import World

FOUR, SIX, OTHER_FOUR, OTHER_SIX = "10.0.0.5", "fd00::5", "10.0.0.6", "fd00::6"
LOCAL1, LOCAL2 = (ip_text(link_local(mac(text)), 6) for text in (MAC1, MAC2))
VRRP = "00:00:5e:00:01:07"
ALL_NODES = "33:33:00:00:00:01"


class Guarded(NamedTuple):
    """Two protected ports on one host, each with an address of both versions."""

    world: World
    here: Hypervisor
    one: Port
    two: Port


def guarded(*pairs: AddressPair, protected: bool = True) -> Guarded:
    world = World()
    here = world.host()
    world.settle()
    network = world.network("local")
    for cidr in ("10.0.0.0/24", "fd00::/64"):
        world.subnet(network, cidr)
    one, two = (
        world.port(network, protected, mac_address=mac, fixed_ips=[{"ip_address": ip} for ip in ips])
        for mac, ips in ((MAC1, (FOUR, SIX)), (MAC2, (OTHER_FOUR, OTHER_SIX)))
    )
    if pairs:
        world.put(AddressPairs(one.id, pairs))
    for port in (one, two):
        world.plug(port, here)
    world.settle()
    return Guarded(world, here, one, two)


def goes_on(cloud: Guarded, packet: p.Packet) -> bool:
    """Whether a packet of port one leaves the stage; one that does not has met the port's counting flow."""
    path = cloud.world.send(cloud.one, packet, punt=False).hops[0].result.path
    if path[-1].table >= SLOTS * (GUARD + 1):
        return True
    assert path[-1].table == SPOOFED.id
    assert path[-1].flow is not None
    return False


def udp(packet: p.Packet, source: int, target: int) -> p.Packet:
    return packet.but(udp_src=source, udp_dst=target)


def icmpv6(source: str, kind: int, mac: str = MAC1) -> p.Packet:
    return p.ipv6(mac, ALL_NODES, source, "ff02::1", p.ICMPV6).but(icmpv6_type=kind)


def without_option(packet: p.Packet) -> p.Packet:
    return packet.but(nd_sll=0, nd_tll=0, nd_options_type=0)


PROBE_FOR = p.arp_request(MAC1, "0.0.0.0", FOUR)
DISCOVER = udp(p.ipv4(MAC1, p.BROADCAST, "0.0.0.0", "255.255.255.255"), 68, 67)
DETECTION = without_option(p.neighbor_solicitation(MAC1, "::", SIX))

OWN = {
    "IPv4": p.ipv4(MAC1, MAC2, FOUR, OTHER_FOUR),
    "IPv6": p.ipv6(MAC1, MAC2, SIX, OTHER_SIX),
    "IPv6, link-local": p.ipv6(MAC1, MAC2, LOCAL1, LOCAL2),
    "to a DHCP server": udp(p.ipv4(MAC1, MAC2, FOUR, OTHER_FOUR), 68, 67),
    "DHCP, before it has an address": DISCOVER,
    "DHCPv6": udp(p.ipv6(MAC1, "33:33:00:01:00:02", LOCAL1, "ff02::1:2"), 546, 547),
    "ARP request": p.arp_request(MAC1, FOUR, OTHER_FOUR),
    "ARP reply": p.arp_reply(MAC1, FOUR, MAC2, OTHER_FOUR),
    "ARP announcement": p.arp_request(MAC1, FOUR, FOUR),
    "ARP probe": PROBE_FOR,
    "RARP": p.Packet(eth_src=MAC1, eth_dst=p.BROADCAST, eth_type=0x8035),
    "solicitation": p.neighbor_solicitation(MAC1, SIX, OTHER_SIX),
    "solicitation from its link-local address": p.neighbor_solicitation(MAC1, LOCAL1, OTHER_SIX),
    "solicitation without the option": without_option(p.neighbor_solicitation(MAC1, SIX, OTHER_SIX)),
    "duplicate address detection": DETECTION,
    "detection of its link-local address": without_option(p.neighbor_solicitation(MAC1, "::", LOCAL1)),
    "advertisement": p.neighbor_advertisement(MAC1, SIX, MAC2, OTHER_SIX),
    "advertisement without a MAC": without_option(p.neighbor_advertisement(MAC1, SIX, MAC2, OTHER_SIX)),
    "advertisement of its link-local address": p.neighbor_advertisement(MAC1, LOCAL1, MAC2, OTHER_SIX),
    "listener report without an address": icmpv6("::", 143),
    "Router Solicitation without an address": icmpv6("::", 133),
    "echo": icmpv6(SIX, 128),
}
SPOOFED_PACKETS = {
    "MAC": p.ipv4(MAC3, MAC2, FOUR, OTHER_FOUR),
    "MAC of IPv6": p.ipv6(MAC3, MAC2, SIX, OTHER_SIX),
    "IPv4": p.ipv4(MAC1, MAC2, OTHER_FOUR, FOUR),
    "IPv4, none": p.ipv4(MAC1, MAC2, "0.0.0.0", OTHER_FOUR),
    "IPv6": p.ipv6(MAC1, MAC2, OTHER_SIX, SIX),
    "IPv6, link-local": p.ipv6(MAC1, MAC2, LOCAL2, SIX),
    "IPv6, none": p.ipv6(MAC1, MAC2, "::", OTHER_SIX),
    "ARP of another one": p.arp_reply(MAC1, OTHER_FOUR, MAC2, FOUR),
    "ARP announcement of another one": p.arp_request(MAC1, OTHER_FOUR, OTHER_FOUR),
    "ARP with another one's MAC inside": p.arp_reply(MAC1, FOUR, MAC2, OTHER_FOUR).but(arp_sha=MAC3),
    "ARP from another MAC": p.arp_request(MAC1, FOUR, OTHER_FOUR).but(eth_src=MAC3),
    "ARP probe for another one's": PROBE_FOR.but(arp_tpa=OTHER_FOUR),
    "ARP reply from nobody": PROBE_FOR.but(arp_op=2),
    "RARP from another MAC": p.Packet(eth_src=MAC3, eth_dst=p.BROADCAST, eth_type=0x8035),
    "solicitation from another one": p.neighbor_solicitation(MAC1, OTHER_SIX, SIX),
    "solicitation with another MAC inside": p.neighbor_solicitation(MAC1, SIX, OTHER_SIX).but(nd_sll=MAC3),
    "solicitation that is not whole": without_option(p.neighbor_solicitation(MAC1, SIX, "::")),
    "solicitation of another code": p.neighbor_solicitation(MAC1, SIX, OTHER_SIX).but(icmpv6_code=1),
    "detection of another one's": DETECTION.but(nd_target=OTHER_SIX),
    "detection with a MAC": p.neighbor_solicitation(MAC1, "::", SIX),
    "advertisement of another one": p.neighbor_advertisement(MAC1, SIX, MAC2, OTHER_SIX).but(nd_target=OTHER_SIX),
    "advertisement from another one": p.neighbor_advertisement(MAC1, SIX, MAC2, SIX).but(ipv6_src=OTHER_SIX),
    "advertisement with another MAC inside": p.neighbor_advertisement(MAC1, SIX, MAC2, OTHER_SIX).but(nd_tll=MAC3),
    "advertisement of another one without a MAC": without_option(
        p.neighbor_advertisement(MAC1, SIX, MAC2, OTHER_SIX).but(nd_target=OTHER_SIX)
    ),
    "advertisement of another code": p.neighbor_advertisement(MAC1, SIX, MAC2, OTHER_SIX).but(icmpv6_code=1),
    "DHCP server": udp(p.ipv4(MAC1, MAC2, FOUR, OTHER_FOUR), 67, 68),
    "DHCP server of another port": udp(p.ipv4(MAC1, MAC2, FOUR, OTHER_FOUR), 4011, 68),
    "DHCPv6 server": udp(p.ipv6(MAC1, MAC2, LOCAL1, LOCAL2), 547, 546),
    "Router Advertisement": icmpv6(LOCAL1, 134),
    "echo without an address": icmpv6("::", 128),
    "neither IP nor ARP": p.ethernet(MAC1, MAC2),
}


@pytest.fixture(scope="module")
def cloud() -> Guarded:
    return guarded()


@pytest.mark.parametrize("what", OWN)
def test_what_is_its_own_goes_on(cloud, what):
    assert goes_on(cloud, OWN[what])


@pytest.mark.parametrize("what", SPOOFED_PACKETS)
def test_what_is_not_its_own_is_counted_and_dropped(cloud, what):
    before = spoofed(cloud)
    assert not goes_on(cloud, SPOOFED_PACKETS[what])
    assert spoofed(cloud) == before + 1


def spoofed(cloud: Guarded) -> Any:
    found = Inspector(cloud.world.machine, edges=cloud.world.edges()).ports()
    return next(port["spoofed"] for port in found if port["id"] == cloud.one.id)


@pytest.mark.parametrize("what", [*OWN, *SPOOFED_PACKETS])
def test_a_port_that_is_not_protected_sends_what_it_likes_and_has_one_flow(what):
    cloud = guarded(protected=False)
    assert goes_on(cloud, {**OWN, **SPOOFED_PACKETS}[what])
    onward = LAYOUT.next(SPOOFED).name
    assert flows(cloud.world, cloud.here, "source_guard.guard") == [
        f"table=mac_guard, priority=300,reg1={cloud.one.key:#x} actions=goto_table:{onward}",
        f"table=mac_guard, priority=300,reg1={cloud.two.key:#x} actions=goto_table:{onward}",
    ]
    assert spoofed(cloud) is None


def test_a_packet_of_nobody_ends_there(cloud):
    """A port that is yet to get its flows sends nothing, whether it will be protected or not."""
    switch = cloud.here.bridges["br-int"].switch
    assert switch.lookup(SPOOFED.id, {"reg1": 99}) is None


@pytest.mark.parametrize("what", ["duplicate address detection", "ARP probe", "IPv6", "ARP request"])
def test_what_goes_on_is_as_it_was(cloud, what):
    path = cloud.world.send(cloud.one, OWN[what], punt=False).reached
    assert all(arrival.packet.frame() in (OWN[what],) for arrival in path if arrival.packet["eth_src"] == mac(MAC1))
    assert [arrival.packet["reg4"] >> 30 for arrival in path] == [0] * len(path)


def test_protection_is_turned_off_and_on():
    cloud = guarded()
    bad = SPOOFED_PACKETS["neither IP nor ARP"]
    for enabled in (False, True):
        cloud.world.put(PortSecurity(cloud.one.id, enabled))
        cloud.world.settle()
        assert goes_on(cloud, bad) is not enabled


def test_a_port_follows_its_mac_and_its_addresses():
    cloud = guarded()
    cloud.world.change_port(cloud.one, mac_address=MAC3)
    cloud.world.settle()
    assert not goes_on(cloud, OWN["IPv4"])
    assert goes_on(cloud, OWN["IPv4"].but(eth_src=MAC3))


PAIRS = (AddressPair(VRRP, "10.0.0.100"), AddressPair(MAC1, "192.0.2.0/24"), AddressPair(MAC1, "2001:db8::/32"))
OF_PAIRS = {
    "IPv4 of a virtual router": p.ipv4(VRRP, MAC2, "10.0.0.100", OTHER_FOUR),
    "its announcement": p.arp_request(VRRP, "10.0.0.100", "10.0.0.100"),
    "IPv4 of a block": p.ipv4(MAC1, MAC2, "192.0.2.77", OTHER_FOUR),
    "ARP of a block": p.arp_reply(MAC1, "192.0.2.77", MAC2, OTHER_FOUR),
    "ARP probe of a block": p.arp_request(MAC1, "0.0.0.0", "192.0.2.77"),
    "IPv6 of a block": p.ipv6(MAC1, MAC2, "2001:db8::77", OTHER_SIX),
    "advertisement of a block": p.neighbor_advertisement(MAC1, "2001:db8::77", MAC2, OTHER_SIX),
    "detection in a block": without_option(p.neighbor_solicitation(MAC1, "::", "2001:db8::77")),
}
BESIDE_PAIRS = {
    "the virtual router's MAC with the port's address": p.ipv4(VRRP, MAC2, FOUR, OTHER_FOUR),
    "the port's MAC with the virtual router's address": p.ipv4(MAC1, MAC2, "10.0.0.100", OTHER_FOUR),
    "IPv4 beside the block": p.ipv4(MAC1, MAC2, "192.0.3.1", OTHER_FOUR),
    "IPv6 beside the block": p.ipv6(MAC1, MAC2, "2001:db9::1", OTHER_SIX),
    "advertisement beside the block": p.neighbor_advertisement(MAC1, "2001:db8::77", MAC2, OTHER_SIX).but(
        nd_target="2001:db9::1"
    ),
}


@pytest.mark.parametrize("what", OF_PAIRS)
def test_address_pairs_are_its_own_too(what):
    assert goes_on(guarded(*PAIRS), OF_PAIRS[what])
    assert not goes_on(guarded(), OF_PAIRS[what])


@pytest.mark.parametrize("what", BESIDE_PAIRS)
def test_a_pair_is_one_mac_with_one_block(what):
    assert not goes_on(guarded(*PAIRS), BESIDE_PAIRS[what])


def test_a_pair_of_all_addresses_leaves_the_mac_to_be_guarded():
    cloud = guarded(AddressPair(MAC1, "0.0.0.0/0"), AddressPair(MAC1, "::/0"))
    for packet in (OWN["IPv4"], SPOOFED_PACKETS["IPv4"], SPOOFED_PACKETS["ARP of another one"]):
        assert goes_on(cloud, packet)
        assert not goes_on(cloud, packet.but(eth_src=MAC3))
    assert goes_on(cloud, SPOOFED_PACKETS["IPv6"])
    assert goes_on(cloud, SPOOFED_PACKETS["advertisement of another one"])
    assert not goes_on(cloud, SPOOFED_PACKETS["advertisement with another MAC inside"])


def test_no_guest_sends_a_probe_of_ours():
    for protected in (True, False):
        cloud = guarded(protected=protected)
        local = cloud.here.bridges["br-int"].number("tap" + cloud.one.id[:11])
        forged = probe.packet(mac(MAC1), mac(MAC2), local)
        delivery = cloud.world.send(cloud.one, forged)
        assert (delivery.reached, delivery.punted) == ((), ())


def test_what_came_from_another_host_is_not_looked_at_again():
    world = World()
    hosts = [world.host(), world.host()]
    world.settle()
    network = world.network("vxlan")
    world.subnet(network)
    free, one = world.port(network, mac_address=MAC1), world.port(network, True, mac_address=MAC2)
    for port, host in zip((free, one), hosts, strict=True):
        world.plug(port, host)
    world.settle()
    packet = p.arp_reply(MAC3, "10.0.0.99", MAC2, one.fixed_ips[0].ip_address)
    assert world.places(world.send(free, packet)) == [one.id]


def test_a_protected_port_costs_two_flows_and_an_address_two():
    cloud = guarded()
    found = flows(cloud.world, cloud.here, "source_guard.guard")
    # For each of both ports: the MAC address and the count; two for IPv4, for IPv6 and for the link-local one.
    assert len(found) == 2 * (2 + 2 + 2 + 2)
    assert flows(cloud.world, cloud.here, "source_guard.guard")[-1].endswith(f"reg1={cloud.two.key:#x} actions=drop")
