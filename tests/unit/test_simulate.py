"""The model switch and the model network (tests/ovs/test_simulate_against_ovs says that it equals Open vSwitch)."""

from __future__ import annotations

import functools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core import flow as f
from controller.core import packet as p
from controller.core.effects import FlowMods, FlushConnections
from controller.core.events import Installed
from controller.core.flow import Flow, match
from controller.core.packet import Packet
from controller.core.prerequisites import refusal
from controller.core.simulate import Ambiguous, Loop, ModelSwitch, Refused
from controller.core.simulate_network import ModelNetwork, Tunnel
from tests.random_flows import some_packet, some_table_space

M1, M2 = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02"
PACKET = p.ipv4(M1, M2, "10.0.0.1", "10.0.0.2").but(in_port=1)


# ---------------------------------------------------------------------------------------------------------------------
# Packets


def test_a_field_that_is_zero_is_not_there() -> None:
    assert Packet(reg0=0, eth_type=0x800) == Packet(eth_type="0x800")
    assert hash(Packet(reg0=0)) == hash(Packet())
    assert Packet()["reg0"] == 0
    assert dict(Packet(reg0=0, reg1=2)) == {"reg1": 2}


def test_a_packet_does_not_change() -> None:
    tagged = PACKET.tagged(0)
    assert tagged["vlan_vid"] == f.VLAN_PRESENT
    assert PACKET["vlan_vid"] == 0
    PACKET.fields()["eth_src"] = 9
    assert PACKET["eth_src"] == 0xFA163E000001


@pytest.mark.parametrize(
    "fields", [{"eth_scr": 1}, {"reg0": 1 << 32}, {"reg0": -1}, {"eth_src": "x"}, {"vlan_vid": 0x2000}]
)
def test_a_packet_of_nonsense_is_refused(fields: dict[str, int | str]) -> None:
    with pytest.raises(ValueError, match="field|fit|address"):
        Packet(fields)
    with pytest.raises(KeyError):
        PACKET["eth_scr"]


def test_a_frame_has_no_metadata() -> None:
    assert PACKET.but(reg3=1, tun_id=5, tun_dst="192.0.2.1").frame() == PACKET.but(in_port=0)


def test_a_solicitation_goes_to_its_group() -> None:
    """RFC 4291, 2.7.1 and RFC 2464, 7: the low 24 bits of the address."""
    asked = p.neighbor_solicitation(M1, "fd00::1", "fd00::12:3456")
    assert asked["ipv6_dst"] == Packet(ipv6_dst="ff02::1:ff12:3456")["ipv6_dst"]
    assert asked["eth_dst"] == 0x3333FF123456


def test_a_packet_is_shown_in_words() -> None:
    assert repr(Packet(in_port=1, eth_src=M1).tagged(5)) == f"Packet(in_port=1, eth_src={M1}, vlan_vid=0x1005)"


# ---------------------------------------------------------------------------------------------------------------------
# The switch's tables


def test_an_add_replaces_what_is_in_its_slot_and_a_remove_by_cookie_spares_the_new_one() -> None:
    old, new = Flow(0, 1, (), [f.Output(1)]), Flow(0, 1, (), [f.Output(2)])
    switch = ModelSwitch([old])
    switch.apply(FlowMods(1, 1, add=(new,), remove=((0, old.cookie),)))
    assert switch.flows == (new,)


def test_a_remove_is_of_one_table() -> None:
    flow = Flow(3, 1, (), [])
    switch = ModelSwitch([flow])
    switch.apply(FlowMods(1, 1, remove=((4, flow.cookie), (3, flow.cookie ^ 1))))
    assert switch.flows == (flow,)
    switch.apply(FlowMods(1, 1, remove=((3, flow.cookie),)))
    assert switch.flows == ()
    assert switch.run(PACKET).path[0].flow is None


def test_foreign_flows_go_one_by_one() -> None:
    switch = ModelSwitch(foreign=[(0, 5, 7, "80000004"), (0, 6, 7, "80000004")])
    switch.apply(FlowMods(1, 1, foreign=((0, 5, 7, "80000004"), (9, 9, 7, ""))))
    assert switch.installed() == (Installed(0, 6, 7, "80000004"),)


