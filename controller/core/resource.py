"""What a resource is: a declaration from which creating, listing, filtering, updating and showing follow.

Its attributes are those of its row class (`row.ROW.attributes`), those of the side rows that extend it, and those
computed from other rows.  References, quotas, policy and OpenAPI follow from the same declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, field, replace
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from controller.core.net import Net
from controller.core.plan import Draft
from controller.core.plans import crud
from controller.core.row import SIDES, Attribute, key_of

PROJECT_ID, TENANT_ID = "project_id", "tenant_id"
"""One attribute under two names; every resource that has one has both."""
CREATE, CHANGE, DELETE = "create", "update", "delete"
"""What may be done with a resource besides reading it."""


class Extension(NamedTuple):
    """A Neutron API extension whose behaviour is here.  `updated` is the date of the definition that we follow."""

    alias: str
    name: str
    description: str
    updated: str


@dataclass(frozen=True, slots=True)
class Computed:
    """An attribute that is no field of the row: `read(net, row)` gives its JSON value.

    `field` is its name among the values handed to the plans, where a client may give it ('': checked, then dropped).
    """

    field: str
    attribute: Attribute
    read: Callable[[Net, Any], Any]


class Source(NamedTuple):
    """Rows that computed attributes are read from: `owners(net, row)` gives the keys of the rows that show it."""

    row_type: type
    owners: Callable[[Net, Any], Iterable[Any]]


class Action(NamedTuple):
    """`PUT /collection/KEY/name`: `plan(draft, key, body)` gives the key of the row to show, or a JSON object.

    `body` is the JSON object as it came; the plan checks it.
    """

    name: str
    plan: Callable[[Draft, str, dict[str, Any]], Any]


class Parent(NamedTuple):
    """A resource below another one: `/collection/KEY/...`; `field` of its rows is that key."""

    collection: str
    field: str


class Slot(NamedTuple):
    """Where an attribute's value is: the field, and the side row's class ('None': the row itself, or computed)."""

    field: str
    attribute: Attribute
    side: type | None = None


class Side(NamedTuple):
    """A side row class as its owner shows it: `held(row)` gives the values of the attributes `shown`."""

    row_type: type
    shown: tuple[str, ...]
    held: Callable[[Any], tuple[Any, ...]]

    def default(self, key: str) -> Any:
        """What an owner without a side row has."""
        return self.row_type(key)


@dataclass(frozen=True)
class Resource:
    """A collection of rows that clients see.

    `create(draft, values)`, `change(draft, key, values, revision)` and `delete(draft, key, revision)` are plans; those
    of `plans.crud` when not given.  `methods` says which of them clients may use.  `shapes` turns fields into JSON
    where that does not follow from their type.  `quota` is the limit of a project that has none of its own (-1: none;
    None: not counted), which needs an index `project_id`.  `plural` is the collection's name in JSON where it is not
    that of the path.
    """

    name: str
    collection: str
    row_type: type[Any]
    create: Callable[..., Any] | None = None
    change: Callable[..., Any] | None = None
    delete: Callable[..., None] | None = None
    methods: frozenset[str] = frozenset({CREATE, CHANGE, DELETE})
    computed: tuple[Computed, ...] = ()
    sources: tuple[Source, ...] = ()
    shapes: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    parent: Parent | None = None
    quota: int | None = None
    plural: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "plural", self.plural or self.collection.replace("-", "_"))
        for name in (CREATE, CHANGE, DELETE):
            if getattr(self, _PLAN[name]) is None:
                object.__setattr__(self, _PLAN[name], crud.plan(name, self.row_type))

    @cached_property
    def attributes(self) -> dict[str, Slot]:
        """Every attribute by its name on the wire."""
        slots = [Slot(name, attribute) for name, attribute in self.row_type.ROW.attributes]
        for side_type in SIDES.get(self.row_type, ()):
            slots += [Slot(name, attribute, side_type) for name, attribute in side_type.ROW.attributes]  # type: ignore[attr-defined]
        slots += [Slot(computed.field, computed.attribute) for computed in self.computed]
        return {slot.attribute.name or slot.field: slot for slot in slots}

    @cached_property
    def sides(self) -> tuple[Side, ...]:
        return tuple(_side(side_type) for side_type in SIDES.get(self.row_type, ()))

    @cached_property
    def indexes(self) -> dict[str, str]:
        """The row's index, for the attributes that have one."""
        names = {index.name for index in self.row_type.ROW.indexes}
        own = (wire for wire, slot in self.attributes.items() if slot.side is None and slot.field in names)
        return {wire: self.attributes[wire].field for wire in own}

    @cached_property
    def _own(self) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
        return _shown(self.row_type)

    @cached_property
    def _shapes(self) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
        found: dict[str, Callable[[Any], Any]] = {}
        for row_type in (self.row_type, *SIDES.get(self.row_type, ())):
            hints = get_type_hints(row_type)
            for name, attribute in row_type.ROW.attributes:
                shape = self.shapes.get(name) or shape_of(hints[name])
                if shape is not None and attribute.shown:
                    found[attribute.name or name] = shape
        return tuple(found.items())

    def value(self, net: Net, row: Any) -> dict[str, Any]:
        """The row as clients see it, as a JSON object."""
        shown, held = self._own
        value: dict[str, Any] = dict(zip(shown, held(row), strict=True))
        for side in self.sides:
            key = key_of(row)
            value.update(zip(side.shown, side.held(net.get(side.row_type, key) or side.default(key)), strict=True))
        for name, shape in self._shapes:
            value[name] = shape(value[name])
        for computed in self.computed:
            if computed.attribute.shown:
                value[computed.attribute.name] = computed.read(net, row)
        if PROJECT_ID in value:
            value[TENANT_ID] = value[PROJECT_ID]
        return value

    def split(self, values: dict[str, Any]) -> tuple[dict[str, Any], dict[type, dict[str, Any]]]:
        """Values by field: those of the row itself, and those of each side row class."""
        own, sides = dict(values), {}
        for side_type in SIDES.get(self.row_type, ()):
            names = [name for name, _ in side_type.ROW.attributes if name in own]  # type: ignore[attr-defined]
            sides[side_type] = {name: own.pop(name) for name in names}
        return own, sides


