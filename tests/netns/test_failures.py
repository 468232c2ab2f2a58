"""Restart and failure are invisible to traffic, and what is broken behind our back is mended."""

from __future__ import annotations

import time

import pytest

from tests.netns.cloud import Cloud, identities, youngest
from tests.netns.testbed import wait_until

INTERVAL = 0.02
"""Fifty pings a second."""


@pytest.fixture
def talking(bed):
    """A cloud in which a VLAN and a VXLAN network have pings under way between the hosts."""
    cloud = Cloud(bed)
    pings = []
    for number, type in enumerate(("vlan", "vxlan")):
        network = cloud.network(type, f"10.{number}.0.0/24")
        one, other = (cloud.vm(network, host) for host in cloud.hosts)
        assert one.ping(other.ip).ok
        pings.append(one.start_ping(other.ip, INTERVAL))
    for ping in pings:
        ping.wait_for_replies(10)
    cloud.pings = pings
    return cloud


def finish(cloud: Cloud, least: int) -> None:
    """Stop the pings: none was lost or doubled, and there were as many as there should be."""
    for running in cloud.pings:
        ping = running.stop()
        assert (ping.lost, ping.duplicates) == (0, 0), ping.output[-500:]
        assert ping.sent >= least


def ours(host, bridge: str) -> set[str]:
    return {identity for identity in identities(host, bridge) if identity.startswith("cookie=0x9b")}


def test_kill_9_and_a_new_start_lose_no_packet_and_write_no_flow(talking):
    bridges = [(host, bridge) for host in talking.hosts for bridge in ("br-int", "br-eth1")]
    before = [identities(host, bridge) for host, bridge in bridges]
    talking.controller.kill9()
    time.sleep(3)
    killed = time.monotonic()
    talking.controller.start()
    talking.wait_programmed(30)
    time.sleep(2)
    assert [identities(host, bridge) for host, bridge in bridges] == before
    for host, bridge in bridges:
        assert youngest(host, bridge) > time.monotonic() - killed, f"{host.name} {bridge}: a flow was written"
    assert {port["status"] for port in talking.controller.get("ports")} == {"ACTIVE"}
    finish(talking, least=200)


def test_new_destinations_are_reached_while_no_controller_is_there(bed):
    cloud = Cloud(bed)
    network = cloud.network("vxlan", "10.9.0.0/24", "fd00::/64")
    one, other = (cloud.vm(network, host) for host in cloud.hosts)
    cloud.controller.kill9()
    assert one.ping(other.ip, count=5).ok and one.ping(other.addresses[1], count=5).ok


def test_deleted_and_changed_flows_come_back(talking):
    host = talking.hosts[0]
    before = {bridge: ours(host, bridge) for bridge in ("br-int", "br-eth1")}
    for bridge in before:
        host.ofctl("del-flows", bridge)
        wait_until(lambda bridge=bridge: identities(host, bridge) >= before[bridge], 5, f"{bridge} is whole again")
    assert all(port["status"] == "ACTIVE" for port in talking.controller.get("ports"))
    changed = "table=56,priority=50,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"
    host.ofctl("--strict", "mod-flows", "br-int", f"{changed},actions=drop")
    wait_until(lambda: not [f for f in host.flows() if "table=56," in f and "priority=50" in f and "drop" in f])
    host.ofctl("add-flow", "br-int", "table=0,priority=65000,actions=drop")
    wait_until(lambda: identities(host) == before["br-int"], 5, "the foreign flow is gone")
    for ping in talking.pings:
        ping.stop()
    one = host.vms[0]
    assert one.ping(talking.hosts[1].vms[0].ip).ok


def test_flows_changed_while_no_controller_was_there_are_mended(talking):
    host = talking.hosts[0]
    for ping in talking.pings:
        ping.stop()
    before = host.flows()
    talking.controller.kill9()
    changed = "table=56,priority=50,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"
    host.ofctl("--strict", "mod-flows", "br-int", f"{changed},actions=drop")
    host.ofctl("del-flows", "br-int", "table=57")
    host.ofctl("add-flow", "br-int", "table=0,priority=65000,actions=drop")
    assert host.flows() != before
    talking.controller.start()
    talking.wait_programmed(30)
    wait_until(lambda: set(host.flows()) == set(before), 5, "the bridge is as it was")


def test_somebody_elses_flows_on_a_provider_bridge_stay(talking):
    host = talking.hosts[0]
    host.ofctl("add-flow", "br-eth1", "cookie=0x77,priority=123,dl_vlan=77,actions=drop")
    time.sleep(1)
    before = identities(host, "br-eth1")
    talking.controller.kill9()
    talking.controller.start()
    talking.wait_programmed(30)
    assert identities(host, "br-eth1") == before and "cookie=0x77" in before
    finish(talking, least=50)


def test_a_restarted_vswitchd_is_made_whole(talking):
    host = talking.hosts[1]
    before = ours(host, "br-eth1")
    for ping in talking.pings:
        ping.stop()
    host.restart_vswitchd()
    wait_until(lambda: ours(host, "br-eth1") >= before, 20, "br-eth1 is whole again")
    for vm in talking.hosts[0].vms:
        peer = next(p for p in host.vms if p.port["network_id"] == vm.port["network_id"])
        wait_until(lambda vm=vm, peer=peer: vm.ping(peer.ip, count=1, timeout=1).ok, 15, f"{vm.ip} reaches {peer.ip}")


def test_a_port_is_down_when_its_vif_goes_and_leaves_no_flow(bed):
    cloud = Cloud(bed)
    for host in cloud.hosts:
        wait_until(
            lambda h=host: "pb-vxlan" in h.vsctl("list-ports", "br-int").split(), 5, f"{host.name} has its tunnel"
        )
    empty = {(host, bridge): identities(host, bridge) for host in cloud.hosts for bridge in ("br-int", "br-eth1")}
    network = cloud.network("vxlan", "10.0.0.0/24", "fd00::/64")
    one, other = (cloud.vm(network, host) for host in cloud.hosts)
    assert one.ping(other.ip).ok and one.ping(other.addresses[1]).ok
    cloud.hosts[1].unplug(other)
    cloud.controller.wait_active(other.port["id"], status="DOWN")
    cloud.hosts[0].unplug(one)
    cloud.controller.wait_active(one.port["id"], status="DOWN")
    for vm in (one, other):
        cloud.controller.delete("ports", vm.port["id"])
    cloud.controller.delete("networks", network["id"])
    for (host, bridge), flows in empty.items():
        wait_until(lambda h=host, b=bridge, f=flows: identities(h, b) == f, 5, f"{host.name} {bridge}: nothing is left")
        assert [p for p in host.vsctl("list-ports", "br-int").split() if p.startswith("pb-")] == ["pb-vxlan"]
