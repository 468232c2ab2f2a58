"""Which of a port's addresses are given by DHCP, and what guests are told of a subnet and of themselves."""

from __future__ import annotations

from typing import Any, NamedTuple

from apps.dns import PortDns
from controller.core.address import version
from controller.core.model import Network, Port, Subnet
from controller.core.settings import Settings

STATEFUL, STATELESS = "dhcpv6-stateful", "dhcpv6-stateless"
NO_RESOLVER = ("0.0.0.0", "::")
"""What an operator writes among `dns_nameservers` to say that there is none (Neutron's convention)."""
FOR_EVER = 0xFFFFFFFF
"""A time without end (RFC 2131, 3.3; RFC 8415, 7.7)."""


class Guest(NamedTuple):
    """Who asks: a port, its network and its name.

    `addresses` are those that DHCP of the version asked for says something about, with their subnets; `extra` are the
    port's own options for it, (name, value) each.
    """

    port: Port
    network: Network
    addresses: tuple[tuple[str, Subnet], ...]
    extra: tuple[tuple[str, str], ...]
    hostname: str
    settings: Settings


def speaks(subnet: Subnet) -> bool:
    """Whether DHCP is spoken in a subnet: always where it is enabled, except in an IPv6 subnet whose guests make their
    addresses themselves (SLAAC), or whose routers, which are not ours, say so."""
    if not subnet.enable_dhcp:
        return False
    modes = (subnet.ipv6_address_mode, subnet.ipv6_ra_mode)
    return subnet.ip_version == 4 or subnet.ipv6_address_mode in (STATEFUL, STATELESS) or modes == (None, None)


def gives(subnet: Subnet) -> bool:
    """Whether DHCP gives addresses in a subnet where it is spoken."""
    return subnet.ipv6_address_mode != STATELESS


def served(net: Any, port: Port, ip_version: int) -> tuple[tuple[str, Subnet], ...]:
    """The port's addresses of an IP version in subnets where DHCP is spoken, with these, in the port's order."""
    fixed = (ip for ip in port.fixed_ips if version(ip.ip_address) == ip_version)
    found = ((ip.ip_address, net.get(Subnet, ip.subnet_id)) for ip in fixed)
    return tuple((address, subnet) for address, subnet in found if subnet is not None and speaks(subnet))


def resolvers(subnet: Subnet) -> list[str]:
    """The DNS servers that guests shall ask."""
    return [server for server in subnet.dns_nameservers if server not in NO_RESOLVER]


def domain(settings: Settings) -> str:
    """The operator's DNS domain, without the dot at its end; '' for none."""
    return settings.dns_domain.rstrip(".")


def lease_time(settings: Settings) -> int:
    """Seconds that an address is given for."""
    return FOR_EVER if settings.dhcp_lease_duration < 0 else settings.dhcp_lease_duration


def renewal_times(lease: int) -> tuple[int, int]:
    """T1 and T2: when a guest begins to ask for more time, of this server and of any (RFC 2131, 4.4.5)."""
    return (FOR_EVER, FOR_EVER) if lease == FOR_EVER else (lease // 2, lease * 7 // 8)


def hostname(net: Any, port: Port, address: str, settings: Settings) -> str:
    """What a port is called, without its domain."""
    return PortDns.hostname(net, port.id, address, settings.dns_domain)
