"""What is advertised in a network, and as which router.

The port that has a subnet's gateway address is the router, while it is bound: its MAC address is advertised, and the
link-local address that follows from it (RFC 4291, appendix A), for an advertisement must come from one (RFC 4861,
6.1.2).  Where nobody has the address, guests are told of prefixes, MTU and DNS servers, and that there is no default
router here (a lifetime of 0): one that is not there would keep them waiting for every connection that IPv4 could make.
"""

from __future__ import annotations

from typing import Any

from netaddr import IPNetwork

from apps.router_advertisements.message import Prefix, Router
from controller.core.address import ip, mac, version
from controller.core.model import Binding, Network, Port, Subnet

STATEFUL, STATELESS = "dhcpv6-stateful", "dhcpv6-stateless"
NOBODY = 0x020000000086
"""The MAC address of advertisements where no port has the gateway's address: one of our own (locally administered)."""
LIFETIME = 9000
"""For how many seconds a gateway is a default router: the most of RFC 4861, 6.2.1, for a central controller may be
away."""
NO_RESOLVER = "::"
"""What an operator writes among `dns_nameservers` to say that there is none (Neutron's convention)."""
INTERFACE_ID = 64
"""Bits of a prefix from which guests make addresses (RFC 4291, 2.5.1)."""


def is_advertised(subnet: Subnet) -> bool:
    """Whether a subnet is told of: it has a gateway, and a mode for its advertisements."""
    return subnet.ip_version == 6 and subnet.ipv6_ra_mode is not None and subnet.gateway_ip is not None


def routers(net: Any, network: Network) -> list[Router]:
    """The routers of a network's advertised subnets, each with what it says of those whose gateway it is."""
    if not network.admin_state_up:
        return []
    subnets: dict[tuple[int, int, int], list[Subnet]] = {}
    for subnet in net.find(Subnet, "network_id", network.id):
        if is_advertised(subnet):
            subnets.setdefault(_gateway(net, subnet), []).append(subnet)
    return [_router(network, *who, told) for who, told in subnets.items()]


def _gateway(net: Any, subnet: Subnet) -> tuple[int, int, int]:
    """MAC address, link-local address and lifetime of the default router."""
    ports = net.find(Port, "address", (subnet.network_id, subnet.gateway_ip))
    there = next((port for port in ports if port.admin_state_up and net.get(Binding, port.id) is not None), None)
    hardware, lifetime = (mac(there.mac_address), LIFETIME) if there is not None else (NOBODY, 0)
    gateway = ip(subnet.gateway_ip or "::")
    return hardware, gateway if gateway >> 118 == 0x3FA else link_local(hardware), lifetime


def link_local(hardware: int) -> int:
    """The link-local address of a MAC address: fe80:: and its modified EUI-64 (RFC 4291, appendix A)."""
    high, low = hardware >> 24, hardware & 0xFFFFFF
    return 0xFE80 << 112 | (high ^ 0x020000) << 40 | 0xFFFE << 24 | low


def _router(network: Network, hardware: int, address: int, lifetime: int, subnets: list[Subnet]) -> Router:
    modes = {subnet.ipv6_ra_mode for subnet in subnets}
    servers = dict.fromkeys(server for subnet in subnets for server in subnet.dns_nameservers)
    return Router(
        hardware,
        address,
        lifetime,
        managed=STATEFUL in modes,
        other=STATELESS in modes,
        mtu=network.mtu,
        prefixes=tuple(map(_prefix, subnets)),
        servers=tuple(ip(server) for server in servers if version(server) == 6 and server != NO_RESOLVER),
    )


def _prefix(subnet: Subnet) -> Prefix:
    block = IPNetwork(subnet.cidr)
    makes_addresses = subnet.ipv6_ra_mode != STATEFUL and block.prefixlen == INTERFACE_ID
    return Prefix(int(block.network), block.prefixlen, makes_addresses)
