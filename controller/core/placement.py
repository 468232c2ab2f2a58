"""Placement: which rows matter on which switch.  Keeps the derived rows equal to functions of the others, by deltas.

Each derived row has one resolver, a pure function of the Net that says what the row should be, and triggers, which
say for a change which derived rows to resolve again.  Resolvers run in the order of `LAYERS`, each seeing the rows
of the ones before; a change touches the derived rows that can depend on it, and never all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from controller.core.model import (
    CHUNK_BITS,
    ETH,
    INT,
    TUNNEL_TYPES,
    Binding,
    FloodChunk,
    Host,
    Interface,
    LocalPort,
    LocalVlan,
    NetworkOnHost,
    NetworkOnSwitch,
    OfPort,
    Port,
    Presence,
    RemoteAddress,
    RemotePort,
    Segment,
    Session,
    Switch,
    TunnelPort,
    Uplink,
    WantedAddress,
    WantedMac,
)
from controller.core.net import Change, Net
from controller.core.settings import Settings

Keys = Iterable[Any]
INTERFACE_TYPES = {**{type: type for type in TUNNEL_TYPES}, "ip6gre": "gre"}
"""Open vSwitch's interface types, and the tunnel types they carry (GRE over IPv6 has a type of its own there)."""


class Placement:
    """Keeps the derived rows of one Net up to date.  `resolved` counts resolutions, for the cost laws."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.resolved = 0
        self._layers: tuple[tuple[type, Callable[[Net, Change], Keys], Callable[[Net, Any], Any]], ...] = (
            (Switch, _switches, _switch),
            (Uplink, _uplinks, _uplink),
            (TunnelPort, _tunnel_ports, _tunnel_port),
            (LocalPort, _local_ports, _local_port),
            (FloodChunk, _chunks, _chunk),
            (NetworkOnHost, _networks_on_hosts, _network_on_host),
            (NetworkOnSwitch, _networks_on_switches, _network_on_switch),
            (RemotePort, self._remote_ports, self._remote_port),
            (RemoteAddress, self._remote_addresses, self._remote_address),
        )

    def update(self, net: Net, changes: Iterable[Change]) -> list[Change]:
        """Apply the derived changes that follow from changes already in `net`; returns all, the given ones first."""
        done = list(changes)
        for row_type, triggers, resolver in self._layers:
            keys = dict.fromkeys(key for change in done for key in triggers(net, change))
            for key in keys:
                self.resolved += 1
                old, new = net.get(row_type, key), resolver(net, key)
                if old != new:
                    change = Change(old, new)
                    net.apply(change)
                    done.append(change)
        return done

    # -- remote ports and addresses: what a switch needs to know of other hosts ---------------------------------------

    def _remote_ports(self, net: Net, change: Change) -> Keys:
        for row in _both(change):
            match row:
                case WantedMac(dpid, network_id, mac):
                    yield from ((dpid, port.id) for port in net.find(Port, "network_id+mac_address", (network_id, mac)))
                case Port():
                    wanted = net.find(WantedMac, "network_id+mac", (row.network_id, row.mac_address))
                    yield from ((want.dpid, row.id) for want in wanted)
                    yield from self._everywhere(net, row.network_id, row.id, change)
                    yield from ((known.dpid, row.id) for known in net.find(RemotePort, "port_id", row.id))
                case Binding(port_id, network_id):
                    port = net.get(Port, port_id)
                    if port is not None:
                        wanted = net.find(WantedMac, "network_id+mac", (network_id, port.mac_address))
                        yield from ((want.dpid, port_id) for want in wanted)
                    yield from self._everywhere(net, network_id, port_id, change)
                    yield from ((known.dpid, port_id) for known in net.find(RemotePort, "port_id", port_id))
                case NetworkOnSwitch(dpid, network_id):
                    yield from self._remote_ports_of(net, dpid, network_id)
                case Segment():
                    for on in net.find(NetworkOnSwitch, "network_id", row.network_id):
                        yield from self._remote_ports_of(net, on.dpid, row.network_id)
                case _:
                    pass

    def _remote_ports_of(self, net: Net, dpid: int, network_id: str) -> Keys:
        """The ports of a network that a switch may need to know, or has known."""
        for want in net.find(WantedMac, "dpid+network_id", (dpid, network_id)):
            ports = net.find(Port, "network_id+mac_address", (network_id, want.mac))
            yield from ((dpid, port.id) for port in ports)
        yield from self._everything(net, dpid, network_id)
        known = net.find(RemotePort, "dpid+network_id", (dpid, network_id))
        yield from ((dpid, remote.port_id) for remote in known)

    def _everywhere(self, net: Net, network_id: str, port_id: str, change: Change) -> Keys:
        """Proactive: a port concerns every switch that has its network."""
        if self.settings.proactive:
            yield from ((on.dpid, port_id) for on in net.find(NetworkOnSwitch, "network_id", network_id))

    def _everything(self, net: Net, dpid: int, network_id: str) -> Keys:
        """Proactive: every bound port of a network concerns a switch that has it."""
        if self.settings.proactive:
            yield from ((dpid, binding.port_id) for binding in net.find(Binding, "network_id", network_id))

    def _remote_port(self, net: Net, key: tuple[int, str]) -> RemotePort | None:
        dpid, port_id = key
        port = _elsewhere(net, dpid, port_id)
        if port is None or not is_tunnelled(net, port.network_id):
            return None
        wanted = net.get(WantedMac, (dpid, port.network_id, port.mac_address)) is not None
        return RemotePort(dpid, port_id, port.network_id) if wanted or self.settings.proactive else None

    def _remote_addresses(self, net: Net, change: Change) -> Keys:
        for row in _both(change):
            match row:
                case WantedAddress(dpid, network_id, ip):
                    yield (dpid, network_id, ip)
                case Port():
                    yield from self._addresses(net, row)
                    known = net.find(RemoteAddress, "port_id", row.id)
                    yield from ((r.dpid, r.network_id, r.ip) for r in known)
                case Binding(port_id):
                    port = net.get(Port, port_id)
                    yield from self._addresses(net, port) if port is not None else ()
                    known = net.find(RemoteAddress, "port_id", port_id)
                    yield from ((r.dpid, r.network_id, r.ip) for r in known)
                case NetworkOnSwitch(dpid, network_id):
                    wanted = net.find(WantedAddress, "dpid+network_id", (dpid, network_id))
                    known = net.find(RemoteAddress, "dpid+network_id", (dpid, network_id))
                    yield from ((dpid, network_id, want.ip) for want in wanted)
                    yield from ((dpid, network_id, remote.ip) for remote in known)
                    for _, port_id in self._everything(net, dpid, network_id):
                        port = net.get(Port, port_id)
                        if port is not None:
                            yield from ((dpid, network_id, fixed.ip_address) for fixed in port.fixed_ips)
                case _:
                    pass

    def _addresses(self, net: Net, port: Port) -> Keys:
        """Where a port's addresses may be wanted."""
        for fixed in port.fixed_ips:
            for want in net.find(WantedAddress, "network_id+ip", (port.network_id, fixed.ip_address)):
                yield (want.dpid, port.network_id, fixed.ip_address)
            if self.settings.proactive:
                for on in net.find(NetworkOnSwitch, "network_id", port.network_id):
                    yield (on.dpid, port.network_id, fixed.ip_address)

    def _remote_address(self, net: Net, key: tuple[int, str, str]) -> RemoteAddress | None:
        dpid, network_id, ip = key
        owners = net.find(Port, "address", (network_id, ip))
        if not owners or _elsewhere(net, dpid, owners[0].id) is None:
            return None
        if self.settings.proactive or net.get(WantedAddress, key) is not None:
            return RemoteAddress(dpid, network_id, ip, owners[0].id)
        return None


