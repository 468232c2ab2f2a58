"""Plans for subnets."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

from controller.core.model import FixedIp, Network, Pool, Port, Sequence, Subnet
from controller.core.plan import Draft
from controller.core.plans import allocate, refusals, routed
from controller.core.plans.owners import AUTO_DELETE_OWNERS, DHCP_OWNER, ROUTER_INTERFACE_OWNERS, ROUTER_OWNERS
from controller.core.plans.refusals import invalid_input
from controller.core.plans.revision import existing, update

Block = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

AUTO_ADDRESS_MODES = ("slaac", "dhcpv6-stateless")
IPV4_MIN_MTU, IPV6_MIN_MTU = 68, 1280
MOST_NAMESERVERS, MOST_HOST_ROUTES = 5, 20
"""Neutron's defaults."""


def is_auto_address(subnet: Subnet) -> bool:
    """Whether hosts make their own addresses from the prefix (RFC 4862), so that ours must be the same."""
    return subnet.ipv6_address_mode in AUTO_ADDRESS_MODES


def is_for(subnet: Subnet, owner: str) -> bool:
    """Whether ports of an owner may have addresses of the subnet.  A DHCP server may wherever it serves."""
    if not subnet.service_types or owner in subnet.service_types:
        return True
    return owner == DHCP_OWNER and subnet.enable_dhcp


def require_mtu(network_id: str, mtu: int, ip_version: int) -> None:
    """Refuse an MTU below what IPv4 (RFC 791) or IPv6 (RFC 8200) needs."""
    if mtu < IPV4_MIN_MTU:
        raise refusals.mtu_conflict(network_id, IPV4_MIN_MTU)
    if ip_version == 6 and mtu < IPV6_MIN_MTU:
        raise refusals.mtu_conflict(network_id, IPV6_MIN_MTU)


def create(draft: Draft, values: dict[str, Any]) -> Subnet:
    """Make a subnet.

    `values`: fields of Subnet.  A `gateway_ip` that is left out is the first address (in IPv6 the subnet-router anycast
    address of RFC 4291, as in Neutron), None is no gateway; `allocation_pools` left out are all other addresses.
    Where hosts make their own addresses, the network's ports have theirs at once.
    """
    network = existing(draft, Network, values["network_id"])
    if values.get("cidr") is None:
        raise refusals.bad_resource("subnets", "a subnetpool must be specified in the absence of a cidr")
    stamps: dict[str, Any] = {"created_at": draft.now, "updated_at": draft.now}
    subnet = Subnet(id=draft.new_id(), **{**values, "allocation_pools": ()}, **stamps)
    block = _block(subnet)
    _require_dhcp_possible(subnet, block)
    _require_ipv6_modes(subnet, block)
    if "gateway_ip" not in values:
        subnet = replace(
            subnet, gateway_ip=str(block[0] if block.version == 6 or block.num_addresses == 1 else block[1])
        )
    _require_gateway(subnet, block)
    _require_servers_and_routes(subnet, "new subnet")
    require_mtu(network.id, network.mtu, subnet.ip_version)
    _require_no_overlap(draft, subnet, block)
    routed.require_segment(draft, subnet)
    pools = values.get("allocation_pools")
    subnet = draft.put(replace(subnet, allocation_pools=_pools(subnet, block, pools)))
    if is_auto_address(subnet):
        _give_automatic_addresses(draft, subnet)
    return subnet


def _give_automatic_addresses(draft: Draft, subnet: Subnet) -> None:
    for port in draft.find(Port, "network_id", subnet.network_id):
        if port.device_owner in ROUTER_OWNERS or not is_for(subnet, port.device_owner):
            continue
        if not routed.is_where(draft, port, subnet):
            continue
        address = allocate.eui64(subnet.cidr, port.mac_address)
        if allocate.address_free(draft, subnet.network_id, address):
            update(draft, port, {"fixed_ips": (*port.fixed_ips, FixedIp(subnet.id, address))})


def _block(subnet: Subnet) -> Block:
    block = ipaddress.ip_network(subnet.cidr)
    if block.version != subnet.ip_version:
        raise invalid_input(f"cidr '{subnet.cidr}' does not match the ip_version '{subnet.ip_version}'")
    if block.prefixlen == 0:
        raise invalid_input("0 is not allowed as CIDR prefix length")
    if block.version == 6 and int(block.network_address) == 0:
        raise invalid_input("IPv6 subnet '::' is not supported")
    return block


