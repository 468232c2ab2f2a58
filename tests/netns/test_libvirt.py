"""A plain KVM host: libvirt plugs VIFs by `<virtualport type='openvswitch'>`, under names of its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.netns.cloud import Cloud
from tests.netns.testbed import Hypervisor, Vm, wait_until

VM = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"


def start(host: Hypervisor, name: str, port: dict[str, Any], mtu: int, **ids: str) -> Vm:
    """A guest's interface is there, and libvirt gives it to Open vSwitch: one ovs-vsctl, with these external_ids."""
    vm = Vm(host.bed.next_vm(), host.namespace, port, host.directory)
    vm.tap = name
    vm.boot(mtu, {4: 24, 6: 64}, ())
    words = ["--", "--may-exist", "add-port", "br-int", name]
    for key, value in ids.items():
        words += ["--", "set", "Interface", name, f'external_ids:{key.replace("_", "-")}="{value}"']
    host.vsctl(*words)
    host.vms.append(vm)
    return vm


@pytest.mark.parametrize("vm_key", ["vm_id", "vm_uuid"])  # libvirt's own, and that of Nova's os-vif
def test_a_guest_of_libvirt_is_wired_while_it_runs(bed, vm_key):
    cloud = Cloud(bed)
    network = cloud.network("vxlan", "10.0.0.0/24", "fd00::/64")
    ports = [cloud.port(network) for _ in cloud.hosts]
    vms = []
    for host, port in zip(cloud.hosts, ports, strict=True):
        ids = {"attached_mac": port["mac_address"], "iface_id": port["id"], vm_key: VM, "iface_status": "active"}
        vms.append(start(host, "vnet0", port, network["mtu"], **ids))
        cloud.controller.wait_active(port["id"])
    for address in vms[1].addresses:
        assert vms[0].ping(address).ok
    shown = {port["id"]: (port["host"], port["interface"]) for port in cloud.look("ports")}
    assert shown == {port["id"]: (host.name, "vnet0") for host, port in zip(cloud.hosts, ports, strict=True)}
    cloud.hosts[1].vsctl("--", "--if-exists", "del-port", "vnet0")  # the guest ends
    wait_until(lambda: cloud.controller.get("ports", ports[1]["id"])["status"] == "DOWN", 10, "the port is DOWN")


def test_a_guest_that_names_no_port_is_wired_to_nothing(bed):
    """Without an interfaceid libvirt makes one up."""
    cloud = Cloud(bed)
    network = cloud.network("vxlan", "10.0.0.0/24")
    peer, port = cloud.vm(network, cloud.hosts[0]), cloud.port(network)
    ids = {"attached_mac": port["mac_address"], "iface_id": VM, "iface_status": "active"}
    stranger = start(cloud.hosts[0], "vnet0", port, network["mtu"], **ids)
    assert stranger.ping(peer.ip, count=2, timeout=1).received == 0
    assert cloud.controller.get("ports", port["id"])["status"] == "DOWN"
    cloud.hosts[0].vsctl("set", "Interface", "vnet0", f"external_ids:iface-id={port['id']}")
    cloud.controller.wait_active(port["id"])
    assert stranger.ping(peer.ip).ok
