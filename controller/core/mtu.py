"""Where an MTU does not fit: what VIFs, NICs and tunnels have against what the model says.

It breaks nothing by itself, so it is a note for people, not a fault.  Hosts without OVSDB don't tell theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from controller.core.address import version
from controller.core.derived import LocalPort, NetworkOnHost
from controller.core.model import TUNNEL_TYPES, Host, Network
from controller.core.net import Net
from controller.core.observed import Interface, OfPort, Presence
from controller.core.plans.networks import overhead
from controller.core.segments import reached
from controller.core.settings import Settings

NIC_TYPES = ("", "system", "dpdk")
"""Interface types of what a cable may be at."""


class Underlay(NamedTuple):
    """What a host says of the way that its tunnels take: its MTU in bytes (0: not known), the name of the interface
    that has the tunnel address ("": not in Open vSwitch), and whether that is there."""

    mtu: int = 0
    interface: str = ""
    is_there: bool = True

    @property
    def name(self) -> str:
        return self.interface if self.interface and self.is_there else "local_ip"


def port_note(net: Net, local: LocalPort) -> str:
    """What is wrong with a VIF's MTU, or with that of its network on its host ("": nothing, or it is not known)."""
    ofport, network = net.get(OfPort, (local.dpid, local.ofport)), net.get(Network, local.network_id)
    vif, host = net.get(Interface, (local.host, ofport.name)) if ofport else None, net.get(Host, local.host)
    notes = []
    if vif is not None and network is not None and vif.mtu not in (0, network.mtu):
        notes.append(f"{vif.name} has MTU {vif.mtu}, its network {network.mtu}")
    if host is not None and network is not None:
        underlay, needed = _underlay(net, host), _needed(net, host, network)
        if 0 < underlay.mtu < needed:
            notes.append(f"{underlay.name} of {host.name} has MTU {underlay.mtu}, tunnels of its network need {needed}")
    return "; ".join(notes)


def host_note(net: Net, settings: Settings, host: Host) -> str:
    """What is wrong with a host's underlay, as far as it can be known."""
    return "; ".join((*_tunnels(settings, host), *_carried(net, settings, host), *_nics(net, settings, host)))


def _tunnels(settings: Settings, host: Host) -> Iterator[str]:
    """Tunnels over IPv6 take more than networks have left for them, unless the cloud knows."""
    if _has_tunnels(settings, host) and version(host.local_ip) > settings.overlay_ip_version:
        yield f"its tunnel address is IPv{version(host.local_ip)}, overlay_ip_version {settings.overlay_ip_version}"


def _has_tunnels(settings: Settings, host: Host) -> bool:
    return bool(host.local_ip) and any(type in TUNNEL_TYPES for type in settings.tenant_network_types)


def _carried(net: Net, settings: Settings, host: Host) -> Iterator[str]:
    """The way of the tunnels is wide enough for the networks that are there, and for those that are made."""
    underlay = _underlay(net, host)
    if not underlay.is_there:
        yield f"local_ip_interface is {underlay.interface}, which is not there"
    if not underlay.mtu:
        return
    there = (net.get(Network, on.network_id) for on in net.find(NetworkOnHost, "host", host.name))
    needs = {network.id: _needed(net, host, network) for network in there if network is not None}
    narrow = [id for id, needed in needs.items() if needed > underlay.mtu]
    has = f"{underlay.name} has MTU {underlay.mtu}"
    if narrow:
        most = max(needs[id] for id in narrow)
        networks = "tunnels of a network need" if len(narrow) == 1 else f"tunnels of {len(narrow)} networks need up to"
        yield f"{has}, {networks} {most}"
    elif _has_tunnels(settings, host) and underlay.mtu < settings.tunnel_mtu:
        name = "path_mtu" if settings.tunnel_mtu < settings.global_physnet_mtu else "global_physnet_mtu"
        yield f"{has}, {name} is {settings.tunnel_mtu}"


def _underlay(net: Net, host: Host) -> Underlay:
    """An interface in Open vSwitch is followed as it is; else it is what the host says."""
    told = net.get(Presence, host.name)
    if told is None or not host.local_ip:
        return Underlay()
    interface = net.get(Interface, (host.name, told.local_ip_interface))
    mtu = interface.mtu if interface is not None else 0
    is_there = interface is not None or not told.local_ip_interface
    return Underlay(mtu or told.local_ip_mtu, told.local_ip_interface, is_there)


def _needed(net: Net, host: Host, network: Network) -> int:
    """Bytes that the longest packet of a network has in a host's tunnels; 0 where it has no tunnels there."""
    carried = next(iter(reached(net, host, network.id)), None)
    if carried is None or carried.network_type not in TUNNEL_TYPES:
        return 0
    return network.mtu + overhead(carried.network_type, version(host.local_ip))


def _nics(net: Net, settings: Settings, host: Host) -> Iterator[str]:
    """What is in a bridge of a physical network, patch ports aside, is as wide as `global_physnet_mtu`."""
    for _, bridge in host.bridge_mappings:
        for nic in net.find(Interface, "host+bridge", (host.name, bridge)):
            if nic.type in NIC_TYPES and 0 < nic.mtu < settings.global_physnet_mtu:
                yield f"{nic.name} of {bridge} has MTU {nic.mtu}, global_physnet_mtu is {settings.global_physnet_mtu}"
