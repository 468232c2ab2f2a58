"""DHCPv6: what a guest asks is answered from the model, straight to its port (RFC 8415)."""

from __future__ import annotations

import struct

import pytest

from apps.dhcp_options import DhcpOption, DhcpOptions
from controller.core.packet import ipv6
from controller.core.plans.checks import check
from controller.core.settings import Settings
from tests.apps import dhcp6_client as c
from tests.apps.dhcp6_client import DUID, ME, ask, ia
from tests.apps.setup import MAC1, MAC2, MAC3, Small, flows, ofport, small
from tests.world.world import name_of

LEASE = (86400, 86400)
US = (c.SERVER, DUID)
ELSE = (c.SERVER, b"\x00\x03\x00\x01another")
REQUEST_PACKET = ipv6(MAC1, "33:33:00:01:00:02", c.LINK_LOCAL, c.AGENTS).but(udp_src=546, udp_dst=547)
NO_ADDRESSES, NO_BINDING, NOT_ON_LINK, NO_PREFIX = 2, 3, 4, 6


def cloud(mode: str | None = "dhcpv6-stateful", ra: str | None = None, settings=None, **values) -> Small:
    """Two guests in an IPv6 subnet, each on a host of its own."""
    made = small(cidrs=(), **({"settings": settings} if settings else {}))
    subnet = {"ipv6_address_mode": mode, "ipv6_ra_mode": ra, "dns_nameservers": ("2001:db8::53",), **values}
    made.world.subnet(made.network, "fd00::/64", **subnet)
    if mode != "dhcpv6-stateless":
        made.world.change_port(made.one, fixed_ips=wanted("fd00::10"))
    made.world.settle()
    return made._replace(one=made.world.current(made.one))


def wanted(*addresses: str):
    return check("fixed_ips", "fixed_ips", [{"ip_address": address} for address in addresses])


def said(made: Small, kind: int, *options, **more):
    return ask(made.world, made.one, kind, ME, *options, **more)


def test_a_request_goes_to_the_controller_and_to_no_other_guest():
    made = cloud()
    world = made.world
    world.plug(world.port(made.network, mac_address=MAC3), made.here)
    world.settle()
    port = ofport(made.here, name_of(made.one))
    assert f"table=dhcp, priority=100,udp6,in_port={port},tp_dst=547 actions=meter:{port},CONTROLLER:65535" in flows(
        world, made.here, "dhcp.punt"
    )
    delivery = world.send(made.one, REQUEST_PACKET, punt=False)
    assert (world.places(delivery), len(delivery.punted)) == ([], 1)


@pytest.mark.parametrize(
    ("mode", "ra", "enabled", "asks"),
    [
        ("dhcpv6-stateful", "dhcpv6-stateful", True, True),
        ("dhcpv6-stateless", None, True, True),
        (None, None, True, True),
        ("dhcpv6-stateful", None, False, False),
        ("slaac", "slaac", True, False),
        (None, "slaac", True, False),
    ],
)
def test_dhcp_is_spoken_where_the_subnet_says_so(mode, ra, enabled, asks):
    made = small(cidrs=())
    world = made.world
    modes = {"ipv6_address_mode": mode, "ipv6_ra_mode": ra} if enabled else {}
    world.subnet(made.network, "fd00::/64", enable_dhcp=enabled, **modes)
    world.plug(world.port(made.network, mac_address=MAC3), made.here)
    world.settle()
    assert bool(flows(world, made.here, "dhcp.punt")) is asks


def test_a_guest_is_advertised_all_it_needs_at_once():
    made = cloud()
    answer = said(made, c.SOLICIT, ia())
    assert (answer.type, answer.transaction) == (c.ADVERTISE, b"xid")
    assert answer.identities() == [c.Said(7, 43200, 75600, {"fd00::10": LEASE}, None)]
    assert (answer[c.CLIENT], answer[c.SERVER], answer[c.PREFERENCE]) == (ME[1], DUID, b"\xff")
    assert (answer[23], answer[24]) == (c.ip("2001:db8::53"), b"\x0eopenstacklocal\0")
    assert (answer.eth.dst, answer.ip.dst, answer.ip.src) == (MAC1, c.LINK_LOCAL, "fe80::ff:fe00:43")
    assert (answer.eth.src, answer.udp.src_port, answer.udp.dst_port) == ("02:00:00:00:00:43", 547, 546)


