"""A plan decides a write: a pure function of a request and the Net, giving rows to write or a Refusal.

A plan takes a Draft, looks rows up in it, puts and removes rows, and returns what the caller is told.  The store runs
it while holding the journal's head and commits the draft's changes together with their journal entry, so uniqueness
and allocation are decided once.  A plan that raises Refusal leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from controller.core.caller import NOBODY, Caller
from controller.core.net import Change, Net
from controller.core.row import SIDES, key_of
from controller.core.settings import Settings

if TYPE_CHECKING:
    from controller.core.resource_set import ResourceSet

T = TypeVar("T")

Plan = Callable[["Draft"], Any]


class Refusal(Exception):
    """Why a request can't be done.  `type` and `status` are Neutron's exception name and HTTP status code."""

    def __init__(self, type: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.type = type
        self.message = message
        self.status = status


class Draft:
    """The Net as it would be: the committed rows with this plan's own changes over them.

    `now` is the time of the write (UTC, `2026-11-20T10:33:10Z`); `new_id` gives fresh UUIDs; `settings` is what the
    operator configured; `caller` is whose request it is, and `resources` what there is for clients.
    """

    def __init__(
        self, net: Net, settings: Settings, now: str, new_id: Callable[[], str], caller: Caller = NOBODY
    ) -> None:
        self._net = net
        self._over: dict[tuple[type, Any], Any] = {}
        self._made = Net()
        self.settings = settings
        self.now = now
        self.new_id = new_id
        self.caller = caller
        self.resources: ResourceSet | None = None

    @property
    def committed(self) -> Net:
        """The rows as they were before this plan."""
        return self._net

    def get(self, row_type: type[T], key: Any) -> T | None:
        name = (row_type, key)
        return self._over[name] if name in self._over else self._net.get(row_type, key)

    def find(self, row_type: type[T], index: str, value: Any) -> list[T]:
        """The rows an index has under a value, own changes included, in the order of their keys."""
        kind = row_type.ROW  # type: ignore[attr-defined]
        found = {kind.key(row): row for row in self._net.find(row_type, index, value)}
        if self._over:
            found = {key: row for key, row in found.items() if (row_type, key) not in self._over}
            found |= {kind.key(row): row for row in self._made.find(row_type, index, value)}
        return [found[key] for key in sorted(found)]

    def all(self, row_type: type[T]) -> list[T]:
        """Every row of a class; costs what it returns, so it is for lists and never for a check on one row."""
        kind = row_type.ROW  # type: ignore[attr-defined]
        found = {kind.key(row): row for row in self._net.all(row_type)}
        for (over_type, key), row in self._over.items():
            if over_type is row_type:
                found.pop(key, None)
                if row is not None:
                    found[key] = row
        return list(found.values())

    def put(self, row: T) -> T:
        """Make the row, or replace the one with its key."""
        kind = type(row).ROW  # type: ignore[attr-defined]
        self._made.apply(self._made.change(row))
        self._over[type(row), kind.key(row)] = row
        return row

    def count_of(self, row_type: type, index: str, value: Any) -> int:
        """How many rows an index has under a value, own changes included.  It costs what this plan changed."""
        (declared,) = (ix for ix in row_type.ROW.indexes if ix.name == index)  # type: ignore[attr-defined]

        def counts(row: Any) -> int:
            return int(row is not None and value in declared.values(row))

        mine = ((self._net.get(row_type, key), row) for (kind, key), row in self._over.items() if kind is row_type)
        return self._net.count_of(row_type, index, value) + sum(counts(new) - counts(old) for old, new in mine)

    def remove(self, row: Any) -> None:
        """Take the row away, and its side rows with it."""
        key = key_of(row)
        for side_type in SIDES.get(type(row), ()):
            side = self.get(side_type, key)
            if side is not None:
                self.remove(side)
        made = self._made.removal(type(row), key)
        if made is not None:
            self._made.apply(made)
        self._over[type(row), key] = None

    def changes(self) -> tuple[Change, ...]:
        """What the plan changed, in the order of its first touch; rows put back as they were are left out."""
        pairs = ((self._net.get(row_type, key), row) for (row_type, key), row in self._over.items())
        return tuple(Change(old, new) for old, new in pairs if old != new)
