"""An address that two guests may have (VRRP, keepalived) follows the one that told of it last."""

from __future__ import annotations

import pytest

from tests.netns.cloud import Cloud
from tests.netns.testbed import Vm, wait_until

VIP = "10.0.0.100"


def take(vm: Vm) -> None:
    vm.run(["ip", "addr", "add", f"{VIP}/32", "dev", "eth0"])


def announce(vm: Vm) -> None:
    """A gratuitous ARP, as keepalived sends it."""
    mac, ip = bytes.fromhex(vm.mac.replace(":", "")), bytes(map(int, VIP.split(".")))
    head = b"\xff" * 6 + mac + b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01"
    vm.send(head + mac + ip + bytes(6) + ip)


def known(vm: Vm) -> str:
    return vm.run(["ip", "neigh", "show", VIP]).stdout


@pytest.mark.parametrize("type", ["vxlan", "vlan"])
def test_a_shared_address_is_answered_for_its_holder_and_moves_with_a_gratuitous_arp(bed, type):
    cloud = Cloud(bed)
    network = cloud.network(type, "10.0.0.0/24")
    pairs = {"allowed_address_pairs": [{"ip_address": VIP}]}
    one, other = (cloud.vm(network, host, **pairs) for host in cloud.hosts)
    client = cloud.vm(network, cloud.hosts[0])
    take(one)
    announce(one)
    wait_until(lambda: any(f"arp_spa={VIP}" in f and "idle" in f for f in cloud.hosts[0].flows()), 5, "the holder")
    with other.capture("arp") as asked:
        assert client.ping(VIP).ok
    assert one.mac in known(client)
    assert not [line for line in asked.packets if f"who-has {VIP} tell {client.ip}" in line]

    # It moves: who knows it learns from the announcement itself, and who asks afterwards from the model.
    one.run(["ip", "addr", "del", f"{VIP}/32", "dev", "eth0"])
    take(other)
    announce(other)
    wait_until(lambda: other.mac in known(client), 5, "the announcement is heard")
    assert client.ping(VIP).ok
    client.run(["ip", "neigh", "flush", "all"])
    assert client.ping(VIP).ok
    assert other.mac in known(client)
    cloud.controller.kill9()
    cloud.controller.start()
    cloud.wait_programmed(30)
    client.run(["ip", "neigh", "flush", "all"])
    assert client.ping(VIP).ok
    assert other.mac in known(client)
