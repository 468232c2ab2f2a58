"""A session changes flows, is told of errors, and notices when somebody else changes flows."""

from __future__ import annotations

import struct

import pytest
from os_ken.ofproto import ofproto_v1_4 as ofp

from controller.core import flow as f
from controller.core.effects import FlowMods
from controller.core.events import (
    Acknowledged,
    Reread,
    SwitchError,
)
from controller.core.flow import Flow, Meter
from controller.io.openflow.session import (
    ACKNOWLEDGE_LIMIT,
    ECHO_INTERVAL,
    REREAD_DELAY,
    Closed,
)
from tests.unit import bridge_messages as bridge
from tests.unit.bridge_peer import DPID, FLOWS, Bridge, entries

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


def live(peer: Bridge, seconds: float, answering: bool = True) -> None:
    """Time passes; the bridge gives signs of life and, if `answering`, answers ours."""
    for _ in range(round(seconds)):
        peer.passes(1.0)
        peer.says(bridge.message(ofp.OFPT_ECHO_REQUEST))
        for kind, xid, _ in peer.hears():
            if kind == ofp.OFPT_ECHO_REQUEST and answering:
                peer.says(bridge.message(ofp.OFPT_ECHO_REPLY, xid=xid))


def test_a_bridge_that_answers_all_but_its_bundle_is_given_up() -> None:
    peer = Bridge()
    peer.connect()
    send(peer, FlowMods(DPID, 1, tuple(FLOWS)))
    live(peer, ACKNOWLEDGE_LIMIT)
    with pytest.raises(Closed, match="has read a bundle and not acknowledged it in 60 s"):
        live(peer, 2 * ECHO_INTERVAL)


def test_a_bridge_that_still_reads_what_is_before_its_bundle_has_its_time() -> None:
    """It gives signs of life, but our echo behind the bundle has not come to it yet."""
    peer = Bridge()
    peer.connect()
    number, _, _ = send(peer, FlowMods(DPID, 1, tuple(FLOWS)))
    live(peer, 5 * ACKNOWLEDGE_LIMIT, answering=False)
    assert peer.says(bridge.bundle_reply(number, ofp.OFPBCT_COMMIT_REPLY)) == [Acknowledged(DPID, 1)]


def test_a_bundle_that_is_acknowledged_late_is_no_reason_to_end() -> None:
    peer = Bridge()
    peer.connect()
    for serial in (1, 2, 3):
        number, _, _ = send(peer, FlowMods(DPID, serial, tuple(FLOWS)))
        live(peer, ACKNOWLEDGE_LIMIT - 1)
        assert peer.says(bridge.bundle_reply(number, ofp.OFPBCT_COMMIT_REPLY)) == [Acknowledged(DPID, serial)]


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
