"""UDP datagrams in untagged Ethernet frames, over IPv4 (RFC 791) or IPv6 (RFC 8200).

Guests make the frames: what is cut off, fragmented or contradicts itself reads as None, and nothing raises.  Checksums
are not looked at, for a VIF may leave them to hardware that is not there.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"
UDP = 17
SERVER_MAC = 0x020000000043
"""Who answers, on every host: a MAC address of our own (locally administered)."""
HOPS = 64
"""TTL and hop limit of what we send."""
_FRAGMENT = 0x3FFF
"""The bits of IPv4's fragment word that are 0 in a whole packet: "more fragments", and the offset."""


class Datagram(NamedTuple):
    """`version` is 4 or 6; addresses are numbers."""

    version: int
    eth_src: int
    eth_dst: int
    src: int
    dst: int
    src_port: int
    dst_port: int
    payload: bytes


def word(data: bytes, offset: int, size: int = 2) -> int:
    """A number of `size` bytes; what is not there reads as nothing, so 0 at least."""
    return int.from_bytes(data[offset : offset + size], "big")


def parse(frame: bytes) -> Datagram | None:
    """Read a frame; None when it does not hold one whole datagram."""
    kind, packet = frame[12:14], frame[14:]
    if kind == IPV4:
        found = _ipv4(packet)
    elif kind == IPV6:
        found = _ipv6(packet)
    else:
        found = None
    if found is None:
        return None
    version, src, dst, udp = found
    length = word(udp, 4)
    if not 8 <= length <= len(udp):
        return None
    ends = (version, word(frame, 6, 6), word(frame, 0, 6), src, dst)
    return Datagram(*ends, word(udp, 0), word(udp, 2), udp[8:length])


Inside = tuple[int, int, int, bytes]


def _ipv4(packet: bytes) -> Inside | None:
    if len(packet) < 20 or packet[0] >> 4 != 4 or packet[9] != UDP or word(packet, 6) & _FRAGMENT:
        return None
    start, end = (packet[0] & 15) * 4, word(packet, 2)
    if not 20 <= start <= end <= len(packet):
        return None
    return 4, word(packet, 12, 4), word(packet, 16, 4), packet[start:end]


def _ipv6(packet: bytes) -> Inside | None:
    """Extension headers are nothing that a DHCP client sends: such a packet is not read."""
    end = 40 + word(packet, 4)
    if len(packet) < end or packet[0] >> 4 != 6 or packet[6] != UDP:
        return None
    return 6, word(packet, 8, 16), word(packet, 24, 16), packet[40:end]


def build(datagram: Datagram) -> bytes:
    """The frame of a datagram, with its checksums."""
    version, eth_src, eth_dst, src, dst, *_ = datagram
    size = 4 if version == 4 else 16
    ends = src.to_bytes(size, "big") + dst.to_bytes(size, "big")
    udp = _udp(datagram, ends)
    head = _ipv4_head(ends, len(udp)) if version == 4 else struct.pack("!IHBB", 6 << 28, len(udp), UDP, HOPS) + ends
    kind = IPV4 if version == 4 else IPV6
    return eth_dst.to_bytes(6, "big") + eth_src.to_bytes(6, "big") + kind + head + udp


def _udp(datagram: Datagram, ends: bytes) -> bytes:
    length = 8 + len(datagram.payload)
    head = struct.pack("!HHH", datagram.src_port, datagram.dst_port, length)
    pseudo = ends + struct.pack("!II", length, UDP)
    # 0 would say that there is no checksum (RFC 768).
    checksum = _checksum(pseudo + head + datagram.payload) or 0xFFFF
    return head + struct.pack("!H", checksum) + datagram.payload


def _ipv4_head(ends: bytes, length: int) -> bytes:
    before = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 0, 0, HOPS, UDP)
    return before + struct.pack("!H", _checksum(before + ends)) + ends


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
