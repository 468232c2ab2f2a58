"""Rows and the Net: keys, indexes, changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.net import Change, Net
from controller.core.row import KINDS, changes_flows, index, quiet, row


@row(key=("place", "number"), indexes=[index("place"), index("colour", "number"), index("each", each=lambda r: r.tags)])
class Thing:
    place: str
    number: int
    colour: str = ""
    tags: tuple[str, ...] = ()
    note: str = quiet(default="")


KINDS.pop("Thing")  # a row of these tests only

things = st.builds(
    Thing,
    st.sampled_from("ab"),
    st.integers(0, 3),
    st.sampled_from(("red", "blue")),
    st.lists(st.sampled_from("xyz"), unique=True).map(tuple),
)


def test_a_row_is_found_by_key_and_by_every_index():
    one, two = Thing("a", 1, "red", ("x", "y")), Thing("a", 2, "red", ("y",))
    net = Net([two, one])
    assert net.get(Thing, ("a", 1)) == one
    assert net.get(Thing, ("b", 1)) is None
    assert net.find(Thing, "place", "a") == [one, two]
    assert net.find(Thing, "colour+number", ("red", 2)) == [two]
    assert net.find(Thing, "each", "y") == [one, two]
    assert net.find(Thing, "each", "z") == []
    assert (net.has(Thing, "each", "x"), net.has(Thing, "each", "z")) == (True, False)
    assert (net.count(Thing), sorted(net.all(Thing), key=lambda r: r.number)) == (2, [one, two])


def test_a_change_knows_its_row_type_and_key_whether_it_makes_or_removes():
    one = Thing("a", 1)
    for change in (Change(None, one), Change(one, None), Change(one, Thing("a", 1, "red"))):
        assert (change.row_type, change.key) == (Thing, ("a", 1))


@pytest.mark.parametrize("old", [None, Thing("a", 1, "blue")])
def test_a_change_of_something_else_than_what_is_there_is_an_error_and_changes_nothing(old):
    net = Net([Thing("a", 1, "red")])
    with pytest.raises(ValueError, match=r"Thing \('a', 1\) is .*red.* the change expects"):
        net.apply(Change(old, Thing("a", 1, "green")))
    assert net.find(Thing, "colour+number", ("red", 1)) == [Thing("a", 1, "red")]


def test_what_would_put_or_remove_a_row_is_told_as_a_change():
    one, other = Thing("a", 1), Thing("a", 1, "red")
    net = Net([one])
    assert net.change(other) == Change(one, other)
    assert net.removal(Thing, ("a", 1)) == Change(one, None)
    assert net.removal(Thing, ("a", 9)) is None


@given(st.lists(st.tuples(st.booleans(), things)))
def test_the_indexes_of_a_changed_net_are_those_of_a_new_one(steps):
    net = Net()
    for present, thing in steps:
        change = net.change(thing) if present else net.removal(Thing, (thing.place, thing.number))
        if change is not None:
            net.apply(change)
    fresh = Net(net.all(Thing))
    for name, values in (("place", "ab"), ("each", "xyz"), ("colour+number", [("red", 1), ("blue", 3)])):
        for value in values:
            assert net.find(Thing, name, value) == fresh.find(Thing, name, value)
            assert net.has(Thing, name, value) == fresh.has(Thing, name, value)


def test_quiet_fields_change_no_flows():
    one = Thing("a", 1, "red", (), "n")
    assert not changes_flows(one, Thing("a", 1, "red", (), "other"))
    assert changes_flows(one, Thing("a", 1, "red", ("x",)))
    assert changes_flows(None, one)
    assert changes_flows(one, None)
