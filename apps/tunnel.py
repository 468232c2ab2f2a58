"""Tunnel networks: VXLAN, GRE and Geneve between hosts, over IPv4 or IPv6.

One tunnel port per type and host; the remote address is set by flows, so the flow for a remote port is the same on
every switch.  Broadcast, and unicast to a destination that has no flow here yet, is replicated at the sender to just
the hosts that have the network; there it is delivered to the port it is for, or dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from controller.core.address import ip, mac, mac_text, version
from controller.core.app import App
from controller.core.derived import NetworkOnHost, NetworkOnSwitch, RemotePort, TunnelPort
from controller.core.effects import EnsureTunnel
from controller.core.flow import Action, Flow, Output, SetField
from controller.core.model import INT, TUNNEL_TYPES, Binding, Host, Network, Port, Segment
from controller.core.observed import WantedMac
from controller.core.pipeline import (
    ADMIT,
    CHUNK,
    LOOKUP,
    MULTICAST,
    NET,
    OUTPUT,
    PUNT,
    REMOTE,
    TUNNEL,
    TUNNEL_CODES,
    goto,
    load,
    onward,
    resubmit,
)

app = App("tunnel")

PEERS_PER_FLOW = 400
"""How many hosts one flow replicates to: a flow-mod may have 64 kB (OpenFlow 1.4, 7.1), a host takes 32 or 40 bytes."""

TUNNEL_IN = app.table(
    "tunnel_in",
    stage=ADMIT,
    slot=2,
    reads=("in_port", "tun_id"),
    writes=(NET, REMOTE),
    meaning="which network is a packet from a tunnel in, by its tunnel id",
)
TUNNEL_OUT = app.table(
    "tunnel_out",
    stage=LOOKUP,
    slot=3,
    reads=(NET, CHUNK, "eth_dst"),
    writes=(TUNNEL, PUNT, CHUNK, "tun_id", "tun_dst", "tun_ipv6_dst"),
    leads=("tunnel_out", "tunnel_port", "punt"),
    reactive=True,
    meaning="on which host is the destination; all hosts of the network when there is no flow for it (yet)",
)
TUNNEL_PORT = app.table(
    "tunnel_port",
    stage=OUTPUT,
    slot=1,
    reads=(TUNNEL,),
    meaning="out of this switch's tunnel port of that type",
)


def _segment(net: Any, network_id: str) -> tuple[Network, Segment] | None:
    network = net.get(Network, network_id)
    if network is None or not network.admin_state_up:
        return None
    segments = net.find(Segment, "network_id", network_id)
    return next(((network, segment) for segment in segments if segment.network_type in TUNNEL_TYPES), None)


def _tunnel_id(segment: Segment) -> SetField:
    return SetField("tun_id", segment.segmentation_id or 0)


@lru_cache(maxsize=1 << 12)
def _remote_end(local_ip: str) -> SetField:
    return SetField("tun_dst" if version(local_ip) == 4 else "tun_ipv6_dst", ip(local_ip))


@app.flows(NetworkOnSwitch)
def inward(net: Any, on: NetworkOnSwitch) -> Iterable[Flow]:
    """From a tunnel id to the network."""
    if on.role != INT or (carried := _segment(net, on.network_id)) is None:
        return
    network, segment = carried
    port = net.get(TunnelPort, (on.dpid, segment.network_type))
    if port is not None:
        match = {"in_port": port.ofport, "tun_id": segment.segmentation_id or 0}
        yield TUNNEL_IN.flow(100, match, [load(NET, network.key), load(REMOTE, 1), onward(TUNNEL_IN)])


@app.flows(RemotePort, shared="port_id")
def unicast(net: Any, port_id: str) -> Iterable[Flow]:
    """The way to a port on another host (two while its guest migrates): the same flow on all switches that want it."""
    port, binding = net.get(Port, port_id), net.get(Binding, port_id)
    if port is None or binding is None or (carried := _segment(net, port.network_id)) is None:
        return
    network, segment = carried
    ends = _ends(net, binding)
    if not ends or not port.admin_state_up:
        return
    leave = [load(TUNNEL, TUNNEL_CODES[segment.network_type]), goto("tunnel_port")]
    actions = [_tunnel_id(segment), ends[-1], leave]
    if len(ends) > 1:
        actions[1:1] = [ends[0], leave[0], resubmit("tunnel_port")]
    idle = 0 if net.settings.proactive else net.settings.idle_timeout
    yield TUNNEL_OUT.flow(100, {NET: network.key, "eth_dst": mac(port.mac_address)}, actions, idle)


def _ends(net: Any, binding: Binding) -> list[SetField]:
    """Where the tunnels to a port end: on its host and, while its guest migrates, on the one that it goes to."""
    hosts = (net.get(Host, name) for name in binding.hosts)
    ends = [_remote_end(host.local_ip) for host in hosts if host is not None and host.local_ip]
    return [end for end in ends if end.field == ends[-1].field]


@app.flows(NetworkOnSwitch)
def replicate(net: Any, on: NetworkOnSwitch) -> Iterable[Flow]:
    """Head-end replication to the other hosts of a network, and a copy for the controller that may know better.

    The hosts are in groups, each with a flow that both kinds of packets visit.
    """
    if on.role != INT or (carried := _segment(net, on.network_id)) is None:
        return
    network, segment = carried
    port = net.get(TunnelPort, (on.dpid, segment.network_type))
    if port is None:
        return
    peers, out = _peers(net, on), Output(port.ofport)
    visits: list[Action] = []
    for number, first in enumerate(range(0, len(peers), PEERS_PER_FLOW), 1):
        copies = [action for peer in peers[first : first + PEERS_PER_FLOW] for action in (_remote_end(peer), out)]
        yield TUNNEL_OUT.flow(30, {NET: network.key, CHUNK: number}, [_tunnel_id(segment), copies])
        visits += [load(CHUNK, number), resubmit("tunnel_out")]
    if visits:
        visits.append(load(CHUNK, 0))
    yield TUNNEL_OUT.flow(20, {NET: network.key, "eth_dst": MULTICAST}, visits)
    yield TUNNEL_OUT.flow(10, {NET: network.key}, [*visits, load(PUNT, 1), resubmit("punt")])


def _peers(net: Any, on: NetworkOnSwitch) -> list[str]:
    """The tunnel addresses of the other hosts that have the network, of our own address family."""
    there = {other.host: other.local_ip for other in net.find(NetworkOnHost, "network_id", on.network_id)}
    own = there.pop(on.host) if on.host in there else _own_end(net, on.host)
    family = version(own)
    return [peer for peer in there.values() if own and peer and version(peer) == family]


def _own_end(net: Any, name: str) -> str:
    """The tunnel address of a host on which no port of the network is bound yet."""
    host = net.get(Host, name)
    return host.local_ip if host is not None else ""


@app.flows(TunnelPort)
def leave(net: Any, tunnel: TunnelPort) -> Iterable[Flow]:
    """The type's port on this switch."""
    yield TUNNEL_PORT.flow(100, {TUNNEL: TUNNEL_CODES[tunnel.type]}, [Output(tunnel.ofport)])


