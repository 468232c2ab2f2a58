"""Plans for resources without rules of their own: make, update and remove one row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from controller.core.plan import Draft
from controller.core.plans.revision import existing, update


def plan(name: str, row_type: type) -> Callable[..., Any]:
    """The plan of that name ("create", "update", "delete") for a row class with Neutron's standard attributes."""
    plans: dict[str, Callable[..., Any]] = {"create": create, "update": change, "delete": delete}
    return partial(plans[name], row_type)


def create(row_type: Any, draft: Draft, values: dict[str, Any]) -> Any:
    stamps = {"id": draft.new_id(), "created_at": draft.now, "updated_at": draft.now}
    return draft.put(row_type(**{**values, **stamps}))


def change(row_type: type, draft: Draft, key: str, values: dict[str, Any], revision: int | None = None) -> Any:
    return update(draft, existing(draft, row_type, key, revision), values)


def delete(row_type: type, draft: Draft, key: str, revision: int | None = None) -> None:
    draft.remove(existing(draft, row_type, key, revision))
