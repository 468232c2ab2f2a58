"""What is advertised in a network, and as which router.

The port that has a subnet's gateway address is the router, while it is bound: its MAC address is advertised, and the
link-local address that follows from it (RFC 4291, appendix A), for an advertisement must come from one (RFC 4861,
6.1.2).  Where nobody has the address, guests are told of prefixes, MTU and DNS servers, and that there is no default
router here (a lifetime of 0): one that is not there would keep them waiting for every connection that IPv4 could make.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netaddr import IPNetwork

from apps.router_advertisements.message import Prefix, Router
from controller.core.address import ip, mac, version
from controller.core.app import App
from controller.core.model import Binding, Network, Port, Subnet
from controller.core.net import Change, Net
from controller.core.placement.layer import Keys, both
from controller.core.row import row
from controller.core.settings import Settings

app = App("router_advertisements")

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


@row(key="network_id")
class Advertised:
    """What guests of a network are told of routers, one for each default router (or for where there is none)."""

    network_id: str
    routers: tuple[Router, ...]

    @staticmethod
    def in_network(net: Any, network_id: str) -> tuple[Router, ...]:
        """What is advertised in a network now."""
        told = net.get(Advertised, network_id)
        return told.routers if told is not None else ()


def is_advertised(subnet: Subnet) -> bool:
    """Whether a subnet is told of: it has a gateway, and a mode for its advertisements."""
    return subnet.ip_version == 6 and subnet.ipv6_ra_mode is not None and subnet.gateway_ip is not None


def _networks(net: Net, settings: Settings, change: Change) -> Keys:
    """The network that a change concerns; of the many changes of ports, only those with a gateway's address do."""
    for changed in both(change):
        match changed:
            case Network():
                yield changed.id
            case Port() if _is_gateway(net, changed):
                yield changed.network_id
            case Binding(port_id, network_id):
                port = net.get(Port, port_id)
                if port is not None and _is_gateway(net, port):
                    yield network_id
            case Subnet():
                yield changed.network_id


def _is_gateway(net: Net, port: Port) -> bool:
    own = {fixed.ip_address for fixed in port.fixed_ips if ":" in fixed.ip_address}
    return bool(own) and any(subnet.gateway_ip in own for subnet in net.find(Subnet, "network_id", port.network_id))


def _advertised(net: Net, settings: Settings, network_id: str) -> Advertised | None:
    network = net.get(Network, network_id)
    if network is None or not network.admin_state_up:
        return None
    subnets: dict[tuple[int, int, int], list[Subnet]] = {}
    for subnet in net.find(Subnet, "network_id", network_id):
        if is_advertised(subnet):
            subnets.setdefault(_gateway(net, subnet), []).append(subnet)
    routers = tuple(_router(network, *who, told) for who, told in subnets.items())
    return Advertised(network_id, routers) if routers else None


app.derive(Advertised, (Network, Subnet, Port, Binding), _networks, _advertised)


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


def withdrawn(net: Any, network: Network, before: Iterable[Advertised]) -> list[Router]:
    """What guests were told before and is so no more: routers (all with a lifetime of 0), and the prefixes and servers
    that one of them, or else NOBODY, takes back.

    A prefix stands while there is a subnet with it, advertised or not: the addresses are still their ports' own."""
    told = [router for each in before for router in each.routers]
    now = Advertised.in_network(net, network.id)
    there = {router.address for router in now if router.lifetime}
    subnets = (IPNetwork(subnet.cidr) for subnet in net.find(Subnet, "network_id", network.id))
    stand = {(int(block.network), block.prefixlen) for block in subnets}
    asked = {server for router in now for server in router.servers}
    prefixes = {prefix[:2]: prefix for router in told for prefix in router.prefixes if prefix[:2] not in stand}
    servers = dict.fromkeys(server for router in told for server in router.servers if server not in asked)
    gone = {router.address: router.mac for router in told if router.lifetime and router.address not in there}
    if not gone and (prefixes or servers):
        gone[link_local(NOBODY)] = NOBODY
    flags = any(router.managed for router in now), any(router.other for router in now)
    ended = [Router(hardware, address, 0, *flags, network.mtu, (), ()) for address, hardware in gone.items()]
    return [ended[0]._replace(prefixes=(*prefixes.values(),), servers=(*servers,)), *ended[1:]] if ended else []
