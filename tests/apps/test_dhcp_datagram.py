"""UDP datagrams in frames: checksums are right, and what is cut off or contradicts itself is not read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from os_ken.lib.packet import packet_utils
from os_ken.lib.packet.ipv4 import ipv4
from os_ken.lib.packet.ipv6 import ipv6
from os_ken.lib.packet.packet import Packet

from apps.dhcp.datagram import Datagram, build, parse

ADDRESS4, ADDRESS6 = st.integers(0, 2**32 - 1), st.integers(0, 2**128 - 1)
MAC, PORT = st.integers(0, 2**48 - 1), st.integers(0, 2**16 - 1)


def datagrams(version: int):
    address = ADDRESS4 if version == 4 else ADDRESS6
    return st.builds(Datagram, st.just(version), MAC, MAC, address, address, PORT, PORT, st.binary(max_size=50))


@given(st.one_of(datagrams(4), datagrams(6)))
def test_what_is_made_is_read_and_its_checksums_are_right(datagram):
    frame = build(datagram)
    assert parse(frame) == datagram
    head = 14 + (20 if datagram.version == 4 else 40)
    ip = Packet(frame).get_protocol(ipv4 if datagram.version == 4 else ipv6)
    if datagram.version == 4:
        assert packet_utils.checksum(frame[14:34]) == 0
    assert frame[head + 6 : head + 8] != b"\0\0"
    assert packet_utils.checksum_ip(ip, len(frame) - head, frame[head:]) == 0


@given(st.one_of(datagrams(4), datagrams(6)), st.integers(0, 100))
def test_a_frame_that_is_cut_off_is_not_read(datagram, end):
    frame = build(datagram)
    assert parse(frame[: min(end, len(frame) - 1)]) is None


@given(st.one_of(datagrams(4), datagrams(6)), st.binary(max_size=20))
def test_padding_behind_a_packet_is_not_of_it(datagram, padding):
    assert parse(build(datagram) + padding) == datagram


FRAME = build(Datagram(4, 1, 2, 3, 4, 68, 67, b"payload"))


@pytest.mark.parametrize(
    ("offset", "data"),
    [
        (12, b"\x81\x00"),
        (14, b"\x65"),
        (14, b"\x44"),
        (14, b"\x4f"),
        (16, b"\x00\x13"),
        (16, b"\xff\xff"),
        (20, b"\x20\x00"),
        (20, b"\x00\x01"),
        (23, b"\x06"),
        (38, b"\x00\x07"),
        (38, b"\x00\x10"),
    ],
)
def test_a_header_that_says_something_else_is_not_read(offset, data):
    assert parse(FRAME) is not None
    assert parse(FRAME[:offset] + data + FRAME[offset + len(data) :]) is None


def test_options_of_ipv4_are_skipped():
    longer = FRAME[:14] + b"\x46" + FRAME[15:16] + (len(FRAME) - 14 + 4).to_bytes(2, "big") + FRAME[18:34]
    assert parse(longer + b"\x01" * 4 + FRAME[34:]).payload == b"payload"
