"""Hypothesis strategies: whole clouds as lists of actions, on few names, so that they meet.

An action is a tuple of its name and numbers; a number picks among what is there (modulo), so every list of actions can
be carried out, shrinks well, and is the same cloud every time.  `perform` carries one out on a World; an action whose
subject is not there does nothing, and a request that is refused changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

from hypothesis import strategies as st

from apps.port_security import PortSecurity
from controller.core.derived import LocalPort
from controller.core.effects import FlowMods
from controller.core.model import NETWORK_TYPES, Network, Port
from controller.core.packet import arp_request, ethernet, neighbor_solicitation
from controller.core.plan import Refusal
from controller.core.plans import networks, segments
from controller.core.segments import segments_of
from tests import secured
from tests.world.hypervisor import Hypervisor
from tests.world.world import APPLIED, LOST, MAPPINGS, TRUNK_MAPPINGS, UNACKNOWLEDGED, World, name_of

T = TypeVar("T")
Action = tuple[Any, ...]

MACS = tuple(f"fa:16:3e:00:00:{n:02x}" for n in range(1, 7))
OTHER_MAPPINGS = (("physnet2", "br-eth1"),)
LOCAL_IPS = ("192.0.2.101", "192.0.2.102", "2001:db8::1", "2001:db8::2")

TRUNK = 2
"""A managed host whose NIC is on br-int itself."""
HOSTS = (
    *((True, True), (True, False), (True, True, False), (False, False, True), (True, True, True)),
    *((False, False), (True,), (False,), (TRUNK, True), (TRUNK, TRUNK, False)),
)
"""Hypervisors of a cloud: whether each is managed (speaks OVSDB); or TRUNK."""

few = st.sampled_from(range(6))
on = st.booleans()


def _action(name: str, *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Action]:
    return st.tuples(st.just(name), *parts)


made = st.one_of(
    _action("network", st.sampled_from(NETWORK_TYPES)),
    _action("subnet", few, st.sampled_from((4, 6))),
    _action("advertised", few),
    _action("router", few),
    _action("port", few, few),
    _action("plug", few, few),
    _action("plug", few, few),
)
"""What makes a cloud."""
changed = st.one_of(
    _action("unplug", few, few),
    _action("move", few, few, few),
    _action("plug_by_name", few, few),
    _action("relabel", few, few, few),
    _action("port_up", few, on),
    _action("network_up", few, on),
    _action("mac", few, few),
    _action("name", few),
    _action("host_id", few, few),
    _action("delete_port", few),
    _action("delete_network", few),
    _action("add_segment", few),
    _action("delete_segment", few, few),
    _action("local_ip", few, st.integers(0, len(LOCAL_IPS) - 1)),
    _action("mapping", few, on),
    _action("send", few, few),
    _action("ask", few, few, st.sampled_from((4, 6))),
    _action("expire", few, few),
    _action("bounce", few),
    _action("meters", few, on),
    _action("rejoin", few),
    _action("settle"),
)
"""What happens to one."""
talk = st.one_of(_action("send", few, few), _action("ask", few, few, st.sampled_from((4, 6))))
"""What makes switches want destinations elsewhere."""
guarded = _action("protected", few, on)
"""Whether a guest sends as itself only."""
actions = st.lists(st.one_of(made, changed, guarded, secured.secured), max_size=12)
bursts = st.lists(st.integers(1, 4), max_size=12)
"""How many events the first steps take; all later ones take all there are."""
outcomes = st.lists(st.sampled_from((APPLIED, APPLIED, LOST, UNACKNOWLEDGED)), max_size=12)


@st.composite
def clouds(draw: st.DrawFn) -> tuple[tuple[bool, ...], tuple[Action, ...]]:
    """Hosts (whether each is managed), and actions: first a cloud that has something in it, then anything."""
    managed = draw(st.sampled_from(HOSTS))
    begun: list[Action] = []
    for number, type in enumerate(draw(st.lists(st.sampled_from(NETWORK_TYPES), min_size=1, max_size=2))):
        begun += [("network", type), ("subnet", number, 4)]
    for number, host in enumerate(draw(st.lists(few, min_size=draw(st.sampled_from((4, 3, 2, 1))), max_size=5))):
        begun += [("port", draw(few), number % 3), ("plug", number, host)]
    begun += draw(st.lists(talk, min_size=draw(st.sampled_from((3, 0))), max_size=5))
    begun += draw(st.lists(secured.secured, min_size=draw(st.sampled_from((0, 6))), max_size=10))
    return managed, (*begun, *draw(actions))


def build(cloud: tuple[Sequence[bool], Sequence[Action]], world: World | None = None) -> World:
    """A world with its hosts joined, the actions carried out, and everything settled."""
    world = world or World()
    for managed in cloud[0]:
        world.host(bool(managed), TRUNK_MAPPINGS if managed == TRUNK else MAPPINGS)
    world.settle()
    for action in cloud[1]:
        perform(world, action)
    return world.settle()


def pick(things: Sequence[T], number: int) -> T | None:
    return things[number % len(things)] if things else None


def all_networks(world: World) -> list[Network]:
    return sorted(world.store.net.all(Network), key=lambda network: network.key)


def all_ports(world: World) -> list[Port]:
    return sorted(world.store.net.all(Port), key=lambda port: port.key)


def perform(world: World, action: Action) -> None:
    """Carry an action out."""
    name, *numbers = action
    with suppress(Refusal):
        _ACTIONS[name](world, *numbers)


def _host(world: World, number: int) -> Hypervisor:
    return list(world.hypervisors.values())[number % len(world.hypervisors)]


def _network(world: World, type: str) -> None:
    if len(all_networks(world)) < 4:
        world.network(type)


def _subnet(world: World, number: int, version: int) -> None:
    network = pick(all_networks(world), number)
    if network is not None:
        world.subnet(network, "10.0.0.0/24" if version == 4 else "fd00::/64")


def _advertised(world: World, number: int) -> None:
    """A subnet of which router advertisements tell."""
    network = pick(all_networks(world), number)
    if network is not None:
        world.subnet(network, "fd01::/64", ipv6_ra_mode="slaac", ipv6_address_mode="slaac")


def _router(world: World, number: int) -> None:
    """A port that has its gateway's address."""
    network = pick(all_networks(world), number)
    if network is not None and len(all_ports(world)) < 8:
        world.port(network, fixed_ips=[{"ip_address": "fd01::1"}])


