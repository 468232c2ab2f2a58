"""Reads the few words of a punted packet that handlers ask for, by offset.  It never raises on what a guest sends."""

from __future__ import annotations

from typing import NamedTuple

from controller.core.address import ip_text

ARP, IPV6, VLAN = 0x0806, 0x86DD, (0x8100, 0x88A8)
ARP_HEAD = b"\x00\x01\x08\x00\x06\x04"
"""IPv4 over Ethernet, and the lengths of their addresses (RFC 826)."""
REPLY = 2
SOLICITATION, ADVERTISEMENT = b"\x87\x00", b"\x88\x00"
"""Type and code of Neighbor Solicitations and Advertisements (RFC 4861, 4.3 and 4.4)."""
ND_HEAD, TARGET_LINK_LAYER = 64, b"\x02\x01"
"""Bytes of an IPv6 packet before the options of either, and how that of the target's address begins."""


class Frame(NamedTuple):
    """An Ethernet frame: addresses as text, and `target` when it asks for the owner of an address (ARP or ND)."""

    eth_dst: str
    eth_src: str
    eth_type: int
    target: str = ""


class Claim(NamedTuple):
    """Somebody says that an address is at a MAC address; both as text."""

    mac: str
    ip: str


def parse(data: bytes) -> Frame:
    """Read a frame of any length; what is cut off or malformed reads as empty."""
    eth_type, body = _inside(data)
    return Frame(data[0:6].hex(":"), data[6:12].hex(":"), eth_type, _target(body, eth_type))


def claims(data: bytes) -> list[Claim]:
    """What an ARP packet or a Neighbor Solicitation or Advertisement says of who has which address.

    Of the sender; and of the receiver of an answer: a switch that has answered a question shows it turned round.
    """
    eth_type, body = _inside(data)
    if eth_type == ARP:
        return _arp_claims(body)
    return _nd_claims(data, body) if eth_type == IPV6 else []


def _inside(data: bytes) -> tuple[int, bytes]:
    """The type of what an Ethernet frame holds, behind its VLAN headers, and that."""
    start = 12
    eth_type = _word(data, start)
    while eth_type in VLAN:
        start += 4
        eth_type = _word(data, start)
    return eth_type, data[start + 2 :]


def _word(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "big")


def _target(body: bytes, eth_type: int) -> str:
    """The address asked for: of an ARP request (RFC 826) or a Neighbor Solicitation (RFC 4861, 4.3)."""
    if eth_type == ARP and len(body) >= 28 and body[0:8] == ARP_HEAD + b"\x00\x01":
        return _ip(body[24:28])
    if eth_type == IPV6 and len(body) >= ND_HEAD and body[6] == 58 and body[40:42] == SOLICITATION:
        return _ip(body[48:64])
    return ""


def _ip(data: bytes) -> str:
    return ip_text(int.from_bytes(data, "big"), 4 if len(data) == 4 else 6)


def _arp_claims(body: bytes) -> list[Claim]:
    if len(body) < 28 or body[0:6] != ARP_HEAD:
        return []
    ends = [(body[8:14], body[14:18])]
    if _word(body, 6) == REPLY:
        ends.append((body[18:24], body[24:28]))
    return [Claim(mac.hex(":"), _ip(ip)) for mac, ip in ends if any(ip)]


def _nd_claims(data: bytes, body: bytes) -> list[Claim]:
    kind = body[40:42]
    if len(body) < ND_HEAD or body[6] != 58 or kind not in (SOLICITATION, ADVERTISEMENT):
        return []
    if kind == SOLICITATION:
        ends = [(data[6:12], body[8:24])]
    else:
        ends = [(_target_link_layer(body) or data[6:12], body[48:64]), (data[0:6], body[24:40])]
    return [Claim(mac.hex(":"), _ip(ip)) for mac, ip in ends if any(ip)]


def _target_link_layer(body: bytes) -> bytes:
    """The MAC address in an advertisement's option, where that is the first one."""
    option = body[ND_HEAD : ND_HEAD + 8]
    return option[2:] if len(option) == 8 and option[:2] == TARGET_LINK_LAYER else b""
