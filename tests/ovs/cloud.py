"""A controller and two hosts, as tests see them: networks over REST, VIFs over OVSDB, flows over OpenFlow."""

from __future__ import annotations

import re
from typing import Any

from tests.ovs.controller import Controller
from tests.ovs.sandbox import Sandbox

VLANS = {"ovs": {"network_vlan_ranges": "physnet1:1000:1999,physnet2:1000:1999"}}


class Cloud:
    """A controller and two hosts with br-eth1 that joined it by set-manager."""

    def __init__(self, controller: Controller, hosts: list[Sandbox]) -> None:
        self.controller, self.hosts = controller, hosts
        self.h1, self.h2 = hosts
        for number, host in enumerate(hosts, 1):
            add_bridge(host, "br-eth1")
            controller.join(host, f"h{number}", f"192.0.2.{number}", bridge_mappings="physnet1:br-eth1")
        for number, host in enumerate(hosts, 1):
            self.wait_equal(host, f"h{number}", "br-eth1")

    def network(self, **values: Any) -> Any:
        network = self.controller.make("network", **values)
        self.controller.make("subnet", network_id=network["id"], cidr="10.0.0.0/24", ip_version=4)
        return network

    def vlan(self, number: int) -> Any:
        provider = {"network_type": "vlan", "physical_network": "physnet1", "segmentation_id": number}
        return self.network(**{f"provider__{name}": value for name, value in provider.items()})

    def plug(self, network: Any, host: Sandbox, name: str, protected: bool = False) -> Any:
        """A port whose VIF is plugged into a host, wired; its guest sends what it likes, unless it is protected."""
        port = self.controller.make("port", network_id=network["id"], port_security_enabled=protected)
        host.add_vif("br-int", name, port["id"], port["mac_address"])
        self.wait_status(port, "ACTIVE")
        return port

    def wait_status(self, port: Any, status: str) -> None:
        self.controller.wait(lambda: self.controller.status(port["id"]) == status, f"{name_of(port)} to be {status}")

    def wait_equal(self, host: Sandbox, name: str, bridge: str = "br-int", patience: float = 10.0) -> None:
        """Wait until a bridge holds just the flows of ours that it shall have."""
        wanted: set[str] = set()
        have: set[str] = set()

        def equal() -> bool:
            nonlocal wanted, have
            if not self.controller.settled(name, bridge):
                return False
            wanted, have = set(self.controller.flows(f"{name}/{bridge}")), ours(host, bridge)
            return wanted == have

        try:
            self.controller.wait(equal, f"the flows of {name}/{bridge}", patience)
        except AssertionError as error:
            raise AssertionError(f"{error}; missing: {wanted - have}, too many: {have - wanted}") from None


def name_of(port: Any) -> str:
    return f"port {port['id']}"


def add_bridge(host: Sandbox, name: str, *settings: str) -> None:
    host.vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=dummy", *settings)


def dump(host: Sandbox, bridge: str = "br-int") -> list[str]:
    return [line.strip() for line in host.ofctl("dump-flows", bridge).splitlines() if "actions=" in line]


def cookie(line: str) -> str:
    found = re.search(r"cookie=(0x[0-9a-f]+)", line)
    assert found, line
    return found[1]


def ours(host: Sandbox, bridge: str = "br-int") -> set[str]:
    """The cookies of our flows."""
    return {cookie(line) for line in dump(host, bridge) if cookie(line).startswith("0x9b")}


def foreign(host: Sandbox, bridge: str = "br-int") -> list[str]:
    return [line for line in dump(host, bridge) if not cookie(line).startswith("0x9b")]


def frame(source: Any, destination: Any) -> str:
    """An Ethernet frame between two ports' MAC addresses, in hexadecimal."""
    macs = destination["mac_address"] + source["mac_address"]
    return (macs.replace(":", "") + "88b5").ljust(120, "0")


def ask_for(cloud: Cloud, source: Any, destination: Any, vif: str = "tap1") -> None:
    """Send a packet from a VIF of h1 until its destination has a flow of its own there."""
    text = f"dl_dst={destination['mac_address']}"

    def found() -> bool:
        return any(text in line and "->tun_dst" in line for line in dump(cloud.h1))

    cloud.h1.appctl("netdev-dummy/receive", vif, frame(source, destination))
    cloud.controller.wait(found, f"the flow of {destination['mac_address']}")
