"""What is made once and kept."""

from __future__ import annotations

import pytest

from controller.core.kept import Kept


def test_a_value_is_made_once_for_a_key():
    made = []
    kept = Kept(lambda key: made.append(key) or [key], 10)
    assert kept[1] is kept[1]
    assert kept[2] == [2]
    assert made == [1, 2]


def test_it_never_holds_more_than_it_may_and_gives_the_right_values_all_the_same():
    kept = Kept(lambda key: key * key, 3)
    assert [kept[key] for key in (*range(10), *range(10))] == 2 * [key * key for key in range(10)]
    assert 0 < len(kept) <= 3


def test_what_can_not_be_made_is_not_kept():
    kept = Kept(lambda key: 1 // key, 3)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            kept[0]
    assert len(kept) == 0
