"""What a row is: a frozen dataclass with a key, indexes and, when it is served over REST, declared attributes.

A row class is declared once; its SQL table, its REST attributes and its test strategies follow from it:

    @row(key="id", indexes=[index("network_id")], store=True)
    class Subnet:
        id: str
        network_id: str = attr(put=False, check="uuid")

`Kind` is what the decorator derives; it hangs on the class as `ROW`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from operator import attrgetter
from typing import Any, cast, dataclass_transform

REQUIRED = MISSING


REFUSE, CASCADE, PLANNED = "refuse", "cascade", "planned"
"""What a reference means for the removal of the row that it refers to."""


@dataclass(frozen=True, slots=True)
class Check:
    """What an attribute's value must be.

    `read` turns a JSON value into the value that rows hold, or raises ValueError with the reason; `from_text` does so
    for a filter's text, giving what answers show; `schema` is its JSON Schema.
    """

    read: Callable[[Any], Any]
    schema: Mapping[str, Any] = field(default_factory=dict)
    from_text: Callable[[str], Any] = str


@dataclass(frozen=True, slots=True)
class Attribute:
    """How one field is seen by REST clients.

    `name` is the attribute's name on the wire (`binding:host_id`); `post` and `put` say whether a client may give it;
    `default` is what a create without it means (REQUIRED: it must be given; None: the plan decides); `check` is a
    Check, or names one of `plans.checks`; `shown` and `filter` say whether it is in answers and can be filtered on.

    A value that is the key of another row names its class in `refers`: it must be there and be one that the caller may
    see.  `on_delete` says what happens when that row goes: REFUSE (it is in use), CASCADE (this row goes too) or
    PLANNED (the plan that removes it sees to it).
    """

    name: str
    post: bool = True
    put: bool = True
    default: Any = None
    check: str | Check = "any"
    shown: bool = True
    filter: bool = True
    refers: type | None = None
    on_delete: str = REFUSE


@dataclass(frozen=True, slots=True)
class Index:
    """A named way to find rows: `values(row)` yields the index values under which the row is found."""

    name: str
    values: Callable[[Any], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What `@row` derived from a class.  `absent` is what is told of a key that no row has."""

    name: str
    key: Callable[[Any], Any]
    key_fields: tuple[str, ...]
    indexes: tuple[Index, ...]
    store: bool
    loud: tuple[str, ...]
    loud_values: Callable[[Any], Any]
    attributes: tuple[tuple[str, Attribute], ...]
    extends: tuple[type, ...]
    absent: str
    private: bool


KINDS: dict[str, type] = {}
"""Every row class by name: what replay files and the store name rows by."""
SIDES: dict[type, list[type]] = {}
"""The side rows of a class: those that extend it (see `row`)."""


def attr(
    *,
    default: Any = MISSING,
    name: str = "",
    post: bool = True,
    put: bool = True,
    initial: Any = MISSING,
    check: str | Check = "any",
    shown: bool = True,
    filter: bool = True,
    quiet: bool = False,
    refers: type | None = None,
    on_delete: str = REFUSE,
) -> Any:
    """Declare a field that REST shows.

    `default` is the dataclass default (for code that makes rows); `initial` is what a POST without the attribute
    means, REQUIRED unless given.  A `quiet` field never changes a flow, so a change of it alone renders nothing.
    """
    attribute = Attribute(name, post, put, initial, check, shown, filter, refers, on_delete)
    metadata = {"attr": attribute, "quiet": quiet}
    return field(default=default, metadata=metadata)


def quiet(*, default: Any = MISSING) -> Any:
    """Declare a field that no client sees and no flow depends on."""
    return field(default=default, metadata={"quiet": True})


def index(*names: str, each: Callable[[Any], Iterable[Any]] | None = None) -> Index:
    """Index by one field (its value), several fields (a tuple), or by every value that `each(row)` yields."""
    if each is not None:
        return Index(names[0], each)
    value = attrgetter(*names)
    return Index("+".join(names), lambda row: (value(row),))


def key_of(row: Any) -> Any:
    """The key of a row: the value of its key field, or a tuple of them."""
    return type(row).ROW.key(row)


@dataclass_transform(frozen_default=True, field_specifiers=(field, attr, quiet))
def row(
    *,
    key: str | tuple[str, ...],
    indexes: Iterable[Index] = (),
    store: bool = False,
    extends: type | tuple[type, ...] = (),
    absent: str = "",
    private: bool = False,
) -> Callable[[type], type]:
    """Make a frozen row class.  `store=True`: a *configured* row, kept in SQL; otherwise it lives in memory only.

    A row that `extends` other classes is a *side row*: its key is that of its owner, its attributes are shown as the
    owner's, and it goes with it.  An owner without one has the side row's defaults, so all other fields need one.
    `absent` is what is told of a key that no row has, with {} for the key.  A `private` row stays between the store and
    identity: recordings leave it out.
    """
    names = (key,) if isinstance(key, str) else tuple(key)
    owners = (extends,) if isinstance(extends, type) else tuple(extends)

    def decorate(cls: type) -> type:
        made: Any = dataclass(frozen=True, slots=True)(cls)
        declared = fields(made)
        loud = tuple(f.name for f in declared if not f.metadata.get("quiet"))
        made.ROW = Kind(
            name=made.__name__,
            key=attrgetter(*names),
            key_fields=names,
            indexes=tuple(indexes),
            store=store,
            loud=loud,
            loud_values=attrgetter(*loud),
            attributes=tuple((f.name, f.metadata["attr"]) for f in declared if "attr" in f.metadata),
            extends=owners,
            absent=absent or f"{made.__name__} {{}} could not be found.",
            private=private,
        )
        KINDS[made.__name__] = made
        for owner in owners:
            SIDES.setdefault(owner, []).append(made)
        return cast(type, made)

    return decorate


def is_private(cls: type) -> bool:
    """Whether it is a row class whose rows recordings leave out."""
    kind: Kind | None = getattr(cls, "ROW", None)
    return kind is not None and kind.private


def changes_flows(old: Any, new: Any) -> bool:
    """True unless `old` and `new` differ in quiet fields only (either may be None: made or removed)."""
    if old is None or new is None:
        return True
    kind: Kind = type(new).ROW
    return bool(kind.loud_values(old) != kind.loud_values(new))


@dataclass(frozen=True, slots=True)
class Standard:
    """The fields that a resource's row begins with: Neutron's standard attributes."""

    id: str = attr(default="", post=False, put=False)
    project_id: str = attr(default="", put=False, initial="", check="string", quiet=True)
    name: str = attr(default="", initial="", check="string", quiet=True)
    description: str = attr(default="", initial="", check="string", quiet=True)
    created_at: str = attr(default="", post=False, put=False, quiet=True)
    updated_at: str = attr(default="", post=False, put=False, quiet=True)
    revision_number: int = attr(default=0, post=False, put=False, quiet=True)
