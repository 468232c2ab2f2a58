"""Routed networks: their subnets are on segments, and a port has addresses of the segment that its host reaches.

Something outside routes between the segments.  A host reaches one segment of such a network: on several nobody could
tell which subnet a port is to be in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from controller.core.model import FixedIp, Host, Port, Segment, Subnet
from controller.core.plan import Draft, Refusal
from controller.core.plans.owners import ROUTED_OWNER
from controller.core.plans.parse import Wanted
from controller.core.plans.revision import existing
from controller.core.segments import reached, segments_of

# ---------------------------------------------------------------------------------------------------------------------
# Which subnets a port may have addresses of


def usable(
    draft: Draft, network_id: str, subnets: list[Subnet], host_id: str, near: Iterable[Wanted | FixedIp]
) -> list[Subnet]:
    """Those of a network's subnets that a port may have addresses of, as far as segments are concerned.

    On a host: those of the segment that it reaches.  Without one: those of the segment of the addresses that it is to
    be `near` (that it asks for, or has), else none that is on a segment.  Subnets that are on none are for all.
    Refuses with HostConnectedToMultipleSegments, HostNotConnectedToAnySegment and FixedIpsSubnetsNotOnSameSegment.
    """
    if all(subnet.segment_id is None for subnet in subnets):
        return subnets
    if not host_id:
        return _of_addresses(subnets, near)
    segment = segment_of(draft, network_id, host_id)
    found = [subnet for subnet in subnets if subnet.segment_id in (None, segment.id)]
    if not found:
        raise _not_connected(host_id, network_id)
    return found


def segment_of(draft: Draft, network_id: str, host_id: str) -> Segment:
    """The one segment of a routed network that a host reaches."""
    host = draft.get(Host, host_id)
    found = [] if host is None else reached(draft, host, network_id)
    if len(found) > 1:
        what = f"connected to multiple segments on routed provider network '{network_id}'"
        raise Refusal("HostConnectedToMultipleSegments", f"Host {host_id} is {what}.  {_ONE}", 409)
    if not found:
        raise _not_connected(host_id, network_id)
    return found[0]


_ONE = "It should be connected to one."


def _not_connected(host_id: str, network_id: str) -> Refusal:
    what = f"not connected to any segments on routed provider network '{network_id}'"
    return Refusal("HostNotConnectedToAnySegment", f"Host {host_id} is {what}.  {_ONE}", 409)


def _of_addresses(subnets: list[Subnet], near: Iterable[Wanted | FixedIp]) -> list[Subnet]:
    """The subnets of the one segment that all these addresses are of."""
    named = [_named(subnets, ip) for ip in near]
    if None in named:
        return subnets  # one of them is none of the network's, which is refused later
    segments = {subnet.segment_id for subnet in named if subnet is not None} or {None}
    if len(segments) > 1:
        text = "Cannot allocate addresses from different segments."
        raise Refusal("FixedIpsSubnetsNotOnSameSegment", text, 400)
    return [subnet for subnet in subnets if subnet.segment_id in segments]


def _named(subnets: Iterable[Subnet], ip: Wanted | FixedIp) -> Subnet | None:
    for subnet in subnets:
        if ip.subnet_id == subnet.id or (not ip.subnet_id and _is_in(ip.ip_address, subnet)):
            return subnet
    return None


def _is_in(address: str, subnet: Subnet) -> bool:
    return address != "" and ipaddress.ip_address(address) in ipaddress.ip_network(subnet.cidr)


def is_where(draft: Draft, port: Port, subnet: Subnet) -> bool:
    """Whether addresses of a subnet work where a port is: on its host or, without one, where its addresses are from."""
    if subnet.segment_id is None:
        return True
    host = draft.get(Host, port.host_id)
    if host is not None:
        return [segment.id for segment in reached(draft, host, port.network_id)] == [subnet.segment_id]
    return not port.host_id and subnet.segment_id in _segments_of(draft, port.fixed_ips)


def require_compatible(draft: Draft, port: Port, host_id: str, addresses: Iterable[FixedIp]) -> None:
    """Refuse a host where a port's addresses would not work."""
    segments = _segments_of(draft, addresses)
    if segments and segments != {segment_of(draft, port.network_id, host_id).id}:
        text = (
            f"Host {host_id} is not connected to a segment where the existing fixed_ips on port {port.id} will "
            "function given the routed network topology."
        )
        raise Refusal("HostNotCompatibleWithFixedIps", text, 409)


def _segments_of(draft: Draft, addresses: Iterable[FixedIp]) -> set[str]:
    """The segments that addresses are from."""
    subnets = (draft.get(Subnet, ip.subnet_id) for ip in addresses)
    return {subnet.segment_id for subnet in subnets if subnet is not None and subnet.segment_id is not None}


# ---------------------------------------------------------------------------------------------------------------------
# Which segment a subnet may be on


def require_segment(draft: Draft, subnet: Subnet) -> None:
    """Refuse a new subnet on a segment of another network, or where the network's others are (not) on segments."""
    segment = None if subnet.segment_id is None else existing(draft, Segment, subnet.segment_id)
    others = _counted(one for one in draft.find(Subnet, "network_id", subnet.network_id) if one.id != subnet.id)
    if _counted([subnet]) and any((one.segment_id is None) != (segment is None) for one in others):
        raise _not_all(subnet.network_id)
    _require_of_network(subnet, segment)


def require_new_segment(draft: Draft, old: Subnet, new: Subnet) -> None:
    """Refuse another segment of a subnet, but for the first one of the only subnet of a network with one segment."""
    if new.segment_id == old.segment_id:
        return
    if len(_counted(draft.find(Subnet, "network_id", old.network_id))) > 1:
        raise _not_all(old.network_id)
    if old.segment_id is not None:
        text = "A subnet that is already associated with a segment cannot have its segment association changed."
        raise Refusal("SubnetSegmentAssociationChangeNotAllowed", text, 400)
    if len(segments_of(draft, old.network_id)) > 1:
        text = (
            f"The network '{old.network_id}' has multiple segments, it is only possible to associate an existing "
            "subnet with a segment on networks with a single segment."
        )
        raise Refusal("NoUpdateSubnetWhenMultipleSegmentsOnNetwork", text, 400)
    _require_of_network(new, existing(draft, Segment, new.segment_id or ""))


def _counted(subnets: Iterable[Subnet]) -> list[Subnet]:
    """Without those for routed addresses, which are announced from anywhere and on no segment."""
    return [subnet for subnet in subnets if ROUTED_OWNER not in subnet.service_types]


def _not_all(network_id: str) -> Refusal:
    text = (
        f"All of the subnets on network '{network_id}' must either all be associated with segments or all not "
        "associated with any segment."
    )
    return Refusal("SubnetsNotAllAssociatedWithSegments", text, 400)


def _require_of_network(subnet: Subnet, segment: Segment | None) -> None:
    if segment is not None and segment.network_id != subnet.network_id:
        what = f"The subnet's network id, '{subnet.network_id}', doesn't match the network_id of segment"
        raise Refusal("NetworkIdsDontMatch", f"{what} '{segment.id}'", 400)
