"""The Store: the Net that is kept equal to the database, and the one way to write to it."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, MetaData

from controller.core import server_events
from controller.core.net import Change, Net
from controller.core.plan import Draft, Plan, Refusal
from controller.core.settings import Settings
from controller.io.store.columns import Unstorable, codec
from controller.io.store.database import Conflict, Database, Lost, StoreError, Unavailable
from controller.io.store.head import Head
from controller.io.store.journal import Entry, Journal
from controller.io.store.schema import prepare
from controller.io.store.tables import row_tables, writes

GROUP = 64
"""Plans committed together at most: enough to share the cost of a sync, few enough to answer the first one soon."""
ATTEMPTS = 30
"""How often a group is run again when another process keeps committing first."""
BACKOFF = 0.05
"""Seconds to wait at most between two of them, so that they don't go on meeting."""
PAGE = 500
"""Journal entries read at once."""
TRIMMED = 200
"""Journal entries deleted at once: others write in between."""

Listener = Callable[[int, tuple[Change, ...]], None]


class Behind(Unavailable):
    """What this process has yet to read is no longer in the journal.  Only a new start brings it up to date."""


class Outcome(NamedTuple):
    """What a write answered: the revision it is committed as (of the head, when it changed nothing) and the plan's
    own result."""

    revision: int
    result: Any


class _Request:
    """A plan that waits to be run and committed, and then what came of it."""

    def __init__(self, plan: Plan, who: str, request_id: str) -> None:
        self.plan = plan
        self.who = who
        self.request_id = request_id
        self.outcome: Outcome | None = None
        self.error: Exception | None = None

    @property
    def done(self) -> bool:
        return self.outcome is not None or self.error is not None

    def answer(self) -> Outcome:
        if self.error is not None:
            raise self.error
        assert self.outcome is not None
        return self.outcome


class _Run(NamedTuple):
    """One plan of a group, run but not committed: `entry` is None when it changed nothing or raised `error`."""

    request: _Request
    revision: int
    entry: Entry | None = None
    result: Any = None
    error: Exception | None = None


