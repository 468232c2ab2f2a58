"""One bridge's connection without its socket: what it says becomes events, what we want becomes bytes."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from os_ken.ofproto import ofproto_v1_4 as ofp

from controller.core import flow as f
from controller.core.effects import FlowMods, PacketOut
from controller.core.events import (
    Acknowledged,
    FlowRemoved,
    Installed,
    PacketIn,
    PortDesc,
    PortStatus,
    Reread,
    SwitchError,
    SwitchUp,
)
from controller.core.flow import Flow, Meter, match
from controller.io.openflow import encode
from controller.io.openflow.session import (
    ECHO_INTERVAL,
    HANDSHAKE_TIMEOUT,
    REREAD_DELAY,
    SILENCE_LIMIT,
    Closed,
    Session,
)
from tests.unit import bridge_messages as bridge

DPID = 0xA1
TAP = PortDesc(1, "tap1", "fa:16:3e:00:00:01")
FLOWS = [Flow(0, n, match({"in_port": n}), [f.Goto(16)]) for n in (1, 2, 3)]
REACTIVE = frozenset([59])


class Bridge:
    """A bridge that answers as Open vSwitch does, at the other end of a session."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now
        self.session = Session("192.0.2.1", REACTIVE, now)

    def says(self, *messages: bytes) -> list[Any]:
        """Send; the result is the events that came of it."""
        for data in messages:
            self.session.receive(data, self.now)
        events, self.session.events = self.session.events, []
        return events

    def hears(self) -> list[tuple[int, int, bytes]]:
        """What the session has sent since."""
        sent, self.session.out = b"".join(self.session.out), []
        return list(bridge.split(sent))

    def passes(self, seconds: float) -> None:
        """Time passes, one tick at a time."""
        for _ in range(round(seconds / 0.05)):
            self.now += 0.05
            self.session.tick(self.now)

    def greet(self) -> None:
        self.says(bridge.hello(), bridge.features(DPID))
        self.session.begin()

    def connect(self, *installed: Flow) -> list[Any]:
        """Up to SwitchUp."""
        self.greet()
        return self.says(*self.contents(*installed))

    @staticmethod
    def contents(*installed: Flow, meters: bytes = b"") -> list[bytes]:
        """The answers to a reading, each in one part."""
        return [
            *bridge.multipart(ofp.OFPMP_PORT_DESC, [bridge.port(TAP)]),
            *bridge.multipart(ofp.OFPMP_METER_CONFIG, [meters]),
            *bridge.multipart(ofp.OFPMP_FLOW, [b"".join(map(bridge.flow_entry, installed))]),
        ]


def entries(*flows: Flow) -> tuple[Installed, ...]:
    return tuple(Installed(f.table, f.priority, f.cookie, digest=encode.digest(f)) for f in flows)


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
    assert asked == [ofp.OFPMP_FLOW_MONITOR, ofp.OFPMP_PORT_DESC, ofp.OFPMP_METER_CONFIG, ofp.OFPMP_FLOW]
    (up,) = peer.says(*peer.contents(*FLOWS, meters=bridge.meter_entry(7, 100)))
    assert up == SwitchUp(DPID, "192.0.2.1", (TAP,), entries(*FLOWS), ((7, 100),))
    assert peer.hears() == [], "nothing is changed on connect"


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


# ---------------------------------------------------------------------------------------------------------------------
# Others change flows


def update(*updates: bytes) -> bytes:
    (reply,) = bridge.multipart(ofp.OFPMP_FLOW_MONITOR, [b"".join(updates)])
    return reply


