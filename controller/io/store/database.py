"""The database under the store: the engine, its transactions, its schema, and what can go wrong with it.

SQLite runs in WAL mode with `synchronous=FULL`: every commit is on the disk before it is answered.  NORMAL would
survive a killed process too, but a power cut could take back answered writes, and with them addresses and keys that
switches and guests already use.  Requests that wait are committed in groups, so they share the cost of a sync.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.pool import StaticPool

MIGRATIONS = Path(__file__).parent.parent / "migrations"
LOCK_WAIT = 2.0
"""Seconds that SQLite waits for another process's write before it says so."""
MYSQL_DEADLOCK = 1213
"""Also what a Galera cluster answers when another node has committed first."""
SERIALIZATION_STATES = ("40001", "40P01")
"""SQLSTATEs of serialization failure and deadlock: the transaction did not happen and may be tried again."""


class StoreError(Exception):
    """The store can't be opened: a bad URL, an unreachable database, a schema we don't know.  One line of text."""


class Unavailable(Exception):
    """The database is lost or refuses.  Nothing in memory has changed; the write may be tried again later.

    As with every database, a write that was cut while it was being committed may turn out to have been done; the
    next write or `Store.catch_up` then finds it in the journal.
    """


class Conflict(Exception):
    """Another process has committed first; the transaction was taken back and may be tried again."""


class Database:
    """An engine with one transaction at a time.  `statements` counts the SQL statements run so far."""

    def __init__(self, url: str) -> None:
        self.statements = 0
        self._url = _parse(url)
        self.name = self._url.render_as_string(hide_password=True)
        self._file = _sqlite_file(self._url)
        self._inode = 0
        self._engine = self._make_engine()
        self._reader = self._engine.execution_options(only_reads=True)

    @contextmanager
    def transaction(self, *, only_reads: bool = False) -> Iterator[Connection]:
        """A transaction over one snapshot.  Raises Conflict or Unavailable, taken back; commits otherwise."""
        self._check_file()
        try:
            with (self._reader if only_reads else self._engine).begin() as connection:
                yield connection
        except DBAPIError as error:
            if _lost_a_race(error):
                raise Conflict(_reason(error)) from error
            raise Unavailable(f"database {self.name}: {_reason(error)}") from error

    def prepare(self, metadata: MetaData) -> None:
        """Bring the schema up to date: run missing migrations, then create tables that are not there at all (all of
        them in a new database; those of a newly added app in an old one).  Raises StoreError."""
        try:
            try:
                self._migrate(metadata)
            except DBAPIError:
                self._migrate(metadata)  # another process may have made the same tables at the same time
        except DBAPIError as error:
            raise StoreError(f"database {self.name}: {_reason(error)}") from error
        except CommandError as error:
            raise StoreError(f"database {self.name}: its schema is not one of this version's: {error}") from error
        if self._file is not None:
            self._inode = self._file.stat().st_ino

    def close(self) -> None:
        self._engine.dispose()

    def _migrate(self, metadata: MetaData) -> None:
        with self._engine.begin() as connection:
            known = MigrationContext.configure(connection).get_current_revision() is not None
            alembic = alembic_config(connection)
            if known:
                command.upgrade(alembic, "head")
            metadata.create_all(connection)
            if not known:
                command.stamp(alembic, "head")

    def _make_engine(self) -> Engine:
        try:
            if self._url.get_backend_name() != "sqlite":
                engine = create_engine(self._url, isolation_level="REPEATABLE READ", pool_pre_ping=True, pool_size=1)
            elif self._file is None:
                engine = create_engine(self._url, poolclass=StaticPool, connect_args={"check_same_thread": False})
            else:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                wait = float(str(self._url.query.get("timeout", LOCK_WAIT)))
                engine = create_engine(self._url, pool_size=1, connect_args={"timeout": wait})
        except (ArgumentError, NoSuchModuleError, ValueError, ImportError, OSError) as error:
            raise StoreError(f"database {self.name}: {error}") from error
        event.listen(engine, "before_cursor_execute", self._count)
        if self._url.get_backend_name() == "sqlite":
            event.listen(engine, "connect", _sqlite_connect)
            event.listen(engine, "begin", _sqlite_begin)
        return engine

    def _count(self, *_: Any) -> None:
        self.statements += 1

    def _check_file(self) -> None:
        """SQLite goes on writing to a file that was moved away or deleted, and the writes would be lost with it."""
        if self._file is None:
            return
        try:
            inode = os.stat(self._file).st_ino
        except OSError as error:
            raise Unavailable(f"database {self.name}: {error.strerror}") from error
        if inode != self._inode:
            raise Unavailable(f"database {self.name}: the file was replaced by another one; restart to read it")


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:
        raise StoreError(f"database {url!r} is not a database URL, such as sqlite:////var/lib/patchbay.db") from error


def _sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite URL; None for other databases and for SQLite in memory."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def _sqlite_connect(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver would begin by itself, and only at the first INSERT
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _sqlite_begin(connection: Connection) -> None:
    """A writer takes the lock before it reads the journal's head: upgrading a read lock later could be refused."""
    only_reads = connection.get_execution_options().get("only_reads")
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


def _lost_a_race(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    code = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return isinstance(error, IntegrityError) or state in SERIALIZATION_STATES or code == MYSQL_DEADLOCK


def _reason(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())


def alembic_config(connection: Connection) -> AlembicConfig:
    """Alembic over our migrations, working on that connection."""
    config = AlembicConfig(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
