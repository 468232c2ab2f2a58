"""Addresses that two guests may have (VRRP, keepalived) follow the one that told of them last."""

from __future__ import annotations

import pytest
from os_ken.lib.packet import ethernet, icmpv6, ipv6, packet

from tests.netns.cloud import Cloud, identities
from tests.netns.testbed import Hypervisor, Vm, wait_until

VIP, VIP6 = "10.0.0.100", "fd00::100"


def move(old: Vm | None, new: Vm) -> None:
    """The addresses are another guest's, and it says so."""
    for address in (f"{VIP}/32", f"{VIP6}/128"):
        if old is not None:
            old.run(["ip", "addr", "del", address, "dev", "eth0"])
        new.run(["ip", "addr", "add", address, "dev", "eth0"])
    announce(new)


def announce(vm: Vm) -> None:
    """A gratuitous ARP and an unsolicited advertisement, as keepalived sends them."""
    mac, ip = bytes.fromhex(vm.mac.replace(":", "")), bytes(map(int, VIP.split(".")))
    head = b"\xff" * 6 + mac + b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01"
    vm.send(head + mac + ip + bytes(6) + ip)
    told = packet.Packet()
    told.add_protocol(ethernet.ethernet("33:33:00:00:00:01", vm.mac, 0x86DD))
    told.add_protocol(ipv6.ipv6(src=VIP6, dst="ff02::1", nxt=58, hop_limit=255))
    override, option = 1, icmpv6.nd_option_tla(hw_src=vm.mac)
    told.add_protocol(icmpv6.icmpv6(136, 0, 0, icmpv6.nd_neighbor(override, VIP6, option)))
    told.serialize()
    vm.send(bytes(told.data))


def known(vm: Vm) -> list[str]:
    """The MAC addresses that a guest knows for the addresses."""
    lines = [vm.run(["ip", "neigh", "show", address]).stdout.split() for address in (VIP, VIP6)]
    return [line[line.index("lladdr") + 1] for line in lines if "lladdr" in line]


def held(host: Hypervisor) -> list[str]:
    """The flows that say that a guest of a host holds the addresses."""
    flows = [flow for flow in host.flows() if "table=14" in flow and "idle_timeout" in flow]
    return [address for address in (f"arp_spa={VIP}", f"nd_target={VIP6}") if any(address in f for f in flows)]


@pytest.mark.parametrize("type", ["vxlan", "vlan"])
def test_shared_addresses_are_answered_for_with_their_holders_mac_and_move_as_it_says(bed, type):
    cloud = Cloud(bed)
    network = cloud.network(type, "10.0.0.0/24", "fd00::/64")
    pairs = {"allowed_address_pairs": [{"ip_address": VIP}, {"ip_address": VIP6}]}
    one, other = (cloud.vm(network, host, **pairs) for host in cloud.hosts)
    client = cloud.vm(network, cloud.hosts[0])
    move(None, one)
    wait_until(lambda: len(held(cloud.hosts[0])) == 2, 5, "both are held")
    with other.capture("arp or icmp6") as asked:
        assert client.ping(VIP).ok and client.ping(VIP6).ok
    assert known(client) == [one.mac] * 2
    about = [line for line in asked.packets if client.mac in line and (f"who-has {VIP}" in line or VIP6 in line)]
    assert not about

    # They move: who knows them learns from the announcement itself, and who asks afterwards from the model.
    move(one, other)
    wait_until(lambda: known(client) == [other.mac] * 2, 5, "the announcements are heard")
    wait_until(lambda: len(held(cloud.hosts[1])) == 2 and not held(cloud.hosts[0]), 5, "they are held there")
    for _ in range(2):
        client.run(["ip", "neigh", "flush", "all"])
        assert client.ping(VIP).ok and client.ping(VIP6).ok
        assert known(client) == [other.mac] * 2

    before = identities(cloud.hosts[1])
    cloud.controller.kill9()
    cloud.controller.start()
    cloud.wait_programmed(30)
    assert identities(cloud.hosts[1]) == before
    client.run(["ip", "neigh", "flush", "all"])
    assert client.ping(VIP).ok and client.ping(VIP6).ok
    assert known(client) == [other.mac] * 2