def _both(change: Change) -> Iterable[Any]:
    return (row for row in change if row is not None)


def is_tunnelled(net: Any, network_id: str) -> bool:
    return any(segment.network_type in TUNNEL_TYPES for segment in net.find(Segment, "network_id", network_id))


def _elsewhere(net: Net, dpid: int, port_id: str) -> Port | None:
    """The port, when it is bound on another host than this INT switch's, which has its network."""
    switch, port, binding = net.get(Switch, dpid), net.get(Port, port_id), net.get(Binding, port_id)
    if switch is None or port is None or binding is None or switch.role != INT or binding.host == switch.host:
        return None
    return port if net.get(NetworkOnSwitch, (dpid, port.network_id)) else None


# ---------------------------------------------------------------------------------------------------------------------
# Switches and the ports that join them


def _switches(net: Net, change: Change) -> Keys:
    for row in _both(change):
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


def _switch(net: Net, dpid: int) -> Switch | None:
    """A bridge is programmed once it has connected, its host is known and, where that has OVSDB, has told us all."""
    if net.get(Session, dpid) is None:
        return None
    hosts = sorted(net.find(Host, "bridge", dpid), key=lambda host: (not host.managed, host.name))
    if not hosts or (hosts[0].managed and net.get(Presence, hosts[0].name) is None):
        return None
    host = hosts[0]
    bridge = next(name for name, known in host.bridges if known == dpid)
    physical = next((physnet for physnet, mapped in host.bridge_mappings if mapped == bridge), "")
    if host.managed:
        role = INT if bridge == host.integration_bridge else ETH
    else:
        role = ETH if net.has(OfPort, "dpid+name", (dpid, f"phy-{bridge}")) else INT
    return Switch(dpid, host.name, bridge, role, physical if role == ETH else "")