@app.restore(TUNNEL_OUT)
def wanted(net: Any, dpid: int, fields: dict[str, int]) -> Iterable[WantedMac]:
    """A unicast flow stands for a wanted destination (those of replication have no exact eth_dst)."""
    if "eth_dst" in fields:
        for network in net.find(Network, "key", fields.get(NET.wire, 0)):
            yield WantedMac(dpid, network.id, mac_text(fields["eth_dst"]))


@app.ovsdb(Host)
def usual_ports(net: Any, host: Host) -> Iterable[EnsureTunnel]:
    """A host has the ports of the types that networks get by themselves from the start: made with the first VIF, they
    would cost ovs-vswitchd a second reconfiguration, and the VIF would wait for it."""
    for type in net.settings.tenant_network_types:
        if type in TUNNEL_TYPES and host.local_ip:
            yield _tunnel_port(host, type)


@app.ovsdb(NetworkOnHost)
def tunnel_port(net: Any, on: NetworkOnHost) -> Iterable[EnsureTunnel]:
    """It has the port of another type while it has a network of that type."""
    host, carried = net.get(Host, on.host), _segment(net, on.network_id)
    if host is not None and host.local_ip and carried is not None:
        yield _tunnel_port(host, carried[1].network_type)


def _tunnel_port(host: Host, type: str) -> EnsureTunnel:
    return EnsureTunnel(host.integration_bridge, f"pb-{type}", type, host.local_ip)
