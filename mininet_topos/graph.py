"""What a scenario is made of: frozen values, importable without Mininet.

Mininet runs one Open vSwitch for all its switches, and all of them reach the controller from 127.0.0.1.  So a
scenario says which switches make up a hypervisor (`Host`), and the controller is told by `[host:NAME]` sections.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Network:
    """A network to be made over REST: Neutron's provider attributes and one IPv4 subnet."""

    name: str
    network_type: str
    cidr: str
    physical_network: str | None = None
    segmentation_id: int | None = None
    mtu: int = 1500


@dataclass(frozen=True, slots=True)
class Vm:
    """A Mininet host that plays a VM of a network; the hypervisor's port for it is called `interface`."""

    name: str
    switch: str
    network: str
    mac: str
    ip: str

    @property
    def interface(self) -> str:
        return f"{self.switch}-{self.name}"


@dataclass(frozen=True, slots=True)
class Underlay:
    """The bridge that carries a hypervisor's tunnels.

    `address` is what peers send to (the `local_ip` of the controller's configuration), `own` is what the bridge's
    interface has: they differ because all hypervisors of a Mininet live in one network namespace, where Open vSwitch
    would take an address of a peer for its own.  The bridge translates between the two.
    """

    bridge: str
    address: str
    own: str
    mac: str


@dataclass(frozen=True, slots=True)
class Host:
    """A hypervisor: its integration bridge, (physical network, bridge) pairs, and its underlay if it has tunnels."""

    name: str
    bridge: str
    providers: tuple[tuple[str, str], ...] = ()
    underlay: Underlay | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """`cables` join bridges of different hosts (provider or underlay bridges)."""

    name: str
    hosts: tuple[Host, ...]
    networks: tuple[Network, ...]
    vms: tuple[Vm, ...]
    cables: tuple[tuple[str, str], ...] = ()

    @property
    def switches(self) -> dict[str, int]:
        """The bridges that the controller programs, and their datapath ids: numbered from 1."""
        bridges = [bridge for host in self.hosts for bridge in (host.bridge, *(b for _, b in host.providers))]
        return {bridge: number for number, bridge in enumerate(bridges, 1)}

    def patches(self) -> Iterator[tuple[str, str]]:
        """(integration bridge, provider bridge) pairs; their ports are `int-PROVIDER` and `phy-PROVIDER`."""
        return ((host.bridge, bridge) for host in self.hosts for _, bridge in host.providers)

    def network(self, name: str) -> Network:
        return next(network for network in self.networks if network.name == name)

    def host_of(self, vm: Vm) -> Host:
        return next(host for host in self.hosts if host.bridge == vm.switch)
