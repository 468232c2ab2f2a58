"""Packets reach their destination on every type of network, over both underlays, however the hosts joined."""

from __future__ import annotations

import pytest

from tests.netns.cloud import CONFIG, TYPES, Cloud
from tests.netns.testbed import wait_until


def cross(cloud: Cloud, types: tuple[str, ...]) -> None:
    """For each type: a network, a VM on each host, pings across in both directions, IPv4 and IPv6."""
    for number, type in enumerate(types, 1):
        network = cloud.network(type, f"10.{number}.0.0/24", f"fd00:{number}::/64")
        vms = [cloud.vm(network, host) for host in cloud.hosts]
        for one, other in ((vms[0], vms[1]), (vms[1], vms[0])):
            for address in other.addresses:
                ping = one.ping(address)
                assert ping.ok, f"{type} {one.ip} -> {address}: {ping.output}"


def shown_tags(host) -> list[str]:
    return host.vsctl("--columns=tag", "--format=csv", "--no-headings", "find", "Port", "tag>0").split()


def test_every_type_carries_packets_between_hosts_that_joined_by_manager(bed):
    cloud = Cloud(bed)
    cross(cloud, TYPES)
    host = cloud.hosts[0]
    assert {"pb-vxlan", "pb-gre", "pb-geneve", "int-br-eth1"} <= set(host.vsctl("list-ports", "br-int").split())
    wait_until(lambda: len(shown_tags(host)) >= len(TYPES), 10, "the tags are shown")
    assert len(shown_tags(host)) == len(set(shown_tags(host))) == len(TYPES)
    assert set(host.vsctl("list-ports", "br-eth1").split()) == {"eth1", "phy-br-eth1"}


def test_an_operator_sees_the_vlan_being_rewritten(bed):
    cloud = Cloud(bed)
    network = cloud.network("vlan", "10.0.0.0/24", **{"provider:segmentation_id": 1000})
    vm = cloud.vm(network, cloud.hosts[0])
    wait_until(lambda: cloud.hosts[0].vsctl("get", "Port", vm.tap, "tag").strip() != "[]", 5, "the tag is shown")
    tag = cloud.hosts[0].vsctl("get", "Port", vm.tap, "tag").strip()
    inward = [flow for flow in cloud.hosts[0].flows("br-int") if "dl_vlan=1000" in flow]
    outward = [flow for flow in cloud.hosts[0].flows("br-eth1") if f"dl_vlan={tag}" in flow]
    assert len(inward) == 1 and f"set_field:{4096 + int(tag)}->vlan_vid" in inward[0]
    assert len(outward) == 1 and "set_field:5096->vlan_vid,NORMAL" in outward[0]
    assert not [flow for flow in cloud.hosts[0].flows("br-int") if "NORMAL" in flow]


def test_tunnels_run_over_ipv6(bed6):
    cross(Cloud(bed6), ("vxlan", "gre", "geneve"))


def test_every_type_carries_packets_between_hosts_that_only_set_the_controller(bed):
    cloud = Cloud(bed, join="join_by_controller", config=CONFIG)
    cross(cloud, TYPES)
    assert {(host["name"], host["joined_by"]) for host in cloud.look("hosts")} == {
        ("hv1", "controller"),
        ("hv2", "controller"),
    }
    assert set(cloud.hosts[0].vsctl("list-ports", "br-eth1").split()) == {"eth1", "phy-br-eth1"}


def test_bridges_that_connect_from_one_address_are_one_host(bed):
    config = {"ovs": {**CONFIG["ovs"], "bridge_mappings": "physnet1:br-eth1"}}
    cloud = Cloud(bed, join="join_by_controller", config=config, sections=False)
    cross(cloud, ("vlan", "flat"))
    hosts = cloud.look("hosts")
    assert [host["name"] for host in hosts] == [host.control_ip for host in cloud.hosts]
    assert {bridge["role"] for host in hosts for bridge in host["bridges"]} == {"INT", "ETH"}


@pytest.mark.parametrize("type", ["vxlan", "vlan"])
def test_proactive_mode_has_all_flows_before_the_first_packet(bed, type):
    config = {"ovs": {"network_vlan_ranges": "physnet1:1000:1999", "mode": "proactive"}}
    cloud = Cloud(bed, config=config)
    network = cloud.network(type, "10.0.0.0/24", "fd00::/64")
    one, other = (cloud.vm(network, host) for host in cloud.hosts)
    for vm in (one, other):
        wait_until(lambda vm=vm: len([f for h in cloud.hosts for f in h.flows() if f"arp_tpa={vm.ip}," in f]) >= 2)
    with other.capture("arp or icmp6 and ip6[40] == 135") as seen:
        assert one.ping(other.ip).ok and one.ping(other.addresses[1]).ok
    asked = [line for line in seen.packets if f"who-has {other.ip} " in line]
    assert not asked, "the ARP request was answered on the spot and never reached the other VM"
    flows = [flow for host in cloud.hosts for flow in host.flows()]
    punted = [flow for flow in flows if "CONTROLLER" in flow]
    asked = ("tp_dst=67", "tp_dst=547", "nd_reserved=")
    assert all(any(word in flow for word in asked) for flow in punted), "only DHCP is asked of the controller"
    assert not [flow for flow in flows if "idle_timeout" in flow]
