"""What is made once and kept for all who need it: flows have most of their parts in common, and some as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Kept(dict[Any, Any]):
    """Values by what they are made from: `kept[key]` is `make(key)`, called for a key that is not known.

    All are forgotten when there are `most` of them, for those that are one port's alone would stay for nothing.
    """

    def __init__(self, make: Callable[[Any], Any], most: int) -> None:
        super().__init__()
        self._make = make
        self._most = most

    def __missing__(self, key: Any) -> Any:
        made = self._make(key)
        if len(self) >= self._most:
            self.clear()
        self[key] = made
        return made
