"""Trunks: ports of the integration bridge itself that lead to a physical network, without a provider bridge of ours.

A host maps the physical network to its integration bridge.  `physnet1:br-int:eth1` names the port.  `physnet1:br-int`
leaves it to what is there: the one NIC on the bridge, or the one patch port that its operator joined to another bridge.
`physnet1:br0` means such a patch port to br0, if there is one; else br0 is a provider bridge of ours.
On a trunk the VLAN of a frame is the provider's own, so the other bridge needs no flow of ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core.model import Host
from controller.core.observed import Interface, OfPort

Mappings = Iterable[tuple[str, str]]
"""(physical network, BRIDGE or BRIDGE:PORT)."""


def bridge_of(mapped: str) -> str:
    """The bridge of a mapping, without the port that it may name."""
    return mapped.partition(":")[0]


def trunk(net: Any, host: Host, dpid: int, mapped: str) -> OfPort | None:
    """The OpenFlow port of the integration bridge that a mapping to it means, if it is there and no doubt is left."""
    found: list[OfPort] = []
    for name in _names(net, host, dpid, mapped):
        found += net.find(OfPort, "dpid+name", (dpid, name))
    return found[0] if len(found) == 1 else None


def joined(net: Any, host: str, integration_bridge: str, bridge: str) -> str:
    """The one patch port of a host's integration bridge that its operator has joined to another bridge ("": none)."""
    known = net.find(Interface, "trunk", (host, integration_bridge))
    patches = [one for one in known if one.type == "patch" and _leads_out(net, one)]
    found = [one.name for one in patches if net.get(Interface, (host, one.peer)).bridge == bridge]
    return found[0] if len(found) == 1 else ""


def _names(net: Any, host: Host, dpid: int, mapped: str) -> list[str]:
    name = mapped.partition(":")[2]
    if host.managed:
        return _told(net, host.name, host.bridge_mappings, mapped)
    named = _named(host.bridge_mappings)
    return [name] if name else [port.name for port in net.find(OfPort, "nic", dpid) if port.name not in named]


def _told(net: Any, host: str, mappings: Mappings, mapped: str) -> list[str]:
    """The interfaces that a mapping can mean, by what the host's OVSDB says."""
    bridge, _, name = mapped.partition(":")
    if name:
        one = net.get(Interface, (host, name))
        return [name] if one is not None and one.bridge == bridge and _leads_out(net, one) else []
    named = _named(mappings)
    known = net.find(Interface, "trunk", (host, bridge))
    return sorted(one.name for one in known if one.name not in named and _leads_out(net, one))


def _named(mappings: Mappings) -> set[str]:
    """The ports that mappings name: they are taken."""
    return {mapped.partition(":")[2] for _, mapped in mappings}


def _leads_out(net: Any, one: Interface) -> bool:
    """A VIF does not, nor does one NIC of a bond; a patch does when its peer is on another bridge and says the same."""
    if one.iface_id or one.error or one.bond:
        return False
    if one.type != "patch":
        return True
    peer = net.get(Interface, (one.host, one.peer))
    return peer is not None and peer.bridge != one.bridge and peer.peer == one.name


def problem(net: Any, host: str, integration_bridge: str, mappings: Mappings) -> str:
    """What is wrong with a managed host's mappings to its integration bridge ("": nothing), for its operator."""
    mappings = tuple(mappings)
    return "; ".join(filter(None, (_problem(net, host, integration_bridge, mappings, pair) for pair in mappings)))


def _problem(net: Any, host: str, integration_bridge: str, mappings: Mappings, pair: tuple[str, str]) -> str:
    physnet, mapped = pair
    bridge, _, name = mapped.partition(":")
    if bridge != integration_bridge:
        return f"{physnet}:{mapped}: only a port of {integration_bridge} can be named" if name else ""
    found = _told(net, host, mappings, mapped)
    if len(found) == 1:
        return ""
    if found:
        return f"{physnet}:{bridge}: there are {', '.join(found)}; name one, as {physnet}:{bridge}:{found[0]}"
    known = net.find(Interface, "trunk", (host, bridge))
    if name:
        one = net.get(Interface, (host, name)) or next((member for member in known if member.bond == name), None)
        if one is None or one.bridge != bridge:
            return f"{physnet}:{mapped}: {bridge} has no port {name}"
        return f"{physnet}:{mapped}: {_obstacle(net, one)}"
    obstacles = dict.fromkeys(_obstacle(net, one) for one in known if not one.iface_id)
    told = f" ({'; '.join(obstacles)})" if obstacles else ""
    return f"{physnet}:{bridge}: {bridge} has neither a NIC nor a patch port to another bridge{told}"


def _obstacle(net: Any, one: Interface) -> str:
    """Why an interface leads nowhere."""
    if one.iface_id:
        return f"{one.name} is a VIF, of port {one.iface_id}"
    if one.error:
        return f"{one.name}: {one.error}"
    if one.bond:
        known = net.find(Interface, "host+bridge", (one.host, one.bridge))
        members = ", ".join(sorted(other.name for other in known if other.bond == one.bond))
        told = f"{one.bond} is a bond of Open vSwitch, of {members}, and OpenFlow can't balance over its NICs"
        return f"{told}: bond them in Linux, or put the bond on a bridge of its own and map that"
    return f"the peer of patch port {one.name}, {one.peer or 'none'}, is on no other bridge or has another peer"
