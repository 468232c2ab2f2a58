"""What was found in somebody else's database: rows of ours, and what there is to say about the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from controller.core.plan import Refusal
from controller.core.plans.parse import Invalid

NAMESPACE = UUID("5d4c8d60-3a07-5fd3-8f0b-6b9c1f0f6a51")
"""Of the ids of what had none in the source: an import that is run again gives the same ones."""


class Clash(NamedTuple):
    """An object that can't be taken over: what it is, and the rule that it breaks."""

    about: str
    rule: str


class Gone(NamedTuple):
    """Among rows: one of ours that is here from the start, and was removed there."""

    kind: type
    key: str


@dataclass
class Gathered:
    """`rows` stand in the order in which they can be written, what is referred to first.  `left_out` counts what has no
    place here, by name.  `clashes` are objects whose values can't be."""

    rows: list[Any] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    clashes: list[Clash] = field(default_factory=list)

    def put(self, kind: Any, *values: Any, **fields: Any) -> None:
        """Make a row of a class, of values that can't be wrong."""
        self.rows.append(kind(*values, **fields))

    def add(self, about: str, make: Callable[[], Any]) -> None:
        """Make a row; what its values are refused for is a clash."""
        try:
            self.rows.append(make())
        except (Invalid, Refusal, ValueError) as error:
            self.clashes.append(Clash(about, str(error)))

    def leave_out(self, what: str, count: int) -> None:
        if count:
            self.left_out[what] = self.left_out.get(what, 0) + count


def made_id(*words: str) -> str:
    """The id of what has none in the source."""
    return str(uuid5(NAMESPACE, " ".join(words)))