def test_what_is_installed_is_reported_with_fields_where_they_matter() -> None:
    one, two, three = (Flow(table, 5, match({"reg0": 7}), [], idle) for table, idle in ((1, 9), (2, 9), (3, 0)))
    assert ModelSwitch([three, two, one]).installed(reactive={2, 3}) == (
        Installed(1, 5, one.cookie),
        Installed(2, 5, two.cookie, "", (("reg0", 7),)),
        Installed(3, 5, three.cookie),
    )


def test_a_bundle_with_a_refused_flow_changes_nothing() -> None:
    good = Flow(0, 1, (), [f.Output(1)])
    bad = Flow(0, 2, match({"eth_type": 0x800}), [f.SetField("arp_op", 2)])
    switch = ModelSwitch([good])
    mods = FlowMods(1, 1, add=(Flow(0, 3, (), []), bad), remove=((0, good.cookie),), meters=(f.Meter(1, 10),))
    with pytest.raises(Refused, match="arp_op"):
        switch.apply(mods)
    assert switch.flows == (good,)
    assert switch.meters == {}


def test_a_meter_comes_before_its_flows_and_takes_them_along() -> None:
    metered = Flow(0, 1, (), [f.Metered(4), f.Output(1)])
    with pytest.raises(Refused, match="meter 4"):
        ModelSwitch([metered])
    switch = ModelSwitch([metered, Flow(1, 1, (), [])], meters=[f.Meter(4, 10)])
    switch.apply(FlowMods(1, 1, stale_meters=(4, 5)))
    assert switch.flows == (Flow(1, 1, (), []),)


@functools.cache
def table_space(seed: int) -> list[Flow]:
    return some_table_space(random.Random(seed))


@settings(deadline=None)
@given(st.integers(0, 4), st.integers(0, 1 << 32))
def test_any_list_of_changes_leaves_what_loading_its_result_gives(space: int, seed: int) -> None:
    """The tables that lookups use are the flows, whatever was added and removed on the way."""
    dice = random.Random(seed)
    pool = dice.sample(table_space(space), 60)
    switch, wanted = ModelSwitch(), {}
    for _ in range(40):
        add, remove = dice.sample(pool, 3), dice.sample(pool, 2)
        switch.apply(FlowMods(1, 1, add=tuple(add), remove=tuple((flow.table, flow.cookie) for flow in remove)))
        wanted |= {flow.slot: flow for flow in add}
        wanted = {slot: flow for slot, flow in wanted.items() if flow not in remove}
    loaded = ModelSwitch(wanted.values())
    assert switch.flows == loaded.flows
    for packet in (some_packet(dice) for _ in range(10)):
        assert switch.run(packet) == loaded.run(packet)


@settings(deadline=None)
@given(st.integers(0, 4), st.integers(0, 1 << 32))
def test_the_lookup_is_that_of_a_plain_list(space: int, seed: int) -> None:
    dice = random.Random(seed)
    flows = [flow for flow in table_space(space) if flow.table == 0]
    packet = some_packet(dice)
    fields = packet.fields()
    hits = [x for x in flows if all(packet[n] & (-1 if m is None else m) == v for n, v, m in x.match)]
    assert ModelSwitch(flows).lookup(0, fields) == max(hits, key=lambda flow: flow.priority, default=None)


# ---------------------------------------------------------------------------------------------------------------------
# A packet in a switch


def test_two_flows_of_one_priority_are_an_error_only_where_both_match_and_none_is_higher() -> None:
    flows = [Flow(0, 1, match({"in_port": 1}), []), Flow(0, 1, match({"eth_type": 0x800}), [f.Output(3)])]
    with pytest.raises(Ambiguous):
        ModelSwitch(flows).run(PACKET)
    same = [Flow(0, 1, flow.match, [f.Output(3)]) for flow in flows]
    assert ModelSwitch(same).run(PACKET).ports == (3,)
    assert ModelSwitch(flows).run(PACKET.but(in_port=2)).path[0].flow == flows[1]
    higher = Flow(0, 2, (), [f.Output(5)])
    assert ModelSwitch([*flows, higher]).run(PACKET).ports == (5,)


