"""Sending: solicitations leave their port for the controller and are answered; everybody is told periodically."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.router_advertisements import message
from apps.router_advertisements.routers import Advertised, app, is_advertised, withdrawn
from controller.core.address import mac
from controller.core.derived import FloodChunk, LocalPort, NetworkOnSwitch
from controller.core.effects import PacketOut
from controller.core.events import PacketIn
from controller.core.flow import Flow, Meter, Move, Output, SetField
from controller.core.model import INT, Network, Port, Subnet
from controller.core.pipeline import NET, REMOTE, RESPOND, load, resubmit
from controller.core.punts import to_controller

INTERVAL = 400.0
"""Seconds between two advertisements to everybody: the middle of RFC 4861's 200 to 600 (6.2.1).  It need not be random:
no two routers of a network can fall into step, for there is one sender."""

_ICMPV6: dict[Any, Any] = {"eth_type": 0x86DD, "ip_proto": message.ICMPV6, "icmpv6_code": 0}
_SOLICIT = {**_ICMPV6, "icmpv6_type": message.SOLICITATION}
_WHO_HAS = {**_ICMPV6, "icmpv6_type": 135, "nd_options_type": message.SOURCE_LINK_LAYER}

ROUTERS = app.table(
    "routers",
    stage=RESPOND,
    slot=7,
    in_turn=True,
    reads=(
        *(NET, REMOTE, "in_port", "eth_type", "ip_proto"),
        *("icmpv6_type", "icmpv6_code", "nd_target", "nd_options_type"),
    ),
    writes=("eth_src", "eth_dst"),
    leads=("nd_reply",),
    miss="NEXT",
    meaning="Router Solicitations go to the controller, and to nobody else; who has an advertised router's address",
)


@app.flows(LocalPort)
def punt(net: Any, local: LocalPort) -> Iterable[Flow | Meter]:
    """A port with an address in an advertised subnet asks the controller for routers."""
    port = net.get(Port, local.port_id)
    six = (fixed.subnet_id for fixed in (port.fixed_ips if port is not None else ()) if ":" in fixed.ip_address)
    subnets = (net.get(Subnet, id) for id in dict.fromkeys(six))
    if any(subnet is not None and is_advertised(subnet) for subnet in subnets):
        yield from to_controller(net, local, ROUTERS, _SOLICIT)


@app.flows(NetworkOnSwitch)
def resolve(net: Any, on: NetworkOnSwitch) -> Iterable[Flow]:
    """The link-local address of an advertised router is answered for: the guest that is the router may have another."""
    network = net.get(Network, on.network_id)
    if on.role != INT or network is None:
        return
    routers = Advertised.in_network(net, network.id)
    there = {router.address: router.mac for router in routers if router.lifetime}
    for address, hardware in there.items():
        turn = [Move("eth_src", "eth_dst"), SetField("eth_src", hardware), resubmit("nd_reply")]
        yield ROUTERS.flow(100, {NET: network.key, REMOTE: 0, **_WHO_HAS, "nd_target": address}, turn)


@app.packets(ROUTERS)
def answer(net: Any, punted: PacketIn) -> Iterable[PacketOut]:
    """Answer a solicitation, straight to its port; not with what the port itself is said to advertise."""
    asked, in_port = message.read(punted.data), dict(punted.fields).get("in_port", 0)
    if asked is None:
        return
    for local in net.find(LocalPort, "ofport", (punted.dpid, in_port)):
        port = net.get(Port, local.port_id)
        if port is None or asked.mac != mac(port.mac_address):
            continue
        for router in Advertised.in_network(net, local.network_id):
            for frame in message.write(router, asked.mac, asked.address or message.EVERY_NODE):
                if router.mac != asked.mac:
                    yield PacketOut(punted.dpid, frame, (Output(in_port),))


@app.periodic(NetworkOnSwitch, INTERVAL, soon=Advertised)
def advertise(net: Any, on: NetworkOnSwitch, before: tuple[Advertised, ...]) -> Iterable[PacketOut]:
    """Tell all ports of a network on a switch, through its flood set there: as if it came from another host, so that
    none is sent to others; nothing where no VIF is (a port may be bound there).  What is so no more is taken back
    first, for the last word counts."""
    network = net.get(Network, on.network_id)
    if on.role != INT or network is None or not net.has(FloodChunk, "dpid+network_id", (on.dpid, network.id)):
        return
    into = (load(NET, network.key), load(REMOTE, 1), resubmit("flood"))
    said = [(router, message.ENDED) for router in withdrawn(net, network, before)]
    said += [(router, message.USUAL) for router in Advertised.in_network(net, network.id)]
    for router, lifetimes in said:
        for frame in message.write(router, message.EVERY_NODE_MAC, message.EVERY_NODE, lifetimes):
            yield PacketOut(on.dpid, frame, into)
