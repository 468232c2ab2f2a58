"""Addresses as the numbers that flows hold."""

from __future__ import annotations

from functools import lru_cache

from netaddr import IPAddress


@lru_cache(maxsize=1 << 12)
def mac(text: str) -> int:
    """The number of a MAC address as rows have it: "fa:16:3e:00:00:01" -> 0xfa163e000001."""
    return int(text.replace(":", ""), 16)


@lru_cache(maxsize=1 << 12)
def ip(text: str) -> int:
    """The number of an IPv4 or IPv6 address as rows have it."""
    return int(IPAddress(text)) if version(text) == 6 else int.from_bytes(bytes(map(int, text.split("."))), "big")


def link_local(mac: int) -> int:
    """The IPv6 address that a NIC has by its MAC address (RFC 4862, 5.3; modified EUI-64: RFC 4291, appendix A)."""
    return 0xFE80 << 112 | (mac >> 24 ^ 0x020000) << 40 | 0xFFFE << 24 | mac & 0xFFFFFF


def version(text: str) -> int:
    """4 or 6."""
    return 6 if ":" in text else 4


def ip_text(value: int, version: int) -> str:
    """The usual text of an address: 10.0.0.1, fd00::1."""
    return str(IPAddress(value, version))


def mac_text(value: int) -> str:
    """The usual text of a MAC address: lower case, colons."""
    digits = f"{value:012x}"
    return ":".join(digits[n : n + 2] for n in range(0, 12, 2))
