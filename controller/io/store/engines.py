"""The databases that the store is written for: their drivers, locks and time limits, and what their errors mean.

PostgreSQL and MariaDB are spoken to by drivers in Python alone: they wait through the standard library's sockets, and
so only the request that asked waits for a server, never the process.  SQLite waits for nothing but the disk.
"""

from __future__ import annotations

import logging
import random
import sqlite3
import time
from collections.abc import Callable
from getpass import getuser
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.pool import StaticPool

logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
"""It would print a traceback for every dead connection that it fails to close; what is lost is told in one line."""

DRIVERS = {"postgresql": "pg8000", "mysql": "pymysql", "mariadb": "pymysql"}
"""What a URL without a driver means.  A driver in C (psycopg) works, too, but holds up the whole process."""
LOCK_WAIT = 2.0
"""Seconds that a writer waits for another process's write before it says so."""
ANSWER = 5.0
"""Seconds without an answer (to connecting, too) after which a server is taken as lost; longer than LOCK_WAIT."""
STALLED = 10
"""Seconds after which a server ends a transaction whose process has stopped in the middle of it."""
POLL = 0.01
"""Seconds at most between two looks at SQLite's lock."""

DUPLICATE = "23505"
SERIALIZATION = ("40001", "40P01")
"""SQLSTATEs of serialization failure and deadlock: the transaction did not happen and may be tried again."""
SERVER_GOES = ("08", "57P")
"""How SQLSTATEs begin when the server ends the connection: broken, or it shuts down or starts."""
MYSQL_DEADLOCK = 1213
"""Also what a Galera cluster answers when another node has committed first."""
MYSQL_SERVER_GOES = (1053, 1152, 1927)
"""The server shuts down, or has ended the connection."""


def parse(url: str) -> URL:
    """The URL, with the driver that we mean where it names none.  Raises ArgumentError or ValueError."""
    parsed = make_url(url)
    driver = DRIVERS.get(parsed.drivername)
    if driver is not None:
        parsed = parsed.set(drivername=f"{parsed.drivername}+{driver}")
    if parsed.drivername == "postgresql+pg8000" and parsed.username is None:
        parsed = parsed.set(username=getuser())  # as PostgreSQL's own programs do
    return parsed


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite URL; None for other databases and for SQLite in memory."""
    if not is_sqlite(url) or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def transactions(url: URL, count: Callable[[], None]) -> Engine:
    """An engine for transactions over one snapshot each; `count` is called for every SQL statement."""
    if not is_sqlite(url):
        engine = _server(url, isolation_level="REPEATABLE READ")
    elif (file := sqlite_file(url)) is None:
        engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        _sqlite(engine, 0.0, count)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, pool_size=1, connect_args={"timeout": POLL})
        _sqlite(engine, float(str(url.query.get("timeout", LOCK_WAIT))), count)
    event.listen(engine, "before_cursor_execute", lambda *_: count())
    return engine


def questions(url: URL) -> Engine:
    """An engine whose connections are outside of any transaction, for single statements."""
    if is_sqlite(url):
        return create_engine(url, isolation_level="AUTOCOMMIT", connect_args={"check_same_thread": False})
    return _server(url, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)


def _server(url: URL, **options: Any) -> Engine:
    """No ping before use, which would cost every write a round trip: a dead connection tells itself by its first
    statement, and then nothing was written yet (`database.Lost`)."""
    driver = url.get_driver_name()
    limits: dict[str, Any] = {}
    if driver == "pg8000":
        session = {"lock_timeout": int(LOCK_WAIT * 1000), "idle_in_transaction_session_timeout": STALLED * 1000}
        limits = {"timeout": ANSWER, "startup_params": {name: str(value) for name, value in session.items()}}
    elif driver == "pymysql":
        session_sql = f"SET SESSION innodb_lock_wait_timeout = {int(LOCK_WAIT)}"
        session_sql += f" /*M!100300 , SESSION idle_transaction_timeout = {STALLED} */"
        limits = {"connect_timeout": ANSWER, "read_timeout": ANSWER, "write_timeout": ANSWER}
        limits["init_command"] = session_sql
    elif driver == "psycopg":
        limits = {"connect_timeout": int(ANSWER)}
    engine = create_engine(url, pool_size=1, connect_args=limits, **options)
    if driver == "pg8000":
        engine.dialect.use_insertmanyvalues_wo_returning = True  # many rows, one trip
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "handle_error", _notice_the_end)
    return engine


def _connect(dialect: Any, _: Any, places: Any, options: Any) -> Any:
    try:
        return dialect.connect(*places, **options)
    except (TypeError, ValueError) as error:  # what the URL's query says is handed to the driver as it is
        raise ArgumentError(f"the driver can't make sense of the URL: {error}") from error


def _notice_the_end(context: ExceptionContext) -> None:
    """Know a dead connection where the driver's dialect doesn't: socket errors, and the server's own good-bye."""
    error = context.original_exception
    code = error.args[0] if error.args else None
    if isinstance(error, OSError) or _state(error).startswith(SERVER_GOES) or code in MYSQL_SERVER_GOES:
        context.is_disconnect = True


def lost_a_race(error: DBAPIError) -> bool:
    """Whether another process has committed first, and the transaction may be tried again."""
    original = error.orig
    code = original.args[0] if original is not None and original.args else None
    again = _state(original) in (DUPLICATE, *SERIALIZATION) or code == MYSQL_DEADLOCK
    return isinstance(error, IntegrityError) or again


def timed_out(error: BaseException) -> bool:
    """Whether a server has let us wait for as long as we do: a new connection to it would wait again."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, TimeoutError) or "timed out" in str(seen):
            return True
        seen = seen.__cause__
    return False


def reason(error: BaseException) -> str:
    """What went wrong, in one line."""
    original = getattr(error, "orig", None) or error
    first = original.args[0] if original.args else ""
    text = first["M"] if isinstance(first, dict) and "M" in first else str(original) or type(original).__name__
    return " ".join(str(text).split())


def _state(error: BaseException | None) -> str:
    """The SQLSTATE of a driver's error, '' where it has none."""
    first = error.args[0] if error is not None and error.args else None
    if isinstance(first, dict):  # pg8000
        return str(first.get("C", ""))
    return str(getattr(error, "sqlstate", None) or "")


def _sqlite(engine: Engine, wait: float, count: Callable[[], None]) -> None:
    def begin(connection: Connection) -> None:
        """A writer takes the lock before it reads the journal's head: upgrading a read lock later could be refused."""
        if connection.get_execution_options().get("only_reads"):
            connection.exec_driver_sql("BEGIN")
            return
        raw: Any = connection.connection.dbapi_connection
        deadline = time.monotonic() + max(wait, connection.get_execution_options().get("lock_wait", 0.0))
        while time.monotonic() < deadline:  # SQLite would wait itself, and with it everybody in this process
            try:
                raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                time.sleep(random.uniform(0, POLL))
            else:
                count()
                return
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", _sqlite_connect)
    event.listen(engine, "begin", begin)


def _sqlite_connect(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver would begin by itself, and only at the first INSERT
    connection.execute(f"PRAGMA busy_timeout={int(LOCK_WAIT * 1000)}")  # another process may be recovering the file
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA busy_timeout={int(POLL * 1000)}")
    connection.execute("PRAGMA synchronous=FULL")
