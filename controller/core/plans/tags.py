"""Tags: words that users give resources, to find them again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from controller.core.plan import Draft, Refusal
from controller.core.plans import refusals
from controller.core.plans.revision import existing, update

MOST = 50
"""Tags of one resource."""

Tags = tuple[str, ...]


def change(draft: Draft, row_type: type, key: Any, to: Callable[[Tags], Iterable[str]], collection: str) -> None:
    """Give a row the tags that `to(its tags)` gives.  Refuses more than MOST."""
    row: Any = existing(draft, row_type, key)
    found = tuple(sorted(set(to(row.tags))))
    require_few(found, collection)
    update(draft, row, {"tags": found})


def require_few(tags: Tags, collection: str) -> None:
    if len(tags) > MOST:
        raise refusals.bad_resource(collection, f"The number of tags exceed the per-resource limit of {MOST}")


def without(tags: Tags, tag: str) -> Tags:
    """The tags without one.  Refuses when it is not there."""
    require(tags, tag)
    return tuple(one for one in tags if one != tag)


def require(tags: Tags, tag: str) -> None:
    if tag not in tags:
        raise Refusal("TagNotFound", f"Tag {tag} could not be found.", 404)


# ---------------------------------------------------------------------------------------------------------------------
# Filters: the values of each are lists of tags with commas


def _listed(values: Iterable[str]) -> set[str]:
    return {tag for value in values for tag in value.split(",")}


def _all(tags: Tags, values: list[str]) -> bool:
    return _listed(values) <= set(tags)


def _any(tags: Tags, values: list[str]) -> bool:
    return not _listed(values).isdisjoint(tags)


FILTERS: dict[str, Callable[[Tags, list[str]], bool]] = {
    "tags": _all,
    "tags-any": _any,
    "not-tags": lambda tags, values: not _all(tags, values),
    "not-tags-any": lambda tags, values: not _any(tags, values),
}
"""Has all of them, any, not all, none."""
