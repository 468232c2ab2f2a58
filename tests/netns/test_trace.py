"""`patchbay trace` foretells what a packet does: the bridges and ports of the way, and on each the very flows.

The ways are those of "Open vSwitch in OpenStack": VM01 to VM02 on its own host, over br-int alone, and VM01 to VM05 on
another one, by br-int, int-br-ethX and phy-br-ethX, br-ethX and ethX, and back up; VMs stand behind Linux bridges
(qbr) there, as Nova's hybrid plugging has them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from demo.testbed.served import PROJECT
from demo.trace import parse
from tests.netns.cloud import Cloud
from tests.netns.testbed import Hypervisor, Testbed, Vm


def behind_qbr(cloud: Cloud, host: Hypervisor, network: dict[str, Any]) -> Vm:
    """A VM on a Linux bridge of its own, which a veth pair joins to br-int; its port is the pair's end there."""
    port = cloud.port(network, host)
    vm = Vm(cloud.bed.next_vm(), host.namespace, port, host.directory)
    vm.boot(network["mtu"], {4: 24, 6: 64}, ())
    short = port["id"][:8]
    bridge, near, far = (f"{kind}{short}" for kind in ("qbr", "qvb", "qvo"))
    for command in (
        f"link add {bridge} type bridge forward_delay 0 mcast_snooping 0",
        f"link add {near} type veth peer name {far}",
        f"link set {vm.tap} master {bridge}",
        f"link set {near} master {bridge}",
        *(f"link set {name} up" for name in (bridge, near, far)),
    ):
        host.run("ip", *command.split())
    ids = {"iface-id": port["id"], "attached-mac": port["mac_address"], "iface-status": "active"}
    settings = [f'external_ids:{key}="{value}"' for key, value in ids.items()]
    host.vsctl("add-port", "br-int", far, "--", "set", "Interface", far, *settings)
    host.vms.append(vm)
    vm.tap = far
    cloud.controller.wait_active(port["id"])
    return vm


def way(bed: Testbed, one: Vm, other: Vm) -> list[tuple[str, str, str]]:
    """Switch, port in and port out of each hop that `patchbay trace` tells."""
    url = f"http://{bed.controller_ip}:9696"
    command = [sys.executable, "-m", "controller", "trace", "--url", url, "--json", one.port["id"], other.port["id"]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT)
    return [(hop["switch"], hop["in_port"], hop["out_port"]) for hop in json.loads(done.stdout)["hops"]]


def test_the_ways_of_vms_behind_linux_bridges(bed):
    cloud = Cloud(bed)
    network = cloud.network("vlan", "10.0.0.0/24")
    vm01, vm02, vm05 = (behind_qbr(cloud, host, network) for host in (cloud.hosts[0], *cloud.hosts))
    for one, other in ((vm01, vm02), (vm01, vm05), (vm05, vm02)):
        assert one.ping(other.ip).ok
    assert way(bed, vm01, vm02) == [("hv1/br-int", vm01.tap, vm02.tap)]
    assert way(bed, vm01, vm05) == [
        ("hv1/br-int", vm01.tap, "int-br-eth1"),
        ("hv1/br-eth1", "phy-br-eth1", "eth1"),
        ("hv2/br-eth1", "eth1", "phy-br-eth1"),
        ("hv2/br-int", "int-br-eth1", vm05.tap),
    ]


def test_the_way_of_a_vlan_from_vm_to_vm_is_shown_hop_by_hop(bed):
    cloud = Cloud(bed)
    # Open vSwitch's own trace asks no connection tracker, so there is nothing to compare where rules need one.
    more = {"provider:segmentation_id": 1005, "port_security_enabled": False}
    network = cloud.network("vlan", "10.0.0.0/24", **more)
    one, other = (cloud.vm(network, host) for host in cloud.hosts)
    assert one.ping(other.ip).ok
    url = f"http://{bed.controller_ip}:9696"
    command = [sys.executable, "-m", "controller", "trace", "--url", url, "--json", one.port["id"], other.port["id"]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT)
    found = json.loads(done.stdout)
    assert [(hop["switch"], hop["in_port"], hop["out_port"]) for hop in found["hops"]] == [
        ("hv1/br-int", one.tap, "int-br-eth1"),
        ("hv1/br-eth1", "phy-br-eth1", "eth1"),
        ("hv2/br-eth1", "eth1", "phy-br-eth1"),
        ("hv2/br-int", "int-br-eth1", other.tap),
    ]
    assert [hop["arrives"] for hop in found["hops"]][2] == found["hops"][1]["leaves"] == "VLAN 1005"
    header = f"icmp,dl_src={one.mac},dl_dst={other.mac},nw_src={one.ip},nw_dst={other.ip},nw_ttl=64,icmp_type=8"
    real = [
        parse(cloud.hosts[0].appctl("ofproto/trace", "br-int", f"in_port={one.tap},{header}")),
        parse(cloud.hosts[1].appctl("ofproto/trace", "br-eth1", f"in_port=eth1,dl_vlan=1005,{header}")),
    ]
    met = [(hop.bridge, hop.cookie) for trace in real for hop in trace.hops if hop.cookie]
    lookups = [(hop["switch"].split("/")[1], at["cookie"]) for hop in found["hops"] for at in hop["lookups"]]
    told = [(bridge, int(cookie, 16)) for bridge, cookie in lookups if cookie]
    assert sorted(told) == sorted(met)


def test_a_packet_that_does_not_arrive_ends_with_the_table_that_drops_it(bed):
    cloud = Cloud(bed)
    one, other = (cloud.vm(cloud.network("vlan", "10.0.0.0/24"), host) for host in cloud.hosts)
    command = [sys.executable, "-m", "controller", "trace", "--url", f"http://{bed.controller_ip}:9696"]
    done = subprocess.run([*command, one.port["id"], other.port["id"]], capture_output=True, text=True, cwd=PROJECT)
    assert done.returncode == 1
    words = "not delivered: hv2/br-int, table provider_in: no flow matches; the ports are in networks "
    assert done.stdout.splitlines()[-1].startswith(words)
