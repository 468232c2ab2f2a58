"""Which ports are plugged in where: the join of OfPort, Interface, Port and Host, whatever came first."""

from __future__ import annotations

from collections.abc import Iterable

from controller.core.derived import CHUNK_BITS, ArrivingPort, FloodChunk, LocalPort, PortOnSwitch, Switch
from controller.core.model import INT, Attachment, Binding, Port, PortBinding
from controller.core.net import Change, Net
from controller.core.observed import Interface, OfPort
from controller.core.placement.layer import Keys, Layer, both
from controller.core.row import changes_flows
from controller.core.settings import Settings


def _local_ports(net: Net, settings: Settings, change: Change) -> Keys:
    if isinstance(change.new, Interface) and not changes_flows(*change):
        return  # its MTU, say
    for row in both(change):
        match row:
            case Port():
                yield row.id
            case Attachment() | PortBinding():
                yield row.port_id
            case Binding() if row.moved or net.has(PortBinding, "port_id", row.port_id):
                yield row.port_id
            case Interface():
                yield from _plugged(net, row)
                # Whether the name tells whose VIF it is depends on there being no iface-id.
                yield from _named(net, row.host, row.name)
                yield from _called(net, row)
            case OfPort():
                yield from _claimed_by(net, row)
            case Switch(dpid):
                yield from (local.port_id for local in net.find(LocalPort, "dpid", dpid))
                yield from (coming.port_id for coming in net.find(ArrivingPort, "dpid", dpid))
                bound = net.find(Binding, "host", row.host) if row.role == INT else ()
                yield from (b.port_id for b in bound if b.moved or net.has(PortBinding, "port_id", b.port_id))
                for port in net.find(OfPort, "dpid", dpid):
                    yield from _claimed_by(net, port)
            case _:
                pass


def _claimed_by(net: Net, ofport: OfPort) -> Keys:
    """The ids of ports whose VIF this OpenFlow port may be, or has been."""
    at = (ofport.dpid, ofport.number)
    yield from (local.port_id for local in net.find(LocalPort, "ofport", at))
    yield from (coming.port_id for coming in net.find(ArrivingPort, "ofport", at))
    switch = net.get(Switch, ofport.dpid)
    if switch is None:
        return
    interface = net.get(Interface, (switch.host, ofport.name))
    if interface is not None:
        yield from _plugged(net, interface)
    yield from _named(net, switch.host, ofport.name)
    if interface is not None:
        yield from _called(net, interface)


def _plugged(net: Net, interface: Interface) -> Keys:
    """The ids of ports whose VIF has this interface's iface-id."""
    if interface.iface_id:
        yield interface.iface_id
        yield from (held.port_id for held in net.find(Attachment, "vif_id", interface.iface_id))


def _named(net: Net, host: str, name: str) -> Keys:
    """The ids of ports whose VIF would have that name."""
    yield from (port.id for port in net.find(Port, "tap", name))
    yield from (port.id for port in net.find(Port, "interface_name", (host, name)))


def _called(net: Net, interface: Interface) -> Keys:
    """The ids of ports that name their VIF by the id that it has on its host."""
    if interface.iface_id:
        yield from (port.id for port in net.find(Port, "interface_name", (interface.host, interface.iface_id)))


def _local_port(net: Net, settings: Settings, port_id: str) -> LocalPort | None:
    """Where a port's VIF is: where its guest was heard after a migration, else on the host it is bound to if it is
    there, else where it was found (rather not where the guest is still to come to; lowest dpid first)."""
    port, binding = net.get(Port, port_id), net.get(Binding, port_id)
    found = _found(net, port) if port is not None else []
    if port is None or not found:
        return None
    coming = destinations(net, port_id)
    heard = binding.host if binding is not None and binding.moved and binding.host in coming else ""

    def rank(at: tuple[Switch, OfPort]) -> tuple[bool, bool, bool, int, int]:
        host = at[0].host
        return host != heard, host != port.host_id, host in coming, at[0].dpid, at[1].number

    switch, ofport = min(found, key=rank)
    if binding is not None and binding.host != switch.host and _is_away(net, port, binding, switch.host):
        return None
    return LocalPort(port_id, switch.dpid, ofport.number, port.network_id, switch.host)


def _arriving_ports(net: Net, settings: Settings, change: Change) -> Keys:
    if not (net.count(PortBinding) or net.count(ArrivingPort)):
        return  # no guest migrates anywhere
    if isinstance(change.new, LocalPort) or isinstance(change.old, LocalPort):
        concerned: Keys = (change.key,)
    else:
        concerned = _local_ports(net, settings, change)
    for port_id in concerned:
        if net.has(PortBinding, "port_id", port_id) or net.get(ArrivingPort, port_id) is not None:
            yield port_id


