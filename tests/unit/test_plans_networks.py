"""Networks: how they are carried, their MTU, and what goes with them."""

from __future__ import annotations

import pytest

from controller.core.model import Fault, LocalVlan, Network, Segment, Sequence, Subnet
from controller.core.plans import networks, ports, wiring
from controller.core.settings import Settings
from tests.unit.planning import SETTINGS, Cloud


def carried(cloud, network):
    (segment,) = cloud.net.find(Segment, "network_id", network.id)
    return segment.network_type, segment.physical_network, segment.segmentation_id


def test_a_tenant_network_takes_the_next_tunnel_id_and_its_mtu():
    cloud = Cloud()
    made = [cloud.network(name=name) for name in "abc"]
    assert [carried(cloud, network) for network in made] == [("vxlan", None, n) for n in (1, 2, 3)]
    assert [network.mtu for network in made] == [1450] * 3
    assert len({network.key for network in made}) == 3
    assert (made[0].created_at, made[0].updated_at) == (cloud.now, cloud.now)


def test_tunnel_ids_rest_before_they_are_given_again_and_run_out_with_503():
    cloud = Cloud()
    first, second, third = (cloud.network() for _ in range(3))
    cloud.run(networks.delete, first.id)
    assert carried(cloud, cloud.network()) == ("vxlan", None, 1)
    refusal = cloud.refusal(networks.create, {})
    assert (refusal.type, refusal.status) == ("NoNetworkAvailable", 503)
    assert refusal.message == "Unable to create the network. No project network is available for allocation."
    cloud.run(networks.delete, third.id)
    cloud.run(networks.delete, second.id)
    assert carried(cloud, cloud.network()) == ("vxlan", None, 2)


def test_tenant_types_are_tried_in_order():
    cloud = Cloud(
        Settings(
            tenant_network_types=("vlan", "gre", "local"), vlan_ranges=SETTINGS.vlan_ranges, tunnel_id_ranges=((7, 7),)
        )
    )
    made = [cloud.network() for _ in range(4)]
    assert [carried(cloud, network) for network in made] == [
        ("vlan", "physnet1", 100),
        ("vlan", "physnet1", 101),
        ("gre", None, 7),
        ("local", None, None),
    ]
    assert [network.mtu for network in made] == [1500, 1500, 1458, 1500]


@pytest.mark.parametrize(("path_mtu", "mtus"), [(1400, [1350, 1358, 1350, 1500]), (9000, [1450, 1458, 1450, 1500])])
def test_a_narrower_way_between_hosts_is_for_networks_in_tunnels(path_mtu, mtus):
    cloud = Cloud(Settings(path_mtu=path_mtu, vlan_ranges=SETTINGS.vlan_ranges))
    types = ("vxlan", "gre", "geneve", "vlan")
    assert [cloud.network(network_type=type).mtu for type in types] == mtus
    refusal = cloud.refusal(networks.create, {"network_type": "vxlan", "mtu": mtus[0] + 1})
    assert refusal.message == f"Invalid input for operation: Requested MTU is too big, maximum is {mtus[0]}."


