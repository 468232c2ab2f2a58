"""Networks with equal addresses and MACs on the same hosts never see each other's packets."""

from __future__ import annotations

import pytest

from tests.netns.cloud import Cloud

BROADCAST = bytes.fromhex("ffffffffffff")


def frame(destination: bytes, source: str, payload: bytes) -> bytes:
    """An Ethernet frame of an experimental type (IEEE 802, 0x88B5)."""
    return destination + bytes.fromhex(source.replace(":", "")) + bytes.fromhex("88b5") + payload.ljust(46, b".")


@pytest.mark.parametrize("types", [("vxlan", "vxlan"), ("vlan", "flat"), ("vlan", "geneve")])
def test_twin_networks_never_meet(bed, types):
    cloud = Cloud(bed)
    macs = ("fa:16:3e:00:00:01", "fa:16:3e:00:00:02")
    twins = []
    for type in types:
        network = cloud.network(type, "10.0.0.0/24", port_security_enabled=False)
        twins.append([cloud.vm(network, h, mac_address=mac) for h, mac in zip(cloud.hosts, macs, strict=True)])
    (a1, a2), (b1, b2) = twins
    assert a1.ip == b1.ip and a2.ip == b2.ip
    assert a1.ping(a2.ip).ok and b1.ping(b2.ip).ok
    unknown = bytes.fromhex("fa163e0000ff")
    known = bytes.fromhex(macs[1].replace(":", ""))
    with a2.capture("ether proto 0x88b5") as mine, b1.capture("ether proto 0x88b5") as near:
        with b2.capture("ether proto 0x88b5") as far:
            for destination, payload in ((BROADCAST, b"all"), (known, b"one"), (unknown, b"nobody")):
                a1.send(frame(destination, macs[0], payload), count=3)
            assert a1.ping(a2.ip).ok
    assert len(mine.packets) == 6, "broadcast and known unicast arrive once each; what is for nobody does not"
    assert not near.packets and not far.packets


def test_a_vif_that_sends_vlan_tags_reaches_nobody(bed):
    cloud = Cloud(bed)
    network = cloud.network("vlan", "10.0.0.0/24", **{"provider:segmentation_id": 1000})
    one, other = (cloud.vm(network, host) for host in cloud.hosts)
    for vid in (1, 2, 1000):
        tagged = BROADCAST + bytes.fromhex(one.mac.replace(":", "")) + b"\x81\x00" + vid.to_bytes(2, "big")
        with cloud.hosts[0].capture("eth1") as wire, other.capture("ether proto 0x88b5 or vlan") as seen:
            one.send(tagged + b"\x88\xb5" + b"." * 46, count=3)
            assert one.ping(other.ip).ok
        assert not seen.packets
        assert not [line for line in wire.packets if "0x88b5" in line]
