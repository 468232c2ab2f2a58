"""Free values: keys, VLANs, tunnel ids, addresses, MACs.

A search starts where the last one ended (a Sequence row), so it looks at few values and a value that was given back
rests for a while before it is given again.  Whether a value is free is one index lookup.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from controller.core import segment_ranges
from controller.core.model import TUNNEL_TYPES, Port, Segment, Sequence, Subnet
from controller.core.plan import Draft
from controller.core.plans import refusals
from controller.core.segment_ranges import NetworkSegmentRange

Ranges = Iterable[tuple[int, int]]

VLANS = (1, 4094)
LARGEST_TUNNEL_ID = {"vxlan": 2**24 - 1, "geneve": 2**24 - 1, "gre": 2**32 - 1}
"""VNIs have 24 bits (RFC 7348, RFC 8926), GRE keys 32 (RFC 2890)."""
LARGEST_KEY = 2**32 - 1
MAC_TRIES = 16


def next_key(draft: Draft, name: str) -> int:
    """The next number of a sequence: never given twice."""
    sequence = draft.get(Sequence, name) or Sequence(name)
    if sequence.next > LARGEST_KEY:
        raise refusals.no_network_available()
    draft.put(Sequence(name, sequence.next + 1))
    return sequence.next


def first_free(draft: Draft, name: str, ranges: Ranges, free: Callable[[int], bool]) -> int | None:
    """The first free value of inclusive ranges from the sequence's position on, wrapping around, or None.

    A position counts through the ranges from 1, so it stays small where values (IPv6 addresses) are not.
    """
    start = (draft.get(Sequence, name) or Sequence(name)).next
    for position, value in _from(start, sorted(ranges)):
        if free(value):
            draft.put(Sequence(name, position + 1))
            return value
    return None


def _from(start: int, ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """(position, value) of every value, those from `start` on first."""
    sizes = [high - low + 1 for low, high in ranges]
    firsts = [1 + sum(sizes[:place]) for place in range(len(sizes))]
    spans = [(first, low, size) for first, (low, _), size in zip(firsts, ranges, sizes, strict=True)]
    for first, low, size in spans:
        for step in range(max(0, start - first), size):
            yield first + step, low + step
    for first, low, size in spans:
        for step in range(min(size, max(0, start - first))):
            yield first + step, low + step


def segment_free(draft: Draft, network_type: str, physical_network: str | None, segmentation_id: int | None) -> bool:
    """Whether no network is carried like this."""
    return not draft.find(
        Segment, "network_type+physical_network+segmentation_id", (network_type, physical_network, segmentation_id)
    )


def vlan(draft: Draft, project_id: str, physical_networks: Iterable[str]) -> tuple[str, int] | None:
    """(physical network, VLAN) of a free VLAN for a project, or None: one of its own ranges first."""
    among = tuple(physical_networks)
    for one in segment_ranges.own(draft, project_id, "vlan"):
        if one.physical_network in among and (vid := _of_range(draft, one)) is not None:
            return one.physical_network, vid
    for physical_network in among:
        ranges = segment_ranges.common(draft, draft.settings, "vlan", physical_network)
        name = f"provider vlan {physical_network}"
        vid = first_free(draft, name, ranges, partial(segment_free, draft, "vlan", physical_network))
        if vid is not None:
            return physical_network, vid
    return None


def tunnel_id(draft: Draft, project_id: str, network_type: str) -> int | None:
    """A free id of a tunnel type for a project, or None: one of its own ranges first."""
    for one in segment_ranges.own(draft, project_id, network_type):
        if (number := _of_range(draft, one)) is not None:
            return number
    ranges = segment_ranges.common(draft, draft.settings, network_type, None)
    return first_free(draft, network_type, ranges, partial(segment_free, draft, network_type, None))


def _of_range(draft: Draft, one: NetworkSegmentRange) -> int | None:
    free = partial(segment_free, draft, one.network_type, one.physical_network)
    return first_free(draft, one.sequence, [(one.minimum, one.maximum)], free)


def tenant_segment(draft: Draft, project_id: str) -> tuple[str, str | None, int | None]:
    """(type, physical network, segmentation id) of a network of a project whose maker left that to us.  503 when
    nothing is left."""
    for network_type in draft.settings.tenant_network_types:
        if network_type == "local":
            return "local", None, None
        if network_type == "vlan":
            found = vlan(draft, project_id, segment_ranges.physical_networks(draft, draft.settings))
            if found is not None:
                return "vlan", *found
        if network_type in TUNNEL_TYPES:
            number = tunnel_id(draft, project_id, network_type)
            if number is not None:
                return network_type, None, number
    raise refusals.no_network_available()


def mac(draft: Draft, network_id: str) -> str:
    """A MAC that no port of the network has: `base_mac`'s first half and digits of a fresh UUID.

    A base_mac whose fourth byte is not 0 keeps that one too (Neutron's rule).
    """
    base = draft.settings.base_mac.lower().split(":")
    kept = 3 if base[3] == "00" else 4
    for _ in range(MAC_TRIES):
        digits = draft.new_id()[-6:]
        octets = [digits[:2], digits[2:4], digits[4:]]
        address = ":".join(base[:kept] + octets[kept - 3 :])
        if mac_free(draft, network_id, address):
            return address
    raise refusals.no_mac_left(network_id)


def mac_free(draft: Draft, network_id: str, address: str) -> bool:
    return not draft.find(Port, "network_id+mac_address", (network_id, address))


def address_free(draft: Draft, network_id: str, address: str) -> bool:
    return not draft.find(Port, "address", (network_id, address))


def address(draft: Draft, subnet: Subnet, besides: frozenset[str] = frozenset()) -> str | None:
    """A free address of the subnet's pools that is not in `besides`, or None."""
    make = ipaddress.IPv4Address if subnet.ip_version == 4 else ipaddress.IPv6Address

    def free(number: int) -> bool:
        text = str(make(number))
        return text not in besides and address_free(draft, subnet.network_id, text)

    ranges = [(int(make(pool.start)), int(make(pool.end))) for pool in subnet.allocation_pools]
    number = first_free(draft, f"subnet {subnet.id}", ranges, free)
    return None if number is None else str(make(number))


def eui64(cidr: str, mac_address: str) -> str:
    """The address that a host makes for itself in a /64 (modified EUI-64, RFC 4291 appendix A)."""
    octets = [int(octet, 16) for octet in mac_address.split(":")]
    octets[0] ^= 0x02
    interface = int.from_bytes(bytes([*octets[:3], 0xFF, 0xFE, *octets[3:]]), "big")
    return str(ipaddress.IPv6Network(cidr)[interface])
