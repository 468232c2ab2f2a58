"""The database under the store: transactions, single questions, and what is said when it is lost.

SQLite runs in WAL mode with `synchronous=FULL`: every commit is on the disk before it is answered.  NORMAL would
survive a killed process too, but a power cut could take back answered writes, and with them addresses and keys that
switches and guests already use.  Requests that wait are committed in groups, so they share the cost of a sync.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import PoolProxiedConnection

from controller.io.store import engines


class StoreError(Exception):
    """The store can't be opened: a bad URL, an unreachable database, a schema we don't know.  One line of text."""


class Unavailable(Exception):
    """The database is lost or refuses.  Nothing in memory has changed; the write may be tried again later.

    As with every database, a write that was cut while it was being committed may turn out to have been done; the
    next write or `Store.catch_up` then finds it in the journal.
    """


class Lost(Unavailable):
    """The connection broke before anything was to be committed, as one that the server has ended long ago does at its
    first statement.  A new connection may do."""


class Conflict(Exception):
    """Another process has committed first; the transaction was taken back and may be tried again."""


class Database:
    """One transaction, and beside it one question, at a time.  `statements` counts the SQL statements run so far;
    `shared` tells whether other processes can write to it (SQLite in memory is ours alone)."""

    def __init__(self, url: str) -> None:
        self.statements = 0
        try:
            self._url = engines.parse(url)
        except (ArgumentError, ValueError) as error:
            example = "sqlite:////var/lib/patchbay.db"
            raise StoreError(f"database {url!r} is not a database URL, such as {example}") from error
        self.name = self._url.render_as_string(hide_password=True)
        self._file = engines.sqlite_file(self._url)
        self.shared = self._file is not None or not engines.is_sqlite(self._url)
        self._inode = 0
        self._asking: PoolProxiedConnection | None = None
        try:
            self.engine: Engine = engines.transactions(self._url, self._count)
            self._questions = engines.questions(self._url)
        except (ArgumentError, NoSuchModuleError, ValueError, ImportError, OSError) as error:
            raise StoreError(f"database {self.name}: {error}") from error
        self._driver_error: type[Exception] = self.engine.dialect.loaded_dbapi.Error
        self._reader = self.engine.execution_options(only_reads=True)

    @contextmanager
    def transaction(self, *, only_reads: bool = False) -> Iterator[Connection]:
        """A transaction over one snapshot.  Raises Conflict, Lost or Unavailable, taken back; commits otherwise."""
        self._check_file()
        committing = False
        try:
            with (self._reader if only_reads else self.engine).begin() as connection:
                yield connection
                committing = True
        except DBAPIError as error:
            if engines.lost_a_race(error):
                raise Conflict(engines.reason(error)) from error
            raise self._unavailable(error, error.connection_invalidated and not committing) from error
        except OSError as error:  # drivers let some errors of their sockets through
            raise self._unavailable(error, not committing) from error

    def ask(self, question: str) -> Any:
        """One value, outside of any transaction, over a kept connection.  Raises Unavailable.

        It goes to the driver as it is: SQLAlchemy's way would cost a read more than SQLite itself does.
        """
        kept = self._asking is not None
        try:
            if self._asking is None:
                self._asking = self._questions.raw_connection()
            cursor = self._asking.cursor()
            self._count()
            cursor.execute(question)
            (answer,) = cursor.fetchone() or (None,)
            cursor.close()
        except (DBAPIError, OSError, self._driver_error) as error:
            self._forget_connection()
            if kept and not engines.timed_out(error):
                return self.ask(question)
            raise self._unavailable(error, False) from error
        return answer

    def opened(self) -> None:
        """Remember which file it is.  Raises StoreError when there is none."""
        if self._file is not None:
            self._inode = self._file.stat().st_ino

    def close(self) -> None:
        self._forget_connection()
        self._questions.dispose()
        self.engine.dispose()

    def _forget_connection(self) -> None:
        connection, self._asking = self._asking, None
        if connection is not None:
            connection.invalidate()

    def _unavailable(self, error: BaseException, lost: bool) -> Unavailable:
        kind = Lost if lost and not engines.timed_out(error) else Unavailable
        return kind(f"database {self.name}: {engines.reason(error)}")

    def _count(self) -> None:
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
