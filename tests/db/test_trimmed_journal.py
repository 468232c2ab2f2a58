"""A journal whose first entries are deleted: rows and revisions stay, and who has not read them yet says so."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from controller.core.model import Network
from controller.io.store import Outcome, Store, Unavailable, engines
from controller.io.store import store as store_module
from tests.db.plans import contents, put
from tests.db.processes import Processes

Open = Callable[[str], Store]
BEFORE = datetime(2021, 1, 1)
LONG_AGO, JUST_BEFORE, AT = "2020-06-01T12:00:00Z", "2020-12-31T23:59:59Z", "2021-01-01T00:00:00Z"


def age(url: str, last: int, made: str = LONG_AGO) -> None:
    """Have the entries up to a revision been written at that time."""
    engine = create_engine(engines.parse(url))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE journal SET time = '{made}' WHERE revision <= {last}")
    engine.dispose()


def write(store: Store, *names: str) -> None:
    for name in names:
        store.execute(put(Network(name)), who="test")


def revisions(store: Store) -> list[int]:
    return [entry.revision for entry in store.journal()]


def test_old_entries_go_and_nothing_else(url: str, opened: Open) -> None:
    store = opened(url)
    write(store, "a", "b", "c", "d")
    before = contents(store.net)
    assert not store.trim(BEFORE)
    age(url, 2)
    assert store.trim(BEFORE)
    assert not store.trim(BEFORE)
    assert (revisions(store), store.revision) == ([3, 4], 4)
    assert contents(store.net) == contents(opened(url).net) == before
    assert store.execute(put(Network("e")), who="test") == Outcome(5, 1)


def test_an_entry_of_that_moment_is_not_older(url: str, opened: Open) -> None:
    store = opened(url)
    write(store, "a", "b", "c")
    age(url, 2, AT)
    age(url, 1, JUST_BEFORE)
    assert store.trim(BEFORE)
    assert revisions(store) == [2, 3]


def test_the_last_entry_stays_however_old_it_is(url: str, opened: Open) -> None:
    store = opened(url)
    assert not store.trim(BEFORE)
    write(store, "a", "b", "c")
    age(url, 3)
    assert store.trim(BEFORE)
    assert not store.trim(BEFORE)
    assert revisions(store) == [3]
    again = opened(url)
    assert again.revision == 3
    assert again.execute(put(Network("d")), who="test") == Outcome(4, 1)


def test_many_go_in_parts(url: str, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "TRIMMED", 2)
    store = opened(url)
    write(store, *"abcdef")
    age(url, 5)
    left = []
    while store.trim(BEFORE):
        left.append(revisions(store))
    assert left == [[3, 4, 5, 6], [5, 6], [6]]


def test_who_has_read_them_goes_on(url: str, opened: Open) -> None:
    ours, theirs = opened(url), opened(url)
    write(theirs, "a", "b")
    ours.fresh()
    write(theirs, "c", "d")
    age(url, 2)
    assert theirs.trim(BEFORE)
    ours.fresh()
    assert (ours.revision, contents(ours.net)) == (4, contents(theirs.net))


def test_who_has_not_read_them_says_so_and_changes_nothing(url: str, opened: Open) -> None:
    ours, theirs = opened(url), opened(url)
    write(ours, "a")
    write(theirs, "b", "c", "d")
    age(url, 3)
    assert theirs.trim(BEFORE)
    before = contents(ours.net)
    text = r"its journal begins at revision 4, and this process has read it up to 1; restart to read everything"
    for ask in (ours.fresh, ours.catch_up, lambda: write(ours, "e")):
        with pytest.raises(Unavailable, match=text):
            ask()
    assert (ours.revision, contents(ours.net)) == (1, before)
    assert revisions(theirs) == [4]
    assert contents(opened(url).net) == contents(theirs.net)


def test_a_lost_database_is_left_alone(tmp_path: Path, opened: Open) -> None:
    store = opened(f"sqlite:///{tmp_path}/p.db")
    write(store, "a", "b")
    (tmp_path / "p.db").rename(tmp_path / "moved.db")
    assert not store.trim(datetime.max)
    (tmp_path / "moved.db").rename(tmp_path / "p.db")
    assert revisions(store) == [1, 2]
    assert store.trim(datetime.max)
    assert revisions(store) == [2]


def test_a_worker_that_stood_still_for_too_long_is_replaced(tmp_path: Path, opened: Open) -> None:
    url = f"sqlite:///{tmp_path}/p.db"
    with Processes(tmp_path / "api", url, workers=1) as api:
        client = api.client()
        client.make("network", name="one")
        (stopped,) = api.workers
        os.kill(stopped, signal.SIGSTOP)
        store = opened(url)
        for name in ("two", "three"):
            store.execute(put(Network(name, name=name)), who="test")
        age(url, store.revision)
        assert store.trim(BEFORE)
        os.kill(stopped, signal.SIGCONT)
        api.wait(lambda: api.workers and stopped not in api.workers, "another worker")
        names = {network["name"] for network in api.client()("GET", "/v2.0/networks").body["networks"]}
        assert names == {"one", "two", "three"}
        assert "restart to read everything" in api.log
        assert "a bug of its own" not in api.log