def test_a_conjunction_needs_every_clause_at_one_priority_and_its_flow_may_be_anywhere() -> None:
    source, target = (
        match({"eth_type": 0x800, "ipv4_src": 0x0A000001}),
        match({"eth_type": 0x800, "ipv4_dst": 0x0A000002}),
    )
    flows = [
        Flow(0, 5, source, [f.Conjunction(7, 1, 2), f.Conjunction(8, 1, 2)]),
        Flow(0, 5, target, [f.Conjunction(7, 2, 2)]),
        Flow(0, 6, target, [f.Conjunction(8, 2, 2)]),
        Flow(0, 3, match({"conj_id": 7}), [f.Output(3)]),
        Flow(0, 9, match({"conj_id": 8}), [f.Output(4)]),
        Flow(0, 2, (), [f.Output(5)]),
    ]
    switch = ModelSwitch(flows)
    assert switch.run(PACKET).ports == (3,)
    assert switch.run(PACKET.but(ipv4_src="10.0.0.9")).ports == (5,)
    switch.apply(FlowMods(1, 1, remove=((0, flows[3].cookie),)))
    assert switch.run(PACKET).ports == (5,)
    switch.apply(FlowMods(1, 2, add=(Flow(0, 5, match({"in_port": 1}), [f.Output(6)]),)))
    assert switch.run(PACKET).ports == (6,)


def test_two_conjunctions_that_a_packet_meets_must_do_the_same() -> None:
    every = [Flow(0, 5, (), [f.Conjunction(id, clause, 2) for id in (7, 8) for clause in (1, 2)])]
    both = [Flow(0, 1, match({"conj_id": id}), [f.Output(port)]) for id, port in ((7, 3), (8, 4))]
    with pytest.raises(Ambiguous):
        ModelSwitch([*every, *both]).run(PACKET)
    assert ModelSwitch([*every, Flow(0, 1, (), [f.Output(2)])]).run(PACKET).ports == (2,)


def tracked(*sets: f.SetField, commit: bool = True) -> list[Flow]:
    """Everything through zone 5; port 2: it is new, 3: of a connection, 4: an answer, 5: neither."""
    wanted = {2: f.NEW | f.TRK, 3: f.EST | f.TRK, 4: f.EST | f.RPL | f.TRK, 5: f.INV | f.TRK}
    keep = [f.Ct(commit=True, zone=5, sets=sets)] if commit else []
    made = []
    for ip in ({"eth_type": 0x800}, {"eth_type": 0x86DD}):
        made.append(Flow(0, 1, match(ip), [f.Ct(zone=5, table=1)]))
        for port, state in wanted.items():
            kept = [] if state & f.INV else keep
            made.append(Flow(1, 1, match({**ip, "ct_state": state}), [*kept, f.Output(port)]))
    return made


def back(packet: Packet) -> Packet:
    """The same packet the other way."""
    ends = {"ipv4_src": "ipv4_dst", "udp_src": "udp_dst", "ipv6_src": "ipv6_dst"}
    return packet.but(**{a: packet[b] for x, y in ends.items() for a, b in ((x, y), (y, x)) if packet[a] or packet[b]})


def test_a_connection_is_new_until_it_is_answered() -> None:
    switch = ModelSwitch(tracked())
    asks = PACKET.but(udp_src=1000, udp_dst=53)
    assert [switch.run(packet).ports for packet in (asks, asks, back(asks), asks)] == [(2,), (2,), (4,), (3,)]
    assert switch.run(asks.but(udp_src=1001)).ports == (2,)
    switch.connections.flush(FlushConnections(1, 6))
    switch.connections.flush(FlushConnections(1, 5, src_port=1001))
    switch.connections.flush(FlushConnections(1, 5, src="10.0.0.2"))
    switch.connections.flush(FlushConnections(1, 5, src="::a00:1"))
    assert switch.run(asks).ports == (3,)
    switch.connections.flush(FlushConnections(1, 5, 17, src="10.0.0.1"))
    assert switch.run(back(asks)).ports == (2,)


def test_what_is_not_committed_is_forgotten() -> None:
    switch = ModelSwitch(tracked(commit=False))
    asks = PACKET.but(udp_src=1000, udp_dst=53)
    assert [switch.run(packet).ports for packet in (asks, back(asks), asks)] == [(2,)] * 3


