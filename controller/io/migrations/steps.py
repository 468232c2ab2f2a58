"""The steps that revisions are written in: the same on SQLite, PostgreSQL and MariaDB, and on tables full of rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

KEY = sa.String(255).with_variant(mysql.VARCHAR(255, collation="utf8mb4_bin"), "mysql", "mariadb")
"""Text in a primary key."""
TEXT = sa.Text().with_variant(mysql.LONGTEXT(collation="utf8mb4_bin"), "mysql", "mariadb")
"""Text of any length; tuples are stored as JSON text (`[]` is the empty one)."""
NUMBER = sa.BigInteger()
FLAG = sa.Boolean()


def create(name: str, key: dict[str, Any], *parts: dict[str, Any], nullable: tuple[str, ...] = ()) -> None:
    """Make a table, unless the store has made it by itself already.  `key` and `parts` are types by column."""
    keys = (sa.Column(column, kind, primary_key=True, autoincrement=False) for column, kind in key.items())
    rest = (sa.Column(c, kind, nullable=c in nullable) for part in parts for c, kind in part.items())
    op.create_table(name, *keys, *rest, if_not_exists=True)


def drop(*names: str) -> None:
    """Take tables away, those that are not there too."""
    for name in names:
        op.drop_table(name, if_exists=True)


def add_column(table: str, name: str, kind: Any, value: Any, *, nullable: bool = False) -> None:
    """Add a column, which has `value` in the rows that are there.  Give the field of the row class the same default:
    it is what older journal entries are read with."""
    op.add_column(table, sa.Column(name, kind, nullable=True))
    if value is not None:
        op.execute(sa.update(sa.table(table, sa.column(name, kind))).values({name: value}))
    if not nullable:
        with op.batch_alter_table(table) as batch:
            batch.alter_column(name, existing_type=kind, nullable=False)


def drop_column(table: str, name: str) -> None:
    with op.batch_alter_table(table) as batch:
        batch.drop_column(name)
