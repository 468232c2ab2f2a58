"""One bridge's connection without its socket: what it says becomes events, and who is no bridge is told."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from os_ken.ofproto import ofproto_v1_4 as ofp

from controller.core import flow as f
from controller.core.counters import Counters
from controller.core.effects import FlowMods, FlushConnections, PacketOut
from controller.core.events import (
    FlowRemoved,
    PacketIn,
    PortDesc,
    PortStatus,
    SwitchUp,
)
from controller.io.openflow import encode
from controller.io.openflow.session import (
    ECHO_INTERVAL,
    HANDSHAKE_TIMEOUT,
    SILENCE_LIMIT,
    Closed,
)
from tests.unit import bridge_messages as bridge
from tests.unit.bridge_peer import DPID, FLOWS, TAP, Bridge, entries

# ---------------------------------------------------------------------------------------------------------------------
# Handshake


def test_a_bridge_comes_up() -> None:
    peer = Bridge()
    assert [kind for kind, _, _ in peer.hears()] == [ofp.OFPT_HELLO]
    peer.says(bridge.hello())
    assert [kind for kind, _, _ in peer.hears()] == [ofp.OFPT_FEATURES_REQUEST]
    peer.says(bridge.features(DPID))
    assert peer.session.dpid == DPID
    assert peer.hears() == [], "nothing is asked of a bridge that is not accepted yet"
    peer.session.begin()
    kinds = [(kind, struct.unpack_from("!H", data, 8)[0]) for kind, _, data in peer.hears()]
    asked = [kind for type_, kind in kinds if type_ == ofp.OFPT_MULTIPART_REQUEST]
    assert asked == [
        *(ofp.OFPMP_FLOW_MONITOR, ofp.OFPMP_PORT_DESC, ofp.OFPMP_METER_FEATURES),
        *(ofp.OFPMP_METER_CONFIG, ofp.OFPMP_FLOW),
    ]
    (up,) = peer.says(*peer.contents(*FLOWS, meters=bridge.meter_entry(7, 100)))
    assert up == SwitchUp(DPID, "192.0.2.1", (TAP,), entries(*FLOWS), ((7, 100),))
    assert peer.hears() == [], "nothing is changed on connect"


@pytest.mark.parametrize(
    ("answer", "has_meters"),
    [
        (bridge.meter_features(200000, capabilities=0xF), True),
        (bridge.meter_features(0, 0, 0), False),
        (bridge.meter_features(10, bands=1 << ofp.OFPMBT_DSCP_REMARK), False),
        (bridge.meter_features(10, capabilities=ofp.OFPMF_KBPS), False),
        (None, False),
    ],
    ids=["Open vSwitch", "none", "no drop", "no packets", "refused"],
)
def test_whether_a_bridge_has_meters_is_asked(answer: bytes | None, has_meters: bool) -> None:
    peer = Bridge()
    peer.hears()
    peer.greet()
    asked = {struct.unpack_from("!H", data, 8)[0]: xid for kind, xid, data in peer.hears() if len(data) > 8}
    refused = bridge.error(ofp.OFPET_BAD_REQUEST, ofp.OFPBRC_BAD_MULTIPART, asked[ofp.OFPMP_METER_FEATURES])
    assert peer.says(answer or refused) == []
    (up,) = peer.says(*peer.contents(*FLOWS))
    assert up.has_meters == has_meters
    assert up.installed == entries(*FLOWS)


def conversation() -> bytes:
    """Everything a bridge may say from its first byte on, in one stream."""
    more = [
        *bridge.multipart(ofp.OFPMP_PORT_DESC, [bridge.port(TAP), b""]),
        *bridge.multipart(ofp.OFPMP_METER_CONFIG, [b""]),
        *bridge.multipart(ofp.OFPMP_FLOW, [bridge.flow_entry(flow) for flow in FLOWS]),
        bridge.port_status(ofp.OFPPR_ADD, TAP._replace(number=2)),
        bridge.packet_in(82, encode.match_field("in_port", 3, None), b"frame"),
        bridge.flow_removed(FLOWS[0], ofp.OFPRR_IDLE_TIMEOUT),
        bridge.message(ofp.OFPT_ECHO_REQUEST, b"are you there", 9),
    ]
    return b"".join(more)


def hear(data: bytes, cuts: list[int]) -> tuple[list[Any], list[bytes]]:
    """The events and answers to a conversation that arrives in pieces."""
    peer = Bridge()
    peer.greet()
    events = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        events += peer.says(data[start:end])
    return events, [message for _, _, message in peer.hears()]


def test_where_the_stream_is_cut_does_not_matter() -> None:
    data = conversation()
    whole = hear(data, [])
    assert len(whole[0]) == 4
    for cut in range(len(data)):
        assert hear(data, [cut]) == whole
    assert hear(data, list(range(1, len(data)))) == whole


def test_a_reply_in_several_parts_is_one_reading() -> None:
    peer = Bridge()
    peer.greet()
    parts = bridge.multipart(ofp.OFPMP_FLOW, [bridge.flow_entry(flow) for flow in FLOWS])
    assert peer.says(*parts[:-1]) == []
    (up,) = peer.says(parts[-1])
    assert up.installed == entries(*FLOWS)


@pytest.mark.parametrize(("hello", "answered"), [(bridge.hello(4), 4), (bridge.hello(6, 1 << 6), 5)])
def test_a_bridge_without_openflow_1_4_is_told(hello: bytes, answered: int) -> None:
    """OpenFlow 1.4, 6.3.1: HELLO_FAILED, INCOMPATIBLE, and the connection ends."""
    peer = Bridge()
    peer.hears()
    with pytest.raises(Closed, match=r"does not offer OpenFlow 1\.4 .*add OpenFlow14 to its protocols"):
        peer.says(hello)
    ((kind, _, data),) = peer.hears()
    assert (kind, data[0]) == (ofp.OFPT_ERROR, answered)
    assert struct.unpack_from("!HH", data, 8) == (ofp.OFPET_HELLO_FAILED, ofp.OFPHFC_INCOMPATIBLE)


def test_a_bridge_that_refuses_our_version_is_told_of() -> None:
    with pytest.raises(Closed, match=r"refuses OpenFlow 1\.4: OFPET_HELLO_FAILED/OFPHFC_INCOMPATIBLE; add OpenFlow14"):
        Bridge().says(bridge.hello(6), bridge.error(ofp.OFPET_HELLO_FAILED, ofp.OFPHFC_INCOMPATIBLE, 1))


def test_a_bridge_that_refuses_to_be_asked_is_told_of() -> None:
    peer = Bridge()
    peer.greet()
    with pytest.raises(Closed, match="refuses the handshake: OFPET_BAD_REQUEST/OFPBRC_EPERM"):
        peer.says(bridge.error(ofp.OFPET_BAD_REQUEST, ofp.OFPBRC_EPERM, 5))


# ---------------------------------------------------------------------------------------------------------------------
# Time


def test_a_peer_that_says_nothing_is_given_up() -> None:
    peer = Bridge()
    with pytest.raises(Closed, match="no answer to the handshake in 10 s"):
        peer.passes(HANDSHAKE_TIMEOUT + 1)


def test_a_reading_may_take_long_while_it_goes_on() -> None:
    peer = Bridge()
    peer.greet()
    parts = bridge.multipart(ofp.OFPMP_FLOW, [bridge.flow_entry(flow) for flow in FLOWS])
    for part in parts:
        peer.passes(HANDSHAKE_TIMEOUT - 1)
        events = peer.says(part)
    assert isinstance(events[0], SwitchUp)


def test_a_peer_that_only_echoes_is_given_up() -> None:
    peer = Bridge()
    peer.greet()
    for _ in range(10):
        peer.passes(0.95)
        peer.says(bridge.message(ofp.OFPT_ECHO_REQUEST))
    with pytest.raises(Closed, match="no answer to the handshake"):
        peer.passes(0.95)


def test_a_bridge_that_waits_for_us_is_not_given_up() -> None:
    """Its time for answers runs from when it is asked."""
    peer = Bridge()
    peer.says(bridge.hello(), bridge.features(DPID))
    peer.hears()
    for _ in range(4):
        peer.passes(HANDSHAKE_TIMEOUT - 1)
        peer.says(bridge.message(ofp.OFPT_ECHO_REQUEST))
    assert {kind for kind, _, _ in peer.hears()} == {ofp.OFPT_ECHO_REQUEST, ofp.OFPT_ECHO_REPLY}
    peer.session.begin()
    peer.passes(HANDSHAKE_TIMEOUT - 1)
    with pytest.raises(Closed, match="no answer to the handshake"):
        peer.passes(1.1)


def test_a_silent_bridge_is_probed_and_then_given_up() -> None:
    peer = Bridge()
    peer.connect()
    peer.hears()
    peer.passes(ECHO_INTERVAL + 0.1)
    assert [kind for kind, _, _ in peer.hears()] == [ofp.OFPT_ECHO_REQUEST]
    peer.says(bridge.message(ofp.OFPT_ECHO_REPLY))
    peer.passes(SILENCE_LIMIT - 1)
    assert len(peer.hears()) == 3
    with pytest.raises(Closed, match="silent for 20 s"):
        peer.passes(2)


def test_a_probe_can_be_sent_at_once() -> None:
    peer = Bridge()
    peer.connect()
    peer.hears()
    peer.session.probe(peer.now)
    assert [kind for kind, _, _ in peer.hears()] == [ofp.OFPT_ECHO_REQUEST]


def test_an_echo_is_answered_with_its_own_words() -> None:
    peer = Bridge()
    peer.connect()
    peer.hears()
    peer.says(bridge.message(ofp.OFPT_ECHO_REQUEST, b"words", 77))
    assert peer.hears() == [(ofp.OFPT_ECHO_REPLY, 77, bridge.message(ofp.OFPT_ECHO_REPLY, b"words", 77))]


# ---------------------------------------------------------------------------------------------------------------------
# Counters


def asks_to_count(peer: Bridge, number: int) -> tuple[int, list[Counters | None]]:
    """The xid of a question for a port's counters, and where its answer goes."""
    told: list[Counters | None] = []
    peer.hears()
    xid = peer.session.ask_port(number, told.append)
    ((kind, heard, data),) = peer.hears()
    assert (kind, heard, struct.unpack_from("!H", data, 8)[0]) == (
        ofp.OFPT_MULTIPART_REQUEST,
        xid,
        ofp.OFPMP_PORT_STATS,
    )
    assert struct.unpack_from("!I", data, 16) == (number,)
    return xid, told


