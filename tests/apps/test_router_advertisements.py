"""Router advertisements: what a guest is told of its network, when it asks and from time to time."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from os_ken.lib.packet import ethernet, icmpv6, ipv6, packet

from apps.router_advertisements import message, routers, sending
from controller.core.address import ip_text, mac_text
from controller.core.derived import LocalPort, NetworkOnSwitch
from controller.core.effects import PacketOut
from controller.core.events import PacketIn
from controller.core.flow import Load, Output, Resubmit
from controller.core.handlers import Rows
from controller.core.model import Port, Subnet
from controller.core.packet import ipv6 as ipv6_packet
from controller.core.packet import neighbor_advertisement, neighbor_solicitation
from controller.core.pipeline import LAYOUT
from controller.core.plans import subnets
from tests.apps.setup import MAC1, MAC2, Small, flows, small
from tests.world.world import World

LINK_LOCAL = "fe80::f816:3eff:fe00:1"
NOBODY = "fe80::ff:fe00:86"
ALL_ROUTERS = "ff02::2"


def cloud(mode: str | None = "slaac", cidr: str = "fd00::/64", type: str = "vxlan", **values: Any) -> Small:
    """A small cloud with an IPv6 subnet whose gateway is ::1."""
    made = small(type, ("10.0.0.0/24",))
    modes = {"ipv6_ra_mode": mode, "ipv6_address_mode": mode} if mode else {}
    values = {"gateway_ip": "fd00::1", **modes, **values}
    made.world.subnet(made.network, cidr, **values)
    made.world.settle()
    return made


def solicitation(mac: str = MAC1, src: str = LINK_LOCAL, dst: str = ALL_ROUTERS, hops: int = 255, **more: Any) -> bytes:
    made = packet.Packet()
    made.add_protocol(ethernet.ethernet("33:33:00:00:00:02", mac, 0x86DD))
    made.add_protocol(ipv6.ipv6(src=src, dst=dst, nxt=58, hop_limit=hops))
    source = icmpv6.nd_option_sla(hw_src=mac) if src != "::" else None
    made.add_protocol(icmpv6.icmpv6(133, more.get("code", 0), 0, icmpv6.nd_router_solicit(0, source)))
    made.serialize()
    return bytes(made.data)


def punted(world: World, port: Port, data: bytes) -> PacketIn:
    local = world.machine.net.get(LocalPort, port.id)
    return PacketIn(local.dpid, sending.ROUTERS.id, (("in_port", local.ofport),), data)


class Told(NamedTuple):
    """An advertisement as a guest reads it; `prefixes` are (prefix, on-link, autonomous, valid, preferred)."""

    eth_src: str
    eth_dst: str
    src: str
    dst: str
    lifetime: int
    managed: bool
    other: bool
    link_layer: str
    mtu: int
    prefixes: list[tuple[str, bool, bool, int, int]]
    servers: list[str]


def read(data: bytes) -> Told:
    """Read with os-ken what it knows, and the rest by hand; the checksum is as os-ken makes it."""
    parts = packet.Packet(data)
    eth, ip, said = (parts.get_protocol(kind) for kind in (ethernet.ethernet, ipv6.ipv6, icmpv6.icmpv6))
    assert (ip.hop_limit, said.type_, said.code, said.data.ch_l) == (255, 134, 0, 64)
    assert sum(struct.unpack(f"!{len(data[54:]) // 2}H", data[54:])) % 0xFFFF == _pseudo(ip, data)
    mtus, servers, prefixes, hardware = [], [], [], ""
    rest = data[54 + 16 :]
    while rest:
        kind, body = rest[0], rest[2 : rest[1] * 8]
        if kind == 1:
            hardware = body.hex(":")
        elif kind == 5:
            mtus.append(struct.unpack("!2xI", body)[0])
        elif kind == 3:
            length, flags, valid, preferred, prefix = struct.unpack("!BBII4x16s", body)
            text = f"{ip_text(int.from_bytes(prefix, 'big'), 6)}/{length}"
            prefixes.append((text, bool(flags & 0x80), bool(flags & 0x40), valid, preferred))
        elif kind == 25:
            servers += [ip_text(int.from_bytes(body[n : n + 16], "big"), 6) for n in range(6, len(body), 16)]
        rest = rest[rest[1] * 8 :]
    flags = data[54 + 5]
    (mtu,) = mtus
    return Told(
        *(eth.src, eth.dst, ip.src, ip.dst, said.data.rou_l),
        *(bool(flags & 0x80), bool(flags & 0x40), hardware, mtu, prefixes, servers),
    )


def _pseudo(ip: ipv6.ipv6, data: bytes) -> int:
    """What the words of an ICMPv6 message with a right checksum add up to, but for those of its pseudo-header."""
    pseudo = data[22:54] + struct.pack("!II", len(data) - 54, 58)
    return -sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo)) % 0xFFFF


def asked(made: Small, port: Port | None = None, **more: Any) -> list[Told]:
    """What a port's solicitation is answered with."""
    world, port = made.world, port or made.one
    before = len(world.sent)
    world.events.append(punted(world, port, solicitation(more.pop("mac", port.mac_address), **more)))
    world.settle()
    local = world.machine.net.get(LocalPort, port.id)
    for out in world.sent[before:]:
        assert (out.dpid, out.actions) == (local.dpid, (Output(local.ofport),))
    return [read(out.data) for out in world.sent[before:]]


