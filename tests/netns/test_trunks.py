"""VLANs without a provider bridge of ours: a NIC on br-int, and a patch that the operator made to a bridge of theirs.

The commands are those of the Open vSwitch plugin's README of 2011, "Using the OVS plugin in multiple hosts", as they
stand there; test_seed_quantum_plugin.py has those of the later page, and what is around both.
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


class Bonded(Cloud):
    """Two hosts, the first with two NICs on the one physical network, which are a bond of Open vSwitch on br-int."""

    BOND = ("bond0", "eth1", "eth2", "bond_mode=active-backup")

    def __init__(self, bed) -> None:
        self.bed = bed
        self.bonded, self.other = self.hosts = [bed.hypervisor(), bed.hypervisor()]
        bed._cable(self.bonded, "eth2", "trunk-physnet1")
        self.controller = bed.controller(CONFIG)
        self.bonded.vsctl("del-br", "br-eth1")
        add_integration_bridge(self.bonded)
        self.bonded.vsctl("add-bond", "br-int", *self.BOND)
        self.bonded.join(bridge_mappings="physnet1:br-int")
        self.other.join()
        wait_until(lambda: self.connected() == 3, 30, "both integration bridges and br-eth1 are programmed")

    @property
    def fault(self) -> str:
        return next(known["fault"] for known in self.look("hosts") if known["name"] == self.bonded.name)

    def both_carry(self) -> bool:
        return self.bonded.appctl("bond/show", "bond0").count(": enabled") == 2

    def move(self) -> None:
        """As the fault says: the bond goes to a bridge of its own, which is mapped."""
        made = ("add-br", "br-eth1", "--", "set", "Bridge", "br-eth1", "datapath_type=netdev")
        self.bonded.vsctl("del-port", "br-int", "bond0", "--", *made, "--", "add-bond", "br-eth1", *self.BOND)
        self.bonded.describe(bridge_mappings="physnet1:br-eth1")


def test_a_bond_of_open_vswitch_is_a_fault_on_br_int_and_carries_on_a_bridge_of_its_own(bed):
    cloud = Bonded(bed)
    told = "bond0 is a bond of Open vSwitch, of eth1, eth2, and OpenFlow can't balance over its NICs"
    assert told in cloud.fault
    cloud.bonded.describe(bridge_mappings="physnet1:br-int:bond0")
    wait_until(lambda: cloud.fault.startswith(f"physnet1:br-int:bond0: {told}"), 10, "the bond is told by its name")
    cloud.move()
    wait_until(lambda: cloud.fault == "" and cloud.connected() == 4, 30, "the bond's bridge is programmed")
    network = cloud.network("vlan", "10.1.0.0/24")
    one, other = (cloud.vm(network, host) for host in cloud.hosts)
    assert one.ping(other.addresses[0]).ok
    for nic in ("eth1", "eth2"):
        cloud.bonded.set_link(nic, up=False)
        wait_until(lambda: one.ping(other.addresses[0]).ok, 10, f"the bond carries without {nic}")
        assert other.ping(one.addresses[0]).ok
        cloud.bonded.set_link(nic, up=True)
        wait_until(cloud.both_carry, 10, f"{nic} is back")