def test_counters_are_told_to_who_asked() -> None:
    peer = Bridge()
    peer.connect()
    (one, told), (other, others) = asks_to_count(peer, 1), asks_to_count(peer, 2)
    for xid, number in ((other, 2), (one, 1), (one, 9)):
        entry = bridge.port_counters(number, [number] * 8)
        assert peer.says(*bridge.multipart(ofp.OFPMP_PORT_STATS, [entry], xid)) == []
    assert (told, others) == ([Counters(*[1] * 6)], [Counters(*[2] * 6)])


def test_a_port_that_is_not_there_has_no_counters() -> None:
    peer = Bridge()
    peer.connect()
    xid, told = asks_to_count(peer, 1)
    assert peer.says(bridge.error(ofp.OFPET_BAD_REQUEST, ofp.OFPBRC_BAD_PORT, xid)) == []
    assert told == [None]


def test_an_answer_that_nobody_waits_for_is_dropped() -> None:
    peer = Bridge()
    peer.connect()
    xid, told = asks_to_count(peer, 1)
    peer.session.forget_port(xid)
    peer.says(*bridge.multipart(ofp.OFPMP_PORT_STATS, [bridge.port_counters(1, [0] * 8)], xid))
    assert told == []


# ---------------------------------------------------------------------------------------------------------------------
# Ports, packets, flows that end


