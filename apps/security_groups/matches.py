"""What a rule lets through, as matches: pure functions of the rule's values.

A *way* says which rules are for a packet, and by which of its fields it is checked:

- tracked ways are for stateful groups.  A packet is checked by the direction that its connection began in, which the
  connection tracker knows (ct_nw_src and the like), so one flow is for both directions of a connection;
- untracked ways are for stateless groups: a packet is checked by its own headers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from apps.security_groups.checks import ICMP, ICMPV6, number_of
from controller.core import flow as f
from controller.core.address import ip, version

EGRESS, INGRESS = 0, 1
UNTRACKED = 2
WAYS = tuple(range(4))
"""What WAY holds: the direction, and UNTRACKED."""
DIRECTIONS = {"egress": EGRESS, "ingress": INGRESS}

IPV4, IPV6 = 0x0800, 0x86DD
ETH_TYPES = {"IPv4": IPV4, "IPv6": IPV6}
VALID = (f.TRK, f.TRK | f.INV)
"""ct_state of a packet that is of a connection."""
TRANSPORTS = {6: "tcp", 17: "udp", 132: "sctp"}
"""The protocols whose ports Open vSwitch knows."""
ALL_PROTOCOLS = 0
"""`ip`: Neutron's word for any protocol, by its number."""

Match = dict[Any, int | tuple[int, int]]


def way_of(rule: Any, stateful: bool) -> int:
    """The way that a rule of a group is for."""
    return DIRECTIONS[rule.direction] | (0 if stateful else UNTRACKED)


def heads(rule: Any, way: int) -> Iterator[Match]:
    """The alternatives of what a rule wants of a packet, whoever the other side is.  None: it lets nothing through.

    Open vSwitch does not know the ports of DCCP and UDP-Lite, so a rule with such ports lets nothing through.
    """
    number = number_of(rule.protocol, rule.ethertype)
    head: Match = {"eth_type": ETH_TYPES[rule.ethertype]}
    tracked = not way & UNTRACKED
    if tracked:
        head["ct_state"] = VALID
    if number is None or number == ALL_PROTOCOLS:
        yield head
        return
    head["ct_nw_proto" if tracked else "ip_proto"] = number
    low, high = rule.port_range_min, rule.port_range_max
    if low is None and high is None:
        yield head
    elif number in (ICMP, ICMPV6):
        names = ("ct_tp_src", "ct_tp_dst") if tracked else _icmp(number)
        yield {**head, **{name: value for name, value in zip(names, (low, high), strict=True) if value is not None}}
    elif number in TRANSPORTS:
        name = "ct_tp_dst" if tracked else f"{TRANSPORTS[number]}_dst"
        for ports in masked(low, high):
            yield {**head, name: ports}


def _icmp(number: int) -> tuple[str, str]:
    name = "icmpv4" if number == ICMP else "icmpv6"
    return f"{name}_type", f"{name}_code"


@lru_cache(maxsize=1 << 10)
def masked(low: int, high: int) -> tuple[tuple[int, int], ...]:
    """The fewest (value, mask) that are together the ports from `low` to `high`."""
    found = []
    while low <= high:
        size = low & -low or 1 << 16
        while low + size - 1 > high:
            size >>= 1
        found.append((low, 0x10000 - size))
        low += size
    return tuple(found)


@lru_cache(maxsize=1 << 12)
def block(prefix: str, way: int) -> tuple[tuple[str, int | tuple[int, int]], ...]:
    """What matches that the other side is in a block of addresses (host bits are let be), with its eth_type.

    `prefix` is "address/length", or an address by itself.
    """
    text, _, length = prefix.partition("/")
    family = version(text)
    bits = 32 if family == 4 else 128
    size = int(length) if length else bits
    kind: tuple[tuple[str, int | tuple[int, int]], ...] = (("eth_type", IPV4 if family == 4 else IPV6),)
    if not way & UNTRACKED:
        kind = (*kind, ("ct_state", VALID))
    if not size:
        return kind
    end = "src" if way & INGRESS else "dst"
    name = f"ipv{family}_{end}" if way & UNTRACKED else f"ct_{'nw' if family == 4 else 'ipv6'}_{end}"
    if size == bits:
        return (*kind, (name, ip(text)))
    mask = (1 << bits) - (1 << bits - size)
    return (*kind, (name, (ip(text) & mask, mask)))
