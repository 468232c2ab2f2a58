"""Plans that run once in the life of a database: they write the rows that are there from the start."""

from __future__ import annotations

from collections.abc import Iterable

from controller.core.app import App
from controller.core.model import Once
from controller.core.plan import Draft


def run(apps: Iterable[App], draft: Draft) -> None:
    """Run those that this database has not seen.  One that has seen them all is not written to."""
    for app in apps:
        for name, plan in app.onces:
            if draft.get(Once, name) is None:
                plan(draft)
                draft.put(Once(name))