def gateway(made: Small, address: str = "fd00::1") -> Port:
    """A router of somebody's, on the other host, has the gateway's address."""
    router = {"mac_address": "fa:16:3e:00:00:07", "device_owner": "network:router_interface"}
    port = made.world.port(made.network, fixed_ips=[{"ip_address": address}], **router)
    made.world.plug(port, made.there)
    made.world.settle()
    return port


def test_a_guest_is_told_of_its_prefix_its_mtu_and_dns_and_of_no_router_where_none_is():
    made = cloud(dns_nameservers=("2001:db8::53", "::"))
    (told,) = asked(made)
    assert told == Told(
        "02:00:00:00:00:86",
        MAC1,
        NOBODY,
        LINK_LOCAL,
        lifetime=0,
        managed=False,
        other=False,
        link_layer="02:00:00:00:00:86",
        mtu=1450,
        prefixes=[("fd00::/64", True, True, 86400, 14400)],
        servers=["2001:db8::53"],
    )


def test_the_port_with_the_gateways_address_is_the_default_router_while_it_is_bound():
    made = cloud()
    port = gateway(made)
    (told,) = asked(made)
    assert (told.src, told.eth_src, told.link_layer) == ("fe80::f816:3eff:fe00:7", port.mac_address, port.mac_address)
    assert told.lifetime == 9000
    made.world.unplug(port, made.there)
    made.world.settle()
    assert [(told.src, told.lifetime) for told in asked(made)] == [(NOBODY, 0)]


def test_a_link_local_gateway_is_the_source_itself():
    made = cloud(gateway_ip="fe80::99")
    assert asked(made)[0].src == "fe80::99"


@pytest.mark.parametrize(
    ("mode", "managed", "other", "autonomous"),
    [("slaac", False, False, True), ("dhcpv6-stateless", False, True, True), ("dhcpv6-stateful", True, False, False)],
)
def test_how_guests_get_addresses_follows_from_the_mode(mode, managed, other, autonomous):
    made = cloud(mode)
    port = made.one if mode != "dhcpv6-stateful" else with_address(made)
    (told,) = asked(made, port)
    assert (told.managed, told.other, [prefix[1:3] for prefix in told.prefixes]) == (
        managed,
        other,
        [(True, autonomous)],
    )


def with_address(made: Small) -> Port:
    port = made.world.port(made.network, mac_address="fa:16:3e:00:00:08")
    made.world.plug(port, made.here)
    made.world.settle()
    return port


def test_a_prefix_that_is_no_64_makes_no_addresses():
    made = cloud("dhcpv6-stateful", "fd00::/80")
    assert asked(made, with_address(made))[0].prefixes == [("fd00::/80", True, False, 86400, 14400)]


def test_a_guest_without_an_address_is_answered_by_multicast():
    (told,) = asked(cloud(), src="::")
    assert (told.dst, told.eth_dst) == ("ff02::1", MAC1)


def test_subnets_of_one_gateway_are_told_together_and_those_of_another_apart():
    made = cloud()
    modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    made.world.subnet(made.network, "fd01::/64", gateway_ip="fd01::1", **modes)
    made.world.subnet(made.network, "fd02::/64", gateway_ip="fd02::1", **modes)
    made.world.settle()
    (told,) = asked(made)
    assert {prefix[0] for prefix in told.prefixes} == {"fd00::/64", "fd01::/64", "fd02::/64"}
    gateway(made, "fd02::1")
    told = {each.src: {prefix[0] for prefix in each.prefixes} for each in asked(made)}
    assert told == {NOBODY: {"fd00::/64", "fd01::/64"}, "fe80::f816:3eff:fe00:7": {"fd02::/64"}}


