"""Reads the few words of a punted packet that handlers ask for, by offset.  It never raises on what a guest sends."""

from __future__ import annotations

from typing import NamedTuple

from controller.core.address import ip_text

ARP, IPV6, VLAN = 0x0806, 0x86DD, (0x8100, 0x88A8)


class Frame(NamedTuple):
    """An Ethernet frame: addresses as text, and `target` when it asks for the owner of an address (ARP or ND)."""

    eth_dst: str
    eth_src: str
    eth_type: int
    target: str = ""


def parse(data: bytes) -> Frame:
    """Read a frame of any length; what is cut off or malformed reads as empty."""
    start = 12
    eth_type = _word(data, start)
    while eth_type in VLAN:
        start += 4
        eth_type = _word(data, start)
    return Frame(data[0:6].hex(":"), data[6:12].hex(":"), eth_type, _target(data[start + 2 :], eth_type))


def _word(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "big")


def _target(body: bytes, eth_type: int) -> str:
    """The address asked for: of an ARP request (RFC 826) or a Neighbor Solicitation (RFC 4861, 4.3)."""
    if eth_type == ARP and len(body) >= 28 and body[0:8] == b"\x00\x01\x08\x00\x06\x04\x00\x01":
        return ip_text(int.from_bytes(body[24:28], "big"), 4)
    if eth_type == IPV6 and len(body) >= 64 and body[6] == 58 and body[40:42] == b"\x87\x00":
        return ip_text(int.from_bytes(body[48:64], "big"), 6)
    return ""
