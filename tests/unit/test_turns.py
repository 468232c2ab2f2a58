"""Turns: each row is served once in its interval, and however many there are, never all at once."""

from __future__ import annotations

import pytest

from controller.core.app import Turn
from controller.core.derived import NetworkOnSwitch
from controller.core.model import Subnet
from controller.core.net import Change, Net
from controller.core.observed import Session
from controller.core.turns import LONGEST, REMEMBERED, Turns


class Sender:
    """An app as Turns sees it."""

    def __init__(self) -> None:
        self.turns = [Turn("test.send", NetworkOnSwitch, 400.0, lambda net, row, before: (), Subnet)]


def crowd(size: int) -> tuple[Net, Turns]:
    net, turns = Net(), Turns([Sender()])
    changes = [Change(None, Session(n, "192.0.2.1")) for n in range(size)]
    changes += [Change(None, NetworkOnSwitch(n, f"n{n % 3}", f"h{n}", "INT")) for n in range(size)]
    happen(net, turns, *changes)
    list(turns.tick(net, 0.0))
    return net, turns


def happen(net: Net, turns: Turns, *changes: Change) -> None:
    for change in changes:
        net.apply(change)
    turns.follow(net, changes)


def served(net: Net, turns: Turns, seconds: range) -> list[list[int]]:
    return [[due.row.dpid for due in turns.tick(net, float(now))] for now in seconds]


def news(net: Net, turns: Turns, seconds: range) -> list[tuple[int, list[str]]]:
    """Who was served with news, and how the rows of that were before, by name."""
    due = [due for now in seconds for due in turns.tick(net, float(now)) if due.before]
    return [(one.row.dpid, [subnet.name for subnet in one.before]) for one in due]


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
    gone, new = net.get(NetworkOnSwitch, (2, "n2")), NetworkOnSwitch(9, "n0", "h9", "INT")
    happen(net, turns, Change(gone, None), Change(None, Session(9, "192.0.2.9")), Change(None, new))
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


def test_news_says_how_rows_were_before_and_is_told_once():
    net, turns = crowd(4)
    first, second = Subnet("s", network_id="n1", name="first"), Subnet("s", network_id="n1", name="second")
    happen(net, turns, Change(None, first))
    assert news(net, turns, range(1, 100)) == []
    happen(net, turns, Change(first, second), Change(second, None))
    assert news(net, turns, range(100, 120)) == [(1, ["first", "second"])]
    assert news(net, turns, range(120, 920)) == []


def test_a_turn_that_comes_before_the_news_is_told_takes_it_along():
    net, turns = crowd(1)
    happen(net, turns, Change(None, Subnet("s", network_id="n0", name="one")))
    list(turns.tick(net, 1.0))
    happen(net, turns, Change(Subnet("s", network_id="n0", name="one"), None))
    (ring,) = turns._rings
    ring.credit = 400.0
    assert [due.before[0].name for due in turns.tick(net, 1.0)] == ["one"]
    assert news(net, turns, range(2, 800)) == []


def test_news_waits_for_a_switch_that_is_away_and_nothing_else_does():
    net, turns = crowd(4)
    there, away = Session(1, "192.0.2.1"), Session(1, "192.0.2.1", False)
    happen(net, turns, Change(there, away))
    assert 1 not in {dpid for tick in served(net, turns, range(1, 801)) for dpid in tick}
    happen(net, turns, Change(away, there))
    assert sum(map(len, served(net, turns, range(801, 811)))) <= 1, "back, and nothing was missed"
    happen(net, turns, Change(there, away))
    one, two = (Subnet(name, network_id="n1", name=name) for name in ("one", "two"))
    happen(net, turns, Change(None, one), Change(None, two), Change(one, None))
    assert news(net, turns, range(811, 840)) == []
    happen(net, turns, Change(two, None), Change(away, there))
    assert news(net, turns, range(840, 850)) == [(1, ["one", "two"])]


def test_what_a_switch_missed_is_forgotten_with_it_and_never_grows_without_end():
    net, turns = crowd(4)
    there, away = Session(1, "192.0.2.1"), Session(1, "192.0.2.1", False)
    happen(net, turns, Change(there, away))
    for n in range(REMEMBERED + 5):
        made = Subnet("s", network_id="n1", name=str(n))
        happen(net, turns, Change(None, made), Change(made, None))
        list(turns.tick(net, float(n + 1)))
    (ring,) = turns._rings
    ((key, before),) = ring.missed[1].items()
    assert [subnet.name for subnet in before] == [str(n) for n in range(5, REMEMBERED + 5)]
    on = net.get(NetworkOnSwitch, key)
    happen(net, turns, Change(on, None), Change(away, there), Change(None, on))
    assert news(net, turns, range(200, 1000)) == []
