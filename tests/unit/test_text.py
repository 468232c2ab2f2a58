"""Flows as text: what is written is read back, in ovs-ofctl's own words, and a wrong word is named."""

from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core import flow as f
from controller.core.flow import FIELDS, Flow, match
from controller.core.text import TextError, format_actions, format_flow, format_match, parse_flow, parse_match

# ---------------------------------------------------------------------------------------------------------------------
# The law: parse(format(flow)) == flow, for every field and action


def values(name: str) -> st.SearchStrategy[int]:
    top = (1 << FIELDS[name].bits) - 1
    usual = [0, 1, top, *(v for v in (f.VLAN_PRESENT, f.IN_PORT, f.LOCAL, 0x800, 0x86DD, 58, 135) if v <= top)]
    return st.sampled_from(usual) | st.integers(0, top)


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, int | tuple[int, int]]:
    wanted: dict[str, int | tuple[int, int]] = {}
    for name in draw(st.sets(st.sampled_from(list(FIELDS)), max_size=5)):
        value, mask = draw(values(name)), draw(st.none() | st.integers(1, (1 << FIELDS[name].bits) - 1))
        wanted[name] = value if mask is None else (value & mask, mask)
    return wanted


names = st.sampled_from(list(FIELDS))
tables = st.integers(0, 255)


@st.composite
def parts(draw: st.DrawFn) -> tuple[str, int, int]:
    name = draw(names)
    offset = draw(st.integers(0, FIELDS[name].bits - 1))
    return name, offset, draw(st.integers(1, FIELDS[name].bits - offset))


ports = st.integers(0, 0xFFFFFFFF) | st.sampled_from([f.IN_PORT, f.NORMAL, f.CONTROLLER, f.LOCAL])
connection = st.sampled_from(["ct_mark", "ct_label"])
connection_parts = st.tuples(connection, st.integers(0, 15), st.integers(1, 16))
sets = st.one_of(
    connection.flatmap(lambda name: values(name).map(lambda value: f.SetField(name, value))),
    connection_parts.flatmap(lambda p: st.integers(0, (1 << p[2]) - 1).map(lambda value: f.Load(*p, value))),
    st.tuples(names, connection).map(lambda ends: f.Move(*ends)),
)
registers = st.tuples(names, st.integers(0, 7), st.integers(1, 8)).map(lambda part: f.Bits(*part))
cts = st.tuples(
    st.booleans(),
    st.integers(0, 0xFFFF) | registers.filter(lambda part: part.offset + part.bits <= FIELDS[part.field].bits),
    st.none() | st.integers(0, 254),
    st.lists(sets, max_size=3).map(tuple),
    st.booleans(),
).map(lambda given: f.Ct(*given))
conjunctions = st.tuples(st.integers(0, 0xFFFFFFFF), st.integers(1, 64), st.integers(2, 64))
actions = st.one_of(
    ports.map(f.Output),
    parts().map(lambda part: f.OutputReg(*part)),
    st.integers(0, 0xFFFF).map(f.Controller),
    parts().flatmap(lambda p: st.integers(0, (1 << p[2]) - 1).map(lambda value: f.Load(*p, value))),
    names.flatmap(lambda name: values(name).map(lambda value: f.SetField(name, value))),
    st.tuples(names, names).map(lambda ends: f.Move(*ends)),
    st.sampled_from([f.PushVlan(), f.PopVlan()]),
    tables.map(f.Resubmit),
    cts,
    st.just(f.CtClear()),
    conjunctions.map(lambda given: f.Conjunction(*given)),
    st.integers(1, 0xFFFF0000).map(f.Metered),
    tables.map(f.Goto),
)
flows = st.builds(
    Flow, tables, st.integers(0, 0xFFFF), conditions().map(match), st.lists(actions, max_size=6), st.integers(0, 0xFFFF)
)


@given(flows)
def test_what_is_written_is_read_back(flow: Flow) -> None:
    read = parse_flow(format_flow(flow))
    assert (read, read.cookie) == (flow, flow.cookie)
    assert parse_match(format_match(flow.match)) == flow.match


@given(flows)
def test_what_is_written_for_people_is_read_back(flow: Flow) -> None:
    numbers = {f"table-{n}": n for n in range(256)}
    read = parse_flow(format_flow(flow, lambda n: f"table-{n}"), numbers.__getitem__)
    assert (read, read.cookie) == (flow, flow.cookie)


@given(st.text(string.printable) | st.text(alphabet="table=0,prioy_n:>-x[]()1adcsV/ ") | flows.map(format_flow))
def test_any_text_is_a_flow_or_an_error(text: str) -> None:
    with suppress(TextError):
        read = parse_flow(text)
        assert parse_flow(format_flow(read)) == read


