"""Where an MTU does not fit: what VIFs, NICs and tunnels have against what the model says.

It breaks nothing by itself, so it is a note for people, not a fault.  Hosts without OVSDB don't tell theirs.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.core.address import version
from controller.core.model import TUNNEL_TYPES, Host, Interface, LocalPort, Network, OfPort
from controller.core.net import Net
from controller.core.settings import Settings

NIC_TYPES = ("", "system", "dpdk")
"""Interface types of what a cable may be at."""


def port_note(net: Net, local: LocalPort) -> str:
    """What is wrong with a VIF's MTU ("": nothing, or it is not known)."""
    ofport, network = net.get(OfPort, (local.dpid, local.ofport)), net.get(Network, local.network_id)
    vif = net.get(Interface, (local.host, ofport.name)) if ofport is not None else None
    if vif is None or network is None or vif.mtu in (0, network.mtu):
        return ""
    return f"{vif.name} has MTU {vif.mtu}, its network {network.mtu}"


def host_note(net: Net, settings: Settings, host: Host) -> str:
    """What is wrong with a host's underlay, as far as it can be known."""
    return "; ".join((*_tunnels(settings, host), *_nics(net, settings, host)))


def _tunnels(settings: Settings, host: Host) -> Iterator[str]:
    """Tunnels over IPv6 take more than networks have left for them, unless the cloud knows."""
    usual = any(type in TUNNEL_TYPES for type in settings.tenant_network_types)
    if usual and host.local_ip and version(host.local_ip) > settings.overlay_ip_version:
        yield f"its tunnel address is IPv{version(host.local_ip)}, overlay_ip_version {settings.overlay_ip_version}"


def _nics(net: Net, settings: Settings, host: Host) -> Iterator[str]:
    """What is in a bridge of a physical network, patch ports aside, is as wide as `global_physnet_mtu`."""
    for _, bridge in host.bridge_mappings:
        for nic in net.find(Interface, "host+bridge", (host.name, bridge)):
            if nic.type in NIC_TYPES and 0 < nic.mtu < settings.global_physnet_mtu:
                yield f"{nic.name} of {bridge} has MTU {nic.mtu}, global_physnet_mtu is {settings.global_physnet_mtu}"