def test_changes_by_others_are_collected_and_the_bridge_is_read_once() -> None:
    peer = Bridge()
    peer.connect(*FLOWS)
    peer.hears()
    changed = [bridge.flow_update(ofp.OFPFME_MODIFIED, flow.cookie) for flow in FLOWS[:2]]
    assert peer.says(update(*changed), update(bridge.flow_update(ofp.OFPFME_ADDED, 5))) == []
    peer.passes(REREAD_DELAY / 2)
    assert peer.hears() == []
    peer.passes(2 * REREAD_DELAY)
    assert [kind for kind, _, _ in peer.hears()] == [ofp.OFPT_MULTIPART_REQUEST] * 2
    (reread,) = peer.says(*peer.contents(FLOWS[0]))
    assert reread == Reread(DPID, entries(FLOWS[0]), reread.suspect, (), 0)
    assert set(reread.suspect) == {flow.cookie for flow in FLOWS[:2]}
    peer.passes(1)
    assert peer.hears() == []


def test_a_flow_that_times_out_is_no_reason_to_read() -> None:
    peer = Bridge()
    peer.connect()
    peer.hears()
    peer.says(update(bridge.flow_update(ofp.OFPFME_REMOVED, FLOWS[0].cookie, ofp.OFPRR_IDLE_TIMEOUT)))
    peer.passes(1)
    assert peer.hears() == []


def test_what_changes_during_a_reading_is_read_again() -> None:
    peer = Bridge()
    peer.greet()
    peer.says(update(bridge.flow_update(ofp.OFPFME_REMOVED, FLOWS[0].cookie, ofp.OFPRR_DELETE)))
    assert len(peer.says(*peer.contents())) == 1
    peer.hears()
    peer.passes(3 * REREAD_DELAY)
    assert len(peer.hears()) == 2


def test_a_second_wish_to_read_waits_for_the_first_answer() -> None:
    """Else the first answer would pass for one that shows what was sent in between."""
    peer = Bridge()
    peer.connect()
    peer.session.read()
    peer.hears()
    peer.session.send(FlowMods(DPID, 1, tuple(FLOWS)))
    peer.hears()
    peer.session.read()
    assert peer.hears() == []
    (reread,) = peer.says(*peer.contents())
    assert reread.serial == 0
    peer.passes(3 * REREAD_DELAY)
    assert len(peer.hears()) == 2
    (reread,) = peer.says(*peer.contents(*FLOWS))
    assert reread.serial == 1


def test_a_bridge_that_can_not_be_read_again_is_given_up() -> None:
    peer = Bridge()
    peer.connect()
    peer.hears()
    peer.session.read()
    _, (_, xid, _) = peer.hears()
    with pytest.raises(Closed, match="can't be read: OFPET_BAD_REQUEST/OFPBRC_BAD_TABLE_ID"):
        peer.says(bridge.error(ofp.OFPET_BAD_REQUEST, ofp.OFPBRC_BAD_TABLE_ID, xid))


# ---------------------------------------------------------------------------------------------------------------------
# Bundles


def send(peer: Bridge, mods: FlowMods) -> tuple[int, list[int], int]:
    """The bundle's number, the xids of what is in it, and that of its commit."""
    peer.hears()
    peer.session.send(mods)
    sent = [message for message in peer.hears() if message[0] != ofp.OFPT_METER_MOD]
    (opened, *adds, commit) = sent
    assert [kind for kind, _, _ in sent] == [
        ofp.OFPT_BUNDLE_CONTROL,
        *[ofp.OFPT_BUNDLE_ADD_MESSAGE] * len(adds),
        ofp.OFPT_BUNDLE_CONTROL,
    ]
    number, kind = struct.unpack_from("!IH", opened[2], 8)
    assert kind == ofp.OFPBCT_OPEN_REQUEST
    assert struct.unpack_from("!IH", commit[2], 8) == (number, ofp.OFPBCT_COMMIT_REQUEST)
    return number, [xid for _, xid, _ in adds], commit[1]


def test_a_bundle_is_acknowledged() -> None:
    peer = Bridge()
    peer.connect()
    mods = FlowMods(DPID, 4, tuple(FLOWS[:2]), ((3, FLOWS[2].cookie),), ((0, 7, 5, ""),))
    number, xids, _ = send(peer, mods)
    assert len(xids) == 4
    assert peer.says(bridge.bundle_reply(number, ofp.OFPBCT_OPEN_REPLY)) == []
    assert peer.says(bridge.bundle_reply(number, ofp.OFPBCT_COMMIT_REPLY)) == [Acknowledged(DPID, 4)]
    assert peer.says(bridge.bundle_reply(number, ofp.OFPBCT_COMMIT_REPLY)) == []


