"""Neighbours: ARP (RFC 826) and Neighbor Solicitations (RFC 4861) for addresses of the model are answered on the spot.

A switch answers for the addresses of its own ports, and for those elsewhere that its ports asked for.  An address that
several ports may have is its holder's (apps/address_holders.py).  Any other request goes on to the members of the
network, with a copy for the controller.  A port's question for its own address (duplicate address detection, RFC 5227)
is never answered, nor what only tells of an address (a gratuitous ARP).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.allowed_address_pairs import AddressPairs
from controller.core.address import ip, ip_text, mac, version
from controller.core.app import App
from controller.core.derived import LocalPort, RemoteAddress, Switch
from controller.core.flow import IN_PORT, Flow, Move, Output, Resubmit, SetField
from controller.core.model import INT, Network, Port
from controller.core.observed import Holder, WantedAddress
from controller.core.pipeline import NET, PUNT, REMOTE, RESPOND, SRC, goto, load, onward

app = App("neighbours")

ARP, REQUEST, REPLY = 0x0806, 1, 2
IPV6, ICMPV6, SOLICITATION, ADVERTISEMENT = 0x86DD, 58, 135, 136
SOURCE_LINK_LAYER, TARGET_LINK_LAYER = 1, 2
SOLICITED_OVERRIDE = 0x60000000

NEIGHBOURS = app.table(
    "neighbours",
    stage=RESPOND,
    slot=0,
    reads=(
        *(NET, SRC, REMOTE, "eth_type", "arp_op", "arp_spa", "arp_tpa"),
        *("ip_proto", "icmpv6_type", "icmpv6_code", "nd_target", "nd_options_type"),
    ),
    writes=(PUNT, "eth_src", "eth_dst", "arp_op", "arp_sha", "arp_tha", "arp_spa", "arp_tpa"),
    leads=("nd_reply",),
    miss="NEXT",
    reactive=True,
    meaning="answer ARP requests and Neighbor Solicitations for known addresses",
)
ND_REPLY = app.table(
    "nd_reply",
    stage=RESPOND,
    slot=1,
    reads=("eth_type", "ip_proto", "icmpv6_type", "icmpv6_code"),
    writes=("ipv6_src", "ipv6_dst", "icmpv6_type", "nd_options_type", "nd_reserved", "nd_tll"),
    leads=("nd_reply",),
    meaning="turn a Neighbor Solicitation into its advertisement",
)

_SOLICIT = {"eth_type": IPV6, "ip_proto": ICMPV6, "icmpv6_type": SOLICITATION, "icmpv6_code": 0}
_ADVERTISE = {**_SOLICIT, "icmpv6_type": ADVERTISEMENT}

_ASK: dict[Any, Any] = {"eth_type": ARP, "arp_op": REQUEST}
_TO_SENDER = Move("eth_src", "eth_dst")
_SAY_REPLY = [SetField("arp_op", REPLY), Move("arp_sha", "arp_tha"), Move("arp_spa", "arp_tpa")]
_BACK = Output(IN_PORT)


def _answer(network: Network, hardware: str, address: str, idle: int) -> Flow:
    """The flow that answers for an address with a MAC."""
    own = mac(hardware)
    turn = [_TO_SENDER, SetField("eth_src", own)]
    match: dict[Any, Any] = {NET: network.key, REMOTE: 0}
    if version(address) == 6:
        # A solicitation without the sender's address in an option is duplicate address detection: not to be answered.
        match |= {**_SOLICIT, "nd_target": ip(address), "nd_options_type": SOURCE_LINK_LAYER}
        return NEIGHBOURS.flow(100, match, [turn, goto("nd_reply")], idle)
    match |= {**_ASK, "arp_tpa": ip(address)}
    reply = [turn, _SAY_REPLY, SetField("arp_sha", own), SetField("arp_spa", ip(address)), _BACK]
    return NEIGHBOURS.flow(100, match, reply, idle)


@app.flows(LocalPort)
def local(net: Any, local: LocalPort) -> Iterable[Flow]:
    """A local port's addresses are answered for, except to itself."""
    port, network = net.get(Port, local.port_id), net.get(Network, local.network_id)
    if port is None or network is None or not (port.admin_state_up and network.admin_state_up):
        return
    own = list(dict.fromkeys(fixed.ip_address for fixed in port.fixed_ips))
    for address in own:
        holder = _holder(net, port.network_id, address)
        if holder is None or holder.port_id == port.id:
            yield _answer(network, port.mac_address, address, 0)
    blocks = AddressPairs.blocks(net, port.id)
    held = _held(net, port, own) if blocks else []
    for holder in held:
        yield from _answers(network, holder, 0)
    may = (str(block.network_address) for _, block in blocks if block.num_addresses == 1)
    for address in dict.fromkeys((*own, *(holder.ip for holder in held), *may)):
        if version(address) == 4:
            probe: dict[Any, Any] = {NET: network.key, SRC: port.key, **_ASK, "arp_tpa": ip(address)}
            yield NEIGHBOURS.flow(110, probe, onward(NEIGHBOURS))