def test_only_requests_of_icmp_begin_a_connection() -> None:
    switch = ModelSwitch(tracked())
    ping = p.ipv4(M1, M2, "10.0.0.1", "10.0.0.2", proto=1)
    assert switch.run(back(ping)).ports == (5,)
    assert switch.run(ping.but(icmpv4_type=8)).ports == (2,)
    assert switch.run(back(ping)).ports == (4,)
    six = p.ipv6(M1, M2, "fd00::1", "fd00::2", proto=58)
    assert [switch.run(six.but(icmpv6_type=kind)).ports for kind in (135, 129, 1, 128)] == [(5,), (5,), (5,), (2,)]


def test_behind_ct_the_packet_goes_on_untracked_and_the_copy_has_the_mark_of_its_connection() -> None:
    by_register = f.Ct(zone=f.Bits("reg5", 0, 16), table=1)
    marking = f.Ct(True, 9, 2, (f.SetField("ct_mark", 3), f.Load("ct_label", 4, 4, 1)))
    flows = [
        Flow(0, 1, match({"eth_type": 0x800}), [f.Load("reg5", 0, 16, 9), by_register, f.Resubmit(2)]),
        Flow(1, 1, match({"eth_type": 0x800}), [marking]),
        Flow(2, 1, match({"ct_state": 0, "ct_zone": 0, "ct_mark": 0}), [f.Output(2)]),
        Flow(2, 2, match({"ct_state": (f.TRK, f.TRK), "ct_zone": 9, "ct_mark": 3, "ct_label": 0x10}), [f.Output(3)]),
        Flow(2, 3, match({"ct_mark": 3, "reg6": 1}), [f.CtClear(), f.Resubmit(2)]),
    ]
    switch = ModelSwitch(flows)
    assert switch.run(PACKET).ports == (2, 3)
    assert [way.src for way in switch.connections.of_zone(9)] == [0x0A000001]
    assert switch.run(PACKET.but(reg6=1)).ports == (2, 2)


def test_what_goes_round_through_the_tracker_is_a_loop() -> None:
    with pytest.raises(Loop, match="connection tracker"):
        ModelSwitch([Flow(0, 1, match({"eth_type": 0x800}), [f.Ct(table=0)])]).run(PACKET)


def test_a_closed_meter_ends_the_packet_and_keeps_what_left_before() -> None:
    flows = [
        Flow(0, 1, (), [f.Output(2), f.Resubmit(1), f.Output(3)]),
        Flow(1, 1, (), [f.Metered(4), f.Controller(), f.Output(5)]),
    ]
    switch = ModelSwitch(flows, meters=[f.Meter(4, 1)])
    opened, closed = switch.run(PACKET), switch.run(PACKET, meters_open=False)
    assert (opened.ports, len(opened.controller)) == ((2, 5, 3), 1)
    assert (closed.ports, closed.controller) == ((2,), ())
    assert closed.path[1].actions == (f.Metered(4),)


def test_the_path_says_what_was_looked_up_and_done() -> None:
    flows = [Flow(0, 1, (), [f.Resubmit(8), f.Goto(16)]), Flow(8, 1, (), [f.Output(2)])]
    path = ModelSwitch(flows).run(PACKET).path
    assert [(step.table, step.depth, step.flow) for step in path] == [(0, 0, flows[0]), (8, 1, flows[1]), (16, 0, None)]
    assert path[1].actions == (f.Output(2),)


def test_an_output_to_a_port_that_is_not_there_goes_nowhere() -> None:
    flows = [Flow(0, 1, (), [f.Output(2), f.Output(3), f.Output(f.LOCAL), f.Output(f.NORMAL)])]
    assert ModelSwitch(flows, {1: "a", 3: "b"}).run(PACKET).ports == (3, f.LOCAL, f.NORMAL)
    assert ModelSwitch(flows).run(PACKET).ports == (2, 3, f.LOCAL, f.NORMAL)


@pytest.mark.parametrize("loop", [[f.Resubmit(0)], [f.Resubmit(0), f.Resubmit(0)]])
def test_a_loop_is_an_error(loop: list[f.Action]) -> None:
    with pytest.raises(Loop):
        ModelSwitch([Flow(0, 1, (), loop)]).run(PACKET)


