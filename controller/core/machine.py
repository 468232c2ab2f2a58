"""The machine: the whole controller without input or output.  Events in, effects out.

`step` takes a burst of events as one: their rows change, placement and engine follow, and every switch gets at most
one bundle.  It has no clock and no randomness, so a recorded list of events replays to the same effects.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from typing import Any

from controller.core import events as e
from controller.core import probe, server_events, trunks, vif_macs
from controller.core.agents import Agents
from controller.core.app import FLOWS, App, renderers
from controller.core.bindings import Bindings
from controller.core.contests import Contests
from controller.core.convergence import Convergence
from controller.core.derived import Switch
from controller.core.effects import Effect, Observe, PacketOut, Propose, Read
from controller.core.engine import Delta, Engine, Unit
from controller.core.faults import Faults, shown_on
from controller.core.flow import Flow, is_ours
from controller.core.handlers import Handlers
from controller.core.hosts import Hosts, OvsdbWants
from controller.core.interim import Interim
from controller.core.ledger import Digest, Ledger
from controller.core.model import INT, Fault, Host
from controller.core.net import Change, Net
from controller.core.observed import ForeignDefault, OfPort, Probe, Session
from controller.core.placement import Placement
from controller.core.rereads import Rereads
from controller.core.row import key_of
from controller.core.settings import Settings
from controller.core.wanted import prune
from controller.core.zones import taken

RETRY_REFUSED = 30.0
"""Seconds after which a switch that refused flows is read, and offered them, again."""
OURS = ("int-", "phy-", "pb-")
"""What the names of ports that we make begin with."""


class Machine:
    """`net` starts as the stored rows, which are those of `revision`; everything else is observed or follows.

    `digest` is the encoder's: what an installed flow must read as (see Ledger).
    """

    def __init__(
        self,
        apps: Iterable[App],
        settings: Settings,
        rows: Iterable[Any] = (),
        digest: Digest | None = None,
        revision: int = 0,
    ) -> None:
        self.apps = tuple(apps)
        self.settings = settings
        self.net = Net()
        self.placement = Placement(settings, (layer for app in self.apps for layer in app.layers))
        self.engine = Engine(renderers(self.apps), settings)
        self._digest = digest
        self.ledgers: dict[int, Ledger] = {}
        self.hosts = Hosts(settings)
        self.agents = Agents()
        self.wants = OvsdbWants()
        self.faults = Faults()
        self.bindings = Bindings(self.faults)
        self.convergence = Convergence(revision)
        self.interim = Interim(row_type for app in self.apps for row_type in app.interims)
        self.revision = revision
        self._changes: list[Change] = []
        self._effects: list[Effect] = []
        self._again: dict[int, None] = {}
        self._flushed: list[int] = []
        self._sent: dict[int, None] = {}
        self._rereads = Rereads()
        self._retried = 0.0
        self._contests = Contests(self.faults)
        self._app_handlers = Handlers(self.apps, self.faults, settings)
        self._handlers: dict[type, Callable[[Any], None]] = {
            e.Changed: self._changed,
            e.Tick: self._tick,
            e.ProbeWanted: self._probe_wanted,
            e.ProbeOver: lambda event: self._remove(Probe(event.nonce, "", "")),
            e.SwitchUp: self._switch_up,
            e.SwitchDown: self._switch_down,
            e.Reread: self._reread,
            e.PortStatus: self._port_status,
            e.PacketIn: self._packet_in,
            e.FlowRemoved: self._flow_removed,
            e.SwitchError: self._switch_error,
            e.Acknowledged: self._acknowledged,
            e.HostUp: self._host_up,
            e.HostChanged: self._host_changed,
            e.HostDown: self._host_down,
            e.InterfacesChanged: self._interfaces_changed,
            e.OvsdbDone: self._ovsdb_done,
        }
        for row in rows:
            self._apply(Change(None, row))
        # What is wrong with the stored rows already is told by the first step.
        self._settle()
        self._conclude()
        self._changes = []
        self._forget_faults()

    # -- one step -----------------------------------------------------------------------------------------------------

    def step(self, burst: Iterable[e.Event]) -> list[Effect]:
        """Take in events in their order; returns what is to be done, in order."""
        return [*self.take_in(burst), *self.follow_up()]

    def take_in(self, burst: Iterable[e.Event]) -> list[Effect]:
        """The first half of a step: what is to be done at once, above all what switches are sent."""
        for event in burst:
            self._handlers[type(event)](event)
        self._settle()
        effects, self._effects = self._effects, []
        return effects

    def follow_up(self) -> list[Effect]:
        """The second half, which nobody's packets wait for: what is to be written, and what hosts are told."""
        self._conclude()
        effects, self._changes, self._effects = self._effects, [], []
        return effects

    def _settle(self) -> None:
        """Let derived rows and flows follow from the changes collected so far."""
        changes = self._changes = self.placement.update(self.net, self._changes)
        if prune(self.net, changes):
            changes = self._changes = self.placement.update(self.net, changes)
        self._app_handlers.turns.follow(self.net, changes)
        deltas, faulty = self.engine.update(self.net, changes)
        for delta in deltas:
            self._route(delta)
        for unit in faulty:
            self._mark(unit, unit.id, unit.fault)
        self._flushed = self._due(deltas)
        for dpid in self._flushed:
            self._contend(dpid)
            self._flush(dpid)

    def _conclude(self) -> None:
        """Let proposals and OVSDB operations follow, and note who has what now."""
        changes = self._changes
        oldest = self.interim.follow(changes, self.revision)
        self.convergence.follow(self.net, changes, self._flushed, self.ledgers, self.revision, oldest)
        self.convergence.halved = self.interim.oldest
        self._effects.extend(self.interim.over(self.convergence))
        self._effects.extend(self.agents.follow(self.net, changes))
        self._effects.extend(self.wants.flush())
        self._effects.extend(self.bindings.follow(self.net, changes, self.ledgers, self._busy()))
        self._effects.extend(vif_macs.follow(self.net, changes))

    def _apply(self, change: Change) -> None:
        if change.old != change.new:
            self.net.apply(change)
            self._changes.append(change)

    def _put(self, row: Any) -> None:
        self._apply(self.net.change(row))

    def _remove(self, row: Any) -> None:
        change = self.net.removal(type(row), key_of(row))
        if change is not None:
            self._apply(change)

    def _take(self, results: Iterable[Change | Propose]) -> None:
        for result in results:
            if isinstance(result, Change):
                self._apply(result)
            else:
                self._effects.append(result)

    def _ledger(self, dpid: int) -> Ledger:
        if dpid not in self.ledgers:
            self.ledgers[dpid] = Ledger(dpid, self._digest)
        return self.ledgers[dpid]

    def _route(self, delta: Delta) -> None:
        if delta.unit.renderer.face == FLOWS:
            self._ledger(delta.target).change(delta.unit.id, delta.old, delta.new)
        else:
            self.wants.change(delta)

    def _due(self, deltas: Iterable[Delta]) -> list[int]:
        touched = {delta.target: None for delta in deltas if delta.unit.renderer.face == FLOWS}
        touched.update((change.key, None) for change in self._changes if change.row_type in (Switch, Session))
        return [*touched, *(dpid for dpid in self._again if dpid not in touched)]

    def _busy(self) -> list[int]:
        """The switches that have yet to answer what was sent."""
        self._sent = {dpid: None for dpid in self._sent if not self.ledgers[dpid].settled}
        return list(self._sent)

    def _flush(self, dpid: int) -> None:
        """Send what a switch lacks, once its host is settled: before that its desired flows are not known."""
        self._again.pop(dpid, None)
        ledger, switch = self.ledgers.get(dpid), self.net.get(Switch, dpid)
        if ledger is None or switch is None:
            return
        # On br-int the whole table space is ours; on a provider bridge others' flows stay.
        ledger.owns_all = switch.role == INT
        mods = ledger.flush()
        if mods is None and ledger.open and ledger.complete:
            self.bindings.settled(dpid)
        while mods is not None:
            self._sent[dpid] = None
            self._effects.extend(taken(mods))
            self._effects.append(mods)
            mods = ledger.flush() if ledger.parted else None
        self._heal(ledger)

    def _contend(self, dpid: int) -> None:
        """Tell the units that do not get what they want on a switch because another one has it."""
        for contest in self.ledgers[dpid].claims.take_contests() if dpid in self.ledgers else ():
            self._effects.extend(self._contests.follow(self.net, dpid, contest, self.engine.units))

    # -- events of the store and of time ------------------------------------------------------------------------------

    def _changed(self, event: e.Changed) -> None:
        self.revision = event.revision
        for change in event.changes:
            self._apply(change)
        self._effects.extend(server_events.told(event.changes))

    def _tick(self, event: e.Tick) -> None:
        self._take(self.hosts.tick(self.net, event.now))
        self.agents.tick(event.now)
        self.interim.tick(event.now)
        self._effects.extend(self.wants.flush_tags(self.net))
        self._app_handlers.take_turns(self.net, event.now, self._take_effect)
        self._effects.extend(self._app_handlers.tick(self.net, event.now))
        if event.now - self._retried >= RETRY_REFUSED:
            self._retried = event.now
            self._rereads.want(dpid for dpid, ledger in self.ledgers.items() if ledger.refused)
        self._effects.extend(Read(dpid) for dpid in self._rereads.due(event.now) if self.ledgers[dpid].open)

    def _probe_wanted(self, event: e.ProbeWanted) -> None:
        self._put(Probe(event.nonce, event.source, event.target))
        self._effects.extend(probe.sent(self.net, event.source, event.target, event.nonce))

    # -- events of switches -------------------------------------------------------------------------------------------

    def _switch_up(self, event: e.SwitchUp) -> None:
        self._take(self.hosts.connected(self.net, event))
        self._ledger(event.dpid).read(event.installed, event.meters, event.suspect)
        self._read(event.dpid, event.installed)
        self._rereads.forget(event.dpid)
        for entry in [entry for entry in event.installed if entry.fields]:
            fields = {**dict(entry.fields), "cookie": entry.cookie}
            self._app_handlers.restore(self.net, event.dpid, entry.table, fields, self._put)

    def _reread(self, event: e.Reread) -> None:
        ledger = self._ledger(event.dpid)
        if ledger.open:
            ledger.read(event.installed, event.meters, event.suspect, event.serial)
            self._read(event.dpid, event.installed)

    def _read(self, dpid: int, installed: Iterable[e.Installed]) -> None:
        """Note whether somebody else's default flow is there, and compare at this step's end."""
        self.convergence.read(dpid)
        lowest = [entry for entry in installed if not entry.priority and not entry.table]
        foreign = any(not entry.match and not is_ours(entry.cookie) for entry in lowest)
        known = self.net.get(ForeignDefault, dpid)
        if foreign != (known is not None):
            self._apply(Change(None, ForeignDefault(dpid)) if foreign else Change(known, None))
        self._again[dpid] = None

    def _switch_down(self, event: e.SwitchDown) -> None:
        session = self.net.get(Session, event.dpid)
        if session is None:
            return
        self._apply(Change(session, replace(session, connected=False)))
        self._ledger(event.dpid).close()
        self.bindings.lost(self.net, event.dpid)

    def _port_status(self, event: e.PortStatus) -> None:
        port = event.port
        if event.removed:
            self._remove(OfPort(event.dpid, port.number, port.name, port.mac))
        else:
            self._put(OfPort(event.dpid, port.number, port.name, port.mac))

    def _packet_in(self, event: e.PacketIn) -> None:
        self._app_handlers.packet(self.net, event, self._take_effect)

    def _take_effect(self, effect: Any) -> None:
        match effect:
            case Observe(change):
                self._apply(change)
            case PacketOut():
                self._effects.append(effect)
            case _:
                raise TypeError(f"a handler gives Observe or PacketOut, not {effect!r}")

    def _flow_removed(self, event: e.FlowRemoved) -> None:
        """An idle flow went: what it stood for is no longer wanted there."""
        flow = self._ledger(event.dpid).expired(event.cookie)
        if flow is not None:
            fields = {name: value for name, value, _ in flow.match}
            self._app_handlers.restore(self.net, event.dpid, event.table, fields, self._remove)
            self._again[event.dpid] = None

    def _switch_error(self, event: e.SwitchError) -> None:
        """A refused flow is a fault of its object; the rest of its bundle is sent again without it."""
        ledger = self._ledger(event.dpid)
        flow = ledger.refuse(event.serial, event.cookie)
        self.convergence.refused(event.dpid)
        self.bindings.refused(event.dpid)
        if flow is None:
            self._rereads.want([event.dpid])
            return
        unit = self.unit(event.dpid, flow)
        if unit is not None:
            reason = f"switch {event.dpid:016x} refused a flow of {unit.renderer.name}: {event.reason}"
            self._mark(unit, (event.dpid, flow.slot), reason)
        self._again[event.dpid] = None

    def _acknowledged(self, event: e.Acknowledged) -> None:
        ledger = self._ledger(event.dpid)
        ledger.acknowledge(event.serial)
        self._again[event.dpid] = None
        self._heal(ledger)
        self.bindings.acknowledged(event.dpid, event.serial)
        if ledger.complete:
            self.bindings.settled(event.dpid)

    # -- events of hosts ----------------------------------------------------------------------------------------------

    def _host_up(self, event: e.HostUp) -> None:
        self._take(self.hosts.up(self.net, event))
        self._host_told(event)

    def _host_changed(self, event: e.HostChanged) -> None:
        self._take(self.hosts.described(self.net, event))
        self._host_told(event)

    def _host_told(self, event: e.HostUp | e.HostChanged) -> None:
        """Tell a host all we want of it, for a bridge of ours may have gone, and show what is wrong with it."""
        integration = self.hosts.integration_bridge(event)
        self.wants.described(event.name, (integration, *(bridge.name for bridge in event.bridges)))
        self.wants.everything(event.name)
        self._host_fault(event.name, "description", self.hosts.problem(event))
        trunk = trunks.problem(self.net, event.name, integration, self.hosts.mappings(event))
        self._host_fault(event.name, "trunk", trunk)

    def _host_fault(self, name: str, cause: str, problem: str) -> None:
        if problem:
            self._effects.extend(self.faults.begin((cause, name), ("Host", name), problem))
        else:
            self._effects.extend(self.faults.end((cause, name)))
            if not self.faults.has(("Host", name)) and self.net.get(Fault, ("Host", name)) is not None:
                self._effects.append(Propose("clear_fault", ("Host", name)))

    def _host_down(self, event: e.HostDown) -> None:
        self._take(self.hosts.down(self.net, event.name))
        self.wants.away(event.name)

    def _interfaces_changed(self, event: e.InterfacesChanged) -> None:
        self._take(self.hosts.interfaces(self.net, event))
        if any(name.startswith(OURS) for name in event.removed):
            self.wants.everything(event.name)
        host = self.net.get(Host, event.name)
        if host is not None and any(trunks.bridge_of(at) == host.integration_bridge for _, at in host.bridge_mappings):
            trunk = trunks.problem(self.net, host.name, host.integration_bridge, host.bridge_mappings)
            self._host_fault(host.name, "trunk", trunk)
        for row in event.changed:
            if row.ours:
                self._host_fault(event.name, f"port {row.name}", f"{row.name}: {row.error}" if row.error else "")

    def _ovsdb_done(self, event: e.OvsdbDone) -> None:
        self._host_fault(event.name, "transaction", f"OVSDB refused: {event.error}" if event.error else "")

    # -- faults and explanations --------------------------------------------------------------------------------------

    def _mark(self, unit: Unit, cause: Hashable, reason: str) -> None:
        """Show a fault, or that it is over, on the object that the unit speaks for."""
        if reason:
            self._effects.extend(self.faults.begin(cause, shown_on(self.net, unit), reason))
        else:
            self._effects.extend(self.faults.end(cause))

    def _forget_faults(self) -> None:
        """What was wrong with a network in an earlier run is found again, if it is, when its switches are back.

        Ports and hosts lose an old fault when they are seen to be well (Bindings.arrived, _host_fault); but a host
        without OVSDB never tells.
        """
        for fault in self.net.all(Fault):
            if (fault.kind == "Network" or self._is_mute(fault)) and not self.faults.has((fault.kind, fault.id)):
                self._effects.append(Propose("clear_fault", (fault.kind, fault.id)))

    def _is_mute(self, fault: Fault) -> bool:
        host = self.net.get(Host, fault.id) if fault.kind == "Host" else None
        return host is not None and not host.managed

    def _heal(self, ledger: Ledger) -> None:
        """What a switch had refused it has now, or need not have."""
        for slot in ledger.take_healed():
            self._effects.extend(self.faults.end((ledger.dpid, slot)))

    def unit(self, dpid: int, flow: Flow) -> Unit | None:
        """The unit that a flow of a switch is from."""
        owner = self._ledger(dpid).owners.get(flow.slot)
        return self.engine.units.get(owner) if owner is not None else None
