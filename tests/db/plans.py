"""Plans, rows drawn at random, and what a store holds: what the tests of the store have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from sqlalchemy import create_engine

from apps.allowed_address_pairs import AddressPair
from controller.core.model import Sequence
from controller.core.net import Net
from controller.core.plan import Draft
from controller.core.row import KINDS, SIDES, key_of
from controller.io.store import Entry, engines
from controller.io.store.schema import known_tables

CONFIGURED = [kind for kind in KINDS.values() if kind.ROW.store]
Contents = dict[type, dict[Any, Any]]
"""Rows by class and key."""


def put(*rows: Any) -> Callable[[Draft], Any]:
    def plan(draft: Draft) -> Any:
        for made in rows:
            draft.put(made)
        return len(rows)

    return plan


def contents(net: Net) -> Contents:
    return {kind: {kind.ROW.key(r): r for r in net.all(kind)} for kind in CONFIGURED}


def replayed(entries: Iterable[Entry]) -> Net:
    """The Net that the journal gives, applied to nothing; the revisions must be 1, 2, 3 ..."""
    net = Net()
    for expected, entry in enumerate(entries, start=1):
        assert entry.revision == expected
        for change in entry.changes:
            net.apply(change)
    return net


def take_number(draft: Draft) -> int:
    """A plan whose result depends on all plans before it."""
    sequence = draft.get(Sequence, "n") or Sequence("n")
    draft.put(replace(sequence, next=sequence.next + 1))
    return sequence.next


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value of a field, of the annotations that rows use."""
    if annotation in (str, int, bool):
        return {str: TEXTS, int: st.integers(-(2**63), 2**63 - 1), bool: st.booleans()}[annotation]
    arguments = get_args(annotation)
    if get_origin(annotation) is UnionType:
        return st.one_of([st.none() if part is type(None) else values_of(part) for part in arguments])
    if hasattr(annotation, "_fields"):
        return st.builds(annotation, *(values_of(hint) for hint in get_type_hints(annotation).values()))
    if arguments[-1] is Ellipsis:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    return st.tuples(*map(values_of, arguments))


PAIRS = st.sampled_from(["10.0.0.5", "10.0.0.0/24"]).map(lambda address: (AddressPair("", address),))
READ_BY_INDEXES = {"protocol": st.sampled_from([None, "tcp", "17"]), "allowed_address_pairs": PAIRS}
"""Fields whose value an index understands, and not just holds."""


def rows_of(kind: type) -> st.SearchStrategy[Any]:
    """Rows of a class with few keys, so that they meet."""
    hints = get_type_hints(kind)
    few = {str: st.sampled_from(["a", "A", "é"]), int: st.sampled_from([1, 2, 3])}
    chosen = READ_BY_INDEXES | {name: few[hints[name]] for name in kind.ROW.key_fields}
    names = [field.name for field in fields(kind)]
    return st.builds(kind, **{name: chosen[name] if name in chosen else values_of(hints[name]) for name in names})


ROWS = st.one_of([rows_of(kind) for kind in CONFIGURED])


STEPS = st.lists(st.lists(st.tuples(st.booleans(), ROWS), max_size=4), max_size=6)
"""Plans; a plan is a list of rows to put (True) or to remove (False)."""


def step(writes: list[tuple[bool, Any]]) -> Callable[[Draft], None]:
    def plan(draft: Draft) -> None:
        for stays, made in writes:
            draft.put(made) if stays else draft.remove(made)

    return plan


def put_into(rows: Contents, made: Any) -> None:
    """What putting a row means."""
    rows[type(made)][key_of(made)] = made


def take_from(rows: Contents, made: Any) -> None:
    """What removing a row means: its side rows go with it."""
    for side in SIDES.get(type(made), ()):
        rows[side].pop(key_of(made), None)
    rows[type(made)].pop(key_of(made), None)


def empty(url: str) -> str:
    """Take every row and journal entry out of a database, so that the next example begins anew; its URL."""
    engine = create_engine(engines.parse(url))
    with engine.begin() as connection:
        for table in known_tables().sorted_tables:
            connection.execute(table.delete())
    engine.dispose()
    return url
