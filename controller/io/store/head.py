"""The journal's head, asked for before reads: how a process learns that others have written."""

from __future__ import annotations

import logging
import threading
import time

from controller.io.store.database import Database, Unavailable

LOG = logging.getLogger("patchbay.store")

RETRY = 1.0
"""Seconds in which a database that did not answer is not asked again: reads go on from memory without waiting."""


class Head:
    """One statement for all that ask at the same time.  While the database is lost one of them waits for it, once
    every RETRY seconds, and nobody else."""

    def __init__(self, database: Database, question: str) -> None:
        self._database = database
        self._question = question
        self._lock = threading.Lock()
        self._begun = 0
        self._head = 0
        self._lost_until: float | None = None

    def ask(self) -> int | None:
        """The head as it is now, or None while the database is lost."""
        if self._lost_until is not None and (self._lock.locked() or time.monotonic() < self._lost_until):
            return None
        came = self._begun
        with self._lock:
            if self._lost_until is not None and time.monotonic() < self._lost_until:
                return None  # it was lost while we waited for another's question
            if self._begun == came:  # the answer of a question that was put before we came could be too old for us
                self._begun += 1
                self._put()
            return self._head if self._lost_until is None else None

    def _put(self) -> None:
        try:
            self._head = self._database.ask(self._question) or 0
        except Unavailable as error:
            if self._lost_until is None:
                LOG.error("reads go on from memory: %s", error)
            self._lost_until = time.monotonic() + RETRY
            return
        if self._lost_until is not None:
            LOG.info("database %s is back", self._database.name)
        self._lost_until = None
