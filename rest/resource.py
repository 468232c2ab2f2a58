"""What a resource is: a declaration from which creating, listing, filtering, updating and showing follow.

Its attributes are those of its row class (`row.ROW.attributes`) and those computed from other rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from controller.core.net import Net
from controller.core.row import Attribute

PROJECT_ID, TENANT_ID = "project_id", "tenant_id"
"""One attribute under two names; every resource has both."""


@dataclass(frozen=True, slots=True)
class Computed:
    """An attribute that is no field of the row: `read(row, inputs)` gives its JSON value.

    `field` is its name among the values handed to the plans, where a client may give it ('': checked, then dropped).
    """

    field: str
    attribute: Attribute
    read: Callable[[Any, Any], Any]


def no_inputs(net: Net, row: Any) -> Any:
    return ()


@dataclass(frozen=True)
class Resource:
    """A collection of rows that clients can write.

    `create(draft, values)`, `change(draft, key, values, revision)` and `delete(draft, key, revision)` are plans.
    `inputs(net, row)` gives the other rows that computed attributes are read from: an answer for a row is the same as
    long as the row and its inputs are.  `shapes` turns fields into JSON where their value is not JSON already.
    `indexes` names the row's index for the attributes that have one.
    """

    name: str
    collection: str
    row_type: type[Any]
    create: Callable[..., Any]
    change: Callable[..., Any]
    delete: Callable[..., None]
    computed: tuple[Computed, ...] = ()
    inputs: Callable[[Net, Any], Any] = no_inputs
    shapes: dict[str, Callable[[Any], Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kind = self.row_type.ROW
        declared = [(name, attribute) for name, attribute in kind.attributes]
        declared += [(computed.field, computed.attribute) for computed in self.computed]
        table = {attribute.name or name: (name, attribute) for name, attribute in declared}
        object.__setattr__(self, "attributes", table)
        names = {index.name for index in kind.indexes}
        indexes = {wire: name for wire, (name, _) in table.items() if name in names}
        object.__setattr__(self, "indexes", indexes)
        shown = [(attribute.name or name, name) for name, attribute in kind.attributes if attribute.shown]
        object.__setattr__(self, "shown", tuple(wire for wire, _ in shown))
        object.__setattr__(self, "held", attrgetter(*(name for _, name in shown)))
        shapes = {wire: self.shapes[name] for wire, name in shown if name in self.shapes}
        object.__setattr__(self, "shaped", tuple(shapes.items()))

    attributes: dict[str, tuple[str, Attribute]] = field(init=False, repr=False)
    indexes: dict[str, str] = field(init=False, repr=False)
    shown: tuple[str, ...] = field(init=False, repr=False)
    held: Callable[[Any], tuple[Any, ...]] = field(init=False, repr=False)
    shaped: tuple[tuple[str, Callable[[Any], Any]], ...] = field(init=False, repr=False)


class View(NamedTuple):
    """How a row looks to clients, as an object and as JSON text, and what that was made from."""

    row: Any
    inputs: Any
    value: dict[str, Any]
    text: str


class Views:
    """Rows as clients see them.  A view is made once for a row and its inputs: rows never change, only are replaced.

    `made` counts the views made so far, for the cost laws.
    """

    SPARE = 1000

    def __init__(self) -> None:
        self.made = 0
        self._views: dict[str, dict[Any, View]] = {}

    def view(self, resource: Resource, net: Net, row: Any) -> View:
        views = self._views.setdefault(resource.collection, {})
        inputs = resource.inputs(net, row)
        view = views.get(row.id)
        if view is None or view.row is not row or view.inputs != inputs:
            if len(views) > 2 * net.count(resource.row_type) + self.SPARE:
                views.clear()  # most of them are of rows that are gone
            self.made += 1
            value = _value(resource, row, inputs)
            views[row.id] = view = View(row, inputs, value, json.dumps(value))
        return view


def _value(resource: Resource, row: Any, inputs: Any) -> dict[str, Any]:
    value: dict[str, Any] = dict(zip(resource.shown, resource.held(row), strict=True))
    for name, shape in resource.shaped:
        value[name] = shape(value[name])
    for computed in resource.computed:
        value[computed.attribute.name] = computed.read(row, inputs)
    if PROJECT_ID in value:
        value[TENANT_ID] = value[PROJECT_ID]
    return value
