"""What a switch needs to know of ports and addresses on other hosts: those it wants, or all (proactive)."""

from __future__ import annotations

from typing import Any

from controller.core.derived import NetworkOnSwitch, RemoteAddress, RemotePort, Switch
from controller.core.model import INT, TUNNEL_TYPES, Binding, Port, Segment
from controller.core.net import Change, Net
from controller.core.observed import Holder, WantedAddress, WantedMac
from controller.core.placement.layer import Keys, Layer, both
from controller.core.settings import Settings


def _remote_ports(net: Net, settings: Settings, change: Change) -> Keys:
    for row in both(change):
        match row:
            case WantedMac(dpid, network_id, mac):
                yield from ((dpid, port.id) for port in net.find(Port, "network_id+mac_address", (network_id, mac)))
            case Port():
                wanted = net.find(WantedMac, "network_id+mac", (row.network_id, row.mac_address))
                yield from ((want.dpid, row.id) for want in wanted)
                yield from _everywhere(net, settings, row.network_id, row.id)
                yield from ((known.dpid, row.id) for known in net.find(RemotePort, "port_id", row.id))
            case Binding(port_id, network_id):
                port = net.get(Port, port_id)
                if port is not None:
                    wanted = net.find(WantedMac, "network_id+mac", (network_id, port.mac_address))
                    yield from ((want.dpid, port_id) for want in wanted)
                yield from _everywhere(net, settings, network_id, port_id)
                yield from ((known.dpid, port_id) for known in net.find(RemotePort, "port_id", port_id))
            case NetworkOnSwitch(dpid, network_id):
                yield from _remote_ports_of(net, settings, dpid, network_id)
            case Segment():
                for on in net.find(NetworkOnSwitch, "network_id", row.network_id):
                    yield from _remote_ports_of(net, settings, on.dpid, row.network_id)
            case _:
                pass


def _remote_ports_of(net: Net, settings: Settings, dpid: int, network_id: str) -> Keys:
    """The ports of a network that a switch may need to know, or has known."""
    for want in net.find(WantedMac, "dpid+network_id", (dpid, network_id)):
        ports = net.find(Port, "network_id+mac_address", (network_id, want.mac))
        yield from ((dpid, port.id) for port in ports)
    yield from _everything(net, settings, dpid, network_id)
    known = net.find(RemotePort, "dpid+network_id", (dpid, network_id))
    yield from ((dpid, remote.port_id) for remote in known)


def _everywhere(net: Net, settings: Settings, network_id: str, port_id: str) -> Keys:
    """Proactive: a port concerns every switch that has its network."""
    if settings.proactive:
        yield from ((on.dpid, port_id) for on in net.find(NetworkOnSwitch, "network_id", network_id))


def _everything(net: Net, settings: Settings, dpid: int, network_id: str) -> Keys:
    """Proactive: every bound port of a network concerns a switch that has it."""
    if settings.proactive:
        yield from ((dpid, binding.port_id) for binding in net.find(Binding, "network_id", network_id))


def _remote_port(net: Net, settings: Settings, key: tuple[int, str]) -> RemotePort | None:
    dpid, port_id = key
    port = _elsewhere(net, dpid, port_id)
    if port is None or not _is_tunnelled(net, port.network_id):
        return None
    wanted = net.get(WantedMac, (dpid, port.network_id, port.mac_address)) is not None
    return RemotePort(dpid, port_id, port.network_id) if wanted or settings.proactive else None


def _remote_addresses(net: Net, settings: Settings, change: Change) -> Keys:
    for row in both(change):
        match row:
            case WantedAddress(dpid, network_id, ip):
                yield (dpid, network_id, ip)
            case Holder(network_id, ip):
                yield from _places(net, settings, network_id, ip)
            case Port():
                yield from _addresses(net, settings, row)
                known = net.find(RemoteAddress, "port_id", row.id)
                yield from ((r.dpid, r.network_id, r.ip) for r in known)
            case Binding(port_id):
                port = net.get(Port, port_id)
                yield from _addresses(net, settings, port) if port is not None else ()
                known = net.find(RemoteAddress, "port_id", port_id)
                yield from ((r.dpid, r.network_id, r.ip) for r in known)
            case NetworkOnSwitch(dpid, network_id):
                yield from _remote_addresses_of(net, settings, dpid, network_id)
            case Segment():
                for on in net.find(NetworkOnSwitch, "network_id", row.network_id):
                    yield from _remote_addresses_of(net, settings, on.dpid, row.network_id)
            case _:
                pass


def _remote_addresses_of(net: Net, settings: Settings, dpid: int, network_id: str) -> Keys:
    """The addresses of a network that a switch may answer for, or has answered for."""
    wanted = net.find(WantedAddress, "dpid+network_id", (dpid, network_id))
    known = net.find(RemoteAddress, "dpid+network_id", (dpid, network_id))
    yield from ((dpid, network_id, want.ip) for want in wanted)
    yield from ((dpid, network_id, remote.ip) for remote in known)
    for _, port_id in _everything(net, settings, dpid, network_id):
        port = net.get(Port, port_id)
        if port is not None:
            yield from ((dpid, network_id, ip) for ip in _ips(net, port))


def _addresses(net: Net, settings: Settings, port: Port) -> Keys:
    """Where a port's addresses may be wanted."""
    for ip in _ips(net, port):
        yield from _places(net, settings, port.network_id, ip)


def _ips(net: Net, port: Port) -> list[str]:
    """A port's own addresses, and those that it holds beside them."""
    held = (holder.ip for holder in net.find(Holder, "port_id", port.id))
    return [*(fixed.ip_address for fixed in port.fixed_ips), *held]


def _places(net: Net, settings: Settings, network_id: str, ip: str) -> Keys:
    """Where an address may be wanted."""
    for want in net.find(WantedAddress, "network_id+ip", (network_id, ip)):
        yield (want.dpid, network_id, ip)
    if settings.proactive:
        for on in net.find(NetworkOnSwitch, "network_id", network_id):
            yield (on.dpid, network_id, ip)


def _remote_address(net: Net, settings: Settings, key: tuple[int, str, str]) -> RemoteAddress | None:
    dpid, network_id, ip = key
    holder = net.get(Holder, (network_id, ip))
    owners = [holder.port_id] if holder else [port.id for port in net.find(Port, "address", (network_id, ip))]
    if all(segment.network_type == "local" for segment in net.find(Segment, "network_id", network_id)):
        return None
    if not owners or _elsewhere(net, dpid, owners[0]) is None:
        return None
    if settings.proactive or net.get(WantedAddress, key) is not None:
        return RemoteAddress(dpid, network_id, ip, owners[0])
    return None


def _is_tunnelled(net: Any, network_id: str) -> bool:
    return any(segment.network_type in TUNNEL_TYPES for segment in net.find(Segment, "network_id", network_id))


def _elsewhere(net: Net, dpid: int, port_id: str) -> Port | None:
    """The port, when it is bound on another host than this INT switch's, which has its network."""
    switch, port, binding = net.get(Switch, dpid), net.get(Port, port_id), net.get(Binding, port_id)
    if switch is None or port is None or binding is None or switch.role != INT or switch.host in binding.hosts:
        return None
    return port if net.get(NetworkOnSwitch, (dpid, port.network_id)) else None


REMOTE_PORTS = Layer(RemotePort, (WantedMac, Port, Binding, NetworkOnSwitch, Segment), _remote_ports, _remote_port)
REMOTE_ADDRESSES = Layer(
    RemoteAddress, (WantedAddress, Holder, Port, Binding, NetworkOnSwitch, Segment), _remote_addresses, _remote_address
)