# ---------------------------------------------------------------------------------------------------------------------
# The words


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"in_port": f.LOCAL, "vlan_vid": 0x13E8}, "in_port=LOCAL,dl_vlan=1000"),
        ({"vlan_vid": 0}, "vlan_tci=0x0000/0x1fff"),
        ({"vlan_vid": (0x1000, 0x1000)}, "vlan_tci=0x1000/0x1000"),
        ({"eth_dst": (1 << 40, 1 << 40)}, "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"),
        ({"reg4": (1, 1), "reg0": 7, "tun_id": 100}, "tun_id=0x64,reg0=0x7,reg4=0x1/0x1"),
        ({"eth_type": 0x806, "arp_op": 1, "arp_tpa": 0x0A000001}, "arp,arp_op=1,arp_tpa=10.0.0.1"),
        ({"eth_type": 0x800, "ip_proto": 17, "ipv4_dst": (0x0A000000, 0xFFFFFF00)}, "udp,nw_dst=10.0.0.0/24"),
        ({"eth_type": 0x800, "ip_proto": 47}, "ip,nw_proto=47"),
        ({"eth_type": 0x88CC}, "dl_type=0x88cc"),
        (
            {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135, "icmpv6_code": 0, "nd_target": 1},
            "icmp6,icmp_type=135,icmp_code=0,nd_target=::1",
        ),
        ({"eth_type": 0x86DD, "ipv6_src": (0xFD << 120, 0xFFFF << 112)}, "ipv6,ipv6_src=fd00::/16"),
        ({"ct_state": (f.NEW | f.TRK, f.NEW | f.EST | f.TRK), "ct_zone": 5}, "ct_state=+new-est+trk,ct_zone=0x5"),
        ({"ct_state": f.NEW | f.TRK, "ct_mark": (1, 3)}, "ct_state=new|trk,ct_mark=0x1/0x3"),
        ({"ct_state": 0, "conj_id": 7}, "conj_id=7,ct_state=0x0"),
        ({"eth_type": 0x800, "ip_proto": 6, "tcp_dst": (0x50, 0xFFF0)}, "tcp,tp_dst=80/0xfff0"),
        ({"eth_type": 0x86DD, "ip_proto": 132, "sctp_src": 9}, "sctp6,tp_src=9"),
        ({"eth_type": 0x800, "ip_proto": 1, "icmpv4_type": 8, "icmpv4_code": 0}, "icmp,icmp_type=8,icmp_code=0"),
        ({"udp_dst": 53, "icmpv6_type": 135}, "udp_dst=53,icmpv6_type=135"),
        ({"tun_dst": 0xC0000209, "tun_ipv6_dst": (1, 1)}, "tun_dst=192.0.2.9,tun_ipv6_dst=::1/::1"),
    ],
)
def test_matches_in_ovs_ofctls_words(fields: dict[str, int | tuple[int, int]], text: str) -> None:
    assert format_match(match(fields)) == text
    assert parse_match(text) == match(fields)


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (f.Output(7), "output:7"),
        (f.Output(f.IN_PORT), "IN_PORT"),
        (f.Output(f.NORMAL), "NORMAL"),
        (f.Controller(128), "CONTROLLER:128"),
        (f.OutputReg("reg2", 0, 16), "output:NXM_NX_REG2[0..15]"),
        (f.Load("reg4", 0, 1, 1), "load:0x1->NXM_NX_REG4[0]"),
        (f.Load("reg0", 0, 32, 10), "load:0xa->NXM_NX_REG0[]"),
        (f.SetField("vlan_vid", 0x1007), "mod_vlan_vid:7"),
        (f.SetField("eth_src", 1), "set_field:00:00:00:00:00:01->eth_src"),
        (f.SetField("ipv4_src", 1), "set_field:0.0.0.1->ip_src"),
        (f.SetField("tun_id", 100), "set_field:0x64->tun_id"),
        (f.Move("arp_sha", "arp_tha"), "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]"),
        (f.PushVlan(), "push_vlan:0x8100"),
        (f.PopVlan(), "pop_vlan"),
        (f.Resubmit(56), "resubmit(,56)"),
        (f.Metered(3), "meter:3"),
        (f.Goto(80), "goto_table:80"),
        (f.Ct(), "ct()"),
        (f.Ct(table=5, zone=f.Bits("reg5", 0, 16)), "ct(table=5,zone=NXM_NX_REG5[0..15])"),
        (
            f.Ct(commit=True, zone=9, sets=(f.SetField("ct_mark", 1), f.Load("ct_label", 0, 8, 2)), force=True),
            "ct(commit,force,zone=9,exec(set_field:0x1->ct_mark,load:0x2->NXM_NX_CT_LABEL[0..7]))",
        ),
        (f.CtClear(), "ct_clear"),
        (f.Conjunction(12, 1, 2), "conjunction(12,1/2)"),
    ],
)
def test_actions_in_ovs_ofctls_words(action: f.Action, text: str) -> None:
    assert format_actions((action,)) == text
    assert parse_flow(f"actions={text}").actions == (action,)


