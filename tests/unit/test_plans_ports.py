"""Ports: their MACs and addresses, chosen or asked for, and what goes with them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from controller.core.model import Binding, Fault, Port
from controller.core.plan import Refusal
from controller.core.plans import ports, wiring
from controller.core.plans.allocate import eui64
from controller.core.settings import Settings
from tests.unit.planning import Cloud


def addresses(port):
    return [ip.ip_address for ip in port.fixed_ips]


@pytest.fixture
def cloud():
    return Cloud()


@pytest.fixture
def network(cloud):
    return cloud.network()


def test_nothing_asked_gives_one_address_of_each_version(cloud, network):
    for cidr in ("10.0.0.0/24", "10.0.1.0/24", "fd00::/64", "fd01::/64"):
        cloud.subnet(network, cidr)
    versions = [ipaddress.ip_address(text).version for text in addresses(cloud.port(network))]
    assert versions == [4, 6]


def test_the_first_subnet_made_is_used_until_it_is_full(cloud, network):
    first = cloud.subnet(network, "10.0.0.0/30")
    cloud.now = "2026-11-20T10:00:01Z"
    second = cloud.subnet(network, "10.0.1.0/30")
    made = [cloud.port(network).fixed_ips[0].subnet_id for _ in range(2)]
    assert made == [first.id, second.id]
    refusal = cloud.refusal(ports.create, {"network_id": network.id})
    assert (refusal.type, refusal.status) == ("IpAddressGenerationFailure", 409)
    assert refusal.message == f"No more IP addresses available on network {network.id}."


def test_none_asked_and_none_there(cloud, network):
    assert cloud.port(network).fixed_ips == ()
    cloud.subnet(network, "10.0.0.0/24")
    assert cloud.port(network, fixed_ips=[]).fixed_ips == ()


def test_addresses_rest_before_they_are_given_again(cloud, network):
    cloud.subnet(network, "10.0.0.0/29")
    first = cloud.port(network)
    assert addresses(first) == ["10.0.0.2"]
    cloud.run(ports.delete, first.id)
    assert [addresses(cloud.port(network)) for _ in range(5)] == [[f"10.0.0.{n}"] for n in (3, 4, 5, 6, 2)]


@pytest.mark.parametrize("mode", ["slaac", "dhcpv6-stateless"])
def test_hosts_that_make_their_own_addresses_get_those(cloud, network, mode):
    cloud.subnet(network, "10.0.0.0/24")
    cloud.subnet(network, "fd00:90::/64", ipv6_address_mode=mode)
    port = cloud.port(network, mac_address="fa:16:3e:4d:b7:64")
    assert addresses(port) == ["10.0.0.2", "fd00:90::f816:3eff:fe4d:b764"]
    moved = cloud.change_port(port, mac_address="fa:16:3e:00:00:01")
    assert addresses(moved) == ["10.0.0.2", "fd00:90::f816:3eff:fe00:1"]


def test_a_router_port_makes_no_address_of_its_own(cloud, network):
    six = cloud.subnet(network, "fd00::/64", ipv6_address_mode="slaac")
    port = cloud.port(
        network, device_owner="network:router_interface", fixed_ips=[{"subnet_id": six.id, "ip_address": "fd00::1"}]
    )
    assert addresses(port) == ["fd00::1"]
    assert addresses(cloud.change_port(port, mac_address=None)) == ["fd00::1"]


def test_an_address_that_the_host_would_not_make_is_refused(cloud, network):
    six = cloud.subnet(network, "fd00::/64", ipv6_address_mode="slaac")
    with pytest.raises(Refusal) as caught:
        cloud.port(network, fixed_ips=[{"ip_address": "fd00::5"}])
    assert caught.value.type == "AllocationOnAutoAddressSubnet"
    mac = "fa:16:3e:00:00:02"
    port = cloud.port(
        network, mac_address=mac, fixed_ips=[{"subnet_id": six.id, "ip_address": eui64("fd00::/64", mac)}]
    )
    assert addresses(port) == ["fd00::f816:3eff:fe00:2"]
    assert addresses(cloud.change_port(port, fixed_ips=[{"subnet_id": six.id}])) == ["fd00::f816:3eff:fe00:2"]


def test_a_made_address_that_somebody_has_is_refused(cloud, network):
    cloud.subnet(network, "fd00::/64", ipv6_address_mode="slaac")
    taken = eui64("fd00::/64", "fa:16:3e:00:00:03")
    cloud.port(network, device_owner="network:router_interface", fixed_ips=[{"ip_address": taken}])
    refusal = cloud.refusal(ports.create, {"network_id": network.id, "mac_address": "fa:16:3e:00:00:03"})
    assert refusal.type == "IpAddressAlreadyAllocated"


def test_asked_for_addresses_come_in_the_order_asked_and_are_never_chosen_for_another(cloud, network):
    subnet = cloud.subnet(network, "10.0.0.0/24")
    port = cloud.port(network, fixed_ips=[{"subnet_id": subnet.id}, {"ip_address": "10.0.0.2"}])
    assert addresses(port) == ["10.0.0.3", "10.0.0.2"]


@pytest.mark.parametrize(
    ("wanted", "type", "status", "message"),
    [
        (
            {"ip_address": "10.99.9.9"},
            "InvalidIpForNetwork",
            400,
            "IP address 10.99.9.9 is not a valid IP for any of the subnets on the specified network.",
        ),
        (
            {"subnet_id": "{subnet}", "ip_address": "10.99.9.9"},
            "InvalidIpForSubnet",
            400,
            "IP address 10.99.9.9 is not a valid IP for the specified subnet.",
        ),
        (
            {"ip_address": "10.0.0.255"},
            "InvalidIpForNetwork",
            400,
            "IP address 10.0.0.255 is not a valid IP for any of the subnets on the specified network.",
        ),
        (
            {"ip_address": "10.0.0.9"},
            "IpAddressAlreadyAllocated",
            409,
            "IP address 10.0.0.9 already allocated in subnet {subnet}",
        ),
        (
            {"subnet_id": "{other}"},
            "InvalidInput",
            400,
            "Invalid input for operation: Failed to create port on network {network}, because fixed_ips included "
            "invalid subnet {other}.",
        ),
        (
            {"subnet_id": "00000000-0000-0000-0000-000000000001"},
            "SubnetNotFound",
            404,
            "Subnet 00000000-0000-0000-0000-000000000001 could not be found.",
        ),
        ({}, "InvalidInput", 400, "Invalid input for operation: IP allocation requires subnet_id or ip_address."),
    ],
)
def test_addresses_that_can_not_be_had(cloud, network, wanted, type, status, message):
    subnet, other = cloud.subnet(network, "10.0.0.0/24"), cloud.subnet(cloud.network(), "10.7.0.0/24")
    cloud.port(network, fixed_ips=[{"ip_address": "10.0.0.9"}])
    names = {"subnet": subnet.id, "other": other.id, "network": network.id}
    with pytest.raises(Refusal) as caught:
        cloud.port(network, fixed_ips=[{key: text.format(**names) for key, text in wanted.items()}])
    refusal = caught.value
    assert (refusal.type, refusal.status, refusal.message) == (type, status, message.format(**names))


def test_an_address_needs_a_subnet_and_a_port_a_network(cloud, network):
    with pytest.raises(Refusal, match="IP allocation requires subnets for network"):
        cloud.port(network, fixed_ips=[{"ip_address": "10.0.0.9"}])
    assert cloud.refusal(ports.create, {"network_id": "nope"}).type == "NetworkNotFound"


def test_macs_start_with_base_mac_and_are_unique_in_the_network(cloud, network):
    macs = [cloud.port(network).mac_address for _ in range(50)]
    assert len(set(macs)) == 50
    assert all(mac.startswith("fa:16:3e:") for mac in macs)
    four = Cloud(Settings(base_mac="FA:16:3E:4F:00:00"))
    assert four.port(four.network()).mac_address.startswith("fa:16:3e:4f:")


def test_a_taken_mac_is_refused_in_its_network_only(cloud, network):
    port = cloud.port(network, mac_address="56:6f:1a:2b:00:01")
    refusal = cloud.refusal(ports.create, {"network_id": network.id, "mac_address": port.mac_address})
    assert (refusal.type, refusal.status) == ("MacAddressInUse", 409)
    assert refusal.message == (
        f"Unable to complete operation for network {network.id}. The mac address 56:6f:1a:2b:00:01 is in use."
    )
    cloud.port(cloud.network(), mac_address=port.mac_address)
    other = cloud.port(network)
    assert cloud.refusal(ports.change, other.id, {"mac_address": port.mac_address}).type == "MacAddressInUse"
    assert cloud.change_port(port, mac_address=port.mac_address).revision_number == 0


def test_no_mac_is_found_when_all_tries_are_taken(cloud, network):
    cloud.new_id = lambda: "00000000-0000-0000-0000-0000000000aa"
    cloud.port(network)
    refusal = cloud.refusal(ports.create, {"network_id": network.id})
    assert (refusal.type, refusal.status) == ("NetworkMacAddressGenerationFailure", 503)


def test_a_null_mac_asks_for_a_new_one(cloud, network):
    port = cloud.port(network)
    assert cloud.change_port(port, mac_address=None).mac_address != port.mac_address


def test_the_profile_names_the_interface(cloud, network):
    port = cloud.port(network, host_id="h1", profile='{"interface": "h1-eth0"}')
    assert (port.interface_name, port.profile) == ("h1-eth0", '{"interface": "h1-eth0"}')
    assert cloud.net.find(Port, "interface_name", ("h1", "h1-eth0")) == [port]
    assert cloud.change_port(port, profile="{}").interface_name == ""


def test_an_update_keeps_what_it_may(cloud, network):
    subnet = cloud.subnet(network, "10.0.0.0/24")
    port = cloud.port(network)
    cloud.port(network)
    same = cloud.change_port(port, fixed_ips=[{"subnet_id": subnet.id}])
    assert addresses(same) == ["10.0.0.2"]
    more = cloud.change_port(port, fixed_ips=[{"subnet_id": subnet.id}, {"ip_address": "10.0.0.50"}])
    assert addresses(more) == ["10.0.0.2", "10.0.0.50"]
    again = cloud.change_port(port, fixed_ips=[{"ip_address": "10.0.0.50"}, {"subnet_id": subnet.id}])
    assert addresses(again) == ["10.0.0.50", "10.0.0.2"]
    assert addresses(cloud.change_port(port, fixed_ips=[])) == []
    assert addresses(cloud.change_port(port, name="x")) == []


def test_ports_have_different_keys(cloud, network):
    assert len({cloud.port(network).key for _ in range(3)}) == 3


def test_what_was_observed_of_a_port_goes_with_it(cloud, network):
    port = cloud.port(network)
    cloud.run(wiring.bind, [(port.id, "h1")])
    cloud.run(wiring.set_fault, "Port", port.id, "refused")
    cloud.run(ports.delete, port.id)
    assert not list(cloud.net.all(Port)) + list(cloud.net.all(Binding)) + list(cloud.net.all(Fault))
    refusal = cloud.refusal(ports.delete, port.id)
    assert (refusal.type, refusal.message) == ("PortNotFound", f"Port {port.id} could not be found.")


class Addresses(RuleBasedStateMachine):
    """Any sequence of creates, changes and deletes: no two ports of a network share an address or a MAC, and every
    address is one that its subnet may give."""

    made = Bundle("made")

    @initialize()
    def start(self):
        self.cloud = Cloud()
        self.network = self.cloud.network()
        self.subnets = {
            subnet.id: ipaddress.ip_network(subnet.cidr)
            for subnet in (
                self.cloud.subnet(self.network, "10.0.0.0/29"),
                self.cloud.subnet(self.network, "10.0.0.8/30"),
                self.cloud.subnet(self.network, "fd00::/64", ipv6_address_mode="slaac"),
            )
        }

    @rule(target=made, wanted=st.none() | st.lists(st.integers(0, 13).map(lambda n: f"10.0.0.{n}"), max_size=3))
    def create(self, wanted):
        fixed_ips = None if wanted is None else [{"ip_address": text} for text in wanted]
        try:
            return self.cloud.port(self.network, fixed_ips=fixed_ips)
        except Refusal as refusal:
            assert refusal.status in (400, 409)  # noqa: PT017
            return None

    @rule(port=made, wanted=st.integers(0, 13), mac=st.integers(1, 4))
    def change(self, port, wanted, mac):
        if port is None or self.cloud.net.get(Port, port.id) is None:
            return
        values = {"fixed_ips": [{"ip_address": f"10.0.0.{wanted}"}], "mac_address": f"fa:16:3e:00:00:0{mac}"}
        try:
            self.cloud.change_port(port, **values)
        except Refusal as refusal:
            assert refusal.status in (400, 409)  # noqa: PT017

    @rule(port=consumes(made))
    def delete(self, port):
        if port is not None:
            self.cloud.run(ports.delete, port.id)

    @invariant()
    def unique_and_possible(self):
        held = list(self.cloud.net.all(Port))
        texts = [text for port in held for text in addresses(port)]
        assert len(set(texts)) == len(texts)
        assert len({port.mac_address for port in held}) == len(held)
        for port in held:
            assert eui64("fd00::/64", port.mac_address) in addresses(port)
            for ip in port.fixed_ips:
                assert ipaddress.ip_address(ip.ip_address) in self.subnets[ip.subnet_id]


TestAddresses = Addresses.TestCase
TestAddresses.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
