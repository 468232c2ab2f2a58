"""Guests that pretend to be others, with real packets: nothing of it arrives, and it is seen how much there was."""

from __future__ import annotations

import ipaddress
import threading
from typing import NamedTuple

from controller.core.probe import RESERVED
from tests.netns.cloud import Cloud
from tests.netns.testbed import Vm, wait_until

ALL, OTHER = "ff:ff:ff:ff:ff:ff", "fa:16:3e:99:99:99"
COUNT = 3
PROBES = f"icmp6 and ip6[40] == 136 and ip6[44:4] == {RESERVED:#x}"


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ip4(text: str) -> bytes:
    return bytes(map(int, text.split(".")))


def ip6(text: str) -> bytes:
    return ipaddress.IPv6Address(text).packed


def checksum(data: bytes) -> bytes:
    total = sum(int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def arp(source: str, target: str, op: int, sha: str, spa: str, tpa: str) -> bytes:
    body = b"\x00\x01\x08\x00\x06\x04" + op.to_bytes(2, "big") + mac(sha) + ip4(spa) + bytes(6) + ip4(tpa)
    return (mac(target) + mac(source) + b"\x08\x06" + body).ljust(60, b"\0")


def datagram(source: str, target: str, src: str, dst: str, ports: tuple[int, int]) -> bytes:
    udp = ports[0].to_bytes(2, "big") + ports[1].to_bytes(2, "big") + b"\x00\x18\x00\x00" + b"spoofed packets."
    if ":" in src:  # the checksum may be left out in IPv4 only: the connection tracker looks at it
        size = b"\0\0" + len(udp).to_bytes(2, "big")
        udp = udp[:6] + checksum(ip6(src) + ip6(dst) + size + b"\0\0\0\x11" + udp) + udp[8:]
        head = b"\x60\0\0\0" + len(udp).to_bytes(2, "big") + b"\x11\x40" + ip6(src) + ip6(dst)
        return mac(target) + mac(source) + b"\x86\xdd" + head + udp
    head = b"\x45\0" + (20 + len(udp)).to_bytes(2, "big") + bytes(4) + b"\x40\x11"
    ends = ip4(src) + ip4(dst)
    return mac(target) + mac(source) + b"\x08\0" + head + checksum(head + b"\0\0" + ends) + ends + udp


def icmpv6(source: str, target: str, src: str, dst: str, said: bytes) -> bytes:
    ends = ip6(src) + ip6(dst)
    body = said[:2] + b"\0\0" + said[2:]
    sum = checksum(ends + len(body).to_bytes(4, "big") + b"\0\0\0\x3a" + body)
    head = b"\x60\0\0\0" + len(body).to_bytes(2, "big") + b"\x3a\xff" + ends
    return mac(target) + mac(source) + b"\x86\xdd" + head + said[:2] + sum + said[2:]


def advertisement(target: str, told: str) -> bytes:
    return b"\x88\0" + b"\x20\0\0\0" + ip6(target) + b"\x02\x01" + mac(told)


def router() -> bytes:
    return b"\x86\0" + b"\x40\0\x07\x08" + bytes(8)


class Frame(NamedTuple):
    """A frame of a guest, and what sees it (and nothing that is legitimate) at the other end."""

    data: bytes
    filter: str


def spoofed(one: Vm, other: Vm) -> dict[str, Frame]:
    """What `one` must not send to `other`."""
    (four, six), (four2, six2) = one.addresses, other.addresses
    to = one.mac, other.mac
    told = "icmp6 and ip6[40] == 136"
    return {
        "MAC": Frame(datagram(OTHER, other.mac, four, four2, (4000, 4000)), f"ether src {OTHER}"),
        "IPv4": Frame(datagram(*to, "10.0.0.66", four2, (4000, 4000)), "src host 10.0.0.66"),
        "IPv6": Frame(datagram(*to, "fd00::66", six2, (4000, 4000)), "src host fd00::66"),
        "ARP reply": Frame(arp(*to, 2, one.mac, "10.0.0.67", four2), "arp[14:4] == 0x0a000043"),
        "gratuitous ARP": Frame(arp(one.mac, ALL, 1, one.mac, "10.0.0.68", "10.0.0.68"), "arp[14:4] == 0x0a000044"),
        "MAC inside ARP": Frame(arp(*to, 2, OTHER, four, four2), "arp[8:4] == 0xfa163e99"),
        "advertisement": Frame(
            icmpv6(*to, six, "ff02::1", advertisement("fd00::66", one.mac)), f"{told} and ip6[60:4] == 0x66"
        ),
        "MAC inside an advertisement": Frame(
            icmpv6(*to, six, "ff02::1", advertisement(six, OTHER)), f"{told} and ip6[66:4] == 0xfa163e99"
        ),
        "advertisement without a MAC": Frame(
            icmpv6(*to, six, "ff02::1", advertisement("fd00::66", one.mac)[:22]), f"{told} and ip6[60:4] == 0x66"
        ),
        "router": Frame(icmpv6(*to, link_local(one.mac), "ff02::1", router()), "icmp6 and ip6[40] == 134"),
        "DHCP server": Frame(datagram(*to, four, four2, (67, 68)), "udp dst port 68"),
        "DHCPv6 server": Frame(datagram(*to, six, six2, (547, 546)), "udp dst port 546"),
        "another protocol": Frame(mac(other.mac) + mac(one.mac) + b"\x88\xb5" + bytes(46), "ether proto 0x88b5"),
    }


def link_local(text: str) -> str:
    a, b, c, d, e, f = (int(part, 16) for part in text.split(":"))
    return f"fe80::{a ^ 2:02x}{b:02x}:{c:02x}ff:fe{d:02x}:{e:02x}{f:02x}"


def counted(cloud: Cloud, vm: Vm) -> int | None:
    return next(port["spoofed"] for port in cloud.look("ports") if port["id"] == vm.port["id"])


def arrived(one: Vm, other: Vm, frame: Frame) -> int:
    """How many of COUNT frames arrive."""
    with other.capture(frame.filter) as seen:
        one.send(frame.data, count=COUNT, interval=0.01)
    return len(seen.packets)


def test_a_guest_sends_as_itself_only_and_what_else_it_tries_is_counted(bed):
    cloud = Cloud(bed)
    network = cloud.network("vxlan", "10.0.0.0/24", "fd00::/64")
    guests = [cloud.vm(network, host) for host in (*cloud.hosts, cloud.hosts[0])]
    one, there, here = guests
    for other in (there, here):
        assert all(one.ping(address).ok for address in other.addresses)
    before = counted(cloud, one)
    for other in (there, here):
        for what, frame in spoofed(one, other).items():
            assert arrived(one, other, frame) == 0, what
    wanted = before + 2 * COUNT * len(spoofed(one, there))
    wait_until(lambda: counted(cloud, one) >= wanted, 10, "all that was dropped is counted")
    assert (counted(cloud, there), counted(cloud, here)) == (0, 0)
    for other in (there, here):
        assert all(one.ping(address).ok for address in other.addresses)


def solicitation(target: str) -> bytes:
    return b"\x87\0" + bytes(4) + ip6(target)


def test_a_guest_may_ask_whether_somebody_has_its_own_address_and_no_other(bed):
    """Before an address is used it is asked for from no address: the questions arrive as they were sent."""
    cloud = Cloud(bed)
    network = cloud.network("vxlan", "10.0.0.0/24", "fd00::/64")
    one, there = (cloud.vm(network, host) for host in cloud.hosts)
    for address, wanted in ((one.ip, COUNT), ("10.0.0.68", 0)):
        number = int.from_bytes(ip4(address), "big")
        asked = f"arp[6:2] == 1 and arp[14:4] == 0 and arp[24:4] == {number:#x}"
        frame = Frame(arp(one.mac, ALL, 1, one.mac, "0.0.0.0", address), asked)
        assert arrived(one, there, frame) == wanted
    for address, wanted in ((one.addresses[1], COUNT), (link_local(one.mac), COUNT), ("fd00::66", 0)):
        last = int.from_bytes(ip6(address)[-4:], "big")
        asked = f"icmp6 and ip6[40] == 135 and src host :: and ip6[60:4] == {last:#x}"
        group = f"ff02::1:ff{last >> 16 & 255:02x}:{last & 0xFFFF:x}"
        to = "33:33:" + ip6(group)[-4:].hex(":")
        frame = Frame(icmpv6(one.mac, to, "::", group, solicitation(address)), asked)
        assert arrived(one, there, frame) == wanted


def test_a_flood_of_spoofed_packets_is_nothing_to_the_controller(bed):
    cloud = Cloud(bed)
    network = cloud.network("vxlan", "10.0.0.0/24")
    one, other = (cloud.vm(network, host) for host in cloud.hosts)
    host = cloud.hosts[0]

    def copies() -> int:
        """Packets that flows have met which show them to the controller."""
        dump = host.ofctl("dump-flows", "br-int").splitlines()
        return sum(int(line.partition("n_packets=")[2].split(",")[0]) for line in dump if "CONTROLLER" in line)

    before = copies()
    one.send(arp(one.mac, ALL, 1, one.mac, "10.0.0.68", "10.0.0.99"), count=2000)
    wait_until(lambda: counted(cloud, one) >= 2000, 10, "all that was dropped is counted")
    assert copies() == before
    assert one.ping(other.ip).ok


def test_who_is_not_protected_and_whom_pairs_allow_may_send_it(bed):
    cloud = Cloud(bed)
    network = cloud.network("vxlan", "10.0.0.0/24", "fd00::/64")
    free = cloud.vm(network, cloud.hosts[0], port_security_enabled=False)
    pairs = [{"ip_address": "10.0.0.64/28"}, {"ip_address": "fd00::60/124"}]
    paired = cloud.vm(network, cloud.hosts[0], allowed_address_pairs=pairs)
    other = cloud.vm(network, cloud.hosts[1], port_security_enabled=False)
    for what, frame in spoofed(free, other).items():
        assert arrived(free, other, frame) == COUNT, what
    allowed = {"IPv4", "IPv6", "ARP reply", "gratuitous ARP", "advertisement", "advertisement without a MAC"}
    for what, frame in spoofed(paired, other).items():
        assert arrived(paired, other, frame) == (COUNT if what in allowed else 0), what
    assert counted(cloud, free) is None
    free_network = cloud.network("geneve", "10.1.0.0/24", "fd01::/64", port_security_enabled=False)
    one, two = (cloud.vm(free_network, host) for host in cloud.hosts)
    assert arrived(one, two, spoofed(one, two)["DHCP server"]) == COUNT
    cloud.controller.put("ports", free.port["id"], port_security_enabled=True)
    wait_until(lambda: counted(cloud, free) is not None, 10, "it is protected")
    assert arrived(free, other, spoofed(free, other)["IPv4"]) == 0


def test_the_path_of_two_ports_is_checked_with_real_packets(bed):
    cloud = Cloud(bed)
    for type in ("vxlan", "vlan"):
        network = cloud.network(type, "10.0.0.0/24")
        one, other = (cloud.vm(network, host) for host in cloud.hosts)
        with one.capture(PROBES) as here, other.capture(PROBES) as there:
            for path in ([one], [other], [one, other]):
                assert check(cloud, *path)["ready"], check(cloud, *path)
        assert (here.packets, there.packets) == ([], [])
        nic = "eth0" if type == "vxlan" else "eth1"
        cloud.hosts[1].set_link(nic, up=False)
        found = check(cloud, one, other)
        assert not found["ready"]
        assert (found["switch"], found["table"]) == ("hv2/br-int", "admission"), found
        cloud.hosts[1].set_link(nic, up=True)
        wait_until(lambda one=one, other=other: check(cloud, one, other)["ready"], 20, "the path is ready again")


def test_a_flow_that_is_gone_is_named(bed):
    """The controller mends it at once, so it is deleted again and again."""
    cloud = Cloud(bed)
    network = cloud.network("vxlan", "10.0.0.0/24")
    one, other = (cloud.vm(network, host) for host in cloud.hosts)
    assert check(cloud, one, other)["ready"]
    host, over = cloud.hosts[1], threading.Event()

    def delete() -> None:
        while not over.is_set():
            host.ofctl("del-flows", "br-int", f"table=56,dl_dst={other.mac}")

    vandal = threading.Thread(target=delete)
    vandal.start()
    try:
        wait_until(lambda: named(check(cloud, one, other)) == ("hv2/br-int", "switching"), 60, "it is named")
    finally:
        over.set()
        vandal.join()
    wait_until(lambda: check(cloud, one, other)["ready"], 20, "the path is ready again")


def named(found: dict) -> tuple[str, str]:
    return found["switch"], found["table"]


def check(cloud: Cloud, *vms: Vm) -> dict:
    first, *others = (vm.port["id"] for vm in vms)
    return cloud.look("ports", first, "check", *others)
