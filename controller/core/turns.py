"""Turns: what apps send again and again, spread over time, so that a thousand switches are never served at once.

The rows of a class stand in a ring.  A tick serves as many of them as the time since the last one is worth, from the
front, and puts them at the end; a row that came anew waits for its turn there.  Those for which there is news wait
apart, and are served first.  One whose switch is away has no turn; its news waits until the switch is back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from math import ceil
from typing import Any, NamedTuple

from controller.core.app import App, Turn
from controller.core.net import Change, Net
from controller.core.observed import Session
from controller.core.row import key_of

LONGEST = 5.0
"""Seconds that a tick may be worth: after a pause there is no burst."""
SOON = 16.0
"""Seconds after which about two thirds of those that wait apart are served, however many they are."""
REMEMBERED = 64
"""Rows, as they were before they changed, that are remembered for one row that waits; older ones are forgotten."""

Before = tuple[Any, ...]
"""Rows as they were before they changed, oldest first."""


class Due(NamedTuple):
    """A row whose turn it is: what is called, for which row, and how rows of the classes in `soon` were before they
    changed or went, since it last was (nothing, where there is no news)."""

    turn: Turn
    row: Any
    before: Before = ()


class Ring:
    """The rows of one function, in the order of their turns, and those that wait apart: with `news`, or (by switch)
    with news that was `missed` while the switch was away.

    `credit` is the time, in seconds, that all of them together have waited for the next turn.
    """

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.rows: OrderedDict[Any, None] = OrderedDict()
        self.news: OrderedDict[Any, Before] = OrderedDict()
        self.missed: dict[int, dict[Any, Before]] = {}
        self.credit = 0.0

    def follow(self, change: Change) -> None:
        """A row came, changed or went."""
        if change.new is None:
            self.rows.pop(change.key, None)
            self.news.pop(change.key, None)
            self.missed.get(change.old.dpid, {}).pop(change.key, None)
        elif change.old is None:
            self.rows[change.key] = None

    def tell(self, key: Any, before: Before) -> None:
        """There is news for a row."""
        self.news[key] = (*self.news.get(key, ()), *before)[-REMEMBERED:]

    def back(self, dpid: int) -> None:
        """A switch is connected: it is told what it missed."""
        for key, before in self.missed.pop(dpid, {}).items():
            self.news[key] = (*before, *self.news.get(key, ()))[-REMEMBERED:]

    def take(self, net: Net, seconds: float) -> Iterator[Due]:
        """The rows whose turn it is, so many seconds after this was last asked."""
        for _ in range(min(ceil(len(self.news) * seconds / SOON), len(self.news))):
            yield from self._serve(net, next(iter(self.news)))
        self.credit += len(self.rows) * seconds
        due, self.credit = divmod(self.credit, self.turn.seconds)
        for _ in range(min(int(due), len(self.rows))):
            yield from self._serve(net, next(iter(self.rows)))

    def _serve(self, net: Net, key: Any) -> Iterator[Due]:
        news = self.news.pop(key, None)
        row = net.get(self.turn.scope, key)
        if row is None or key not in self.rows:
            return
        self.rows.move_to_end(key)
        session = net.get(Session, row.dpid)
        if session is not None and session.connected:
            yield Due(self.turn, row, news or ())
        elif news is not None:
            missed = self.missed.setdefault(row.dpid, {})
            missed[key] = (*missed.get(key, ()), *news)[-REMEMBERED:]


class Turns:
    """The rings of all apps."""

    def __init__(self, apps: Iterable[App]) -> None:
        self._rings = [Ring(turn) for app in apps for turn in app.turns]
        self._by_scope: dict[type, list[Ring]] = {}
        self._by_news: dict[type, list[Ring]] = {}
        for ring in self._rings:
            self._by_scope.setdefault(ring.turn.scope, []).append(ring)
            if ring.turn.soon is not None:
                self._by_news.setdefault(ring.turn.soon, []).append(ring)
        self._now: float | None = None

    def follow(self, net: Net, changes: Iterable[Change]) -> None:
        """Let rows into the rings, and out of them; note those for which there is news."""
        for change in changes:
            for ring in self._by_scope.get(change.row_type, ()):
                ring.follow(change)
            for ring in self._by_news.get(change.row_type, ()):
                before = (change.old,) if change.old is not None else ()
                there: list[Any] = net.find(ring.turn.scope, "network_id", (change.new or change.old).network_id)
                for concerned in there:
                    ring.tell(key_of(concerned), before)
            if change.row_type is Session and change.new is not None and change.new.connected:
                for ring in self._rings:
                    ring.back(change.new.dpid)

    def tick(self, net: Net, now: float) -> Iterator[Due]:
        """The functions and rows whose turn it is."""
        seconds = 0.0 if self._now is None else min(max(now - self._now, 0.0), LONGEST)
        self._now = now
        for ring in self._rings:
            yield from ring.take(net, seconds)
