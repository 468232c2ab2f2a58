"""How many packets flows have met: asked when somebody wants to know, beside whatever else is read."""

from __future__ import annotations

import struct

import pytest
from os_ken.ofproto import ofproto_v1_4 as ofp

from controller.core.flow import COOKIE_MASK, OURS, OURS_MASK
from controller.io.openflow.counting import Question
from controller.io.openflow.session import Closed
from tests.unit import bridge_messages as bridge
from tests.unit.bridge_peer import FLOWS, Bridge


def entry(number: int, packets: int) -> bytes:
    made = bytearray(bridge.flow_entry(FLOWS[number]))
    struct.pack_into("!Q", made, 32, packets)
    return bytes(made)


def reply(xid: int, parts: list[bytes]) -> list[bytes]:
    return [data[:4] + struct.pack("!I", xid) + data[8:] for data in bridge.multipart(ofp.OFPMP_FLOW, parts)]


def asked(peer: Bridge, question: Question, *wanted: tuple[int, int]) -> list[tuple[int, bytes]]:
    """The (xid, body) of what a question makes the session send."""
    peer.hears()
    peer.session.count(question, wanted)
    return [(xid, data[16:]) for _, xid, data in peer.hears()]


@pytest.fixture
def peer() -> Bridge:
    made = Bridge()
    made.connect(*FLOWS)
    return made


def test_one_flow_is_asked_for_by_its_cookie_and_a_table_by_our_mark(peer):
    wanted = asked(peer, Question(lambda: None), (9, FLOWS[0].cookie), (11, 0))
    found = [struct.unpack_from("!B3xII4xQQ", body) for _, body in wanted]
    assert [(table, cookie, mask) for table, _, _, cookie, mask in found] == [
        (9, FLOWS[0].cookie, COOKIE_MASK),
        (11, OURS << 56, OURS_MASK),
    ]


def test_the_answer_is_whole_when_each_part_of_each_question_has_come(peer):
    ends: list[int] = []
    question = Question(lambda: ends.append(1))
    (one, _), (two, _) = asked(peer, question, (9, 0), (11, 0))
    first = reply(one, [entry(0, 7), entry(1, 1 << 40)])
    assert peer.says(first[0], *reply(two, [entry(2, 3)])) == []
    assert ends == []
    assert peer.says(first[1]) == []
    assert (ends, question.open) == ([1], set())
    assert question.counts == {FLOWS[0].cookie: 7, FLOWS[1].cookie: 1 << 40, FLOWS[2].cookie: 3}


def test_a_reading_that_goes_on_is_not_disturbed(peer):
    question = Question(lambda: None)
    peer.session.read()
    ((xid, _),) = asked(peer, question, (9, 0))
    peer.says(*reply(xid, [entry(0, 7)]))
    assert question.counts == {FLOWS[0].cookie: 7}
    (event,) = peer.says(*peer.contents(*FLOWS)[1:])
    assert len(event.installed) == len(FLOWS)


def test_what_is_malformed_ends_the_connection(peer):
    ((xid, _),) = asked(peer, Question(lambda: None), (9, 0))
    with pytest.raises(Closed, match="malformed"):
        peer.says(*reply(xid, [b"\0\x08" + bytes(40)]))
