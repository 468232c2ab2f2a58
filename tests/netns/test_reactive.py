"""Reactive flows with a local fallback: the first packet is neither lost nor doubled, and flows follow what happens."""

from __future__ import annotations

import time

from tests.netns.cloud import CONFIG, Cloud
from tests.netns.testbed import wait_until


def exact(host, vm) -> list[str]:
    """The exact flows that a host has towards a VM elsewhere."""
    return [flow for flow in host.flows() if f"dl_dst={vm.mac}" in flow and "tun_dst" in flow]


def test_the_first_packet_arrives_once_and_only_where_it_should(bed):
    cloud = Cloud(bed, hosts=3)
    network = cloud.network("vxlan", "10.0.0.0/24", "fd00::/64")
    one, other, third = (cloud.vm(network, host) for host in cloud.hosts)
    bystander = cloud.vm(network, cloud.hosts[1])
    assert not exact(cloud.hosts[0], other)
    one.run(["ip", "neigh", "add", other.ip, "lladdr", other.mac, "dev", "eth0"])
    with third.capture("icmp") as far, bystander.capture("icmp") as near:
        ping = one.ping(other.ip, count=1)
        assert ping.ok, ping.output
        wait_until(lambda: exact(cloud.hosts[0], other), 5, "the exact flow is there")
        assert one.ping(other.ip, count=5).ok
    assert not far.packets and not near.packets
    assert "idle_timeout" in exact(cloud.hosts[0], other)[0]


def test_a_known_address_is_answered_from_the_model_and_its_owner_not_asked_again(bed):
    cloud = Cloud(bed)
    for type in ("vxlan", "vlan"):
        network = cloud.network(type, "10.0.0.0/24", "fd00::/64")
        one, other = (cloud.vm(network, host) for host in cloud.hosts)
        assert one.ping(other.ip).ok and one.ping(other.addresses[1]).ok
        wait_until(lambda other=other: [f for f in cloud.hosts[0].flows() if f"nd_target={other.addresses[1]}" in f])
        one.run(["ip", "neigh", "flush", "all"])
        with other.capture("arp or (icmp6 and ip6[40] == 135)") as asked:
            assert one.ping(other.ip).ok and one.ping(other.addresses[1]).ok
        about = [line for line in asked.packets if f"> {one.mac}" not in line and one.mac in line]
        assert not [line for line in about if f"who-has {other.ip}" in line or "neighbor solicitation" in line], about


def test_idle_destinations_leave_the_table_and_come_back(bed):
    cloud = Cloud(bed, config={**CONFIG, "ovs": {**CONFIG["ovs"], "idle_timeout": "2"}})
    network = cloud.network("vxlan", "10.0.0.0/24")
    one, other = (cloud.vm(network, host) for host in cloud.hosts)
    assert one.ping(other.ip).ok
    wait_until(lambda: exact(cloud.hosts[0], other), 5, "the exact flow is there")
    wait_until(lambda: not exact(cloud.hosts[0], other), 20, "the idle flow is gone")
    time.sleep(1)
    assert not exact(cloud.hosts[0], other), "an idle flow that left is not written again"
    assert one.ping(other.ip).ok
    wait_until(lambda: exact(cloud.hosts[0], other), 5, "the exact flow is there again")


def test_a_destination_that_moves_is_followed_at_once(bed):
    cloud = Cloud(bed, hosts=3)
    network = cloud.network("vxlan", "10.0.0.0/24")
    one, other = (cloud.vm(network, host) for host in cloud.hosts[:2])
    assert one.ping(other.ip).ok
    wait_until(lambda: exact(cloud.hosts[0], other), 5, "the exact flow is there")
    cloud.hosts[1].unplug(other)
    cloud.controller.put("ports", other.port["id"], **{"binding:host_id": cloud.hosts[2].name})
    moved = cloud.hosts[2].plug(other.port, mtu=network["mtu"])
    cloud.controller.wait_active(other.port["id"])
    assert one.ping(moved.ip, count=3).ok


def test_the_punted_copies_of_a_port_are_metered(bed):
    cloud = Cloud(bed, config={**CONFIG, "ovs": {**CONFIG["ovs"], "punt_rate": "5"}})
    network = cloud.network("vxlan", "10.0.0.0/24", port_security_enabled=False)
    one, other = (cloud.vm(network, host) for host in cloud.hosts)
    nobody = bytes.fromhex("fa163e0000ff") + bytes.fromhex(one.mac.replace(":", "")) + b"\x88\xb5" + b"." * 46
    one.send(nobody, count=500, interval=0.002)
    stats = cloud.hosts[0].ofctl("meter-stats", "br-int")
    dropped = sum(int(line.split("packet_count:")[1].split()[0]) for line in stats.splitlines() if line[:1].isdigit())
    assert dropped > 400
    assert one.ping(other.ip).ok