def test_ports_come_change_and_go() -> None:
    peer = Bridge()
    peer.connect()
    other = PortDesc(2, "tap2", "fa:16:3e:00:00:02")
    assert peer.says(bridge.port_status(ofp.OFPPR_ADD, other)) == [PortStatus(DPID, other, False)]
    assert peer.says(bridge.port_status(ofp.OFPPR_DELETE, TAP)) == [PortStatus(DPID, TAP, True)]


def test_a_port_that_comes_while_the_bridge_is_read_is_part_of_it() -> None:
    peer = Bridge()
    peer.greet()
    reading = peer.contents()
    other = PortDesc(2, "tap2", "fa:16:3e:00:00:02")
    assert peer.says(reading[0], bridge.port_status(ofp.OFPPR_ADD, other)) == []
    (up,) = peer.says(*reading[1:])
    assert up.ports == (TAP, other)


def test_a_packet_in() -> None:
    peer = Bridge()
    peer.connect()
    fields = encode.match_field("reg0", 7, None)
    assert peer.says(bridge.packet_in(82, fields, b"frame")) == [PacketIn(DPID, 82, (("reg0", 7),), b"frame")]


@pytest.mark.parametrize(
    ("reason", "cookie", "told"),
    [
        (ofp.OFPRR_IDLE_TIMEOUT, None, True),
        (ofp.OFPRR_DELETE, None, False),
        (ofp.OFPRR_IDLE_TIMEOUT, 5, False),
    ],
)
def test_only_flows_of_ours_that_timed_out_are_told(reason: int, cookie: int | None, told: bool) -> None:
    peer = Bridge()
    peer.connect()
    events = peer.says(bridge.flow_removed(FLOWS[0], reason, cookie))
    assert events == ([FlowRemoved(DPID, 0, 1, FLOWS[0].cookie)] if told else [])