def test_a_guest_in_a_hurry_has_its_address_after_one_message():
    answer = said(cloud(), c.SOLICIT, ia(), (c.RAPID, b""))
    assert (answer.type, answer[c.RAPID], c.PREFERENCE in answer.numbers) == (c.REPLY, b"", False)
    assert [list(identity.addresses) for identity in answer.identities()] == [["fd00::10"]]


@pytest.mark.parametrize("kind", [c.REQUEST, c.RENEW, c.REBIND])
def test_the_address_of_the_port_is_given_and_given_again(kind):
    server = () if kind == c.REBIND else (US,)
    answer = said(cloud(), kind, *server, ia(c.IA_NA, 9, "fd00::10"))
    assert answer.type == c.REPLY
    assert answer.identities() == [c.Said(9, 43200, 75600, {"fd00::10": LEASE}, None)]


@pytest.mark.parametrize("kind", [c.RENEW, c.REBIND])
def test_an_address_that_is_not_the_ports_ends_at_once(kind):
    server = () if kind == c.REBIND else (US,)
    answer = said(cloud(), kind, *server, ia(c.IA_NA, 9, "fd00::66"))
    assert answer.identities()[0].addresses == {"fd00::10": LEASE, "fd00::66": (0, 0)}


def test_a_request_for_an_address_of_another_network_is_refused_and_of_this_one_corrected():
    made = cloud()
    off = said(made, c.REQUEST, US, ia(c.IA_NA, 7, "2001:db8::1"))
    assert [(identity.addresses, identity.status) for identity in off.identities()] == [({}, NOT_ON_LINK)]
    on = said(made, c.REQUEST, US, ia(c.IA_NA, 7, "fd00::99"))
    assert [(identity.addresses, identity.status) for identity in on.identities()] == [({"fd00::10": LEASE}, None)]


@pytest.mark.parametrize(
    ("held", "status"),
    [(["fd00::10"], 0), (["fd00::11"], NOT_ON_LINK), (["fd00::10", "2001:db8::1"], NOT_ON_LINK)],
)
def test_a_guest_that_was_away_is_told_whether_its_addresses_are_still_its_own(held, status):
    answer = said(cloud(), c.CONFIRM, ia(c.IA_NA, 7, *held))
    assert (answer.type, answer.status) == (c.REPLY, status)


@pytest.mark.parametrize("kind", [c.RELEASE, c.DECLINE])
def test_an_address_that_is_given_back_is_noted_and_given_again(kind):
    made = cloud()
    answer = said(made, kind, US, ia(c.IA_NA, 7, "fd00::10"), ia(c.IA_NA, 8, "fd00::66"))
    assert (answer.type, answer.status) == (c.REPLY, 0)
    assert [(identity.number, identity.status) for identity in answer.identities()] == [(8, NO_BINDING)]
    assert list(said(made, c.SOLICIT, ia()).identities()[0].addresses) == ["fd00::10"]


def test_what_is_not_there_is_said_not_to_be_there():
    answer = said(cloud(), c.SOLICIT, ia(), ia(c.IA_NA, 8), ia(c.IA_TA, 9), ia(c.IA_PD, 10))
    assert [(identity.number, identity.status) for identity in answer.identities()] == [(7, None), (8, NO_ADDRESSES)]
    assert [(identity.number, identity.status) for identity in answer.identities(c.IA_TA)] == [(9, NO_ADDRESSES)]
    assert [(identity.number, identity.status) for identity in answer.identities(c.IA_PD)] == [(10, NO_PREFIX)]
    again = said(cloud(), c.RENEW, US, ia(), ia(c.IA_NA, 8))
    assert [(identity.number, identity.status) for identity in again.identities()] == [(7, None), (8, NO_BINDING)]


def test_several_addresses_of_a_port_are_given_together():
    made = cloud()
    one = made.world.change_port(made.one, fixed_ips=wanted("fd00::10", "fd00::20"))
    made.world.settle()
    assert list(ask(made.world, one, c.SOLICIT, ME, ia()).identities()[0].addresses) == ["fd00::10", "fd00::20"]


