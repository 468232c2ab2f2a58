"""Rows that clients see carry a revision number: it counts their updates and lets a client insist on one (If-Match)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controller.core.plan import Draft
from controller.core.plans import refusals


def existing(draft: Draft, row_type: type, key: str, revision: int | None = None) -> Any:
    """The row.  Refuses with 404 when it is not there, with 412 when its revision number is not `revision`."""
    found = draft.get(row_type, key)
    if found is None:
        raise refusals.not_found(row_type, key)
    if revision is not None and found.revision_number != revision:
        raise refusals.revision_conflict(revision, found.revision_number)
    return found


def update(draft: Draft, row: Any, values: dict[str, Any]) -> Any:
    """Put the row with `values`; a row that stays as it was keeps its revision number and its time."""
    changed = replace(row, **values)
    if changed == row:
        return row
    return draft.put(replace(changed, updated_at=draft.now, revision_number=row.revision_number + 1))
