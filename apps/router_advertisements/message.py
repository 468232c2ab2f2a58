"""Router Advertisements and Solicitations in untagged Ethernet frames (RFC 4861, 4.1 and 4.2; RFC 8106, 5.1).

Guests make the solicitations: what is cut off or contradicts itself reads as None, and nothing raises.  Checksums are
not looked at, for a VIF may leave them to hardware that is not there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

ICMPV6, SOLICITATION, ADVERTISEMENT = 58, 133, 134
HOPS = 255
"""The hop limit of all of Neighbor Discovery: a packet that has it was not routed (RFC 4861, 6.1)."""
GUESTS_HOPS = 64
"""The hop limit that guests shall send with."""
EVERY_NODE, EVERY_NODE_MAC = 0xFF02 << 112 | 1, 0x333300000001
"""ff02::1 and its group's MAC address (RFC 2464, 7)."""
SOURCE_LINK_LAYER, PREFIX, MTU, DNS = 1, 3, 5, 25
ON_LINK, AUTONOMOUS = 0x80, 0x40
MANAGED, OTHER = 0x80, 0x40
MOST = 16
"""Prefixes, or DNS servers, in one advertisement: with both it fits into 1280 bytes, which every link carries."""


class Prefix(NamedTuple):
    """A prefix on the link (`value` is the number of its first address), and whether guests make addresses of it."""

    value: int
    length: int
    autonomous: bool


class Router(NamedTuple):
    """Who advertises, and what.  Addresses are numbers; `address` is link-local.

    `lifetime` is for how many seconds it is a default router (0: it is none); those of `prefixes` and `servers` are
    below.
    """

    mac: int
    address: int
    lifetime: int
    managed: bool
    other: bool
    mtu: int
    prefixes: tuple[Prefix, ...]
    servers: tuple[int, ...]


class Lifetimes(NamedTuple):
    """For how many seconds addresses of a prefix are `valid`, and for how many `preferred` for new connections; and for
    how many DNS `servers` are asked."""

    valid: int
    preferred: int
    servers: int


USUAL = Lifetimes(86400, 14400, 9000)
"""Those of radvd, which Neutron's routers run; guests forget DNS servers no sooner than the default router."""
ENDED = Lifetimes(7200, 0, 0)
"""Of what is withdrawn (RFC 4861, 6.2.8; RFC 8106, 5.1).  An address stays valid for two hours at most: a guest does
not believe less (RFC 4862, 5.5.3)."""


class Solicitor(NamedTuple):
    """Who asks for routers; `address` is 0 while it has none."""

    mac: int
    address: int


def read(frame: bytes) -> Solicitor | None:
    """The sender of a valid Router Solicitation (RFC 4861, 6.1.1)."""
    packet = frame[14:]
    end = 40 + int.from_bytes(packet[4:6], "big")
    if frame[12:14] != b"\x86\xdd" or len(packet) < end or end < 48 or packet[0] >> 4 != 6:
        return None
    if packet[6:8] != bytes((ICMPV6, HOPS)) or packet[40:42] != bytes((SOLICITATION, 0)):
        return None
    kinds = _options(packet[48:end])
    source = int.from_bytes(packet[8:24], "big")
    if kinds is None or (not source and SOURCE_LINK_LAYER in kinds):
        return None
    return Solicitor(int.from_bytes(frame[6:12], "big"), source)


def _options(data: bytes) -> set[int] | None:
    """The kinds of all options, None when one has no length or is cut off."""
    kinds = set()
    while data:
        if len(data) < 2 or not 0 < data[1] * 8 <= len(data):
            return None
        kinds.add(data[0])
        data = data[data[1] * 8 :]
    return kinds


def write(router: Router, eth_dst: int, dst: int, lifetimes: Lifetimes = USUAL) -> Iterator[bytes]:
    """The frames of a router's advertisement; several where it has more prefixes than one holds (RFC 4861, 6.2.3)."""
    for first in range(0, max(len(router.prefixes), 1), MOST):
        flags = (MANAGED if router.managed else 0) | (OTHER if router.other else 0)
        head = struct.pack("!BBHII", GUESTS_HOPS, flags, router.lifetime, 0, 0)
        options = [
            struct.pack("!BB6s", SOURCE_LINK_LAYER, 1, router.mac.to_bytes(6, "big")),
            struct.pack("!BBHI", MTU, 1, 0, router.mtu),
            *(_prefix(prefix, lifetimes) for prefix in router.prefixes[first : first + MOST]),
            *_servers(router.servers[:MOST], lifetimes),
        ]
        yield _frame(router, eth_dst, dst, head + b"".join(options))


def _prefix(prefix: Prefix, lifetimes: Lifetimes) -> bytes:
    flags = ON_LINK | (AUTONOMOUS if prefix.autonomous else 0)
    head = struct.pack("!BBBBIII", PREFIX, 4, prefix.length, flags, lifetimes.valid, lifetimes.preferred, 0)
    return head + prefix.value.to_bytes(16, "big")


def _servers(servers: tuple[int, ...], lifetimes: Lifetimes) -> Iterator[bytes]:
    if servers:
        head = struct.pack("!BBHI", DNS, 1 + 2 * len(servers), 0, lifetimes.servers)
        yield head + b"".join(server.to_bytes(16, "big") for server in servers)


def _frame(router: Router, eth_dst: int, dst: int, body: bytes) -> bytes:
    ends = router.address.to_bytes(16, "big") + dst.to_bytes(16, "big")
    length = 4 + len(body)
    kind = bytes((ADVERTISEMENT, 0))
    checksum = _checksum(ends + struct.pack("!II", length, ICMPV6) + kind + bytes(2) + body)
    ip = struct.pack("!IHBB", 6 << 28, length, ICMPV6, HOPS) + ends
    ethernet = eth_dst.to_bytes(6, "big") + router.mac.to_bytes(6, "big") + b"\x86\xdd"
    return ethernet + ip + kind + struct.pack("!H", checksum) + body


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
