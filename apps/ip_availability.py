"""How many addresses of a network are in use, and how many there are: what operators watch and schedulers ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from controller.core.address import ip
from controller.core.app import App
from controller.core.model import Network, Port, Subnet
from controller.core.net import Net
from controller.core.plans import prefixes
from controller.core.resource import Computed, Filter, Source
from controller.core.row import Attribute

app = App("ip_availability")

app.extension(
    "network-ip-availability",
    "Network IP Availability",
    "How many addresses of each network and subnet are in use.",
    "2015-09-24T00:00:00-00:00",
)
app.extension(
    "network-ip-availability-details",
    "Network IP Availability Details Extension",
    "The same apart by what is in allocation pools.",
    "2025-10-31T00:00:00-00:00",
)

DETAILS = "ip_availability_details"
COUNTS = ("total_ips_in_subnet", "total_ips_in_allocation_pool", "used_ips_in_subnet", "used_ips_in_allocation_pool")


def _of_subnet(net: Net, subnet: Subnet) -> dict[str, Any]:
    """A subnet without pools is counted whole.  `total_ips` are what can be given by itself, `used_ips` all that is."""
    pools = [(ip(pool.start), ip(pool.end)) for pool in subnet.allocation_pools]
    held = [
        ip(fixed.ip_address)
        for port in net.find(Port, "subnet", subnet.id)
        for fixed in port.fixed_ips
        if fixed.subnet_id == subnet.id
    ]
    low, high = prefixes.span(subnet.cidr)
    pooled = sum(last - first + 1 for first, last in pools)
    within = sum(any(first <= number <= last for first, last in pools) for number in held)
    # Neutron takes the network and the broadcast address away, also from blocks that have neither
    whole = high - low + 1 - (2 if subnet.ip_version == 4 else 0)
    return {
        "subnet_id": subnet.id,
        "ip_version": subnet.ip_version,
        "cidr": subnet.cidr,
        "subnet_name": subnet.name,
        "used_ips": len(held),
        "total_ips": pooled if pools else high - low + 1,
        DETAILS: dict(zip(COUNTS, (whole, pooled, len(held), within), strict=True)),
    }


def _subnets(net: Net, network: Network) -> list[dict[str, Any]]:
    return [_of_subnet(net, subnet) for subnet in net.find(Subnet, "network_id", network.id)]


def _sums(subnets: list[dict[str, Any]]) -> dict[str, Any]:
    """What a network shows of its subnets."""
    return {
        "subnet_ip_availability": subnets,
        "used_ips": sum(subnet["used_ips"] for subnet in subnets),
        "total_ips": sum(subnet["total_ips"] for subnet in subnets),
        DETAILS: {name: sum(subnet[DETAILS][name] for subnet in subnets) for name in COUNTS},
    }


def _sum(name: str, net: Net, network: Network) -> Any:
    return _sums(_subnets(net, network))[name]


def _has_version(net: Net, network: Network, versions: list[Any], project_id: str) -> bool:
    return any(subnet.ip_version in versions for subnet in net.find(Subnet, "network_id", network.id))


def _of_versions(value: dict[str, Any], versions: list[Any]) -> dict[str, Any]:
    """The network as if its subnets of these IP versions were all."""
    return {**value, **_sums([one for one in value["subnet_ip_availability"] if one["ip_version"] in versions])}


def _shown(wire: str, field: str, read: Callable[[Net, Network], Any], filter: bool) -> Computed:
    return Computed(field, Attribute(wire, post=False, put=False, filter=filter), read)


def _network_of(net: Net, row: Subnet | Port) -> Iterable[str]:
    return (row.network_id,)


app.resource(
    "network_ip_availability",
    "network-ip-availabilities",
    Network,
    own=False,
    methods=frozenset(),
    computed=(
        _shown("network_id", "id", lambda net, network: network.id, True),
        _shown("network_name", "name", lambda net, network: network.name, True),
        _shown("project_id", "project_id", lambda net, network: network.project_id, True),
        *(_shown(name, "", partial(_sum, name), False) for name in _sums([])),
    ),
    sources=(Source(Subnet, _network_of), Source(Port, _network_of)),
    filters=(Filter("ip_version", _has_version, "ip_version", _of_versions),),
)
