"""What every write of a resource has in common: side rows, references, apps' rules and quotas around its own plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from controller.core.plan import Draft
from controller.core.plans import quotas, refusals, sharing
from controller.core.plans.revision import existing
from controller.core.resource import PROJECT_ID, Resource, put_side
from controller.core.resource_set import ResourceSet
from controller.core.row import CASCADE, REFUSE, key_of


def create(resources: ResourceSet, resource: Resource, draft: Draft, items: Iterable[dict[str, Any]]) -> list[Any]:
    """Make rows of a resource, all or none.  `items`: values by field."""
    rows = [_create(resources, resource, draft, dict(values)) for values in items]
    if resource.quota is not None:
        for project_id in {getattr(row, PROJECT_ID) for row in rows}:
            quotas.require(draft, resource, project_id)
    return rows


def _create(resources: ResourceSet, resource: Resource, draft: Draft, values: dict[str, Any]) -> Any:
    for prepare in resources.preparations(resource.row_type):
        prepare(draft, None, values)
    _require_references(resource, draft, values)
    own, sides = resource.split(values)
    row = resource.create(draft, own)  # type: ignore[misc]
    for side_type, given in sides.items():
        put_side(draft, side_type, key_of(row), given)
    return _follow_rules(resources, draft, None, row, values)


def change(
    resources: ResourceSet, resource: Resource, draft: Draft, key: str, values: dict[str, Any], revision: int | None
) -> Any:
    """Update a row and its side rows; a change of a side row counts as one of the row."""
    old, values = existing(draft, resource.row_type, key, revision), dict(values)
    for prepare in resources.preparations(resource.row_type):
        prepare(draft, old, values)
    _require_references(resource, draft, values)
    own, sides = resource.split(values)
    row = resource.change(draft, key, own, revision)  # type: ignore[misc]
    changed = [put_side(draft, side_type, key, given) for side_type, given in sides.items() if given]
    if any(changed):
        row = touch(draft, row, old)
    return _follow_rules(resources, draft, old, row, values)


def touch(draft: Draft, row: Any, old: Any) -> Any:
    """Count a change of what belongs to a row as one of the row itself, unless it is counted already."""
    if row.revision_number != old.revision_number:
        return row
    return draft.put(replace(row, updated_at=draft.now, revision_number=row.revision_number + 1))


def delete(resources: ResourceSet, resource: Resource, draft: Draft, key: str, revision: int | None = None) -> None:
    """Remove a row.  Refuses while others that don't go with it refer to it."""
    row = existing(draft, resource.row_type, key, revision)
    for reference in resources.references_to(resource.row_type):
        found = draft.find(reference.resource.row_type, reference.by, key)
        if found and reference.on_delete == REFUSE:
            raise refusals.in_use(resource.row_type, key, reference.resource.collection)
        for referring in found if reference.on_delete == CASCADE else ():
            delete(resources, reference.resource, draft, key_of(referring))
    resource.delete(draft, key, revision)  # type: ignore[misc]
    for rule in resources.rules(resource.row_type):
        rule(draft, row, None, {})


def _follow_rules(resources: ResourceSet, draft: Draft, old: Any, row: Any, values: dict[str, Any]) -> Any:
    for rule in resources.rules(type(row)):
        rule(draft, old, row, values)
    return draft.get(type(row), key_of(row)) or row


def _require_references(resource: Resource, draft: Draft, values: dict[str, Any]) -> None:
    """What is referred to is there, and the caller may see it."""
    for slot in resource.attributes.values():
        if slot.attribute.refers is not None and values.get(slot.field):
            given = values[slot.field]
            for key in given if isinstance(given, tuple) else (given,):
                sharing.require_visible(draft, slot.attribute.refers, key)
