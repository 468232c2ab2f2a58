"""The way of a packet, foretold: bridge by bridge, as what it arrives and leaves, and where it ends."""

from __future__ import annotations

import pytest

from controller.core.inspect import Inspector
from controller.core.model import Port
from controller.core.packet import ethernet
from controller.core.plans import networks, ports
from tests.apps.setup import MAC1, MAC2, small
from tests.world.hypervisor import NIC, TRUNK
from tests.world.world import TRUNK_MAPPINGS, World, name_of


def traced(world, one, other):
    return Inspector(world.machine).trace(one.id, other.id)


def way(found):
    """(switch, from port, as what, to port, as what) of each hop."""
    return [
        tuple(hop[name] for name in ("switch", "in_port", "arrives", "out_port", "leaves")) for hop in found["hops"]
    ]


def test_a_vlan_goes_through_both_provider_bridges():
    cloud = small("vlan", segmentation_id=150)
    found = traced(cloud.world, cloud.one, cloud.two)
    assert (found["delivered"], found["reason"]) == (True, "")
    assert way(found) == [
        ("h1/br-int", name_of(cloud.one), "untagged", "int-br-eth1", "VLAN 1"),
        ("h1/br-eth1", "phy-br-eth1", "VLAN 1", NIC, "VLAN 150"),
        ("h2/br-eth1", NIC, "VLAN 150", "phy-br-eth1", "VLAN 150"),
        ("h2/br-int", "int-br-eth1", "VLAN 150", name_of(cloud.two), "untagged"),
    ]
    tables = [lookup["table"] for lookup in found["hops"][0]["lookups"]]
    assert tables[0] == "admission" and tables[-1] == "provider_out"
    assert found["hops"][1]["lookups"][0]["flow"].startswith("table=provider, priority=4,in_port=")
    addresses = [port.fixed_ips[0].ip_address for port in (cloud.one, cloud.two)]
    assert f"ipv4_src={addresses[0]}, ipv4_dst={addresses[1]}" in found["packet"]


@pytest.mark.parametrize("type", ["vxlan", "gre", "geneve"])
def test_a_tunnel_is_one_hop_before_and_after_its_flow_is_there(type):
    cloud = small(type)
    for _ in range(2):
        found = traced(cloud.world, cloud.one, cloud.two)
        assert found["delivered"]
        (_, _, _, out, leaves), (there, came_by, arrives, *_) = way(found)
        assert (out, came_by, there) == (f"pb-{type}", f"pb-{type}", "h2/br-int")
        assert arrives == leaves == "tunnel id 1 to 192.0.2.2"
        cloud.world.send(cloud.one, ethernet(MAC1, MAC2))
        cloud.world.settle()


def test_ports_of_one_host_are_one_hop_apart():
    cloud = small("vxlan")
    third = cloud.world.port(cloud.network, name="third")
    cloud.world.plug(third, cloud.here)
    cloud.world.settle()
    found = Inspector(cloud.world.machine).trace(cloud.one.id, "third")
    assert found["delivered"] and found["target"] == third.id
    assert way(found) == [("h1/br-int", name_of(cloud.one), "untagged", name_of(third), "untagged")]


def test_a_trunk_is_where_the_way_leaves_br_int():
    world = World()
    hosts = world.host(True, TRUNK_MAPPINGS), world.host()
    world.settle()
    network = world.network("vlan", segmentation_id=150)
    one, two = world.port(network, mac_address=MAC1), world.port(network, mac_address=MAC2)
    for port, host in zip((one, two), hosts, strict=True):
        world.plug(port, host)
    world.settle()
    assert [(hop[0], hop[3], hop[4]) for hop in way(traced(world, one, two))] == [
        ("h1/br-int", TRUNK, "VLAN 150"),
        ("h2/br-eth1", "phy-br-eth1", "VLAN 150"),
        ("h2/br-int", name_of(two), "untagged"),
    ]


def test_the_table_that_drops_is_named_with_the_reason():
    cloud = small("vxlan")
    cloud.world.write(ports.change, cloud.two.id, {"admin_state_up": False})
    cloud.world.settle()
    found = traced(cloud.world, cloud.one, cloud.two)
    assert not found["delivered"]
    assert found["reason"] == "h2/br-int, table switching: dropped, a flow of switching.rules"
    cloud.world.write(networks.change, cloud.network.id, {"admin_state_up": False})
    cloud.world.settle()
    found = traced(cloud.world, cloud.one, cloud.two)
    assert found["reason"] == "h1/br-int, table admission: no flow matches"


def test_ports_of_different_networks_do_not_meet():
    cloud = small("vxlan")
    other = cloud.world.port(cloud.world.network("vxlan"))
    cloud.world.plug(other, cloud.there)
    cloud.world.settle()
    found = traced(cloud.world, cloud.one, other)
    assert not found["delivered"]
    assert found["reason"].endswith(f"the ports are in networks {cloud.network.id} and {other.network_id}")


def test_a_host_that_does_not_reach_the_network_is_told():
    cloud = small("vlan")
    cloud.here.mappings = (("physnet2", "br-eth1"),)
    cloud.world.events.append(cloud.here.changed())
    cloud.world.settle()
    found = traced(cloud.world, cloud.one, cloud.two)
    assert (found["delivered"], len(found["hops"])) == (False, 1)
    assert found["reason"].startswith("h1/br-int, table ")


def test_a_port_that_is_not_there_or_not_plugged_in_is_said_to_be_so():
    cloud = small("vxlan")
    late = cloud.world.port(cloud.network)
    cloud.world.settle()
    with pytest.raises(LookupError, match=f"port {late.id} is not plugged in"):
        traced(cloud.world, cloud.one, late)
    with pytest.raises(LookupError, match="'nobody' names no port"):
        traced(cloud.world, cloud.one, Port("nobody"))
