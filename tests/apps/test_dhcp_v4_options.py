"""What a guest is told by DHCPv4: routes, names, network boot, its port's extra options, and in which order."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from apps.dhcp_options import DhcpOption, DhcpOptions
from apps.dns import PortDns
from controller.core.model import Route, Subnet
from controller.core.plans import subnets
from tests.apps.dhcp_client import ACK, DISCOVER, REQUEST, ask, ip, message
from tests.apps.setup import small


def offered(subnet=None, *sides, options=(), mtu=1450):
    """What is offered when the subnet is changed so, the port has these side rows, and the guest says these options."""
    cloud = small(mtu=mtu)
    world = cloud.world
    made = world.store.net.find(Subnet, "network_id", cloud.network.id)[0]
    if subnet:
        world.write(subnets.change, made.id, subnet)
    for side in sides:
        world.write(lambda draft, side=side: draft.put(replace(side, port_id=cloud.one.id)))
    world.settle()
    return ask(world, cloud.one, *message(DISCOVER, *options))


def extra(*options: tuple[str, str], version: int = 4) -> DhcpOptions:
    return DhcpOptions("", tuple(DhcpOption(name, value, version) for name, value in options))


def test_routes_of_the_subnet_come_with_the_default_route():
    routes = (Route("10.1.0.0/16", "10.0.0.9"), Route("192.0.2.128/25", "10.0.0.8"), Route("10.9.9.9/32", "10.0.0.7"))
    offer = offered({"host_routes": routes}, options=[(55, bytes((249, 121)))])
    assert offer[121] == (
        bytes((16, 10, 1)) + ip("10.0.0.9")
        + bytes((25, 192, 0, 2, 128)) + ip("10.0.0.8")
        + bytes((32, 10, 9, 9, 9)) + ip("10.0.0.7")
        + bytes((0,)) + ip("10.0.0.1")
    )  # fmt: skip
    assert (offer[249], offer[3]) == (offer[121], ip("10.0.0.1"))


def test_a_default_route_among_the_routes_stands():
    offer = offered({"host_routes": (Route("0.0.0.0/0", "10.0.0.9"),)})
    assert offer[121] == bytes((0,)) + ip("10.0.0.9")


def test_without_a_gateway_there_is_no_router_and_the_server_has_an_address_of_its_own():
    offer = offered({"gateway_ip": None, "host_routes": (Route("10.1.0.0/16", "10.0.0.9"),)})
    assert 3 not in offer
    assert offer[121] == bytes((16, 10, 1)) + ip("10.0.0.9")
    assert (offer[54], offer.ip.src) == (ip("169.254.0.67"), "169.254.0.67")


def test_a_resolver_of_zeros_means_none():
    assert 6 not in offered({"dns_nameservers": ("0.0.0.0",)})


@pytest.mark.parametrize("name", ["web", "web.openstacklocal."])
def test_a_port_that_has_a_name_tells_it(name):
    offer = offered(None, PortDns("", name))
    assert (offer[12], offer[15]) == (b"web", b"openstacklocal")


def test_extra_options_go_by_name_and_number_and_say_what_dnsmasq_would():
    offer = offered(
        None,
        extra(
            ("tftp-server", "192.0.2.7"),
            ("bootfile-name", "pxelinux.0"),
            ("server-ip-address", "192.0.2.8"),
            ("ntp-server", "192.0.2.1, 192.0.2.2"),
            ("domain-search", "a.example,b.example"),
            ("ip-forward-enable", "1"),
            ("default-ttl", "9"),
            ("150", "192.0.2.9"),
            ("42", "192.0.2.3"),
            ("224", "01:ff:7f"),
            ("225", "300"),
            ("226", "some text, too"),
            ("60", "PXEClient"),
        ),
    )
    assert {number: offer[number] for number in (66, 67, 119, 19, 23, 150, 224, 225, 226, 60)} == {
        66: b"192.0.2.7",
        67: b"pxelinux.0",
        119: b"\x01a\x07example\0\x01b\x07example\0",
        19: b"\1",
        23: b"\x09",
        150: ip("192.0.2.9"),
        224: b"\x01\xff\x7f",
        225: b"\x01\x2c",
        226: b"some text, too",
        60: b"PXEClient",
    }
    # Named twice: by its name and by its number.  The later one stands.
    assert offer[42] == ip("192.0.2.3")
    assert offer.bootp.siaddr == "192.0.2.8"
    assert offer.bootp.boot_file.rstrip("\0") == "pxelinux.0"
    assert offer.bootp.sname.rstrip("\0") == "192.0.2.7"


def test_extra_options_stand_before_what_follows_from_the_subnet():
    offer = offered(None, extra(("mtu", "1300"), ("dns-server", "192.0.2.99"), ("router", ""), ("T1", "600")))
    assert (offer[26], offer[6], 3 in offer) == (struct.pack("!H", 1300), ip("192.0.2.99"), False)
    assert (offer[58], offer[59]) == (struct.pack("!I", 600), struct.pack("!I", 75600))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("no-such-option", "1"),
        ("tag:ipxe,67", "x"),
        ("0", "1"),
        ("255", "1"),
        ("99999", "1"),
        ("53", "5"),
        ("54", "192.0.2.1"),
        ("51", "60"),
        ("mtu", "large"),
        ("mtu", "70000"),
        ("router", "10.0.0.300"),
        ("domain-search", "a..b"),
        ("domain-search", "x" * 64),
        ("classless-static-route", "10.0.0.0/8"),
        ("netbios-nodetype", "-1"),
    ],
)
def test_an_extra_option_that_cant_be_said_changes_nothing(name, value):
    assert offered(None, extra((name, value))).payload == offered().payload


def test_options_come_in_the_order_in_which_the_guest_asks_after_the_mask():
    asked = bytes((28, 3, 200, 15, 42, 1, 28))
    offer = offered(None, extra(("ntp-server", "192.0.2.1"), ("tftp-server", "x")), options=[(55, asked)])
    assert offer.numbers[:10] == [53, 54, 51, 58, 59, 1, 28, 3, 15, 42]
    assert (set(offer.numbers[10:]), 66 in offer) == ({26, 12}, False)


def many(count: int) -> tuple[Route, ...]:
    return tuple(Route(f"10.{n}.0.0/16", "10.0.0.9") for n in range(1, count + 1))


def test_a_long_option_comes_in_parts_where_the_guest_takes_a_long_message():
    long = "\u00e9" * 200
    options = [(55, bytes((226,))), (57, struct.pack("!H", 1500))]
    offer = offered(None, extra(("226", long)), options=options)
    assert offer[226] == long.encode()
    assert [len(data) for number, data in offer.listed if number == 226] == [255, 145]
    assert 226 not in offered(None, extra(("226", long)), options=options[:1])


def test_a_message_is_never_longer_than_the_guest_takes_and_keeps_what_matters_most():
    for most, mtu in ((576, 1450), (0, 1450), (65535, 600), (1000, 1450), (65535, 68)):
        offer = offered(
            {"host_routes": many(20), "dns_nameservers": ("192.0.2.53",)},
            extra(*((str(number), "x" * 200) for number in range(200, 240))),
            options=[(57, struct.pack("!H", most))],
            mtu=mtu,
        )
        assert len(offer.payload) + 28 <= max(576, min(most, mtu))
        assert {1, 3, 6, 121, 51, 54} <= set(offer.numbers)


def test_a_granted_request_says_the_same_as_the_offer():
    cloud = small()
    offer = ask(cloud.world, cloud.one, *message(DISCOVER))
    answer = ask(cloud.world, cloud.one, *message(REQUEST, (50, ip(offer.bootp.yiaddr)), (54, offer[54])))
    assert answer.type == ACK
    assert answer.listed[1:] == offer.listed[1:]


@pytest.mark.parametrize("version", [4, 6])
def test_options_for_the_other_version_are_not_told(version):
    assert (66 in offered(None, extra(("66", "192.0.2.7"), version=version))) is (version == 4)
