"""The store: rows and journal in one transaction, one history for all processes, nothing answered is ever lost."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import MetaData, create_engine

from controller.core.model import (
    Fault,
    FixedIp,
    Host,
    LocalVlan,
    Network,
    OfPort,
    Pool,
    Port,
    Segment,
    Sequence,
    Subnet,
)
from controller.core.net import Change, Net
from controller.core.plan import Draft, Refusal
from controller.core.row import KINDS, row
from controller.core.settings import Settings
from controller.io.store import Entry, Outcome, Store, StoreError, Unavailable
from controller.io.store.columns import codec
from controller.io.store.database import Conflict, Database, alembic_config
from controller.io.store.journal import Journal
from controller.io.store.tables import row_tables, table_name

CONFIGURED = [kind for kind in KINDS.values() if kind.ROW.store]
ROOT = Path(__file__).parents[2]


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


def put(*rows: Any) -> Callable[[Draft], Any]:
    def plan(draft: Draft) -> Any:
        for made in rows:
            draft.put(made)
        return len(rows)

    return plan


def contents(net: Net) -> dict[type, dict[Any, Any]]:
    return {kind: {kind.ROW.key(r): r for r in net.all(kind)} for kind in CONFIGURED}


def replayed(entries: Iterable[Entry]) -> Net:
    """The Net that the journal gives, applied to nothing; the revisions must be 1, 2, 3 ..."""
    net = Net()
    for expected, entry in enumerate(entries, start=1):
        assert entry.revision == expected
        for change in entry.changes:
            net.apply(change)
    return net


def take_number(draft: Draft) -> int:
    """A plan whose result depends on all plans before it."""
    sequence = draft.get(Sequence, "n") or Sequence("n")
    draft.put(replace(sequence, next=sequence.next + 1))
    return sequence.next


# ---------------------------------------------------------------------------------------------------------------------
# Rows to SQL and back

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value of a field, of the annotations that rows use."""
    if annotation in (str, int, bool):
        return {str: TEXTS, int: st.integers(-(2**63), 2**63 - 1), bool: st.booleans()}[annotation]
    arguments = get_args(annotation)
    if get_origin(annotation) is UnionType:
        return st.one_of([st.none() if part is type(None) else values_of(part) for part in arguments])
    if hasattr(annotation, "_fields"):
        return st.builds(annotation, *(values_of(hint) for hint in get_type_hints(annotation).values()))
    if arguments[-1] is Ellipsis:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    return st.tuples(*map(values_of, arguments))


def rows_of(kind: type) -> st.SearchStrategy[Any]:
    """Rows of a class with few keys, so that they meet."""
    hints = get_type_hints(kind)
    few = st.sampled_from(["a", "A", "é"])
    return st.builds(
        kind, **{f.name: few if f.name in kind.ROW.key_fields else values_of(hints[f.name]) for f in fields(kind)}
    )


ROWS = st.one_of([rows_of(kind) for kind in CONFIGURED])
STEPS = st.lists(st.lists(st.tuples(st.booleans(), ROWS), max_size=4), max_size=6)
"""Plans; a plan is a list of rows to put (True) or to remove (False)."""


def step(writes: list[tuple[bool, Any]]) -> Callable[[Draft], None]:
    def plan(draft: Draft) -> None:
        for stays, made in writes:
            draft.put(made) if stays else draft.remove(made)

    return plan


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_what_is_loaded_is_what_was_written(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/p.db"
    store = Store(url, Settings())
    expected: dict[type, dict[Any, Any]] = {kind: {} for kind in CONFIGURED}
    for writes in steps:
        store.execute(step(writes), who="test")
        for stays, made in writes:
            rows = expected[type(made)]
            rows.update({type(made).ROW.key(made): made}) if stays else rows.pop(type(made).ROW.key(made), None)
    store.close()
    again = Store(url, Settings())
    assert contents(store.net) == contents(again.net) == contents(replayed(again.journal())) == expected
    again.close()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), STEPS), max_size=5))
def test_two_stores_on_one_file_have_one_history(tmp_path_factory: pytest.TempPathFactory, turns: list[Any]) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/p.db"
    stores = Store(url, Settings()), Store(url, Settings())
    heard: tuple[list[Any], list[Any]] = ([], [])
    for store, revisions in zip(stores, heard, strict=True):
        store.subscribe(lambda revision, changes, revisions=revisions: revisions.append((revision, changes)))
    for second, steps in turns:
        for writes in steps:
            stores[second].execute(step(writes), who="test")
    assert stores[0].catch_up() == stores[1].catch_up()
    entries = list(stores[0].journal())
    assert contents(stores[0].net) == contents(stores[1].net) == contents(replayed(entries))
    assert heard[0] == heard[1] == [(entry.revision, entry.changes) for entry in entries]
    for store in stores:
        store.close()


