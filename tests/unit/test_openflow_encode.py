"""Law 8: our bytes are os-ken's.  os-ken reads them as what was meant, and writes the same bytes itself.

(Two ND fields of Open vSwitch are not in os-ken: we declare them to it, and tests/ovs asks the real switch.)
"""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netaddr import IPAddress
from os_ken.ofproto import ofproto_v1_4 as ofp
from os_ken.ofproto import ofproto_v1_4_parser as parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from controller.core import flow as f
from controller.core.flow import FIELDS, Flow, match
from controller.core.spelling import width
from controller.core.text import parse_flow
from controller.io.openflow import encode, messages
from tests.unit.test_text import actions, conditions

SWITCH = ProtocolDesc(ofp.OFP_VERSION)
FIELD_OF = {theirs: ours for names in (encode.NAMES, encode.NXM_NAMES) for ours, theirs in names.items()}

# ---------------------------------------------------------------------------------------------------------------------
# What os-ken reads


def read(data: bytes) -> Any:
    """A message of ours as os-ken's object, which must write the very same bytes again."""
    message = parsed(data)
    assert written(message, message.xid) == data
    return message


def parsed(data: bytes) -> Any:
    version, kind, length, xid = struct.unpack_from("!BBHI", data)
    assert (version, length) == (5, len(data))
    return MESSAGES[kind].parser(SWITCH, version, kind, length, xid, data)


def written(message: Any, xid: int) -> bytes:
    """The bytes that os-ken makes of a message."""
    message.xid = None
    message.set_xid(xid)
    message.serialize()
    return bytes(message.buf)


MESSAGES = {
    ofp.OFPT_FLOW_MOD: parser.OFPFlowMod,
    ofp.OFPT_METER_MOD: parser.OFPMeterMod,
    ofp.OFPT_BUNDLE_CONTROL: parser.OFPBundleCtrlMsg,
    ofp.OFPT_HELLO: parser.OFPHello,
}


def read_match(found: Any) -> f.Match:
    wanted = {}
    for name, value in found.items():
        field = FIELD_OF.get(name, name)
        wanted[field] = tuple(number(field, v) for v in value) if isinstance(value, tuple) else number(field, value)
    return match(wanted)


def number(field: str, value: Any) -> int:
    """os-ken's value of a field as the integer that it is."""
    if not isinstance(value, str):
        return int(value)
    return int(value.replace(":", ""), 16) if FIELDS[field].style == "mac" else int(IPAddress(value))


def read_actions(instructions: list[Any]) -> list[f.Action]:
    made: list[f.Action] = []
    for instruction in instructions:
        match instruction:
            case parser.OFPInstructionMeter(meter_id=meter):
                made.append(f.Metered(meter))
            case parser.OFPInstructionActions(actions=listed):
                made += map(read_action, listed)
            case parser.OFPInstructionGotoTable(table_id=table):
                made.append(f.Goto(table))
            case _:
                raise AssertionError(instruction)
    return made


def read_action(action: Any) -> f.Action:
    match action:
        case parser.OFPActionOutput(port=ofp.OFPP_CONTROLLER, max_len=length):
            return f.Controller(length)
        case parser.OFPActionOutput(port=port):
            return f.Output(port)
        case parser.NXActionOutputReg(ofs_nbits=bits, src=name):
            return f.OutputReg(FIELD_OF.get(name, name), bits >> 6, (bits & 63) + 1)
        case parser.NXActionRegLoad(ofs_nbits=bits, dst=name, value=value):
            return f.Load(FIELD_OF.get(name, name), bits >> 6, (bits & 63) + 1, value)
        case parser.NXActionRegMove(src_field=source, dst_field=target, src_ofs=0, dst_ofs=0, n_bits=bits):
            ends = [FIELD_OF.get(name, name).removesuffix("_nxm") for name in (source, target)]
            assert bits == width(ends[1])
            return f.Move(*ends)
        case parser.NXActionResubmitTable(in_port=0xFFF8, table_id=table):  # OFPP_IN_PORT of OpenFlow 1.0: unchanged
            return f.Resubmit(table)
        case parser.OFPActionPushVlan(ethertype=0x8100):
            return f.PushVlan()
        case parser.OFPActionPopVlan():
            return f.PopVlan()
        case parser.NXActionCT(zone_src=zone, zone_ofs_nbits=bits, recirc_table=table, alg=0, actions=sets):
            return f.Ct(
                bool(action.flags & 1),
                f.Bits(FIELD_OF.get(zone, zone), bits >> 6, (bits & 63) + 1) if zone else bits,
                None if table == 0xFF else table,
                tuple(map(read_action, sets)),
                bool(action.flags & 2),
            )
        case parser.NXActionCTClear():
            return f.CtClear()
        case parser.NXActionConjunction(clause=clause, n_clauses=n_clauses, id=id):
            return f.Conjunction(id, clause + 1, n_clauses)
        case parser.OFPActionSetField(key=name, value=value):
            field = FIELD_OF.get(name, name)
            return f.SetField(field, number(field, value))
        case _:
            raise AssertionError(action)