def test_more_prefixes_than_a_packet_holds_are_told_in_several():
    servers = tuple(range(1, 30))
    prefixes = tuple(message.Prefix(n << 64, 64, True) for n in range(1, 40))
    router = message.Router(7, 8, 0, False, False, 1280, prefixes, servers)
    frames = list(message.write(router, message.EVERY_NODE_MAC, message.EVERY_NODE))
    assert all(len(frame) - 14 <= 1280 for frame in frames)
    assert [prefix[0] for frame in frames for prefix in read(frame).prefixes] == [
        f"{ip_text(prefix.value, 6)}/64" for prefix in prefixes
    ]


@pytest.mark.parametrize(
    "values", [{"mode": None}, {"gateway_ip": None}, {"mode": None, "ipv6_address_mode": "slaac"}], ids=str
)
def test_without_mode_or_gateway_a_solicitation_goes_to_the_network(values):
    made = cloud(**values)
    assert flows(made.world, made.here, "router_advertisements.punt") == []
    said = ipv6_packet(MAC1, "33:33:00:00:00:02", LINK_LOCAL, ALL_ROUTERS, 58).but(icmpv6_type=133)
    delivery = made.world.send(made.one, said)
    assert (made.world.places(delivery), delivery.punted) == ([made.two.id], ())
    assert asked(made) == []


def test_a_solicitation_leaves_its_port_for_the_controller_alone():
    made = cloud()
    local = made.world.machine.net.get(LocalPort, made.one.id)
    (flow,) = flows(made.world, made.here, "router_advertisements.punt")
    assert flow == (
        f"table=routers, priority=100,icmp6,in_port={local.ofport},icmp_type=133,icmp_code=0 "
        f"actions=meter:{local.ofport},CONTROLLER:65535"
    )
    said = ipv6_packet(MAC1, "33:33:00:00:00:02", LINK_LOCAL, ALL_ROUTERS, 58).but(icmpv6_type=133)
    delivery = made.world.send(made.one, said)
    assert made.world.places(delivery) == []
    assert [LAYOUT.name("INT", table) for _, table, _ in delivery.punted] == ["routers"]


@pytest.mark.parametrize(
    "data",
    [
        solicitation(hops=64),
        solicitation(code=1),
        solicitation(MAC2),
        solicitation()[:-3],
        solicitation()[:62] + b"\x01\x00" + bytes(6),
        b"",
    ],
    ids=["routed", "code", "another MAC", "cut off", "an option of no length", "nothing"],
)
def test_what_is_no_valid_solicitation_is_not_answered(data):
    made = cloud()
    rows = Rows(made.world.machine.net, made.world.settings)
    assert list(sending.answer(rows, punted(made.world, made.one, data))) == []


def test_a_solicitation_without_a_source_tells_no_link_layer_address():
    bad = bytearray(solicitation())
    bad[22:38] = bytes(16)
    assert message.read(bytes(bad)) is None


_whole = solicitation()


@given(st.binary(max_size=120), st.lists(st.tuples(st.integers(0, 69), st.integers(0, 255)), max_size=6), st.booleans())
def test_no_frame_raises(tail, changes, cut):
    data = bytearray(_whole)
    for place, value in changes:
        data[place] = value
    message.read(bytes(data[: len(tail)]) if cut else bytes(data) + tail)
    message.read(tail)
    message.read(_whole[:54] + tail)


def test_the_routers_own_guest_is_not_told_of_itself():
    made = cloud()
    assert asked(made, gateway(made)) == []


def test_the_advertised_link_local_address_is_answered_for():
    made = cloud()
    port = gateway(made)
    address = "fe80::f816:3eff:fe00:7"
    delivery = made.world.send(made.one, neighbor_solicitation(MAC1, LINK_LOCAL, address))
    assert made.world.places(delivery) == [made.one.id]
    told = delivery.reached[0].packet.frame().but(nd_sll=0)
    assert told == neighbor_advertisement(port.mac_address, address, MAC1, LINK_LOCAL)
    made.world.unplug(port, made.there)
    made.world.settle()
    delivery = made.world.send(made.one, neighbor_solicitation(MAC1, LINK_LOCAL, address))
    assert made.world.places(delivery) == [made.two.id]


