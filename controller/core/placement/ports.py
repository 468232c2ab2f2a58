"""Which ports are plugged in where: the join of OfPort, Interface, Port and Host, whatever came first."""

from __future__ import annotations

from collections.abc import Iterable

from controller.core.model import CHUNK_BITS, INT, Attachment, FloodChunk, Interface, LocalPort, OfPort, Port, Switch
from controller.core.net import Change, Net
from controller.core.placement.layer import Keys, Layer, both
from controller.core.settings import Settings


def _local_ports(net: Net, settings: Settings, change: Change) -> Keys:
    for row in both(change):
        match row:
            case Port():
                yield row.id
            case Attachment():
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
    """Where a port's VIF is: on the host it is bound to if it is there, else where it was found (lowest dpid first)."""
    port = net.get(Port, port_id)
    if port is None:
        return None
    attached = net.get(Attachment, port_id)
    found = list(_by_iface_id(net, attached.vif_id if attached else port_id))
    if attached is None:
        found += _by_name(net, port)
    if not found:
        return None
    switch, ofport = min(found, key=lambda at: (at[0].host != port.host_id, at[0].dpid, at[1].number))
    return LocalPort(port_id, switch.dpid, ofport.number, port.network_id, switch.host)


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


def _chunks(net: Net, settings: Settings, change: Change) -> Keys:
    return ((row.dpid, row.network_id, row.ofport >> CHUNK_BITS) for row in both(change) if isinstance(row, LocalPort))


def _chunk(net: Net, settings: Settings, key: tuple[int, str, int]) -> FloodChunk | None:
    return FloodChunk(*key) if net.has(LocalPort, "chunk", key) else None


LOCAL_PORTS = Layer(LocalPort, (Port, Attachment, Interface, OfPort, Switch), _local_ports, _local_port)
FLOOD_CHUNKS = Layer(FloodChunk, (LocalPort,), _chunks, _chunk)