def _port(world: World, number: int, mac: int) -> None:
    network = pick(all_networks(world), number)
    if network is not None and len(all_ports(world)) < 8:
        world.port(network, mac_address=MACS[mac])


def _plug(world: World, number: int, host: int) -> None:
    port, hypervisor = pick(all_ports(world), number), _host(world, host)
    if port is not None and "br-int" in hypervisor.bridges:
        world.plug(port, hypervisor)


def _plug_by_name(world: World, number: int, host: int) -> None:
    """The VIF has the usual name, but nobody wrote an iface-id."""
    port, hypervisor = pick(all_ports(world), number), _host(world, host)
    if port is not None and "br-int" in hypervisor.bridges:
        world.plug(port, hypervisor, iface_id="")


def _relabel(world: World, number: int, other: int, host: int) -> None:
    """The VIF that has one port's name gets another port's iface-id."""
    port, label = pick(all_ports(world), number), pick(all_ports(world), other)
    hypervisor = _host(world, host)
    if port is not None and label is not None and name_of(port) in hypervisor.interfaces:
        world.plug(port, hypervisor, iface_id=label.id)


def _unplug(world: World, number: int, host: int) -> None:
    port = pick(all_ports(world), number)
    if port is not None:
        world.unplug(port, _host(world, host))


def _move(world: World, number: int, source: int, target: int) -> None:
    port, ends = pick(all_ports(world), number), (_host(world, source), _host(world, target))
    if port is not None and name_of(port) in ends[0].interfaces and "br-int" in ends[1].bridges and ends[0] != ends[1]:
        world.move(port, *ends)


def _change_port(world: World, number: int, **values: Any) -> None:
    port = pick(all_ports(world), number)
    if port is not None:
        world.change_port(port, **values)


def _protected(world: World, number: int, enabled: bool) -> None:
    port = pick(all_ports(world), number)
    if port is not None:
        world.put(PortSecurity(port.id, enabled))


def _network_up(world: World, number: int, up: bool) -> None:
    network = pick(all_networks(world), number)
    if network is not None:
        world.write(networks.change, network.id, {"admin_state_up": up})


def _delete_port(world: World, number: int) -> None:
    port = pick(all_ports(world), number)
    if port is not None:
        world.delete_port(port)


def _delete_network(world: World, number: int) -> None:
    network = pick(all_networks(world), number)
    if network is not None:
        world.write(networks.delete, network.id)


