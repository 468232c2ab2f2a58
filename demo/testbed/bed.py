"""The bed: the networks between hypervisors and controller, and everything's beginning and end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from demo.testbed.hypervisor import Hypervisor
from demo.testbed.lease import Lease, link_name, sweep
from demo.testbed.run import ip_batch, run
from demo.testbed.served import Controller


class Testbed:
    """A control network, an underlay and one trunk per physical network: Linux bridges in a namespace of their own.

    The controller runs in the root namespace, on `controller_ip` of the control network.  `underlay` is "ipv4" or
    "ipv6": what tunnels between hypervisors run over.  Trunks carry frames with any VLAN tag.
    """

    __test__ = False  # pytest: not a test class, despite its name

    def __init__(self, underlay: str = "ipv4") -> None:
        if underlay not in ("ipv4", "ipv6"):
            raise ValueError(f"underlay is {underlay!r}; it must be 'ipv4' or 'ipv6'")
        self.underlay = underlay
        self._lease = Lease()
        self.number, self.directory = self._lease.number, self._lease.directory
        self.namespace = f"pb-{self.number}-net"
        self.controller_ip = self.control_address(-9)
        self.hypervisors: list[Hypervisor] = []
        self.controllers: list[Controller] = []
        self._vms = self._made = 0
        self._bridges: set[str] = set()
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def control_address(self, position: int) -> str:
        return f"10.213.{self.number}.{10 + position}"

    def underlay_address(self, position: int) -> str:
        if self.underlay == "ipv6":
            return f"fd00:214:{self.number:x}::{10 + position:x}"
        return f"10.214.{self.number}.{10 + position}"

    def _build(self) -> None:
        run(["ip", "netns", "add", self.namespace])
        self._quiet(self.namespace)
        self._need_bridge("control")
        self._need_bridge("underlay")
        link = link_name(self.number)
        run(["ip", "link", "add", link, "type", "veth", "peer", "name", "controller", "netns", self.namespace])
        run(["ip", "address", "add", f"{self.controller_ip}/24", "dev", link])
        run(["ip", "link", "set", link, "up"])
        ip_batch(self.namespace, ["link set controller master control", "link set controller up"])

    @staticmethod
    def _quiet(namespace: str) -> None:
        """No IPv6 of the kernel's own on interfaces that only carry other people's frames."""
        run(["ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"])
        ip_batch(namespace, ["link set lo up"])

    def _need_bridge(self, name: str) -> None:
        if name not in self._bridges:
            self._bridges.add(name)
            ip_batch(
                self.namespace, [f"link add {name} type bridge forward_delay 0 mcast_snooping 0", f"link set {name} up"]
            )

    def hypervisor(self, name: str = "", physnets: Sequence[str] = ("physnet1",)) -> Hypervisor:
        """Make a hypervisor with Open vSwitch running, its NICs connected and its provider bridges made; not joined.

        `name` is at most 8 characters, by default hv1, hv2 ...
        """
        self._made += 1
        name = name or f"hv{self._made}"
        if len(name) > 8:
            raise ValueError(f"hypervisor name {name!r} is longer than 8 characters")
        hv = Hypervisor(self, name, self._made, physnets)
        run(["ip", "netns", "add", hv.namespace])
        self._quiet(hv.namespace)
        self._cable(hv, "ctl0", "control")
        ip_batch(hv.namespace, [f"addr add {hv.control_ip}/24 dev ctl0"])
        self._cable(hv, "eth0", "underlay")
        for i, physnet in enumerate(physnets, 1):
            self._cable(hv, f"eth{i}", f"trunk-{physnet}"[:15])
        hv.start()
        for peer in self.hypervisors:
            peer.meet(hv)
        self.hypervisors.append(hv)
        return hv

    def _cable(self, hv: Hypervisor, nic: str, bridge: str) -> None:
        self._need_bridge(bridge)
        far = f"{hv.name}-{nic}"
        ip_batch(
            hv.namespace, [f"link add {nic} type veth peer name {far} netns {self.namespace}", f"link set {nic} up"]
        )
        ip_batch(self.namespace, [f"link set {far} master {bridge}", f"link set {far} up"])
        # The userspace datapath neither fills in checksums nor cuts segments that were left to the NIC.
        run(["ip", "netns", "exec", hv.namespace, "ethtool", "-K", nic, "tx", "off"])

    def set_cable(self, hypervisor: str, nic: str, up: bool) -> None:
        ip_batch(self.namespace, [f"link set {hypervisor}-{nic} {'up' if up else 'down'}"])

    def next_vm(self) -> str:
        self._vms += 1
        return f"pb-{self.number}-vm{self._vms}"

    def controller(self, config: Mapping[str, Mapping[str, Any]] | None = None, start: bool = True) -> Controller:
        """A Patchbay controller on `controller_ip`; `config` is its INI file: {section: {option: value}}."""
        made = Controller(self.controller_ip, self.directory / f"controller{len(self.controllers) + 1}", config or {})
        self.controllers.append(made)
        if start:
            made.start()
        return made

    def keep(self) -> None:
        """Let everything run on after this process; `python -m tests.netns.testbed clean --kept` ends it."""
        self._lease.keep()

    def close(self) -> None:
        """End every process of the bed and delete all it made.  Once is enough, twice is harmless."""
        for controller in self.controllers:
            controller.kill9()
        self._lease.release()

    def __enter__(self) -> Testbed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["Testbed", "sweep"]