@pytest.mark.parametrize(
    ("flow", "why"),
    [
        (Flow(0, 1, match({"arp_op": 1}), []), "arp_op"),
        (Flow(0, 1, match({"eth_type": 0x86DD, "ipv4_src": 1}), []), "ipv4_src"),
        (Flow(0, 1, match({"in_port": 0xFF00}), []), "in_port"),
        (Flow(0, 1, match({"in_port": (1, 1)}), []), "in_port"),
        (Flow(254, 1, (), []), "254"),
        (Flow(0, 1, (), [f.Output(0xFFFFFFFB)]), "port"),
        (Flow(0, 1, (), [f.Resubmit(255)]), "255"),
        (Flow(5, 1, (), [f.Goto(5)]), "goto"),
        (Flow(5, 1, (), [f.Goto(6), f.Output(1)]), "last"),
        (Flow(5, 1, (), [f.Output(1), f.Metered(1)]), "first"),
        (Flow(0, 1, (), [f.PopVlan()]), "pop_vlan"),
        (Flow(0, 1, (), [f.PushVlan(), f.PushVlan(), f.PushVlan()]), "push_vlan"),
        (Flow(0, 1, match({"vlan_vid": 0x1001}), [f.PopVlan(), f.SetField("vlan_vid", 0x1002)]), "vlan_vid"),
        (Flow(0, 1, match({"vlan_vid": 0x1001}), [f.SetField("vlan_vid", 2)]), "VLAN_PRESENT"),
        (Flow(0, 1, match({"eth_type": 0x800}), [f.SetField("eth_type", 0x806)]), "eth_type"),
        (Flow(0, 1, (), [f.Load("reg0", 30, 3, 1)]), "reg0"),
        (Flow(0, 1, (), [f.Load("reg0", 0, 3, 8)]), "reg0"),
        (Flow(0, 1, (), [f.OutputReg("reg0", 30, 3)]), "reg0"),
        (Flow(0, 1, (), [f.Move("reg0", "eth_src")]), "width"),
        (Flow(0, 1, (), [f.Move("arp_sha", "eth_src")]), "arp_sha"),
    ],
)
def test_what_a_switch_would_refuse(flow: Flow, why: str) -> None:
    assert why in (refusal(flow) or "")
    with pytest.raises(Refused, match=why):
        ModelSwitch([flow])


# ---------------------------------------------------------------------------------------------------------------------
# A network: two hosts with an integration bridge each (1, 2), two provider bridges (11, 12) on one wire, and a tunnel

BROADCAST = p.ethernet(M1, p.BROADCAST)


def local(vid: int) -> list[f.Action]:
    return [f.SetField("vlan_vid", f.VLAN_PRESENT | vid)]


def network(changes: dict[int, ModelSwitch] | None = None) -> ModelNetwork:
    """VIF 5 of both hosts is in VLAN 1000, carried as 1 and 2 on the hosts; VIF 6 in tunnel 77."""
    vif, patch, tunnel, nic = 5, 9, 20, 3

    def integration(vid: int, remote: str) -> ModelSwitch:
        away = Packet(tun_dst=remote)["tun_dst"]
        return ModelSwitch(
            [
                Flow(0, 1, match({"in_port": vif}), [f.PushVlan(), *local(vid), f.Output(patch)]),
                Flow(0, 1, match({"in_port": patch, "vlan_vid": f.VLAN_PRESENT | vid}), [f.PopVlan(), f.Output(vif)]),
                Flow(
                    0,
                    1,
                    match({"in_port": 6}),
                    [f.SetField("tun_id", 77), f.SetField("tun_dst", away), f.Output(tunnel)],
                ),
                Flow(0, 1, match({"in_port": tunnel, "tun_id": 77}), [f.Output(6), f.Controller()]),
            ]
        )

    def provider(vid: int) -> ModelSwitch:
        return ModelSwitch(
            [
                Flow(0, 2, match({"in_port": 4, "vlan_vid": f.VLAN_PRESENT | vid}), [*local(1000), f.Output(f.NORMAL)]),
                Flow(0, 2, match({"in_port": nic, "vlan_vid": 0x13E8}), [*local(vid), f.Output(4)]),
            ]
        )

    switches = {1: integration(1, "192.0.2.2"), 2: integration(2, "192.0.2.1"), 11: provider(1), 12: provider(2)}
    return ModelNetwork(
        switches | (changes or {}),
        patches={(1, patch): (11, 4), (12, 4): (2, patch)},
        wires={(11, nic): "physnet1", (12, nic): "physnet1", (13, nic): "physnet2"},
        tunnels={(1, tunnel): Tunnel("vxlan", "192.0.2.1"), (2, tunnel): Tunnel("vxlan", "192.0.2.2")},
        vifs=[(1, vif), (2, vif), (1, 6), (2, 6)],
    )


