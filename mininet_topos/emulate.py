"""From a graph to a Mininet topology.  The only module here that imports Mininet; `mn --custom` files use it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from mininet.link import OVSLink
from mininet.node import Host as MininetHost
from mininet.node import OVSSwitch
from mininet.topo import Topo
from mininet.util import errRun

from mininet_topos.graph import Graph, Host, Underlay


class VmHost(MininetHost):  # type: ignore[misc]
    """A Mininet host whose NIC leaves nothing to hardware: Open vSwitch in userspace would not make up for it."""

    def config(self, network_mtu: int = 1500, **params: Any) -> Any:
        configured = super().config(**params)
        self.cmd(f"ip link set {self.defaultIntf()} mtu {network_mtu}")
        self.cmd(f"ethtool -K {self.defaultIntf()} tx off")
        # A pingall that shows isolation waits for many unanswered ARP requests: not a second for each.
        self.cmd(f"sysctl -w net.ipv4.neigh.{self.defaultIntf()}.retrans_time_ms=200")
        return configured


class UnderlayBridge(OVSSwitch):  # type: ignore[misc]
    """The NIC side of a hypervisor's tunnels: no controller, flows of its own, and the tunnel port beside it."""

    def __init__(self, name: str, host: Host, underlay: Underlay, peers: Sequence[Underlay], **params: Any) -> None:
        super().__init__(name, failMode="secure", datapath="user", protocols="OpenFlow14", **params)
        self.host, self.underlay, self.peers = host, underlay, peers

    def connected(self) -> bool:
        return True  # `mn --wait` would wait for a controller

    def start(self, controllers: Any) -> None:
        super().start([])

    @classmethod
    def batchStartup(cls, switches: Sequence[UnderlayBridge], **params: Any) -> Any:  # noqa: N802 (Mininet's name)
        """Mininet starts switches class by class; ours come after the integration bridges."""
        started = super().batchStartup(switches, **params)
        for switch in switches:
            switch.prepare()
        return started

    def prepare(self) -> None:
        """Address the bridge's interface, make the tunnel port on the integration bridge, lead to the peers."""
        bridge, own, tunnel = self.name, self.underlay.own, f"vxlan-{self.host.bridge}"
        self.must(f"ovs-vsctl set Bridge {bridge} other_config:hwaddr={self.underlay.mac}")
        self.must(f"ip addr replace {own}/24 dev {bridge} noprefixroute")
        self.must(f"ip link set {bridge} up")
        options = f"options:remote_ip=flow options:key=flow options:local_ip={own}"
        self.must(f"ovs-vsctl add-port {self.host.bridge} {tunnel} -- set Interface {tunnel} type=vxlan {options}")
        self.must(f"ovs-ofctl -O OpenFlow14 add-flow {bridge} in_port=1,actions=LOCAL")
        for peer in self.peers:
            self.lead_to(peer)

    def must(self, command: str) -> None:
        out, err, code = errRun(command.split())
        if code:
            raise RuntimeError(f"{command}: {err}{out}")

    def lead_to(self, peer: Underlay) -> None:
        """Route a peer's address out of this bridge, and translate addresses on the way (see graph.Underlay)."""
        self.must(f"ovs-appctl ovs/route/add {peer.address}/32 {self.name}")
        self.must(f"ovs-appctl tnl/neigh/set {self.name} {peer.address} {peer.mac}")
        translate = f"set_field:{self.underlay.address}->ip_src,set_field:{peer.own}->ip_dst,output:1"
        flow = f"in_port=LOCAL,ip,nw_dst={peer.address},actions={translate}"
        self.must(f"ovs-ofctl -O OpenFlow14 add-flow {self.name} {flow}")

    @classmethod
    def batchShutdown(cls, switches: Sequence[UnderlayBridge], **params: Any) -> Any:  # noqa: N802 (Mininet's name)
        for switch in switches:
            for peer in switch.peers:
                switch.cmd(f"ovs-appctl ovs/route/del {peer.address}/32")
        return super().batchShutdown(switches, **params)


def topology(graph: Graph) -> type[Topo]:
    """A Topo class of the graph, for `topos = {...}`."""

    class GraphTopo(Topo):  # type: ignore[misc]
        def build(self) -> None:
            for bridge, dpid in graph.switches.items():
                self.addSwitch(bridge, dpid=f"{dpid:016x}")
            for host in graph.hosts:
                _add_underlay(self, graph, host)
            for vm in graph.vms:
                network = graph.network(vm.network)
                prefix = ipaddress.ip_network(network.cidr).prefixlen
                self.addHost(vm.name, cls=VmHost, mac=vm.mac, ip=f"{vm.ip}/{prefix}", network_mtu=network.mtu)
                self.addLink(vm.name, vm.switch, intfName2=vm.interface)
            for integration, provider in graph.patches():
                names = {"intfName1": f"int-{provider}", "intfName2": f"phy-{provider}"}
                self.addLink(integration, provider, cls=OVSLink, **names)
            for one, other in graph.cables:
                self.addLink(one, other, cls=OVSLink)

    return GraphTopo


def _add_underlay(topo: Topo, graph: Graph, host: Host) -> None:
    if host.underlay is None:
        return
    peers = [peer.underlay for peer in graph.hosts if peer is not host and peer.underlay is not None]
    dpid = f"{0xFF00 + graph.hosts.index(host):016x}"
    params = {"dpid": dpid, "host": host, "underlay": host.underlay, "peers": peers}
    topo.addSwitch(host.underlay.bridge, cls=UnderlayBridge, **params)
