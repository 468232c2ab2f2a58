"""Punted frames: what guests send is read by offset, and never a reason to stop."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.core.frame import Claim, Frame, claims, parse
from controller.core.packet import arp_reply, arp_request, ethernet, neighbor_advertisement, neighbor_solicitation
from tests.world.frames import encode

M1, M2 = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02"


def test_questions_tell_their_target():
    assert parse(encode(arp_request(M1, "10.0.0.1", "10.0.0.2"))) == Frame("ff:ff:ff:ff:ff:ff", M1, 0x0806, "10.0.0.2")
    asked = parse(encode(neighbor_solicitation(M1, "fd00::1", "fd00::2")))
    assert asked == Frame("33:33:ff:00:00:02", M1, 0x86DD, "fd00::2")


def test_answers_and_other_frames_have_no_target():
    assert parse(encode(arp_reply(M1, "10.0.0.1", M2, "10.0.0.2"))).target == ""
    assert parse(encode(neighbor_advertisement(M1, "fd00::1", M2, "fd00::2"))).target == ""
    assert parse(encode(ethernet(M1, M2))) == Frame(M2, M1, 0x88B5)


def test_tags_are_stepped_over():
    frame = encode(arp_request(M1, "10.0.0.1", "10.0.0.2"))
    twice = frame[:12] + bytes.fromhex("88a8000a") + bytes.fromhex("81000064") + frame[12:]
    assert parse(twice) == parse(frame)


@given(st.binary(max_size=100), st.sampled_from((b"", b"\x08\x06", b"\x86\xdd", b"\x81\x00")))
def test_any_bytes_are_read(data, eth_type):
    claims(data[:12] + eth_type + data[12:])
    seen = parse(data[:12] + eth_type + data[12:])
    assert seen.target == "" or len(data) >= 40


@given(st.integers(0, 120))
def test_a_frame_that_is_cut_off_is_read_as_far_as_it_goes(length):
    for question in (arp_request(M1, "10.0.0.1", "10.0.0.2"), neighbor_solicitation(M1, "fd00::1", "fd00::2")):
        whole = encode(question)
        cut = parse(whole[:length])
        assert cut == parse(whole) or cut.target == ""


def test_arp_claims_its_sender_and_an_answer_its_receiver_too():
    assert claims(encode(arp_request(M1, "10.0.0.1", "10.0.0.2"))) == [Claim(M1, "10.0.0.1")]
    assert claims(encode(arp_request(M1, "0.0.0.0", "10.0.0.2"))) == []
    ends = [Claim(M1, "10.0.0.1"), Claim(M2, "10.0.0.2")]
    assert claims(encode(arp_reply(M1, "10.0.0.1", M2, "10.0.0.2"))) == ends


def test_neighbor_discovery_claims_the_same():
    assert claims(encode(neighbor_solicitation(M1, "fd00::1", "fd00::2"))) == [Claim(M1, "fd00::1")]
    probe = neighbor_solicitation(M1, "::", "fd00::2").but(nd_sll=0, nd_options_type=0)
    assert claims(encode(probe)) == []
    told = neighbor_advertisement(M1, "fd00::1", M2, "fd00::2")
    assert claims(encode(told)) == [Claim(M1, "fd00::1"), Claim(M2, "fd00::2")]
    assert claims(encode(told.but(eth_src=M2)))[0] == Claim(M1, "fd00::1")
    assert claims(encode(told.but(nd_tll=0, nd_options_type=0)))[0] == Claim(M1, "fd00::1")


def test_what_is_neither_claims_nothing():
    assert claims(encode(ethernet(M1, M2))) == claims(b"") == []
