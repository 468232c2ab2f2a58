"""Holders: of the ports that may have an address beside their own (allowed address pairs: VRRP, keepalived), the one
that said last that it has it.

A packet in which a guest says so (a gratuitous ARP, any other ARP with the address as its sender, a Neighbor
Advertisement, a solicitation from it) goes its way as every packet does, and a metered copy to the controller, which
observes a `Holder`.  The holder's own packets are quiet from then on, by flows that stand for what was observed and end
when they are idle: then nobody is known to hold the address, questions for it reach all members, and the first answer
tells who does.  So an address that moved in silence is found again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from apps.allowed_address_pairs import AddressPairs
from controller.core import frame
from controller.core.address import ip, ip_text, mac, mac_text, version
from controller.core.app import App
from controller.core.derived import LocalPort
from controller.core.effects import Observe
from controller.core.events import PacketIn
from controller.core.flow import Flow, Meter
from controller.core.model import Network, Port
from controller.core.net import Change
from controller.core.observed import Holder
from controller.core.pipeline import GUARD, OUTPUT, SRC, onward
from controller.core.punts import onward_and, to_controller

app = App("address_holders")

HEADERS = 128
"""Bytes of a packet that the controller sees: Ethernet, VLAN, ARP or IPv6 with ICMPv6 fit."""
_ARP: dict[Any, Any] = {"eth_type": 0x0806}
_ND: dict[Any, Any] = {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_code": 0}
_SOLICIT, _ADVERTISE = {**_ND, "icmpv6_type": 135}, {**_ND, "icmpv6_type": 136}

CLAIMS = app.table(
    "claims",
    stage=GUARD,
    slot=6,
    in_turn=True,
    reads=(
        *(SRC, "eth_src", "eth_type", "arp_spa", "arp_sha"),
        *("ip_proto", "icmpv6_type", "icmpv6_code", "ipv6_src", "nd_target", "nd_tll"),
    ),
    leads=("claimed",),
    miss="NEXT",
    reactive=True,
    meaning="does a port say that it has an address which it may have beside its own",
)
CLAIMED = app.table(
    "claimed",
    stage=OUTPUT,
    slot=3,
    reads=("in_port",),
    meaning="a copy for the controller of what a port says to have, within the port's rate",
)

Matches = Iterator[dict[Any, Any]]


def _saying(hardware: str, address: str, length: int) -> Matches:
    """The packets that say that an address, or one of a block, is at a MAC address; the length is a prefix's."""
    bits = 32 if version(address) == 4 else 128
    mask = (1 << bits) - (1 << bits - length)
    block = {} if not mask else (ip(address), mask)
    own = mac(hardware)
    if bits == 32:
        yield {**_ARP, "arp_sha": own, **({"arp_spa": block} if block else {})}
        return
    yield {**_ADVERTISE, "nd_tll": own, **({"nd_target": block} if block else {})}
    yield {**_SOLICIT, "eth_src": own, **({"ipv6_src": block} if block else {})}


def _exactly(hardware: str, address: str) -> Matches:
    return _saying(hardware, address, 32 if version(address) == 4 else 128)


@app.flows(LocalPort)
def listen(net: Any, local: LocalPort) -> Iterable[Flow | Meter]:
    """What a port says of the addresses in its pairs, and of its own that another port holds, is shown to the
    controller, but for what is known."""
    port, network = net.get(Port, local.port_id), net.get(Network, local.network_id)
    if port is None or network is None or not (port.admin_state_up and network.admin_state_up):
        return
    blocks = AddressPairs.blocks(net, port.id)
    own = list(dict.fromkeys(fixed.ip_address for fixed in port.fixed_ips))
    taken = [address for address in own if _is_taken(net, port, address)]
    if not blocks and not taken:
        return
    yield from to_controller(net, local, CLAIMED, {}, HEADERS)
    heard = [m for held, block in blocks for m in _saying(held, str(block.network_address), block.prefixlen)]
    heard += [m for address in taken for m in _exactly(port.mac_address, address)]
    for match in _once(heard):
        yield CLAIMS.flow(100, {SRC: port.key, **match}, onward_and(CLAIMS, CLAIMED))
    yield from _known(net, port, [address for address in own if address not in taken] if blocks else [])


def _known(net: Any, port: Port, own: list[str]) -> Iterable[Flow]:
    """What need not be told: a port's own addresses (a pair may be of a block that they are in), and what it holds."""
    quiet = [m for address in own for m in _exactly(port.mac_address, address)]
    for match in quiet:
        yield CLAIMS.flow(110, {SRC: port.key, **match}, onward(CLAIMS))
    for holder in net.find(Holder, "port_id", port.id):
        if holder.ip not in own and AddressPairs.allow(net, port.id, holder.mac, holder.ip):
            for match in _exactly(holder.mac, holder.ip):
                yield CLAIMS.flow(110, {SRC: port.key, **match}, onward(CLAIMS), net.settings.idle_timeout)


def _is_taken(net: Any, port: Port, address: str) -> bool:
    """Whether another port holds an address of this one's own."""
    holder = net.get(Holder, (port.network_id, address))
    return holder is not None and holder.port_id != port.id


def _once(matches: Iterable[dict[Any, Any]]) -> Iterable[dict[Any, Any]]:
    return {tuple(match.items()): match for match in matches}.values()


@app.packets(CLAIMED)
def hear(net: Any, punted: PacketIn) -> Iterable[Observe]:
    """Note who holds an address; a port that has it as its own needs no note, and ends another's."""
    in_port = dict(punted.fields).get("in_port", 0)
    for local in net.find(LocalPort, "ofport", (punted.dpid, in_port)):
        port = net.get(Port, local.port_id)
        for claim in frame.claims(punted.data) if port is not None else ():
            change = _change(net, port, claim)
            if change is not None:
                yield Observe(change)


def _change(net: Any, port: Port, claim: frame.Claim) -> Change | None:
    known = net.get(Holder, (port.network_id, claim.ip))
    if any(fixed.ip_address == claim.ip for fixed in port.fixed_ips):
        return Change(known, None) if known is not None and claim.mac == port.mac_address else None
    if not AddressPairs.allow(net, port.id, claim.mac, claim.ip):
        return None
    row = Holder(port.network_id, claim.ip, port.id, claim.mac)
    return Change(known, row) if row != known else None


@app.restore(CLAIMS)
def held(net: Any, dpid: int, fields: dict[str, int]) -> Iterable[Holder]:
    """A flow that keeps a holder's packets quiet stands for it, unless somebody else is known to hold the address; who
    is inferred from others' answers (apps/neighbours.py) is not."""
    said = (("arp_spa", "arp_sha", 4), ("nd_target", "nd_tll", 6), ("ipv6_src", "eth_src", 6))
    for address, hardware, family in said:
        if address in fields and hardware in fields:
            for port in net.find(Port, "key", fields.get(SRC.wire, 0)):
                row = Holder(port.network_id, ip_text(fields[address], family), port.id, mac_text(fields[hardware]))
                known = net.get(Holder, (row.network_id, row.ip))
                if known in (None, row) or known.inferred:
                    yield row
