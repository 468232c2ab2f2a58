"""The journal: one entry per committed write.  Its revision is the guard that gives all processes one history."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, delete, func, select

from controller.core.net import Change
from controller.io.store.columns import KEY, REVISION, TEXT, compact_json
from controller.io.store.tables import RowTable


@dataclass(frozen=True, slots=True)
class Entry:
    """A committed write: its revision (1, 2, 3 ...), its time (UTC, `2026-11-20T10:33:10Z`), who asked for it, the
    request's id, and what it changed.  Changes of row classes that are not registered here are left out."""

    revision: int
    time: str
    who: str
    request_id: str
    changes: tuple[Change, ...]


class Journal:
    """The `journal` table: `changes` is JSON, a list of {"kind": class name, "old": fields or null, "new": ...}."""

    def __init__(self, metadata: MetaData, tables: Mapping[type, RowTable]) -> None:
        self._tables = tables
        self._by_name = {row_type.__name__: table for row_type, table in tables.items()}
        self.table = Table(
            "journal",
            metadata,
            Column("revision", REVISION, primary_key=True, autoincrement=False),
            Column("time", KEY, nullable=False),
            Column("who", TEXT, nullable=False),
            Column("request_id", TEXT, nullable=False),
            Column("changes", TEXT, nullable=False),
        )
        self.last = select(func.max(self.table.c.revision))

    def hold(self, connection: Connection) -> None:
        """Keep other writers out until the end of the transaction; first thing in it, before the head is read.

        SQLite has done so at BEGIN IMMEDIATE.  On MariaDB the row that tells the schema's revision is locked: it is
        always there, and locking the journal's end would lock the gap that both writers want to insert into.  Where
        no lock holds (between the nodes of a Galera cluster) the revision's primary key alone decides who was first,
        and the others run their plans again.
        """
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"LOCK TABLE {self.table.name} IN EXCLUSIVE MODE")
        elif connection.dialect.name in ("mysql", "mariadb"):
            connection.exec_driver_sql("SELECT version_num FROM alembic_version FOR UPDATE").all()

    def head(self, connection: Connection) -> int:
        """The revision of the last committed write, 0 when there is none."""
        return connection.scalar(self.last) or 0

    def append(self, connection: Connection, entries: Iterable[Entry]) -> None:
        """Write entries in one statement; IntegrityError when another process has taken one of their revisions."""
        connection.execute(self.table.insert(), [self._parameters(entry) for entry in entries])

    def read(self, connection: Connection, since: int, limit: int | None = None) -> list[Entry]:
        """The entries after revision `since`, in their order, `limit` of them at most."""
        wanted = select(self.table).where(self.table.c.revision > since).order_by(self.table.c.revision).limit(limit)
        return [self._entry(*stored) for stored in connection.execute(wanted)]

    def older(self, connection: Connection, time: str, most: int) -> int:
        """The last revision of the first entries, `most` of them at most, that are older than `time`; 0 when there is
        none.  The last entry of all never counts as old: it is the head."""
        wanted = select(self.table.c.revision, self.table.c.time).order_by(self.table.c.revision).limit(most + 1)
        found = 0
        for revision, made in connection.execute(wanted).all()[:-1]:
            if made >= time:
                break
            found = revision
        return found

    def forget(self, connection: Connection, last: int) -> None:
        """Delete the entries up to that revision."""
        connection.execute(delete(self.table).where(self.table.c.revision <= last))

    def _parameters(self, entry: Entry) -> dict[str, Any]:
        changes = [
            {"kind": change.row_type.__name__, "old": self._to_json(change.old), "new": self._to_json(change.new)}
            for change in entry.changes
        ]
        return {
            "revision": entry.revision,
            "time": entry.time,
            "who": entry.who,
            "request_id": entry.request_id,
            "changes": compact_json(changes),
        }

    def _to_json(self, row: Any) -> dict[str, Any] | None:
        return None if row is None else {name: getattr(row, name) for name in self._tables[type(row)].codecs}

    def _entry(self, revision: int, time: str, who: str, request_id: str, changes: str) -> Entry:
        return Entry(revision, time, who, request_id, tuple(self._changes(json.loads(changes))))

    def _changes(self, stored: list[dict[str, Any]]) -> Iterator[Change]:
        for change in stored:
            table = self._by_name.get(change["kind"])
            if table is not None:
                old, new = change["old"], change["new"]
                yield Change(
                    None if old is None else table.from_json(old),
                    None if new is None else table.from_json(new),
                )
