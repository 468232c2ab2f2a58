"""Questions to one bridge how many packets its flows have met, and their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from controller.core.flow import COOKIE_MASK, OURS, OURS_MASK
from controller.io.openflow import decode, messages

Wanted = tuple[int, int]
"""A table and the cookie of a flow of it; 0: all flows of ours there."""


class Question:
    """`counts` is what was heard so far, by cookie; `done` is called when all is."""

    def __init__(self, done: Callable[[], None]) -> None:
        self.counts: dict[int, int] = {}
        self.done = done
        self.open: set[int] = set()

    def heard(self, xid: int, counts: Iterable[Wanted], more: bool) -> None:
        self.counts.update(counts)
        if not more:
            self.open.discard(xid)
            if not self.open:
                self.done()


class Counting:
    """The questions of a session that are not answered yet, by the xids of their messages.

    A question that nobody waits for any more stays until it is answered: its answer must not count as another one's.
    """

    def __init__(self) -> None:
        self._asked: dict[int, Question] = {}

    def ask(self, question: Question, wanted: Iterable[Wanted], xid: Callable[[], int]) -> Iterator[bytes]:
        """The messages of a question."""
        for table, cookie in wanted:
            number = xid()
            question.open.add(number)
            self._asked[number] = question
            known = (cookie, COOKIE_MASK) if cookie else (OURS << 56, OURS_MASK)
            yield messages.flow_stats_request(number, table, *known)

    def heard(self, xid: int, body: bytes, more: bool) -> bool:
        """Take in a part of a flow-stats reply; False when it answers no question of ours."""
        question = self._asked.get(xid)
        if question is None:
            return False
        if not more:
            del self._asked[xid]
        question.heard(xid, decode.flow_counts(body), more)
        return True
