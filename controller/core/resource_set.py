"""All resources together: what refers to what, and which rules apps have for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from controller.core.resource import Resource

Rule = Callable[..., None]


class Reference(NamedTuple):
    """Rows of `resource` that their index `by` finds under another row's key refer to that row."""

    resource: Resource
    by: str
    on_delete: str


class ResourceSet:
    """The resources of an API, in the order in which its documents name them."""

    def __init__(
        self,
        resources: Iterable[Resource],
        rules: Iterable[tuple[type, Rule]] = (),
        preparations: Iterable[tuple[type, Rule]] = (),
    ) -> None:
        self._all = tuple(resources)
        self._by_path = {(r.parent.collection if r.parent else "", r.collection): r for r in self._all}
        self._by_type = {resource.row_type: resource for resource in self._all}
        self._rules = _by_type(rules)
        self._preparations = _by_type(preparations)
        self._references: dict[type, list[Reference]] = {}
        for resource in self._all:
            self._note_references(resource)

    def __iter__(self) -> Any:
        return iter(self._all)

    def at(self, collection: str, parent: str = "") -> Resource | None:
        """The resource of a path: `/collection`, or `/parent/KEY/collection`."""
        return self._by_path.get((parent, collection))

    def of(self, row_type: type) -> Resource | None:
        """The resource that shows rows of a class."""
        return self._by_type.get(row_type)

    def rules(self, row_type: type) -> list[Rule]:
        """What apps check and do after rows of a class were made, changed or removed: `f(draft, old, new, values)`."""
        return self._rules.get(row_type, [])

    def preparations(self, row_type: type) -> list[Rule]:
        """What apps do with the values before rows of a class are made or changed: `f(draft, old, values)`."""
        return self._preparations.get(row_type, [])

    def references_to(self, row_type: type) -> list[Reference]:
        return self._references.get(row_type, [])

    def _note_references(self, resource: Resource) -> None:
        indexes = {index.name for index in resource.row_type.ROW.indexes}
        for slot in resource.attributes.values():
            refers = slot.attribute.refers
            if refers is None or slot.side is not None:
                continue  # a side row's references are its app's business
            if slot.field in indexes:
                self._references.setdefault(refers, []).append(
                    Reference(resource, slot.field, slot.attribute.on_delete)
                )


def _by_type(pairs: Iterable[tuple[type, Rule]]) -> dict[type, list[Rule]]:
    found: dict[type, list[Rule]] = {}
    for row_type, rule in pairs:
        found.setdefault(row_type, []).append(rule)
    return found
