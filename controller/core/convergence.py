"""Convergence: which revision of the store each switch has acknowledged.

A switch has acknowledged a revision when all flows that followed from it, from earlier ones, and from what was
observed before it, are on the switch.  One that owes nothing has acknowledged the revision that the machine is at;
so only what is owed is kept, and a step looks at no switch that it did not touch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from controller.core.ledger import UNKNOWN, Ledger
from controller.core.model import Host, Switch
from controller.core.net import Change, Net


class Debt(NamedTuple):
    """Until a switch has answered the bundle `goal`, it has acknowledged no more than `revision`."""

    revision: int
    goal: int


class Convergence:
    """What switches owe, oldest first.  `revision` is the last one that was taken in.

    The switches are the bridges of all known hosts, whether they ever connected to this controller or not.
    """

    def __init__(self, revision: int = 0) -> None:
        self.revision = revision
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
        self, net: Net, changes: Iterable[Change], due: Iterable[int], ledgers: Mapping[int, Ledger], revision: int
    ) -> None:
        """One step is done, and its flows are sent: `due` are the switches that it touched."""
        self._welcome(changes)
        doubts, self._doubts = self._doubts, {}
        for dpid in dict.fromkeys((*due, *doubts)):
            if net.has(Host, "bridge", dpid):
                self._count(net, dpid, ledgers.get(dpid), doubts.get(dpid))
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

    def _count(self, net: Net, dpid: int, ledger: Ledger | None, doubt: bool | None) -> None:
        """Work out what a switch owes; `doubt`: none, or of what is in flight (False), or of all that it holds."""
        debts = self._debts.get(dpid, [])
        least = debts[0].revision if debts else self.revision
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
            if not debts or debts[-1].goal < goal:
                debts.append(Debt(self.revision, goal))
        debts = [debt for debt in debts if debt.goal > paid]
        if debts:
            self._debts[dpid] = debts
        else:
            self._debts.pop(dpid, None)

    # -- what can be asked --------------------------------------------------------------------------------------------

    def acknowledged(self, dpid: int) -> int:
        """The highest revision that a switch has acknowledged (of one that is away: when it was last here)."""
        debts = self._debts.get(dpid)
        return debts[0].revision if debts else self.revision

    def away(self, dpid: int) -> bool:
        """Whether a switch is not connected: what it holds now is not known."""
        return dpid in self._away

    def converged(self, revision: int, connected: bool = False) -> bool:
        """Whether all switches (or those that are connected) have acknowledged a revision.

        Flows that a switch refused do not count: they are faults, and no time heals them.
        """
        if revision > self.revision or (self._away and not connected):
            return False
        behind = (debts[0].revision for dpid, debts in self._debts.items() if dpid not in self._away)
        return all(acknowledged >= revision for acknowledged in behind)


def _bridges(host: Host | None) -> set[int]:
    return {dpid for _, dpid in host.bridges} if host is not None else set()
