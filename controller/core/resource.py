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

from controller.core.model import RbacPolicy
from controller.core.net import Net
from controller.core.plan import Draft
from controller.core.plans import crud, sharing, tags
from controller.core.row import SIDES, Attribute, Check, key_of

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
    With `write(draft, row, value)` the row's own plan does not get the value: it is written after the row, in the same
    plan, and tells whether that changed anything.
    A row of which `read` gives ABSENT is shown without the attribute.
    """

    field: str
    attribute: Attribute
    read: Callable[[Net, Any], Any]
    write: Callable[[Draft, Any, Any], bool] | None = None


ABSENT = object()
"""What a computed attribute is of a row that is shown without it."""


class Source(NamedTuple):
    """Rows that computed attributes are read from: `owners(net, row)` gives the keys of the rows that show it."""

    row_type: type
    owners: Callable[[Net, Any], Iterable[Any]]


class Filter(NamedTuple):
    """`?name=...` where comparing an attribute does not do: `keeps(net, row, values, project_id)` tells whether a row
    is among those that a caller of that project asks for by these values, of which each is in the form of `check`.

    With `shows(value, values)` a list that was asked so shows that of a row's JSON object.
    """

    name: str
    keeps: Callable[[Net, Any, list[Any], str], bool]
    check: str | Check = "string"
    shows: Callable[[dict[str, Any], list[Any]], dict[str, Any]] | None = None


class Sharing(NamedTuple):
    """What it takes to share the rows of a resource by RBAC policies, one row with one project or with everyone.

    Its rows show `shared`, which clients may give as far as `post` and `put` say.  `users(draft, row)` gives the
    projects that use a row: none of them can lose it; without it they are those whose rows refer to the row.
    """

    actions: tuple[str, ...] = (sharing.SHARED,)
    post: bool = True
    put: bool = True
    shown: bool = True
    users: Callable[[Draft, Any], Iterable[str]] | None = None


class Action(NamedTuple):
    """`PUT /collection/KEY/name`: `plan(draft, key, body)` gives the key of the row to show, or a JSON object
    or list.

    `body` is the JSON object as it came ({} where none did); the plan checks it.  `rule` is the policy rule, where it
    is not that of the name and the resource.
    """

    name: str
    plan: Callable[[Draft, Any, dict[str, Any]], Any]
    rule: str = ""


class Parent(NamedTuple):
    """A resource below another one: `/collection/KEY/...`; `field` of its rows is that key."""

    collection: str
    field: str


class Found(NamedTuple):
    """Rows that are stored nowhere, or only some of them: made of other rows when they are asked for.

    `get(net, key)` gives the row or None; `all(net, parent)` those below a row, or all of them where there is no
    parent.  `net` may be a Draft.
    """

    get: Callable[[Any, Any], Any]
    all: Callable[[Any, Any], Iterable[Any]]


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
    that of the path; `policy` is what policy rules call the resource, where that is not its name.  `found` says where
    the rows are from when they are not just those of the store.  One that is not `own` shows only what is computed from
    rows that are another resource's.
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
    filters: tuple[Filter, ...] = ()
    sharing: Sharing | None = None
    shapes: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    parent: Parent | None = None
    quota: int | None = None
    plural: str = ""
    own: bool = True
    policy: str = ""
    found: Found | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "policy", self.policy or self.name)
        object.__setattr__(self, "plural", self.plural or self.collection.replace("-", "_"))
        if self.sharing is not None and SHARED_FILTER not in self.filters:
            object.__setattr__(self, "computed", (*self.computed, _shared(self.sharing)))
            object.__setattr__(self, "sources", (*self.sources, POLICIES))
            object.__setattr__(self, "filters", (*self.filters, SHARED_FILTER))
        if self.tagged and TAG_FILTERS[0] not in self.filters:
            object.__setattr__(self, "filters", (*self.filters, *TAG_FILTERS))
        for name in (CREATE, CHANGE, DELETE):
            if getattr(self, _PLAN[name]) is None:
                object.__setattr__(self, _PLAN[name], crud.plan(name, self.row_type))

    @property
    def tagged(self) -> bool:
        """Whether its rows have tags, and paths for them."""
        return self.own and any(name == "tags" for name, _ in self.row_type.ROW.attributes)

    def get(self, net: Any, key: Any) -> Any:
        """The row of a key, or None.  `net` may be a Draft."""
        return self.found.get(net, key) if self.found else net.get(self.row_type, key)

    @cached_property
    def attributes(self) -> dict[str, Slot]:
        """Every attribute by its name on the wire."""
        slots = [Slot(name, attribute) for name, attribute in (self.row_type.ROW.attributes if self.own else ())]
        for side_type in self._side_types:
            slots += [Slot(name, attribute, side_type) for name, attribute in side_type.ROW.attributes]
        slots += [Slot(computed.field, computed.attribute) for computed in self.computed]
        return {slot.attribute.name or slot.field: slot for slot in slots}

    @cached_property
    def sides(self) -> tuple[Side, ...]:
        return tuple(_side(side_type) for side_type in self._side_types)

    @property
    def _side_types(self) -> tuple[Any, ...]:
        return tuple(SIDES.get(self.row_type, ())) if self.own else ()

    @cached_property
    def key(self) -> str:
        """The name on the wire of the attribute that is the row's key ('': no single one is)."""
        names = self.row_type.ROW.key_fields
        found = (wire for wire, slot in self.attributes.items() if slot.side is None and (slot.field,) == names)
        return next(found, "")

    @cached_property
    def indexes(self) -> dict[str, str]:
        """The row's index, for the attributes that have one."""
        names = {index.name for index in self.row_type.ROW.indexes}
        own = (wire for wire, slot in self.attributes.items() if slot.side is None and slot.field in names)
        return {wire: self.attributes[wire].field for wire in own}

    @cached_property
    def side_indexes(self) -> dict[str, Slot]:
        """The attributes that are lists in a side row which has an index of that name: of their items."""
        return {wire: slot for wire, slot in self.attributes.items() if slot.side is not None and _is_indexed(slot)}

    @cached_property
    def _own(self) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
        return _shown(self.row_type) if self.own else ((), lambda row: ())

    @cached_property
    def _shapes(self) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
        found: dict[str, Callable[[Any], Any]] = {}
        for row_type in (self.row_type, *self._side_types) if self.own else ():
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
            if computed.attribute.shown and (held := computed.read(net, row)) is not ABSENT:
                value[computed.attribute.name] = held
        if PROJECT_ID in value:
            value[TENANT_ID] = value[PROJECT_ID]
        return value

    def split(self, values: dict[str, Any]) -> Parts:
        """Values by field, apart by who writes them."""
        own, sides = dict(values), {}
        for side_type in self._side_types:
            names = [name for name, _ in side_type.ROW.attributes if name in own]
            sides[side_type] = {name: own.pop(name) for name in names}
        later = [(c.write, own.pop(c.field)) for c in self.computed if c.write is not None and c.field in own]
        return Parts(own, sides, later)


