"""A process that is killed inside any step of a write leaves all of it or none, on every database."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import event

from controller.core.model import Binding, LocalVlan, Network, Port, Sequence
from controller.core.plan import Draft
from controller.core.settings import Settings
from controller.io.store import Store
from tests.db.plans import contents, replayed

STATEMENTS = 6
"""Of the write below, besides what takes the lock: the head, the journal, and what changes rows."""
Step = Callable[[str], None]


def write(draft: Draft, name: str) -> None:
    """Insert, update and delete rows of several classes."""
    number = draft.get(Sequence, "n") or Sequence("n")
    draft.put(replace(number, next=number.next + 1))
    draft.put(Network(f"n-{name}", name=name))
    for port in range(3):
        draft.put(Port(f"p-{name}-{port}", f"n-{name}"))
    for vlan in draft.all(LocalVlan):
        draft.remove(vlan)
    draft.put(Binding(name, "n", "h"))


def whole(store: Store, name: str) -> bool:
    """Whether that write is there: all of its rows and its journal entry.  Fails when there is only some of it."""
    rows = [store.net.get(Network, f"n-{name}"), store.net.get(Binding, name)]
    rows += [store.net.get(Port, f"p-{name}-{port}") for port in range(3)]
    entries = [entry for entry in store.journal() if entry.request_id == name]
    there = {made is not None for made in rows} | {len(entries) == 1}
    assert len(there) == 1, f"{name} is there in part: {rows}, {entries}"
    return there.pop()


def watched(store: Store, step: Step) -> None:
    """Call `step` with a name before and after all that a write does to the database."""
    engine = store._database.engine
    event.listen(engine, "before_cursor_execute", lambda *a: step(f"before {a[2].split()[0]}"))
    event.listen(engine, "after_cursor_execute", lambda *a: step(f"after {a[2].split()[0]}"))
    commit = engine.dialect.do_commit

    def do_commit(connection: Any) -> None:
        step("before the commit")
        commit(connection)
        step("committed")

    engine.dialect.do_commit = do_commit  # type: ignore[method-assign]
    store.subscribe(lambda revision, changes: step("told"))


def child(url: str, name: str, killed_at: int) -> list[str]:
    """Write in a process of its own, which is killed at that step; the names of the steps that it came to."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _write_and_die(url, name, killed_at, writing)
        except BaseException:  # noqa: BLE001  (nothing of pytest's may run in here)
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        steps = pipe.read().splitlines()
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) == (len(steps) == killed_at), (status, steps)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return steps


def _write_and_die(url: str, name: str, killed_at: int, pipe: int) -> None:
    store = Store(url, Settings())
    count = 0

    def step(what: str) -> None:
        nonlocal count
        count += 1
        os.write(pipe, f"{what}\n".encode())
        if count == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def plan(draft: Draft) -> None:
        step("before the plan")
        write(draft, name)
        step("after the plan")

    watched(store, step)
    store.execute(plan, who="test", request_id=name)
    step("answered")
    os._exit(0)


def test_a_write_is_there_whole_or_not_at_all(url: str) -> None:
    base = Store(url, Settings())
    base.execute(lambda draft: draft.put(Sequence("n")) and None, who="test")
    base.execute(lambda draft: draft.put(LocalVlan("h", "n", 1)) and None, who="test")
    base.close()
    killed_at, reached = 0, []
    while True:
        killed_at += 1
        name = f"killed-{killed_at}"
        steps = child(url, name, killed_at)
        store = Store(url, Settings())
        assert contents(store.net) == contents(replayed(store.journal()))
        died = len(steps) == killed_at
        assert whole(store, name) == (not died or steps[-1] in ("committed", "told", "answered"))
        done = not died
        if not done:
            reached.append(steps[-1])
            store.execute(lambda draft: draft.put(LocalVlan("h", "n", 1)) and None, who="test")  # it can go on
        store.close()
        if done:
            break
    assert reached == steps
    middle = reached[reached.index("after the plan") + 1 : reached.index("before the commit")]
    assert len(middle) >= 2 * STATEMENTS, reached
    assert reached[-3:] == ["committed", "told", "answered"]
