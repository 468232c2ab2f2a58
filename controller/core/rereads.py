"""Rereads: when switches that refuse something are read, and offered it, again.

Soon at first, for it may have been a passing matter; ever more seldom while it goes on, for each reading of a switch
costs it and us, and nothing has changed (its datapath has no meters, say).
"""

from __future__ import annotations

from collections.abc import Iterable

PAUSE = 5.0
"""Seconds from one reading of a switch to the next, at first."""
LONGEST = 60.0
"""Seconds that the pause may grow to."""


class Rereads:
    """The switches that are to be read, and when each was last read for that reason."""

    def __init__(self) -> None:
        self._wanted: dict[int, None] = {}
        self._last: dict[int, tuple[float, float]] = {}

    def want(self, dpids: Iterable[int]) -> None:
        """These switches are to be read when their pause is over."""
        self._wanted.update(dict.fromkeys(dpids))

    def forget(self, dpid: int) -> None:
        """A switch has connected, and so was read: it may well be another one now."""
        self._wanted.pop(dpid, None)
        self._last.pop(dpid, None)

    def due(self, now: float) -> list[int]:
        """The switches to read now.  Each one's pause doubles when it is wanted again soon after it was over."""
        found = []
        for dpid in list(self._wanted):
            last, pause = self._last.get(dpid, (-LONGEST, 0.0))
            if now - last < pause:
                continue
            again = now - last < 2 * pause
            self._last[dpid] = now, min(2 * pause, LONGEST) if again else PAUSE
            del self._wanted[dpid]
            found.append(dpid)
        return found
