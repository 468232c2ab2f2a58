"""One XenServer box with two L2 domains: dom0's xapi1, where guests' VIFs are, and domU's br-int, with router and DHCP.

Both domains have their own Open vSwitch and are joined to physnet1 over one wire.  Nothing of ours runs in dom0.

It is the installation of "Quantum with XenServer": what that post looks at with its commands, in its order, is
test_what_the_post_looks_at.
"""

from __future__ import annotations

import re
import shutil
from typing import Any

import pytest

from tests.netns.cloud import CONFIG, Cloud
from tests.netns.dhcp import udhcpc
from tests.netns.testbed import Hypervisor, Vm, wait_until

PHYSNET = "xapi0"
"""dom0's bridge of the network that the two domains share."""
INTEGRATION = "xapi1"
"""dom0's bridge that guests are plugged into; XAPI chooses the names."""
DEAD = 4095
BROADCAST = "ff" * 6
PRIVATE = {
    "provider:network_type": "vlan",
    "provider:physical_network": "physnet1",
    "provider:segmentation_id": 1000,
    "router:external": False,
}


class Box(Cloud):
    """`dom0` and `dom_u` are one machine; each joined as a host of its own."""

    def __init__(self, bed) -> None:
        self.bed = bed
        self.hosts = [bed.hypervisor("dom0"), bed.hypervisor("domu")]
        self.dom0, self.dom_u = self.hosts
        self.controller = bed.controller(CONFIG)
        self._domid = 0
        self.dom0.vsctl("del-br", "br-eth1")
        for bridge in (PHYSNET, INTEGRATION):
            self.dom0.vsctl("add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type=netdev")
        self.dom0.vsctl("add-port", PHYSNET, "eth1")
        self.dead = self.start_guest({"id": "d" * 36, "mac_address": "fa:16:3e:00:0d:ed"}, tag=DEAD)
        self.dom0.join(bridge_mappings=f"physnet1:{PHYSNET}", integration_bridge=INTEGRATION, local_ip="")
        self.dom_u.join(local_ip="")
        wait_until(lambda: self.connected() == 4, 30, "all four bridges are programmed")

    def start_guest(self, port: dict[str, Any], tag: int = 0, **ids: str) -> Vm:
        """A guest of dom0 starts: its VIF is called by the number of its domain, and described as XAPI does it."""
        self._domid += 1
        vm = Vm(self.bed.next_vm(), self.dom0.namespace, port, self.dom0.directory)
        vm.tap = f"vif{self._domid}.0"
        vm.boot(1500, {4: 24, 6: 64}, ())
        own = f"{self._domid:08}-aaaa-4bbb-8ccc-dddddddddddd"
        told = {"xs-vif-uuid": own, "xs-vm-uuid": own, "attached-mac": port["mac_address"]}
        told |= {name.replace("_", "-"): value for name, value in ids.items()}
        words = [f'external_ids:{name}="{value}"' for name, value in told.items()]
        tags = ["--", "set", "Port", vm.tap, f"tag={tag}"] if tag else []
        self.dom0.vsctl("add-port", INTEGRATION, vm.tap, *tags, "--", "set", "Interface", vm.tap, *words)
        self.dom0.vms.append(vm)
        return vm

    def guest(self, network: dict[str, Any]) -> Vm:
        """A guest that the cloud made: XAPI has the port's id in the VIF's other-config, and tells it as iface-id."""
        port = self.port(network, self.dom0)
        vm = self.start_guest(port, iface_id=port["id"])
        self.controller.wait_active(port["id"])
        return vm

    def private(self, vlan: int) -> dict[str, Any]:
        return self.network("vlan", "10.0.0.0/24", "fd00::/64", **{"provider:segmentation_id": vlan})

    def shown_tag(self, host: Hypervisor, vm: Vm) -> int:
        """The local VLAN that `ovs-vsctl show` tells for a VIF, once it does."""
        wait_until(lambda: host.vsctl("get", "Port", vm.tap, "tag").strip() != "[]", 10, "the tag is shown")
        return int(host.vsctl("get", "Port", vm.tap, "tag"))


