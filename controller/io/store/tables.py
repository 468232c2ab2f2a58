"""One SQL table for every configured row class: derived from the class, never declared a second time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, NamedTuple, get_type_hints

from sqlalchemy import Column, Connection, MetaData, Table, bindparam, select
from sqlalchemy.sql import Executable

import controller.core.accounts
import controller.core.model  # noqa: F401  (both register rows in KINDS)
from controller.core.net import Change
from controller.core.row import KINDS
from controller.io.store.columns import Codec, Unstorable, codec

OLD_KEY = "old_"
"""Prefix of the parameters that name the row an UPDATE or DELETE is about."""


class Write(NamedTuple):
    """A statement and the rows it is run for; all rows of one class and kind of change share one."""

    statement: Executable
    parameters: list[dict[str, Any]]


class RowTable:
    """The table of a row class: `insert`, `update` and `delete` statements, and rows to parameters and back."""

    def __init__(self, row_type: type, metadata: MetaData) -> None:
        self.row_type = row_type
        self.key_fields: tuple[str, ...] = row_type.ROW.key_fields  # type: ignore[attr-defined]
        hints = get_type_hints(row_type)
        names = [field.name for field in fields(row_type)]
        self.codecs: dict[str, Codec] = {name: codec(hints[name], key=name in self.key_fields) for name in names}
        self.table = Table(table_name(row_type), metadata, *(self._column(name) for name in names))
        where = [self.table.c[name] == bindparam(OLD_KEY + name) for name in self.key_fields]
        self.insert = self.table.insert()
        self.update = self.table.update().where(*where)
        self.delete = self.table.delete().where(*where)

    def _column(self, name: str) -> Column[Any]:
        made = self.codecs[name]
        in_key = name in self.key_fields
        return Column(name, made.type, primary_key=in_key, nullable=made.nullable, autoincrement=False)

    def encode(self, row: Any) -> dict[str, Any]:
        """The row as parameters.  Raises Unstorable or TypeError, with the row class and field in the message."""
        parameters = {}
        for name, made in self.codecs.items():
            try:
                parameters[name] = made.to_sql(getattr(row, name))
            except (Unstorable, TypeError) as error:
                raise type(error)(f"{self.row_type.__name__}.{name}: {error}") from None
        return parameters

    def key_parameters(self, row: Any) -> dict[str, Any]:
        return {OLD_KEY + name: getattr(row, name) for name in self.key_fields}

    def load(self, connection: Connection) -> Iterator[Any]:
        """Every row of the table, in no particular order."""
        decoders = [(i, made.from_sql) for i, made in enumerate(self.codecs.values()) if made.from_sql is not None]
        for stored in connection.execute(select(self.table)):
            values = list(stored)
            for i, decode in decoders:
                values[i] = decode(values[i])
            yield self.row_type(*values)

    def from_json(self, values: Mapping[str, Any]) -> Any:
        """The row of a journal entry.  A field that the entry does not know yet has its default; one that the class
        no longer has is left out."""
        known = {name: made.from_json(values[name]) for name, made in self.codecs.items() if name in values}
        return self.row_type(**known)


def table_name(row_type: type) -> str:
    """`LocalVlan` -> `local_vlan`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", row_type.__name__).lower()


def row_tables(metadata: MetaData) -> dict[type, RowTable]:
    """The tables of all configured row classes that are registered now, those of apps included."""
    return {kind: RowTable(kind, metadata) for kind in KINDS.values() if kind.ROW.store}  # type: ignore[attr-defined]


def writes(tables: Mapping[type, RowTable], changes: Iterable[Change]) -> list[Write]:
    """The statements that carry the changes out: at most three per row class, however many rows there are."""
    grouped: dict[tuple[type, str], Write] = {}
    for change in changes:
        table = tables[change.row_type]
        if change.new is None:
            verb, parameters = "delete", table.key_parameters(change.old)
        elif change.old is None:
            verb, parameters = "insert", table.encode(change.new)
        else:
            verb, parameters = "update", table.encode(change.new) | table.key_parameters(change.old)
            for name in table.key_fields:
                del parameters[name]
        write = grouped.setdefault((change.row_type, verb), Write(getattr(table, verb), []))
        write.parameters.append(parameters)
    return list(grouped.values())