class Store:
    """Every configured row, in memory (`net`) and in the database, equal to each other after every call.

    `url` is a SQLAlchemy URL; `sqlite://` is a database in memory, and a SQLite file's missing directories are made.
    Opening it creates or migrates the schema and loads everything.  Raises StoreError.

    `net` is the store's own: others read it, and whoever keeps a Net of more than configured rows follows `subscribe`.
    """

    def __init__(self, url: str, settings: Settings) -> None:
        self.settings = settings
        self._database = Database(url)
        metadata = MetaData()
        self._tables = row_tables(metadata)
        self._journal = Journal(metadata, self._tables)
        self._head = Head(self._database, str(self._journal.last))
        self._listeners: list[Listener] = []
        self._waiting: list[_Request] = []
        self._lock = threading.Lock()
        self._text = codec(str).to_sql
        try:
            prepare(self._database, metadata)
            with self._database.transaction(only_reads=True) as connection:
                self.revision = self._journal.head(connection)
                self.net = Net(chain.from_iterable(table.load(connection) for table in self._tables.values()))
        except (StoreError, Conflict, Unavailable) as error:
            self._database.close()
            raise StoreError(str(error)) from error

    @property
    def statements(self) -> int:
        """SQL statements run so far, one for each call of the driver (1000 rows in one call are one)."""
        return self._database.statements

    @property
    def name(self) -> str:
        """The database's URL without its password."""
        return self._database.name

    @property
    def shared(self) -> bool:
        """Whether other processes can write to the database."""
        return self._database.shared

    def subscribe(self, listener: Listener) -> None:
        """Call `listener(revision, changes)` after every commit, ours or another process's, in the order of revisions.
        It runs while the store is locked: it must be quick, must not raise, and must not write."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Give the database back.  Everything answered is in it already."""
        self._database.close()

    # -----------------------------------------------------------------------------------------------------------------
    # Writing

    def execute(self, plan: Plan, *, who: str, request_id: str = "") -> Outcome:
        """Run a plan and commit what it changes, rows and journal entry in one transaction.

        Raises what the plan raises (a Refusal, say), `Refusal("InvalidInput")` for values no database can hold, and
        Unavailable; then nothing was written.  A plan may be run several times before it is committed (when another
        process commits first), so it must not have effects of its own.

        Plans that wait at the same time are committed together: whoever gets the lock serves them all.
        """
        request = _Request(plan, who, request_id)
        self._waiting.append(request)
        try:
            with self._lock:
                if not request.done:
                    time.sleep(0)  # under eventlet: let the requests that are ready join this group
                while not request.done:
                    self._serve([waiting for waiting in self._waiting if not waiting.done][:GROUP])
        finally:
            self._waiting.remove(request)
        return request.answer()

    def _serve(self, group: list[_Request]) -> None:
        """Answer every request of the group.  A caller that is killed in here leaves them waiting for the next one."""
        try:
            runs = self._commit(group)
        except Unavailable as error:
            for request in group:
                request.error = error
            return
        for run in runs:
            run.request.error = run.error
            run.request.outcome = Outcome(run.revision, run.result)
        self._adopt(run.entry for run in runs if run.entry is not None)

    def _commit(self, group: list[_Request]) -> list[_Run]:
        lost = False
        for _ in range(ATTEMPTS):
            try:
                with self._database.transaction() as connection:
                    self._journal.hold(connection)
                    self._read_on(connection)
                    runs, changes = self._run(group)
                    entries = [run.entry for run in runs if run.entry is not None]
                    if entries:
                        self._journal.append(connection, entries)  # first: it is the guard
                    for write in writes(self._tables, changes):
                        connection.execute(write.statement, write.parameters)
                return runs
            except Conflict as error:
                conflict = error
                time.sleep(random.uniform(0, BACKOFF))
            except Lost:
                if lost:
                    raise
                lost = True  # a connection that was ended while it was idle: once more, over a new one
        raise Unavailable(f"database {self._database.name}: {conflict}, {ATTEMPTS} times in a row")

    def _run(self, group: list[_Request]) -> tuple[list[_Run], tuple[Change, ...]]:
        """Run the plans one after the other, each over the rows of those before it; and what they change together."""
        together = self._draft(self.net)
        runs: list[_Run] = []
        revision = self.revision
        for request in group:
            run = self._run_one(request, cast(Net, together), revision)  # a Draft is read like a Net
            runs.append(run)
            revision = run.revision
            for change in run.entry.changes if run.entry is not None else ():
                if change.new is None:
                    together.remove(change.old)
                else:
                    together.put(change.new)
        return runs, together.changes()

    def _run_one(self, request: _Request, net: Net, head: int) -> _Run:
        draft = self._draft(net)
        try:
            result = request.plan(draft)
            server_events.note(draft)
            changes = draft.changes()
            self._check(request, changes)
        except Exception as error:  # noqa: BLE001  (whatever it is, the plan's own caller raises it)
            return _Run(request, head, error=error)
        if not changes:
            return _Run(request, head, result=result)
        entry = Entry(head + 1, draft.now, request.who, request.request_id, changes)
        return _Run(request, head + 1, entry, result)

    def _draft(self, net: Net) -> Draft:
        return Draft(net, self.settings, _text_of(datetime.now(UTC)), lambda: str(uuid.uuid4()))

    def _check(self, request: _Request, changes: tuple[Change, ...]) -> None:
        """Find what can't be written while only its own caller is hurt, and not the whole group."""
        try:
            self._text(request.who + request.request_id)
            for change in changes:
                if change.row_type not in self._tables:
                    raise TypeError(f"a plan wrote a {change.row_type.__name__}, which is not a configured row")
                if change.new is not None:
                    self._tables[change.row_type].encode(change.new)
        except Unstorable as error:
            raise Refusal("InvalidInput", f"Invalid input for operation: {error}.") from error

    # -----------------------------------------------------------------------------------------------------------------
    # Following the journal

    def fresh(self) -> None:
        """Take over what other processes have committed until now: a read after this sees every write that was
        answered before it.

        One statement when there is nothing new, none where no other process can write (SQLite in memory).  When the
        database is lost this returns at once, and `net` stays what it was.  Raises Behind.
        """
        head = self._head.ask() if self._database.shared else None
        if head is not None and head > self.revision:
            try:
                self.catch_up()
            except Behind:
                raise
            except (Unavailable, Conflict):
                return  # lost since: the next question finds and tells it

    def catch_up(self) -> int:
        """Take over what other processes have committed, and give the head's revision.  Raises Unavailable."""
        try:
            self._catch_up()
        except Lost:
            self._catch_up()
        return self.revision

    def _catch_up(self) -> None:
        with self._lock, self._database.transaction(only_reads=True) as connection:
            self._read_on(connection)

    def journal(self, since: int = 0) -> Iterator[Entry]:
        """The entries after revision `since`, oldest first, read as they are asked for.  Raises Unavailable."""
        while True:
            with self._lock, self._database.transaction(only_reads=True) as connection:
                page = self._journal.read(connection, since, PAGE)
            yield from page
            if len(page) < PAGE:
                return
            since = page[-1].revision

    def trim(self, before: datetime) -> bool:
        """Delete the first journal entries, TRIMMED of them at most, that are from before a moment (UTC).  False when
        there was none, or the database is lost; else there may be more.  The last entry of all stays."""
        with self._lock:
            try:
                with self._database.transaction(only_reads=True) as connection:
                    last = self._journal.older(connection, _text_of(before), TRIMMED)
                if last:
                    with self._database.transaction() as connection:
                        self._journal.hold(connection)
                        self._journal.forget(connection, last)
            except Conflict:
                return True  # another process has written; what was old is so still
            except Unavailable:
                return False
        return bool(last)

    def _read_on(self, connection: Connection) -> None:
        head = self._journal.head(connection)
        if head < self.revision:
            # A backup was put back under us: writing on would give two histories with the same revisions.
            raise Unavailable(
                f"database {self._database.name}: its last revision is {head}, older than {self.revision} which was "
                "committed before; restart to read it"
            )
        if head > self.revision:
            entries = self._journal.read(connection, self.revision)
            if entries[0].revision != self.revision + 1:
                raise Behind(
                    f"database {self._database.name}: its journal begins at revision {entries[0].revision}, and this "
                    f"process has read it up to {self.revision}; restart to read everything"
                )
            self._adopt(entries)

    def _adopt(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            for change in entry.changes:
                self.net.apply(change)
            self.revision = entry.revision
            for listener in self._listeners:
                listener(entry.revision, entry.changes)


def _text_of(moment: datetime) -> str:
    """A moment (UTC) as rows and the journal have it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
