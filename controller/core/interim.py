"""Interim rows: they stand until every switch has acknowledged what follows from them.

A change that reaches several switches may need an order: what ends ends everywhere before what is new begins anywhere.
Then the plan of the change puts an interim row beside it, from which the first half follows; and when the switches have
acknowledged that, the row goes, in a write of the controller's, from which the rest follows.  The row is stored, so a
restart in between loses nothing.

The end of a row is written some time after it was proposed, and others write meanwhile.  So it names the whole row, and
an app must never put one that is equal to one that was there before: each has a field of a value of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from controller.core.convergence import NEVER, Convergence
from controller.core.effects import Propose
from controller.core.net import Change

LONGEST = 10.0
"""Seconds that an interim row stands for a switch that is connected and does not acknowledge."""
CACHED = 0.5
"""Seconds that it stands after that.  Open vSwitch acknowledges when its tables have changed; what its datapath has
cached follows when it has been looked through, which it is at once, or after `max-revalidator` (500 ms) at the most."""


class Standing(NamedTuple):
    """An interim row, the revision `since` which the row (or one before it in its place) stands, that of its last
    change, and when it was first seen.  `found`: a controller before us left it, or the row that
    it took the place of."""

    row: Any
    since: int
    revision: int
    seen: float | None = None
    found: bool = False


class Interim:
    """The interim rows that stand, and those of them whose end is proposed already."""

    def __init__(self, row_types: Iterable[type]) -> None:
        self._row_types = frozenset(row_types)
        self._standing: dict[tuple[type, Any], Standing] = {}
        self._proposed: set[tuple[type, Any]] = set()
        self._now: float | None = None
        self._starts = True

    def follow(self, changes: Iterable[Change], revision: int) -> int:
        """Take in the changes of a step; those of the first one are the stored rows.  Returns the revision whose
        second half is in the step: the oldest, NEVER when there is none."""
        oldest = NEVER
        starts, self._starts = self._starts, False
        for change in changes:
            if change.row_type not in self._row_types:
                continue
            name = change.row_type, change.key
            before = self._standing.get(name)
            self._proposed.discard(name)
            if change.new is not None:
                since, found = (before.since, before.found) if before is not None else (revision, starts)
                self._standing[name] = Standing(change.new, since, revision, self._now, found)
            elif before is not None:
                del self._standing[name]
                oldest = min(oldest, before.since)
        return oldest

    def tick(self, now: float) -> None:
        self._now = now

    @property
    def oldest(self) -> int:
        """The oldest revision of which the switches have but the first half; NEVER when there is none."""
        return next((standing.since for standing in self._standing.values()), NEVER)

    def over(self, convergence: Convergence) -> list[Propose]:
        """Propose the end of the rows that every switch has acknowledged, oldest first: none ends before those that
        were there before it did.

        Switches that are away are not waited for: they keep what they have, and nobody knows for how long.  But when we
        have just started, most of them have yet to connect."""
        if not self._standing:
            return []
        here, everywhere = convergence.paid(connected=True), convergence.paid()
        rows, in_turn = [], True
        for name, standing in self._standing.items():
            in_turn = in_turn and standing.revision <= (everywhere if standing.found else here)
            if (in_turn or self._is_late(name, standing)) and name not in self._proposed:
                self._proposed.add(name)
                rows.append(standing.row)
        return [Propose("end_interim", tuple(rows), CACHED)] if rows else []

    def _is_late(self, name: tuple[type, Any], standing: Standing) -> bool:
        """Whether it has stood for so long that we wait no more."""
        if standing.seen is None:
            self._standing[name] = standing._replace(seen=self._now)
        return self._now is not None and standing.seen is not None and self._now - standing.seen >= LONGEST