def test_over_the_wire_of_a_physical_network() -> None:
    delivery = network().send(1, 5, BROADCAST)
    assert [hop.dpid for hop in delivery.hops] == [1, 11, 12, 2]
    assert [hop.packet["vlan_vid"] & 0xFFF for hop in delivery.hops] == [0, 1, 1000, 2]
    assert delivery.ports == {(2, 5)}
    assert delivery.reached[0].packet.frame() == BROADCAST
    assert delivery.lost == ()


def test_through_a_tunnel_only_frame_id_and_addresses_come_along() -> None:
    delivery = network().send(2, 6, BROADCAST.but(reg0=9))
    assert delivery.ports == {(1, 6)}
    assert delivery.hops[1].packet == BROADCAST.but(tun_id=77, tun_src="192.0.2.2", tun_dst="192.0.2.1")
    assert [(dpid, table) for dpid, table, _ in delivery.punted] == [(1, 0)]


def test_an_ipv6_tunnel() -> None:
    there = Packet(tun_ipv6_dst="2001:db8::2")["tun_ipv6_dst"]
    out = ModelSwitch([Flow(0, 1, (), [f.SetField("tun_ipv6_dst", there), f.Output(20)])])
    back = ModelSwitch([Flow(0, 1, match({"tun_ipv6_dst": there}), [f.Output(1)])])
    ends = {(1, 20): Tunnel("gre", "2001:db8::1"), (2, 30): Tunnel("gre", "2001:db8::2")}
    assert ModelNetwork({1: out, 2: back}, tunnels=ends, vifs=[(2, 1)]).send(1, 1, BROADCAST).ports == {(2, 1)}
    ends[2, 30] = Tunnel("vxlan", "2001:db8::2")
    assert ModelNetwork({1: out, 2: back}, tunnels=ends, vifs=[(2, 1)]).send(1, 1, BROADCAST).ports == frozenset()


def test_normal_floods_the_bridge_but_not_back() -> None:
    flooding = ModelSwitch([Flow(0, 0, (), [f.Output(f.NORMAL)])])
    delivery = network({11: flooding, 12: flooding}).send(11, 3, BROADCAST.tagged(7))
    assert [(hop.dpid, hop.in_port) for hop in delivery.hops] == [(11, 3), (1, 9)]
    assert delivery.ports == frozenset()


def test_what_leads_nowhere_is_lost_and_told() -> None:
    out = ModelSwitch([Flow(0, 1, (), [f.Output(99), f.SetField("tun_dst", 1), f.Output(20), f.Output(9)])])
    delivery = ModelNetwork({1: out}, tunnels={(1, 20): Tunnel("gre", "192.0.2.1")}, patches={(1, 9): (7, 7)}).send(
        1, 5, BROADCAST
    )
    assert [(arrival.dpid, arrival.ofport) for arrival in delivery.lost] == [(1, 99), (1, 20), (7, 7)]
    assert delivery.reached == ()


def test_a_packet_that_goes_round_is_an_error() -> None:
    back = ModelSwitch([Flow(0, 1, (), [f.Output(1), f.Output(2)])])
    with pytest.raises(Loop):
        ModelNetwork({1: back, 2: back}, patches={(1, 1): (2, 1), (1, 2): (2, 2)}).send(1, 5, BROADCAST)


def test_a_switch_may_change_between_packets() -> None:
    joined = network()
    joined.switches[2].apply(FlowMods(2, 1, remove=tuple((0, flow.cookie) for flow in joined.switches[2].flows)))
    assert joined.send(1, 5, BROADCAST).ports == frozenset()