def test_a_whole_flow() -> None:
    flow = Flow(56, 100, match({"in_port": 3, "vlan_vid": 0x13E8}), [f.SetField("vlan_vid", 0x1001), f.Goto(80)], 30)
    assert format_flow(flow) == (
        "table=56, idle_timeout=30, priority=100,in_port=3,dl_vlan=1000 actions=mod_vlan_vid:1,goto_table:80"
    )
    names = {56: "switching", 80: "deliver"}
    assert format_flow(flow, names.__getitem__).startswith("table=switching, ")
    assert format_flow(flow, names.__getitem__).endswith(",goto_table:deliver")


def test_nothing_to_match_and_nothing_to_do() -> None:
    assert format_flow(Flow(0, 0, (), [])) == "table=0, priority=0 actions=drop"


def test_what_ovs_ofctl_adds_is_skipped_and_what_it_leaves_out_is_known() -> None:
    dumped = (
        " cookie=0x9b00000000000001, duration=1.2s, table=3, n_packets=4, n_bytes=5, idle_timeout=6, idle_age=1, "
        "send_flow_rem in_port=1,dl_vlan=5 actions=set_field:4103->vlan_vid,output:LOCAL"
    )
    wanted = [f.SetField("vlan_vid", 0x1007), f.Output(f.LOCAL)]
    assert parse_flow(dumped) == Flow(3, 32768, match({"in_port": 1, "vlan_vid": 0x1005}), wanted, 6)


# ---------------------------------------------------------------------------------------------------------------------
# Errors


@pytest.mark.parametrize(
    ("text", "word", "why"),
    [
        ("in_port=1", "in_port=1", "has no actions="),
        ("in_port=1 actions=", "actions=", "drop"),
        ("in_prt=1 actions=drop", "in_prt=1", "no field is called in_prt"),
        ("in_port=x actions=drop", "in_port=x", "not a number"),
        ("in_port=1,in_port=2 actions=drop", "in_port=2", "a second time"),
        ("arp,dl_type=0x800 actions=drop", "dl_type=0x800", "a second time"),
        ("dl_src=1:2 actions=drop", "dl_src=1:2", "not a MAC"),
        ("ip,nw_src=1.2.3 actions=drop", "nw_src=1.2.3", "4 octets"),
        ("ip,nw_src=1.2.3.4/33 actions=drop", "nw_src=1.2.3.4/33", "1 to 32 bits"),
        ("reg0=0x100000000 actions=drop", "reg0=0x100000000", "does not fit 32 bits"),
        ("reg0=3/1 actions=drop", "reg0=3/1", "its mask"),
        ("tp_dst=80 actions=drop", "tp_dst=80", "needs tcp, udp or sctp before it"),
        ("ct_state=+old actions=drop", "ct_state=+old", "no flag is called 'old'; there are new, est"),
        ("ct_state=+new-new actions=drop", "ct_state=+new-new", "a second time"),
        ("actions=ct(nat)", "ct(nat)", "'nat' is nothing that ct does here"),
        ("actions=ct(commit,exec(output:1))", "ct(", "'output:1' is nothing that exec does here"),
        ("actions=conjunction(1,2)", "conjunction(1,2)", "no action"),
        ("dl_vlan=4096 actions=drop", "dl_vlan=4096", "0 to 4095"),
        ("vlan_tci=0x1005 actions=drop", "vlan_tci=0x1005", "VALUE/MASK"),
        ("table=256 actions=drop", "table=256", "does not fit 8 bits"),
        ("table=nowhere actions=drop", "table=nowhere", "no table is called nowhere"),
        ("priority=65536 actions=drop", "priority=65536", "does not fit 16 bits"),
        ("actions=ouput:1", "ouput:1", "no action"),
        ("actions=output:1,drop", "drop", "no action"),
        ("actions=output:", "output:", "not a number"),
        ("actions=goto_table:nowhere", "goto_table:nowhere", "no table is called nowhere"),
        ("actions=resubmit(1,2)", "resubmit(1,2)", "no action"),
        ("actions=load:2->NXM_NX_REG0[0]", "load:2->NXM_NX_REG0[0]", "does not fit 1 bits"),
        ("actions=load:2->NXM_NX_REG0[30..33]", "load:2->NXM_NX_REG0[30..33]", "no bits 30..33"),
        ("actions=load:2->NXM_NX_REGX[]", "load:2->NXM_NX_REGX[]", "not a field like"),
        ("actions=set_field:1->nowhere", "set_field:1->nowhere", "no field is called nowhere"),
        ("actions=move:NXM_NX_REG0[0..3]->NXM_NX_REG1[0..3]", "move:", "only whole fields"),
        ("actions=mod_vlan_vid:4096", "mod_vlan_vid:4096", "does not fit 12 bits"),
    ],
)
def test_the_wrong_word_is_named(text: str, word: str, why: str) -> None:
    with pytest.raises(TextError) as caught:
        parse_flow(text, {"switching": 56}.__getitem__)
    assert word in str(caught.value)
    assert why in str(caught.value)