class Parts(NamedTuple):
    """Values by field: of the row itself, of each side row class, and those that computed attributes write."""

    own: dict[str, Any]
    sides: dict[type, dict[str, Any]]
    later: list[tuple[Callable[[Draft, Any, Any], bool], Any]]


_PLAN = {CREATE: "create", CHANGE: "change", DELETE: "delete"}


def _shown(row_type: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """The names on the wire of the attributes that are shown, and what reads their values from a row."""
    shown = [(attribute.name or name, name) for name, attribute in row_type.ROW.attributes if attribute.shown]
    names = [name for _, name in shown]
    one = attrgetter(*names) if names else lambda row: ()
    held = one if len(names) != 1 else lambda row: (one(row),)
    return tuple(wire for wire, _ in shown), held


def _is_indexed(slot: Slot) -> bool:
    """Whether the slot is a list in a side row that has an index of its name."""
    side_type: Any = slot.side
    is_list = get_origin(get_type_hints(side_type)[slot.field]) is tuple
    return is_list and any(index.name == slot.field for index in side_type.ROW.indexes)


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


def _shared(declared: Sharing) -> Computed:
    """`shared`: whether the row is shared with everyone (whom else it is shared with is their business alone)."""
    attribute = Attribute("shared", declared.post, declared.put, default=False, check="boolean", shown=declared.shown)
    return Computed("shared", attribute, lambda net, row: sharing.shared(net, row.id, sharing.EVERYONE), sharing.share)


TAG_FILTERS = tuple(
    Filter(name, lambda net, row, values, project_id, fits=fits: fits(row.tags, values))  # type: ignore[misc]
    for name, fits in tags.FILTERS.items()
)
POLICIES = Source(RbacPolicy, lambda net, policy: (policy.object_id,))
SHARED_FILTER = Filter(
    "shared", lambda net, row, values, project_id: sharing.shared(net, row.id, project_id) in values, "boolean"
)


def default_of(attribute: Attribute) -> Any:
    """What a create without the attribute means, None where the plan decides or it is required."""
    return None if attribute.default is MISSING else attribute.default