def passed(world: World, seconds: int) -> list[PacketOut]:
    """What is sent while time passes, a tick a second."""
    before = len(world.sent)
    for _ in range(seconds):
        world.clock -= 2.0
        world.tick()
        world.settle()
    return world.sent[before:]


def test_everybody_is_told_once_in_an_interval_by_one_packet_for_each_switch():
    made = cloud()
    dpids = sorted(host.bridges["br-int"].dpid for host in (made.here, made.there))
    passed(made.world, 200)
    sent = passed(made.world, 400)
    assert sorted(out.dpid for out in sent) == dpids
    network, remote, flood = sent[0].actions
    assert isinstance(network, Load) and isinstance(remote, Load) and flood == Resubmit(LAYOUT.by_name["flood"].id)
    told = read(sent[0].data)
    assert (told.eth_dst, told.dst, told.src) == ("33:33:00:00:00:01", "ff02::1", NOBODY)


def test_a_switch_where_a_port_is_only_bound_has_nobody_to_be_told():
    made = cloud()
    third = made.world.host()
    made.world.settle()
    port = made.world.port(made.network, host_id=third.name)
    made.world.settle()
    dpid = third.bridges["br-int"].dpid
    assert made.world.machine.net.get(NetworkOnSwitch, (dpid, made.network.id)) is not None
    assert dpid not in {out.dpid for out in passed(made.world, 800)}
    made.world.plug(port, third)
    made.world.settle()
    assert dpid in {out.dpid for out in passed(made.world, 800)}


def test_a_new_subnet_is_told_of_within_seconds():
    made = cloud()
    passed(made.world, 30)
    made.world.subnet(made.network, "fd05::/64", gateway_ip="fd05::1", ipv6_ra_mode="slaac", ipv6_address_mode="slaac")
    made.world.settle()
    sent = passed(made.world, 10)
    assert {out.dpid for out in sent} == {host.bridges["br-int"].dpid for host in (made.here, made.there)}
    assert all("fd05::/64" in {prefix[0] for prefix in read(out.data).prefixes} for out in sent[-2:])


def test_a_switch_that_is_away_is_told_nothing():
    made = cloud()
    passed(made.world, 30)
    made.world.disconnect(made.here.bridges["br-int"])
    made.world.settle()
    assert {out.dpid for out in passed(made.world, 800)} == {made.there.bridges["br-int"].dpid}


def test_a_link_local_address_follows_from_the_mac():
    assert ip_text(routers.link_local(0xFA163E000001), 6) == LINK_LOCAL
    assert mac_text(routers.NOBODY) == "02:00:00:00:00:86"


def told_of(made: Small, seconds: int = 12) -> dict[int, list[Told]]:
    """What is advertised within seconds, by switch."""
    found: dict[int, list[Told]] = {}
    for out in passed(made.world, seconds):
        found.setdefault(out.dpid, []).append(read(out.data))
    return found


GATEWAY = "fe80::f816:3eff:fe00:7"
WITHDRAWN = ("fd00::/64", True, True, 7200, 0)


def with_gateway(**values: Any) -> tuple[Small, Port]:
    """A small cloud with a default router, of which all guests have been told."""
    made = cloud(**values)
    port = gateway(made)
    assert {told[-1].lifetime for told in told_of(made, 60).values()} == {9000}
    return made, port


def dpids(made: Small) -> set[int]:
    return {host.bridges["br-int"].dpid for host in (made.here, made.there)}


def no_gateway(made: Small, port: Port) -> None:
    made.world.change_port(port, device_owner="compute:nova")  # a router's interface would keep the gateway there
    (subnet,) = (s for s in made.world.machine.net.all(Subnet) if s.ip_version == 6)
    made.world.write(subnets.change, subnet.id, {"gateway_ip": None})


def unplugged(made: Small, port: Port) -> None:
    made.world.unplug(port, made.there)


def deleted(made: Small, port: Port) -> None:
    made.world.unplug(port, made.there)
    made.world.delete_port(port)


def down(made: Small, port: Port) -> None:
    made.world.change_port(port, admin_state_up=False)