_PLAN = {CREATE: "create", CHANGE: "change", DELETE: "delete"}


def _shown(row_type: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """The names on the wire of the attributes that are shown, and what reads their values from a row."""
    shown = [(attribute.name or name, name) for name, attribute in row_type.ROW.attributes if attribute.shown]
    names = [name for _, name in shown]
    one = attrgetter(*names) if names else lambda row: ()
    held = one if len(names) != 1 else lambda row: (one(row),)
    return tuple(wire for wire, _ in shown), held


def _side(row_type: Any) -> Side:
    return Side(row_type, *_shown(row_type))


def shape_of(annotation: Any) -> Callable[[Any], Any] | None:
    """How a field of that type becomes JSON: tuples are lists, NamedTuples objects; None: it is JSON already."""
    if get_origin(annotation) is not tuple:
        return None
    (item, *_) = get_args(annotation)
    return objects if hasattr(item, "_fields") else list


def objects(values: tuple[Any, ...]) -> list[dict[str, Any]]:
    """NamedTuples as JSON objects."""
    return [dict(zip(value._fields, value, strict=True)) for value in values]


def put_side(draft: Draft, side_type: Any, key: str, values: dict[str, Any]) -> bool:
    """Give an owner's side row values; one that has just its defaults is not stored.  Whether that changed it."""
    default = side_type(key)
    old = draft.get(side_type, key)
    new = replace(old or default, **values)
    if new == (old or default):
        return False
    if new != default:
        draft.put(new)
    elif old is not None:
        draft.remove(old)
    return True


def default_of(attribute: Attribute) -> Any:
    """What a create without the attribute means, None where the plan decides or it is required."""
    return None if attribute.default is MISSING else attribute.default
