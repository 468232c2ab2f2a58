"""What a policy rule is asked about: a row's attributes by their names on the wire, and those of rows it refers to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from controller.core.model import Network
from controller.core.resource import PROJECT_ID, TENANT_ID, Resource

OF_ITS_NETWORK = ("shared", "router:external")
"""What is asked of anything in a network is asked of the network."""

LookUp = Callable[[type, Any], Mapping[str, Any] | None]
"""The attributes, as clients see them, of the row of a class with a key."""
Shared = Callable[[Any], bool]
"""Whether the row with a key is shared with the project that asks."""


class Target(Mapping[str, Any]):
    """Looked up as rules ask: `name`, or `network:project_id` for an attribute of the network that it refers to.

    `values` are attributes as clients see them; `ext_parent:NAME` is of what it is below of or belongs to.
    """

    def __init__(self, resource: Resource, values: Mapping[str, Any], look_up: LookUp, shared: Shared) -> None:
        self._resource = resource
        self._values = values
        self._look_up = look_up
        self._shared = shared

    def __getitem__(self, name: str) -> Any:
        if name in self._values and name != "shared":
            return self._values[name]
        if name in (TENANT_ID, PROJECT_ID) and PROJECT_ID in self._values:
            return self._values[PROJECT_ID]
        if name == "shared" and (self._values.get(name) or self._shared(self._values.get("id"))):
            return True
        if name in OF_ITS_NETWORK and "network_id" in self._values:
            return self._of(Network, self._values["network_id"], name)
        if name == "shared":
            return False
        prefix, colon, attribute = name.rpartition(":")
        refers, key = self._referred(prefix) if colon else (None, None)
        if refers is None:
            raise KeyError(name)
        return self._of(refers, key, attribute)

    def _of(self, row_type: type, key: Any, name: str) -> Any:
        values = self._look_up(row_type, key) or {}
        if name == "shared" and not values.get(name):
            return self._shared(key)
        return values[name]

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
