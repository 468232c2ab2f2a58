"""The Net: all rows, indexed.  It is changed by `apply` only, one Change at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from controller.core.row import Kind, key_of

T = TypeVar("T")


class Change(NamedTuple):
    """A row made (`old` is None), replaced, or removed (`new` is None).  Both are of one class and have one key."""

    old: Any
    new: Any

    @property
    def row_type(self) -> type:
        return type(self.old if self.new is None else self.new)

    @property
    def key(self) -> Any:
        row = self.old if self.new is None else self.new
        return key_of(row)


class Net:
    """Rows by class and key, and by every declared index.  Lookups cost what they return; nothing is ever scanned."""

    __slots__ = ("_indexes", "_rows")

    def __init__(self, rows: Iterable[Any] = ()) -> None:
        self._rows: dict[type, dict[Any, Any]] = {}
        self._indexes: dict[tuple[type, str], dict[Any, dict[Any, Any]]] = {}
        for row in rows:
            self.apply(Change(None, row))

    def get(self, row_type: type[T], key: Any) -> T | None:
        """The row of that class and key, or None."""
        rows = self._rows.get(row_type)
        return rows.get(key) if rows else None

    def find(self, row_type: type[T], index: str, value: Any) -> list[T]:
        """The rows that the index has under a value, in the order of their keys."""
        listed = self._indexes.get((row_type, index))
        found = listed.get(value) if listed else None
        if not found:
            return []
        return list(map(found.__getitem__, sorted(found))) if len(found) > 1 else list(found.values())

    def all(self, row_type: type[T]) -> Iterator[T]:
        """Every row of a class, in no particular order."""
        return iter(list(self._rows.get(row_type, {}).values()))

    def count(self, row_type: type) -> int:
        return len(self._rows.get(row_type, {}))

    def has(self, row_type: type, index: str, value: Any) -> bool:
        """Whether the index has any row under a value."""
        listed = self._indexes.get((row_type, index))
        return bool(listed and listed.get(value))

    def count_of(self, row_type: type, index: str, value: Any) -> int:
        """How many rows the index has under a value."""
        listed = self._indexes.get((row_type, index))
        return len(listed.get(value, ())) if listed else 0

    def apply(self, change: Change) -> None:
        """Carry out a change.  Raises ValueError when `old` is not what is there: the history would have forked."""
        old, new = change
        row_type, key = change.row_type, change.key
        rows = self._rows.setdefault(row_type, {})
        if rows.get(key) != old:
            raise ValueError(f"{row_type.__name__} {key!r} is {rows.get(key)!r}, the change expects {old!r}")
        kind: Kind = row_type.ROW  # type: ignore[attr-defined]
        if old is not None:
            for ix in kind.indexes:
                self._unlist((row_type, ix.name), ix.values(old), key)
        if new is None:
            del rows[key]
            return
        rows[key] = new
        for ix in kind.indexes:
            listed = self._indexes.setdefault((row_type, ix.name), {})
            for value in ix.values(new):
                listed.setdefault(value, {})[key] = new

    def _unlist(self, name: tuple[type, str], values: Iterable[Any], key: Any) -> None:
        index = self._indexes.get(name, {})
        for value in values:
            found = index.get(value)
            if found is not None:
                found.pop(key, None)
                if not found:
                    del index[value]

    def change(self, row: Any) -> Change:
        """The change that puts `row` there, whatever is there now."""
        return Change(self.get(type(row), key_of(row)), row)

    def removal(self, row_type: type, key: Any) -> Change | None:
        """The change that removes a row, or None when it is not there."""
        old = self.get(row_type, key)
        return None if old is None else Change(old, None)