def _require_dhcp_possible(subnet: Subnet, block: Block) -> None:
    if not subnet.enable_dhcp:
        return
    if block.max_prefixlen - block.prefixlen < 2:
        raise invalid_input("Subnet has a prefix length that is incompatible with DHCP service enabled")
    if block.is_multicast:
        raise invalid_input("Multicast IP subnet is not supported if enable_dhcp is True")
    if block.is_loopback:
        raise invalid_input("Loopback IP subnet is not supported if enable_dhcp is True")
    if block.version == 4 and int(block.network_address) == 0:
        raise invalid_input("First IP '0.0.0.0' of network is not supported if enable_dhcp is True.")


def _require_ipv6_modes(subnet: Subnet, block: Block) -> None:
    ra, address = subnet.ipv6_ra_mode, subnet.ipv6_address_mode
    for name, mode in (("ipv6_ra_mode", ra), ("ipv6_address_mode", address)):
        if mode is not None and subnet.ip_version == 4:
            raise invalid_input(f"{name} is not valid when ip_version is 4")
    if (ra or address) and not subnet.enable_dhcp:
        raise invalid_input("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    if ra and address and ra != address:
        raise invalid_input(
            f"ipv6_ra_mode set to '{ra}' with ipv6_address_mode set to '{address}' is not valid. "
            "If both attributes are set, they must be the same value"
        )
    if is_auto_address(subnet) and block.prefixlen != 64:
        raise invalid_input(
            f"Invalid CIDR {subnet.cidr} for IPv6 address mode: EUI-64 addresses require the prefix to be /64"
        )


def _require_gateway(subnet: Subnet, block: Block) -> None:
    if subnet.gateway_ip is None:
        return
    gateway = ipaddress.ip_address(subnet.gateway_ip)
    if gateway.version != subnet.ip_version:
        raise invalid_input(f"gateway_ip '{gateway}' does not match the ip_version '{subnet.ip_version}'")
    if block.version == 4 and block.prefixlen < 31 and gateway in (block[0], block[-1]):
        raise invalid_input("Gateway is not valid on subnet")


def _require_gateway_unused(draft: Draft, subnet: Subnet) -> None:
    """No router has the gateway's address: hosts use it."""
    for port in draft.find(Port, "address", (subnet.network_id, subnet.gateway_ip)):
        if port.device_owner in ROUTER_INTERFACE_OWNERS and subnet.gateway_ip is not None:
            raise refusals.gateway_in_use(subnet.gateway_ip, port.id)


def _require_servers_and_routes(subnet: Subnet, name: str) -> None:
    """Not too many, and of the subnet's IP version.  `name` is what a message calls the subnet."""
    if len(subnet.dns_nameservers) > MOST_NAMESERVERS:
        raise refusals.too_many_nameservers(name, MOST_NAMESERVERS)
    if len(subnet.host_routes) > MOST_HOST_ROUTES:
        raise refusals.too_many_routes(name, MOST_HOST_ROUTES)
    for server in subnet.dns_nameservers:
        if ipaddress.ip_address(server).version != subnet.ip_version:
            raise invalid_input(f"dns_nameserver '{server}' does not match the ip_version '{subnet.ip_version}'")
    for route in subnet.host_routes:
        versions = {ipaddress.ip_network(route.destination).version, ipaddress.ip_address(route.nexthop).version}
        if versions != {subnet.ip_version}:
            raise invalid_input(f"Invalid route: {route._asdict()}")


def _require_no_overlap(draft: Draft, subnet: Subnet, block: Block) -> None:
    for other in draft.find(Subnet, "network_id", subnet.network_id):
        theirs = ipaddress.ip_network(other.cidr)
        if theirs.version == block.version and theirs.overlaps(block):
            where = f"cidr: {subnet.cidr} for network: {subnet.network_id}"
            raise invalid_input(f"Requested subnet with {where} overlaps with another subnet")


def _usable(block: Block) -> tuple[Address, Address]:
    """First and last address that a host may have.  /31 and /32 have no network and broadcast address (RFC 3021)."""
    if block.num_addresses == 1 or (block.version == 4 and block.prefixlen == 31):
        return block[0], block[-1]
    return block[1], block[-2] if block.version == 4 else block[-1]


def _pools(subnet: Subnet, block: Block, asked: tuple[Pool, ...] | None) -> tuple[Pool, ...]:
    first, last = _usable(block)
    if asked is not None:
        _require_pools(subnet, first, last, asked)
        return asked
    gateway = None if subnet.gateway_ip is None else ipaddress.ip_address(subnet.gateway_ip)
    if gateway is None or not first <= gateway <= last or block.num_addresses == 1:  # type: ignore[operator]
        return (Pool(str(first), str(last)),)
    before, after = Pool(str(first), str(gateway - 1)), Pool(str(gateway + 1), str(last))
    return (*((before,) if gateway > first else ()), *((after,) if gateway < last else ()))  # type: ignore[operator]


def _require_pools(subnet: Subnet, first: Address, last: Address, pools: tuple[Pool, ...]) -> None:
    """Each pool is within the subnet and without its gateway, and no two overlap."""
    ends: list[tuple[Address, Address, str]] = []
    for pool in pools:
        start, end, text = ipaddress.ip_address(pool.start), ipaddress.ip_address(pool.end), f"{pool.start}-{pool.end}"
        if start.version != subnet.ip_version or end.version != subnet.ip_version or end < start:  # type: ignore[operator]
            raise refusals.pool_invalid(text)
        if start < first or end > last:  # type: ignore[operator]
            raise refusals.pool_out_of_bounds(text, subnet.cidr)
        if subnet.gateway_ip is not None and start <= ipaddress.ip_address(subnet.gateway_ip) <= end:  # type: ignore[operator]
            raise refusals.gateway_in_pool(subnet.gateway_ip, text)
        ends.append((start, end, text))
    ends.sort(key=lambda pool: int(pool[0]))
    for (_, end, text), (start, _, other) in zip(ends, ends[1:], strict=False):
        if start <= end:  # type: ignore[operator]
            raise refusals.pools_overlap(text, other, subnet.cidr)


def change(draft: Draft, key: str, values: dict[str, Any], revision: int | None = None) -> Subnet:
    """Update a subnet; what a create must keep to, an update must too."""
    subnet = existing(draft, Subnet, key, revision)
    changed: Subnet = replace(subnet, **values)
    block = ipaddress.ip_network(subnet.cidr)
    if not changed.enable_dhcp and (changed.ipv6_ra_mode or changed.ipv6_address_mode):
        raise invalid_input("Cannot disable enable_dhcp with ipv6 attributes set")
    if changed.enable_dhcp and not subnet.enable_dhcp:
        _require_dhcp_possible(changed, block)
    _require_gateway(changed, block)
    if changed.gateway_ip != subnet.gateway_ip:
        _require_gateway_unused(draft, subnet)
    if values.keys() & {"dns_nameservers", "host_routes"}:  # routes between segments may be more
        _require_servers_and_routes(changed, key)
    routed.require_new_segment(draft, subnet, changed)
    if values.keys() & {"gateway_ip", "allocation_pools"}:
        _require_pools(changed, *_usable(block), changed.allocation_pools)
    return update(draft, subnet, values)  # type: ignore[no-any-return]


def delete(draft: Draft, key: str, revision: int | None = None) -> None:
    """Remove a subnet.  Refuses with SubnetInUse while ports have addresses of it; those that hosts make for themselves
    are taken from their ports instead (but a router's never, nor on a routed network the only ones)."""
    subnet = existing(draft, Subnet, key, revision)
    holders = draft.find(Port, "subnet", key)
    for port in holders:
        automatic = is_auto_address(subnet) and port.device_owner not in ROUTER_OWNERS
        if subnet.segment_id is not None and all(ip.subnet_id == key for ip in port.fixed_ips):
            automatic = False
        if not automatic and port.device_owner not in AUTO_DELETE_OWNERS:
            raise refusals.subnet_in_use(key)
    for port in holders:
        update(draft, port, {"fixed_ips": tuple(ip for ip in port.fixed_ips if ip.subnet_id != key)})
    remove(draft, subnet)


def remove(draft: Draft, subnet: Subnet) -> None:
    """Take the subnet and its allocation position away."""
    position = draft.get(Sequence, f"subnet {subnet.id}")
    if position is not None:
        draft.remove(position)
    draft.remove(subnet)