@pytest.mark.parametrize("end", [no_gateway, unplugged, deleted, down], ids=lambda end: end.__name__)
def test_a_default_router_that_goes_is_taken_back_within_seconds_on_every_switch(end):
    made, port = with_gateway()
    end(made, port)
    made.world.settle()
    told = told_of(made)
    assert set(told) == dpids(made)
    for first, *others in told.values():
        assert (first.src, first.eth_src, first.lifetime) == (GATEWAY, port.mac_address, 0)
        # The subnet is still there: its addresses are the ports' own.
        assert first.prefixes == [] and {other.lifetime for other in others} <= {0}
        assert [other.prefixes[0][3:] for other in others] == [(86400, 14400)] * len(others)
    assert len(told_of(made, 20)) == 0, "once is enough"


def test_a_default_router_that_comes_is_told_of_within_seconds():
    made, port = with_gateway()
    unplugged(made, port)
    made.world.settle()
    told_of(made)
    made.world.plug(port, made.here)
    made.world.settle()
    told = told_of(made)
    assert set(told) == dpids(made)
    assert {(last.src, last.lifetime) for *_, last in told.values()} == {(GATEWAY, 9000)}


def test_a_prefix_that_goes_is_taken_back_with_its_dns_servers():
    made = cloud(dns_nameservers=["2001:db8::53"])
    told_of(made, 60)
    (subnet,) = (s for s in made.world.machine.net.all(Subnet) if s.ip_version == 6)
    made.world.write(subnets.delete, subnet.id)
    made.world.settle()
    told = told_of(made)
    assert set(told) == dpids(made)
    for (only,) in told.values():
        assert (only.src, only.lifetime, only.prefixes) == (NOBODY, 0, [WITHDRAWN])
        assert only.servers == ["2001:db8::53"]
    assert told_of(made, 400) == {}


def test_a_prefix_that_is_back_before_its_end_was_told_is_not_taken_back():
    made = cloud()
    told_of(made, 60)
    (subnet,) = (s for s in made.world.machine.net.all(Subnet) if s.ip_version == 6)
    made.world.write(subnets.delete, subnet.id)
    made.world.settle()
    modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    made.world.subnet(made.network, "fd00::/64", gateway_ip="fd00::1", **modes)
    made.world.settle()
    assert {each.prefixes[0][3:] for told in told_of(made).values() for each in told} == {(86400, 14400)}


def test_the_last_word_is_of_what_is_so_now():
    made, _ = with_gateway()
    modes = {"ipv6_ra_mode": "dhcpv6-stateless", "ipv6_address_mode": "dhcpv6-stateless"}
    made.world.subnet(made.network, "fd01::/64", gateway_ip="fd01::1", **modes)
    made.world.settle()
    told_of(made)
    other = made.world.port(
        made.network,
        mac_address="fa:16:3e:00:00:09",
        device_owner="network:router_interface",
        fixed_ips=[{"ip_address": "fd01::1"}],
    )
    made.world.plug(other, made.there)
    made.world.settle()
    told_of(made)
    made.world.unplug(other, made.there)
    made.world.settle()
    for told in told_of(made).values():
        assert [(each.src, each.lifetime) for each in told[:1]] == [("fe80::f816:3eff:fe00:9", 0)]
        assert all(each.other for each in told if each.src == NOBODY or each.lifetime == 0)
        assert (GATEWAY, 9000) in [(each.src, each.lifetime) for each in told[1:]]


def test_nothing_is_taken_back_when_a_controller_starts_or_a_switch_is_back():
    made, _ = with_gateway()
    bridge = made.here.bridges["br-int"]
    made.world.bounce(bridge)
    made.world.settle()
    made.world.restart()
    for host in (made.here, made.there):
        made.world.join(host)
        for each in host.bridges.values():
            made.world.connect(each)
    made.world.settle()
    assert {each.lifetime for told in told_of(made, 400).values() for each in told} == {9000}


def test_a_switch_that_was_away_is_told_when_it_is_back_and_only_what_it_missed():
    made, port = with_gateway()
    bridge = made.here.bridges["br-int"]
    made.world.disconnect(bridge)
    made.world.settle()
    unplugged(made, port)
    made.world.settle()
    assert set(told_of(made)) == {made.there.bridges["br-int"].dpid}
    made.world.connect(bridge)
    made.world.settle()
    told = told_of(made)
    assert set(told) == {bridge.dpid}
    assert [(each.src, each.lifetime) for each in told[bridge.dpid]] == [(GATEWAY, 0), (NOBODY, 0)]
