"""Contests: units that want what another one has got (a flow's slot, a meter at another rate) have a fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controller.core.claims import Contest, Owner
from controller.core.effects import Propose
from controller.core.engine import Unit
from controller.core.faults import Faults, shown_on
from controller.core.flow import Slot
from controller.core.net import Net
from controller.core.text import format_match


class Contests:
    """What the losers of each contest were told."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._told: dict[tuple[int, Slot | int], dict[Owner, str]] = {}

    def follow(self, net: Net, dpid: int, contest: Contest, units: Mapping[Owner, Unit]) -> Iterator[Propose]:
        """Show how things stand, at the end of a step, with what was contested on a switch."""
        place = (dpid, contest.wanted)
        told = self._told.pop(place, {})
        reasons: dict[Owner, str] = {}
        if contest.winner is not None:
            winner = units[contest.winner]
            has = f"{winner.renderer.name} of {' '.join(shown_on(net, winner))}"
            reasons = {owner: _reason(dpid, contest.wanted, units[owner], has) for owner in contest.losers}
        for owner in told:
            if owner not in reasons:
                yield from self._faults.end((*place, owner))
        for owner, reason in reasons.items():
            if told.get(owner) != reason:
                yield from self._faults.begin((*place, owner), shown_on(net, units[owner]), reason)
        if reasons:
            self._told[place] = reasons


def _reason(dpid: int, wanted: Slot | int, loser: Unit, has: str) -> str:
    if isinstance(wanted, int):
        what = f"meter {wanted} of {loser.renderer.name} is wanted at a higher rate by {has}"
    else:
        table, priority, match = wanted
        slot = ",".join(filter(None, (f"table={table}", f"priority={priority}", format_match(match))))
        what = f"flow {slot} of {loser.renderer.name} is also wanted by {has}"
    return f"switch {dpid:016x}: {what}"
