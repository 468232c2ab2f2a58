"""Is a port's path ready?  What the rows say first; then a probe, through the real tables; then where it was lost.

A probe that does not arrive is followed on paper, flow by flow, and the switches are asked for each of these flows: the
first that a switch does not have, or that no probe has met, is where the path ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from controller.core import flow as f
from controller.core import probe
from controller.core.address import mac
from controller.core.counters import Counters
from controller.core.derived import LocalPort, Switch, TunnelPort, Uplink
from controller.core.events import ProbeOver, ProbeWanted
from controller.core.machine import Machine
from controller.core.model import ETH, Binding, Fault, Host, Network, Port
from controller.core.observed import OfPort, Presence, Probe, Session
from controller.core.packet import Packet
from controller.core.pipeline import LAYOUT
from controller.core.simulate import Ambiguous, Loop, ModelSwitch, Result, Step
from controller.core.text import format_flow

PATIENCE = 1.0
"""Seconds that one probe has."""
TRIES = 3
"""Probes until the path counts as broken: the first one may meet a neighbour that is yet to be resolved."""
COUNTED = 1.5
"""Seconds after which Open vSwitch has added up what its flows have met."""

Counts = Callable[[Mapping[int, Iterable[tuple[int, int]]], float], Mapping[int, Mapping[int, int]]]


class Edges(NamedTuple):
    """What a question needs of the world outside.

    `wait(reached, seconds)` lets others work until `reached()`; `emit` takes an event; `nonce` draws a number of
    probe.NONCE_BITS.  `counts({dpid: [(table, cookie)]}, seconds)` asks switches how many packets flows have met
    (cookie 0: all flows of ours there) and gives {dpid: {cookie: packets}}, without those that do not answer.
    `counters(dpid, number, seconds)` asks one what it has counted of an OpenFlow port; None: it does not say.
    """

    wait: Callable[[Callable[[], bool], float], None]
    emit: Callable[[Any], None]
    counts: Counts
    nonce: Callable[[], int]
    counters: Callable[[int, int, float], Counters | None] = lambda dpid, number, seconds: None


class Verdict(NamedTuple):
    """Why a path is not ready: on which switch ("host/bridge"), in which table; '' where it does not come so far."""

    reason: str
    switch: str = ""
    table: str = ""


class At(NamedTuple):
    """A flow on the way of a packet: the switch, and the step that the packet makes there."""

    switch: Switch
    step: Step

    @property
    def table(self) -> str:
        return LAYOUT.name(self.switch.role, self.step.table)

    def verdict(self, reason: str) -> Verdict:
        return Verdict(reason, f"{self.switch.host}/{self.switch.bridge}", self.table)


class Checker:
    """Answers for a machine.  It changes nothing but the Probe rows, by events."""

    def __init__(self, machine: Machine, edges: Edges) -> None:
        self._machine = machine
        self._net = machine.net
        self._edges = edges

    def port(self, port: Port) -> Verdict | None:
        """What the rows say against a port; None: nothing."""
        net = self._net
        fault, network = net.get(Fault, ("Port", port.id)), net.get(Network, port.network_id)
        if fault is not None:
            return Verdict(fault.reason)
        if not port.admin_state_up or network is None or not network.admin_state_up:
            return Verdict("it is administratively down" if not port.admin_state_up else "its network is down")
        binding, local = net.get(Binding, port.id), net.get(LocalPort, port.id)
        if binding is None:
            where = f"on {port.host_id}" if port.host_id else "on any host"
            return Verdict(f"no VIF of it was found {where}")
        if local is None:
            return Verdict(f"its VIF was on {binding.host} and is gone, or its bridge is")
        return self._host(local) or self._acknowledged(local, binding)

    def _host(self, local: LocalPort) -> Verdict | None:
        host, session = self._net.get(Host, local.host), self._net.get(Session, local.dpid)
        if session is None or not session.connected:
            return Verdict(f"the bridge it is plugged into, {self._name(local.dpid)}, is not connected")
        here = self._net.get(Presence, local.host)
        if host is not None and host.managed and not (here and here.connected):
            return Verdict(f"the OVSDB of its host {local.host} is not connected")
        return None

    def _acknowledged(self, local: LocalPort, binding: Binding) -> Verdict | None:
        ledger = self._machine.ledgers[local.dpid]
        self._edges.wait(lambda: ledger.settled and self._active(binding), PATIENCE)
        if not ledger.settled:
            return Verdict(f"{self._name(local.dpid)} has yet to acknowledge flows")
        return (
            None if self._active(binding) else Verdict("switches have yet to acknowledge its flows: it is not ACTIVE")
        )

    def _active(self, binding: Binding) -> bool:
        now = self._net.get(Binding, binding.port_id)
        return now is not None and now.active

    def _name(self, dpid: int) -> str:
        switch = self._net.get(Switch, dpid)
        return f"{switch.host}/{switch.bridge}" if switch else f"{dpid:016x}"

    # -- the probe ----------------------------------------------------------------------------------------------------

    def path(self, source: Port, target: Port) -> Verdict | None:
        """What a probe from one port to another one tells; None: it arrived."""
        if source.network_id != target.network_id:
            return Verdict("the ports are in different networks")
        there = self._net.get(LocalPort, target.id)
        caught: tuple[int, ...] = ()
        for _ in range(TRIES):
            caught = caught or self._probe(source, target)
        if there is not None and caught == (there.dpid, there.ofport):
            return None
        if caught:
            return Verdict(f"the probe came out at port {caught[1]} of {self._name(caught[0])}, not at the target's")
        return self._lost(list(self._way(source, target)), source, target)

    def _probe(self, source: Port, target: Port) -> tuple[int, ...]:
        """Send a probe and wait for it; where it was caught, () when it was not."""
        nonce = self._edges.nonce()
        self._edges.emit(ProbeWanted(nonce, source.id, target.id))
        self._edges.wait(lambda: bool(self._caught(nonce)), PATIENCE)
        self._edges.emit(ProbeOver(nonce))
        return self._caught(nonce)

    def _caught(self, nonce: int) -> tuple[int, ...]:
        asked = self._net.get(Probe, nonce)
        return asked.caught if asked is not None else ()

    # -- where it was lost --------------------------------------------------------------------------------------------

    def _lost(self, way: list[At], source: Port, target: Port) -> Verdict:
        before = self._count(way)
        for at in way:
            if at.step.flow is None:
                return at.verdict("no flow there is for it")
            if at.switch.dpid in before and at.step.flow.cookie not in before[at.switch.dpid]:
                return at.verdict(f"the switch does not have the flow {self._text(at)}")
        self._probe(source, target)
        self._edges.wait(lambda: False, COUNTED)
        after = self._count(way)
        for at in way:
            cookie = at.step.flow.cookie if at.step.flow else 0
            if at.switch.dpid not in after:
                return at.verdict("the switch does not answer")
            if after[at.switch.dpid].get(cookie, 0) <= before.get(at.switch.dpid, {}).get(cookie, 0):
                return at.verdict(f"no probe gets there: its flow {self._text(at)} has met none")
        if not way or way[-1].table != "deliver":
            return way[-1].verdict("it ends there") if way else Verdict("no way is known")
        return way[-1].verdict("it should have been caught there, and was not")

    def _count(self, way: Iterable[At]) -> Mapping[int, Mapping[int, int]]:
        wanted: dict[int, list[tuple[int, int]]] = {}
        for switch, step in way:
            if step.flow is not None:
                wanted.setdefault(switch.dpid, []).append((step.table, step.flow.cookie))
        return self._edges.counts(wanted, PATIENCE)

    def _text(self, at: At) -> str:
        assert at.step.flow is not None
        return format_flow(at.step.flow, lambda table: LAYOUT.name(at.switch.role, table))

    def _way(self, source: Port, target: Port) -> Iterator[At]:
        """The flows that a probe meets, by what the switches shall have, as far as it gets."""
        here, there = self._net.get(LocalPort, source.id), self._net.get(LocalPort, target.id)
        if here is None or there is None:
            return
        packet = probe.packet(mac(source.mac_address), mac(target.mac_address), here.ofport)
        result = self._run(here.dpid, packet)
        yield from self._steps(here.dpid, result)
        if here.dpid == there.dpid:
            return
        for port, copy in result.outputs:
            yield from self._beyond(here, there, port, copy)
            return

    def _beyond(self, here: LocalPort, there: LocalPort, port: int, copy: Packet) -> Iterator[At]:
        """The way from where a probe leaves an integration bridge."""
        for tunnel in self._net.find(TunnelPort, "dpid", here.dpid):
            end = self._net.get(TunnelPort, (there.dpid, tunnel.type))
            if tunnel.ofport == port and end is not None:
                yield from self._enter(there.dpid, copy.frame().but(in_port=end.ofport, tun_id=copy["tun_id"]))
        for uplink in self._net.find(Uplink, "dpid", here.dpid):
            entry = self._net.get(Uplink, (there.dpid, uplink.physical_network))
            if uplink.ofport == port and uplink.trunk and entry is not None:
                yield from self._enter(there.dpid, copy.frame().but(in_port=entry.ofport))
            elif uplink.ofport == port:
                yield from self._over(here, there, uplink.physical_network, copy.frame())

    def _over(self, here: LocalPort, there: LocalPort, physnet: str, frame: Packet) -> Iterator[At]:
        """Through the provider bridge, whose NORMAL leads to the other host's."""
        for switch in self._net.find(Switch, "host+role", (here.host, ETH)):
            end, entry = self._net.get(Uplink, (switch.dpid, physnet)), self._net.get(Uplink, (there.dpid, physnet))
            if end is None or entry is None:
                continue
            result = self._run(switch.dpid, frame.but(in_port=end.ofport))
            yield from self._steps(switch.dpid, result)
            for port, copy in result.outputs:
                if port == f.NORMAL:
                    yield from self._enter(there.dpid, copy.frame().but(in_port=entry.ofport))

    def _enter(self, dpid: int, packet: Packet) -> Iterator[At]:
        yield from self._steps(dpid, self._run(dpid, packet))

    def _run(self, dpid: int, packet: Packet) -> Result:
        """What the switch does with a packet, if it has all that it shall have."""
        flows = tuple(self._machine.ledgers[dpid].desired.values())
        meters = {f.Meter(a.meter, 1) for flow in flows for a in flow.actions if isinstance(a, f.Metered)}
        ports = {port.number: port.name for port in self._net.find(OfPort, "dpid", dpid)}
        try:
            return ModelSwitch(flows, ports, meters=meters).run(packet)
        except (Ambiguous, Loop):
            return Result((), (), ())

    def _steps(self, dpid: int, result: Result) -> Iterator[At]:
        switch = self._net.get(Switch, dpid)
        if switch is not None:
            yield from (At(switch, step) for step in result.path)
