"""A whole cloud in one process: the machine, a store, and hypervisors whose bridges are model switches.

What the machine wants done is carried out at once; what comes of it waits in `events`.  `settle` steps the machine
until nothing is left to tell it.  Tests may take the queue apart, lose bundles and cut connections in between.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from apps.port_security import PortSecurity
from controller.core import effects as fx
from controller.core import events as e
from controller.core import probe
from controller.core.app import App, load
from controller.core.check import Edges
from controller.core.derived import ArrivingPort, LocalPort
from controller.core.flow import Flow, Meter, Metered
from controller.core.machine import Machine
from controller.core.model import Binding, Network, Port
from controller.core.observed import Session
from controller.core.packet import Packet
from controller.core.pipeline import LAYOUT
from controller.core.plan import Draft
from controller.core.plans import networks, ports, subnets
from controller.core.plans.checks import check
from controller.core.settings import Settings
from controller.core.simulate import Refused
from controller.core.simulate_network import Delivery, ModelNetwork, Tunnel
from tests.world.frames import encode
from tests.world.hypervisor import NIC, TRUNK, Bridge, Hypervisor, tunnel_ports
from tests.world.store import Store

APPS = load()
SETTINGS = Settings(
    vlan_ranges=(("physnet1", ((100, 199),)),),
    tenant_network_types=("vxlan",),
    bridge_mappings=(("physnet1", "br-eth1"),),
)
MAPPINGS = (("physnet1", "br-eth1"),)
TRUNK_MAPPINGS = (("physnet1", "br-int"),)
"""Of a host whose NIC is on br-int itself."""
MAX_STEPS = 2000
NO_METERS = "OFPET_METER_MOD_FAILED/OFPMMFC_INVALID_METER"

APPLIED, LOST, UNACKNOWLEDGED, HELD = "applied", "lost", "unacknowledged", "held"
"""What may become of a bundle: done and acknowledged; cut off before it arrived; cut off after it was done; done, and
the acknowledgement waits in `World.held`."""


def reactive_tables() -> frozenset[int]:
    return frozenset(table.id for table in LAYOUT.by_name.values() if table.reactive)


def name_of(port: Port) -> str:
    """What a hypervisor calls the VIF of a port (Nova's and libvirt's habit)."""
    return "tap" + port.id[:11]


class World:
    """`outcomes` says what becomes of the next bundles (APPLIED when it is exhausted); `mods` are all bundles so far,
    `proposals` all that was proposed to the store, `reads` the switches that were read again, `sent` our own packets,
    `flushed` the zones that were flushed.  `probed` is what became of those packets that are probes, `met` the packets
    that flows have met, by switch and cookie, and `told` what Nova was told.

    While it `waits`, what is proposed for later is in `later` until somebody does `put_forward` it.

    `refuse` gives the error with which switches refuse a flow, '' when they take it.  They find it when they commit
    the bundle: then they name the first such flow and do nothing; or, with `refuse_early`, when they read the flow:
    then they name every one and do the rest.  Without `has_meters` they refuse meters and the flows that use them;
    without `tells_meters` they say so when they connect.
    """

    def __init__(
        self, settings: Settings = SETTINGS, outcomes: Iterable[str] = (), apps: tuple[App, ...] = APPS
    ) -> None:
        self.settings = settings
        self.apps = apps
        self.store = Store(settings)
        self.machine = Machine(apps, settings)
        self.hypervisors: dict[str, Hypervisor] = {}
        self.events: list[Any] = []
        self.mods: list[fx.FlowMods] = []
        self.proposals: list[fx.Propose] = []
        self.reads: list[int] = []
        self.sent: list[fx.PacketOut] = []
        self.flushed: list[fx.FlushConnections] = []
        self.probed: list[Delivery] = []
        self.nonces = itertools.count(1)
        self.met: dict[int, Counter[int]] = {}
        self.told: list[Any] = []
        self.steps: list[list[Any]] = []
        self.outcomes: Iterator[str] = iter(outcomes)
        self.held: list[Any] = []
        self.waits = False
        self.later: list[fx.Propose] = []
        self.clock = 0.0
        self._connected: set[int] = set()
        self._told: dict[str, dict[str, e.InterfaceRow]] = {}
        self._ports: dict[int, dict[int, str]] = {}
        self.refuse: Callable[[Flow], str] = lambda flow: ""
        self.refuse_early = False
        self.has_meters = True
        self.tells_meters = True

    # -- the user's side ----------------------------------------------------------------------------------------------

    def write(self, plan: Any, *args: Any, **more: Any) -> Any:
        """Carry out a plan, as a REST request would.  Raises Refusal."""
        result, changed = self.store.run(plan, *args, **more)
        self.events.append(changed)
        return result

    def network(self, type: str = "vxlan", **values: Any) -> Network:
        if type in ("vlan", "flat"):
            values.setdefault("physical_network", "physnet1")
        return self.write(networks.create, {"network_type": type, **values})

    def subnet(self, network: Network, cidr: str = "10.0.0.0/24", **values: Any) -> Any:
        values = {"network_id": network.id, "cidr": cidr, "ip_version": 6 if ":" in cidr else 4, **values}
        return self.write(subnets.create, values)

    def port(self, network: Network, protected: bool = False, **values: Any) -> Port:
        """A port; its guest sends what a test likes, unless it is protected (port security)."""
        if "fixed_ips" in values:
            values["fixed_ips"] = check("fixed_ips", "fixed_ips", values["fixed_ips"])

        def plan(draft: Draft) -> Port:
            made = ports.create(draft, {"network_id": network.id, **values})
            if not protected:
                draft.put(PortSecurity(made.id, False))
            return made

        return self.write(plan)

    def put(self, row: Any) -> Any:
        """Write a row as it is."""
        return self.write(lambda draft: draft.put(row))

    def change_port(self, port: Port, **values: Any) -> Port:
        return self.write(ports.change, port.id, values)

    def delete_port(self, port: Port) -> None:
        self.write(ports.delete, port.id)

    # -- the hypervisors' side ----------------------------------------------------------------------------------------

    def host(self, managed: bool = True, mappings: tuple[tuple[str, str], ...] = MAPPINGS) -> Hypervisor:
        """A new hypervisor joins."""
        made = Hypervisor(len(self.hypervisors) + 1, managed, mappings)
        self.hypervisors[made.name] = made
        self.join(made)
        return made

    def join(self, hypervisor: Hypervisor) -> None:
        """It dials in: over OVSDB where it has that, else (or then) each bridge by itself."""
        if hypervisor.managed:
            self._told[hypervisor.name] = dict(hypervisor.interfaces)
            self.events.append(hypervisor.up())
        else:
            for bridge in hypervisor.bridges.values():
                self.connect(bridge)
            self.tick()
            self.tick()

    def tick(self) -> None:
        self.clock += 3.0
        self.events.append(e.Tick(self.clock))

    def connect(self, bridge: Bridge) -> None:
        """A bridge connects, and is read."""
        self._connected.add(bridge.dpid)
        self._ports[bridge.dpid] = dict(bridge.ports)
        installed = bridge.switch.installed(reactive_tables())
        meters = tuple(sorted(bridge.switch.meters.items()))
        address = self.hypervisor_of(bridge.dpid).address
        described, has_meters = bridge.described(), bridge.has_meters and self.tells_meters
        self.events.append(e.SwitchUp(bridge.dpid, address, described, installed, meters, (), has_meters))

    def disconnect(self, bridge: Bridge) -> None:
        if bridge.dpid in self._connected:
            self._connected.discard(bridge.dpid)
            # What the old connection still had to say is lost with it.
            switch = (e.SwitchUp, e.Reread, e.PortStatus, e.PacketIn, e.FlowRemoved, e.SwitchError, e.Acknowledged)
            self.events = [v for v in self.events if not (isinstance(v, switch) and v.dpid == bridge.dpid)]
            self.events.append(e.SwitchDown(bridge.dpid))

    def bounce(self, bridge: Bridge) -> None:
        self.disconnect(bridge)
        self.connect(bridge)

    def plug(self, port: Port, hypervisor: Hypervisor, name: str = "", iface_id: str | None = None) -> None:
        """A VIF of the port appears; a managed host writes its iface-id unless told otherwise."""
        wanted = port.id if iface_id is None else iface_id
        hypervisor.plug(name or name_of(port), wanted if hypervisor.managed else "")
        self.tell(hypervisor)

    def unplug(self, port: Port, hypervisor: Hypervisor, name: str = "") -> None:
        hypervisor.remove(name or name_of(port))
        self.tell(hypervisor)

    def move(self, port: Port, source: Hypervisor, target: Hypervisor) -> None:
        """Live migration: the VIF is there before it is gone here."""
        self.plug(port, target)
        self.unplug(port, source)

    def tell(self, hypervisor: Hypervisor) -> None:
        """A hypervisor's connections tell what has changed on it."""
        for bridge in hypervisor.bridges.values():
            self._tell_ports(bridge)
        if hypervisor.managed and hypervisor.name in self._told:
            changed = hypervisor.interfaces_changed(self._told[hypervisor.name])
            if changed is not None:
                self._told[hypervisor.name] = dict(hypervisor.interfaces)
                self.events.append(changed)

    def _tell_ports(self, bridge: Bridge) -> None:
        if bridge.dpid not in self._connected:
            return
        known, now = self._ports[bridge.dpid], dict(bridge.ports)
        for number, name in known.items():
            if now.get(number) != name:
                self.events.append(e.PortStatus(bridge.dpid, e.PortDesc(number, name, ""), True))
        for number, name in now.items():
            if known.get(number) != name:
                self.events.append(e.PortStatus(bridge.dpid, e.PortDesc(number, name, ""), False))
        self._ports[bridge.dpid] = now

    def hypervisor_of(self, dpid: int) -> Hypervisor:
        return next(h for h in self.hypervisors.values() if any(b.dpid == dpid for b in h.bridges.values()))

    def bridge(self, dpid: int) -> Bridge:
        return next(b for b in self.hypervisor_of(dpid).bridges.values() if b.dpid == dpid)

    @property
    def bridges(self) -> list[Bridge]:
        return [bridge for hypervisor in self.hypervisors.values() for bridge in hypervisor.bridges.values()]

    # -- the machine --------------------------------------------------------------------------------------------------

    def settle(self, burst: Callable[[int], int] = lambda waiting: waiting) -> World:
        """Step until nothing is left to say; `burst(n)` is how many of n waiting events make the next step."""
        for _ in range(MAX_STEPS):
            if not self.events:
                return self
            self.step(burst(len(self.events)))
        raise AssertionError(f"the cloud does not come to rest: {self.events}")

    def step(self, size: int) -> None:
        events, self.events = self.events[:size], self.events[size:]
        self.steps.append(events)
        for effect in self.machine.step(events):
            self._carry_out(effect)

    def _carry_out(self, effect: Any) -> None:
        match effect:
            case fx.Propose():
                self.proposals.append(effect)
                if effect.after and self.waits:
                    self.later.append(effect)
                else:
                    self.put_forward(effect)
            case fx.FlowMods():
                self._bundle(effect)
            case fx.FlushConnections():
                self.flushed.append(effect)
                self.bridge(effect.dpid).switch.connections.flush(effect)
            case fx.OvsdbOps(host, operations):
                self._ovsdb(self.hypervisors[host], operations)
            case fx.PacketOut():
                self.sent.append(effect)
                self._probe(effect)
            case fx.TellServers(events):
                self.told.extend(events)
            case fx.Read(dpid):
                self.reads.append(dpid)
                self.reread(self.bridge(dpid))
            case _:
                raise AssertionError(f"nobody carries out {effect}")

    def put_forward(self, proposal: fx.Propose) -> None:
        """The store writes what was proposed."""
        changed = self.store.carry_out(proposal)
        if changed.changes:
            self.events.append(changed)

    def _bundle(self, mods: fx.FlowMods) -> None:
        self.mods.append(mods)
        bridge = self.bridge(mods.dpid)
        if mods.dpid not in self._connected or self._is_cut(mods.dpid):
            return
        mods = self._without_meters(mods)
        if refused := [(flow, reason) for flow in mods.add if (reason := self._refusal(flow))]:
            told = refused if self.refuse_early else refused[:1]
            self.events += [e.SwitchError(mods.dpid, mods.serial, flow.cookie, reason) for flow, reason in told]
            if self.refuse_early:
                bridge.switch.apply(replace(mods, add=tuple(flow for flow in mods.add if not self._refusal(flow))))
            return
        outcome = next(self.outcomes, APPLIED)
        if outcome != LOST:
            try:
                bridge.switch.apply(mods)
            except Refused as refused:
                raise AssertionError(f"a switch refuses what is sent: {refused}") from refused
        if outcome in (APPLIED, HELD):
            done = e.Acknowledged(mods.dpid, mods.serial)
            (self.events if outcome == APPLIED else self.held).append(done)
        else:
            self.bounce(bridge)

    def _is_cut(self, dpid: int) -> bool:
        """Whether the connection has gone that the machine believes in: what it sends meets the end of that one."""
        return any(isinstance(event, e.SwitchDown) and event.dpid == dpid for event in self.events)

    def _without_meters(self, mods: fx.FlowMods) -> fx.FlowMods:
        """Meters go ahead of the bundle: a datapath that has none refuses each by itself."""
        if self.has_meters:
            return mods
        self.events += [e.SwitchError(mods.dpid, 0, 0, NO_METERS) for _ in mods.meters]
        return replace(mods, meters=(), stale_meters=())

    def _refusal(self, flow: Flow) -> str:
        metered = any(isinstance(action, Metered) for action in flow.actions)
        return NO_METERS if metered and not self.has_meters else self.refuse(flow)

    def _ovsdb(self, hypervisor: Hypervisor, operations: Iterable[fx.OvsdbOperation]) -> None:
        before = set(hypervisor.bridges)
        for operation in operations:
            hypervisor.carry_out(operation)
        if set(hypervisor.bridges) != before:
            self.events.append(hypervisor.changed())
        for operation in operations:
            if isinstance(operation, fx.EnsureBridge):
                bridge = hypervisor.bridges[operation.name]
                if bridge.dpid not in self._connected:
                    self.connect(bridge)
        self.tell(hypervisor)
        self.events.append(e.OvsdbDone(hypervisor.name))

    def reread(self, bridge: Bridge, suspect: tuple[int, ...] = ()) -> None:
        """Somebody else changed flows: the bridge is read again."""
        installed = bridge.switch.installed(reactive_tables())
        meters = tuple(sorted(bridge.switch.meters.items()))
        ledger = self.machine.ledgers[bridge.dpid]
        self.events.append(e.Reread(bridge.dpid, installed, suspect, meters, ledger.sent))

    def restart(self) -> World:
        """kill -9 and a new controller: it has the stored rows, and nobody is connected to it."""
        self.machine = Machine(self.apps, self.settings, self.store.rows(), revision=self.store.revision)
        self.events, self.mods, self.later = [], [], []
        self._connected.clear()
        self._told.clear()
        return self

    # -- packets ------------------------------------------------------------------------------------------------------

    def wiring(self) -> ModelNetwork:
        """The bridges as they are now, and what joins them."""
        patches, wires, tunnels = {}, {}, {}
        for hypervisor in self.hypervisors.values():
            for physnet, name in hypervisor.mappings:
                bridge, integration = hypervisor.bridges.get(name), hypervisor.bridges.get("br-int")
                if bridge is None or integration is None:
                    continue
                if bridge is integration:
                    wires[bridge.dpid, bridge.number(TRUNK)] = physnet
                    continue
                wires[bridge.dpid, bridge.number(NIC)] = physnet
                ends = integration.number(f"int-{name}"), bridge.number(f"phy-{name}")
                if None not in ends:
                    patches[integration.dpid, ends[0]] = (bridge.dpid, ends[1])
            for place, type in tunnel_ports(hypervisor).items():
                tunnels[place] = Tunnel(type, hypervisor.local_ip)
        vifs = [(row.dpid, row.ofport) for kind in (LocalPort, ArrivingPort) for row in self.machine.net.all(kind)]
        switches = {bridge.dpid: bridge.switch for bridge in self.bridges}
        return ModelNetwork(switches, patches=patches, wires=wires, tunnels=tunnels, vifs=vifs)

    def send(self, port: Port, packet: Packet, punt: bool = True) -> Delivery:
        """A packet leaves a port's VIF; copies punted to the controller wait in `events`."""
        local = self.machine.net.get(LocalPort, port.id)
        delivery = self.wiring().send(local.dpid, local.ofport, packet)
        self._punted(delivery if punt else delivery._replace(punted=()), encode)
        return delivery

    def _probe(self, out: fx.PacketOut) -> None:
        """A probe of ours goes through the tables in a port's name."""
        if out.dpid in self._connected and probe.nonce_of(out.data) is not None:
            ends = (int.from_bytes(out.data[at : at + 6], "big") for at in (6, 0))
            delivery = self.wiring().inject(out.dpid, out.in_port, probe.packet(*ends, out.in_port))
            self.probed.append(delivery)
            self._punted(delivery, lambda copy: out.data)

    def _punted(self, delivery: Delivery, bytes_of: Callable[[Packet], bytes]) -> None:
        """Count what the flows have met, and let the copies for the controller wait in `events`."""
        for hop in delivery.hops:
            self.met.setdefault(hop.dpid, Counter()).update(step.flow.cookie for step in hop.result.path if step.flow)
        for dpid, table, copy in delivery.punted:
            metadata = copy.fields().items() - copy.frame().fields().items()
            self.events.append(e.PacketIn(dpid, table, tuple(sorted(metadata)), bytes_of(copy)))

    def edges(self) -> Edges:
        """The world outside, for those who ask the machine."""

        def emit(event: e.Event) -> None:
            self.events.append(event)

        return Edges(lambda reached, seconds: self.settle(), emit, self._counts, lambda: next(self.nonces))

    def _counts(self, wanted: Mapping[int, Iterable[tuple[int, int]]], seconds: float) -> dict[int, dict[int, int]]:
        return {
            dpid: {
                flow.cookie: self.met.get(dpid, Counter())[flow.cookie]
                for table, cookie in flows
                for flow in self.bridge(dpid).switch.flows
                if flow.table == table and cookie in (0, flow.cookie)
            }
            for dpid, flows in wanted.items()
            if dpid in self._connected
        }

    def places(self, delivery: Delivery) -> list[str]:
        """The ids of the ports that got a copy, once per copy."""
        at = {(local.dpid, local.ofport): local.port_id for local in self.machine.net.all(LocalPort)}
        return sorted(at[arrival.dpid, arrival.ofport] for arrival in delivery.reached)

    def expire(self, bridge: Bridge, cookie: int) -> None:
        """A flow idles out."""
        for flow in bridge.switch.flows:
            if flow.cookie == cookie:
                bridge.switch.apply(fx.FlowMods(bridge.dpid, 0, remove=((flow.table, cookie),)))
                if bridge.dpid in self._connected:
                    self.events.append(e.FlowRemoved(bridge.dpid, flow.table, flow.priority, cookie))

    # -- what there is ------------------------------------------------------------------------------------------------

    def current(self, port: Port) -> Port | None:
        return self.store.net.get(Port, port.id)

    def active(self, port: Port) -> bool:
        binding = self.store.net.get(Binding, port.id)
        return binding is not None and binding.active

    def connected(self) -> set[int]:
        return {session.dpid for session in self.machine.net.all(Session) if session.connected}


