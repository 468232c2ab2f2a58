"""Hosts are followed as they join, change and leave; what is not ours on them is never touched."""

from __future__ import annotations

from tests.netns.cloud import CONFIG, Cloud, identities
from tests.netns.testbed import wait_until


def test_joining_touches_nothing_that_is_not_ours(bed):
    host = bed.hypervisor()
    host.ofctl("add-flow", "br-eth1", "cookie=0x77,priority=123,dl_vlan=77,actions=drop")
    host.vsctl("add-br", "br-own", "--", "set", "Bridge", "br-own", "datapath_type=netdev", "fail_mode=standalone")
    before = {bridge: identities(host, bridge) for bridge in ("br-phy", "br-eth1", "br-own")}
    bridges = {name: host.vsctl("list", "Bridge", name) for name in ("br-phy", "br-own")}
    nic = host.vsctl("list", "Port", "eth1")
    controller = bed.controller(CONFIG)
    host.join()
    look = lambda: controller.request("GET", "/patchbay/v1/switches").body  # noqa: E731
    wait_until(lambda: sum(switch["settled"] for switch in look()) == 2, 20, "both bridges are programmed")
    assert identities(host, "br-eth1") >= before["br-eth1"], "flows of others survive that we join"
    assert {bridge: identities(host, bridge) for bridge in ("br-phy", "br-own")} == {
        bridge: before[bridge] for bridge in ("br-phy", "br-own")
    }
    assert {name: host.vsctl("list", "Bridge", name) for name in bridges} == bridges
    assert host.vsctl("list", "Port", "eth1") == nic
    br_int = host.vsctl("--columns=fail_mode,datapath_type,other_config", "list", "Bridge", "br-int")
    assert "secure" in br_int and "netdev" in br_int and 'disable-in-band="true"' in br_int


def test_ovn_names_are_read_too(bed):
    host = bed.hypervisor()
    controller = bed.controller(CONFIG)
    ovn = {"ovn-encap-ip": host.local_ip, "ovn-bridge-mappings": "physnet1:br-eth1"}
    host.join(local_ip="", bridge_mappings="", **ovn)
    hosts = lambda: controller.request("GET", "/patchbay/v1/hosts").body  # noqa: E731
    wait_until(lambda: hosts() and len(hosts()[0]["bridges"]) == 2, 20, "both bridges are known")
    assert (hosts()[0]["local_ip"], hosts()[0]["bridge_mappings"]) == (host.local_ip, {"physnet1": "br-eth1"})


def test_a_changed_tunnel_address_is_followed(bed):
    cloud = Cloud(bed)
    network = cloud.network("vxlan", "10.0.0.0/24")
    one, other = (cloud.vm(network, host) for host in cloud.hosts)
    assert one.ping(other.ip).ok
    moved = cloud.hosts[1]
    old, new = moved.local_ip, bed.underlay_address(99)
    moved.run("ip", "address", "del", f"{old}/24", "dev", "br-phy")
    moved.run("ip", "address", "add", f"{new}/24", "dev", "br-phy")
    cloud.hosts[0].appctl("tnl/neigh/set", "br-phy", new, moved.underlay_mac)
    moved.vsctl("set", "Open_vSwitch", ".", f"external_ids:local_ip={new}")
    wait_until(lambda: not [flow for flow in cloud.hosts[0].flows() if f"{old}->tun_dst" in flow], 10, "peers follow")
    wait_until(lambda: one.ping(other.ip, count=1, timeout=1).ok, 10, "the new address is used")


def test_changed_bridge_mappings_are_followed(bed):
    cloud = Cloud(bed)
    network = cloud.network("vlan", "10.0.0.0/24")
    one, other = (cloud.vm(network, host) for host in cloud.hosts)
    assert one.ping(other.ip).ok
    host = cloud.hosts[0]
    host.vsctl("remove", "Open_vSwitch", ".", "external_ids", "bridge_mappings")
    wait_until(lambda: not [flow for flow in host.flows() if "table=58, priority=100" in flow], 10, "no way out")
    assert one.ping(other.ip, count=2).received == 0
    host.vsctl("set", "Open_vSwitch", ".", "external_ids:bridge_mappings=physnet1:br-eth1")
    wait_until(lambda: one.ping(other.ip, count=1, timeout=1).ok, 10, "the way is back")


def test_a_deleted_integration_bridge_is_made_again(bed):
    cloud = Cloud(bed)
    network = cloud.network("vxlan", "10.0.0.0/24")
    one, other = (cloud.vm(network, host) for host in cloud.hosts)
    assert one.ping(other.ip).ok
    host = cloud.hosts[1]
    host.vsctl("del-br", "br-int")
    wait_until(lambda: "br-int" in host.vsctl("list-br").split(), 10, "br-int is there again")
    ids = [f"external_ids:iface-id={other.port['id']}", f'external_ids:attached-mac="{other.mac}"']
    host.vsctl("add-port", "br-int", other.tap, "--", "set", "Interface", other.tap, *ids)
    wait_until(lambda: one.ping(other.ip, count=1, timeout=1).ok, 15, "the VM is reached again")
    cloud.controller.wait_active(other.port["id"])


def test_a_host_that_leaves_keeps_its_flows_and_comes_back(bed):
    cloud = Cloud(bed)
    network = cloud.network("vxlan", "10.0.0.0/24")
    one, other = (cloud.vm(network, host) for host in cloud.hosts)
    assert one.ping(other.ip).ok
    running = one.start_ping(other.ip)
    host = cloud.hosts[1]
    host.set_link("ctl0", up=False)
    wait_until(lambda: cloud.connected() == 2, 60, "the host is seen to be away")
    late = host.plug(cloud.port(network, host), mtu=network["mtu"])
    assert cloud.controller.get("ports", other.port["id"])["status"] == "ACTIVE"
    host.set_link("ctl0", up=True)
    cloud.controller.wait_active(late.port["id"], timeout=60)
    assert one.ping(late.ip).ok
    ping = running.stop()
    assert (ping.lost, ping.duplicates) == (0, 0)
