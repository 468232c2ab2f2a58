"""The schema of a database: brought up to date when the store opens it, and taken back when an operator says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, create_engine, inspect
from sqlalchemy.exc import ArgumentError, DBAPIError

from controller.io.store.database import Database, StoreError
from controller.io.store.engines import reason
from controller.io.store.journal import Journal
from controller.io.store.tables import row_tables

MIGRATIONS = Path(__file__).parent.parent / "migrations"
LOCK = 0x9B
"""The number (PostgreSQL) and the name (MariaDB) of the lock that one process at a time changes the schema under."""
LOCK_SECONDS = 60
FILE_SECONDS = 10.0
"""Seconds to wait for it, on servers and for the file of SQLite."""
OURS = ("controller", "apps")
"""Packages whose tables a downgrade may drop; those of other people's packages are theirs."""


class Schema:
    """The schema of the database at a URL.  Every method raises StoreError."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def upgrade(self) -> None:
        """Run the missing revisions and make the missing tables."""
        prepare(self._database, known_tables())

    def downgrade(self, target: str) -> None:
        """Take revisions back until `target` is the last one, and drop the tables that it does not know."""
        run(self._database, lambda connection: _downgrade(connection, target))

    def revision(self) -> str | None:
        """The last revision that was run; None for a database without a schema."""
        found: list[str | None] = []
        run(self._database, lambda connection: found.append(_current(connection)))
        return found[0]

    def close(self) -> None:
        self._database.close()


def known_tables() -> MetaData:
    """The tables of all rows that are registered now, and the journal."""
    metadata = MetaData()
    Journal(metadata, row_tables(metadata))
    return metadata


def prepare(database: Database, metadata: MetaData) -> None:
    """Bring the schema up to date: run missing revisions, then create tables that are not there at all (all of them in
    a new database; those of a newly added app in an old one).  Raises StoreError."""
    run(database, lambda connection: _upgrade(connection, metadata))


def run(database: Database, change: Callable[[Connection], object]) -> None:
    """Change the schema, as one transaction where the database can, alone among all processes.  Raises StoreError."""
    engine = database.engine
    if engine.dialect.name == "postgresql":  # a snapshot would be older than the wait for the lock
        engine = engine.execution_options(isolation_level="READ COMMITTED")
    elif engine.dialect.name == "sqlite":  # others may be at it, which takes longer than any write
        engine = engine.execution_options(lock_wait=FILE_SECONDS)
    try:
        with engine.connect() as connection, _alone(connection), connection.begin():
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
            change(connection)
    except (ArgumentError, DBAPIError, OSError) as error:
        raise StoreError(f"database {database.name}: {reason(error)}") from error
    except CommandError as error:
        raise StoreError(f"database {database.name}: its schema is not one of this version's: {error}") from error
    database.opened()


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Processes that start together must not make the same tables.  SQLite's BEGIN IMMEDIATE locks by itself, and
    PostgreSQL has a lock that ends with the transaction; MariaDB's is held around it, until what was done is committed.
    """
    if connection.dialect.name not in ("mysql", "mariadb"):
        yield
        return
    connection.exec_driver_sql(f"SELECT GET_LOCK('patchbay {LOCK}', {LOCK_SECONDS})")
    connection.commit()
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.exec_driver_sql(f"SELECT RELEASE_LOCK('patchbay {LOCK}')")
            connection.commit()


def _upgrade(connection: Connection, metadata: MetaData) -> None:
    known = _current(connection) is not None
    alembic = alembic_config(connection)
    if known:
        command.upgrade(alembic, "head")
    metadata.create_all(connection)
    if not known:
        command.stamp(alembic, "head")


def _downgrade(connection: Connection, target: str) -> None:
    alembic = alembic_config(connection)
    if not target or ScriptDirectory.from_config(alembic).get_revision(target) is None:
        raise CommandError(f"there is no revision {target!r} to go back to")
    ours = _our_tables()
    command.downgrade(alembic, target)
    made = tables_at(target)
    there = set(inspect(connection).get_table_names())
    for table in reversed(ours.sorted_tables):
        if table.name in there - made:
            table.drop(connection)


def _our_tables() -> MetaData:
    """The tables of our own rows, which any of our versions would make by itself."""
    metadata = MetaData()
    for row_type, made in row_tables(metadata).items():
        if row_type.__module__.partition(".")[0] not in OURS:
            metadata.remove(made.table)
    return metadata


def tables_at(revision: str) -> set[str]:
    """The tables that the revisions up to this one make."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), revision)
        return set(inspect(connection).get_table_names())


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def alembic_config(connection: Connection) -> AlembicConfig:
    """Alembic over our migrations, working on that connection."""
    config = AlembicConfig(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