def test_tunnels_over_ipv6_take_20_bytes_more():
    cloud = Cloud(Settings(overlay_ip_version=6, vlan_ranges=SETTINGS.vlan_ranges))
    types = ({"network_type": type} for type in ("vxlan", "gre", "geneve", "vlan", "local"))
    assert [cloud.network(**type).mtu for type in types] == [1430, 1438, 1430, 1500, 1500]
    refusal = cloud.refusal(networks.create, {"network_type": "vxlan", "mtu": 1431})
    assert refusal.message == "Invalid input for operation: Requested MTU is too big, maximum is 1430."


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({"network_type": "local"}, ("local", None, None)),
        ({"network_type": "flat", "physical_network": "anything"}, ("flat", "anything", None)),
        ({"network_type": "vlan", "physical_network": "physnet2", "segmentation_id": 4094}, ("vlan", "physnet2", 4094)),
        ({"network_type": "vlan", "physical_network": "physnet1"}, ("vlan", "physnet1", 100)),
        ({"network_type": "vlan"}, ("vlan", "physnet1", 100)),
        ({"network_type": "geneve", "segmentation_id": 2**24 - 1}, ("geneve", None, 2**24 - 1)),
        ({"network_type": "gre", "segmentation_id": 2**32 - 1}, ("gre", None, 2**32 - 1)),
        ({"network_type": "vxlan"}, ("vxlan", None, 1)),
    ],
)
def test_provider_attributes_say_how_it_is_carried(asked, given):
    cloud = Cloud()
    assert carried(cloud, cloud.network(**asked)) == given


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"segmentation_id": 5}, "network_type required"),
        ({"physical_network": "physnet1"}, "network_type required"),
        ({"network_type": "local", "physical_network": "p"}, "physical_network prohibited for local provider network"),
        ({"network_type": "local", "segmentation_id": 1}, "segmentation_id prohibited for local provider network"),
        ({"network_type": "flat"}, "physical_network required for flat provider network"),
        (
            {"network_type": "flat", "physical_network": "p", "segmentation_id": 1},
            "segmentation_id prohibited for flat provider network",
        ),
        (
            {"network_type": "vlan", "physical_network": "nowhere", "segmentation_id": 5},
            "physical_network 'nowhere' unknown for VLAN provider network",
        ),
        (
            {"network_type": "vlan", "segmentation_id": 5},
            "segmentation_id requires physical_network for VLAN provider network",
        ),
        (
            {"network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 4095},
            "segmentation_id out of range (1 through 4094)",
        ),
        (
            {"network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 0},
            "segmentation_id out of range (1 through 4094)",
        ),
        (
            {"network_type": "vxlan", "segmentation_id": 2**24},
            "segmentation_id out of range (1 through 16777215)",
        ),
        (
            {"network_type": "gre", "physical_network": "physnet1"},
            "provider:physical_network specified for gre network",
        ),
        ({"mtu": 1451}, "Requested MTU is too big, maximum is 1450"),
    ],
)
def test_what_can_not_be_carried_is_refused(asked, reason):
    refusal = Cloud().refusal(networks.create, asked)
    assert (refusal.type, refusal.status) == ("InvalidInput", 400)
    assert refusal.message == f"Invalid input for operation: {reason}."


@pytest.mark.parametrize(
    ("flat_networks", "reason"),
    [((), "Flat provider networks are disabled"), (("a",), "physical_network 'b' unknown for flat provider network")],
)
def test_flat_networks_are_those_configured(flat_networks, reason):
    cloud = Cloud(Settings(flat_networks=flat_networks))
    refusal = cloud.refusal(networks.create, {"network_type": "flat", "physical_network": "b"})
    assert refusal.message == f"Invalid input for operation: {reason}."