def desired(machine: Machine) -> dict[int, dict[Any, int]]:
    """{dpid: {slot: cookie}}, without switches that shall have no flow."""
    found = {
        dpid: {slot: flow.cookie for slot, flow in ledger.desired.items()} for dpid, ledger in machine.ledgers.items()
    }
    return {dpid: flows for dpid, flows in found.items() if flows}


def installed(world: World) -> dict[int, dict[Any, int]]:
    """The same, as the model switches have it."""
    found = {bridge.dpid: {flow.slot: flow.cookie for flow in bridge.switch.flows} for bridge in world.bridges}
    return {dpid: flows for dpid, flows in found.items() if flows}


def meters(world: World) -> tuple[dict[int, dict[int, int]], dict[int, dict[int, int]]]:
    """{dpid: {meter: rate}}: what units want, and what the model switches have."""
    wanted: dict[int, dict[int, int]] = {}
    for unit in world.machine.engine.units.values():
        for target in unit.targets:
            wanted.setdefault(target, {}).update((i.id, i.rate) for i in unit.items if isinstance(i, Meter))
    have = {bridge.dpid: bridge.switch.meters for bridge in world.bridges}
    return {dpid: rates for dpid, rates in wanted.items() if rates}, {d: rates for d, rates in have.items() if rates}
