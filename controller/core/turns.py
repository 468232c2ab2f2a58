"""Turns: what apps send again and again, spread over time, so that a thousand switches are never served at once.

The rows of a class stand in a ring.  A tick serves as many of them as the time since the last one is worth, from the
front, and puts them at the end; a row that came anew waits for its turn there.  Those for which there is news wait
apart, and are served first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from math import ceil
from typing import Any

from controller.core.app import App, Turn
from controller.core.net import Change, Net
from controller.core.row import key_of

LONGEST = 5.0
"""Seconds that a tick may be worth: after a pause there is no burst."""
SOON = 16.0
"""Seconds after which about two thirds of those that wait apart are served, however many they are."""


class Ring:
    """The rows of one function, in the order of their turns, and those that wait apart (`news`).

    `credit` is the time, in seconds, that all of them together have waited for the next turn.
    """

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.rows: OrderedDict[Any, None] = OrderedDict()
        self.news: OrderedDict[Any, None] = OrderedDict()
        self.credit = 0.0

    def take(self, net: Net, seconds: float) -> Iterator[Any]:
        """The rows whose turn it is, so many seconds after this was last asked."""
        for _ in range(min(ceil(len(self.news) * seconds / SOON), len(self.news))):
            key, _none = self.news.popitem(last=False)
            yield from self._serve(net, key)
        self.credit += len(self.rows) * seconds
        due, self.credit = divmod(self.credit, self.turn.seconds)
        for _ in range(min(int(due), len(self.rows))):
            yield from self._serve(net, next(iter(self.rows)))

    def _serve(self, net: Net, key: Any) -> Iterator[Any]:
        row = net.get(self.turn.scope, key)
        if row is not None and key in self.rows:
            self.rows.move_to_end(key)
            yield row


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
                if change.new is None:
                    ring.rows.pop(change.key, None)
                    ring.news.pop(change.key, None)
                elif change.old is None:
                    ring.rows[change.key] = None
            for ring in self._by_news.get(change.row_type, ()):
                row = change.old if change.new is None else change.new
                there: list[Any] = net.find(ring.turn.scope, "network_id", row.network_id)
                ring.news.update((key_of(concerned), None) for concerned in there)

    def tick(self, net: Net, now: float) -> Iterator[tuple[Turn, Any]]:
        """The functions and rows whose turn it is."""
        seconds = 0.0 if self._now is None else min(max(now - self._now, 0.0), LONGEST)
        self._now = now
        for ring in self._rings:
            for row in ring.take(net, seconds):
                yield ring.turn, row
