"""How long the journal is kept: what is older is deleted, a little at a time, while everybody else gets on.

`controller.green` must have been imported before.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from os_ken.lib import hub

from controller.io.store import Store
from controller.serving import guarded

LOOK = 600.0
"""Seconds between two looks at what has become too old."""
PAUSE = 0.05
"""Seconds between two parts of it: a write waits for one part at the most."""


def keep_journal(store: Store, days: int) -> None:
    """Delete what is older than so many days, for as long as this process lives; 0 days are for ever."""
    guarded(lambda: _keep_journal(store, days))


def _keep_journal(store: Store, days: int) -> None:
    while days:
        more = store.trim(datetime.now(UTC) - timedelta(days=days))
        hub.sleep(PAUSE if more else LOOK)