def _uplinks(net: Net, change: Change) -> Keys:
    for row in _both(change):
        match row:
            case Switch(dpid) | OfPort(dpid):
                if isinstance(row, OfPort) and not row.name.startswith(("int-", "phy-")):
                    continue
                switch = net.get(Switch, dpid)
                known = net.get(Host, switch.host) if switch else None
                yield from ((dpid, physnet) for physnet, _ in (known.bridge_mappings if known else ()))
                yield from ((dpid, uplink.physical_network) for uplink in net.find(Uplink, "dpid", dpid))
            case Host():
                for _, dpid in row.bridges:
                    yield from ((dpid, physnet) for physnet, _ in row.bridge_mappings)
            case _:
                pass


def _uplink(net: Net, key: tuple[int, str]) -> Uplink | None:
    dpid, physical_network = key
    switch = net.get(Switch, dpid)
    host = net.get(Host, switch.host) if switch else None
    if switch is None or host is None:
        return None
    bridge = dict(host.bridge_mappings).get(physical_network)
    if bridge is None or (switch.role == ETH and switch.physical_network != physical_network):
        return None
    name = f"int-{bridge}" if switch.role == INT else f"phy-{bridge}"
    ports = net.find(OfPort, "dpid+name", (dpid, name))
    return Uplink(dpid, physical_network, ports[0].number) if ports else None


def _tunnel_ports(net: Net, change: Change) -> Keys:
    for row in _both(change):
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


def _tunnel_port(net: Net, key: tuple[int, str]) -> TunnelPort | None:
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


# ---------------------------------------------------------------------------------------------------------------------
# Local ports: the join of OfPort, Interface, Port and Host


def _local_ports(net: Net, change: Change) -> Keys:
    for row in _both(change):
        match row:
            case Port():
                yield row.id
            case Interface():
                if row.iface_id:
                    yield row.iface_id
                # Whether the name tells whose VIF it is depends on there being no iface-id.
                yield from _named(net, row.host, row.name)
            case OfPort():
                yield from _claimed_by(net, row)
            case Switch(dpid):
                yield from (local.port_id for local in net.find(LocalPort, "dpid", dpid))
                for port in net.find(OfPort, "dpid", dpid):
                    yield from _claimed_by(net, port)
            case _:
                pass


def _claimed_by(net: Net, ofport: OfPort) -> Keys:
    """The ids of ports whose VIF this OpenFlow port may be, or has been."""
    yield from (local.port_id for local in net.find(LocalPort, "ofport", (ofport.dpid, ofport.number)))
    switch = net.get(Switch, ofport.dpid)
    if switch is None:
        return
    interface = net.get(Interface, (switch.host, ofport.name))
    if interface is not None and interface.iface_id:
        yield interface.iface_id
    yield from _named(net, switch.host, ofport.name)