def _add_segment(world: World, number: int) -> None:
    """Flat on the physical network that hosts have with OTHER_MAPPINGS."""
    network = pick(all_networks(world), number)
    if network is not None:
        values = {"network_id": network.id, "network_type": "flat", "physical_network": "physnet2"}
        world.write(segments.create, values)


def _delete_segment(world: World, number: int, other: int) -> None:
    network = pick(all_networks(world), number)
    segment = pick(segments_of(world.store.net, network.id), other) if network is not None else None
    if segment is not None:
        world.write(segments.delete, segment.id)


def _describe(world: World, host: int, **values: Any) -> None:
    hypervisor = _host(world, host)
    if hypervisor.managed:
        for name, value in values.items():
            setattr(hypervisor, name, value)
        world.events.append(hypervisor.changed())


def _plugged(world: World, number: int) -> Port | None:
    """A port whose VIF the machine has found."""
    return pick([port for port in all_ports(world) if world.machine.net.get(LocalPort, port.id)], number)


def _peer(world: World, port: Port, number: int) -> Port | None:
    return pick([peer for peer in all_ports(world) if peer.network_id == port.network_id and peer != port], number)


def _send(world: World, number: int, other: int) -> None:
    world.settle()
    port = _plugged(world, number)
    peer = _peer(world, port, other) if port is not None else None
    if port is not None and peer is not None:
        world.send(port, ethernet(port.mac_address, peer.mac_address))


def _ask(world: World, number: int, other: int, version: int) -> None:
    world.settle()
    port = _plugged(world, number)
    peer = _peer(world, port, other) if port is not None else None
    ask = arp_request if version == 4 else neighbor_solicitation
    if port is not None and peer is not None:
        own = next((ip.ip_address for ip in port.fixed_ips if (":" in ip.ip_address) == (version == 6)), None)
        target = next((ip.ip_address for ip in peer.fixed_ips if (":" in ip.ip_address) == (version == 6)), None)
        if own is not None and target is not None:
            world.send(port, ask(port.mac_address, own, target))


def _expire(world: World, host: int, number: int) -> None:
    bridge = _host(world, host).bridges.get("br-int")
    flow = pick([flow for flow in bridge.switch.flows if flow.idle_timeout], number) if bridge else None
    if bridge is not None and flow is not None:
        world.expire(bridge, flow.cookie)


def _bounce(world: World, number: int) -> None:
    bridge = pick(world.bridges, number)
    if bridge is not None and bridge.dpid in world.connected():
        world.bounce(bridge)


def _meters(world: World, number: int, has: bool) -> None:
    """A bridge connects anew, with a datapath that has meters or none."""
    bridge = pick(world.bridges, number)
    if bridge is not None and bridge.dpid in world.connected():
        world.disconnect(bridge)
        bridge.has_meters = has
        if not has:
            bridge.switch.apply(FlowMods(bridge.dpid, 0, stale_meters=tuple(bridge.switch.meters)))
        world.connect(bridge)


def _rejoin(world: World, host: int) -> None:
    hypervisor = _host(world, host)
    if hypervisor.managed:
        world.join(hypervisor)


_ACTIONS: dict[str, Any] = {
    "network": _network,
    "subnet": _subnet,
    "advertised": _advertised,
    "router": _router,
    "port": _port,
    "plug": _plug,
    "plug_by_name": _plug_by_name,
    "relabel": _relabel,
    "unplug": _unplug,
    "move": _move,
    "port_up": lambda world, number, up: _change_port(world, number, admin_state_up=up),
    "network_up": _network_up,
    "mac": lambda world, number, mac: _change_port(world, number, mac_address=MACS[mac]),
    "name": lambda world, number: _change_port(world, number, name=f"name {world.store.revision}"),
    "host_id": lambda world, number, host: _change_port(world, number, host_id=_host(world, host).name),
    "protected": _protected,
    "delete_port": _delete_port,
    "delete_network": _delete_network,
    "add_segment": _add_segment,
    "delete_segment": _delete_segment,
    "local_ip": lambda world, host, ip: _describe(world, host, local_ip=LOCAL_IPS[ip]),
    "mapping": lambda world, host, usual: _describe(world, host, mappings=MAPPINGS if usual else OTHER_MAPPINGS),
    "send": _send,
    "ask": _ask,
    "expire": _expire,
    "bounce": _bounce,
    "meters": _meters,
    "rejoin": _rejoin,
    "settle": lambda world: world.settle(),
    **secured.ACTIONS,
}
