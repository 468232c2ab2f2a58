"""Columns of a row, as the host last told them.

Row's own attributes would also look for changes of an open transaction and check each value again, which for a burst of
interfaces takes longer than everything else here.  A column that holds its default may have no datum.
"""

from __future__ import annotations

from typing import Any

from ovs.db.idl import Row


def first(row: Row, column: str, otherwise: Any = "") -> Any:
    """The value of a column that has at most one."""
    datum = row._data.get(column)
    if datum is not None:
        for atom in datum.values:
            return atom.value
    return otherwise


def pairs(row: Row, column: str) -> dict[str, str]:
    """The keys and values of a map column."""
    datum = row._data.get(column)
    return {key.value: value.value for key, value in datum.values.items()} if datum is not None else {}


def references(row: Row, column: str) -> frozenset[int]:
    """The rows that a set or scalar column refers to, by the numbers of their UUIDs."""
    datum = row._data.get(column)
    return frozenset([atom.value.int for atom in datum.values]) if datum is not None else frozenset()
