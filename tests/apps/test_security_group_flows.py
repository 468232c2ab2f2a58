"""Security groups as flows: what is in the tables, what needs no rule, and when a zone is flushed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.address_groups import AddressGroup
from apps.allowed_address_pairs import AddressPair, AddressPairs
from apps.port_security import PortSecurity
from apps.security_groups import matches
from apps.security_groups.rows import Membership, SecurityGroup, SecurityGroupRule
from controller.core import packet as p
from controller.core.model import Port
from controller.core.packet import BROADCAST, Packet
from controller.core.plan import Draft
from controller.core.resource import put_side
from tests.apps.setup import MAC1, MAC2, Small, flows, ofport, small
from tests.world.world import name_of

BLUE, RED, BLOCKS = SecurityGroup("blue", key=1), SecurityGroup("red", key=2), AddressGroup("blocks", key=3)


def rule(group: str = "blue", direction: str = "ingress", **values: Any) -> SecurityGroupRule:
    name = "-".join(map(str, (group, direction, *values.values())))
    return SecurityGroupRule(name, direction, security_group_id=group, **values)


def put(draft: Draft, *rows: Any) -> None:
    for row in rows:
        draft.put(row)


def protect(draft: Draft, port: Port, *groups: str) -> None:
    put_side(draft, PortSecurity, port.id, {"port_security_enabled": True})
    put_side(draft, Membership, port.id, {"security_groups": groups})


def guarded(*rows: Any, type: str = "vxlan", groups: tuple[str, ...] = ("blue",)) -> Small:
    """Port `one` is protected, in these groups (blue has key 1, red 2), with these rules and other rows."""
    cloud = small(type, ("10.0.0.0/24", "fd00::/64"))
    cloud.world.write(put, BLUE, RED, BLOCKS, *rows)
    cloud.world.write(protect, cloud.one, *groups)
    cloud.world.settle()
    return cloud


# ---------------------------------------------------------------------------------------------------------------------
# Matches


@given(st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(sorted))
def test_a_range_of_ports_is_cut_into_blocks_that_are_the_range(ends):
    low, high = ends
    found = matches.masked(low, high)
    assert len(found) <= 30
    assert sum(0x10000 - mask for _, mask in found) == high - low + 1
    assert all(value & ~mask & 0xFFFF == 0 and low <= value <= value + (0xFFFF ^ mask) <= high for value, mask in found)


def said(way: int, ethertype: str = "IPv4", **values: Any) -> list[dict[Any, Any]]:
    heads = list(matches.heads(rule(ethertype=ethertype, **values), way))
    return [{name: value for name, value in head.items() if name not in ("eth_type", "ct_state")} for head in heads]


@pytest.mark.parametrize(
    ("values", "tracked", "untracked"),
    [
        ({}, [{}], [{}]),
        ({"protocol": "ip"}, [{}], [{}]),
        ({"protocol": "47"}, [{"ct_nw_proto": 47}], [{"ip_proto": 47}]),
        (
            {"protocol": "tcp", "port_range_min": 80, "port_range_max": 82},
            [{"ct_nw_proto": 6, "ct_tp_dst": (80, 0xFFFE)}, {"ct_nw_proto": 6, "ct_tp_dst": (82, 0xFFFF)}],
            [{"ip_proto": 6, "tcp_dst": (80, 0xFFFE)}, {"ip_proto": 6, "tcp_dst": (82, 0xFFFF)}],
        ),
        (
            {"protocol": "sctp", "port_range_min": 5, "port_range_max": 5},
            [{"ct_nw_proto": 132, "ct_tp_dst": (5, 0xFFFF)}],
            [{"ip_proto": 132, "sctp_dst": (5, 0xFFFF)}],
        ),
        (
            {"protocol": "icmp", "port_range_min": 8, "port_range_max": 0},
            [{"ct_nw_proto": 1, "ct_tp_src": 8, "ct_tp_dst": 0}],
            [{"ip_proto": 1, "icmpv4_type": 8, "icmpv4_code": 0}],
        ),
        (
            {"protocol": "ipv6-icmp", "port_range_min": 128, "ethertype": "IPv6"},
            [{"ct_nw_proto": 58, "ct_tp_src": 128}],
            [{"ip_proto": 58, "icmpv6_type": 128}],
        ),
        ({"protocol": "udplite"}, [{"ct_nw_proto": 136}], [{"ip_proto": 136}]),
        ({"protocol": "dccp", "port_range_min": 5, "port_range_max": 6}, [], []),
    ],
)
def test_what_a_rule_wants_of_a_packet(values, tracked, untracked):
    assert said(matches.INGRESS, **values) == tracked
    assert said(matches.INGRESS | matches.UNTRACKED, **values) == untracked


@pytest.mark.parametrize(
    ("prefix", "way", "field", "value"),
    [
        ("10.0.0.0/8", matches.EGRESS, "ct_nw_dst", (0x0A000000, 0xFF000000)),
        ("10.0.0.9/8", matches.INGRESS, "ct_nw_src", (0x0A000000, 0xFF000000)),
        ("10.0.0.1/32", matches.INGRESS | matches.UNTRACKED, "ipv4_src", 0x0A000001),
        ("fd00::1", matches.EGRESS | matches.UNTRACKED, "ipv6_dst", 0xFD << 120 | 1),
        ("fd00::1", matches.EGRESS, "ct_ipv6_dst", 0xFD << 120 | 1),
    ],
)
def test_the_other_side_is_the_connections_or_the_packets(prefix, way, field, value):
    assert dict(matches.block(prefix, way))[field] == value


# ---------------------------------------------------------------------------------------------------------------------
# Flows


def test_a_protected_port_has_three_flows():
    cloud = guarded(groups=("blue", "red"))
    port = ofport(cloud.here, name_of(cloud.one))
    take = f"load:{port:#x}->NXM_NX_REG6[0..15],load:0x1->NXM_NX_REG6[18..19]"
    assert flows(cloud.world, cloud.here, "security_groups.protect") == [
        f"table=egress, priority=50,reg1=0x1 actions={take},load:0x0->NXM_NX_REG6[16..17],goto_table:egress_track",
        f"table=ingress, priority=50,reg2={port:#x}/0xffff actions={take},load:0x1->NXM_NX_REG6[16..17],"
        "goto_table:ingress_track",
        f"table=groups, priority=100,reg6={port:#x}/0xffff actions=load:0x1->NXM_NX_REG5[],resubmit(,rules),"
        "load:0x2->NXM_NX_REG5[],resubmit(,rules)",
    ]
    assert flows(cloud.world, cloud.there, "security_groups.protect") == []


def test_a_bound_ports_groups_are_on_its_switch_before_it():
    cloud = guarded(rule(remote_group_id="red"))
    world = cloud.world
    port = world.port(cloud.network, protected=True, host_id=cloud.there.name)
    world.write(protect, port, "blue")
    world.settle()
    for unit in ("rules", "met"):
        here, there = (flows(world, host, f"security_groups.{unit}") for host in (cloud.here, cloud.there))
        assert here == there != []
    assert flows(world, cloud.there, "security_groups.protect") == []
    world.write(protect, port, "red")
    world.settle()
    assert flows(world, cloud.there, "security_groups.rules") == []
    world.write(protect, port, "blue")
    world.settle()
    assert flows(world, cloud.there, "security_groups.rules") != []
    world.change_port(port, host_id="")
    world.settle()
    assert flows(world, cloud.there, "security_groups.rules") == []


def test_rules_about_groups_are_conjunctions_of_a_head_and_an_address():
    web = {"protocol": "tcp", "port_range_min": 80, "port_range_max": 80}
    about = [{"remote_group_id": "red"}, {"remote_address_group_id": "blocks"}, {"remote_ip_prefix": "10.1.0.0/16"}]
    cloud = guarded(*(rule(**web, **remote) for remote in about))
    in_zone = "reg6=0x10000/0x30000,ct_state=-inv+trk"
    assert flows(cloud.world, cloud.here, "security_groups.rules") == [
        f"table=rules, priority=100,ip,reg5=0x1,{in_zone},ct_nw_proto=6,ct_nw_src=10.1.0.0/16,ct_tp_dst=80 "
        "actions=load:0x2->NXM_NX_REG6[18..19]",
        f"table=rules, priority=90,ip,reg5=0x1,{in_zone},ct_nw_proto=6,ct_tp_dst=80 "
        "actions=conjunction(2,2/2),conjunction(3,2/2)",
    ]
    assert sorted(flows(cloud.world, cloud.here, "security_groups.met")) == [
        "table=rules, priority=80,reg6=0x10000/0x30000,conj_id=2 actions=load:0x2->NXM_NX_REG6[18..19]",
        "table=rules, priority=80,reg6=0x10000/0x30000,conj_id=3 actions=load:0x2->NXM_NX_REG6[18..19]",
    ]
    cloud.world.write(put, AddressGroup("blocks", addresses=("10.0.0.0/24", "10.0.0.9/32"), key=3))
    member = cloud.world.port(cloud.network, fixed_ips=[{"ip_address": "10.0.0.9"}], protected=True)
    cloud.world.write(protect, member, "red")
    cloud.world.settle()
    assert flows(cloud.world, cloud.here, "security_groups.addresses") == [
        f"table=rules, priority=90,ip,{in_zone},ct_nw_src=10.0.0.0/24 actions=conjunction(3,1/2)",
        f"table=rules, priority=90,ip,{in_zone},ct_nw_src=10.0.0.9 actions=conjunction(2,1/2),conjunction(3,1/2)",
    ]
    assert flows(cloud.world, cloud.there, "security_groups.addresses") == []


def test_an_address_pair_is_a_members_address_unless_it_is_everybodys():
    cloud = guarded(rule(remote_group_id="red"))
    cloud.world.write(protect, cloud.two, "red")
    pairs = tuple(AddressPair(MAC2, text) for text in ("10.0.0.99", "10.9.0.1/16", "0.0.0.0/0", "::/0", "0.0.0.0/7"))
    cloud.world.write(put, AddressPairs(cloud.two.id, pairs))
    cloud.world.settle()
    found = flows(cloud.world, cloud.here, "security_groups.addresses")
    assert len(found) == 4
    assert [text in "\n".join(found) for text in ("10.0.0.99 ", "10.9.0.0/16 ")] == [True, True]


# ---------------------------------------------------------------------------------------------------------------------
# Without rules


ONE, TWO = "10.0.0.2", "10.0.0.3"
ONE6, TWO6 = "fd00::1", "fd00::2"


SENT = {
    "arp": p.arp_request(MAC1, ONE, "10.0.0.200"),
    "solicitation": p.neighbor_solicitation(MAC1, ONE6, "fd00::99"),
    "advertisement": p.neighbor_advertisement(MAC1, ONE6, MAC2, TWO6),
    "router solicitation": p.ipv6(MAC1, "33:33:00:00:00:02", ONE6, "ff02::2", 58).but(icmpv6_type=133),
    "listener report": p.ipv6(MAC1, "33:33:00:00:00:16", ONE6, "ff02::16", 58).but(icmpv6_type=143),
    "rarp": Packet(eth_src=MAC1, eth_dst=BROADCAST, eth_type=0x8035),
}
GOT = {
    "arp": p.arp_reply(MAC2, TWO, MAC1, ONE),
    "advertisement": p.neighbor_advertisement(MAC2, TWO6, MAC1, ONE6),
    "router advertisement": p.ipv6(MAC2, "33:33:00:00:00:01", "fe80::1", "ff02::1", 58).but(icmpv6_type=134),
    "dhcp": p.ipv4(MAC2, MAC1, TWO, ONE).but(udp_src=67, udp_dst=68),
    "dhcp6": p.ipv6(MAC2, MAC1, TWO6, ONE6).but(udp_src=547, udp_dst=546),
}


@pytest.mark.parametrize("name", SENT)
def test_a_port_sends_what_needs_no_rule(name):
    cloud = guarded(groups=())
    assert cloud.world.places(cloud.world.send(cloud.one, SENT[name])) == [cloud.two.id]


@pytest.mark.parametrize("name", GOT)
def test_a_port_gets_what_needs_no_rule(name):
    cloud = guarded(groups=())
    assert cloud.world.places(cloud.world.send(cloud.two, GOT[name])) == [cloud.one.id]


@pytest.mark.parametrize(
    "packet",
    [
        p.ipv4(MAC1, MAC2, ONE, TWO),
        p.ipv6(MAC1, MAC2, ONE6, TWO6),
        p.ipv4(MAC1, BROADCAST, ONE, "10.0.0.255"),
        p.ethernet(MAC1, MAC2),
    ],
)
def test_nothing_else_passes_in_no_group(packet):
    cloud = guarded(groups=())
    assert cloud.world.places(cloud.world.send(cloud.one, packet)) == []
    back = packet.but(eth_src=MAC2, eth_dst=packet["eth_dst"] if packet["eth_dst"] >> 40 & 1 else MAC1)
    assert cloud.world.places(cloud.world.send(cloud.two, back)) == []


@pytest.mark.parametrize("stateful", [True, False])
def test_each_receiver_of_a_broadcast_is_checked_by_itself(stateful):
    cloud = small("local")
    world = cloud.world
    rows = [SecurityGroup("blue", stateful=stateful, key=1), SecurityGroup("red", stateful=stateful, key=2)]
    world.write(put, *rows, rule("blue", protocol="udp"))
    ports = {name: world.port(cloud.network) for name in ("blue", "red", "", "none")}
    for name, port in ports.items():
        if name != "none":
            world.write(protect, port, *([name] if name else []))
        world.plug(port, cloud.here)
    world.settle()
    delivery = world.send(cloud.one, p.ipv4(MAC1, BROADCAST, ONE, "10.0.0.255"))
    assert world.places(delivery) == sorted((ports["blue"].id, ports["none"].id))


# ---------------------------------------------------------------------------------------------------------------------
# Zones


def test_a_zone_is_flushed_before_its_port_is_programmed_and_at_no_other_time():
    cloud = guarded(rule(), rule(direction="egress"))
    world, bridge = cloud.world, cloud.here.bridges["br-int"]
    port = ofport(cloud.here, name_of(cloud.one))
    (flushed,) = world.flushed
    assert (flushed.dpid, flushed.zone, flushed.whole) == (bridge.dpid, port, True)
    world.send(cloud.one, p.ipv4(MAC1, MAC2, ONE, TWO))
    world.settle()
    assert len(bridge.switch.connections.of_zone(port)) == 1
    world.write(put, rule("red"), rule("blue", remote_group_id="red"))
    world.change_port(cloud.one, name="renamed")
    world.write(protect, cloud.one, "blue", "red")
    world.settle()
    world.bounce(bridge)
    world.settle()
    world.restart()
    for host in (cloud.here, cloud.there):
        world.join(host)
        for known in host.bridges.values():
            world.connect(known)
    world.settle()
    assert (world.flushed, len(bridge.switch.connections.of_zone(port))) == ([flushed], 1)
    world.unplug(cloud.one, cloud.here)
    world.settle()
    other = world.port(cloud.network, protected=True)
    world.plug(other, cloud.here)
    world.settle()
    assert ofport(cloud.here, name_of(other)) == port
    assert (world.flushed, bridge.switch.connections.of_zone(port)) == ([flushed, flushed], ())


def test_a_port_that_is_not_protected_costs_nothing():
    cloud = small("local")
    assert flows(cloud.world, cloud.here, "security_groups.protect") == []
    cloud.world.send(cloud.one, p.ipv4(MAC1, MAC2, ONE, TWO))
    assert cloud.world.flushed == []
