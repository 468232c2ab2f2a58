"""Claims: what the units want of one switch, and who gets what several of them want.

No two units should want one slot; where they do, the unit whose name sorts first has it, in whatever order they came.
A meter has the highest rate that is wanted of it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from controller.core.flow import Flow, Meter, Slot

Owner = tuple[Any, Any]
"""A unit's id."""
Rivals = dict[Owner, Flow]


def _rank(owner: Owner) -> tuple[str, str]:
    return repr(owner[0]), repr(owner[1])


class Contest(NamedTuple):
    """How things stand with a slot, or a meter (by its id), that several units want or have wanted.

    `losers` are those that do not get what they want, in order: nobody, when it is contested no more.
    """

    wanted: Slot | int
    winner: Owner | None
    losers: tuple[Owner, ...]


class Claims:
    """`flows` holds what each slot is to have, `owners` whose flow that is, `meters` the rates of the meters.

    `contested` holds all claims of the slots that several units want.  `touched` collects the slots whose flow may be
    another one now, for who sends the difference; `timed` the slots of flows that may time out, by cookie.
    """

    def __init__(self) -> None:
        self.flows: dict[Slot, Flow] = {}
        self.owners: dict[Slot, Owner] = {}
        self.meters: dict[int, int] = {}
        self.contested: dict[Slot, Rivals] = {}
        self.touched: dict[Slot, None] = {}
        self.timed: dict[int, Slot] = {}
        self._rates: dict[int, dict[Owner, int]] = {}
        self._disputes: dict[Slot | int, None] = {}

    def change(self, owner: Owner, old: Collection[Flow | Meter], new: Collection[Flow | Meter]) -> None:
        """A unit's flows and meters became different."""
        both = {*old}.intersection(new) if old and new else ()
        for item in old:
            if item not in both:
                self._release(owner, item)
        for item in new:
            if item not in both:
                self._claim(owner, item)

    def _release(self, owner: Owner, item: Flow | Meter) -> None:
        if isinstance(item, Meter):
            self._release_meter(owner, item)
            return
        slot = item.slot
        self.touched[slot] = None
        if item.idle_timeout:
            self.timed.pop(item.cookie, None)
        rivals = self.contested.get(slot)
        if rivals is None:
            if self.owners.get(slot) == owner and self.flows[slot] == item:
                del self.flows[slot], self.owners[slot]
            return
        if rivals.get(owner) == item:
            del rivals[owner]
        self._award(slot, rivals)

    def _claim(self, owner: Owner, item: Flow | Meter) -> None:
        if isinstance(item, Meter):
            self._claim_meter(owner, item)
            return
        slot = item.slot
        self.touched[slot] = None
        if item.idle_timeout:
            self.timed[item.cookie] = slot
        holder = self.owners.get(slot)
        if holder is None or holder == owner:
            self.flows[slot], self.owners[slot] = item, owner
            if slot in self.contested:
                self.contested[slot][owner] = item
            return
        rivals = self.contested.setdefault(slot, {holder: self.flows[slot]})
        rivals[owner] = item
        self._award(slot, rivals)

    def _award(self, slot: Slot, rivals: Rivals) -> None:
        """Give a contested slot to the owner whose name sorts first, whatever the order in which they came."""
        self._disputes[slot] = None
        winner = min(rivals, key=_rank)
        flow = rivals[winner]
        self.flows[slot], self.owners[slot] = flow, winner
        if flow.idle_timeout:
            self.timed[flow.cookie] = slot
        if len(rivals) == 1:
            del self.contested[slot]

    def _claim_meter(self, owner: Owner, meter: Meter) -> None:
        """A meter stands while a unit wants it: a port number may have a new owner before the old one has left."""
        rates = self._rates.setdefault(meter.id, {})
        rates[owner] = meter.rate
        self.meters[meter.id] = max(rates.values())
        if len(rates) > 1:
            self._disputes[meter.id] = None

    def _release_meter(self, owner: Owner, meter: Meter) -> None:
        rates = self._rates.get(meter.id, {})
        if rates.get(owner) != meter.rate:
            return
        del rates[owner]
        if rates:
            self.meters[meter.id] = max(rates.values())
            self._disputes[meter.id] = None
        else:
            del self._rates[meter.id], self.meters[meter.id]

    def take_contests(self) -> list[Contest]:
        """How things stand with what was contested at any time since this was last asked."""
        if not self._disputes:
            return []
        disputes, self._disputes = self._disputes, {}
        return [self._meter_contest(it) if isinstance(it, int) else self._contest(it) for it in disputes]

    def _contest(self, slot: Slot) -> Contest:
        winner = self.owners.get(slot)
        losers = (owner for owner in self.contested.get(slot, ()) if owner != winner)
        return Contest(slot, winner, tuple(sorted(losers, key=_rank)))

    def _meter_contest(self, id: int) -> Contest:
        """Those who want a lower rate than the meter has lose; those who want the same agree."""
        rates = self._rates.get(id, {})
        ranked = sorted(rates, key=_rank)
        winner = next((owner for owner in ranked if rates[owner] == self.meters[id]), None)
        return Contest(id, winner, tuple(owner for owner in ranked if rates[owner] != self.meters[id]))
