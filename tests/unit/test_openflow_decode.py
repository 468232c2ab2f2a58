"""Bytes to values: read by offset, and read as os-ken reads them; anything else is Malformed."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from os_ken.ofproto import ofproto_v1_4 as ofp
from os_ken.ofproto import ofproto_v1_4_parser as parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from controller.core import flow as f
from controller.core.counters import Counters
from controller.core.events import Installed, PacketIn, PortDesc
from controller.core.flow import Flow, match
from controller.io.openflow import decode, encode
from controller.io.openflow.decode import Malformed
from tests.unit import bridge_messages as bridge

SWITCH = ProtocolDesc(ofp.OFP_VERSION)
REACTIVE = 59
NONE_REACTIVE: frozenset[int] = frozenset()


def theirs(cls: Any, data: bytes) -> Any:
    """What os-ken reads."""
    version, kind, length, xid = struct.unpack_from("!BBHI", data)
    return cls.parser(SWITCH, version, kind, length, xid, data)


# ---------------------------------------------------------------------------------------------------------------------
# Flows


OURS = Flow(16, 100, match({"reg0": 7, "eth_type": 0x806, "arp_op": 1}), [f.Output(1), f.Goto(56)])
WANTED = Flow(REACTIVE, 100, match({"reg0": 7, "eth_dst": 0xFA163E000001, "reg4": (1, 1)}), [f.Output(3)], 300)


def test_flows_of_ours_are_read_back_as_slot_and_cookie() -> None:
    body = bridge.flow_entry(OURS) + bridge.flow_entry(WANTED)
    assert list(decode.flow_stats(body, NONE_REACTIVE)) == [
        Installed(16, 100, OURS.cookie, digest=encode.digest(OURS)),
        Installed(REACTIVE, 100, WANTED.cookie, digest=encode.digest(WANTED)),
    ]


def test_flows_of_reactive_tables_are_read_with_their_exact_fields() -> None:
    (entry,) = decode.flow_stats(bridge.flow_entry(WANTED), frozenset([REACTIVE]))
    assert entry[:5] == (REACTIVE, 100, WANTED.cookie, "", (("eth_dst", 0xFA163E000001), ("reg0", 7)))


def test_flows_of_others_are_read_with_a_match_that_deletes_them() -> None:
    (entry,) = decode.flow_stats(bridge.flow_entry(OURS, cookie=5), NONE_REACTIVE)
    assert entry[:3] == (16, 100, 5)
    removal = encode.foreign_delete(*entry[:4], 1)
    assert theirs(parser.OFPFlowMod, removal).match.items() == [("reg0", 7), ("eth_type", 0x806), ("arp_op", 1)]


def test_os_ken_reads_the_same_flows() -> None:
    """The bytes that these tests are made of are OpenFlow 1.4."""
    (reply,) = bridge.multipart(ofp.OFPMP_FLOW, [bridge.flow_entry(OURS) + bridge.flow_entry(WANTED)])
    read = theirs(parser.OFPMultipartReply, reply).body
    assert [(s.table_id, s.priority, s.cookie, s.idle_timeout) for s in read] == [
        (16, 100, OURS.cookie, 0),
        (REACTIVE, 100, WANTED.cookie, 300),
    ]
    assert read[0].match.items() == [("reg0", 7), ("eth_type", 0x806), ("arp_op", 1)]


@pytest.mark.parametrize("name", f.FIELDS)
def test_every_field_is_read_back(name: str) -> None:
    top = (1 << f.FIELDS[name].bits) - 1
    fields = encode.match_field(name, top, None)
    assert decode.oxm_fields(fields, 0, len(fields)) == {name: top}


# ---------------------------------------------------------------------------------------------------------------------
# Ports, meters, packets, updates, errors


PORTS = [PortDesc(1, "tap-1", "fa:16:3e:00:00:01"), PortDesc(ofp.OFPP_LOCAL, "br-int", "00:00:5e:00:53:01")]


def test_ports() -> None:
    body = b"".join(map(bridge.port, PORTS))
    assert list(decode.ports(body)) == PORTS
    (reply,) = bridge.multipart(ofp.OFPMP_PORT_DESC, [body])
    read = theirs(parser.OFPMultipartReply, reply).body
    assert [PortDesc(p.port_no, p.name.decode(), p.hw_addr) for p in read] == PORTS


def test_a_name_that_is_no_utf8_is_read_all_the_same() -> None:
    data = bytearray(bridge.port(PORTS[0]))
    data[16:20] = b"\xfft\xc3p"
    assert next(decode.ports(bytes(data))).name == "�t�p1"


def test_meters() -> None:
    body = bridge.meter_entry(7, 100) + bridge.meter_entry(8, 5)
    assert list(decode.meter_configs(body)) == [(7, 100), (8, 5)]
    (reply,) = bridge.multipart(ofp.OFPMP_METER_CONFIG, [body])
    read = theirs(parser.OFPMultipartReply, reply).body
    assert [(m.meter_id, m.bands[0].rate) for m in read] == [(7, 100), (8, 5)]


def test_meter_features() -> None:
    reply = bridge.meter_features(7)
    (read,) = theirs(parser.OFPMultipartReply, reply).body
    assert (read.max_meter, read.band_types, read.capabilities) == (7, 1 << ofp.OFPMBT_DROP, ofp.OFPMF_PKTPS)
    assert decode.has_meters(reply[16:])
    with pytest.raises(Malformed):
        decode.has_meters(reply[16:24])


def test_counters_of_ports() -> None:
    """What a port does not count is told as all ones."""
    body = bridge.port_counters(3, (1, 2, 30, 40, 5, 6, 7, 8)) + bridge.port_counters(4, (9, *[(1 << 64) - 1] * 7))
    assert list(decode.port_stats(body)) == [(3, Counters(30, 1, 7, 40, 2, 8)), (4, Counters(0, 9, 0, 0, 0, 0))]
    (reply,) = bridge.multipart(ofp.OFPMP_PORT_STATS, [body])
    read = theirs(parser.OFPMultipartReply, reply).body[0]
    assert (read.port_no, Counters(read.rx_bytes, read.rx_packets, read.rx_errors, *sent(read))) == (
        3,
        Counters(30, 1, 7, 40, 2, 8),
    )


def sent(read: Any) -> tuple[int, int, int]:
    return read.tx_bytes, read.tx_packets, read.tx_errors


def test_a_packet_in() -> None:
    fields = encode.match_field("in_port", 3, None) + encode.match_field("reg0", 7, None)
    data = bridge.packet_in(82, fields, b"frame")
    assert decode.packet_in(0xA1, data) == PacketIn(0xA1, 82, (("in_port", 3), ("reg0", 7)), b"frame")
    read = theirs(parser.OFPPacketIn, data)
    assert (read.table_id, read.data, read.match["in_port"], read.match["reg0"]) == (82, b"frame", 3, 7)


def test_flow_updates() -> None:
    """Own changes come abbreviated (or as pauses), without a cookie: they are left out."""
    abbreviated = struct.pack("!HHI", 8, ofp.OFPFME_ABBREV, 99)
    body = bridge.flow_update(ofp.OFPFME_MODIFIED, 5) + abbreviated + bridge.flow_update(ofp.OFPFME_REMOVED, 6, 2)
    assert list(decode.flow_updates(body)) == [(ofp.OFPFME_MODIFIED, 0, 5), (ofp.OFPFME_REMOVED, 2, 6)]


@pytest.mark.parametrize(
    ("kind", "code", "name"),
    [
        (ofp.OFPET_FLOW_MOD_FAILED, ofp.OFPFMFC_TABLE_FULL, "OFPET_FLOW_MOD_FAILED/OFPFMFC_TABLE_FULL"),
        (ofp.OFPET_BAD_MATCH, ofp.OFPBMC_BAD_PREREQ, "OFPET_BAD_MATCH/OFPBMC_BAD_PREREQ"),
        (ofp.OFPET_BUNDLE_FAILED, ofp.OFPBFC_MSG_FAILED, "OFPET_BUNDLE_FAILED/OFPBFC_MSG_FAILED"),
        (ofp.OFPET_ROLE_REQUEST_FAILED, 1, "OFPET_ROLE_REQUEST_FAILED/code 1"),
        (4711, 3, "type 4711/code 3"),
    ],
)
def test_errors_are_named_as_in_the_specification(kind: int, code: int, name: str) -> None:
    assert decode.error_name(kind, code) == name


@pytest.mark.parametrize(
    ("hello", "spoken"),
    [
        (bridge.hello(5), True),
        (bridge.hello(6), True),
        (bridge.hello(4), False),
        (bridge.hello(6, 1 << 5 | 1 << 6), True),
        (bridge.hello(6, 1 << 4 | 1 << 6), False),
        (bridge.hello(4, 1 << 1 | 1 << 4), False),
    ],
)
def test_which_versions_a_hello_offers(hello: bytes, spoken: bool) -> None:
    assert decode.speaks(hello, 5) is spoken


def test_elements_of_a_hello_that_are_not_known_are_passed_over() -> None:
    unknown = struct.pack("!HH5s7x", 9, 9, b"later")
    bitmap = struct.pack("!HHI", ofp.OFPHET_VERSIONBITMAP, 8, 1 << 5)
    assert decode.speaks(bridge.message(ofp.OFPT_HELLO, unknown + bitmap, version=4), 5)


# ---------------------------------------------------------------------------------------------------------------------
# What is no OpenFlow


WHOLE: dict[str, tuple[bytes, Any]] = {
    "flows": (bridge.flow_entry(OURS, 5) + bridge.flow_entry(WANTED), lambda d: list(decode.flow_stats(d, {REACTIVE}))),
    "ports": (b"".join(map(bridge.port, PORTS)), lambda d: list(decode.ports(d))),
    "counters": (bridge.port_counters(3, range(8)) * 2, lambda d: list(decode.port_stats(d))),
    "meters": (bridge.meter_entry(7, 100) * 2, lambda d: list(decode.meter_configs(d))),
    "updates": (bridge.flow_update(ofp.OFPFME_MODIFIED, 5) * 2, lambda d: list(decode.flow_updates(d))),
    "packet": (bridge.packet_in(82, encode.match_field("in_port", 3, None), b""), lambda d: decode.packet_in(1, d)),
    "hello": (bridge.hello(6, 1 << 5), lambda d: decode.speaks(d, 5)),
}


@pytest.mark.parametrize("name", WHOLE)
@given(data=st.data())
def test_mutilated_bytes_are_malformed_or_mean_something(name: str, data: st.DataObject) -> None:
    """Cut anywhere, or with some bytes replaced: never another exception, and never an endless loop."""
    whole, read = WHOLE[name]
    wrong = bytearray(whole[: data.draw(st.integers(8, len(whole)))])
    for place in data.draw(st.lists(st.integers(0, len(wrong) - 1), max_size=4)):
        wrong[place] = data.draw(st.sampled_from([0, 1, 4, 7, 8, 0x7F, 0xFF]))
    with suppress(Malformed):
        read(bytes(wrong))


@pytest.mark.parametrize("name", ["flows", "ports", "counters", "packet"])
def test_what_is_cut_off_is_malformed(name: str) -> None:
    whole, read = WHOLE[name]
    with pytest.raises(Malformed, match="bytes|cut off"):
        read(whole[:-5])


@given(st.binary(min_size=8, max_size=120))
def test_noise_is_malformed_or_means_something(noise: bytes) -> None:
    for _, read in WHOLE.values():
        with suppress(Malformed):
            read(noise)
