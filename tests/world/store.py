"""A store in memory: real plans on real rows, committed one after the other, without SQL."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from controller.core import server_events
from controller.core.app import load
from controller.core.effects import Propose
from controller.core.events import Changed
from controller.core.net import Net
from controller.core.plan import Draft
from controller.core.plans import proposed
from controller.core.row import KINDS
from controller.core.settings import Settings

load()
STORED = tuple(kind for kind in KINDS.values() if kind.ROW.store)
"""The classes of the core's and of all apps' configured rows."""


class Store:
    """`run` carries out a plan and returns its result and the Changed that tells of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.net = Net()
        self.revision = 0
        self._ids = 0

    def run(self, plan: Callable[..., Any], *args: Any, **more: Any) -> tuple[Any, Changed]:
        draft = Draft(self.net, self.settings, "2026-11-20T10:00:00Z", self._new_id)
        result = plan(draft, *args, **more)
        server_events.note(draft)
        changes = draft.changes()
        for change in changes:
            self.net.apply(change)
        self.revision += bool(changes)
        return result, Changed(self.revision, changes)

    def carry_out(self, proposal: Propose) -> Changed:
        return self.run(proposed.carry_out, proposal)[1]

    def rows(self) -> list[Any]:
        """Every stored row: what a controller starts with."""
        kinds = dict.fromkeys((*STORED, *(kind for kind in KINDS.values() if kind.ROW.store)))
        return [row for row_type in kinds for row in self.net.all(row_type)]

    def _new_id(self) -> str:
        self._ids += 1
        return str(uuid.uuid5(uuid.NAMESPACE_OID, str(self._ids)))