# ---------------------------------------------------------------------------------------------------------------------
# Flow-mods


def fits(action: f.Action) -> bool:
    """Nicira's actions name at most 64 bits; an output to CONTROLLER is the action Controller.  (What sets in_port is
    padded by os-ken as no switch does: the real one is asked about it.)"""
    match action:
        case f.Load(bits=bits) | f.OutputReg(bits=bits):
            return bits <= 64
        case f.Move(source, target):
            return FIELDS[source].bits == FIELDS[target].bits
        case f.Ct(zone=zone, sets=sets):
            return (isinstance(zone, int) or "in_port" not in zone) and all(map(fits, sets))
        case f.SetField("in_port") | f.Output(f.CONTROLLER) | f.Metered() | f.Goto():
            return False
        case _:
            return True


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    done = draw(st.lists(actions.filter(fits), max_size=6))
    first = draw(st.lists(st.integers(1, 0xFFFF0000).map(f.Metered), max_size=1))
    last = draw(st.lists(st.integers(0, 253).map(f.Goto), max_size=1))
    table, priority, idle = (draw(st.integers(0, top)) for top in (253, 0xFFFF, 0xFFFF))
    return Flow(table, priority, match(draw(conditions())), [*first, *done, *last], idle)


xids = st.integers(1, 0xFFFFFFFF)


@given(flows(), xids)
def test_a_flow_is_read_by_os_ken_as_it_was_meant(flow: Flow, xid: int) -> None:
    message = read(encode.flow_add(flow, xid))
    found = Flow(
        message.table_id,
        message.priority,
        read_match(message.match),
        read_actions(message.instructions),
        message.idle_timeout,
    )
    assert (found, message.cookie) == (flow, flow.cookie)
    assert (message.xid, message.command, message.buffer_id) == (xid, ofp.OFPFC_ADD, ofp.OFP_NO_BUFFER)
    assert (message.out_port, message.out_group) == (ofp.OFPP_ANY, ofp.OFPG_ANY)
    assert message.hard_timeout == message.importance == message.cookie_mask == 0
    assert bool(message.flags & ofp.OFPFF_SEND_FLOW_REM) == bool(flow.idle_timeout)


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("masked", [False, True])
def test_every_field(name: str, masked: bool) -> None:
    """Its lowest and its highest bit, so that width and byte order show."""
    top = 1 << FIELDS[name].bits - 1
    for value in (1, top, top | 1):
        matched = match({name: (value, value) if masked else value})
        wanted = [f.SetField(name, value), f.Move(name, name), f.Load(name, 0, 1, 1), f.OutputReg(name, 0, 1)]
        done = [action for action in wanted if fits(action)]
        message = read(encode.flow_add(Flow(1, 2, matched, done), 3))
        assert read_match(message.match) == matched
        assert read_actions(message.instructions) == done


