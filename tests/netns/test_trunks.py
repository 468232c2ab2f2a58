"""VLANs without a provider bridge of ours: a NIC on br-int, and a patch that the operator made to a bridge of theirs.

The commands are those of the Open vSwitch plugin's page of 2011, as they stand there.
"""

from __future__ import annotations

from tests.netns.cloud import CONFIG, Cloud, identities
from tests.netns.testbed import Hypervisor, wait_until


def literally(host: Hypervisor, command: str) -> None:
    """Carry out a command of the page."""
    program, *words = command.split()
    assert program == "ovs-vsctl"
    host.vsctl(*words)


def add_integration_bridge(host: Hypervisor) -> None:
    literally(host, "ovs-vsctl add-br br-int")
    host.vsctl("set", "Bridge", "br-int", "datapath_type=netdev")  # there is no kernel datapath on the testbed


class Trunks(Cloud):
    """Two hosts: `nic` has its NIC on br-int, `patched` has it on a bridge of its own, br0, that is patched by hand: at
    once where that host maps br0 by its name."""

    def __init__(self, bed, mapped: str = "br-int") -> None:
        self.bed = bed
        self.nic, self.patched = self.hosts = [bed.hypervisor(), bed.hypervisor()]
        self.controller = bed.controller(CONFIG)
        for host in self.hosts:
            host.vsctl("del-br", "br-eth1")
            add_integration_bridge(host)
        literally(self.nic, "ovs-vsctl add-port br-int eth1")
        self.patched.vsctl("add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=netdev")
        self.patched.vsctl("add-port", "br0", "eth1")
        if mapped == "br0":
            self.patch_as_it_was_meant(made=False)
        self.nic.join(bridge_mappings="physnet1:br-int")
        self.patched.join(bridge_mappings=f"physnet1:{mapped}")
        wait_until(lambda: self.connected() == 2, 30, "both integration bridges are programmed")

    def fault(self, host: Hypervisor) -> str:
        return next(known["fault"] for known in self.look("hosts") if known["name"] == host.name)

    def patch_as_the_page_says(self) -> None:
        """The page names the wrong interface in its second command, which so leaves the patch without a second end."""
        both = "-- set Interface patch-outside type=patch"
        literally(self.patched, f"ovs-vsctl add-port br0 patch-outside {both} options:peer=patch-inside")
        literally(self.patched, f"ovs-vsctl add-port br-int patch-inside {both} options:peer=patch-outside")

    def patch_as_it_was_meant(self, made: bool = True) -> None:
        pairs = (("br0", "patch-outside", "patch-inside"), ("br-int", "patch-inside", "patch-outside"))
        for bridge, name, peer in pairs:
            if not made:
                self.patched.vsctl("--no-wait", "add-port", bridge, name)
            literally(self.patched, f"ovs-vsctl set Interface {name} type=patch options:peer={peer}")


def test_vlans_cross_between_a_nic_on_br_int_and_a_patch_of_the_operator(bed):
    cloud = Trunks(bed)
    assert cloud.fault(cloud.nic) == ""
    cloud.patch_as_the_page_says()
    wait_until(lambda: "patch-inside: " in cloud.fault(cloud.patched), 10, "the fault tells which end has no device")
    cloud.patch_as_it_was_meant()
    wait_until(lambda: cloud.fault(cloud.patched) == "", 10, "the patch is found")
    cross(cloud)


def test_a_bridge_that_is_mapped_by_its_own_name_is_reached_by_the_patch_of_the_operator(bed):
    cross(Trunks(bed, "br0"))


def cross(cloud: Trunks) -> None:
    """Packets of a VLAN and a flat network, there and back; and what is the operator's stays so."""
    foreign = identities(cloud.patched, "br0")
    for number, type in enumerate(("vlan", "flat"), 1):
        network = cloud.network(type, f"10.{number}.0.0/24", f"fd00:{number}::/64")
        one, other = (cloud.vm(network, host) for host in cloud.hosts)
        with cloud.nic.capture("eth1", "icmp") as seen:
            for sender, target in ((one, other), (other, one)):
                for address in target.addresses:
                    assert sender.ping(address).ok
        vid = network["provider:segmentation_id"]
        tagged = [f"vlan {vid}" in packet for packet in seen.packets]
        assert tagged and all(tagged if vid else (not one for one in tagged))
    # The operator's bridge is theirs: it has no controller, no flow and no port of ours.
    assert identities(cloud.patched, "br0") == foreign
    assert cloud.patched.vsctl("get-controller", "br0") == ""
    assert set(cloud.patched.vsctl("list-ports", "br0").split()) == {"eth1", "patch-outside"}
    assert [switch["name"] for switch in cloud.look("switches")] == [f"{host.name}/br-int" for host in cloud.hosts]
