"""The loop: one queue of events, one consumer.  It steps the machine and carries out what comes of it.

A step is short, and between two of them everybody else gets on: those who read and write, and REST.
Store writes that the machine proposes run beside it, so that a slow database never holds up the switches; their
outcome comes back as Changed, like every other write's.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

os.environ.setdefault("OSKEN_HUB_TYPE", "eventlet")

from os_ken.lib import hub

from controller.core.effects import Effect, OvsdbOps, Propose, SwitchEffect, TellServers
from controller.core.events import Changed, Event, SwitchUp, Tick
from controller.core.machine import Machine
from controller.core.net import Change
from controller.core.plan import Draft, Refusal
from controller.core.plans.proposed import carry_out
from controller.core.record import write_event
from controller.io.queue import Queue
from controller.io.waiting import Waiting

LOG = logging.getLogger("patchbay.loop")

HOSTS = 2
"""Hosts described in one transaction at most: for each of them, all flows of its bridges may be due in one step."""
TURN = 0.1
"""Seconds after which everybody else gets on, though ports wait that were plugged together with those before."""
CALM = 0.1
"""Seconds that a write of what was observed waits at most until no event does: flows go first."""
RETRY = 1.0
"""Seconds until a proposal is tried again when the database is away."""


class Store(Protocol):
    """What the loop needs of a store."""

    def execute(self, plan: Callable[[Draft], Any], *, who: str) -> Any: ...

    def subscribe(self, listener: Callable[[int, tuple[Change, ...]], None]) -> None: ...


class OpenFlow(Protocol):
    def carry_out(self, *effects: SwitchEffect) -> None: ...

    def taken_in(self, event: SwitchUp) -> None: ...


class Ovsdb(Protocol):
    def ensure(self, host: str, operations: Any) -> None: ...


class Servers(Protocol):
    def tell(self, effect: TellServers) -> None: ...


class Loop:
    """Owns the machine.  `unavailable` is what the store raises when it lost its database."""

    def __init__(self, machine: Machine, store: Store, unavailable: type[Exception], record: TextIO | None = None):
        self.machine = machine
        self.openflow: OpenFlow | None = None
        self.ovsdb: Ovsdb | None = None
        self.servers: Servers | None = None
        self.steps = 0
        self.waiting = Waiting()
        self._store = store
        self._unavailable = unavailable
        self._record = record
        self._queue = Queue()
        self._wake = hub.Event()
        self._proposals: list[Propose] = []
        self._propose = hub.Event()
        store.subscribe(lambda revision, changes: self.emit(Changed(revision, changes)))

    def emit(self, event: Event) -> None:
        """Put an event into the queue."""
        self._queue.put(event)
        self._wake.set()

    def start(self) -> None:
        for work in (self._consume, self._tick, self._write):
            hub.spawn(self._guarded, work)

    def _guarded(self, work: Callable[[], None]) -> None:
        """A bug of ours must not leave a controller that only seems to run: end the process, loudly.  Flows stand."""
        try:
            work()
        except Exception:
            LOG.critical("the controller ends because of a bug of its own", exc_info=True)
            logging.shutdown()
            os._exit(70)

    def _consume(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            begun = time.monotonic()
            while burst := self.take():
                self.step(burst)
                if not self._queue.parted or time.monotonic() - begun > TURN:
                    hub.sleep(0)
                    begun = time.monotonic()

    def take(self) -> list[Event]:
        """The events of the next step: those that wait, or some of them."""
        return self._queue.take()

    def take_proposals(self) -> list[Propose]:
        """What the machine wants written in the next transaction."""
        hosts = [n for n, proposal in enumerate(self._proposals) if proposal.plan == "describe_host"]
        end = hosts[HOSTS] if len(hosts) > HOSTS else len(self._proposals)
        proposals, self._proposals = self._proposals[:end], self._proposals[end:]
        return proposals

    def step(self, burst: list[Event]) -> None:
        """Take a burst of events in, and carry out what follows."""
        if self._record is not None:
            for event in burst:
                write_event(self._record, event)
            self._record.write("\n")
            self._record.flush()
        self.steps += 1
        effects = self.machine.take_in(burst)
        if self.openflow is not None:
            for event in burst:
                if isinstance(event, SwitchUp):
                    self.openflow.taken_in(event)
        self._carry_out_all(effects)
        self._carry_out_all(self.machine.follow_up())
        self.waiting.stepped()

    def _carry_out_all(self, effects: list[Effect]) -> None:
        """Send what is for switches, and then do the rest."""
        if self.openflow is not None:
            self.openflow.carry_out(*(effect for effect in effects if isinstance(effect, SwitchEffect)))
        for effect in effects:
            self.carry_out(effect)

    def carry_out(self, effect: Effect) -> None:
        """Hand an effect to the store's writer, or to the edge that it is for; what is for a switch is on its way."""
        match effect:
            case Propose():
                hub.spawn_after(effect.after, self._put_forward, effect) if effect.after else self._put_forward(effect)
            case OvsdbOps(host, operations):
                if self.ovsdb is not None:
                    self.ovsdb.ensure(host, operations)
            case TellServers():
                if self.servers is not None:
                    self.servers.tell(effect)

    def _put_forward(self, proposal: Propose) -> None:
        self._proposals.append(proposal)
        self._propose.set()

    def _tick(self) -> None:
        while True:
            hub.sleep(1.0)
            self.emit(Tick(time.monotonic()))

    def _write(self) -> None:
        """Write what was proposed, all that waits as one transaction; try again while the database is away."""
        while True:
            self._propose.wait()
            self._propose.clear()
            self._wait_for_calm()
            while batch := self.take_proposals():
                try:
                    write_proposals(self._store, batch)
                except self._unavailable as error:
                    LOG.error("what was observed can't be written yet: %s", error)
                    self._proposals = batch + self._proposals
                    hub.sleep(RETRY)

    def _wait_for_calm(self) -> None:
        """Let the events that wait be taken in before something is written, but not for long."""
        end = time.monotonic() + CALM
        while self._queue and time.monotonic() < end:
            hub.sleep(0)


def write_proposals(store: Store, batch: list[Propose]) -> None:
    """Write what was observed, in one transaction.  What can't be written (a host may call itself anything) is told
    and left out."""
    try:
        store.execute(lambda draft: _run(draft, batch), who="controller")
    except Refusal as refusal:
        if len(batch) == 1:
            LOG.error("%s is refused: %s", batch[0].plan, refusal.message)
            return
        for proposal in batch:
            write_proposals(store, [proposal])


def _run(draft: Draft, batch: list[Propose]) -> None:
    for proposal in batch:
        carry_out(draft, proposal)
