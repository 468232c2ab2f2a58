"""Which networks are present on which hosts and switches."""

from __future__ import annotations

from controller.core.derived import NetworkOnHost, NetworkOnSwitch, PortOnSwitch, Switch
from controller.core.model import ETH, INT, Binding, Host, LocalVlan, Segment
from controller.core.net import Change, Net
from controller.core.placement.layer import Keys, Layer, both
from controller.core.settings import Settings


def _networks_on_hosts(net: Net, settings: Settings, change: Change) -> Keys:
    for row in both(change):
        match row:
            case Host(name):
                yield from ((name, on.network_id) for on in net.find(NetworkOnHost, "host", name))
            case Binding():
                yield from ((host, row.network_id) for host in row.hosts)
            case _:
                yield (row.host, row.network_id)


def _network_on_host(net: Net, settings: Settings, key: tuple[str, str]) -> NetworkOnHost | None:
    vlan = net.get(LocalVlan, key)
    if vlan is None or not net.has(Binding, "host+network_id", key):
        return None
    host = net.get(Host, vlan.host)
    return NetworkOnHost(vlan.host, vlan.network_id, vlan.vid, host.local_ip if host else "")


def _networks_on_switches(net: Net, settings: Settings, change: Change) -> Keys:
    for row in both(change):
        match row:
            case PortOnSwitch():
                yield row.dpid, row.network_id
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


def _network_on_switch(net: Net, settings: Settings, key: tuple[int, str]) -> NetworkOnSwitch | None:
    dpid, network_id = key
    switch = net.get(Switch, dpid)
    if switch is None or not _is_present(net, switch, network_id):
        return None
    if switch.role == ETH:
        segments = net.find(Segment, "network_id", network_id)
        if all(segment.physical_network != switch.physical_network for segment in segments):
            return None
    return NetworkOnSwitch(dpid, network_id, switch.host, switch.role)


def _is_present(net: Net, switch: Switch, network_id: str) -> bool:
    """Whether the switch's host has the network, or is to have it: a port counts when it is bound to the host, and its
    VIF when it is found, before its Binding is written, so that its network's flows go before it or with its own."""
    if net.get(NetworkOnHost, (switch.host, network_id)) is not None:
        return True
    return switch.role == INT and net.has(PortOnSwitch, "dpid+network_id", (switch.dpid, network_id))


NETWORKS_ON_HOSTS = Layer(NetworkOnHost, (Binding, LocalVlan, Host), _networks_on_hosts, _network_on_host)
NETWORKS_ON_SWITCHES = Layer(
    NetworkOnSwitch, (PortOnSwitch, NetworkOnHost, Segment, Switch), _networks_on_switches, _network_on_switch
)