def _is_away(net: Net, port: Port, binding: Binding, host: str) -> bool:
    """Whether a VIF that is on `host`, too, is on the binding's, which is still to come back after a restart."""
    if net.has(Switch, "host+role", (binding.host, INT)):
        return False
    if binding.moved:
        return binding.host in destinations(net, port.id)
    return binding.host == port.host_id and net.get(PortBinding, (port.id, host)) is not None


def _arriving_port(net: Net, settings: Settings, port_id: str) -> ArrivingPort | None:
    """Where the VIF is that the port's guest is to come to, while that is elsewhere still."""
    port, binding, local = net.get(Port, port_id), net.get(Binding, port_id), net.get(LocalPort, port_id)
    if port is None or binding is None or binding.moved:
        return None
    here = local.host if local is not None else binding.host
    coming = destinations(net, port_id)
    found = [at for at in _found(net, port) if at[0].host in coming and at[0].host != here] if coming else []
    if not found:
        return None
    switch, ofport = min(found, key=lambda at: (at[0].dpid, at[1].number))
    return ArrivingPort(port_id, switch.dpid, ofport.number, port.network_id, switch.host)


def destinations(net: Net, port_id: str) -> set[str]:
    """The hosts that a port's guest may come to."""
    return {binding.host for binding in net.find(PortBinding, "port_id", port_id) if not binding.former}


def _found(net: Net, port: Port) -> list[tuple[Switch, OfPort]]:
    attached = net.get(Attachment, port.id)
    if attached is not None:
        return list(_by_iface_id(net, attached.vif_id))
    return [*_by_iface_id(net, port.id), *_by_name(net, port)]


def _by_iface_id(net: Net, iface_id: str) -> Iterable[tuple[Switch, OfPort]]:
    for interface in net.find(Interface, "iface_id", iface_id):
        for switch in net.find(Switch, "host+role", (interface.host, INT)):
            if switch.bridge == interface.bridge:
                for ofport in net.find(OfPort, "dpid+name", (switch.dpid, interface.name)):
                    yield switch, ofport


def _by_name(net: Net, port: Port) -> Iterable[tuple[Switch, OfPort]]:
    """VIFs that don't tell their port: no OVSDB, no iface-id, or one of the host's own, which the port names."""
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
    # XenServer names a VIF anew each time that its VM starts; what stays is XAPI's id of it.
    for switch, ofport in _by_iface_id(net, port.interface_name) if port.interface_name else ():
        if switch.host == port.host_id:
            yield switch, ofport


def _ports_on_switches(net: Net, settings: Settings, change: Change) -> Keys:
    old, new = change
    match new or old:
        case Port(id) if not (old and new and (old.host_id, old.network_id) == (new.host_id, new.network_id)):
            yield from ((id, on.dpid) for on in net.find(PortOnSwitch, "port_id", id))
            if new is not None and new.host_id:
                yield from ((id, switch.dpid) for switch in net.find(Switch, "host+role", (new.host_id, INT)))
        case LocalPort() | ArrivingPort():
            yield from ((local.port_id, local.dpid) for local in both(change))
        case Switch(dpid):
            yield from ((port.id, dpid) for switch in both(change) for port in net.find(Port, "host_id", switch.host))
        case _:
            pass


def _port_on_switch(net: Net, settings: Settings, key: tuple[str, int]) -> PortOnSwitch | None:
    port_id, dpid = key
    switch, port = net.get(Switch, dpid), net.get(Port, port_id)
    if switch is None or port is None or switch.role != INT:
        return None
    local, coming = net.get(LocalPort, port_id), net.get(ArrivingPort, port_id)
    is_here = (local is not None and local.dpid == dpid) or (coming is not None and coming.dpid == dpid)
    return PortOnSwitch(port_id, dpid, port.network_id) if is_here or switch.host == port.host_id else None


def _chunks(net: Net, settings: Settings, change: Change) -> Keys:
    return ((row.dpid, row.network_id, row.ofport >> CHUNK_BITS) for row in both(change))


def _chunk(net: Net, settings: Settings, key: tuple[int, str, int]) -> FloodChunk | None:
    return FloodChunk(*key) if net.has(LocalPort, "chunk", key) or net.has(ArrivingPort, "chunk", key) else None


_FOLLOWED = (Port, PortBinding, Binding, Attachment, Interface, OfPort, Switch)
LOCAL_PORTS = Layer(LocalPort, _FOLLOWED, _local_ports, _local_port)
ARRIVING_PORTS = Layer(ArrivingPort, (*_FOLLOWED, LocalPort), _arriving_ports, _arriving_port)
PORTS_ON_SWITCHES = Layer(PortOnSwitch, (Port, LocalPort, ArrivingPort, Switch), _ports_on_switches, _port_on_switch)
FLOOD_CHUNKS = Layer(FloodChunk, (LocalPort, ArrivingPort), _chunks, _chunk)
