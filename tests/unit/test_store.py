"""The store without a server: rows and columns, and what is SQLite's own.  tests/db has what every database must do."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData

from controller.core.model import Host, LocalVlan, Network, Segment
from controller.core.net import Net
from controller.core.observed import OfPort
from controller.core.plan import Refusal
from controller.core.settings import Settings
from controller.io.store import Store, StoreError, Unavailable
from controller.io.store.columns import codec
from controller.io.store.database import Database
from controller.io.store.schema import prepare
from controller.io.store.tables import row_tables, table_name
from tests.db.plans import CONFIGURED, contents, put, take_number


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/deep/er/patchbay.db"


@pytest.fixture
def opened() -> Iterator[Callable[[str], Store]]:
    stores: list[Store] = []

    def open_store(url: str) -> Store:
        stores.append(Store(url, Settings()))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


# ---------------------------------------------------------------------------------------------------------------------
# Rows to SQL and back


def test_tables_are_named_and_keyed_by_their_rows() -> None:
    tables = row_tables(MetaData())
    assert set(tables) == set(CONFIGURED)
    assert table_name(LocalVlan) == "local_vlan"
    assert [column.name for column in tables[LocalVlan].table.primary_key] == ["host", "network_id"]
    assert tables[Segment].table.c.segmentation_id.nullable
    assert not tables[Segment].table.c.network_type.nullable


@pytest.mark.parametrize(
    "annotation", [float, dict[str, str], int | str, tuple, tuple[float, ...], tuple[str, ...] | None]
)
def test_a_field_that_has_no_column_is_refused(annotation: Any) -> None:
    with pytest.raises(TypeError, match=r"stored field|can't be None"):
        codec(annotation)


# ---------------------------------------------------------------------------------------------------------------------
# Executing plans


def test_the_draft_has_the_time_ids_and_settings(opened: Callable[[str], Store]) -> None:
    store = opened("sqlite://")
    before = time.time()
    plan = lambda draft: (draft.now, draft.new_id(), draft.new_id(), draft.settings, draft.put(Network("n")))  # noqa: E731
    now, first, second, given_settings, _ = store.execute(plan, who="test").result
    moment = time.mktime(time.strptime(now, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert before - 1 <= moment <= time.time()
    assert len(first) == 36
    assert first != second
    assert given_settings is store.settings
    assert next(store.journal()).time == now


@pytest.mark.parametrize(
    ("made", "field"),
    [
        (Network("n", name="a\0b"), "Network.name"),
        (Network("n", description="\ud800"), "Network.description"),
        (Network("n", key=2**63), "Network.key"),
        (Host("h" * 256), "Host.name"),
        (Host("h "), "Host.name"),
    ],
)
def test_values_no_database_holds_are_refused(opened: Callable[[str], Store], made: Any, field: str) -> None:
    store = opened("sqlite://")
    with pytest.raises(Refusal, match=field) as refused:
        store.execute(put(Network("good"), made), who="test")
    assert (refused.value.type, refused.value.status) == ("InvalidInput", 400)
    assert contents(store.net) == contents(Net())
    assert store.revision == 0


@pytest.mark.parametrize(
    "made", [OfPort(1, 1, "tap"), Network("n", name=None), Network("n", mtu="9"), Network("n", admin_state_up=1)]
)
def test_a_plan_that_writes_a_wrong_row_hurts_its_caller_only(opened: Callable[[str], Store], made: Any) -> None:
    store = opened("sqlite://")
    with pytest.raises(TypeError, match=type(made).__name__):
        store.execute(put(Network("good"), made), who="test")
    assert store.revision == 0
    assert store.execute(put(Network("good")), who="test").revision == 1


# ---------------------------------------------------------------------------------------------------------------------
# Several processes


# ---------------------------------------------------------------------------------------------------------------------
# Losing the database


def test_a_locked_database_is_unavailable_and_comes_back(tmp_path: Path, opened: Callable[[str], Store]) -> None:
    store = opened(f"sqlite:///{tmp_path}/p.db?timeout=0.05")
    store.execute(put(Network("n")), who="test")
    before = contents(store.net)
    other = sqlite3.connect(tmp_path / "p.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        store.execute(put(Network("m")), who="test")
    assert contents(store.net) == before
    assert store.revision == 1
    other.execute("ROLLBACK")
    other.close()
    assert store.execute(put(Network("m")), who="test").revision == 2


def test_a_failed_commit_is_taken_back(tmp_path: Path, opened: Callable[[str], Store]) -> None:
    store = opened(f"sqlite:///{tmp_path}/p.db")
    with sqlite3.connect(tmp_path / "p.db") as raw:
        raw.execute("ALTER TABLE network RENAME TO elsewhere")
    with pytest.raises(Unavailable, match="no such table"):
        store.execute(put(Network("n")), who="test")
    assert contents(store.net) == contents(Net())
    assert list(store.journal()) == []
    raw.execute("ALTER TABLE elsewhere RENAME TO network")
    raw.close()
    assert store.execute(put(Network("n")), who="test").revision == 1


def test_a_file_that_was_moved_away_is_noticed(tmp_path: Path, opened: Callable[[str], Store]) -> None:
    path = tmp_path / "p.db"
    store = opened(f"sqlite:///{path}")
    path.rename(tmp_path / "away.db")
    with pytest.raises(Unavailable, match="No such file"):
        store.execute(put(Network("n")), who="test")
    path.write_bytes((tmp_path / "away.db").read_bytes())
    with pytest.raises(Unavailable, match="replaced"):
        store.execute(put(Network("n")), who="test")
    (tmp_path / "away.db").rename(path)
    assert store.execute(put(Network("n")), who="test").revision == 1


def test_an_older_database_is_not_written_to(tmp_path: Path, opened: Callable[[str], Store]) -> None:
    store = opened(f"sqlite:///{tmp_path}/p.db")
    for _ in range(2):
        store.execute(take_number, who="test")
    with sqlite3.connect(tmp_path / "p.db") as raw:
        raw.execute("DELETE FROM journal WHERE revision = 2")
    raw.close()
    with pytest.raises(Unavailable, match="last revision is 1, older than 2"):
        store.execute(take_number, who="test")


def test_every_commit_is_synced(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/p.db")
    prepare(database, MetaData())
    with database.transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
    database.close()


# ---------------------------------------------------------------------------------------------------------------------
# Opening


def not_a_database(tmp_path: Path) -> str:
    (tmp_path / "p.db").write_text("this is not a database, but it is long enough to be looked at by SQLite" * 20)
    return f"sqlite:///{tmp_path}/p.db"


def under_a_file(tmp_path: Path) -> str:
    (tmp_path / "file").touch()
    return f"sqlite:///{tmp_path}/file/p.db"


def from_the_future(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/p.db"
    Store(url, Settings()).close()
    with sqlite3.connect(tmp_path / "p.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    return url


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: "nonsense", "'nonsense' is not a database URL"),
        (lambda _: "", "'' is not a database URL"),
        (lambda _: "nosuch://host/db", "nosuch"),
        (lambda _: "oracle://ann:secret@host/db", r"oracle://ann:\*\*\*@host/db: No module named"),
        (lambda _: "sqlite:////tmp/p.db?timeout=soon", "could not convert"),
        (lambda path: f"sqlite:///{path}", "unable to open database file"),
        (not_a_database, "file is not a database"),
        (under_a_file, "file"),
        (from_the_future, "its schema is not one of this version's: .*9999"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(tmp_path: Path, make: Callable[[Path], str], message: str) -> None:
    with pytest.raises(StoreError, match=message) as failed:
        Store(make(tmp_path), Settings())
    assert "\n" not in str(failed.value)
    assert "secret" not in str(failed.value)
