"""A cloud on the testbed, in a few words: networks, and VMs plugged into hosts for their ports."""

from __future__ import annotations

from typing import Any

from tests.netns.testbed import Controller, Hypervisor, Testbed, Vm, wait_until

CONFIG = {"ovs": {"network_vlan_ranges": "physnet1:1000:1999", "tunnel_id_ranges": "1:65535"}}
TYPES = ("vlan", "flat", "vxlan", "gre", "geneve")


def section(host: Hypervisor) -> dict[str, str]:
    """What the configuration says about a host that can't say it itself."""
    dpids = [host.vsctl("get", "Bridge", bridge, "datapath_id").strip().strip('"') for bridge in ("br-int", "br-eth1")]
    return {"dpids": ",".join(dpids), "local_ip": host.local_ip, "bridge_mappings": "physnet1:br-eth1"}


class Cloud:
    """A controller and hosts that have joined it.

    `join` is a Hypervisor method's name: join, join_by_controller.  `sections`: hosts that join by controller have
    [host:NAME] sections in the controller's configuration, for they can't say where their tunnels end.
    """

    def __init__(
        self,
        bed: Testbed,
        hosts: int = 2,
        config: dict[str, Any] | None = None,
        join: str = "join",
        sections: bool = True,
    ) -> None:
        self.bed = bed
        self.hosts: list[Hypervisor] = [bed.hypervisor() for _ in range(hosts)]
        config = config or CONFIG
        if join == "join_by_controller":
            for host in self.hosts:
                host.join_by_controller(tunnels={type: f"{type}0" for type in TYPES[2:]})
            config = config | {f"host:{host.name}": section(host) for host in self.hosts if sections}
        self.controller: Controller = bed.controller(config)
        for host in self.hosts if join == "join" else ():
            host.join()
        wait_until(lambda: self.connected() == 2 * hosts, 30, f"{2 * hosts} bridges are programmed")

    def look(self, *path: str) -> Any:
        return self.controller.request("GET", "/".join(("/patchbay/v1", *path))).body

    def connected(self) -> int:
        return sum(switch["connected"] and switch["settled"] for switch in self.look("switches"))

    def network(self, type: str, *cidrs: str, **more: Any) -> dict[str, Any]:
        """A network of a type (flat: on physnet1) with a subnet for each CIDR."""
        physnet = {"provider:physical_network": "physnet1"} if type in ("flat", "vlan") else {}
        made = self.controller.post("networks", name=type, **{"provider:network_type": type}, **physnet, **more)
        for cidr in cidrs:
            self.controller.post("subnets", network_id=made["id"], cidr=cidr, ip_version=6 if ":" in cidr else 4)
        return made

    def port(self, network: dict[str, Any], host: Hypervisor | None = None, **more: Any) -> dict[str, Any]:
        bound = {"binding:host_id": self.host_name(host)} if host else {}
        return self.controller.post("ports", network_id=network["id"], **bound, **more)

    def host_name(self, host: Hypervisor) -> str:
        """A host's name, as it says it or (without OVSDB) the address it connects from."""
        names = [known["name"] for known in self.look("hosts")]
        return host.name if host.name in names else host.control_ip

    def vm(self, network: dict[str, Any], host: Hypervisor, **more: Any) -> Vm:
        """A port, and its VM plugged into a host; ACTIVE when this returns."""
        port = self.port(network, host, **more)
        vm = host.plug(port, mtu=network["mtu"])
        self.controller.wait_active(port["id"])
        return vm

    def wait_programmed(self, timeout: float = 15) -> None:
        """Wait until all bridges are connected again and have acknowledged everything."""
        wait_until(lambda: self.connected() == 2 * len(self.hosts), timeout, "all bridges are programmed")


def identities(host: Hypervisor, bridge: str = "br-int") -> set[str]:
    """Which flows a bridge has (their cookies)."""
    lines = host.ofctl("dump-flows", bridge).splitlines()
    return {word.strip(" ,") for line in lines for word in line.split() if word.startswith("cookie=")}


def youngest(host: Hypervisor, bridge: str = "br-int") -> float:
    """Age in seconds of a bridge's youngest flow."""
    lines = host.ofctl("dump-flows", bridge).splitlines()
    ages = [word for line in lines for word in line.replace(",", " ").split() if word.startswith("duration=")]
    return min(float(age.removeprefix("duration=").rstrip("s")) for age in ages)
