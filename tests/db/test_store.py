"""The store on every database: rows and journal in one transaction, one history for all processes, nothing answered is
ever lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import MetaData, create_engine

from controller.core.model import Fault, FixedIp, Host, Network, Pool, Port, Sequence, Subnet
from controller.core.net import Change
from controller.core.plan import Draft, Refusal
from controller.core.row import KINDS, row
from controller.core.settings import Settings
from controller.io.store import Entry, Outcome, Store, engines
from controller.io.store.database import Conflict, Database
from controller.io.store.journal import Journal
from controller.io.store.schema import known_tables, prepare
from controller.io.store.tables import row_tables
from tests.db.plans import CONFIGURED, STEPS, contents, empty, put, put_into, replayed, step, take_from, take_number

ROOT = Path(__file__).parents[2]
Open = Callable[[str], Store]
ONE_DATABASE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
"""Every example empties the test's database first."""

EVENTLET = """
import eventlet
eventlet.monkey_patch()
import sys
from controller.core.model import Sequence
from controller.core.settings import Settings
from controller.io.store import Store
from tests.db.plans import take_number

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


WRITER = """
import sys
from controller.core.settings import Settings
from controller.io.store import Store
from tests.db.plans import take_number

store = Store(sys.argv[1], Settings())
while True:
    print(store.execute(take_number, who="test").revision, flush=True)
"""


@settings(max_examples=12, deadline=None, suppress_health_check=ONE_DATABASE)
@given(STEPS)
def test_what_is_loaded_is_what_was_written(url: str, steps: list[Any]) -> None:
    Store(url, Settings()).close()
    store = Store(empty(url), Settings())
    expected: dict[type, dict[Any, Any]] = {kind: {} for kind in CONFIGURED}
    for writes in steps:
        store.execute(step(writes), who="test")
        for stays, made in writes:
            put_into(expected, made) if stays else take_from(expected, made)
    store.close()
    again = Store(url, Settings())
    assert contents(store.net) == contents(again.net) == contents(replayed(again.journal())) == expected
    again.close()


@settings(max_examples=8, deadline=None, suppress_health_check=ONE_DATABASE)
@given(st.lists(st.tuples(st.booleans(), STEPS), max_size=5))
def test_two_stores_on_one_database_have_one_history(url: str, turns: list[Any]) -> None:
    Store(url, Settings()).close()
    empty(url)
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


def test_frozen_values_keep_their_types(url: str, opened: Open) -> None:
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


def test_a_write_is_a_row_and_a_journal_entry(url: str, opened: Open) -> None:
    store = opened(url)
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


def test_a_plan_that_changes_nothing_writes_nothing(url: str, opened: Open) -> None:
    store = opened(url)
    store.execute(put(Network("n")), who="test")
    heard: list[int] = []
    store.subscribe(lambda revision, changes: heard.append(revision))
    assert store.execute(put(Network("n")), who="test") == Outcome(1, 1)
    assert store.execute(lambda draft: draft.get(Network, "n"), who="test") == Outcome(1, Network("n"))
    assert (store.revision, heard, len(list(store.journal()))) == (1, [], 1)


def test_a_refusal_leaves_nothing(url: str, opened: Open) -> None:
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


def test_waiting_plans_are_committed_together_and_answered_apart(url: str, opened: Open) -> None:
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


def test_a_row_made_and_removed_in_one_group_is_in_the_journal_only(url: str, opened: Open) -> None:
    store = opened(url)
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


def test_greenlets_share_a_commit(url: str) -> None:
    ran = subprocess.run([sys.executable, "-c", EVENTLET, url], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    # 50 writes: BEGIN, the head, the journal and the row, once; nothing is left of the one that was killed.
    assert ran.stdout.split() == ["4", "50", "0"]


@pytest.mark.parametrize("size", [10, 100, 1000])
def test_a_write_costs_the_same_number_of_statements_at_any_size(url: str, opened: Open, size: int) -> None:
    store = opened(url)
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
    store.fresh()
    assert store.statements == before + 1  # the head


def test_numbers_are_given_once_by_stores_that_race(url: str, opened: Open) -> None:
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


def test_a_plan_sees_what_another_process_has_committed(url: str, opened: Open) -> None:
    ours, theirs = opened(url), opened(url)
    theirs.execute(put(Network("n")), who="test")
    assert ours.net.get(Network, "n") is None
    assert ours.execute(lambda draft: draft.get(Network, "n"), who="test") == Outcome(1, Network("n"))


def test_a_taken_revision_is_a_conflict_and_takes_all_back(url: str) -> None:
    database, metadata = Database(url), MetaData()
    tables = row_tables(metadata)
    journal = Journal(metadata, tables)
    prepare(database, metadata)
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


def test_the_journal_is_read_in_pages(url: str, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.io.store.store.PAGE", 3)
    store = opened(url)
    for _ in range(7):
        store.execute(take_number, who="test")
    entries = store.journal(since=1)
    assert next(entries).revision == 2
    store.execute(take_number, who="test")  # between two pages
    assert [entry.revision for entry in entries] == [3, 4, 5, 6, 7, 8]


def test_entries_of_other_versions_are_read(url: str, opened: Open) -> None:
    opened(url).execute(put(Network("n")), who="test")
    changes = [
        {"kind": "Network", "old": None, "new": {"id": "m", "colour": "red"}},
        {"kind": "Unheard", "old": None, "new": {"id": "u"}},
    ]
    engine = create_engine(engines.parse(url))
    with engine.begin() as raw:
        entry = {"revision": 2, "time": "now", "who": "they", "request_id": "", "changes": json.dumps(changes)}
        raw.execute(known_tables().tables["journal"].insert(), [entry])
    engine.dispose()
    (entry,) = opened(url).journal(since=1)
    assert entry.changes == (Change(None, Network("m")),)


def test_a_killed_process_loses_nothing_it_has_answered(url: str, opened: Open) -> None:
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


def test_the_rows_of_a_new_app_get_their_table(url: str, opened: Open) -> None:
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
