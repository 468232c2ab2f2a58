"""The history of the schema, up and down, on every database, with rows in it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, MetaData, create_engine, inspect, text

from apps.port_security import PortSecurity
from controller.core.model import LocalVlan, Network, Port, Segment
from controller.core.row import KINDS, row
from controller.core.settings import Settings
from controller.io.store import Schema, Store, StoreError, engines, schema
from controller.io.store.schema import known_tables
from tests.db.plans import CONFIGURED, contents, empty, put, rows_of

Contents = dict[str, dict[Any, dict[str, Any]]]

LATER = """
from controller.io.migrations.steps import FLAG, KEY, NUMBER, TEXT, add_column, create, drop, drop_column

revision = "later"
down_revision = "{head}"

def upgrade():
    add_column("network", "colour", TEXT, "r\u00f6d")
    add_column("network", "weight", NUMBER, None, nullable=True)
    add_column("local_vlan", "seen", FLAG, True)
    create("colour", {{"id": KEY}}, {{"name": TEXT}})

def downgrade():
    drop("colour")
    drop_column("local_vlan", "seen")
    drop_column("network", "weight")
    drop_column("network", "colour")
"""
"""A revision of a version to come: the tests below don't wait for one."""


def history() -> list[str]:
    """The revisions, oldest first."""
    with create_engine("sqlite://").connect() as connection:
        script = ScriptDirectory.from_config(schema.alembic_config(connection))
        return [found.revision for found in script.walk_revisions()][::-1]


HISTORY = history()
HEAD = HISTORY[-1]


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """Migrations with one revision more than there are, `later`."""
    shutil.copytree(schema.MIGRATIONS, tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "migrations/versions/later.py").write_text(LATER.format(head=HEAD))
    return tmp_path / "migrations"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = create_engine(engines.parse(url))
    yield made
    made.dispose()


@pytest.fixture
def database(url: str) -> Iterator[Schema]:
    made = Schema(url)
    yield made
    made.close()


def stored(engine: Engine) -> Contents:
    """Every row of every table as it is there, read by the database's own description of itself."""
    there = MetaData()
    there.reflect(engine)
    found: Contents = {}
    with engine.connect() as connection:
        for name, table in there.tables.items():
            rows = connection.execute(table.select()).mappings()
            found[name] = {tuple(str(r[c.name]) for c in table.primary_key): dict(r) for r in rows}
    del found["alembic_version"]
    return found


