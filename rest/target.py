"""What a policy rule is asked about: a row's attributes by their names on the wire, and those of rows it refers to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from controller.core.net import Net
from controller.core.plans import sharing
from controller.core.resource import PROJECT_ID, TENANT_ID, Resource
from controller.core.row import key_of

EXTERNAL = "router:external"


class Target(Mapping[str, Any]):
    """Looked up as rules ask: `name`, or `network:project_id` for an attribute of the network that it refers to.

    `values` are attributes as clients see them; `ext_parent:NAME` is of the row that it is below of, or belongs to.
    `shared` tells whether it is shared with the project that asks.
    """

    def __init__(self, net: Net, resource: Resource, values: Mapping[str, Any], project_id: str) -> None:
        self._net = net
        self._resource = resource
        self._values = values
        self._project_id = project_id

    def __getitem__(self, name: str) -> Any:
        prefix, colon, attribute = name.rpartition(":")
        if name == "shared" and not self._values.get("shared"):
            return self._shared()
        if name in self._values:
            return self._values[name]
        if name == TENANT_ID and PROJECT_ID in self._values:
            return self._values[PROJECT_ID]
        row = self._referred(prefix) if colon else None
        if row is None:
            raise KeyError(name)
        return getattr(row, PROJECT_ID if attribute == TENANT_ID else attribute)

    def _shared(self) -> bool:
        """By a policy of its own, or by one of the network that it is in."""
        keys = [self._values.get("id"), self._values.get("network_id") if self._resource.name == "subnet" else None]
        return any(key is not None and sharing.shared(self._net, key, self._project_id) for key in keys)

    def _referred(self, prefix: str) -> Any:
        for wire, slot in self._resource.attributes.items():
            refers = slot.attribute.refers
            if refers is not None and prefix in (wire.removesuffix("_id"), "ext_parent"):
                return self._net.get(refers, self._values.get(wire))
        return None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def of_row(net: Net, resource: Resource, row: Any, value: Mapping[str, Any], project_id: str) -> Target:
    """The target that a row is."""
    return Target(net, resource, {"id": key_of(row), **value} if "id" not in value else value, project_id)
