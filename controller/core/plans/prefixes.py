"""Blocks of addresses that are given out whole: what is left of some when others are taken (subnet pools).

A prefix is the text of a block (`10.0.0.0/8`, `2001:db8::/32`); those of one set are of one IP version.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from functools import lru_cache

from netaddr import IPSet

BITS = {4: 32, 6: 128}
"""Bits of an address, by IP version."""


def merged(prefixes: Iterable[str]) -> tuple[str, ...]:
    """The same addresses in as few blocks as possible, in order."""
    return tuple(str(block) for block in IPSet(prefixes).iter_cidrs())


def overlap(some: Iterable[str], others: Iterable[str]) -> bool:
    return not IPSet(some).isdisjoint(IPSet(others))


def cover(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether `some` have all addresses that `others` have."""
    return bool(IPSet(others).issubset(IPSet(some)))


def without(some: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(block) for block in (IPSet(some) - IPSet(others)).iter_cidrs())


def is_free(prefix: str, prefixes: Iterable[str], taken: Iterable[str]) -> bool:
    """Whether a block is within one of merged prefixes and apart from what is taken."""
    first, last = span(prefix)
    inside = any(low <= first and last <= high for low, high in map(span, prefixes))
    return inside and not any(low <= last and first <= high for low, high in map(span, taken))


def smallest_free(prefixes: Iterable[str], taken: Iterable[str], length: int, version: int) -> str | None:
    """The first block of a prefix length in the smallest free block that has room for it, or None.

    `prefixes` are merged; `taken` are within them and apart from each other.  It costs what is taken.
    """
    wanted = 1 << BITS[version] - length
    best: tuple[int, int] | None = None
    for size, start in _free_blocks(sorted(map(span, prefixes)), sorted(map(span, taken))):
        if size >= wanted and (best is None or size < best[0]):
            best = size, start
            if size == wanted:
                break
    if best is None:
        return None
    return f"{ipaddress.IPv4Address(best[1]) if version == 4 else ipaddress.IPv6Address(best[1])}/{length}"


def _free_blocks(spans: list[tuple[int, int]], taken: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """(size, first address) of the largest free blocks, in the order of their addresses."""
    place = 0
    for first, last in spans:
        while place < len(taken) and taken[place][0] <= last:
            low, high = taken[place]
            yield from _blocks(first, low - 1)
            first, place = high + 1, place + 1
        yield from _blocks(first, last)


def _blocks(first: int, last: int) -> Iterator[tuple[int, int]]:
    """(size, first address) of the largest aligned blocks that a range of addresses consists of."""
    while first <= last:
        fits = 1 << (last - first + 1).bit_length() - 1
        size = min(first & -first or fits, fits)
        yield size, first
        first += size


@lru_cache(maxsize=1 << 16)
def span(prefix: str) -> tuple[int, int]:
    """The first and the last address of a block, as numbers."""
    block = ipaddress.ip_network(prefix)
    return int(block.network_address), int(block.broadcast_address)
