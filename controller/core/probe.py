"""Probes: packets of our own that go the way of a port's packets, through the real tables, and reach no guest.

A probe is a Neighbor Advertisement (RFC 4861, 4.4) of what a port has by its MAC address alone, its link-local address.
It enters as a packet-out in the name of the port's VIF, and `deliver` gives it to the controller instead of a guest.
It is known by RESERVED, in bits that receivers ignore, so it is known on another host as well; the register bit PROBE
tells ours from a guest's, which the source guard drops.  A Nonce option (RFC 3971, 5.3.2) tells which one it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from controller.core.address import link_local, mac
from controller.core.derived import LocalPort
from controller.core.effects import PacketOut
from controller.core.flow import Resubmit
from controller.core.model import Port
from controller.core.packet import ETH_IPV6, ICMPV6, NEIGHBOR_ADVERTISEMENT, TARGET_LINK_ADDRESS, Packet
from controller.core.pipeline import PROBE, load

RESERVED = 0x00504250
"""The reserved bits of the advertisement, all flags (router, solicited, override) 0."""
SIGN: dict[str, int] = {
    "eth_type": ETH_IPV6,
    "ip_proto": ICMPV6,
    "icmpv6_type": NEIGHBOR_ADVERTISEMENT,
    "icmpv6_code": 0,
    "nd_reserved": RESERVED,
}
"""What matches a probe on every switch."""
NONCE_BITS = 48
_NONCE_OPTION = b"\x0e\x01"
_AT = 14 + 40 + 24 + 8
"""Where the Nonce option is in the frame: behind Ethernet, IPv6, the advertisement and its link-layer address."""


def frame(source: int, target: int, nonce: int) -> bytes:
    """The bytes of a probe from one MAC address to another."""
    ends = link_local(source).to_bytes(16, "big") + link_local(target).to_bytes(16, "big")
    said = RESERVED.to_bytes(4, "big") + link_local(source).to_bytes(16, "big")
    options = bytes([TARGET_LINK_ADDRESS, 1]) + source.to_bytes(6, "big") + _NONCE_OPTION + nonce.to_bytes(6, "big")
    body, kind = said + options, bytes([NEIGHBOR_ADVERTISEMENT, 0])
    length = len(kind) + 2 + len(body)
    checksum = _checksum(ends + length.to_bytes(4, "big") + bytes([0, 0, 0, ICMPV6]) + kind + body)
    head = b"\x60\0\0\0" + length.to_bytes(2, "big") + bytes([ICMPV6, 255])
    ethernet = target.to_bytes(6, "big") + source.to_bytes(6, "big") + ETH_IPV6.to_bytes(2, "big")
    return ethernet + head + ends + kind + checksum.to_bytes(2, "big") + body


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def nonce_of(data: bytes) -> int | None:
    """Which probe a frame is; None for any other frame, of whatever bytes."""
    if data[_AT : _AT + 2] != _NONCE_OPTION or len(data) < _AT + 8:
        return None
    return int.from_bytes(data[_AT + 2 : _AT + 8], "big")


def packet(source: int, target: int, in_port: int) -> Packet:
    """A probe as the switch sees it where it enters."""
    own = link_local(source)
    ends = {"in_port": in_port, "eth_src": source, "eth_dst": target, "ipv6_src": own, "ipv6_dst": link_local(target)}
    said = {"nd_target": own, "nd_tll": source, "nd_options_type": TARGET_LINK_ADDRESS}
    return Packet({**SIGN, **ends, **said, PROBE.wire: 1 << PROBE.offset})


def sent(net: Any, source: str, target: str, nonce: int) -> Iterator[PacketOut]:
    """The packet-out of a probe from one port (its id) to another one, where the first is plugged."""
    local, one, other = net.get(LocalPort, source), net.get(Port, source), net.get(Port, target)
    if local is not None and one is not None and other is not None:
        data = frame(mac(one.mac_address), mac(other.mac_address), nonce)
        yield PacketOut(local.dpid, data, (load(PROBE, 1), Resubmit(0)), local.ofport)