@pytest.fixture
def box(bed):
    return Box(bed)


def test_two_domains_meet_on_vlan_1000_with_local_vlans_of_their_own(box):
    # A network that only dom0 has, so that the private one has another local VLAN there.
    box.guest(box.private(1005))
    network = box.private(1000)
    guest, router = box.guest(network), box.vm(network, box.dom_u)
    with box.dom0.capture("eth1", "icmp or vlan") as wire:
        for one, other in ((guest, router), (router, guest)):
            for address in other.addresses:
                ping = one.ping(address)
                assert ping.ok, ping.output
    carried = [packet for packet in wire.packets if "ICMP echo request" in packet]
    assert carried and all("vlan 1000," in packet for packet in carried)
    tags = box.shown_tag(box.dom0, guest), box.shown_tag(box.dom_u, router)
    assert len(set(tags)) == 2
    for host, bridge, tag in ((box.dom0, INTEGRATION, tags[0]), (box.dom_u, "br-int", tags[1])):
        (inward,) = [flow for flow in host.flows(bridge) if "dl_vlan=1000" in flow]
        assert f"set_field:{4096 + tag}->vlan_vid" in inward
    bridges = {host["name"]: {b["name"]: b["role"] for b in host["bridges"]} for host in box.look("hosts")}
    assert bridges == {
        "dom0": {PHYSNET: "ETH", INTEGRATION: "INT"},
        "domu": {"br-eth1": "ETH", "br-int": "INT"},
    }
    assert box.controller.get("ports", guest.port["id"])["binding:vif_details"]["bridge_name"] == INTEGRATION


@pytest.mark.skipif(not shutil.which("udhcpc"), reason="needs udhcpc (make setup)")
def test_what_the_post_looks_at(box):
    """`net-list`, `net-show`; `ovs-vsctl show` in domU and dom0; `ovs-ofctl show` and `dump-flows` of domU's br-int."""
    flat = {"provider:network_type": "flat", "provider:physical_network": "physnet1", "router:external": True}
    box.controller.post("networks", name="public", **flat)
    private = box.controller.post("networks", name="private", **{**flat, **PRIVATE})
    box.controller.post("subnets", network_id=private["id"], cidr="10.0.0.0/24", ip_version=4)
    router = box.vm(private, box.dom_u)
    listed = {network["name"]: network for network in box.controller.get("networks")}
    assert set(listed) == {"public", "private"}
    shown = box.controller.get("networks", listed["private"]["id"])
    assert {name: shown[name] for name in PRIVATE} == PRIVATE
    tag = box.shown_tag(box.dom_u, router)
    assert {"Bridge br-int", "Port int-br-eth1", f"Port {router.tap}", f"tag: {tag}"} <= lines_of(box.dom_u, "show")
    assert {f"Bridge {INTEGRATION}", f"Port int-{PHYSNET}", f"tag: {DEAD}"} <= lines_of(box.dom0, "show")
    (uplink,) = re.findall(r"^ (\d+)\(int-br-eth1\): addr:", box.dom_u.ofctl("show", "br-int"), re.MULTILINE)
    (inward,) = [flow for flow in box.dom_u.flows() if "dl_vlan=1000" in flow]
    assert f"in_port={uplink}," in inward and f"set_field:{4096 + tag}->vlan_vid" in inward
    # A tenant's VM starts in dom0: it gets its address, and reaches what is in domU.
    port = box.port(private, box.dom0)
    vm = box.start_guest(port | {"fixed_ips": []}, iface_id=port["id"])
    box.controller.wait_active(port["id"])
    assert udhcpc(vm, box.dom0).wait("bound")["ip"] == port["fixed_ips"][0]["ip_address"]
    assert vm.ping(router.ip).ok


def lines_of(host: Hypervisor, *command: str) -> set[str]:
    """What ovs-vsctl prints, without indentation and quotes."""
    return {line.strip().replace('"', "") for line in host.vsctl(*command).splitlines()}


