"""A simulated hypervisor: a namespace with its own ovsdb-server and ovs-vswitchd, and what an operator sets up on it.

ctl0     NIC in the control network (to the controller)
br-phy   holds NIC eth0; its own address `local_ip` is the tunnel endpoint
br-eth1  holds NIC eth1, which leads to the trunk of the first physical network (br-eth2 and eth2: the second ...)
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from demo.testbed.capture import Capture
from demo.testbed.run import alive, ip_batch, run, wait_until
from demo.testbed.vm import Vm

if TYPE_CHECKING:
    from demo.testbed.bed import Testbed

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PREFIX_LENGTHS = {4: 24, 6: 64}


class Hypervisor:
    """Made by `Testbed.hypervisor`, which also connects its NICs.

    `name` is its hostname, `control_ip` its address towards the controller, `local_ip` its tunnel endpoint,
    `bridge_mappings` {physical network: bridge}.
    """

    def __init__(self, bed: Testbed, name: str, position: int, physnets: Sequence[str]) -> None:
        self.bed, self.name, self.position = bed, name, position
        self.namespace = f"pb-{bed.number}-{name}"
        self.directory = bed.directory / name
        self.control_ip = bed.control_address(position)
        self.local_ip = bed.underlay_address(position)
        self.underlay_mac = f"02:00:00:00:{bed.number:02x}:{position:02x}"
        self.bridge_mappings = {physnet: f"br-eth{i}" for i, physnet in enumerate(physnets, 1)}
        self.vms: list[Vm] = []
        places = {name: str(self.directory) for name in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")}
        self._env = {**os.environ, **places}

    # -- tools --------------------------------------------------------------------------------------------------------

    def vsctl(self, *args: str) -> str:
        """Run ovs-vsctl against this hypervisor; returns what it printed."""
        return run(["ovs-vsctl", "--timeout=20", *args], env=self._env).stdout

    def ofctl(self, *args: str) -> str:
        """Run ovs-ofctl (OpenFlow 1.4) against a bridge of this hypervisor."""
        return run(["ovs-ofctl", "-O", "OpenFlow14", *args], env=self._env).stdout

    def appctl(self, *args: str) -> str:
        """Run ovs-appctl against this hypervisor's ovs-vswitchd."""
        return run(["ovs-appctl", "--timeout=20", *args], env=self._env).stdout

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in the hypervisor's namespace; returns what it printed."""
        return run(["ip", "netns", "exec", self.namespace, *command], check=check, env=self._env).stdout

    def flows(self, bridge: str = "br-int") -> list[str]:
        """The installed flows in ovs-ofctl's syntax, without counters and durations."""
        lines = self.ofctl("--no-stats", "--no-names", "dump-flows", bridge).splitlines()
        return [line.strip() for line in lines if "actions=" in line]

    def ofport(self, interface: str) -> int:
        """The OpenFlow port number of an interface, once it has one."""
        self.vsctl("wait-until", "Interface", interface, "ofport>0")
        return int(self.vsctl("get", "Interface", interface, "ofport"))

    def capture(self, interface: str, filter: str = "") -> Capture:
        """Record the packets that pass one of its kernel interfaces (eth0: underlay, eth1: trunk, tap...)."""
        return Capture(self.namespace, interface, filter, self.directory / f"{interface}-{time.monotonic_ns()}.pcap")

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start Open vSwitch and make the operator's bridges."""
        self.directory.mkdir()
        database = str(self.directory / "conf.db")
        run(["ovsdb-tool", "create", database, SCHEMA], env=self._env)
        remotes = [f"--remote=punix:{self.directory}/db.sock", "--remote=db:Open_vSwitch,Open_vSwitch,manager_options"]
        self.run("ovsdb-server", database, *remotes, *self._daemon("ovsdb-server"))
        self.vsctl("--no-wait", "init")
        self.start_vswitchd()
        mac = f'other_config:hwaddr="{self.underlay_mac}"'
        self.vsctl(*self._bridge("br-phy", "eth0"), "--", "set", "Bridge", "br-phy", mac)
        for i, bridge in enumerate(self.bridge_mappings.values(), 1):
            self.vsctl(*self._bridge(bridge, f"eth{i}"))
        self._address_underlay()

    def _daemon(self, name: str) -> list[str]:
        pidfile, log = self.directory / f"{name}.pid", self.directory / f"{name}.log"
        return [f"--pidfile={pidfile}", f"--log-file={log}", "--detach", "--no-chdir", "-vconsole:off", "-vsyslog:off"]

    @staticmethod
    def _bridge(bridge: str, nic: str) -> list[str]:
        return ["add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type=netdev", "--", "add-port", bridge, nic]

    def _address_underlay(self) -> None:
        """Give br-phy its address: its interface is made anew whenever ovs-vswitchd starts."""
        version, nodad = (6, " nodad") if ":" in self.local_ip else (4, "")
        lines = [f"addr replace {self.local_ip}/{PREFIX_LENGTHS[version]} dev br-phy{nodad}", "link set br-phy up"]
        show = ["ip", "-n", self.namespace, "link", "show", "br-phy"]
        wait_until(lambda: run(show, check=False).returncode == 0, what="br-phy")
        if version == 6:
            self.run("sysctl", "-qw", "net.ipv6.conf.br-phy.disable_ipv6=0")
        ip_batch(self.namespace, lines)
        for peer in self.bed.hypervisors:
            if peer is not self:
                self.meet(peer)

    def meet(self, peer: Hypervisor) -> None:
        """Resolve a peer's tunnel endpoint beforehand: the userspace datapath drops what it must resolve for first."""
        self.appctl("tnl/neigh/set", "br-phy", peer.local_ip, peer.underlay_mac)

    def start_vswitchd(self) -> None:
        self.run("ovs-vswitchd", f"unix:{self.directory}/db.sock", "--disable-system", *self._daemon("ovs-vswitchd"))

    def stop_vswitchd(self) -> None:
        """End ovs-vswitchd at once, as a crash would: flows and the datapath are gone."""
        pid = int((self.directory / "ovs-vswitchd.pid").read_text())
        os.kill(pid, 9)
        wait_until(lambda: not alive(pid), what="ovs-vswitchd ends")

    def restart_vswitchd(self) -> None:
        """Crash ovs-vswitchd and start it again; the database, and so the bridges and ports, are what they were."""
        self.stop_vswitchd()
        self.start_vswitchd()
        self._address_underlay()

    def set_link(self, nic: str, up: bool) -> None:
        """Cut or mend a NIC's cable: `ctl0`, `eth0` (tunnels) or `eth1` (trunk)."""
        self.bed.set_cable(self.name, nic, up)

    def stop(self) -> None:
        """The hypervisor and its VMs die: processes and namespaces go."""
        for vm in list(self.vms):
            self.vms.remove(vm)
            vm.halt()
        for name in ("ovs-vswitchd", "ovsdb-server"):
            os.kill(int((self.directory / f"{name}.pid").read_text()), 9)
        run(["ip", "netns", "delete", self.namespace])
        self.bed.hypervisors.remove(self)

    # -- joining ------------------------------------------------------------------------------------------------------

    def describe(self, **external_ids: str) -> None:
        """Write who the host is into Open_vSwitch.external_ids (values override the bed's)."""
        mappings = ",".join(f"{physnet}:{bridge}" for physnet, bridge in self.bridge_mappings.items())
        said = {
            "hostname": self.name,
            "local_ip": self.local_ip,
            "bridge_mappings": mappings,
            "datapath_type": "netdev",
        }
        said.update(external_ids)
        self.vsctl(
            "set", "Open_vSwitch", ".", *(f'external_ids:{key}="{value}"' for key, value in said.items() if value)
        )

    def join(self, controller_ip: str = "", port: int = 6640, **external_ids: str) -> None:
        """Join by the one command, `set-manager`, having said who the host is."""
        self.describe(**external_ids)
        self.vsctl("set-manager", f"tcp:{controller_ip or self.bed.controller_ip}:{port}")

    def join_by_controller(
        self, controller_ip: str = "", port: int = 6653, tunnels: Mapping[str, str] | None = None
    ) -> None:
        """Join without OVSDB: make br-int, patch and tunnel ports by hand, then `set-controller` on the bridges.

        `tunnels` is {tunnel type: port name}, by default {"vxlan": "vxlan0"}.
        """
        self.make_integration_bridge({"vxlan": "vxlan0"} if tunnels is None else tunnels)
        for bridge in ("br-int", *self.bridge_mappings.values()):
            target = f"tcp:{controller_ip or self.bed.controller_ip}:{port}"
            self.vsctl("set", "Bridge", bridge, "protocols=OpenFlow14", "--", "set-controller", bridge, target)

    def make_integration_bridge(self, tunnels: Mapping[str, str]) -> None:
        """Make br-int with patch ports to the provider bridges and flow-based tunnel ports, as an operator would."""
        self.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev", "fail_mode=secure")
        for bridge in self.bridge_mappings.values():
            near, far = f"int-{bridge}", f"phy-{bridge}"
            pair = [*_patch("br-int", near, far), "--", *_patch(bridge, far, near)]
            self.vsctl(*pair)
        for kind, name in tunnels.items():
            options = ["options:remote_ip=flow", "options:key=flow", f"options:local_ip={self.local_ip}"]
            self.vsctl("add-port", "br-int", name, "--", "set", "Interface", name, f"type={kind}", *options)

    # -- VMs ----------------------------------------------------------------------------------------------------------

    def plug(
        self,
        port: Mapping[str, Any],
        mtu: int = 0,
        prefix_lengths: Mapping[int, int] | None = None,
        gateways: Sequence[str] = (),
        bridge: str = "br-int",
    ) -> Vm:
        """Boot a VM for a Neutron port and plug it in, as Nova's os-vif does (`iface-id`, `attached-mac`).

        `port` needs id, mac_address and fixed_ips.  `mtu` is the network's (0: 1400, which fits every network
        type); `prefix_lengths` is {IP version: prefix length}, by default /24 and /64.
        """
        vm = Vm(self.bed.next_vm(), self.namespace, port, self.directory)
        vm.boot(mtu or 1400, {**PREFIX_LENGTHS, **(prefix_lengths or {})}, gateways)
        ids = {"iface-id": port["id"], "attached-mac": port["mac_address"], "iface-status": "active"}
        settings = [f'external_ids:{key}="{value}"' for key, value in ids.items()]
        self.vsctl("add-port", bridge, vm.tap, "--", "set", "Interface", vm.tap, *settings)
        self.vms.append(vm)
        return vm

    def unplug(self, vm: Vm) -> None:
        """Take the VM's interface off the bridge and end the VM."""
        self.vsctl("--if-exists", "del-port", vm.tap)
        self.vms.remove(vm)
        vm.halt()


def _patch(bridge: str, name: str, peer: str) -> list[str]:
    return ["add-port", bridge, name, "--", "set", "Interface", name, "type=patch", f"options:peer={peer}"]
