"""The tables of the replica, with the library's own answers for less time: 100 new ports ask them thousands of times.

Replaced is only what `ovs.db` lets be replaced: the `rows` of a table, which it assigns itself for tables that come
later, an index of them, and attributes that its wrappers look up elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from ovs.db.custom_index import IndexedRows, MultiColumnIndex
from ovs.db.idl import IdlTable, Row
from ovsdbapp.backend.ovs_idl import idlutils

from controller.io.ovsdb.columns import first


def prepare(tables: Mapping[str, IdlTable], named: tuple[str, ...]) -> None:
    """Make tables that hold no row yet fast, and the rows of those in `named` to be found by column `name`."""
    for table in tables.values():
        table.rows = Rows(table)
        table.name = table.name
        for column in table.columns.values():
            # The library's wrapper asks the schema for these, by __getattr__, each time.
            column.name, column.type = column.name, column.type
    for name in named:
        tables[name].rows.indexes[idlutils.index_name("name")] = NameIndex("name")


class Rows(IndexedRows):
    """Rows by UUID.  They are kept by its number, `uuid.int`: to hash and to compare UUIDs is Python code."""

    data: dict[int, list[Row]]

    def at(self, number: int) -> Row | None:
        held = self.data.get(number)
        return held[-1] if held else None

    def get(self, key: UUID, default: Any = None) -> Any:
        held = self.data.get(key.int)
        return held[-1] if held else default

    def __getitem__(self, key: UUID) -> Row:
        try:
            return self.data[key.int][-1]
        except KeyError:
            raise KeyError(key) from None

    def __contains__(self, key: object) -> bool:
        return isinstance(key, UUID) and key.int in self.data

    def __iter__(self) -> Iterator[UUID]:
        return (held[-1].uuid for held in self.data.values())

    def __setitem__(self, key: UUID, item: Row) -> None:
        self.data.setdefault(key.int, []).append(item)
        for index in self.indexes.values():
            index.add(item)

    def __delitem__(self, key: UUID) -> None:
        held = self.data[key.int]
        row = held.pop()
        if not held:
            del self.data[key.int]
        for index in self.indexes.values():
            index.remove(row)


class NameIndex(MultiColumnIndex):
    """Rows by column `name`, in no order.  The library's own index is sorted, and compares rows by Python code."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.add_column("name")

    def add(self, row: Row) -> None:
        name = name_of(row)
        if name is not None:
            self._rows.setdefault(name, []).append(row)

    def remove(self, row: Row) -> None:
        name = name_of(row)
        held = self._rows.get(name, [])
        if row in held:
            held.remove(row)
        if not held:
            self._rows.pop(name, None)

    def clear(self) -> None:
        self._rows: dict[str | None, list[Row]] = {}

    def irange(self, start: Any, end: Any) -> Iterator[Row]:
        """The rows of one name: `start` and `end` are equal."""
        return iter(tuple(self._rows.get(start.name, ()))) if start.name == end.name else iter(())


def name_of(row: Row) -> str | None:
    """A row's name within the transaction; a new row may have none yet."""
    if row._changes or row._data is None:
        return getattr(row, "name", None)
    return first(row, "name")