def test_a_packet_out() -> None:
    peer = Bridge()
    peer.connect()
    peer.hears()
    peer.session.send_packet(PacketOut(DPID, b"frame", (f.Output(3),), 1))
    ((kind, _, data),) = peer.hears()
    assert kind == ofp.OFPT_PACKET_OUT
    assert data.endswith(b"frame")


def test_connections_are_flushed_behind_the_flows_before() -> None:
    """Nicira's messages: ct-flush-zone and ct-flush (tests/ovs compares them with ovs-ofctl's)."""
    peer = Bridge()
    peer.connect()
    peer.hears()
    peer.session.send(FlowMods(DPID, 7, tuple(FLOWS)))
    peer.session.flush_connections(FlushConnections(DPID, 9))
    peer.session.flush_connections(FlushConnections(DPID, 9, 17))
    *_, (_, _, commit), (zone, _, whole), (part, _, some) = peer.hears()
    assert commit[1] == ofp.OFPT_BUNDLE_CONTROL
    assert zone == part == ofp.OFPT_EXPERIMENTER
    assert whole[8:].hex() == "000023200000001d0000000000000009"
    assert some[8:].hex() == "000023200000002011000000000000000002000800090000"


# ---------------------------------------------------------------------------------------------------------------------
# What is no OpenFlow 1.4


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "not OpenFlow: the first message is no hello"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "not OpenFlow: the first message is no hello"),
        (b'{"method":"echo","id":"echo","params":[]}', "not OpenFlow"),
        (bytes(16), "not OpenFlow: a message of 0 bytes"),
        (bridge.features(DPID), "the first message is no hello"),
        (bridge.hello() + bridge.message(ofp.OFPT_ECHO_REQUEST, version=4), "OpenFlow version 0x4, only 1.4"),
        (bridge.hello() + bridge.features(0), "says that its dpid is 0000000000000000"),
        (bridge.hello() + bridge.features(1) + bridge.features(2), "says that its dpid is 0000000000000002, after"),
        (bridge.hello() + bridge.multipart(ofp.OFPMP_FLOW, [b""])[0], "an answer to what was not asked"),
        (bridge.hello() + bridge.message(ofp.OFPT_FEATURES_REPLY, b"abc"), "malformed OpenFlow message"),
    ],
)
def test_who_is_no_bridge_is_told(data: bytes, reason: str) -> None:
    with pytest.raises(Closed, match=reason):
        Bridge().says(data)


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_noise_ends_the_connection_or_waits(noise: list[bytes]) -> None:
    peer = Bridge()
    with suppress(Closed):
        assert peer.says(*noise) == []


WORDS = bridge.hello() + bridge.features(DPID)


@given(st.data())
def test_a_mutilated_conversation_ends_the_connection_and_nothing_else(data: st.DataObject) -> None:
    """Bytes replaced, cut out or cut off, before and after the bridge is accepted."""
    accepted = data.draw(st.booleans())
    wrong = bytearray((b"" if accepted else WORDS) + conversation())
    for place in data.draw(st.lists(st.integers(0, len(wrong) - 1), min_size=1, max_size=6)):
        wrong[place] = data.draw(st.sampled_from([0, 1, 4, 5, 8, 19, 0x7F, 0x80, 0xFF]))
    start = data.draw(st.integers(0, len(wrong)))
    del wrong[start : start + data.draw(st.integers(0, 40))]
    peer = Bridge()
    if accepted:
        peer.greet()
    with suppress(Closed):
        peer.says(bytes(wrong))


@given(st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=80), st.integers(0, 30)), max_size=6))
def test_messages_of_any_type_with_any_body(messages: list[tuple[int, bytes, int]]) -> None:
    """Each is well-framed OpenFlow 1.4, and what is in it is anything."""
    peer = Bridge()
    peer.connect(*FLOWS)
    peer.session.send(FlowMods(DPID, 1, tuple(FLOWS)))
    with suppress(Closed):
        for kind, body, xid in messages:
            peer.says(bridge.message(kind, body, xid))