def _held(net: Any, port: Port, own: list[str]) -> list[Holder]:
    """What a port holds beside its own addresses."""
    found = (holder for holder in net.find(Holder, "port_id", port.id) if holder.ip not in own)
    return [holder for holder in found if _holder(net, port.network_id, holder.ip) is not None]


def _holder(net: Any, network_id: str, address: str) -> Holder | None:
    """Who holds an address that several ports may have, while it may and is up."""
    holder: Holder | None = net.get(Holder, (network_id, address))
    port = net.get(Port, holder.port_id) if holder is not None else None
    if holder is None or port is None or not port.admin_state_up:
        return None
    own = any(fixed.ip_address == address for fixed in port.fixed_ips)
    return holder if own or AddressPairs.allow(net, port.id, holder.mac, address) else None


def _answers(network: Network, holder: Holder, idle: int) -> Iterable[Flow]:
    """What answers for a held address, but not to whoever tells that it has it."""
    yield _answer(network, holder.mac, holder.ip, idle)
    if version(holder.ip) == 4:
        told: dict[Any, Any] = {NET: network.key, **_ASK, "arp_spa": ip(holder.ip), "arp_tpa": ip(holder.ip)}
        yield NEIGHBOURS.flow(107, told, onward(NEIGHBOURS))


@app.flows(RemoteAddress, shared="address")
def remote(net: Any, address: tuple[str, str]) -> Iterable[Flow]:
    """An address on another host is answered for while it is asked for."""
    network = net.get(Network, address[0])
    if network is None or not network.admin_state_up:
        return
    idle = 0 if net.settings.proactive else net.settings.idle_timeout
    if net.get(Holder, address) is not None:
        holder = _holder(net, *address)
        yield from _answers(network, holder, idle) if holder is not None else ()
        return
    for port in net.find(Port, "address", address)[:1]:
        if port.admin_state_up:
            yield _answer(network, port.mac_address, address[1], idle)


@app.flows(Switch)
def rules(net: Any, switch: Switch) -> Iterable[Flow]:
    """How an answer is made, and that a question nobody could answer here is shown to the controller."""
    if switch.role != INT:
        return
    turn = [
        Move("ipv6_src", "ipv6_dst"),
        Move("nd_target", "ipv6_src"),
        SetField("icmpv6_type", ADVERTISEMENT),
        SetField("nd_options_type", TARGET_LINK_LAYER),
        SetField("nd_reserved", SOLICITED_OVERRIDE),
        # Open vSwitch lets only a flow that matches an advertisement write its target's link-layer address.
        Resubmit(ND_REPLY.id),
    ]
    yield ND_REPLY.flow(100, _SOLICIT, turn)
    yield ND_REPLY.flow(100, _ADVERTISE, [Move("eth_src", "nd_tll"), _BACK])
    if not net.settings.proactive:
        ask = [load(PUNT, 1), onward(NEIGHBOURS)]
        yield NEIGHBOURS.flow(10, {REMOTE: 0, **_ASK}, ask)
        yield NEIGHBOURS.flow(10, {REMOTE: 0, **_SOLICIT}, ask)


@app.restore(NEIGHBOURS)
def wanted(net: Any, dpid: int, fields: dict[str, int]) -> Iterable[WantedAddress | Holder]:
    """A responder flow stands for a wanted address (those of local ports are placed anyway), and for who holds that,
    for the holder's own switch may be back later than this one."""
    for name, family in (("arp_tpa", 4), ("nd_target", 6)):
        if name in fields:
            for network in net.find(Network, "key", fields.get(NET.wire, 0)):
                address = ip_text(fields[name], family)
                yield from _answered_for(net, network, address, fields.get("cookie", 0))
                yield WantedAddress(dpid, network.id, address)


def _answered_for(net: Any, network: Network, address: str, cookie: int) -> list[Holder]:
    """The holder that a flow answers for: the one port that would be answered for by that very flow, and has not the
    address as its own.  (A virtual MAC is several ports', and a pair may name the MAC of the address's owner.)"""
    if net.get(Holder, (network.id, address)) is not None:
        return []
    idle = net.settings.idle_timeout
    owners = net.find(Port, "address", (network.id, address))
    own = [port.id for port in owners if _answer(network, port.mac_address, address, idle).cookie == cookie]
    ports = (net.get(Port, pairs.port_id) for pairs in net.find(AddressPairs, "address", address) if not own)
    found = [
        Holder(network.id, address, port.id, mac, inferred=True)
        for port in ports
        if port is not None and port.network_id == network.id
        for mac in {mac for mac, block in AddressPairs.blocks(net, port.id) if str(block.network_address) == address}
        if _answer(network, mac, address, idle).cookie == cookie
    ]
    return found if len(found) == 1 else []
