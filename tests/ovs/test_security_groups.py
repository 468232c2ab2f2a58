"""How a connection began, as the real connection tracker tells it of each packet, and conjunctions of that."""

from __future__ import annotations

import pytest

from controller.core import flow as f
from controller.core import packet as p
from controller.core.flow import Flow, match
from controller.core.packet import Packet
from controller.core.prerequisites import refusal
from controller.core.simulate import ModelSwitch
from tests.ovs.link import Link
from tests.ovs.sandbox import Sandbox
from tests.ovs.test_connections import IPV4, IPV6, NAMES, ZONE, left_by, sent
from tests.random_flows import A1, A2, B1, B2, M1, M2, address

VALID = (f.TRK, f.TRK | f.INV)


BEGAN = {
    "tcp": (
        {**IPV4, "ct_nw_proto": 6, "ct_tp_dst": (80, 0xFFF0)},
        p.ipv4(M1, M2, A1, A2, 6).but(tcp_src=1000, tcp_dst=80),
    ),
    "udp": ({**IPV4, "ct_nw_proto": 17, "ct_tp_dst": 53}, p.ipv4(M1, M2, A1, A2).but(udp_src=1000, udp_dst=53)),
    "ping": ({**IPV4, "ct_nw_proto": 1, "ct_tp_src": 8, "ct_tp_dst": 0}, p.ipv4(M1, M2, A1, A2, 1).but(icmpv4_type=8)),
    "udp6": ({**IPV6, "ct_nw_proto": 17, "ct_tp_dst": 53}, p.ipv6(M1, M2, B1, B2).but(udp_src=1000, udp_dst=53)),
    "ping6": (
        {**IPV6, "ct_nw_proto": 58, "ct_tp_src": 128, "ct_tp_dst": 0},
        p.ipv6(M1, M2, B1, B2, 58).but(icmpv6_type=128),
    ),
}
"""What matches a connection by how it began, and its first packet."""


def reply(packet: Packet) -> Packet:
    """The answer to a packet of BEGAN."""
    turned = {name: packet[name.replace("src", "DST").replace("dst", "src").replace("DST", "dst")] for name in packet}
    kinds = {name: packet[name] - 8 if name == "icmpv4_type" else 129 for name in packet if name.endswith("_type")}
    return Packet({**turned, **kinds, "eth_type": packet["eth_type"]})


def by_beginning(head: dict[str, int | tuple[int, int]]) -> list[Flow]:
    """What a connection's beginning matches leaves by 2 (new), 3 or 4 (an error about it); all else by 5."""
    error = f.TRK | f.REL
    flows = [Flow(0, 1, match(ip), [f.Ct(zone=ZONE, table=1)]) for ip in (IPV4, IPV6)]
    flows += [
        Flow(1, 4, match({**head, "ct_state": (error, error | f.INV)}), [f.Output(4)]),
        Flow(1, 3, match({**head, "ct_state": (f.TRK | f.NEW, f.TRK | f.NEW)}), [f.Ct(True, ZONE), f.Output(2)]),
        Flow(1, 2, match({**head, "ct_state": VALID}), [f.Output(3)]),
        Flow(1, 1, match({}), [f.Output(5)]),
    ]
    assert not [refusal(flow) for flow in flows if refusal(flow)]
    return flows


@pytest.mark.parametrize("name", BEGAN)
def test_an_answer_is_matched_by_how_its_connection_began(host: Sandbox, link: Link, name: str) -> None:
    head, asks = BEGAN[name]
    flows = by_beginning(head)
    link.carry_out(*flows)
    switch = ModelSwitch(flows, NAMES)
    other = p.ipv4(M1, M2, A1, A2).but(udp_src=1000, udp_dst=99)
    for packet in (reply(asks), asks, reply(asks), asks, other):
        coming = packet.but(in_port=1)
        assert (left_by(host, coming, flags(packet)),) == switch.run(coming).ports


def flags(packet: Packet) -> str:
    if packet["ip_proto"] != 6:
        return ""
    return ",tcp_flags(syn)" if packet["tcp_dst"] == 80 else ",tcp_flags(syn|ack)"


def test_an_error_is_matched_by_the_connection_that_it_is_about(host: Sandbox, link: Link) -> None:
    head, asks = BEGAN["udp"]
    link.carry_out(*by_beginning(head))
    assert left_by(host, asks.but(in_port=1)) == 2
    before = sent(host)
    host.appctl("netdev-dummy/receive", "p1", unreachable().hex())
    host.wait(lambda: sent(host) != before, "the error to leave")
    assert sent(host)[4] == before[4] + 1


def unreachable() -> bytes:
    """Port unreachable (RFC 792) from A2 to A1, about a UDP packet from A1, port 1000, to A2, port 53."""
    inside = ip_header(A1, A2, 17, 8) + bytes.fromhex("03e8 0035 0008 0000".replace(" ", ""))
    icmp = b"\x03\x03\0\0" + bytes(4) + inside
    icmp = icmp[:2] + checksum(icmp) + icmp[4:]
    macs = bytes.fromhex((M1 + M2).replace(":", ""))
    return macs + b"\x08\0" + ip_header(A2, A1, 1, len(icmp)) + icmp


def ip_header(src: str, dst: str, proto: int, size: int) -> bytes:
    ends = address(src).to_bytes(4, "big") + address(dst).to_bytes(4, "big")
    head = b"\x45\0" + (20 + size).to_bytes(2, "big") + bytes(4) + bytes([64, proto]) + bytes(2) + ends
    return head[:10] + checksum(head) + head[12:]


def checksum(data: bytes) -> bytes:
    """RFC 1071."""
    total = sum(int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def test_conjunctions_of_how_a_connection_began(host: Sandbox, link: Link) -> None:
    """From A1, to port 53 or 54; for an answer, too."""
    tracked = {**IPV4, "ct_state": VALID}
    flows = [
        Flow(0, 1, match(IPV4), [f.Ct(zone=ZONE, table=1)]),
        Flow(1, 9, match({**tracked, "ct_nw_src": address(A1)}), [f.Conjunction(7, 1, 2), f.Conjunction(8, 1, 2)]),
        Flow(1, 9, match({**tracked, "ct_nw_proto": 17, "ct_tp_dst": 53}), [f.Conjunction(7, 2, 2)]),
        Flow(1, 9, match({**tracked, "ct_nw_proto": 17, "ct_tp_dst": (52, 0xFFFE)}), [f.Conjunction(8, 2, 2)]),
        Flow(1, 8, match({"conj_id": 7}), [f.Resubmit(2)]),
        Flow(1, 8, match({"conj_id": 8}), [f.Resubmit(2)]),
        Flow(1, 1, match({}), [f.Output(5)]),
        Flow(2, 2, match({**IPV4, "ct_state": (f.TRK | f.NEW, f.TRK | f.NEW)}), [f.Ct(True, ZONE), f.Output(2)]),
        Flow(2, 1, match({}), [f.Output(3)]),
    ]
    link.carry_out(*flows)
    switch = ModelSwitch(flows, NAMES)
    told = []
    for port in (53, 52, 54):
        asks = p.ipv4(M1, M2, A1, A2).but(udp_src=1000, udp_dst=port)
        for packet in (asks, reply(asks), asks):
            coming = packet.but(in_port=1)
            told.append(left_by(host, coming))
            assert (told[-1],) == switch.run(coming).ports
    assert told == [2, 3, 3, 2, 3, 3, 5, 5, 5]