def tables_of(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def columns_of(engine: Engine) -> dict[str, set[str]]:
    looked = inspect(engine)
    return {name: {column["name"] for column in looked.get_columns(name)} for name in looked.get_table_names()}


def reduced(rows: Contents, columns: dict[str, set[str]]) -> Contents:
    """What of these rows a schema with these columns can hold."""
    return {
        table: {key: {c: v for c, v in r.items() if c in columns[table]} for key, r in keyed.items()}
        for table, keyed in rows.items()
        if table in columns
    }


def differences(engine: Engine, metadata: MetaData) -> list[Any]:
    """What the database and the row classes don't agree on, but for wholly new tables, which the store makes."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [found for found in compare_metadata(context, metadata) if found[0] != "add_table"]


def test_the_revisions_give_the_tables_of_the_rows_and_take_them_back(engine: Engine) -> None:
    metadata = known_tables()
    for _ in range(2):
        with engine.begin() as connection:
            schema.command.upgrade(schema.alembic_config(connection), "head")
        assert differences(engine, metadata) == []
        made = tables_of(engine)
        with engine.begin() as connection:
            schema.command.upgrade(schema.alembic_config(connection), "head")  # a second time changes nothing
        assert tables_of(engine) == made
        with engine.begin() as connection:
            schema.command.downgrade(schema.alembic_config(connection), "base")
        assert tables_of(engine) <= {"alembic_version"}


def test_a_new_database_has_what_the_revisions_give(database: Schema, engine: Engine) -> None:
    """A new database is made from the row classes, and stamped as if all revisions had been run."""
    database.upgrade()
    assert database.revision() == HEAD
    assert differences(engine, known_tables()) == []


EVERY_KIND = st.tuples(*[st.lists(rows_of(kind), max_size=2) for kind in CONFIGURED])


@settings(
    max_examples=2, phases=[Phase.generate], deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(EVERY_KIND)
def test_rows_survive_the_way_down_and_up_again(
    url: str, database: Schema, engine: Engine, later: Path, drawn: tuple[list[Any], ...]
) -> None:
    database.upgrade()
    store = Store(empty(url), Settings())
    store.execute(put(*(made for rows in drawn for made in rows)), who="test")
    store.close()
    before, newest = stored(engine), columns_of(engine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", later)
        database.upgrade()
        for target in reversed(HISTORY):
            database.downgrade(target)
            assert database.revision() == target
            older = columns_of(engine)
            assert reduced(stored(engine), newest) == reduced(before, older)
            if target == HEAD:
                again = Store(url, Settings())
                assert contents(again.net) == contents(store.net)
                again.close()
            database.upgrade()
            assert database.revision() == "later"
            assert reduced(stored(engine), older) == reduced(before, older)
        database.downgrade(HEAD)


def test_a_new_column_has_its_value_in_old_rows(url: str, database: Schema, engine: Engine, later: Path) -> None:
    store = Store(url, Settings())
    store.execute(put(Network("n", name="one"), LocalVlan("h", "n", 7)), who="test")
    store.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", later)
        for _ in range(2):  # what was written meanwhile is not there after the way down and up
            database.upgrade()
            network, vlan = stored(engine)["network"]["n",], stored(engine)["local_vlan"]["h", "n"]
            assert (network["name"], network["colour"], network["weight"]) == ("one", "r\u00f6d", None)
            assert (vlan["vid"], bool(vlan["seen"])) == (7, True)
            with engine.begin() as connection:
                connection.execute(text("UPDATE network SET colour = 'blue'"))
                connection.execute(text("INSERT INTO colour VALUES ('b', 'blue')"))
            database.downgrade(HEAD)
            assert "colour" not in tables_of(engine)


def test_a_segment_of_the_first_schema_is_as_old_as_its_network(url: str, database: Schema, engine: Engine) -> None:
    store = Store(url, Settings())
    store.execute(
        put(Network("n", created_at="then"), Segment("s", "n", "vxlan"), Segment("t", "gone", "gre")), who="t"
    )
    store.close()
    database.downgrade("0001")
    assert "created_at" not in columns_of(engine)["segment"]
    database.upgrade()
    times = {key: (row["created_at"], row["updated_at"]) for key, row in stored(engine)["segment"].items()}
    assert times == {("s",): ("then", "then"), ("t",): ("", "")}


def test_a_downgrade_drops_our_tables_that_no_older_revision_makes(
    url: str, database: Schema, engine: Engine, later: Path
) -> None:
    try:

        @row(key="id", store=True)
        class SchemaTestOurs:
            id: str

        @row(key="id", store=True)
        class SchemaTestTheirs:
            id: str

        SchemaTestOurs.__module__ = "controller.core.model"
        store = Store(url, Settings())
        store.execute(put(SchemaTestOurs("o"), SchemaTestTheirs("t")), who="test")
        store.close()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(schema, "MIGRATIONS", later)
            database.upgrade()
            database.downgrade(HEAD)
        assert "schema_test_ours" not in tables_of(engine)
        assert stored(engine)["schema_test_theirs"] == {("t",): {"id": "t"}}
    finally:
        del KINDS["SchemaTestOurs"], KINDS["SchemaTestTheirs"]


@pytest.mark.parametrize("target", ["base", "nosuch", ""])
def test_there_is_no_way_to_where_nothing_is(url: str, database: Schema, engine: Engine, target: str) -> None:
    store = Store(url, Settings())
    store.execute(put(Network("n")), who="test")
    store.close()
    with pytest.raises(StoreError, match="revision") as refused:
        database.downgrade(target)
    assert "\n" not in str(refused.value)
    assert list(stored(engine)["network"]) == [("n",)]
    assert database.revision() == HEAD


def test_ports_from_before_security_groups_are_not_protected(url: str, database: Schema) -> None:
    """They send and get what they did; an operator may protect them."""
    database.upgrade()
    store = Store(empty(url), Settings())
    store.execute(put(Network("n"), Port("p", network_id="n")), who="test")
    assert PortSecurity.enabled(store.net, "p")
    store.close()
    database.downgrade(HISTORY[0])
    database.upgrade()
    again = Store(url, Settings())
    assert not PortSecurity.enabled(again.net, "p")
    again.close()


def test_an_empty_database_has_no_revision(database: Schema) -> None:
    assert database.revision() is None


def test_processes_that_start_together_make_one_schema(url: str, engine: Engine) -> None:
    failed: list[Exception] = []

    def start() -> None:
        try:
            Store(url, Settings()).close()
        except StoreError as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert differences(engine, known_tables()) == []
