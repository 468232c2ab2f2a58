"""Plans that apps run when a process starts: once in the life of a database, for rows that are there from the start, or
each time, for those that follow from the configuration."""

from __future__ import annotations

from collections.abc import Iterable

from controller.core.app import App
from controller.core.model import Once
from controller.core.plan import Draft


def run(apps: Iterable[App], draft: Draft) -> None:
    """Run those that this database has not seen, and those of each start.  Where all is as it should be, nothing is
    written."""
    for app in apps:
        for name, plan in app.onces:
            if draft.get(Once, name) is None:
                plan(draft)
                draft.put(Once(name))
        for plan in app.starts:
            plan(draft)