def test_twin_networks_in_both_domains_never_meet(box):
    networks = [box.private(vlan) for vlan in (1000, 1001)]
    (guest, router), (other_guest, other_router) = ((box.guest(n), box.vm(n, box.dom_u)) for n in networks)
    assert guest.ping(router.ip).ok and other_guest.ping(other_router.ip).ok
    with other_guest.capture("arp") as near, other_router.capture("arp") as far, router.capture("arp") as mine:
        for _ in range(3):
            guest.send(_question(guest), count=1)
        assert other_guest.ping(other_router.ip).ok
    assert len([packet for packet in mine.packets if guest.mac in packet]) == 3
    assert not [packet for packet in near.packets + far.packets if guest.mac in packet]


def _question(vm: Vm) -> bytes:
    """An ARP request for an address that nobody has."""
    mac, ip = vm.mac.replace(":", ""), bytes(map(int, vm.ip.split("."))).hex()
    return bytes.fromhex(f"{BROADCAST}{mac}0806" + f"0001080006040001{mac}{ip}" + "00" * 6 + "0a0000fe")


def test_a_dead_vif_is_left_alone(box):
    guest = box.guest(box.private(1000))
    told = box.dom0.vsctl("--columns=tag,external_ids,other_config", "list", "Port", box.dead.tap)
    with guest.capture("ether proto 0x88b5") as seen, box.dom0.capture("eth1", "ether proto 0x88b5 or vlan") as wire:
        frame = BROADCAST + box.dead.mac.replace(":", "") + "88b5" + "00" * 46
        box.dead.send(bytes.fromhex(frame), count=3)
        assert box.shown_tag(box.dom0, guest) != DEAD  # by then everything that is written to dom0's OVSDB is
    assert not [packet for packet in seen.packets + wire.packets if box.dead.mac in packet]
    with box.dead.capture("arp") as heard, box.dom0.capture("eth1", "arp or vlan") as wire:
        guest.send(_question(guest), count=3)
    assert len([packet for packet in wire.packets if "who-has 10.0.0.254" in packet]) == 3
    assert not heard.packets
    assert box.shown_tag(box.dom0, box.dead) == DEAD
    assert box.dom0.vsctl("--columns=tag,external_ids,other_config", "list", "Port", box.dead.tap) == told
    number = box.dom0.ofport(box.dead.tap)
    assert not [flow for flow in box.dom0.flows(INTEGRATION) if f"in_port={number}," in flow]
    assert not [flow for flow in box.dom0.flows(INTEGRATION) if f"output:{number}" in flow.split("actions=")[1]]


def test_a_vif_without_a_cloud_is_known_by_the_id_that_xapi_gave_it(box):
    """The port says which VIF it is for; XAPI's id stays when the VM starts again, as a VIF of another name."""
    network = box.private(1000)
    router = box.vm(network, box.dom_u)
    uuid = "99999999-aaaa-4bbb-8ccc-dddddddddddd"
    port = box.port(network, box.dom0, **{"binding:profile": {"interface": uuid}})
    for _ in range(2):
        vm = box.start_guest(port, iface_id=uuid, xs_vif_uuid=uuid)
        box.controller.wait_active(port["id"])
        assert vm.ping(router.ip).ok
        box.dom0.unplug(vm)
        wait_until(lambda: box.controller.get("ports", port["id"])["status"] == "DOWN", 10, "the port is DOWN")


def test_what_xapi_does_to_its_bridges_is_mended(box):
    """At a start of the box all bridges go; and a new bridge is made to stand alone, unless XAPI was told otherwise."""
    network = box.private(1000)
    router = box.vm(network, box.dom_u)
    box.dom0.vsctl("set", "Bridge", INTEGRATION, "fail_mode=standalone")
    wait_until(lambda: "secure" in box.dom0.vsctl("get", "Bridge", INTEGRATION, "fail_mode"), 10, "it fails secure")
    box.dom0.vsctl("del-br", INTEGRATION)
    wait_until(lambda: INTEGRATION in box.dom0.vsctl("list-br").split(), 10, "the bridge is there again")
    assert box.guest(network).ping(router.ip).ok
