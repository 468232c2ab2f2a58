"""Turns: each row is served once in its interval, and however many there are, never all at once."""

from __future__ import annotations

import pytest

from controller.core.app import Turn
from controller.core.model import NetworkOnSwitch, Subnet
from controller.core.net import Change, Net
from controller.core.turns import LONGEST, Turns


class Sender:
    """An app as Turns sees it."""

    def __init__(self) -> None:
        self.turns = [Turn("test.send", NetworkOnSwitch, 400.0, lambda net, row: (), Subnet)]


def crowd(size: int) -> tuple[Net, Turns]:
    net, turns = Net(), Turns([Sender()])
    changes = [Change(None, NetworkOnSwitch(n, f"n{n % 3}", f"h{n}", "INT", 1)) for n in range(size)]
    for change in changes:
        net.apply(change)
    turns.follow(net, changes)
    list(turns.tick(net, 0.0))
    return net, turns


def served(net: Net, turns: Turns, seconds: range) -> list[list[int]]:
    return [[row.dpid for _, row in turns.tick(net, float(now))] for now in seconds]


@pytest.mark.parametrize("size", [1, 7, 400, 10_000])
def test_everybody_is_served_once_in_the_interval_and_evenly(size):
    net, turns = crowd(size)
    ticks = served(net, turns, range(1, 801))
    counts = {dpid: sum(dpid in tick for tick in ticks) for dpid in range(0, size, max(1, size // 20))}
    assert set(counts.values()) == {2}
    assert max(map(len, ticks)) <= size // 400 + 1


def test_after_a_pause_there_is_no_burst():
    net, turns = crowd(10_000)
    (tick,) = served(net, turns, range(3600, 3601))
    assert len(tick) <= 10_000 / 400 * LONGEST


def test_a_clock_that_goes_back_serves_nobody():
    net, turns = crowd(10_000)
    served(net, turns, range(100, 102))
    assert served(net, turns, range(50, 51)) == [[]]


def test_who_is_gone_is_served_no_more_and_who_came_is():
    net, turns = crowd(4)
    gone, new = net.get(NetworkOnSwitch, (2, "n2")), NetworkOnSwitch(9, "n0", "h9", "INT", 1)
    changes = [Change(gone, None), Change(None, new)]
    for change in changes:
        net.apply(change)
    turns.follow(net, changes)
    flat = [dpid for tick in served(net, turns, range(1, 401)) for dpid in tick]
    assert sorted(flat) == [0, 1, 3, 9]


def test_those_of_a_network_with_news_come_first_and_not_all_at_once():
    net, turns = crowd(3000)
    turns.follow(net, [Change(None, Subnet("s", network_id="n1"))])
    ticks = served(net, turns, range(1, 101))
    concerned = [[dpid for dpid in tick if dpid % 3 == 1] for tick in ticks]
    assert len({dpid for tick in concerned for dpid in tick}) == 1000
    assert max(map(len, ticks)) < 80
    assert sum(map(len, concerned[:16])) > 600
