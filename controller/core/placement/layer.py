"""A layer: one class of derived rows, what it follows, and what each of its rows should be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from controller.core.net import Change, Net
from controller.core.settings import Settings

Keys = Iterable[Any]


class Layer(NamedTuple):
    """`row_type` is what is derived.  `triggers` gives, for a change of a row of one of the classes in `follows`, the
    keys of the derived rows that can depend on it; `resolve` gives the row that a key should have, or None."""

    row_type: type
    follows: tuple[type, ...]
    triggers: Callable[[Net, Settings, Change], Keys]
    resolve: Callable[[Net, Settings, Any], Any]


def both(change: Change) -> list[Any]:
    """The row before and the row after, as far as there are any."""
    return [row for row in change if row is not None]
