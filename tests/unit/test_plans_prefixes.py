"""Blocks in sets: what is left, and which block is chosen of it."""

from __future__ import annotations

import ipaddress

import netaddr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.plans import prefixes


def test_sets_of_blocks():
    assert prefixes.merged(["10.0.1.0/24", "10.0.0.0/24", "10.0.0.128/25", "9.0.0.0/8"]) == ("9.0.0.0/8", "10.0.0.0/23")
    assert prefixes.without(["10.0.0.0/23"], ["10.0.1.0/25"]) == ("10.0.0.0/24", "10.0.1.128/25")
    assert prefixes.overlap(["10.0.0.0/8"], ["11.0.0.0/8", "10.1.0.0/16"])
    assert not prefixes.overlap(["10.0.0.0/8"], ["11.0.0.0/8"])
    assert prefixes.cover(["10.0.0.0/9", "10.128.0.0/9"], ["10.0.0.0/8"])
    assert not prefixes.cover(["10.0.0.0/9"], ["10.0.0.0/8"])


@pytest.mark.parametrize(
    ("taken", "length", "found"),
    [
        ([], 24, "10.0.0.0/24"),
        ([], 16, "10.0.0.0/16"),
        ([], 15, None),
        (["10.0.0.0/24"], 24, "10.0.1.0/24"),
        (["10.0.0.0/24", "10.0.4.0/24"], 24, "10.0.1.0/24"),
        (["10.0.0.0/24", "10.0.4.0/24"], 23, "10.0.2.0/23"),
        (["10.0.0.0/24", "10.0.4.0/24"], 22, "10.0.8.0/22"),
        (["10.0.1.0/24"], 26, "10.0.0.0/26"),
        (["10.0.0.0/17", "10.0.128.0/17"], 32, None),
    ],
)
def test_the_smallest_free_block_is_used_up_first(taken, length, found):
    assert prefixes.smallest_free(["10.0.0.0/16"], taken, length, 4) == found


def test_free_blocks_of_ipv6_and_of_several_prefixes():
    pool = ["2001:db8::/48", "2001:db8:8000::/36"]
    assert prefixes.smallest_free(pool, [], 64, 6) == "2001:db8::/64"
    assert prefixes.smallest_free(pool, [], 40, 6) == "2001:db8:8000::/40"
    assert prefixes.smallest_free(["::/0"], [], 1, 6) == "::/1"
    assert prefixes.smallest_free(["0.0.0.0/0"], ["0.0.0.0/1"], 1, 4) == "128.0.0.0/1"


BLOCKS = st.tuples(st.integers(0, 1023), st.integers(22, 32)).map(
    lambda pair: ipaddress.ip_network((int(ipaddress.ip_address("10.0.0.0")) + pair[0], pair[1]), strict=False)
)


@given(st.lists(BLOCKS, max_size=8), st.lists(BLOCKS, max_size=8), st.integers(20, 32))
def test_the_choice_is_that_of_sets_of_addresses(pool, taken, length):
    """The same as netaddr's sets say: the smallest free block that has room, the first of those."""
    pool = prefixes.merged(map(str, pool))
    apart = []
    for block in map(str, taken):
        if prefixes.is_free(block, pool, apart):
            apart.append(block)
    free = netaddr.IPSet(pool) - netaddr.IPSet(apart)
    roomy = [block for block in free.iter_cidrs() if block.prefixlen <= length]
    best = max(roomy, key=lambda block: block.prefixlen, default=None)
    expected = None if best is None else str(next(best.subnet(length)))
    assert prefixes.smallest_free(pool, apart, length, 4) == expected
    for block in map(str, taken):
        assert prefixes.is_free(block, pool, apart) == netaddr.IPSet([block]).issubset(free)
