"""What a row is: a frozen dataclass with a key, indexes and, when it is served over REST, declared attributes.

A row class is declared once; its SQL table, its REST attributes and its test strategies follow from it:

    @row(key="id", indexes=[index("network_id")], store=True)
    class Subnet:
        id: str
        network_id: str = attr(put=False, check="uuid")

`Kind` is what the decorator derives; it hangs on the class as `ROW`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, field, fields
from operator import attrgetter
from typing import Any, cast, dataclass_transform

REQUIRED = MISSING


@dataclass(frozen=True, slots=True)
class Attribute:
    """How one field is seen by REST clients.

    `name` is the attribute's name on the wire (`binding:host_id`); `post` and `put` say whether a client may give it;
    `default` is what a create without it means (REQUIRED: it must be given); `check` names a rule of `core.checks`;
    `shown` and `filter` say whether it is in answers and can be filtered on.
    """

    name: str
    post: bool = True
    put: bool = True
    default: Any = None
    check: str = "any"
    shown: bool = True
    filter: bool = True


@dataclass(frozen=True, slots=True)
class Index:
    """A named way to find rows: `values(row)` yields the index values under which the row is found."""

    name: str
    values: Callable[[Any], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What `@row` derived from a class."""

    name: str
    key: Callable[[Any], Any]
    key_fields: tuple[str, ...]
    indexes: tuple[Index, ...]
    store: bool
    loud: tuple[str, ...]
    loud_values: Callable[[Any], Any]
    attributes: tuple[tuple[str, Attribute], ...]
    private: bool = False


KINDS: dict[str, type] = {}
"""Every row class by name: what replay files and the store name rows by."""


def attr(
    *,
    default: Any = MISSING,
    name: str = "",
    post: bool = True,
    put: bool = True,
    initial: Any = MISSING,
    check: str = "any",
    shown: bool = True,
    filter: bool = True,
    quiet: bool = False,
) -> Any:
    """Declare a field that REST shows.

    `default` is the dataclass default (for code that makes rows); `initial` is what a POST without the attribute
    means, REQUIRED unless given.  A `quiet` field never changes a flow, so a change of it alone renders nothing.
    """
    metadata = {"attr": Attribute(name, post, put, initial, check, shown, filter), "quiet": quiet}
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
    *, key: str | tuple[str, ...], indexes: Iterable[Index] = (), store: bool = False, private: bool = False
) -> Callable[[type], type]:
    """Make a frozen row class.  `store=True`: a *configured* row, kept in SQL; otherwise it lives in memory only.

    `private=True`: it holds what must stay between the store and identity; recordings leave it out.
    """
    names = (key,) if isinstance(key, str) else tuple(key)

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
            private=private,
        )
        KINDS[made.__name__] = made
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
