"""A hypervisor: bridges with ports, and an OVSDB that does what it is told.  No controller in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from controller.core import effects as fx
from controller.core.events import BridgeRow, HostChanged, HostUp, InterfaceRow, InterfacesChanged, PortDesc
from controller.core.flow import LOCAL
from controller.core.observed import tunnel_type
from controller.core.simulate import ModelSwitch

NIC = "eth-nic"
TRUNK = "eth1"
"""The NIC on br-int of a host that maps a physical network to it."""


@dataclass
class Bridge:
    """`ports` are its OpenFlow ports by number; a number is given again once its port is gone, as Open vSwitch does.

    Without `has_meters` it says that its datapath has none when it connects."""

    name: str
    dpid: int
    ports: dict[int, str] = field(default_factory=dict)
    installed: bool = False
    has_meters: bool = True

    def __post_init__(self) -> None:
        self.switch = ModelSwitch(ports=self.ports)

    def add(self, name: str) -> int:
        number = self.number(name)
        if number is None:
            number = next(n for n in range(1, 1 << 16) if n not in self.ports)
            self.ports[number] = name
        return number

    def number(self, name: str) -> int | None:
        return next((number for number, known in self.ports.items() if known == name), None)

    def described(self) -> tuple[PortDesc, ...]:
        ports = {**self.ports, LOCAL: self.name}
        return tuple(PortDesc(number, name, "") for number, name in sorted(ports.items()))


class Hypervisor:
    """`managed` hosts speak OVSDB; on the others somebody has made patch and tunnel ports by hand."""

    def __init__(self, number: int, managed: bool, mappings: tuple[tuple[str, str], ...]) -> None:
        self.number = number
        self.managed = managed
        self.local_ip = f"192.0.2.{number}"
        self.local_ip_mtu, self.local_ip_interface = 0, ""
        self.name = f"h{number}" if managed else self.local_ip
        self.address = self.local_ip
        self.mappings = mappings
        self.bridges: dict[str, Bridge] = {}
        self.interfaces: dict[str, InterfaceRow] = {}
        for _, name in mappings:
            self._bridge(name).add(TRUNK if name == "br-int" else NIC)
            if name == "br-int":
                self._interface(name, TRUNK)
        if not managed:
            self._bridge("br-int")
            for name in (name for _, name in mappings if name != "br-int"):
                self._patch("br-int", f"int-{name}", name, f"phy-{name}")
            for type in ("vxlan", "gre", "geneve"):
                self.bridges["br-int"].add(f"{type}0")

    def _bridge(self, name: str) -> Bridge:
        """The bridge, made if it is missing.  dpids: host number in the high byte, so that no two are equal."""
        if name not in self.bridges:
            self.bridges[name] = Bridge(name, self.number << 8 | len(self.bridges) + 1)
        return self.bridges[name]

    def _patch(self, bridge: str, port: str, peer_bridge: str, peer_port: str) -> None:
        for at, name in ((bridge, port), (peer_bridge, peer_port)):
            self.bridges[at].add(name)
            self._interface(at, name, "patch")

    def _interface(self, bridge: str, name: str, type: str = "", iface_id: str = "") -> None:
        known = self.interfaces.get(name)
        tag = known.tag if known else None
        self.interfaces[name] = InterfaceRow(name, bridge, type, iface_id, tag=tag)

    def carry_out(self, operation: fx.OvsdbOperation) -> None:
        """What ovs-vswitchd makes of an operation of ours."""
        match operation:
            case fx.EnsureBridge(name):
                self._bridge(name)
            case fx.EnsurePatch(bridge, port, peer_bridge, peer_port):
                self._patch(bridge, port, peer_bridge, peer_port)
            case fx.EnsureTunnel(bridge, port, type, local_ip):
                self.bridges[bridge].add(port)
                self._interface(bridge, port, "ip6gre" if type == "gre" and ":" in local_ip else type)
            case fx.RemovePort(bridge, port):
                self.remove(port)
            case fx.SetTag(_, port, tag) if port in self.interfaces:
                self.interfaces[port] = self.interfaces[port]._replace(tag=tag)
            case _:
                pass

    def plug(self, name: str, iface_id: str = "") -> None:
        """A VIF is plugged into br-int."""
        self.bridges["br-int"].add(name)
        self._interface("br-int", name, iface_id=iface_id)

    def remove(self, name: str) -> None:
        """A port is taken off its bridge."""
        for bridge in self.bridges.values():
            number = bridge.number(name)
            if number is not None:
                del bridge.ports[number]
        self.interfaces.pop(name, None)

    def vif(self, name: str) -> tuple[int, int] | None:
        """(dpid, OpenFlow port) of a port of br-int."""
        bridge = self.bridges.get("br-int")
        number = bridge.number(name) if bridge else None
        return None if bridge is None or number is None else (bridge.dpid, number)

    def bridge_rows(self) -> tuple[BridgeRow, ...]:
        return tuple(BridgeRow(bridge.name, bridge.dpid) for bridge in self.bridges.values())

    def up(self) -> HostUp:
        rows = tuple(self.interfaces.values())
        said = HostUp(f"tcp:{self.address}:40000", self.name, self.local_ip, self.mappings, interfaces=rows)
        return replace(said, bridges=self.bridge_rows(), **self._underlay())

    def changed(self) -> HostChanged:
        return HostChanged(self.name, self.local_ip, self.mappings, bridges=self.bridge_rows(), **self._underlay())

    def _underlay(self) -> dict[str, Any]:
        return {"local_ip_mtu": self.local_ip_mtu, "local_ip_interface": self.local_ip_interface}

    def interfaces_changed(self, before: dict[str, InterfaceRow]) -> InterfacesChanged | None:
        """What is to be told of the Interface table since it was `before`; None when nothing differs."""
        changed = tuple(row for name, row in self.interfaces.items() if before.get(name) != row)
        removed = tuple(name for name in before if name not in self.interfaces)
        return InterfacesChanged(self.name, changed, removed) if changed or removed else None


def tunnel_ports(hypervisor: Hypervisor) -> dict[tuple[int, int], str]:
    """(dpid, OpenFlow port) of each tunnel port, and its type."""
    bridge = hypervisor.bridges.get("br-int")
    found = {} if bridge is None else {(bridge.dpid, n): tunnel_type(name) for n, name in bridge.ports.items()}
    return {place: type for place, type in found.items() if type is not None}
