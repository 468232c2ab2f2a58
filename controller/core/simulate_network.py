"""A model of many switches and what joins them: to which VIFs does a packet get, through which bridges?

Patch ports, the wires of physical networks and tunnels are plain data, so that laws and tests build
it from whatever they have.  Bridges' NORMAL floods (MAC learning only ever narrows that), so what does not arrive here
does not arrive anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from controller.core import flow as f
from controller.core.packet import Packet
from controller.core.simulate import Loop, ModelSwitch, Result
from controller.core.spelling import value_of

Place = tuple[int, int]
"""A port of a switch: (dpid, OpenFlow port)."""
MAX_HOPS = 256
"""Bridges one packet may go through, one after the other, before that counts as a loop."""


class Tunnel(NamedTuple):
    """A tunnel port whose remote address is set by flows: its type and the address it is reached under.

    Nothing gets from it to an address of the other family.
    """

    type: str
    local_ip: str


class Arrival(NamedTuple):
    """A copy of the packet at a VIF's port, or at any port where a packet leaves the modelled network."""

    dpid: int
    ofport: int
    packet: Packet


class Hop(NamedTuple):
    """One bridge on the way: where the packet came in, as what, and what the bridge did; `depth` counts from 0."""

    dpid: int
    in_port: int
    packet: Packet
    result: Result
    depth: int


class Delivery(NamedTuple):
    """What became of a packet.

    `reached` are the copies at VIFs, `punted` those for a controller as (dpid, table, packet), `lost` the copies sent
    to a port that leads nowhere, or into a tunnel whose destination is no host of ours.
    """

    reached: tuple[Arrival, ...]
    punted: tuple[tuple[int, int, Packet], ...]
    lost: tuple[Arrival, ...]
    hops: tuple[Hop, ...]

    @property
    def ports(self) -> frozenset[Place]:
        """The VIFs' ports that got at least one copy."""
        return frozenset((arrival.dpid, arrival.ofport) for arrival in self.reached)


class ModelNetwork:
    """Switches by dpid, and how their ports are joined.

    `patches`: a pair of ports each (one direction is enough).  `wires`: NIC ports by the name of the physical network
    that they are plugged into; all ports of one name share a wire.  `tunnels`: the tunnel ports.  `vifs`: the ports of
    guests.  Switches may be changed (`apply`) between packets.
    """

    def __init__(
        self,
        switches: Mapping[int, ModelSwitch],
        *,
        patches: Mapping[Place, Place] | None = None,
        wires: Mapping[Place, str] | None = None,
        tunnels: Mapping[Place, Tunnel] | None = None,
        vifs: Iterable[Place] = (),
    ) -> None:
        self.switches = switches
        self._patches = {end: other for pair in (patches or {}).items() for end, other in (pair, pair[::-1])}
        self._wires = dict(wires or {})
        self._tunnels = dict(tunnels or {})
        self._ends = {(tunnel.type, _address(tunnel.local_ip)): place for place, tunnel in self._tunnels.items()}
        self._vifs = frozenset(vifs)

    def send(self, dpid: int, in_port: int, packet: Packet, *, meters_open: bool = True) -> Delivery:
        """Follow a packet that comes in at a port, all its copies included.  Raises Ambiguous, or Loop."""
        return self.inject(dpid, in_port, packet.frame(), meters_open=meters_open)

    def inject(self, dpid: int, in_port: int, packet: Packet, *, meters_open: bool = True) -> Delivery:
        """The same for a packet of ours (a packet-out), which may bring registers along."""
        journey = _Journey(self, meters_open)
        journey.enter((dpid, in_port), packet)
        return journey.delivery()

    def _leads(self, place: Place) -> list[Place] | None:
        """The ports at which a packet comes in that leaves by a patch or a wire; None: it leads nowhere."""
        if place in self._patches:
            return [self._patches[place]]
        name = self._wires.get(place)
        if name is None:
            return None
        return [other for other, wire in self._wires.items() if wire == name and other != place]

    def _ports(self, dpid: int) -> list[int]:
        """The ports that a bridge's NORMAL floods to."""
        known = {place for places in (self._patches, self._wires, self._vifs) for place in places}
        return sorted(port for switch, port in known if switch == dpid)


class _Journey:
    """A packet on its way through the network."""

    def __init__(self, network: ModelNetwork, meters_open: bool) -> None:
        self._network = network
        self._meters_open = meters_open
        self._reached: list[Arrival] = []
        self._punted: list[tuple[int, int, Packet]] = []
        self._lost: list[Arrival] = []
        self._hops: list[Hop] = []
        self._trail: list[tuple[Place, Packet]] = []

    def delivery(self) -> Delivery:
        return Delivery(tuple(self._reached), tuple(self._punted), tuple(self._lost), tuple(self._hops))

    def enter(self, place: Place, packet: Packet) -> None:
        """A packet (frame and tunnel metadata) comes in at a port."""
        if (place, packet) in self._trail or len(self._trail) >= MAX_HOPS:
            raise Loop(f"{packet} comes to port {place[1]} of switch {place[0]:#x} again")
        dpid, in_port = place
        switch = self._network.switches.get(dpid)
        if switch is None:
            self._lost.append(Arrival(dpid, in_port, packet))
            return
        self._trail.append((place, packet))
        result = switch.run(packet.but(in_port=in_port), meters_open=self._meters_open)
        self._hops.append(Hop(dpid, in_port, packet, result, len(self._trail) - 1))
        self._punted.extend((dpid, table, copy) for table, copy in result.controller)
        for port, copy in result.outputs:
            for real in self._flooded(dpid, in_port) if port == f.NORMAL else (port,):
                self._leave((dpid, real), copy)
        self._trail.pop()

    def _flooded(self, dpid: int, in_port: int) -> list[int]:
        return [port for port in self._network._ports(dpid) if port != in_port]

    def _leave(self, place: Place, packet: Packet) -> None:
        """A copy leaves a bridge by a port."""
        if place in self._network._tunnels:
            self._tunnel(place, packet)
            return
        ends = self._network._leads(place)
        if ends is not None:
            for end in ends:
                self.enter(end, packet.frame())
        elif place in self._network._vifs:
            self._reached.append(Arrival(*place, packet))
        else:
            self._lost.append(Arrival(*place, packet))

    def _tunnel(self, place: Place, packet: Packet) -> None:
        """A tunnel carries the frame, its id and both addresses; registers stay behind."""
        tunnel = self._network._tunnels[place]
        remote = packet["tun_dst"] or packet["tun_ipv6_dst"]
        end = self._network._ends.get((tunnel.type, remote))
        if end is None or end == place or (":" in tunnel.local_ip) != bool(packet["tun_ipv6_dst"]):
            self._lost.append(Arrival(*place, packet))
            return
        source, target = ("tun_src", "tun_dst") if packet["tun_dst"] else ("tun_ipv6_src", "tun_ipv6_dst")
        outer = {"tun_id": packet["tun_id"], source: _address(tunnel.local_ip), target: remote}
        self.enter(end, packet.frame().but(**outer))


def _address(text: str) -> int:
    return value_of("tun_ipv6_dst" if ":" in text else "tun_dst", text)
