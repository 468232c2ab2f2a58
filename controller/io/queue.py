"""What waits for the machine: small events first, and of what takes long only so much at a time.

A bridge that connects is some hundred flows to render and to send.  When a thousand connect at once, one more port of
another switch must not wait for them all.  When a hundred VIFs are plugged at once, their bridge takes in the flows of
the first ones while those of the next are rendered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import replace

from controller.core.events import (
    Acknowledged,
    Changed,
    Event,
    FlowRemoved,
    HostUp,
    InterfacesChanged,
    PacketIn,
    PortStatus,
    ProbeOver,
    ProbeWanted,
    Reread,
    SwitchDown,
    SwitchError,
    SwitchUp,
    Tick,
)

BURST = 10_000
"""Small events taken together at most."""
PORTS = 64
"""Ports and interfaces told of in one step at most, where small events are taken."""
LUMP = 1000
"""Flows to look at in one step of heavy work: some 20 to 50 ms."""
PER_INTERFACE = 10
"""Flows that an interface of a host stands for, about."""

_OF_SWITCHES = (SwitchUp, SwitchDown, Reread, PortStatus, PacketIn, FlowRemoved, SwitchError, Acknowledged)


def weight(event: Event) -> int:
    """About how many flows an event makes us look at; 0: it is small."""
    match event:
        case SwitchUp():  # all flows of an empty bridge are yet to be made
            return len(event.installed) + len(event.ports) if event.installed else LUMP
        case Reread():
            return len(event.installed) + 1
        case HostUp():
            return len(event.interfaces) * PER_INTERFACE + 1
        case _:
            return 0


def ports(event: Event) -> int:
    """How many ports or interfaces a small event tells of."""
    match event:
        case PortStatus():
            return 1
        case InterfacesChanged():
            return len(event.changed)
        case _:
            return 0


def parts(event: Event) -> list[Event]:
    """An event in parts that can be taken in one after the other: that of many interfaces is cut."""
    if not isinstance(event, InterfacesChanged) or len(event.changed) <= PORTS:
        return [event]
    cut = [event.changed[n : n + PORTS] for n in range(0, len(event.changed), PORTS)]
    # What went is told last, as in the whole: an interface of that name may be another bridge's now.
    return [replace(event, changed=some, removed=event.removed if some is cut[-1] else ()) for some in cut]


def source(event: Event) -> Hashable:
    """Who an event is from: its events stay in their order.  None: the store, which nothing of others delays."""
    match event:
        case Changed():
            return None
        case Tick():
            return Tick
        case ProbeWanted() | ProbeOver():
            return ProbeWanted
        case _:
            return event.dpid if isinstance(event, _OF_SWITCHES) else event.name


class Queue:
    """Events of one source (a bridge, a host, the store) leave in the order in which they came; nothing is lost.

    A heavy event waits among the heavy ones, and what comes from its source meanwhile waits behind it.  So does a
    Tick: the machine must not count as passed the time in which it had yet to hear of a host that is here.
    """

    def __init__(self) -> None:
        self._light: list[Event] = []
        self._heavy: dict[Hashable, deque[Event]] = {}
        self._heavy_next = False

    def put(self, event: Event) -> None:
        """Put an event behind all others of its source."""
        for part in parts(event):
            self._put(part)

    def __bool__(self) -> bool:
        """Whether any event waits."""
        return bool(self._light or self._heavy)

    def _put(self, event: Event) -> None:
        origin = source(event)
        if origin in self._heavy:
            self._heavy[origin].append(event)
        elif weight(event):
            self._heavy[origin] = deque((event,))
        elif self._heavy and isinstance(event, Tick):
            self._heavy[event] = deque((event,))
        else:
            self._light.append(event)

    @property
    def parted(self) -> bool:
        """Whether the rest of what was cut, for it tells of many ports, is next."""
        return bool(self._light) and not self._heavy

    def take(self) -> list[Event]:
        """What makes the next step: the small events, or one LUMP of heavy work, in turn while both wait."""
        heavy = bool(self._heavy) and (self._heavy_next or not self._light)
        self._heavy_next = not heavy
        return self._take_heavy() if heavy else self._take_light()

    def _take_light(self) -> list[Event]:
        end = told = 0
        for event in self._light[:BURST]:
            told += ports(event)
            if end and told > PORTS:
                break
            end += 1
        taken, self._light = self._light[:end], self._light[end:]
        return taken

    def _take_heavy(self) -> list[Event]:
        """Heavy events in the order in which they came, at least one, and the small ones before and behind each."""
        taken: list[Event] = []
        load = 0
        while self._heavy:
            origin, waiting = next(iter(self._heavy.items()))
            more = weight(waiting[0])
            if load and load + more > LUMP:
                break
            load += more
            taken.append(waiting.popleft())
            while waiting and not weight(waiting[0]):
                taken.append(waiting.popleft())
            if not waiting:
                del self._heavy[origin]
        origins = {source(event) for event in taken}
        before = [event for event in self._light if source(event) in origins]
        if before:
            self._light = [event for event in self._light if source(event) not in origins]
        return before + taken
