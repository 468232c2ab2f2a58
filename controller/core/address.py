"""Addresses as the numbers that flows hold."""

from __future__ import annotations

from functools import lru_cache

from netaddr import EUI, IPAddress


@lru_cache(maxsize=1 << 16)
def mac(text: str) -> int:
    """The number of a MAC address: "fa:16:3e:00:00:01" -> 0xfa163e000001."""
    return int(EUI(text))


@lru_cache(maxsize=1 << 16)
def ip(text: str) -> int:
    """The number of an IPv4 or IPv6 address."""
    return int(IPAddress(text))


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
