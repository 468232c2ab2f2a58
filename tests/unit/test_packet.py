"""Packets of the protocols that flows answer: every field as the RFC has it."""

from __future__ import annotations

import pytest

from controller.core import packet as p
from controller.core.packet import Packet

M1, M2 = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02"


def test_an_arp_request_is_a_broadcast_and_its_reply_turns_it_round():
    asked, told = p.arp_request(M1, "10.0.0.1", "10.0.0.2"), p.arp_reply(M2, "10.0.0.2", M1, "10.0.0.1")
    assert asked["eth_dst"] == 0xFFFFFFFFFFFF
    assert (asked["arp_op"], told["arp_op"]) == (1, 2)
    assert (asked["arp_sha"], asked["arp_tha"]) == (told["arp_tha"], 0)
    assert (asked["arp_spa"], asked["arp_tpa"]) == (told["arp_tpa"], told["arp_spa"])
    assert told["eth_src"] == told["arp_sha"] == 0xFA163E000002


def test_a_neighbor_solicitation_and_the_advertisement_that_answers_it():
    asked = p.neighbor_solicitation(M1, "fd00::1", "fd00::ab:cdef")
    told = p.neighbor_advertisement(M2, "fd00::ab:cdef", M1, "fd00::1")
    assert (asked["icmpv6_type"], asked["nd_options_type"], asked["nd_sll"]) == (135, 1, 0xFA163E000001)
    assert (told["icmpv6_type"], told["nd_options_type"], told["nd_tll"]) == (136, 2, 0xFA163E000002)
    assert asked["eth_dst"] == 0x3333FFABCDEF
    assert asked["nd_target"] == told["nd_target"] == told["ipv6_src"]
    assert told["nd_reserved"] == 0x60000000  # solicited and override (RFC 4861, 4.4)


def test_ip_packets_are_udp_unless_told():
    assert p.ipv4(M1, M2, "10.0.0.1", "10.0.0.2")["ip_proto"] == 17
    assert p.ipv6(M1, M2, "fd00::1", "fd00::2", 6)["ip_proto"] == 6


def test_a_packet_can_be_made_of_fields_and_shows_them_in_order():
    made = Packet.of({"eth_type": 0x800, "in_port": 3})
    assert made == Packet(in_port=3, eth_type=0x800)
    assert repr(Packet(eth_type=0x800, in_port=3, eth_src=M1)) == f"Packet(in_port=3, eth_src={M1}, eth_type=0x800)"
    assert repr(Packet(inner_vlan=0x1005)) == "Packet(inner_vlan=0x1005)"
    assert (len(made), sorted(made)) == (2, ["eth_type", "in_port"])


@pytest.mark.parametrize(("name", "value"), [("vlan_vid", 0x2000), ("inner_vlan", 0x2000), ("nothing", 1)])
def test_what_is_no_field_or_does_not_fit_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        Packet({name: value})
