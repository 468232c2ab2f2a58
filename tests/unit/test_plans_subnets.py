"""Subnets: gateway, pools, what their blocks may be, and who keeps them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.model import Pool, Port, Route, Sequence
from controller.core.plans import ports, subnets
from controller.core.plans.parse import Wanted
from tests.unit.planning import Cloud


def asked(network, cidr, **values):
    return {"network_id": network.id, "cidr": cidr, "ip_version": 6 if ":" in cidr else 4, **values}


@pytest.mark.parametrize(
    ("cidr", "values", "gateway", "pools"),
    [
        ("10.0.0.0/24", {}, "10.0.0.1", [("10.0.0.2", "10.0.0.254")]),
        ("10.0.0.0/24", {"gateway_ip": None}, None, [("10.0.0.1", "10.0.0.254")]),
        (
            "10.0.0.0/24",
            {"gateway_ip": "10.0.0.9"},
            "10.0.0.9",
            [("10.0.0.1", "10.0.0.8"), ("10.0.0.10", "10.0.0.254")],
        ),
        ("10.0.0.0/24", {"gateway_ip": "10.0.0.254"}, "10.0.0.254", [("10.0.0.1", "10.0.0.253")]),
        ("10.0.0.0/24", {"gateway_ip": "192.0.2.1"}, "192.0.2.1", [("10.0.0.1", "10.0.0.254")]),
        ("10.0.0.0/31", {"enable_dhcp": False}, "10.0.0.1", [("10.0.0.0", "10.0.0.0")]),
        ("10.0.0.0/32", {"enable_dhcp": False}, "10.0.0.0", [("10.0.0.0", "10.0.0.0")]),
        ("fd00::/64", {}, "fd00::", [("fd00::1", "fd00::ffff:ffff:ffff:ffff")]),
        ("fd00::/64", {"gateway_ip": "fd00::1"}, "fd00::1", [("fd00::2", "fd00::ffff:ffff:ffff:ffff")]),
        ("fd00::/64", {"ipv6_address_mode": "slaac"}, "fd00::", [("fd00::1", "fd00::ffff:ffff:ffff:ffff")]),
    ],
)
def test_gateway_and_pools_as_neutron_chooses_them(cidr, values, gateway, pools):
    cloud = Cloud()
    subnet = cloud.subnet(cloud.network(), cidr, **values)
    assert subnet.gateway_ip == gateway
    assert subnet.allocation_pools == tuple(Pool(*pool) for pool in pools)


@pytest.mark.parametrize(
    ("cidr", "values", "reason"),
    [
        ("10.0.0.0/24", {"ip_version": 6}, "cidr '10.0.0.0/24' does not match the ip_version '6'"),
        ("0.0.0.0/0", {}, "0 is not allowed as CIDR prefix length"),
        ("::/64", {}, "IPv6 subnet '::' is not supported"),
        ("10.0.0.0/31", {}, "Subnet has a prefix length that is incompatible with DHCP service enabled"),
        ("fd00::/127", {}, "Subnet has a prefix length that is incompatible with DHCP service enabled"),
        ("224.0.0.0/24", {}, "Multicast IP subnet is not supported if enable_dhcp is True"),
        ("127.0.0.0/24", {}, "Loopback IP subnet is not supported if enable_dhcp is True"),
        ("0.0.0.0/24", {}, "First IP '0.0.0.0' of network is not supported if enable_dhcp is True."),
        ("10.0.0.0/24", {"gateway_ip": "fd00::1"}, "gateway_ip 'fd00::1' does not match the ip_version '4'"),
        ("10.0.0.0/24", {"gateway_ip": "10.0.0.0"}, "Gateway is not valid on subnet"),
        ("10.0.0.0/24", {"gateway_ip": "10.0.0.255"}, "Gateway is not valid on subnet"),
        ("10.0.0.0/24", {"ipv6_ra_mode": "slaac"}, "ipv6_ra_mode is not valid when ip_version is 4"),
        ("10.0.0.0/24", {"ipv6_address_mode": "slaac"}, "ipv6_address_mode is not valid when ip_version is 4"),
        (
            "fd00::/64",
            {"ipv6_ra_mode": "slaac", "enable_dhcp": False},
            "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False",
        ),
        (
            "fd00::/80",
            {"ipv6_address_mode": "slaac"},
            "Invalid CIDR fd00::/80 for IPv6 address mode: EUI-64 addresses require the prefix to be /64",
        ),
        (
            "10.0.0.0/24",
            {"dns_nameservers": ("fd00::53",)},
            "dns_nameserver 'fd00::53' does not match the ip_version '4'",
        ),
    ],
)
def test_refused(cidr, values, reason):
    cloud = Cloud()
    refusal = cloud.refusal(subnets.create, asked(cloud.network(), cidr, **values))
    assert (refusal.type, refusal.status) == ("InvalidInput", 400)
    assert refusal.message == f"Invalid input for operation: {reason}."


def test_no_cidr_and_no_network():
    cloud = Cloud()
    network = cloud.network()
    refusal = cloud.refusal(subnets.create, {"network_id": network.id, "ip_version": 4})
    assert refusal.message == "Bad subnets request: a subnetpool must be specified in the absence of a cidr."
    assert cloud.refusal(subnets.create, {"network_id": "nope"}).type == "NetworkNotFound"


def test_a_route_has_the_subnets_version():
    cloud = Cloud()
    values = asked(cloud.network(), "10.0.0.0/24", host_routes=(Route("fd00:1::/64", "10.0.0.2"),))
    assert "Invalid route: {'destination': 'fd00:1::/64'" in cloud.refusal(subnets.create, values).message


BLOCKS = st.tuples(st.integers(0, 255), st.integers(25, 29)).map(
    lambda pair: ipaddress.ip_network((f"10.0.0.{pair[0]}", pair[1]), strict=False)
)


@given(st.lists(BLOCKS, min_size=1, max_size=5))
def test_blocks_of_one_network_never_overlap(blocks):
    cloud = Cloud()
    network = cloud.network()
    made = []
    for block in blocks:
        values = asked(network, str(block))
        if any(block.overlaps(other) for other in made):
            message = cloud.refusal(subnets.create, values).message
            assert message == (
                f"Invalid input for operation: Requested subnet with cidr: {block} for network: {network.id} overlaps "
                "with another subnet."
            )
        else:
            cloud.run(subnets.create, values)
            made.append(block)


def test_blocks_of_different_networks_may_overlap():
    cloud = Cloud()
    for _ in range(2):
        cloud.subnet(cloud.network(), "10.0.0.0/24")


@pytest.mark.parametrize(
    ("pools", "type", "status", "message"),
    [
        (
            [("10.0.0.0", "10.0.0.9")],
            "OutOfBoundsAllocationPool",
            400,
            "The allocation pool 10.0.0.0-10.0.0.9 spans beyond the subnet cidr 10.0.0.0/24.",
        ),
        (
            [("10.0.0.9", "10.0.0.5")],
            "InvalidAllocationPool",
            400,
            "The allocation pool 10.0.0.9-10.0.0.5 is not valid.",
        ),
        ([("fd00::2", "fd00::5")], "InvalidAllocationPool", 400, "The allocation pool fd00::2-fd00::5 is not valid."),
        (
            [("10.0.0.1", "10.0.0.9")],
            "GatewayConflictWithAllocationPools",
            409,
            "Gateway ip 10.0.0.1 conflicts with allocation pool 10.0.0.1-10.0.0.9.",
        ),
        (
            [("10.0.0.20", "10.0.0.30"), ("10.0.0.5", "10.0.0.20")],
            "OverlappingAllocationPools",
            409,
            "Found overlapping allocation pools: 10.0.0.5-10.0.0.20 10.0.0.20-10.0.0.30 for subnet 10.0.0.0/24.",
        ),
    ],
)
def test_pools_are_within_the_block_apart_and_without_the_gateway(pools, type, status, message):
    cloud = Cloud()
    network = cloud.network()
    values = asked(network, "10.0.0.0/24", allocation_pools=tuple(Pool(*pool) for pool in pools))
    refusal = cloud.refusal(subnets.create, values)
    assert (refusal.type, refusal.status, refusal.message) == (type, status, message)
    subnet = cloud.subnet(network, "10.0.0.0/24")
    assert cloud.refusal(subnets.change, subnet.id, {"allocation_pools": values["allocation_pools"]}).message == message


def test_updates_keep_to_the_same_rules():
    cloud = Cloud()
    subnet = cloud.subnet(cloud.network(), "10.0.0.0/31", enable_dhcp=False)
    assert "incompatible with DHCP" in cloud.refusal(subnets.change, subnet.id, {"enable_dhcp": True}).message
    subnet = cloud.subnet(cloud.network(), "10.0.0.0/24")
    in_pool = cloud.refusal(subnets.change, subnet.id, {"gateway_ip": "10.0.0.9"})
    assert in_pool.type == "GatewayConflictWithAllocationPools"
    moved = cloud.run(
        subnets.change, subnet.id, {"gateway_ip": "10.0.0.9", "allocation_pools": (Pool("10.0.0.10", "10.0.0.20"),)}
    )
    assert (moved.gateway_ip, moved.revision_number) == ("10.0.0.9", 1)
    six = cloud.subnet(cloud.network(), "fd00::/64", ipv6_address_mode="slaac")
    refusal = cloud.refusal(subnets.change, six.id, {"enable_dhcp": False})
    assert refusal.message == "Invalid input for operation: Cannot disable enable_dhcp with ipv6 attributes set."


def test_pools_shrink_and_grow_around_addresses_in_use():
    cloud = Cloud()
    network = cloud.network()
    subnet = cloud.subnet(network, "10.0.0.0/24", allocation_pools=(Pool("10.0.0.10", "10.0.0.20"),))
    port = cloud.port(network)
    assert [ip.ip_address for ip in port.fixed_ips] == ["10.0.0.10"]
    cloud.run(subnets.change, subnet.id, {"allocation_pools": (Pool("10.0.0.100", "10.0.0.101"),)})
    assert cloud.net.get(Port, port.id) == port
    assert {cloud.port(network).fixed_ips[0].ip_address for _ in range(2)} == {"10.0.0.100", "10.0.0.101"}
    assert cloud.refusal(ports.create, {"network_id": network.id}).type == "IpAddressGenerationFailure"
    cloud.run(subnets.change, subnet.id, {"allocation_pools": (Pool("10.0.0.10", "10.0.0.11"),)})
    assert cloud.port(network).fixed_ips[0].ip_address == "10.0.0.11"
    cloud.run(subnets.change, subnet.id, {"allocation_pools": ()})
    assert cloud.refusal(ports.create, {"network_id": network.id}).type == "IpAddressGenerationFailure"
    assert cloud.port(network, fixed_ips=[{"ip_address": "10.0.0.200"}]).fixed_ips[0].ip_address == "10.0.0.200"


def test_a_subnet_may_have_no_pools():
    cloud = Cloud()
    assert cloud.subnet(cloud.network(), "10.0.0.0/24", allocation_pools=()).allocation_pools == ()


def test_a_gateway_that_is_a_routers_stays():
    cloud = Cloud()
    network = cloud.network()
    subnet = cloud.subnet(network, "10.0.0.0/24")
    router = cloud.port(network, device_owner="network:router_interface", fixed_ips=[{"ip_address": "10.0.0.1"}])
    pools = {"allocation_pools": (Pool("10.0.0.10", "10.0.0.20"),)}
    for gateway in ("10.0.0.2", None):
        refusal = cloud.refusal(subnets.change, subnet.id, {"gateway_ip": gateway, **pools})
        assert (refusal.type, refusal.status) == ("GatewayIpInUse", 409)
        assert refusal.message == f"Current gateway ip 10.0.0.1 already in use by port {router.id}. Unable to update."
    cloud.run(subnets.change, subnet.id, {"gateway_ip": "10.0.0.1", **pools})
    cloud.run(ports.delete, router.id)
    vm = cloud.port(network, fixed_ips=[{"ip_address": "10.0.0.1"}])
    changed = cloud.run(subnets.change, subnet.id, {"gateway_ip": "10.0.0.2"})
    assert (changed.gateway_ip, cloud.net.get(Port, vm.id)) == ("10.0.0.2", vm)


def test_ports_have_the_address_of_a_new_slaac_subnet_at_once():
    cloud = Cloud()
    network = cloud.network()
    four = cloud.subnet(network, "10.0.0.0/24")
    vm = cloud.port(network, mac_address="fa:16:3e:00:00:01")
    dhcp = cloud.port(network, device_owner="network:dhcp", mac_address="fa:16:3e:00:00:02")
    router = cloud.port(network, device_owner="network:router_interface")
    elsewhere = cloud.port(cloud.network())
    cloud.subnet(network, "fd00:5::/64", ipv6_address_mode="dhcpv6-stateful")
    six = cloud.subnet(network, "fd00::/64", ipv6_address_mode="slaac", ipv6_ra_mode="slaac")
    now = cloud.net.get(Port, vm.id)
    assert [tuple(ip) for ip in now.fixed_ips] == [
        (four.id, vm.fixed_ips[0].ip_address),
        (six.id, "fd00::f816:3eff:fe00:1"),
    ]
    assert now.revision_number == 1
    assert cloud.net.get(Port, dhcp.id).fixed_ips[-1].ip_address == "fd00::f816:3eff:fe00:2"
    assert cloud.net.get(Port, router.id) == router
    assert cloud.net.get(Port, elsewhere.id) == elsewhere


def test_subnets_are_for_the_owners_that_they_name():
    cloud = Cloud()
    network = cloud.network()
    vms = cloud.subnet(network, "10.0.1.0/24", service_types=("compute:nova",))

    def where(**values):
        return [ip.subnet_id for ip in cloud.port(network, **values).fixed_ips]

    refusal = cloud.refusal(ports.create, {"network_id": network.id, "device_owner": "network:floatingip"})
    assert (refusal.type, refusal.status) == ("IpAddressGenerationFailureNoMatchingSubnet", 409)
    assert refusal.message == (
        f"No valid service subnet for the given device owner, network {network.id}, service type network:floatingip."
    )
    assert where(device_owner="network:dhcp") == [vms.id]
    anyone = cloud.subnet(network, "10.0.0.0/24")
    assert where(device_owner="compute:nova") == [vms.id]
    assert where() == [anyone.id]
    asked = {"network_id": network.id, "fixed_ips": (Wanted(vms.id, ""),)}
    assert "included invalid subnet" in cloud.refusal(ports.create, asked).message
    kept = cloud.port(network, device_owner="compute:nova")
    cloud.change_port(kept, device_owner="")
    assert cloud.change_port(kept, fixed_ips=[ip._asdict() for ip in kept.fixed_ips]).fixed_ips == kept.fixed_ips


def test_the_mtu_must_carry_ipv6():
    cloud = Cloud()
    network = cloud.network(mtu=1000)
    cloud.subnet(network, "10.0.0.0/24")
    assert cloud.refusal(subnets.create, asked(network, "fd00::/64")).type == "NetworkMTUSubnetConflict"


def test_a_subnet_with_addresses_given_stays():
    cloud = Cloud()
    network = cloud.network()
    subnet = cloud.subnet(network, "10.0.0.0/24")
    port = cloud.port(network)
    refusal = cloud.refusal(subnets.delete, subnet.id)
    assert (refusal.type, refusal.status) == ("SubnetInUse", 409)
    assert refusal.message == (
        f"Unable to complete operation on subnet {subnet.id}: One or more ports have an IP allocation from this subnet."
    )
    cloud.run(ports.delete, port.id)
    cloud.run(subnets.delete, subnet.id)
    assert cloud.net.get(Sequence, f"subnet {subnet.id}") is None


def test_addresses_that_hosts_make_go_with_their_subnet_but_not_a_routers():
    cloud = Cloud()
    network = cloud.network()
    four = cloud.subnet(network, "10.0.0.0/24")
    six = cloud.subnet(network, "fd00::/64", ipv6_address_mode="slaac")
    port = cloud.port(network)
    router = cloud.port(network, device_owner="network:router_interface", fixed_ips=[{"subnet_id": six.id}])
    assert cloud.refusal(subnets.delete, six.id).type == "SubnetInUse"
    cloud.run(ports.delete, router.id)
    cloud.run(subnets.delete, six.id)
    left = cloud.net.get(Port, port.id)
    assert [ip.subnet_id for ip in left.fixed_ips] == [four.id]
    assert left.revision_number == 1


def test_a_dhcp_ports_address_does_not_keep_its_subnet():
    cloud = Cloud()
    network = cloud.network()
    subnet = cloud.subnet(network, "10.0.0.0/24")
    port = cloud.port(network, device_owner="network:dhcp")
    cloud.run(subnets.delete, subnet.id)
    assert cloud.net.get(Port, port.id).fixed_ips == ()


@pytest.mark.parametrize(
    ("values", "type", "what"),
    [
        (
            {"dns_nameservers": tuple(f"9.9.9.{n}" for n in range(6))},
            "DNSNameServersExhausted",
            "DNS nameservers exceeds the limit 5",
        ),
        (
            {"host_routes": tuple(Route(f"10.{n}.0.0/16", "10.0.0.2") for n in range(21))},
            "HostRoutesExhausted",
            "host routes exceeds the limit 20",
        ),
    ],
)
def test_nameservers_and_routes_are_not_too_many(values, type, what):
    cloud = Cloud()
    network = cloud.network()
    refusal = cloud.refusal(subnets.create, asked(network, "10.0.0.0/24", **values))
    assert (refusal.type, refusal.status) == (type, 400)
    assert refusal.message == f"Unable to complete operation for new subnet. The number of {what}."
    subnet = cloud.subnet(network, "10.0.0.0/24")
    refusal = cloud.refusal(subnets.change, subnet.id, values)
    assert refusal.message == f"Unable to complete operation for {subnet.id}. The number of {what}."
