"""The way of a packet between two ports, foretold: the flows that we want on the bridges of both hosts, run by the
model switch.  What a bridge that is not ours does in between is not known, but that it switches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from controller.core import flow as f
from controller.core.derived import LocalPort, Switch, TunnelPort, Uplink
from controller.core.machine import Machine
from controller.core.model import ETH, INT, Host, Port
from controller.core.observed import ForeignDefault, OfPort, is_nic
from controller.core.packet import ICMPV6, Packet, ethernet, ipv4, ipv6
from controller.core.pipeline import LAYOUT
from controller.core.simulate import Loop, ModelSwitch, Step
from controller.core.simulate_network import Delivery, Hop, ModelNetwork, Place, Tunnel
from controller.core.spelling import value_text
from controller.core.text import format_flow

DEFAULT = f.Flow(0, 0, (), (f.Output(f.NORMAL),))
"""Stands for the default flow of somebody else on a provider bridge: what Open vSwitch itself puts there."""
ICMP, ECHO_REQUEST, ECHO_REQUEST_6 = 1, 8, 128


def trace(machine: Machine, source: Port, target: Port) -> dict[str, Any]:
    """Where an echo request (or, without addresses of one family, a frame) from one port to another would go.

    The answer has `delivered`, `reason` ("" when it is), the `packet`, and
    `hops` in their order: `switch`, `in_port` and `arrives` (as what), `lookups` (`table`, `flow`, and `cookie`, "" for
    a flow that is not ours), `out_port` and `leaves` (as what).  Raises LookupError for a port whose VIF is not
    there.
    """
    return _Trace(machine, source, target, _place(machine.net, source), _place(machine.net, target)).told()


def _place(net: Any, port: Port) -> LocalPort:
    local: LocalPort | None = net.get(LocalPort, port.id)
    if local is None:
        raise LookupError(f"port {port.id} is not plugged in anywhere")
    return local


def probe(one: Port, other: Port) -> Packet:
    """What is sent from one port to the other: an echo request where both have an address of one family."""
    for version in (4, 6):
        ends = [_address(port, version) for port in (one, other)]
        if all(ends):
            make, protocol = (ipv4, ICMP) if version == 4 else (ipv6, ICMPV6)
            made = make(one.mac_address, other.mac_address, ends[0], ends[1], protocol)
            return made.but(icmpv4_type=ECHO_REQUEST) if version == 4 else made.but(icmpv6_type=ECHO_REQUEST_6)
    return ethernet(one.mac_address, other.mac_address)


def _address(port: Port, version: int) -> str:
    return next((ip.ip_address for ip in port.fixed_ips if (":" in ip.ip_address) == (version == 6)), "")


class _Trace:
    """One packet's way; `links` are the ends that each port leads to."""

    def __init__(self, machine: Machine, one: Port, other: Port, here: LocalPort, there: LocalPort) -> None:
        self._machine, self._net = machine, machine.net
        self._one, self._other, self._here, self._there = one, other, here, there
        self._hosts = [self._net.get(Host, name) for name in dict.fromkeys((here.host, there.host))]
        self._switches = [s for host in self._hosts if host for s in self._net.find(Switch, "host", host.name)]
        self._patches = dict(self._joined())
        self._wires = dict(self._wired())
        self._tunnels = dict(self._tunnelled())

    # -- what there is ------------------------------------------------------------------------------------------------

    def _joined(self) -> Iterator[tuple[Place, Place]]:
        """The patch pairs between br-int and provider bridges."""
        for switch in self._switches:
            for uplink in self._net.find(Uplink, "dpid", switch.dpid) if switch.role == ETH else ():
                for integration in self._net.find(Switch, "host+role", (switch.host, INT)):
                    near = self._net.get(Uplink, (integration.dpid, uplink.physical_network))
                    if near is not None:
                        yield (integration.dpid, near.ofport), (switch.dpid, uplink.ofport)

    def _wired(self) -> Iterator[tuple[Place, str]]:
        """The ports that are on physical networks: NICs of provider bridges, and trunks."""
        for switch in self._switches:
            uplinks = self._net.find(Uplink, "dpid", switch.dpid)
            yield from (((switch.dpid, u.ofport), u.physical_network) for u in uplinks if u.trunk)
            ports = [p for p in self._net.find(OfPort, "dpid", switch.dpid) if switch.role == ETH]
            outside = [p for p in ports if p.number != f.LOCAL and p.number not in {u.ofport for u in uplinks}]
            for nic in sorted(outside, key=lambda port: (not is_nic(port.name), port.number))[:1]:
                yield (switch.dpid, nic.number), switch.physical_network

    def _tunnelled(self) -> Iterator[tuple[Place, Tunnel]]:
        for switch in self._switches:
            host = self._net.get(Host, switch.host)
            for tunnel in self._net.find(TunnelPort, "dpid", switch.dpid):
                if host is not None:
                    yield (switch.dpid, tunnel.ofport), Tunnel(tunnel.type, host.local_ip)

    def _model(self, switch: Switch) -> ModelSwitch:
        ledger = self._machine.ledgers.get(switch.dpid)
        flows = list(ledger.desired.values()) if ledger else []
        meters = {action.meter for flow in flows for action in flow.actions if isinstance(action, f.Metered)}
        if self._net.get(ForeignDefault, switch.dpid) is not None:
            flows.append(DEFAULT)
        return ModelSwitch(flows, meters=[f.Meter(meter, 1) for meter in meters])

    # -- what is told -------------------------------------------------------------------------------------------------

    def told(self) -> dict[str, Any]:
        packet = probe(self._one, self._other)
        network = ModelNetwork(
            {switch.dpid: self._model(switch) for switch in self._switches},
            patches=self._patches,
            wires=self._wires,
            tunnels=self._tunnels,
            vifs=[(local.dpid, local.ofport) for local in (self._here, self._there)],
        )
        answer = {"source": self._one.id, "target": self._other.id, "packet": repr(packet)}
        try:
            delivery = network.send(self._here.dpid, self._here.ofport, packet)
        except Loop as error:
            return {**answer, "delivered": False, "reason": str(error), "hops": []}
        end = (self._there.dpid, self._there.ofport)
        delivered = end in delivery.ports
        way = self._way(delivery, end if delivered else None)
        hops = [self._hop(hop, self._next(way, at, end if delivered else None)) for at, hop in enumerate(way)]
        return {**answer, "delivered": delivered, "reason": "" if delivered else self._reason(way), "hops": hops}

    def _way(self, delivery: Delivery, end: Place | None) -> list[Hop]:
        """The hops that lead to a place, or (None) as near to the target as the packet gets."""
        hops = list(delivery.hops)
        if end is not None:
            last = next(at for at, hop in enumerate(hops) if hop.dpid == end[0] and end[1] in hop.result.ports)
        else:
            nearness = [(self._is_there(hop), hop.depth) for hop in hops]
            last = nearness.index(max(nearness))
        way = [hops[last]]
        for hop in reversed(hops[:last]):
            if hop.depth == way[0].depth - 1:
                way.insert(0, hop)
        return way

    def _is_there(self, hop: Hop) -> bool:
        return self._switch(hop).host == self._there.host

    def _switch(self, hop: Hop) -> Switch:
        return next(switch for switch in self._switches if switch.dpid == hop.dpid)

    def _next(self, way: list[Hop], at: int, end: Place | None) -> tuple[Place, Packet] | None:
        """The port by which a hop's packet goes on, and as what: to the next hop, or to where it is delivered."""
        hop = way[at]
        if at + 1 == len(way):
            found = [packet for port, packet in hop.result.outputs if end == (hop.dpid, port)]
            return (end, found[0]) if end is not None and found else None
        then = way[at + 1].dpid, way[at + 1].in_port
        for port, packet in hop.result.outputs:
            for place in self._ports(hop.dpid) if port == f.NORMAL else [(hop.dpid, port)]:
                if self._leads(place, then):
                    return place, packet
        return None

    def _ports(self, dpid: int) -> list[Place]:
        ends = (*self._patches, *self._patches.values(), *self._wires)
        return [place for place in ends if place[0] == dpid]

    def _leads(self, place: Place, to: Place) -> bool:
        if (self._patches.get(place) or self._patches.get(to)) in (place, to):
            return True
        if place in self._wires:
            return place != to and self._wires[place] == self._wires.get(to)
        return place in self._tunnels and to in self._tunnels

    def _hop(self, hop: Hop, onward: tuple[Place, Packet] | None) -> dict[str, Any]:
        switch = self._switch(hop)
        return {
            "switch": f"{switch.host}/{switch.bridge}",
            "in_port": self._name((hop.dpid, hop.in_port)),
            "arrives": _seen(hop.packet),
            "lookups": [self._lookup(switch, step) for step in hop.result.path],
            "out_port": self._name(onward[0]) if onward else "",
            "leaves": _seen(onward[1]) if onward else "",
        }

    def _name(self, place: Place) -> str:
        port = self._net.get(OfPort, place)
        return port.name if port is not None else str(place[1])

    def _lookup(self, switch: Switch, step: Step) -> dict[str, Any]:
        def name(table: int) -> str:
            return LAYOUT.name(switch.role, table)

        return {
            "table": name(step.table),
            "flow": format_flow(step.flow, name) if step.flow else "",
            "cookie": f"{step.flow.cookie:#x}" if step.flow not in (None, DEFAULT) else "",
        }

    def _reason(self, way: list[Hop]) -> str:
        """Why the packet gets no further: the last bridge, its last table, and what that does."""
        if self._one.network_id != self._other.network_id:
            joined = f"; the ports are in networks {self._one.network_id} and {self._other.network_id}"
        else:
            joined = ""
        switch = self._switch(way[-1])
        step = next((step for step in way[-1].result.path if not step.actions), way[-1].result.path[-1])
        where = f"{switch.host}/{switch.bridge}, table {LAYOUT.name(switch.role, step.table)}"
        if step.flow is None:
            return f"{where}: no flow matches{joined}"
        if step.actions:
            return f"{where}: it leaves for where nothing of ours is{joined}"
        unit = self._machine.unit(switch.dpid, step.flow)
        why = f", a flow of {unit.renderer.name}" if unit is not None else ""
        return f"{where}: dropped{why}{joined}"


def _seen(packet: Packet) -> str:
    """What a packet is on its way: its VLAN, or its tunnel."""
    remote = "tun_dst" if packet["tun_dst"] else "tun_ipv6_dst" if packet["tun_ipv6_dst"] else ""
    if remote:
        return f"tunnel id {packet['tun_id']} to {value_text(remote, packet[remote])}"
    return f"VLAN {packet['vlan_vid'] & 0xFFF}" if packet["vlan_vid"] else "untagged"
