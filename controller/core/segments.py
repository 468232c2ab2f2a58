"""The segments of a network, in their order, and which of them a host can carry."""

from __future__ import annotations

from typing import Any

from controller.core.model import TUNNEL_TYPES, Host, Segment


def segments_of(net: Any, network_id: str) -> list[Segment]:
    """In the order in which hosts choose."""
    found: list[Segment] = net.find(Segment, "network_id", network_id)
    return sorted(found, key=lambda segment: segment.position) if len(found) > 1 else found


def carries(host: Host, segment: Segment) -> bool:
    """A tunnel needs a tunnel address, a VLAN or flat segment a bridge to its physical network."""
    if segment.network_type in TUNNEL_TYPES:
        return bool(host.local_ip)
    return segment.network_type == "local" or segment.physical_network in dict(host.bridge_mappings)


def reached(net: Any, host: Host, network_id: str) -> list[Segment]:
    """Those of the network's segments that the host can carry, in the order in which it chooses."""
    return [segment for segment in segments_of(net, network_id) if carries(host, segment)]


def reaches(net: Any, host: Host, network_id: str) -> bool:
    """Whether the host has a way to the network: any of its segments is one that the host can carry."""
    return any(carries(host, segment) for segment in segments_of(net, network_id))
