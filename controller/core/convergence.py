"""Convergence: which revision of the store each switch has acknowledged.

A switch has acknowledged a revision when all flows that followed from it, from earlier ones, and from what was
observed before it, are on the switch.  One that owes nothing has acknowledged the revision that the machine is at;
so only what is owed is kept, and a step looks at no switch that it did not touch.

A change that comes in two halves (core.interim) is acknowledged with the second one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from controller.core.derived import Switch
from controller.core.ledger import UNKNOWN, Ledger
from controller.core.model import Host
from controller.core.net import Change, Net

NEVER = 1 << 62
"""A revision that will never be."""
NOBODY = -1
"""A revision that was before all."""


class Debt(NamedTuple):
    """Until a switch has answered the bundle `goal`, it has acknowledged no more than `revision`."""

    revision: int
    goal: int


class Convergence:
    """What switches owe.  `revision` is the last one that was taken in; `halved` the oldest of which the second half
    is not sent yet (NEVER: there is none).

    The switches are the bridges of all known hosts, whether they ever connected to this controller or not.
    """

    def __init__(self, revision: int = 0) -> None:
        self.revision = revision
        self.halved = NEVER
        self._debts: dict[int, list[Debt]] = {}
        self._away: set[int] = set()
        self._doubts: dict[int, bool] = {}

    # -- what happens -------------------------------------------------------------------------------------------------

    def read(self, dpid: int) -> None:
        """A switch was read: if it lacks anything, nothing that it acknowledged before counts any more."""
        self._doubts[dpid] = True

    def refused(self, dpid: int) -> None:
        """A switch refused a bundle: what was in it comes again, in a later one."""
        self._doubts.setdefault(dpid, False)

    def follow(
        self,
        net: Net,
        changes: Iterable[Change],
        due: Iterable[int],
        ledgers: Mapping[int, Ledger],
        revision: int,
        oldest: int = NEVER,
    ) -> None:
        """One step is done, and its flows are sent: `due` are the switches that it touched.  They are those of
        revisions from `oldest` on, where that is before those that the step took in."""
        before = min(self.revision, oldest - 1)
        self._welcome(changes)
        doubts, self._doubts = self._doubts, {}
        for dpid in dict.fromkeys((*due, *doubts)):
            if net.has(Host, "bridge", dpid):
                self._count(net, dpid, ledgers.get(dpid), doubts.get(dpid), before)
            else:
                self._debts.pop(dpid, None)
                self._away.discard(dpid)
        self.revision = revision

    def _welcome(self, changes: Iterable[Change]) -> None:
        """Bridges that a host came to have have acknowledged nothing yet; those that it lost are to be looked at."""
        for change in changes:
            if change.row_type is Host:
                before, now = _bridges(change.old), _bridges(change.new)
                self._doubts.update(dict.fromkeys(now - before, True))
                self._doubts.update((dpid, self._doubts.get(dpid, False)) for dpid in before - now)

    def _count(self, net: Net, dpid: int, ledger: Ledger | None, doubt: bool | None, before: int) -> None:
        """Work out what a switch owes; `doubt`: none, or of what is in flight (False), or of all that it holds.
        `before` is the last revision of which the step has nothing."""
        debts = self._debts.get(dpid, [])
        least = min(_least(debts, before), before)
        away = ledger is None or not ledger.open
        (self._away.add if away else self._away.discard)(dpid)
        if ledger is None or away or net.get(Switch, dpid) is None:
            goal, paid = UNKNOWN, 0
        else:
            goal, paid = ledger.goal, ledger.answered
        if doubt is not None or goal == UNKNOWN:
            debts = [Debt(0 if doubt else least, goal)]
        else:
            # What brings all that is desired now brings what was desired before, too.
            debts = [Debt(debt.revision, min(debt.goal, goal)) for debt in debts]
            if not debts or debts[-1].goal < goal or debts[-1].revision > before:
                debts.append(Debt(before, goal))
        debts = [debt for debt in debts if debt.goal > paid]
        if debts:
            self._debts[dpid] = debts
        else:
            self._debts.pop(dpid, None)

    # -- what can be asked --------------------------------------------------------------------------------------------

    def acknowledged(self, dpid: int) -> int:
        """The highest revision that a switch has acknowledged (of one that is away: when it was last here)."""
        return min(_least(self._debts.get(dpid, ()), self.revision), self.halved - 1)

    def away(self, dpid: int) -> bool:
        """Whether a switch is not connected: what it holds now is not known."""
        return dpid in self._away

    def converged(self, revision: int, connected: bool = False) -> bool:
        """Whether all switches (or those that are connected) have acknowledged a revision.

        Flows that a switch refused do not count: they are faults, and no time heals them.
        """
        return revision < self.halved and revision <= self.paid(connected)

    def paid(self, connected: bool = False) -> int:
        """The highest revision of which all switches (or those that are connected) have acknowledged what was sent:
        first halves count as if nothing more were to come.  NOBODY while a switch is away that counts."""
        if self._away and not connected:
            return NOBODY
        behind = (_least(debts, self.revision) for dpid, debts in self._debts.items() if dpid not in self._away)
        return min(behind, default=self.revision)


def _least(debts: Sequence[Debt], most: int) -> int:
    """The revision that is acknowledged while there are these debts, and `most` when there are none."""
    return min((debt.revision for debt in debts), default=most)


def _bridges(host: Host | None) -> set[int]:
    return {dpid for _, dpid in host.bridges} if host is not None else set()