def test_a_guest_that_has_addresses_is_informed():
    made = cloud("dhcpv6-stateless", "dhcpv6-stateless")
    answer = ask(made.world, made.one, c.INFORM, (c.ORO, struct.pack("!HHH", 24, 39, 23)))
    assert (answer.type, answer.numbers) == (c.REPLY, [c.SERVER, 32, 24, 39, 23])
    assert (answer[32], answer[23]) == (struct.pack("!I", 86400), c.ip("2001:db8::53"))
    assert answer[39].startswith(b"\x04") and answer[39].endswith(b"\x0eopenstacklocal\0")
    none = said(made, c.SOLICIT, ia())
    assert (none.type, [identity.status for identity in none.identities()]) == (c.ADVERTISE, [NO_ADDRESSES])


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (c.SOLICIT, (US, ia())),
        (c.REQUEST, (ia(),)),
        (c.REQUEST, (ELSE, ia())),
        (c.CONFIRM, (ia(),)),
        (c.CONFIRM, (US, ia(c.IA_NA, 7, "fd00::10"))),
        (c.RENEW, (ELSE, ia())),
        (c.REBIND, (US, ia())),
        (c.RELEASE, (ELSE, ia())),
        (c.DECLINE, (ia(),)),
        (c.INFORM, (ELSE,)),
        (c.INFORM, (ia(),)),
        (c.ADVERTISE, (US, ia())),
        (c.REPLY, (US, ia())),
        (c.RECONFIGURE, (US,)),
        (c.RELAY, (ia(),)),
        (0, (ia(),)),
        (255, (ia(),)),
    ],
)
def test_what_is_not_ours_to_answer_is_not_answered(kind, options):
    assert said(cloud(), kind, *options) is None


def test_who_does_not_say_who_he_is_or_is_not_the_guest_or_asks_one_host_is_not_answered():
    made = cloud()
    assert ask(made.world, made.one, c.SOLICIT, ia()) is None
    assert said(made, c.SOLICIT, ia(), mac=MAC2) is None
    assert said(made, c.SOLICIT, ia(), dst="fe80::ff:fe00:43") is None
    assert said(made, c.SOLICIT, ia(), src="::") is None
    assert said(made, c.SOLICIT, ia()) is not None


def test_a_lease_may_never_end():
    made = cloud(settings=Settings(dhcp_lease_duration=-1))
    (identity,) = said(made, c.SOLICIT, ia()).identities()
    assert (identity.t1, identity.t2, *identity.addresses["fd00::10"]) == (0xFFFFFFFF,) * 4


def test_extra_options_are_told_to_who_asks_and_stand_before_others():
    made = cloud()
    values = {
        "dns-server": "[2001:db8::1],2001:db8::2",
        "ntp-server": "2001:db8::3",
        "bootfile-url": "tftp://[2001:db8::9]/boot",
        "bootfile-param": "one,two",
        "57": "00:01",
        "3": "x",
        "no-such-option": "1",
        "domain-search": "a..b",
    }
    rows = tuple(DhcpOption(name, value, 6) for name, value in values.items())
    made.world.write(lambda draft: draft.put(DhcpOptions(made.one.id, rows)))
    made.world.settle()
    answer = said(made, c.SOLICIT, ia(), (c.ORO, struct.pack("!6H", 59, 60, 56, 57, 3, 200)))
    assert answer.numbers == [c.CLIENT, c.SERVER, c.PREFERENCE, c.IA_NA, 59, 60, 56, 57, 23, 24]
    assert answer[23] == c.ip("2001:db8::1") + c.ip("2001:db8::2")
    assert answer[56] == b"\0\1\0\x10" + c.ip("2001:db8::3")
    assert (answer[59], answer[60]) == (b"tftp://[2001:db8::9]/boot", b"\0\3one\0\3two")
    assert answer[24] == b"\x0eopenstacklocal\0"
    assert said(made, c.SOLICIT, ia(), (c.ORO, struct.pack("!H", 23))).numbers[4:] == [23, 24]


def test_an_answer_fits_the_network_whatever_there_is_to_say():
    made = cloud()
    rows = tuple(DhcpOption(str(number), "x" * 250, 6) for number in range(100, 140))
    made.world.write(lambda draft: draft.put(DhcpOptions(made.one.id, rows)))
    made.world.settle()
    answer = said(made, c.SOLICIT, ia(), (c.ORO, struct.pack("!40H", *range(100, 140))))
    assert 1000 < answer.udp.total_length + 40 <= made.network.mtu
    assert list(answer.identities()[0].addresses) == ["fd00::10"]
