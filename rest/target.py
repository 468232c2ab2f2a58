"""What a policy rule is asked about: a row's attributes by their names on the wire, and those of rows it refers to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from controller.core.plans.sharing import EXTERNAL, SHARED
from controller.core.resource import PROJECT_ID, TENANT_ID, Resource

FOR_PROJECT = {"shared": SHARED, "router:external": EXTERNAL}
"""What depends on whose caller asks, and the action that a policy must give its project.  Asked of anything in a
network, it is asked of the network, too."""

LookUp = Callable[[type, Any], Mapping[str, Any] | None]
"""The attributes, as clients see them, of the row of a class with a key."""
Given = Callable[[Any, str], bool]
"""Whether a policy gives the project that asks an action on the row with a key."""


class Target(Mapping[str, Any]):
    """Looked up as rules ask: `name`, or `network:project_id` for an attribute of the network that it refers to.

    `values` are attributes as clients see them; `ext_parent:NAME` is of what it is below of or belongs to.
    """

    def __init__(self, resource: Resource, values: Mapping[str, Any], look_up: LookUp, given: Given) -> None:
        self._resource = resource
        self._values = values
        self._look_up = look_up
        self._given = given

    def __getitem__(self, name: str) -> Any:
        if name in FOR_PROJECT:
            keys = (self._values.get("id"), self._values.get("network_id"))
            return any(self._given(key, FOR_PROJECT[name]) for key in keys)
        if name in self._values:
            return self._values[name]
        if name in (TENANT_ID, PROJECT_ID) and PROJECT_ID in self._values:
            return self._values[PROJECT_ID]
        prefix, colon, attribute = name.rpartition(":")
        refers, key = self._referred(prefix) if colon else (None, None)
        if refers is None:
            raise KeyError(name)
        return self._of(refers, key, attribute)

    def _of(self, row_type: type, key: Any, name: str) -> Any:
        if name in FOR_PROJECT:
            return self._given(key, FOR_PROJECT[name])
        return (self._look_up(row_type, key) or {})[name]

    def _referred(self, prefix: str) -> tuple[type | None, Any]:
        """The class and key of the row that an attribute refers to: `network` for `network_id`."""
        for wire, slot in self._resource.attributes.items():
            refers = slot.attribute.refers
            if refers is not None and prefix in (wire.removesuffix("_id"), "ext_parent"):
                return refers, self._values.get(wire)
        return None, None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
