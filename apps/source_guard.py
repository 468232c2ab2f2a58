"""Source guard: a protected port sends as itself only, with its own MAC addresses and addresses (port security).

Its own are its MAC address with its fixed addresses, its allowed address pairs, and for each of these MAC addresses the
link-local address that follows from it.  No guest of a protected port is a router or a DHCP server (RFC 6105 and RFC
7610 call that RA guard and DHCPv6 shield), and it announces no address but its own (ARP, RFC 826 and RFC 5227; Neighbor
Discovery, RFC 4861).  Frames that are neither IP nor ARP end here, too, but for RARP, with which a VM that was migrated
shows where it is now.  What is in later fragments is not seen; hosts ignore Neighbor Discovery there (RFC 6980).

What is not its own is counted by port and dropped; the controller never sees it.  A packet from another host was looked
at where it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import ip_network
from typing import Any, NamedTuple

from apps.allowed_address_pairs import AddressPairs
from apps.port_security import PortSecurity
from controller.core.address import ip, link_local, mac, version
from controller.core.app import App
from controller.core.derived import PortOnSwitch, Switch
from controller.core.flow import Action, Flow, Move, SetField
from controller.core.model import INT, Port
from controller.core.pipeline import GUARD, OWN, PROBE, REMOTE, SRC, goto, load, onward, resubmit
from controller.core.probe import SIGN

app = App("source_guard")

IPV4, ARP, RARP, IPV6 = 0x0800, 0x0806, 0x8035, 0x86DD
REQUEST = 1
UDP, ICMPV6 = 17, 58
ROUTER_ADVERTISEMENT = 134
BEFORE_AN_ADDRESS = (131, 132, 133, 143)
"""ICMPv6 that a host sends from `::` while it has no address: listener reports (RFC 3590), Router Solicitations."""
SOLICITATION = {"eth_type": IPV6, "ip_proto": ICMPV6, "icmpv6_type": 135, "icmpv6_code": 0}
ADVERTISEMENT = {**SOLICITATION, "icmpv6_type": 136}

MAC_GUARD = app.table(
    "mac_guard",
    stage=GUARD,
    slot=0,
    reads=(SRC, REMOTE, PROBE, "eth_src", *SIGN),
    leads=("claim_guard",),
    miss="spoofed",
    meaning="is the sender's MAC address its own, if it is a port of this host and protected",
)
CLAIMS = app.table(
    "claim_guard",
    stage=GUARD,
    slot=1,
    reads=(
        *(SRC, "eth_src", "eth_type", "ip_proto", "udp_src", "udp_dst", "ipv4_src", "ipv6_src"),
        *("arp_op", "arp_spa", "arp_tpa", "icmpv6_type", "icmpv6_code", "nd_target", "nd_sll", "nd_tll"),
    ),
    writes=("arp_spa", "ipv6_src", "eth_src"),
    leads=("announced", "sources", "spoofed"),
    meaning="does it claim to be a router, a DHCP server, or the owner of an address that is not its own",
)
ANNOUNCED = app.table(
    "announced",
    stage=GUARD,
    slot=2,
    reads=(SRC, "eth_src", *ADVERTISEMENT, "nd_target"),
    leads=("sources",),
    miss="spoofed",
    meaning="does the address that it advertises belong to the sender, together with the MAC address",
)
SOURCES = app.table(
    "sources",
    stage=GUARD,
    slot=3,
    reads=(SRC, "eth_src", "eth_type", "ipv4_src", "ipv6_src", "arp_spa", "arp_sha"),
    writes=(OWN,),
    meaning="does the address belong to the sender, together with the MAC address",
)
SPOOFED = app.table(
    "spoofed",
    stage=GUARD,
    slot=4,
    reads=(SRC, OWN),
    writes=(OWN,),
    counts="spoofed",
    meaning="what is the sender's own goes on, all else is counted and dropped",
)
_ITS_OWN = (load(OWN, 1),)


class Own(NamedTuple):
    """A MAC address and a block of addresses (`mask` None: one address) that a port may send as."""

    mac: int
    version: int
    address: int
    mask: int | None = None

    def match(self, field: str) -> dict[Any, Any]:
        """What matches the block in a field; the block of all addresses needs none."""
        if self.mask is None:
            return {field: self.address}
        return {field: (self.address, self.mask)} if self.mask else {}


@lru_cache(maxsize=1 << 10)
def _block(text: str) -> tuple[int, int, int | None]:
    """Version, first address and mask of an address or a CIDR as an address pair has it."""
    if "/" not in text:
        return version(text), ip(text), None
    block = ip_network(text, strict=False)
    mask = None if block.prefixlen == block.max_prefixlen else int(block.netmask)
    return block.version, int(block.network_address), mask


def own(net: Any, port: Port) -> dict[Own, None]:
    """All that a port may send as."""
    mine = mac(port.mac_address)
    found = [Own(mine, version(fixed.ip_address), ip(fixed.ip_address)) for fixed in port.fixed_ips]
    side = net.get(AddressPairs, port.id)
    for pair in side.allowed_address_pairs if side is not None else ():
        found.append(Own(mac(pair.mac_address) if pair.mac_address else mine, *_block(pair.ip_address)))
    macs = dict.fromkeys((mine, *(block.mac for block in found)))
    return dict.fromkeys((*found, *(Own(number, 6, link_local(number)) for number in macs)))


@app.flows(PortOnSwitch)
def guard(net: Any, on: PortOnSwitch) -> Iterable[Flow]:
    """What a protected port may send goes on, and what it may not is counted; any other port sends what it likes."""
    port = net.get(Port, on.port_id)
    if port is None:
        return
    if not PortSecurity.enabled(net, port.id):
        yield MAC_GUARD.flow(300, {SRC: port.key}, onward(MAC_GUARD))
        return
    sender: dict[Any, Any] = {SRC: port.key}
    blocks = own(net, port)
    macs = dict.fromkeys(block.mac for block in blocks)
    for number in macs:
        yield MAC_GUARD.flow(100, {**sender, "eth_src": number}, [goto("claim_guard")])
    if len(macs) > 1:
        yield from _options(sender, macs)
    for block in blocks:
        mine = {**sender, "eth_src": block.mac}
        if block.version == 6:
            yield SOURCES.flow(100, {**mine, "eth_type": IPV6, **block.match("ipv6_src")}, _ITS_OWN)
            yield ANNOUNCED.flow(100, {**mine, **ADVERTISEMENT, **block.match("nd_target")}, _looked_up())
        else:
            yield SOURCES.flow(100, {**mine, "eth_type": IPV4, **block.match("ipv4_src")}, _ITS_OWN)
            arp = {**mine, "eth_type": ARP, "arp_sha": block.mac, **block.match("arp_spa")}
            yield SOURCES.flow(100, arp, _ITS_OWN)
    yield SPOOFED.flow(100, sender, [])


def _options(sender: dict[Any, Any], macs: Iterable[int]) -> Iterator[Flow]:
    """The MAC address that Neighbor Discovery tells is the one that the packet is from.  Where the sender has just one,
    looking that up is enough (see `rules`)."""
    told: tuple[tuple[dict[str, int], str, list[Any]], ...] = (
        (SOLICITATION, "nd_sll", _looked_up()),
        (ADVERTISEMENT, "nd_tll", [goto("announced")]),
    )
    for kind, option, onward_to in told:
        for number in macs:
            yield CLAIMS.flow(60, {**sender, "eth_src": number, **kind, option: number}, onward_to)
        yield CLAIMS.flow(45, {**sender, **kind}, [goto("spoofed")])


def _looked_up(*changed: Action) -> list[Any]:
    """Have the address looked up, and go on or not; `changed` puts back what the packet said before."""
    return [resubmit("sources"), *changed, goto("spoofed")]


@app.flows(Switch)
def rules(net: Any, switch: Switch) -> Iterable[Flow]:
    """What holds for every protected port, and that nobody but us sends probes (core.probe)."""
    if switch.role != INT:
        return
    probe: dict[Any, Any] = {REMOTE: 0, PROBE: 0, **SIGN}
    yield MAC_GUARD.flow(400, probe, [goto("spoofed")])
    yield MAC_GUARD.flow(300, {REMOTE: 1}, onward(MAC_GUARD))
    for claim in _claims():
        yield CLAIMS.flow(300, claim, [goto("spoofed")])
    for innocent in _without_address():
        yield CLAIMS.flow(200, innocent, onward(CLAIMS))
    # Open vSwitch leaves these fields 0 when an option comes twice or is cut off.
    yield CLAIMS.flow(200, {**SOLICITATION, "nd_target": 0}, [goto("spoofed")])
    yield from _detections()
    yield from _neighbor_discovery()
    for kind in (SOLICITATION, ADVERTISEMENT):
        rest = {name: value for name, value in kind.items() if name != "icmpv6_code"}
        yield CLAIMS.flow(10, rest, [goto("spoofed")])
    yield CLAIMS.flow(1, {}, _looked_up())
    yield SPOOFED.flow(200, {OWN: 1}, [load(OWN, 0), onward(SPOOFED)])


def _neighbor_discovery() -> Iterator[Flow]:
    """Solicitations and advertisements name the sender's MAC address or, where that is known already, none (RFC 4861,
    4.3 and 4.4).  The one that is named is looked up in place of the one that the packet is from: a sender with one MAC
    address passes with that alone, and what does not pass goes nowhere."""
    yield CLAIMS.flow(50, {**SOLICITATION, "nd_sll": 0}, _looked_up())
    yield CLAIMS.flow(40, SOLICITATION, [Move("nd_sll", "eth_src"), _looked_up()])
    yield CLAIMS.flow(50, {**ADVERTISEMENT, "nd_tll": 0}, [goto("announced")])
    yield CLAIMS.flow(40, ADVERTISEMENT, [Move("nd_tll", "eth_src"), goto("announced")])


def _detections() -> Iterator[Flow]:
    """Whether somebody has an address already is asked from no address (RFC 5227, 2.1.1; RFC 4862, 5.4.2): of such a
    question it is the address in question that must be the sender's own."""
    asked = {"eth_type": ARP, "arp_op": REQUEST, "arp_spa": 0}
    yield CLAIMS.flow(150, asked, [Move("arp_tpa", "arp_spa"), _looked_up(SetField("arp_spa", 0))])
    asked = {**SOLICITATION, "ipv6_src": 0, "nd_sll": 0}
    yield CLAIMS.flow(150, asked, [Move("nd_target", "ipv6_src"), _looked_up(SetField("ipv6_src", 0))])


def _claims() -> Iterator[dict[Any, Any]]:
    """To be a DHCP server (its clients look at their own UDP port only), or a router."""
    yield {"eth_type": IPV4, "ip_proto": UDP, "udp_dst": 68}
    yield {"eth_type": IPV6, "ip_proto": UDP, "udp_dst": 546}
    yield {"eth_type": IPV6, "ip_proto": ICMPV6, "icmpv6_type": ROUTER_ADVERTISEMENT}


def _without_address() -> Iterator[dict[Any, Any]]:
    """What a host sends that has no address yet, or (RARP) of which only the MAC address is told."""
    yield {"eth_type": IPV4, "ip_proto": UDP, "udp_src": 68, "udp_dst": 67, "ipv4_src": 0}
    yield {"eth_type": RARP}
    for kind in BEFORE_AN_ADDRESS:
        yield {"eth_type": IPV6, "ip_proto": ICMPV6, "icmpv6_type": kind, "ipv6_src": 0}
