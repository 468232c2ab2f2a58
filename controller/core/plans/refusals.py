"""Refusals with Neutron's exception names, status codes and texts, which clients and tempest match on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core.plan import Refusal


def bad_request(message: str) -> Refusal:
    """A request that breaks a rule of its form (Neutron answers those with webob's exception)."""
    return Refusal("HTTPBadRequest", message, 400)


def invalid_input(message: str) -> Refusal:
    """A value that breaks a rule of the operation.  `message` is without the full stop."""
    return Refusal("InvalidInput", f"Invalid input for operation: {message}.", 400)


def bad_resource(collection: str, message: str) -> Refusal:
    """Values that don't go together."""
    return Refusal("BadRequest", f"Bad {collection} request: {message}.", 400)


def not_found(row_type: Any, key: Any) -> Refusal:
    """`key` is that of no row of that class, or of one that the caller may not know of.

    Of a key of several parts the last ones are told, as many as the text has places; what is not known of it is `?`."""
    parts, told = key if isinstance(key, tuple) else (key,), row_type.ROW.absent
    places = told.count("{}")
    known = ("?",) * (places - len(parts)) + parts[-places:]
    return Refusal(f"{row_type.__name__}NotFound", told.format(*known), 404)


def in_use(row_type: Any, key: str, collection: str) -> Refusal:
    """There are rows in `collection` that refer to the row."""
    title = row_type.ROW.absent.partition(" {}")[0]
    text = f"{title} {key} is in use: there are {collection.replace('-', ' ')} that refer to it."
    return Refusal(f"{row_type.__name__}InUse", text, 409)


def sharing_in_use(network: str) -> Refusal:
    """A network can't be taken from those that it is shared with."""
    text = f"Unable to reconfigure sharing settings for network {network}. Multiple projects are using it."
    return Refusal("InvalidSharedSetting", text, 409)


def external_network_in_use(network_id: str) -> Refusal:
    reason = "cannot be updated to be made non-external, since it has existing gateway ports."
    return Refusal("ExternalNetworkInUse", f"External network {network_id} {reason}", 409)


def policy_in_use(object_id: str, details: str) -> Refusal:
    """An RBAC policy that somebody depends on."""
    text = f"RBAC policy on object {object_id} cannot be removed because other objects depend on it."
    return Refusal("RbacPolicyInUse", f"{text}\nDetails: {details}", 409)


def over_quota(resources: list[str]) -> Refusal:
    return Refusal("OverQuota", f"Quota exceeded for resources: {resources}.", 409)


def quota_below_use(resource: str, limit: int, used: int) -> Refusal:
    return bad_request(f"Quota limit {limit} for {resource} must be greater than or equal to already used {used}")


def no_quota(project_id: str) -> Refusal:
    """A project without limits of its own."""
    return Refusal("TenantQuotaNotFound", f"Quota for project {project_id} could not be found.", 404)


def network_in_use(network_id: str, port_ids: Iterable[str]) -> Refusal:
    reason = "There are one or more ports still in use on the network, id for these ports is: " + ",".join(port_ids)
    return Refusal("NetworkInUse", f"Unable to complete operation on network {network_id}. {reason}.", 409)


def port_in_use(network_id: str, port_id: str, vif_id: str) -> Refusal:
    text = f"Port {port_id} on network {network_id} has the attachment {vif_id}."
    return Refusal("PortInUse", text, 409)


def already_attached(vif_id: str, port_id: str) -> Refusal:
    return Refusal("AlreadyAttached", f"The attachment {vif_id} is plugged into port {port_id} already.", 409)


def subnet_in_use(subnet_id: str) -> Refusal:
    reason = "One or more ports have an IP allocation from this subnet"
    return Refusal("SubnetInUse", f"Unable to complete operation on subnet {subnet_id}: {reason}.", 409)


def mac_in_use(network_id: str, mac: str) -> Refusal:
    text = f"Unable to complete operation for network {network_id}. The mac address {mac} is in use."
    return Refusal("MacAddressInUse", text, 409)


def no_mac_left(network_id: str) -> Refusal:
    return Refusal("NetworkMacAddressGenerationFailure", f"Unable to generate unique mac on network {network_id}.", 503)


def address_in_use(address: str, subnet_id: str) -> Refusal:
    return Refusal("IpAddressAlreadyAllocated", f"IP address {address} already allocated in subnet {subnet_id}", 409)


def no_address_left(network_id: str) -> Refusal:
    return Refusal("IpAddressGenerationFailure", f"No more IP addresses available on network {network_id}.", 409)


def no_subnet_for_owner(network_id: str, owner: str) -> Refusal:
    text = f"No valid service subnet for the given device owner, network {network_id}, service type {owner}."
    return Refusal("IpAddressGenerationFailureNoMatchingSubnet", text, 409)


def address_not_in_subnet(address: str) -> Refusal:
    return Refusal("InvalidIpForSubnet", f"IP address {address} is not a valid IP for the specified subnet.", 400)


def address_not_in_network(address: str) -> Refusal:
    text = f"IP address {address} is not a valid IP for any of the subnets on the specified network."
    return Refusal("InvalidIpForNetwork", text, 400)


def address_is_automatic(address: str, subnet_id: str) -> Refusal:
    text = (
        f"IPv6 address {address} cannot be directly assigned to a port on subnet {subnet_id} as the subnet is "
        "configured for automatic addresses"
    )
    return Refusal("AllocationOnAutoAddressSubnet", text, 400)


def no_network_available() -> Refusal:
    text = "Unable to create the network. No project network is available for allocation."
    return Refusal("NoNetworkAvailable", text, 503)


def vlan_in_use(vlan: int, physical_network: str) -> Refusal:
    text = f"Unable to create the network. The VLAN {vlan} on physical network {physical_network} is in use."
    return Refusal("VlanIdInUse", text, 409)


def tunnel_in_use(tunnel_id: int) -> Refusal:
    return Refusal("TunnelIdInUse", f"Unable to create the network. The tunnel ID {tunnel_id} is in use.", 409)


def flat_network_in_use(physical_network: str) -> Refusal:
    text = f"Unable to create the flat network. Physical network {physical_network} is in use."
    return Refusal("FlatNetworkInUse", text, 409)


def segments_and_provider() -> Refusal:
    text = "Segments and provider values cannot both be set."
    return Refusal("SegmentsSetInConjunctionWithProviders", text, 400)


def segment_twice() -> Refusal:
    return Refusal("SegmentsContainDuplicateEntry", "Duplicate segment entry in request.", 400)


def segment_in_use(segment_id: str, reason: str) -> Refusal:
    return Refusal("SegmentInUse", f"Segment '{segment_id}' cannot be deleted: {reason}.", 409)


def too_many_nameservers(subnet: str, most: int) -> Refusal:
    text = f"Unable to complete operation for {subnet}. The number of DNS nameservers exceeds the limit {most}."
    return Refusal("DNSNameServersExhausted", text, 400)


def too_many_routes(subnet: str, most: int) -> Refusal:
    text = f"Unable to complete operation for {subnet}. The number of host routes exceeds the limit {most}."
    return Refusal("HostRoutesExhausted", text, 400)


def mtu_conflict(network_id: str, minimum: int) -> Refusal:
    text = f"MTU of {network_id} is not valid, subnet requires a minimum of {minimum}"
    return Refusal("NetworkMTUSubnetConflict", text, 409)


def pool_out_of_bounds(pool: str, cidr: str) -> Refusal:
    text = f"The allocation pool {pool} spans beyond the subnet cidr {cidr}."
    return Refusal("OutOfBoundsAllocationPool", text, 400)


def pool_invalid(pool: str) -> Refusal:
    return Refusal("InvalidAllocationPool", f"The allocation pool {pool} is not valid.", 400)


def pools_overlap(first: str, second: str, cidr: str) -> Refusal:
    text = f"Found overlapping allocation pools: {first} {second} for subnet {cidr}."
    return Refusal("OverlappingAllocationPools", text, 409)


def gateway_in_use(gateway: str, port_id: str) -> Refusal:
    text = f"Current gateway ip {gateway} already in use by port {port_id}. Unable to update."
    return Refusal("GatewayIpInUse", text, 409)


def gateway_in_pool(gateway: str, pool: str) -> Refusal:
    text = f"Gateway ip {gateway} conflicts with allocation pool {pool}."
    return Refusal("GatewayConflictWithAllocationPools", text, 409)


def revision_conflict(expected: int, current: int) -> Refusal:
    text = f"Constrained to {expected}, but current revision is {current}"
    return Refusal("RevisionNumberConstraintFailed", text, 412)