@pytest.mark.parametrize(
    ("asked", "type", "message"),
    [
        (
            {"network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 7},
            "VlanIdInUse",
            "Unable to create the network. The VLAN 7 on physical network physnet1 is in use.",
        ),
        (
            {"network_type": "flat", "physical_network": "physnet1"},
            "FlatNetworkInUse",
            "Unable to create the flat network. Physical network physnet1 is in use.",
        ),
        (
            {"network_type": "vxlan", "segmentation_id": 7},
            "TunnelIdInUse",
            "Unable to create the network. The tunnel ID 7 is in use.",
        ),
    ],
)
def test_what_carries_one_network_carries_no_other(asked, type, message):
    cloud = Cloud()
    first = cloud.network(**asked)
    refusal = cloud.refusal(networks.create, asked)
    assert (refusal.type, refusal.status, refusal.message) == (type, 409, message)
    cloud.run(networks.delete, first.id)
    cloud.network(**asked)


@pytest.mark.parametrize("asked", [{"network_type": "vxlan"}, {"network_type": "vlan", "physical_network": "physnet1"}])
def test_no_id_left_for_an_asked_type_is_503(asked):
    cloud = Cloud(Settings(tunnel_id_ranges=((1, 1),), vlan_ranges=(("physnet1", ((5, 5),)),)))
    cloud.network(**asked)
    assert cloud.refusal(networks.create, asked).status == 503


def test_keys_are_never_given_twice_and_end_at_32_bits():
    cloud = Cloud(Settings(tenant_network_types=("local",)))
    first = cloud.network()
    cloud.run(networks.delete, first.id)
    assert cloud.network().key == first.key + 1
    cloud.net.apply(cloud.net.change(Sequence("network key", 2**32)))
    assert cloud.refusal(networks.create, {}).type == "NoNetworkAvailable"


def test_an_update_counts_only_when_it_changes_something():
    cloud = Cloud()
    network = cloud.network(name="a")
    cloud.now = "2026-11-20T11:00:00Z"
    assert cloud.run(networks.change, network.id, {"name": "a"}) == network
    changed = cloud.run(networks.change, network.id, {"name": "b", "mtu": 0})
    assert (changed.name, changed.mtu, changed.revision_number, changed.updated_at) == ("b", 1450, 1, cloud.now)
    assert changed.created_at == network.created_at


def test_a_write_may_insist_on_a_revision():
    cloud = Cloud()
    network = cloud.network()
    for plan, args in ((networks.change, ({"name": "x"},)), (networks.delete, ())):
        refusal = cloud.refusal(plan, network.id, *args, revision=3)
        assert (refusal.type, refusal.status) == ("RevisionNumberConstraintFailed", 412)
        assert refusal.message == "Constrained to 3, but current revision is 0"
    assert cloud.run(networks.change, network.id, {"name": "x"}, revision=0).revision_number == 1


@pytest.mark.parametrize(
    ("cidr", "mtu", "minimum"), [("10.0.0.0/24", 67, 68), ("fd00::/64", 67, 68), ("fd00::/64", 1279, 1280)]
)
def test_the_mtu_must_carry_the_subnets(cidr, mtu, minimum):
    cloud = Cloud()
    network = cloud.network()
    cloud.subnet(network, cidr)
    refusal = cloud.refusal(networks.change, network.id, {"mtu": mtu})
    assert (refusal.type, refusal.status) == ("NetworkMTUSubnetConflict", 409)
    assert refusal.message == f"MTU of {network.id} is not valid, subnet requires a minimum of {minimum}"


def test_an_absent_network_is_404():
    for plan, args in ((networks.change, ({},)), (networks.delete, ())):
        refusal = Cloud().refusal(plan, "nope", *args)
        assert (refusal.type, refusal.status) == ("NetworkNotFound", 404)
        assert refusal.message == "Network nope could not be found."


def test_a_network_with_ports_stays():
    cloud = Cloud()
    network = cloud.network()
    port = cloud.port(network)
    refusal = cloud.refusal(networks.delete, network.id)
    assert (refusal.type, refusal.status) == ("NetworkInUse", 409)
    assert refusal.message == (
        f"Unable to complete operation on network {network.id}. There are one or more ports still in use on the "
        f"network, id for these ports is: {port.id}."
    )
    cloud.run(ports.delete, port.id)
    cloud.run(networks.delete, network.id)


def test_all_that_is_the_networks_goes_with_it():
    cloud = Cloud()
    network, other = cloud.network(), cloud.network()
    cloud.subnet(network, "10.0.0.0/24")
    kept = cloud.subnet(other, "10.0.0.0/24")
    cloud.port(network, device_owner="network:dhcp")
    vif = cloud.port(network)
    cloud.run(wiring.bind, [(vif.id, "h1")])
    cloud.run(wiring.set_fault, "Network", network.id, "refused")
    cloud.run(ports.delete, vif.id)
    cloud.run(networks.delete, network.id)
    assert list(cloud.net.all(Network)) == [other]
    assert list(cloud.net.all(Subnet)) == [kept]
    assert [segment.network_id for segment in cloud.net.all(Segment)] == [other.id]
    assert not list(cloud.net.all(LocalVlan))
    assert not list(cloud.net.all(Fault))
    assert not [sequence for sequence in cloud.net.all(Sequence) if sequence.name.startswith("subnet")]