def test_frozen_values_keep_their_types(url: str, opened: Callable[[str], Store]) -> None:
    subnet = Subnet("s", allocation_pools=(Pool("10.0.0.2", "10.0.0.9"),), dns_nameservers=("8.8.8.8",))
    host = Host("h", bridges=(("br-int", 2**64 - 1),))
    opened(url).execute(put(subnet, host), who="test")
    net = opened(url).net
    loaded = net.get(Subnet, "s")
    assert loaded == subnet
    assert loaded.allocation_pools[0].start == "10.0.0.2"
    assert loaded.enable_dhcp is True
    assert net.get(Host, "h") == host
    assert net.find(Host, "bridge", 2**64 - 1) == [host]


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


def test_a_write_is_a_row_and_a_journal_entry(opened: Callable[[str], Store]) -> None:
    store = opened("sqlite://")
    heard: list[Any] = []
    store.subscribe(lambda revision, changes: heard.append((revision, changes, store.net.get(Network, "n"))))
    old, new = Network("n", name="old"), Network("n", name="new")
    assert store.execute(put(old), who="ann", request_id="req-1") == Outcome(1, 1)
    assert store.execute(put(new), who="bob") == Outcome(2, 1)
    assert store.execute(lambda draft: draft.remove(new), who="cy") == Outcome(3, None)
    entries = list(store.journal())
    assert [(e.revision, e.who, e.request_id, e.changes) for e in entries] == [
        (1, "ann", "req-1", (Change(None, old),)),
        (2, "bob", "", (Change(old, new),)),
        (3, "cy", "", (Change(new, None),)),
    ]
    assert list(store.journal(since=2)) == entries[2:]
    assert heard == [(1, entries[0].changes, old), (2, entries[1].changes, new), (3, entries[2].changes, None)]
    assert store.revision == 3


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


def test_a_plan_that_changes_nothing_writes_nothing(opened: Callable[[str], Store]) -> None:
    store = opened("sqlite://")
    store.execute(put(Network("n")), who="test")
    heard: list[int] = []
    store.subscribe(lambda revision, changes: heard.append(revision))
    assert store.execute(put(Network("n")), who="test") == Outcome(1, 1)
    assert store.execute(lambda draft: draft.get(Network, "n"), who="test") == Outcome(1, Network("n"))
    assert (store.revision, heard, len(list(store.journal()))) == (1, [], 1)


def test_a_refusal_leaves_nothing(url: str, opened: Callable[[str], Store]) -> None:
    def refuse(draft: Draft) -> None:
        draft.put(Network("n"))
        raise Refusal("NetworkInUse", "no", 409)

    store = opened(url)
    with pytest.raises(Refusal) as refused:
        store.execute(refuse, who="test")
    assert refused.value.status == 409
    assert store.net.get(Network, "n") is None
    assert list(store.journal()) == []
    assert opened(url).net.count(Network) == 0


