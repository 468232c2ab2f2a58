"""How long a controller keeps its journal."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.ovs.controller import Controller

OLD, MUCH_TOO_OLD = 250, "2020-06-01T12:00:00Z"


def journal(controller: Controller) -> list[int]:
    with closing(sqlite3.connect(controller.directory / "patchbay.db")) as database:
        return [revision for (revision,) in database.execute("SELECT revision FROM journal ORDER BY revision")]


def test_what_is_too_old_goes_at_the_start_and_the_rest_stays(tmp_path: Path) -> None:
    controller = Controller(tmp_path)
    with controller:
        for number in range(OLD + 10):
            controller.make("network", name=f"n{number}")
    before = journal(controller)
    with closing(sqlite3.connect(tmp_path / "patchbay.db")) as database, database:
        database.execute("UPDATE journal SET time = ? WHERE revision <= ?", (MUCH_TOO_OLD, OLD))

    controller.configure({"database": {"journal_days": 0}})
    with controller:
        controller.make("network", name="for ever")
        assert journal(controller) == [*before, before[-1] + 1]

    controller.configure({"database": {"journal_days": 30}})
    with controller:
        controller.wait(lambda: journal(controller)[0] > OLD, "the old entries to go")
        controller.make("network", name="after")
        names = {network["name"] for network in controller.rest("GET", "/v2.0/networks")["networks"]}
        assert journal(controller) == list(range(OLD + 1, before[-1] + 3))
    assert names == {*(f"n{number}" for number in range(OLD + 10)), "for ever", "after"}
    assert "Traceback" not in controller.log


def test_a_controller_that_stood_still_for_too_long_ends_and_starts_anew(tmp_path: Path) -> None:
    with Controller(tmp_path) as controller:
        controller.make("network", name="blue")
        os.kill(controller.pid, signal.SIGSTOP)
        head = journal(controller)[-1]
        with closing(sqlite3.connect(tmp_path / "patchbay.db")) as database, database:
            database.execute("INSERT INTO journal VALUES (?, '2026-11-27T12:00:00Z', 'other', '', '[]')", (head + 2,))
        os.kill(controller.pid, signal.SIGCONT)
        assert controller.ended() == 70
        assert f"its journal begins at revision {head + 2}" in controller.log
        assert "a bug of its own" not in controller.log
        controller.start()
        assert controller.output.rpartition("Patchbay is running ")[2].startswith(f"(revision {head + 2}, ")
