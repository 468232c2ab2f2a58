"""Law: what leaves a guarded port is its own, whatever the guest sends; and what is its own always leaves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apps.allowed_address_pairs import AddressPair, AddressPairs
from controller.core import packet as p
from controller.core.address import ip, link_local, mac
from controller.core.model import Port
from controller.core.pipeline import GUARD, SLOTS
from tests.world.world import World

MACS = ("fa:16:3e:00:00:01", "fa:16:3e:00:00:02", "00:00:5e:00:01:07")
FOURS = ("10.0.0.5", "10.0.0.6", "192.0.2.77", "0.0.0.0")
LOCALS = tuple(link_local(mac(text)) for text in MACS)
SIXES = (*(ip(text) for text in ("fd00::5", "fd00::6", "2001:db8::77", "::")), *LOCALS)
PAIRS = (AddressPair(MACS[2], "10.0.0.6"), AddressPair(MACS[0], "192.0.2.0/24"), AddressPair(MACS[2], "2001:db8::/32"))
REPORTS = (131, 132, 133, 143)

one_mac, one_four, one_six = (
    st.sampled_from([mac(text) for text in MACS]),
    st.sampled_from([ip(text) for text in FOURS]),
    st.sampled_from(SIXES),
)
option = st.one_of(st.just(0), one_mac)
ports = st.sampled_from((67, 68, 546, 547, 4000))

arps = st.builds(
    p.Packet,
    st.fixed_dictionaries(
        {
            "eth_src": one_mac,
            "eth_dst": one_mac,
            "eth_type": st.sampled_from((0x0806, 0x8035)),
            "arp_op": st.sampled_from((1, 2, 3)),
            "arp_sha": one_mac,
            "arp_spa": one_four,
            "arp_tpa": one_four,
        }
    ),
)
datagrams = st.builds(
    p.Packet,
    st.one_of(
        st.fixed_dictionaries(
            {
                "eth_src": one_mac,
                "eth_dst": one_mac,
                "eth_type": st.just(0x0800),
                "ip_proto": st.just(17),
                "ipv4_src": one_four,
                "ipv4_dst": one_four,
                "udp_src": ports,
                "udp_dst": ports,
            }
        ),
        st.fixed_dictionaries(
            {
                "eth_src": one_mac,
                "eth_dst": one_mac,
                "eth_type": st.just(0x86DD),
                "ip_proto": st.just(17),
                "ipv6_src": one_six,
                "ipv6_dst": one_six,
                "udp_src": ports,
                "udp_dst": ports,
            }
        ),
    ),
)
messages = st.builds(
    p.Packet,
    st.fixed_dictionaries(
        {
            "eth_src": one_mac,
            "eth_dst": one_mac,
            "eth_type": st.just(0x86DD),
            "ip_proto": st.just(58),
            "ipv6_src": one_six,
            "ipv6_dst": one_six,
            "icmpv6_code": st.sampled_from((0, 0, 1)),
            "icmpv6_type": st.sampled_from((128, 130, 131, 132, 133, 134, 135, 135, 136, 136, 137, 143)),
            "nd_target": one_six,
            "nd_sll": option,
            "nd_tll": option,
        }
    ),
)
others = st.builds(p.ethernet, st.sampled_from(MACS), st.sampled_from(MACS), st.sampled_from((0x88B5, 0x8863, 0x9000)))
frames = st.one_of(arps, datagrams, messages, others)


def world_of(pairs: tuple[AddressPair, ...]) -> tuple[World, Port]:
    world = World()
    host = world.host()
    world.settle()
    network = world.network("local")
    for cidr in ("10.0.0.0/24", "fd00::/64"):
        world.subnet(network, cidr)
    addresses = [{"ip_address": "10.0.0.5"}, {"ip_address": "fd00::5"}]
    port = world.port(network, True, mac_address=MACS[0], fixed_ips=addresses)
    if pairs:
        world.put(AddressPairs(port.id, pairs))
    world.plug(port, host)
    world.settle()
    return world, port


WORLDS = {pairs: world_of(pairs) for pairs in ((), PAIRS)}


def is_own(pairs: tuple[AddressPair, ...], number: int, address: int, version: int) -> bool:
    """Whether a port with these pairs may send as that MAC address with that address: said in another way than the
    app says it."""
    own_macs = {mac(MACS[0]), *(mac(pair.mac_address) for pair in pairs)}
    own = {(mac(MACS[0]), ip("10.0.0.5")), (mac(MACS[0]), ip("fd00::5"))} | {(m, link_local(m)) for m in own_macs}
    if pairs:
        own |= {(mac(MACS[2]), ip("10.0.0.6"))}
        block = (mac(MACS[0]), 4, 0xC0000200, 8), (mac(MACS[2]), 6, ip("2001:db8::"), 96)
        if any((number, version) == said[:2] and address >> said[3] == said[2] >> said[3] for said in block):
            return True
    return (number, address) in own


def may_leave(pairs: tuple[AddressPair, ...], sent: p.Packet) -> bool:
    number, kind = sent["eth_src"], sent["eth_type"]
    if number not in {mac(MACS[0]), *(mac(pair.mac_address) for pair in pairs)}:
        return False
    match kind:
        case 0x0806:
            asks = sent["arp_op"] == 1 and not sent["arp_spa"]
            said = sent["arp_tpa"] if asks else sent["arp_spa"]
            return sent["arp_sha"] == number and is_own(pairs, number, said, 4)
        case 0x8035:
            return True
        case 0x0800:
            if sent["udp_dst"] == 68:
                return False
            first = (sent["udp_src"], sent["udp_dst"], sent["ipv4_src"]) == (68, 67, 0)
            return first or is_own(pairs, number, sent["ipv4_src"], 4)
        case 0x86DD:
            return _ipv6_may_leave(pairs, sent)
    return False


def _ipv6_may_leave(pairs: tuple[AddressPair, ...], sent: p.Packet) -> bool:
    number, source = sent["eth_src"], sent["ipv6_src"]
    own = is_own(pairs, number, source, 6)
    if sent["ip_proto"] == 17:
        return own and sent["udp_dst"] != 546
    target = is_own(pairs, number, sent["nd_target"], 6)
    match sent["icmpv6_type"]:
        case 134:
            return False
        case 135 | 136 if sent["icmpv6_code"] or not sent["nd_target"]:
            return False
        case 135 if not source:
            return target and not sent["nd_sll"]
        case 135:
            return own and sent["nd_sll"] in (0, number)
        case 136:
            return own and target and sent["nd_tll"] in (0, number)
        case kind if kind in REPORTS and not source:
            return True
    return own


@given(st.sampled_from(((), PAIRS)), frames)
def test_what_leaves_a_guarded_port_is_its_own_and_what_is_its_own_leaves(pairs, sent):
    world, port = WORLDS[pairs]
    path = world.send(port, sent, punt=False).hops[0].result.path
    left = any(step.table >= SLOTS * (GUARD + 1) for step in path)
    assert left == may_leave(pairs, sent)