@pytest.mark.parametrize(
    ("made", "field"),
    [
        (Network("n", name="a\0b"), "Network.name"),
        (Network("n", description="\ud800"), "Network.description"),
        (Network("n", key=2**63), "Network.key"),
        (Host("h" * 256), "Host.name"),
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


def test_waiting_plans_are_committed_together_and_answered_apart(url: str, opened: Callable[[str], Store]) -> None:
    store = opened(url)
    running, go_on = threading.Event(), threading.Event()

    def slow(draft: Draft) -> None:
        running.set()
        assert go_on.wait(10)

    def odd_only(draft: Draft) -> int:
        taken = take_number(draft)
        number = draft.get(Sequence, "tries") or Sequence("tries")
        if draft.get(Network, "first") is not None and taken == 5 and number.next == 1:
            raise Refusal("Conflict", "five", 409)
        return taken

    answers: list[Any] = []

    def call(plan: Callable[[Draft], Any]) -> None:
        try:
            answers.append(store.execute(plan, who="test"))
        except Refusal as refusal:
            answers.append(refusal)

    threads = [threading.Thread(target=call, args=(slow,))]
    threads[0].start()
    assert running.wait(10)
    waiting = [put(Network("first")), *[odd_only] * 6, put(Sequence("tries", 2)), *[odd_only] * 3]
    for plan in waiting:
        threads.append(threading.Thread(target=call, args=(plan,)))
        threads[-1].start()
        while len(store._waiting) < len(threads):
            time.sleep(0.001)
    before = store.statements
    go_on.set()
    for thread in threads:
        thread.join(10)
    # One transaction for all: BEGIN, the head, the journal, and an INSERT each for network and sequence.
    assert store.statements - before == 5
    outcomes = sorted(answer for answer in answers if isinstance(answer, Outcome))
    # The fifth and sixth taker would be the fifth number and are refused; those after `tries` is set are not.
    assert [outcome.result for outcome in outcomes] == [None, 1, 1, 2, 3, 4, 1, 5, 6, 7]
    assert [outcome.revision for outcome in outcomes] == list(range(10))
    assert sum(isinstance(answer, Refusal) for answer in answers) == 2
    assert contents(replayed(store.journal())) == contents(store.net) == contents(opened(url).net)


def test_a_row_made_and_removed_in_one_group_is_in_the_journal_only(opened: Callable[[str], Store]) -> None:
    store = opened("sqlite://")
    running, go_on = threading.Event(), threading.Event()
    slow = threading.Thread(
        target=store.execute, args=(lambda d: running.set() or go_on.wait(10),), kwargs={"who": "t"}
    )
    slow.start()
    assert running.wait(10)
    made = Network("n")
    plans = [put(made), lambda draft: draft.remove(made)]
    threads = [threading.Thread(target=store.execute, args=(plan,), kwargs={"who": "t"}) for plan in plans]
    for count, thread in enumerate(threads, start=2):
        thread.start()
        while len(store._waiting) < count:
            time.sleep(0.001)
    go_on.set()
    for thread in (slow, *threads):
        thread.join(10)
    assert [entry.changes for entry in store.journal()] == [(Change(None, made),), (Change(made, None),)]
    assert store.net.get(Network, "n") is None


EVENTLET = """
import eventlet
eventlet.monkey_patch()
import sys
from controller.core.model import Sequence
from controller.core.settings import Settings
from controller.io.store import Store
from tests.unit.test_store import take_number

store = Store(sys.argv[1], Settings())
before = store.statements
pool = eventlet.GreenPool()
calls = [pool.spawn(store.execute, take_number, who="test") for _ in range(50)]
killed = pool.spawn(store.execute, take_number, who="test")
killed.kill()
outcomes = [call.wait() for call in calls]
assert [(o.revision, o.result) for o in outcomes] == [(n, n) for n in range(1, 51)], outcomes
print(store.statements - before, len(list(store.journal())), len(store._waiting))
"""


def test_greenlets_share_a_commit(url: str) -> None:
    ran = subprocess.run([sys.executable, "-c", EVENTLET, url], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    # 50 writes: BEGIN, the head, the journal and the row, once; nothing is left of the one that was killed.
    assert ran.stdout.split() == ["4", "50", "0"]


@pytest.mark.parametrize("size", [10, 100, 1000])
def test_a_write_costs_the_same_number_of_statements_at_any_size(opened: Callable[[str], Store], size: int) -> None:
    store = opened("sqlite://")
    costs = []
    ports = [
        Port(f"p{n}", "net", mac_address="fa:16:3e:00:00:00", fixed_ips=(FixedIp("s", f"a{n}"),)) for n in range(size)
    ]
    for plan in (
        put(*ports),
        put(*(replace(port, name="x") for port in ports)),
        put(replace(ports[0], name="y")),
        lambda draft: [draft.remove(port) for port in ports[1:]],
    ):
        before = store.statements
        store.execute(plan, who="test")
        costs.append(store.statements - before)
    assert costs == [4, 4, 4, 4]  # BEGIN, the head, the journal, the rows
    before = store.statements
    assert len(store.net.find(Port, "network_id", "net")) == 1
    assert store.statements == before
    store.catch_up()
    assert store.statements == before + 2  # BEGIN, the head


# ---------------------------------------------------------------------------------------------------------------------
# Several processes


def test_numbers_are_given_once_by_stores_that_race(url: str, opened: Callable[[str], Store]) -> None:
    stores = [opened(url) for _ in range(3)]
    taken: list[int] = []
    work = lambda store: taken.extend(store.execute(take_number, who="test").result for _ in range(40))  # noqa: E731
    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == list(range(1, 121))
    assert {store.catch_up() for store in stores} == {120}
    assert {store.net.get(Sequence, "n") for store in stores} == {Sequence("n", 121)}


def test_a_plan_sees_what_another_process_has_committed(url: str, opened: Callable[[str], Store]) -> None:
    ours, theirs = opened(url), opened(url)
    theirs.execute(put(Network("n")), who="test")
    assert ours.net.get(Network, "n") is None
    assert ours.execute(lambda draft: draft.get(Network, "n"), who="test") == Outcome(1, Network("n"))


def test_a_taken_revision_is_a_conflict_and_takes_all_back(tmp_path: Path) -> None:
    database, metadata = Database(f"sqlite:///{tmp_path}/p.db"), MetaData()
    tables = row_tables(metadata)
    journal = Journal(metadata, tables)
    database.prepare(metadata)
    entry = Entry(1, "now", "test", "", (Change(None, Network("n")),))
    with database.transaction() as connection:
        journal.append(connection, [entry])

    def write_again() -> None:
        with database.transaction() as connection:
            connection.execute(tables[Network].insert, [tables[Network].encode(Network("n"))])
            journal.append(connection, [entry])

    with pytest.raises(Conflict):
        write_again()
    with database.transaction(only_reads=True) as connection:
        assert journal.head(connection) == 1
        assert list(tables[Network].load(connection)) == []
    database.close()


def test_the_journal_is_read_in_pages(opened: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.io.store.store.PAGE", 3)
    store = opened("sqlite://")
    for _ in range(7):
        store.execute(take_number, who="test")
    entries = store.journal(since=1)
    assert next(entries).revision == 2
    store.execute(take_number, who="test")  # between two pages
    assert [entry.revision for entry in entries] == [3, 4, 5, 6, 7, 8]


def test_entries_of_other_versions_are_read(tmp_path: Path, url: str, opened: Callable[[str], Store]) -> None:
    opened(url).execute(put(Network("n")), who="test")
    changes = [
        {"kind": "Network", "old": None, "new": {"id": "m", "colour": "red"}},
        {"kind": "Unheard", "old": None, "new": {"id": "u"}},
    ]
    with sqlite3.connect(tmp_path / "deep/er/patchbay.db") as raw:
        raw.execute("INSERT INTO journal VALUES (2, 'now', 'they', '', ?)", [json.dumps(changes)])
    raw.close()
    (entry,) = opened(url).journal(since=1)
    assert entry.changes == (Change(None, Network("m")),)


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


WRITER = """
import sys
from controller.core.settings import Settings
from controller.io.store import Store
from tests.unit.test_store import take_number

store = Store(sys.argv[1], Settings())
while True:
    print(store.execute(take_number, who="test").revision, flush=True)
"""


def test_a_killed_process_loses_nothing_it_has_answered(url: str, opened: Callable[[str], Store]) -> None:
    answered = 0
    for round in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, url], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        assert int(writer.stdout.readline()) > answered
        time.sleep(0.02 + 0.037 * round)
        os.kill(writer.pid, signal.SIGKILL)
        lines = [line for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        writer.wait(10)
        answered = int(lines[-1]) if lines else answered + 1
        store = opened(url)
        assert answered <= store.revision <= answered + 1  # one may have been committed and not yet answered
        assert contents(replayed(store.journal())) == contents(store.net)
        assert store.net.get(Sequence, "n") == Sequence("n", store.revision + 1)
        answered = store.revision


def test_every_commit_is_synced(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/p.db")
    database.prepare(MetaData())
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


def test_the_migrations_give_the_tables_of_the_rows() -> None:
    metadata = MetaData()
    Journal(metadata, row_tables(metadata))
    with create_engine("sqlite://").begin() as connection:
        command.upgrade(alembic_config(connection), "head")
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        command.upgrade(alembic_config(connection), "head")  # and a second time changes nothing


def test_the_rows_of_a_new_app_get_their_table(url: str, opened: Callable[[str], Store]) -> None:
    opened(url).execute(put(Network("n")), who="test")
    try:

        @row(key="id", store=True)
        class StoreTestExtra:
            id: str
            size: int | None = None

        store = opened(url)
        store.execute(put(StoreTestExtra("x", 3)), who="test")
        assert opened(url).net.get(StoreTestExtra, "x") == StoreTestExtra("x", 3)
    finally:
        del KINDS["StoreTestExtra"]
    # Without the app its rows stay where they are and nobody minds them.
    assert [len(entry.changes) for entry in opened(url).journal()] == [1, 0]
    assert opened(url).execute(put(Fault("Port", "p", "why")), who="test").revision == 3