def test_meters_come_before_the_flows_and_go_after_them() -> None:
    peer = Bridge()
    peer.greet()
    peer.says(*peer.contents(meters=bridge.meter_entry(7, 100)))
    peer.hears()
    peer.session.send(FlowMods(DPID, 1, (FLOWS[0],), meters=(Meter(7, 50), Meter(8, 50)), stale_meters=(9,)))
    sent = peer.hears()
    commands = [struct.unpack_from("!HHI", data, 8)[::2] for kind, _, data in sent if kind == ofp.OFPT_METER_MOD]
    assert commands == [(ofp.OFPMC_MODIFY, 7), (ofp.OFPMC_ADD, 8), (ofp.OFPMC_DELETE, 9)]
    assert [kind for kind, _, _ in sent][::5] == [ofp.OFPT_METER_MOD] * 2


TABLE_FULL = (ofp.OFPET_FLOW_MOD_FAILED, ofp.OFPFMFC_TABLE_FULL)
FAILED = (ofp.OFPET_BUNDLE_FAILED, ofp.OFPBFC_MSG_FAILED)


def test_an_error_is_traced_to_its_flow() -> None:
    """The commit's own error, which follows, says nothing more."""
    peer = Bridge()
    peer.connect()
    send(peer, FlowMods(DPID, 1, (FLOWS[2],)))
    _, xids, commit = send(peer, FlowMods(DPID, 2, tuple(FLOWS)))
    told = SwitchError(DPID, 2, FLOWS[1].cookie, "OFPET_FLOW_MOD_FAILED/OFPFMFC_TABLE_FULL")
    assert peer.says(bridge.error(*TABLE_FULL, xids[1])) == [told]
    assert peer.says(bridge.error(*FAILED, commit)) == []


def test_a_bundle_with_an_error_is_not_acknowledged() -> None:
    """Open vSwitch leaves out a message that it can't read, and commits the others."""
    peer = Bridge()
    peer.connect()
    number, xids, _ = send(peer, FlowMods(DPID, 1, tuple(FLOWS)))
    assert len(peer.says(bridge.error(ofp.OFPET_BAD_MATCH, ofp.OFPBMC_BAD_PREREQ, xids[0]))) == 1
    assert peer.says(bridge.bundle_reply(number, ofp.OFPBCT_COMMIT_REPLY)) == []


def test_a_commit_that_fails_by_itself_is_told_of_its_bundle() -> None:
    peer = Bridge()
    peer.connect()
    _, _, commit = send(peer, FlowMods(DPID, 3, tuple(FLOWS)))
    told = SwitchError(DPID, 3, 0, "OFPET_BUNDLE_FAILED/OFPBFC_MSG_FAILED")
    assert peer.says(bridge.error(*FAILED, commit)) == [told]


def test_an_error_about_another_message_is_told() -> None:
    peer = Bridge()
    peer.connect()
    told = SwitchError(DPID, 0, 0, "OFPET_METER_MOD_FAILED/OFPMMFC_OUT_OF_METERS")
    assert peer.says(bridge.error(ofp.OFPET_METER_MOD_FAILED, ofp.OFPMMFC_OUT_OF_METERS, 0xFFFF)) == [told]


def test_a_flow_that_no_message_can_hold_is_refused_here() -> None:
    """Nothing of its bundle is sent: the others come again without it."""
    peer = Bridge()
    peer.connect()
    peer.hears()
    huge = Flow(57, 1, (), [f.SetField("reg0", 1)] * 5000)
    peer.session.send(FlowMods(DPID, 1, (FLOWS[0], huge)))
    (told,) = peer.says()
    assert (told.serial, told.cookie) == (1, huge.cookie)
    assert told.reason == "a list of actions takes 80000 bytes, a message has 65519"
    assert peer.hears() == []


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
