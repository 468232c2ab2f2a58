"""Rows as clients see them, made once and kept until a row that they were made from changes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from controller.core.net import Change, Net
from controller.core.resource import Resource, Source
from controller.core.resource_set import ResourceSet
from controller.core.row import SIDES, key_of

NOTHING: frozenset[str] = frozenset()


class View:
    """A row as a JSON object, and as text."""

    __slots__ = ("_parts", "row", "text", "value")

    def __init__(self, row: Any, value: dict[str, Any]) -> None:
        self.row = row
        self.value = value
        self.text = json.dumps(value)
        self._parts: dict[Any, str] | None = None

    def without(self, hidden: frozenset[str], shared: bool = False) -> str:
        """The text without some attributes; with `shared` the row is shown as shared, as it is with this caller."""
        if not hidden and not shared:
            return self.text
        if self._parts is None:
            self._parts = {}
        if (hidden, shared) not in self._parts:
            self._parts[hidden, shared] = json.dumps(self.object(hidden, shared))
        return self._parts[hidden, shared]

    def object(self, hidden: frozenset[str], shared: bool = False) -> dict[str, Any]:
        value = {name: held for name, held in self.value.items() if name not in hidden} if hidden else self.value
        return {**value, "shared": True} if shared else value


class Views:
    """`made` counts the views made so far, for the cost laws."""

    def __init__(self, net: Net, resources: ResourceSet) -> None:
        self.made = 0
        self._net = net
        self._kept: dict[type, dict[Any, View]] = {resource.row_type: {} for resource in resources}
        self._sources: dict[type, list[tuple[type, Source]]] = {}
        for resource in resources:
            for side_type in SIDES.get(resource.row_type, ()):
                self._follow(resource, Source(side_type, lambda net, side: (key_of(side),)))
            for source in resource.sources:
                self._follow(resource, source)

    def _follow(self, resource: Resource, source: Source) -> None:
        self._sources.setdefault(source.row_type, []).append((resource.row_type, source))

    def view(self, resource: Resource, row: Any) -> View:
        """The row's view.  `row` is one of the Net's."""
        kept, key = self._kept[resource.row_type], key_of(row)
        view = kept.get(key)
        if view is None:
            self.made += 1
            kept[key] = view = View(row, resource.value(self._net, row))
        return view

    def forget(self, revision: int, changes: Iterable[Change]) -> None:
        """Forget the views of what has changed (a store's listener)."""
        for change in changes:
            kept = self._kept.get(change.row_type)
            if kept:
                kept.pop(change.key, None)
            for row_type, source in self._sources.get(change.row_type, ()):
                for row in (change.old, change.new):
                    for key in source.owners(self._net, row) if row is not None else ():
                        self._kept[row_type].pop(key, None)
