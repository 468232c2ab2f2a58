"""The ledger of a switch: what is desired against what is installed, and the smallest ordered difference.

Desired flows come from units (see Claims).  What is installed is known from what we sent and from reading the switch.
A removal names table and cookie, never a match, so nothing that is not ours can be hit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from controller.core.claims import Claims, Owner
from controller.core.effects import FlowMods
from controller.core.events import Installed
from controller.core.flow import Flow, Meter, Slot, is_ours

Digest = Callable[[Flow], int]
NOT_THERE = -1
IN_FLIGHT = 4
"""Bundles that may be on their way to a switch.  A slow one gets its changes together, and no queue grows."""
HANDFUL = 4
"""Bundles refused for flows of one table from which on its other flows are suspects, and go in many small bundles: a
switch names but one flow of each bundle that it can't commit (a table is full, there are no meters)."""
PARTS_IN_FLIGHT = 64
"""Bundles of suspects that may be on their way to a switch."""
PART = 16
"""Suspects in one bundle at most: few are alone, so that one round trip tells of all."""
UNKNOWN = 1 << 62
"""A serial that is never sent."""


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
        self.claims = Claims()
        self.desired, self.owners, self._touched = self.claims.flows, self.claims.owners, self.claims.touched
        self.refused: dict[Slot, int] = {}
        self._blamed: dict[int, set[Slot]] = {}
        self._retry: set[Slot] = set()
        self._healed: list[Slot] = []
        self._installed: dict[Slot, Flow] = {}
        self._meters: dict[int, int] = {}
        self._suspects: dict[Slot, None] = {}
        self._doubtful: dict[int, Flow] = {}
        self._stale: list[tuple[int, int]] = []
        self._foreign: list[tuple[int, int, int, str]] = []
        self._in_flight: list[Sent] = []
        self._returned: tuple[int, dict[int, Slot]] = (0, {})
        self._reading: Reading | None = None

    def change(self, owner: Owner, old: Collection[Flow | Meter], new: Collection[Flow | Meter]) -> None:
        """A unit's flows and meters on this switch became different."""
        self.claims.change(owner, old, new)

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
        slot = self.claims.timed.get(cookie)
        installed = self._installed.get(slot) if slot is not None else None
        if slot is None or installed is None or installed.cookie != cookie:
            return None
        del self._installed[slot]
        self._touched[slot] = None
        flow = self.desired.get(slot)
        return flow if flow is not None and flow.cookie == cookie else None

    def refuse(self, serial: int, cookie: int) -> Flow | None:
        """The switch refused a flow of a bundle (or all of it: cookie 0).  Returns the flow at fault; the others are
        sent again.

        Open vSwitch names every flow of a bundle that it can't make sense of, and carries out the others; of those that
        it can't commit it names the first, and carries out nothing.
        """
        first = self._take_back(serial)
        self._doubtful.pop(cookie, None)
        at, slots = self._returned
        slot = slots.get(cookie) if at == serial else None
        flow = self.desired.get(slot) if slot is not None else None
        if slot is None or flow is None or flow.cookie != cookie:
            return None
        if first:
            self._blamed.setdefault(slot[0], set()).add(slot)
        self.refused[slot] = cookie
        self._retry.discard(slot)
        return flow

    def _take_back(self, serial: int) -> bool:
        """Send what was in a bundle again, for whether any of it was done is not known.  Returns whether this is news.

        All errors of a bundle come before those of the next, so who may be at fault is kept for the last one only.
        """
        refused = [sent for sent in self._in_flight if sent.serial == serial]
        for sent in refused:
            self._in_flight.remove(sent)
            cookies: dict[int, Slot] = {}
            for slot, before in sent.before.items():
                self._touched[slot] = None
                now = self._installed.pop(slot, None)
                self._doubtful.update((flow.cookie, flow) for flow in (before, now) if flow is not None)
                if now is not None:
                    cookies[now.cookie] = slot
            self._returned = serial, cookies
            self._stale += sent.stale
            self._foreign += sent.foreign
            self._meters = {id: rate for id, rate in self._meters.items() if id not in sent.meters}
        return bool(refused)

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
            self._blamed.get(slot[0], set()).discard(slot)
            self._retry.discard(slot)
            self._healed.append(slot)

    def take_healed(self) -> list[Slot]:
        """The slots whose refusal is over since this was last asked."""
        healed, self._healed = self._healed, []
        return healed

    # -- the difference -----------------------------------------------------------------------------------------------

    def flush(self) -> FlowMods | None:
        """The next bundle that brings the switch to what is desired, or None when there is nothing to send (or it
        can't be).  There is another one at once where some are left (`parted`)."""
        if not self.open or len(self._in_flight) >= (PARTS_IN_FLIGHT if self._suspects else IN_FLIGHT):
            return None  # what is due now goes with what becomes due until the switch has answered
        if self._reading is not None:
            reading, self._reading = self._reading, None
            self._reconcile(reading)
        add: list[Flow] = []
        stale = self._take_stale()
        remove = list(stale)
        before: dict[Slot, Flow | None] = {}
        for slot in self._touched:
            if self.refused and self._is_suspect(slot):
                self._suspects[slot] = None
            else:
                self._compare(slot, before, add, remove)
        self._touched.clear()
        foreign, self._foreign = tuple(self._foreign), []
        meters, stale_meters = self._meter_difference()
        if not (add or remove or foreign or meters or stale_meters):
            room = min(PART, max(1, len(self._suspects) // PARTS_IN_FLIGHT))
            while self._suspects and len(add) < room:
                self._compare(self._suspects.popitem()[0], before, add, remove)
            if not add:
                return None
        self.sent += 1
        self._in_flight.append(Sent(self.sent, before, frozenset(meter.id for meter in meters), stale, foreign))
        # An add that takes over the slot of a removed one (a new cookie) must not be undone by the removal behind it:
        # removals go by cookie, so they can't meet it.
        return FlowMods(self.dpid, self.sent, tuple(add), tuple(remove), foreign, meters, stale_meters)

    @property
    def parted(self) -> bool:
        """Whether suspects wait that go in bundles of their own, behind all else."""
        return bool(self._suspects)

    def _is_suspect(self, slot: Slot) -> bool:
        return len(self._blamed.get(slot[0], ())) >= HANDFUL and slot in self.desired

    def _compare(
        self, slot: Slot, before: dict[Slot, Flow | None], add: list[Flow], remove: list[tuple[int, int]]
    ) -> None:
        """Put into a bundle what a slot lacks, and note what it held before."""
        flow, have = self.desired.get(slot), self._installed.get(slot)
        if flow is None:
            self._heal(slot)
            if have is not None:
                before[slot] = have
                remove.append((slot[0], have.cookie))
                del self._installed[slot]
        elif self.refused.get(slot) == flow.cookie and slot not in self._retry:
            return
        elif have is None or flow.cookie != have.cookie:
            before[slot] = have
            add.append(flow)
            self._installed[slot] = flow

    def _take_stale(self) -> tuple[tuple[int, int], ...]:
        """Flows of ours that are not desired, and are there or may be: those that were read, or were in a refused
        bundle (and are desired by now, maybe)."""
        if not self._stale and not self._doubtful:
            return ()
        stale, self._stale = self._stale, []
        doubtful, self._doubtful = self._doubtful, {}
        if stale:
            desired = {(flow.table, flow.cookie) for flow in self.desired.values()}
            stale = [name for name in stale if name not in desired]
        stale += [(flow.table, flow.cookie) for flow in doubtful.values() if self.desired.get(flow.slot) != flow]
        return tuple(dict.fromkeys(stale))

    def _meter_difference(self) -> tuple[tuple[Meter, ...], tuple[int, ...]]:
        if self._meters == self.claims.meters:
            return (), ()
        make = tuple(Meter(id, rate) for id, rate in self.claims.meters.items() if self._meters.get(id) != rate)
        drop = tuple(id for id in self._meters if id not in self.claims.meters)
        self._meters = dict(self.claims.meters)
        return make, drop

    @property
    def goal(self) -> int:
        """The serial of the bundle that brings all that is desired now."""
        if not (self._touched or self._suspects or self._reading is not None):
            return self.sent
        # Nobody knows how many bundles suspects will take: all is there when the ledger is settled.
        return self.sent + 1 if len(self.refused) < HANDFUL else UNKNOWN

    @property
    def answered(self) -> int:
        """The serial up to which the switch has answered: bundles are carried out in their order."""
        return self._in_flight[0].serial - 1 if self._in_flight else self.sent

    @property
    def settled(self) -> bool:
        """Whether the switch has answered all that was sent."""
        return not self._in_flight

    @property
    def complete(self) -> bool:
        """Whether the switch has answered, and nothing is left to send: what it refused comes again first."""
        return self.settled and self.goal == self.sent
