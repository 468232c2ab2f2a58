"""Those who wait until the machine has come so far: looked at when it has made a step, and woken when it is so."""

from __future__ import annotations

import os
from collections.abc import Callable

os.environ.setdefault("OSKEN_HUB_TYPE", "eventlet")

from os_ken.lib import hub

MOST = 256
"""Requests that wait at once at most: each holds a green thread of REST, which has 1024."""


class Waiting:
    """Green threads that wait, each for a condition of its own."""

    def __init__(self) -> None:
        self._waiting: dict[hub.Event, Callable[[], bool]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, reached: Callable[[], bool], seconds: float) -> None:
        """Return as soon as `reached()` is true after some step, or when the time is over.  At once where it is true
        already, and where too many wait."""
        if seconds <= 0 or len(self._waiting) >= MOST or reached():
            return
        woken = hub.Event()
        self._waiting[woken] = reached
        try:
            woken.wait(seconds)
        finally:
            del self._waiting[woken]

    def stepped(self) -> None:
        """The machine made a step: wake whoever waited for it."""
        for woken, reached in list(self._waiting.items()):
            if reached():
                woken.set()
