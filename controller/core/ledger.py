"""The ledger of a switch: what is desired against what is installed, and the smallest ordered difference.

Desired flows come from units.  No two should want one slot; where they do, the unit whose name sorts first has it, in
whatever order they came.
What is installed is known from what we sent and from reading the switch.  A removal names table and cookie, never a
match, so nothing that is not ours can be hit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from controller.core.effects import FlowMods
from controller.core.events import Installed
from controller.core.flow import Flow, Meter, Slot, is_ours

Owner = tuple[Any, Any]
Claims = dict[Owner, Flow]
Digest = Callable[[Flow], int]
NOT_THERE = -1
IN_FLIGHT = 2
"""Bundles that may be on their way to a switch.  A slow one gets its changes together, and no queue grows."""


def _rank(owner: Owner) -> tuple[str, str]:
    return repr(owner[0]), repr(owner[1])


class Sent(NamedTuple):
    """A bundle on its way, should the switch refuse it: what its slots held before, and what else was to go."""

    serial: int
    before: dict[Slot, Flow | None]
    meters: frozenset[int]
    stale: tuple[tuple[int, int], ...]
    foreign: tuple[tuple[int, int, int, str], ...]


class Reading(NamedTuple):
    """What a switch was read to hold, once it had carried out `serial`."""

    installed: tuple[Installed, ...]
    suspect: frozenset[int]
    serial: int


class Ledger:
    """Desired and installed flows of one switch.

    `open`: it is connected and was read.  `owns_all`: flows that are not ours have no place on it (br-int).
    `digest` gives what an installed flow of ours must read as; without one, its cookie is believed.
    """

    def __init__(self, dpid: int, digest: Digest | None = None) -> None:
        self.dpid = dpid
        self._digest = digest
        self.owns_all = False
        self.open = False
        self.sent = 0
        self.desired: dict[Slot, Flow] = {}
        self.owners: dict[Slot, Owner] = {}
        self.contested: dict[Slot, Claims] = {}
        self.refused: dict[Slot, int] = {}
        self._retry: set[Slot] = set()
        self._healed: list[Slot] = []
        self._installed: dict[Slot, Flow] = {}
        self._meters: dict[int, int] = {}
        self._wanted_meters: dict[int, int] = {}
        self._meter_claims: dict[int, dict[Owner, int]] = {}
        self._touched: dict[Slot, None] = {}
        self._stale: list[tuple[int, int]] = []
        self._foreign: list[tuple[int, int, int, str]] = []
        self._in_flight: list[Sent] = []
        self._reading: Reading | None = None
        self._timed: dict[int, Slot] = {}

    # -- desired ------------------------------------------------------------------------------------------------------

    def change(self, owner: Owner, old: Iterable[Flow | Meter], new: Iterable[Flow | Meter]) -> None:
        """A unit's flows and meters on this switch became different."""
        old_set, new_set = set(old), set(new)
        for item in old:
            if item not in new_set:
                self._release(owner, item)
        for item in new:
            if item not in old_set:
                self._claim(owner, item)

    def _release(self, owner: Owner, item: Flow | Meter) -> None:
        if isinstance(item, Meter):
            self._meter_claims[item.id].pop(owner)
            self._award_meter(item.id)
            return
        slot = item.slot
        self._touched[slot] = None
        if item.idle_timeout:
            self._timed.pop(item.cookie, None)
        claims = self.contested.get(slot)
        if claims is None:
            if self.owners.get(slot) == owner and self.desired[slot] == item:
                del self.desired[slot], self.owners[slot]
            return
        if claims.get(owner) == item:
            del claims[owner]
        self._award(slot, claims)

    def _claim(self, owner: Owner, item: Flow | Meter) -> None:
        if isinstance(item, Meter):
            self._meter_claims.setdefault(item.id, {})[owner] = item.rate
            self._award_meter(item.id)
            return
        slot = item.slot
        self._touched[slot] = None
        if item.idle_timeout:
            self._timed[item.cookie] = slot
        holder = self.owners.get(slot)
        if holder is None or holder == owner:
            self.desired[slot], self.owners[slot] = item, owner
            if slot in self.contested:
                self.contested[slot][owner] = item
            return
        claims = self.contested.setdefault(slot, {holder: self.desired[slot]})
        claims[owner] = item
        self._award(slot, claims)

    def _award(self, slot: Slot, claims: Claims) -> None:
        """Give a contested slot to the owner whose name sorts first, whatever the order in which they came."""
        winner = min(claims, key=_rank)
        self.desired[slot], self.owners[slot] = claims[winner], winner
        if len(claims) == 1:
            del self.contested[slot]

    def _award_meter(self, id: int) -> None:
        """A meter stands while a unit wants it: a port number may have a new owner before the old one has left."""
        claims = self._meter_claims[id]
        if claims:
            self._wanted_meters[id] = max(claims.values())
        else:
            del self._meter_claims[id], self._wanted_meters[id]

    # -- installed ----------------------------------------------------------------------------------------------------

    def read(
        self,
        installed: Iterable[Installed],
        meters: Iterable[tuple[int, int]] = (),
        suspect: Iterable[int] = (),
        serial: int | None = None,
    ) -> None:
        """The switch was read, after it had carried out `serial` (None: it connected anew, and all is known from this).

        What follows from it is worked out at the next flush, when the desired flows are known as well.
        """
        if serial is None:
            self._in_flight.clear()
        self._retry.update(self.refused)
        self._reading = Reading(tuple(installed), frozenset(suspect), self.sent if serial is None else serial)
        self._meters = dict(meters)
        self.open = True

    def _reconcile(self, reading: Reading) -> None:
        """Compare what was read with what is desired; slots of bundles sent since are as those bundles leave them."""
        since = {slot for sent in self._in_flight if sent.serial > reading.serial for slot in sent.before}
        later = {slot: self._installed[slot] for slot in since if slot in self._installed}
        found: dict[tuple[int, int, int], int | None] = {}
        self._foreign = []
        for entry in reading.installed:
            if is_ours(entry.cookie):
                found[entry[:3]] = entry.digest
            elif self.owns_all:
                self._foreign.append(entry[:4])
        # Most often all is there: start from that (a copy hashes nothing) and take out what is not.
        self._installed = self.desired.copy()
        for slot, flow in self.desired.items():
            digest = found.pop((slot[0], slot[1], flow.cookie), NOT_THERE)
            if slot in since:
                continue
            if digest == NOT_THERE or flow.cookie in reading.suspect or not self._unchanged(flow, digest):
                self._touched[slot] = None
                del self._installed[slot]
            elif self.refused:
                self._heal(slot)
        for slot in since:
            self._installed.pop(slot, None)
        self._installed |= later
        cookies = {flow.cookie for flow in later.values()}
        self._stale = [(table, cookie) for table, _, cookie in found if cookie not in cookies]

    def _unchanged(self, flow: Flow, digest: int | None) -> bool:
        """Whether a flow with our cookie still does what we wrote: a cookie outlives a change of its actions."""
        if self._digest is None or digest is None:
            return True
        if flow.digest is None:
            flow.digest = self._digest(flow)
        return flow.digest == digest

    def close(self) -> None:
        """The connection is gone: nothing is sent, and nothing known of what is installed, until the next read."""
        self.open = False
        self._reading = None
        # Nothing of what was sent will be acknowledged any more; the next read tells what became of it.
        self._in_flight.clear()

    def expired(self, cookie: int) -> Flow | None:
        """A flow of ours timed out: returns it when it is still desired (it would be sent again)."""
        slot = self._timed.get(cookie)
        installed = self._installed.get(slot) if slot is not None else None
        if slot is None or installed is None or installed.cookie != cookie:
            return None
        del self._installed[slot]
        self._touched[slot] = None
        flow = self.desired.get(slot)
        return flow if flow is not None and flow.cookie == cookie else None

    def refuse(self, serial: int, cookie: int) -> Flow | None:
        """The switch refused a bundle, and so did none of it.  Returns the flow at fault; all others are sent again."""
        culprit = None
        for sent in self._in_flight:
            if sent.serial != serial:
                continue
            for slot, before in sent.before.items():
                self._touched[slot] = None
                if before is None:
                    self._installed.pop(slot, None)
                else:
                    self._installed[slot] = before
                flow = self.desired.get(slot)
                if flow is not None and flow.cookie == cookie:
                    self.refused[slot] = cookie
                    self._retry.discard(slot)
                    culprit = flow
            self._stale += sent.stale
            self._foreign += sent.foreign
            self._meters = {id: rate for id, rate in self._meters.items() if id not in sent.meters}
        self._in_flight = [sent for sent in self._in_flight if sent.serial != serial]
        return culprit

    def acknowledge(self, serial: int) -> None:
        """The switch has carried out every bundle up to `serial`."""
        for sent in self._in_flight if self.refused else ():
            if sent.serial <= serial:
                for slot in sent.before:
                    self._heal(slot)
        self._in_flight = [sent for sent in self._in_flight if sent.serial > serial]

    def _heal(self, slot: Slot) -> None:
        """What was refused in a slot is there now, or is no longer desired."""
        if self.refused.pop(slot, None) is not None:
            self._retry.discard(slot)
            self._healed.append(slot)

    def take_healed(self) -> list[Slot]:
        """The slots whose refusal is over since this was last asked."""
        healed, self._healed = self._healed, []
        return healed

    # -- the difference -----------------------------------------------------------------------------------------------

    def flush(self) -> FlowMods | None:
        """The bundle that makes the switch what is desired, or None when it is (or can't be reached)."""
        if not self.open or len(self._in_flight) >= IN_FLIGHT:
            return None  # what is due now goes with what becomes due until the switch has answered
        if self._reading is not None:
            reading, self._reading = self._reading, None
            self._reconcile(reading)
        add: list[Flow] = []
        stale = self._take_stale()
        remove = list(stale)
        before: dict[Slot, Flow | None] = {}
        for slot in self._touched:
            flow, have = self.desired.get(slot), self._installed.get(slot)
            if flow is None:
                self._heal(slot)
            elif self.refused.get(slot) == flow.cookie and slot not in self._retry:
                continue
            if flow is not None and (have is None or flow.cookie != have.cookie):
                before[slot] = have
                add.append(flow)
                self._installed[slot] = flow
            elif flow is None and have is not None:
                before[slot] = have
                remove.append((slot[0], have.cookie))
                del self._installed[slot]
        self._touched.clear()
        foreign, self._foreign = tuple(self._foreign), []
        meters, stale_meters = self._meter_difference()
        if not (add or remove or foreign or meters or stale_meters):
            return None
        self.sent += 1
        self._in_flight.append(Sent(self.sent, before, frozenset(meter.id for meter in meters), stale, foreign))
        # An add that takes over the slot of a removed one (a new cookie) must not be undone by the removal behind it:
        # removals go by cookie, so they can't meet it.
        return FlowMods(self.dpid, self.sent, tuple(add), tuple(remove), foreign, meters, stale_meters)

    def _take_stale(self) -> tuple[tuple[int, int], ...]:
        """Flows of ours that were read and are not desired (a refused bundle's come again: desired by now, maybe)."""
        if not self._stale:
            return ()
        stale, self._stale = self._stale, []
        desired = {(flow.table, flow.cookie) for flow in self.desired.values()}
        return tuple(name for name in stale if name not in desired)

    def _meter_difference(self) -> tuple[tuple[Meter, ...], tuple[int, ...]]:
        if self._meters == self._wanted_meters:
            return (), ()
        make = tuple(Meter(id, rate) for id, rate in self._wanted_meters.items() if self._meters.get(id) != rate)
        drop = tuple(id for id in self._meters if id not in self._wanted_meters)
        self._meters = dict(self._wanted_meters)
        return make, drop

    @property
    def goal(self) -> int:
        """The serial of the bundle that brings all that is desired now."""
        return self.sent + 1 if self._touched or self._reading is not None else self.sent

    @property
    def settled(self) -> bool:
        """Whether the switch has answered all that was sent."""
        return not self._in_flight
