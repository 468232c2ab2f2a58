"""Facts of Open vSwitch and Linux that the Neighbor Discovery responder is built on: a guest takes such an answer."""

from __future__ import annotations

import pytest

from controller.core import flow as f
from controller.core.flow import Flow, match
from controller.core.packet import SOLICITED_OVERRIDE, Packet
from controller.core.text import format_flow
from tests.netns.testbed import wait_until

MAC, ABSENT = "fa:16:3e:00:00:99", "fd01::99"
SOLICITATION = {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135, "icmpv6_code": 0}
ADVERTISEMENT = SOLICITATION | {"icmpv6_type": 136}
ABOUT = SOLICITATION | {"nd_target": Packet(nd_target=ABSENT)["nd_target"], "nd_options_type": 1}
TURN = [f.Move("ipv6_src", "ipv6_dst"), f.Move("nd_target", "ipv6_src"), f.SetField("icmpv6_type", 136)]
OPTIONS = [f.SetField("nd_options_type", 2), f.SetField("nd_reserved", SOLICITED_OVERRIDE), f.Resubmit(1)]
RESPONDER = [
    Flow(
        0,
        1,
        match(ABOUT),
        [f.Move("eth_src", "eth_dst"), f.SetField("eth_src", Packet(eth_src=MAC)["eth_src"]), f.Goto(1)],
    ),
    Flow(1, 1, match(SOLICITATION), [*TURN, *OPTIONS]),
    Flow(1, 1, match(ADVERTISEMENT), [f.Move("eth_src", "nd_tll"), f.Output(f.IN_PORT)]),
]


@pytest.fixture
def guest(bed):
    hv = bed.hypervisor("hv1")
    hv.make_integration_bridge({})
    port = {"id": "00000001-0000", "mac_address": "fa:16:3e:00:00:01"}
    vm = hv.plug({**port, "fixed_ips": [{"ip_address": "fd01::1", "subnet_id": "any"}]})
    hv.ofctl("del-flows", "br-int")
    for flow in RESPONDER:
        hv.ofctl("add-flow", "br-int", format_flow(flow))
    return vm


ADVERTISEMENTS = "icmp6 and ip6[40] == 136"


def neighbour(vm) -> str:
    return vm.run(["ip", "-6", "neigh", "show", ABSENT]).stdout


def device(vm) -> str:
    return vm.run(["ip", "-6", "route", "get", ABSENT]).stdout.split("dev ")[1].split()[0]


def test_a_guest_believes_the_switchs_advertisement(guest):
    """First asked by multicast, then probed by unicast (Neighbor Unreachability Detection)."""
    with guest.capture(ADVERTISEMENTS) as seen:
        guest.ping(ABSENT)
        assert f"lladdr {MAC}" in neighbour(guest)
        guest.run(["ip", "neigh", "change", ABSENT, "dev", device(guest), "lladdr", MAC, "nud", "probe"])
        wait_until(lambda: "REACHABLE" in neighbour(guest), what="the probe's answer")
    assert len(seen.packets) >= 2


def test_duplicate_address_detection_is_not_answered(guest):
    """Its solicitation has no source link-layer address option: a guest may take an address that moved to it."""
    name = device(guest)
    guest.run(["sysctl", "-qw", f"net.ipv6.conf.{name}.accept_dad=1", f"net.ipv6.conf.{name}.dad_transmits=1"])
    shown = ["ip", "-6", "addr", "show", "dev", name, "to", ABSENT]
    with guest.capture("icmp6 and ip6[40] >= 135 and ip6[40] <= 136") as seen:
        guest.run(["ip", "addr", "add", f"{ABSENT}/64", "dev", name])
        wait_until(lambda: "tentative" not in guest.run(shown).stdout, what="the end of duplicate address detection")
    assert any(f"who has {ABSENT}" in line for line in seen.packets)
    assert not any("advertisement" in line and ABSENT in line for line in seen.packets)
