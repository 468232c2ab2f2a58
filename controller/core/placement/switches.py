"""Which bridges are programmed, and by which of their ports they are joined to others."""

from __future__ import annotations

from collections.abc import Iterable

from controller.core.derived import Switch, TunnelPort, Uplink
from controller.core.model import ETH, INT, TUNNEL_TYPES, Host
from controller.core.net import Change, Net
from controller.core.observed import Interface, OfPort, Presence, Session
from controller.core.placement.layer import Keys, Layer, both
from controller.core.settings import Settings
from controller.core.trunks import bridge_of, joined, trunk

INTERFACE_TYPES = {**{type: type for type in TUNNEL_TYPES}, "ip6gre": "gre"}
"""Open vSwitch's interface types, and the tunnel types they carry (GRE over IPv6 has a type of its own there)."""


def _switches(net: Net, settings: Settings, change: Change) -> Keys:
    for row in both(change):
        match row:
            case Session(dpid):
                yield dpid
            case Host():
                yield from (dpid for _, dpid in row.bridges)
            case Presence(host):
                known = net.get(Host, host)
                yield from (dpid for _, dpid in (known.bridges if known else ()))
            case OfPort(dpid) if row.name.startswith("phy-"):
                yield dpid
            case _:
                pass


def _switch(net: Net, settings: Settings, dpid: int) -> Switch | None:
    """A bridge is programmed once it has connected, its host is known and, where that has OVSDB, has told us all."""
    if net.get(Session, dpid) is None:
        return None
    hosts = sorted(net.find(Host, "bridge", dpid), key=lambda host: (not host.managed, host.name))
    if not hosts or (hosts[0].managed and net.get(Presence, hosts[0].name) is None):
        return None
    host = hosts[0]
    bridge = next(name for name, known in host.bridges if known == dpid)
    physical = next((physnet for physnet, mapped in host.bridge_mappings if bridge_of(mapped) == bridge), "")
    if host.managed:
        role = INT if bridge == host.integration_bridge else ETH
    else:
        role = ETH if net.has(OfPort, "dpid+name", (dpid, f"phy-{bridge}")) else INT
    return Switch(dpid, host.name, bridge, role, physical if role == ETH else "")


def _uplinks(net: Net, settings: Settings, change: Change) -> Keys:
    for row in both(change):
        match row:
            case Switch(dpid, host):
                known = net.get(Host, host)
                yield from ((dpid, physnet) for physnet, _ in (known.bridge_mappings if known else ()))
                yield from ((dpid, uplink.physical_network) for uplink in net.find(Uplink, "dpid", dpid))
            case OfPort(dpid):
                switch = net.get(Switch, dpid)
                known = net.get(Host, switch.host) if switch else None
                interface = net.get(Interface, (known.name, row.name)) if known else None
                joins = row.name.startswith(("int-", "phy-")) or (interface is not None and interface.type == "patch")
                yield from ((dpid, physnet) for physnet in _may_lead_to(known, joins))
            case Interface(host):
                found = list(_may_lead_to(net.get(Host, host), row.type == "patch"))
                for switch in net.find(Switch, "host+role", (host, INT)) if found else ():
                    yield from ((switch.dpid, physnet) for physnet in found)
            case Host():
                for _, dpid in row.bridges:
                    yield from ((dpid, physnet) for physnet, _ in row.bridge_mappings)
            case _:
                pass


def _may_lead_to(host: Host | None, joins_bridges: bool) -> Iterable[str]:
    """The physical networks of a host to which a port may lead: one that joins bridges to any of them, another one to
    those that are mapped to the integration bridge."""
    for physnet, mapped in host.bridge_mappings if host else ():
        if joins_bridges or (host is not None and bridge_of(mapped) == host.integration_bridge):
            yield physnet


def _uplink(net: Net, settings: Settings, key: tuple[int, str]) -> Uplink | None:
    dpid, physical_network = key
    switch = net.get(Switch, dpid)
    host = net.get(Host, switch.host) if switch else None
    if switch is None or host is None:
        return None
    mapped = dict(host.bridge_mappings).get(physical_network)
    bridge = bridge_of(mapped or "")
    if mapped is None or (switch.role == ETH and switch.physical_network != physical_network):
        return None
    if bridge == host.integration_bridge:
        port = trunk(net, host, dpid, mapped) if switch.role == INT else None
        return Uplink(dpid, physical_network, port.number, trunk=True) if port is not None else None
    theirs = joined(net, host.name, host.integration_bridge, bridge) if switch.role == INT else ""
    name = theirs or (f"int-{bridge}" if switch.role == INT else f"phy-{bridge}")
    ports = net.find(OfPort, "dpid+name", (dpid, name))
    return Uplink(dpid, physical_network, ports[0].number, bool(theirs)) if ports else None


def _tunnel_ports(net: Net, settings: Settings, change: Change) -> Keys:
    for row in both(change):
        match row:
            case Switch(dpid):
                yield from ((dpid, type) for type in TUNNEL_TYPES)
            case OfPort(dpid):
                yield from ((dpid, type) for type in TUNNEL_TYPES if type in row.name)
            case Host():
                yield from ((dpid, type) for _, dpid in row.bridges for type in TUNNEL_TYPES)
            case Interface(host) if row.type in INTERFACE_TYPES:
                for switch in net.find(Switch, "host+role", (host, INT)):
                    yield (switch.dpid, INTERFACE_TYPES[row.type])
            case _:
                pass


def _tunnel_port(net: Net, settings: Settings, key: tuple[int, str]) -> TunnelPort | None:
    dpid, type = key
    switch = net.get(Switch, dpid)
    host = net.get(Host, switch.host) if switch else None
    if switch is None or host is None or switch.role != INT:
        return None
    for port in net.find(OfPort, "tunnel", (dpid, type)):
        interface = net.get(Interface, (host.name, port.name))
        if not host.managed or (interface is not None and INTERFACE_TYPES.get(interface.type) == type):
            return TunnelPort(dpid, type, port.number)
    return None


SWITCHES = Layer(Switch, (Session, Host, Presence, OfPort), _switches, _switch)
UPLINKS = Layer(Uplink, (Switch, OfPort, Host, Interface), _uplinks, _uplink)
TUNNEL_PORTS = Layer(TunnelPort, (Switch, OfPort, Host, Interface), _tunnel_ports, _tunnel_port)