def _named(net: Net, host: str, name: str) -> Keys:
    """The ids of ports whose VIF would have that name."""
    yield from (port.id for port in net.find(Port, "tap", name))
    yield from (port.id for port in net.find(Port, "interface_name", (host, name)))


def _local_port(net: Net, port_id: str) -> LocalPort | None:
    """Where a port's VIF is: on the host it is bound to if it is there, else where it was found (lowest dpid first)."""
    port = net.get(Port, port_id)
    if port is None:
        return None
    found = [*_by_iface_id(net, port_id), *_by_name(net, port)]
    if not found:
        return None
    switch, ofport = min(found, key=lambda at: (at[0].host != port.host_id, at[0].dpid, at[1].number))
    return LocalPort(port_id, switch.dpid, ofport.number, port.network_id, switch.host)


def _by_iface_id(net: Net, port_id: str) -> Iterable[tuple[Switch, OfPort]]:
    for interface in net.find(Interface, "iface_id", port_id):
        for switch in net.find(Switch, "host+role", (interface.host, INT)):
            if switch.bridge == interface.bridge:
                for ofport in net.find(OfPort, "dpid+name", (switch.dpid, interface.name)):
                    yield switch, ofport


def _by_name(net: Net, port: Port) -> Iterable[tuple[Switch, OfPort]]:
    """VIFs that only their name tells: no OVSDB, or an owner that wrote no iface-id."""
    named = net.find(OfPort, "name", "tap" + port.id[:11])
    if port.interface_name:
        named += net.find(OfPort, "name", port.interface_name)
    for ofport in named:
        switch = net.get(Switch, ofport.dpid)
        if switch is None or switch.role != INT:
            continue
        interface = net.get(Interface, (switch.host, ofport.name))
        if interface is not None and interface.iface_id:
            continue
        if ofport.name == port.interface_name and switch.host != port.host_id:
            continue
        yield switch, ofport


def _chunks(net: Net, change: Change) -> Keys:
    return ((row.dpid, row.network_id, row.ofport >> CHUNK_BITS) for row in _both(change) if isinstance(row, LocalPort))


def _chunk(net: Net, key: tuple[int, str, int]) -> FloodChunk | None:
    return FloodChunk(*key) if net.has(LocalPort, "chunk", key) else None


# ---------------------------------------------------------------------------------------------------------------------
# Networks on hosts and switches


def _networks_on_hosts(net: Net, change: Change) -> Keys:
    return ((row.host, row.network_id) for row in _both(change) if isinstance(row, (Binding, LocalVlan)))


def _network_on_host(net: Net, key: tuple[str, str]) -> NetworkOnHost | None:
    vlan = net.get(LocalVlan, key)
    if vlan is None or not net.has(Binding, "host+network_id", key):
        return None
    return NetworkOnHost(vlan.host, vlan.network_id, vlan.vid)


def _networks_on_switches(net: Net, change: Change) -> Keys:
    for row in _both(change):
        match row:
            case NetworkOnHost(host, network_id):
                yield from ((switch.dpid, network_id) for switch in net.find(Switch, "host", host))
            case Segment():
                for on in net.find(NetworkOnHost, "network_id", row.network_id):
                    yield from ((switch.dpid, row.network_id) for switch in net.find(Switch, "host", on.host))
            case Switch(dpid, host):
                yield from ((dpid, on.network_id) for on in net.find(NetworkOnHost, "host", host))
                yield from ((dpid, on.network_id) for on in net.find(NetworkOnSwitch, "dpid", dpid))
            case _:
                pass


def _network_on_switch(net: Net, key: tuple[int, str]) -> NetworkOnSwitch | None:
    dpid, network_id = key
    switch = net.get(Switch, dpid)
    on = net.get(NetworkOnHost, (switch.host, network_id)) if switch else None
    if switch is None or on is None:
        return None
    if switch.role == ETH:
        segments = net.find(Segment, "network_id", network_id)
        if all(segment.physical_network != switch.physical_network for segment in segments):
            return None
    return NetworkOnSwitch(dpid, network_id, switch.host, switch.role, on.vid)
