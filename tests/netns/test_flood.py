"""A guest that floods what is punted is heard as often as its meter lets it, and harms nobody else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time

import pytest

from controller.core.packet import arp_request, ethernet, neighbor_solicitation
from tests.apps import dhcp6_client as six
from tests.apps.dhcp_client import DISCOVER, message
from tests.apps.dhcp_client import frame as dhcp_frame
from tests.apps.test_router_advertisements import solicitation
from tests.netns.cloud import CONFIG, Cloud
from tests.netns.dhcp import udhcpc
from tests.world.frames import encode

RATE = 50
SECONDS = 4.0
FLOOD = """
import socket, sys, time
nic = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
nic.bind(("eth0", 0))
frame, end, sent = bytes.fromhex(sys.argv[1]), time.monotonic() + float(sys.argv[2]), 0
while time.monotonic() < end:
    for _ in range(100):
        try:
            nic.send(frame)
        except OSError:
            continue
        sent += 1
print(sent)
"""
"""Sends as fast as it can."""


def frames(mac: str, address: str) -> dict[str, bytes]:
    """One of each kind that a port's flows show the controller."""
    return {
        "DHCPv4": dhcp_frame(mac, *message(DISCOVER)),
        "DHCPv6": six.frame(mac, six.SOLICIT, six.ME, six.ia()),
        "Router Solicitation": solicitation(mac),
        "ARP for nobody": encode(arp_request(mac, address, "10.0.0.250")),
        "ND for nobody": encode(neighbor_solicitation(mac, "fd00::66", "fd00::250")),
        "nobody's MAC address": encode(ethernet(mac, "fa:16:3e:00:00:ff")),
    }


def metered(host, ofport: int) -> tuple[int, int]:
    """How many packets came to a port's meter, and how many of them went on."""
    text = host.ofctl("meter-stats", "br-int", f"meter={ofport}")
    came = int(re.search(r"packet_in_count:(\d+)", text)[1])
    dropped = int(re.search(r"\n0: packet_count:(\d+)", text)[1])
    return came, came - dropped


@pytest.mark.skipif(not shutil.which("udhcpc"), reason="needs udhcpc (make setup)")
def test_a_flood_of_any_kind_is_metered_and_others_are_served(bed):
    cloud = Cloud(bed, config={**CONFIG, "ovs": {**CONFIG["ovs"], "punt_rate": str(RATE)}})
    host, other_host = cloud.hosts
    network = cloud.network("vxlan", "10.0.0.0/24")
    modes = {"ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful"}
    cloud.controller.post("subnets", network_id=network["id"], cidr="fd00::/64", ip_version=6, **modes)
    loud = cloud.vm(network, host, port_security_enabled=False)
    cloud.vm(network, other_host)  # so that there is somewhere else to look
    quiet_port = cloud.port(network, host)
    quiet = host.plug(quiet_port | {"fixed_ips": []}, mtu=1500)
    cloud.controller.wait_active(quiet_port["id"])
    for kind, frame in frames(loud.mac, loud.ip).items():
        before, start = metered(host, host.ofport(loud.tap)), time.monotonic()
        command = loud.command([sys.executable, "-c", FLOOD, frame.hex(), str(SECONDS)])
        flood = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        client = udhcpc(quiet, host)
        told = client.wait("bound")
        cloud.controller.post("networks", name=f"made while {kind} floods")
        assert flood.poll() is None, f"{kind}: that was not meanwhile"
        sent = int(flood.communicate(timeout=30)[0])
        client.stop()
        seconds = time.monotonic() - start
        after = metered(host, host.ofport(loud.tap))
        came, passed = (now - then for now, then in zip(after, before, strict=True))
        print(
            f"{kind}, a second: {sent / SECONDS:.0f} sent, {came / seconds:.0f} metered, {passed / seconds:.0f} passed"
        )
        assert told["ip"] == quiet_port["fixed_ips"][0]["ip_address"]
        assert sent > 20_000
        assert passed <= RATE * (seconds + 2), f"{kind} goes around its meter"
        assert came > passed, f"{kind} never came to the meter"