@given(conditions().map(match))
def test_a_match_is_in_the_order_of_the_fields(matched: f.Match) -> None:
    """Open vSwitch wants a field's prerequisites before it."""
    message = read(encode.flow_add(Flow(0, 0, matched, ()), 1))
    names = [FIELD_OF.get(name, name) for name, _ in message.match.items()]
    assert names == sorted(names, key=lambda name: f.ORDER[name])


def test_a_flow_that_is_too_long_for_a_message_is_told() -> None:
    """In a bundle-add message it takes 16 bytes more."""
    fitting = [f.SetField("reg0", 1)] * ((0xFFFF - 16 - 56 - 8) // 16)
    assert len(messages.bundled(1, encode.flow_add(Flow(0, 1, (), fitting), 1))) <= 0xFFFF
    with pytest.raises(encode.MessageTooLong, match=r"a flow takes \d+ bytes, a message has 65519"):
        encode.flow_add(Flow(7, 1, (), [*fitting, f.SetField("reg0", 1)]), 1)
    with pytest.raises(encode.MessageTooLong, match="a list of actions takes 80000 bytes"):
        encode.flow_add(Flow(7, 1, (), [f.SetField("reg0", 1)] * 5000), 1)


@given(flows(), xids)
def test_a_flow_that_is_sent_knows_what_it_reads_back_as(flow: Flow, xid: int) -> None:
    assert flow.digest is None
    encode.flow_add(flow, xid)
    assert flow.digest == encode.digest(flow)


@given(st.integers(0, 253), st.integers(0, (1 << 64) - 1), xids)
def test_a_removal_names_table_and_cookie(table: int, cookie: int, xid: int) -> None:
    message = read(encode.flow_delete(table, cookie, xid))
    assert (message.command, message.table_id) == (ofp.OFPFC_DELETE, table)
    assert (message.cookie, message.cookie_mask) == (cookie, (1 << 64) - 1)
    assert (read_match(message.match), message.instructions) == ((), [])
    assert (message.out_port, message.out_group) == (ofp.OFPP_ANY, ofp.OFPG_ANY)


@given(flows(), st.integers(0, (1 << 64) - 1), xids)
def test_a_foreign_flow_is_removed_by_its_exact_slot_and_cookie(flow: Flow, cookie: int, xid: int) -> None:
    """The match goes back as it was read, hexadecimal."""
    end = 4 + sum(len(encode.match_field(*field)) for field in flow.match)
    text = encode.match_bytes(flow.match)[4:end].hex()
    message = read(encode.foreign_delete(flow.table, flow.priority, flow.cookie, text, xid))
    assert (message.command, message.table_id, message.priority) == (ofp.OFPFC_DELETE_STRICT, flow.table, flow.priority)
    assert read_match(message.match) == flow.match
    assert (message.cookie, message.cookie_mask) == (flow.cookie, (1 << 64) - 1)


# ---------------------------------------------------------------------------------------------------------------------
# The other messages


@given(st.sampled_from([ofp.OFPMC_ADD, ofp.OFPMC_MODIFY]), st.integers(1, 0xFFFF0000), st.integers(1, 0xFFFFFFFF), xids)
def test_a_meter(command: int, meter: int, rate: int, xid: int) -> None:
    message = read(messages.meter_mod(command, meter, rate, xid))
    assert (message.command, message.meter_id, message.flags) == (command, meter, ofp.OFPMF_PKTPS)
    (band,) = message.bands
    assert isinstance(band, parser.OFPMeterBandDrop)
    assert (band.rate, band.burst_size) == (rate, 0)


def test_a_meter_is_removed() -> None:
    message = read(messages.meter_mod(ofp.OFPMC_DELETE, 7, 0, 1))
    assert (message.command, message.meter_id, message.bands) == (ofp.OFPMC_DELETE, 7, [])


BUNDLED = ofp.OFPBF_ATOMIC | ofp.OFPBF_ORDERED


@given(st.integers(1, 0xFFFFFFFF), st.sampled_from([ofp.OFPBCT_OPEN_REQUEST, ofp.OFPBCT_COMMIT_REQUEST]), xids)
def test_a_bundle_is_opened_and_committed(bundle: int, kind: int, xid: int) -> None:
    message = read(messages.bundle_control(bundle, kind, xid))
    assert (message.bundle_id, message.type, message.flags) == (bundle, kind, BUNDLED)


@given(flows(), st.integers(1, 0xFFFFFFFF), xids)
def test_a_flow_in_a_bundle(flow: Flow, bundle: int, xid: int) -> None:
    """os-ken pads the message that it wraps and adds its own; both have the xid, as the specification wants."""
    inner = encode.flow_add(flow, xid)
    message = parser.OFPBundleAddMsg(SWITCH, bundle, BUNDLED, read(inner), [])
    assert written(message, xid) == messages.bundled(bundle, inner)


@given(
    st.binary(max_size=200), st.lists(actions.filter(fits), min_size=1, max_size=3), st.integers(0, 0xFFFFFF00), xids
)
def test_a_packet_is_sent(data: bytes, done: list[f.Action], in_port: int, xid: int) -> None:
    """(Without an action, which would drop the packet, os-ken loses the data.)"""
    listed = read(encode.flow_add(Flow(0, 0, (), done), 1)).instructions
    message = parser.OFPPacketOut(
        SWITCH,
        buffer_id=ofp.OFP_NO_BUFFER,
        in_port=in_port or ofp.OFPP_CONTROLLER,
        actions=listed[0].actions,
        data=data,
    )
    assert written(message, xid) == messages.packet_out(data, tuple(done), in_port, xid)


NOTHING = parser.OFPMatch()
MONITORED = ofp.OFPFMF_ADD | ofp.OFPFMF_REMOVED | ofp.OFPFMF_MODIFY
THEIRS = {
    "every flow": parser.OFPFlowStatsRequest(
        SWITCH, 0, ofp.OFPTT_ALL, ofp.OFPP_ANY, ofp.OFPG_ANY, cookie=0, cookie_mask=0, match=NOTHING
    ),
    "every meter": parser.OFPMeterConfigStatsRequest(SWITCH, 0, ofp.OFPM_ALL),
    "every port": parser.OFPPortDescStatsRequest(SWITCH, 0),
    "every change": parser.OFPFlowMonitorRequest(
        *(SWITCH, 0, 1, ofp.OFPP_ANY, ofp.OFPG_ANY, MONITORED, ofp.OFPTT_ALL, ofp.OFPFMC_ADD, NOTHING)
    ),
    "what to be told": parser.OFPSetAsync(
        SWITCH,
        [
            parser.OFPAsyncConfigPropReasons(ofp.OFPACPT_PACKET_IN_MASTER, 8, 0x3F),
            parser.OFPAsyncConfigPropReasons(ofp.OFPACPT_PORT_STATUS_MASTER, 8, 0x07),
            parser.OFPAsyncConfigPropReasons(ofp.OFPACPT_FLOW_REMOVED_MASTER, 8, 0x3F),
        ],
    ),
}
OURS = {
    "every flow": messages.flow_stats_request,
    "every meter": messages.meter_config_request,
    "every port": messages.port_desc_request,
    "every change": messages.flow_monitor_request,
    "what to be told": messages.set_async,
}


@pytest.mark.parametrize("name", OURS)
def test_requests(name: str) -> None:
    assert OURS[name](77) == written(THEIRS[name], 77)


def test_hello_offers_one_version() -> None:
    """(os-ken reads a hello's elements, but does not write them.)"""
    message = parsed(messages.hello(7))
    assert (message.xid, [element.versions for element in message.elements]) == (7, [[5]])


def test_the_flow_that_a_person_reads_is_the_one_that_is_sent() -> None:
    """One flow all the way: ovs-ofctl's text, our value, our bytes, os-ken's object."""
    flow = parse_flow("table=59,idle_timeout=300,priority=100,reg0=0x7 actions=set_field:192.0.2.9->tun_dst,output:3")
    message = read(encode.flow_add(flow, 1))
    assert message.match["reg0"] == 7
    assert message.instructions[0].actions[0].value == "192.0.2.9"
