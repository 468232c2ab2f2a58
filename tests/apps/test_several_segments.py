"""A network on several physical networks: each host uses the first that it reaches, so nothing arrives twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core.model import Segment
from controller.core.packet import BROADCAST, ethernet
from controller.core.plans import networks, segments
from controller.core.plans.parse import Carrier
from tests.apps.setup import MAC1, MAC2, MAC3, flows
from tests.rest.api import SETTINGS as API_SETTINGS
from tests.rest.api import Api
from tests.world.hypervisor import NIC
from tests.world.world import SETTINGS, World

P1, P2 = ("physnet1", "br-eth1"), ("physnet2", "br-eth2")
RANGES = (("physnet1", ((100, 199),)), ("physnet2", ((200, 299),)))
FIRST, SECOND = Carrier("vlan", "physnet1", 100), Carrier("vlan", "physnet2", 200)
MAC4 = "fa:16:3e:00:00:04"


@pytest.fixture
def cloud():
    """One port on each of four hosts: two that reach both physical networks, and one for each of these alone."""
    world = World(replace(SETTINGS, vlan_ranges=RANGES, bridge_mappings=()))
    hosts = [world.host(mappings=mappings) for mappings in ((P1, P2), (P2, P1), (P1,), (P2,))]
    world.settle()
    network = world.write(networks.create, {"segments": (FIRST, SECOND)})
    ports = [world.port(network, mac_address=mac) for mac in (MAC1, MAC2, MAC3, MAC4)]
    for port, host in zip(ports, hosts, strict=True):
        world.plug(port, host)
    return world.settle(), hosts, ports


def test_hosts_that_reach_the_same_segment_meet_once(cloud):
    world, _, (both, other, first, second) = cloud
    for target in (BROADCAST, MAC2):
        delivery = world.send(both, ethernet(MAC1, target), punt=False)
        assert sorted(world.places(delivery)) == sorted([other.id, first.id] if target == BROADCAST else [other.id])
    assert world.places(world.send(second, ethernet(MAC4, BROADCAST), punt=False)) == []


def test_the_wire_of_each_host_is_that_of_its_segment(cloud):
    world, hosts, _ = cloud
    for host, vid in zip(hosts, (100, 100, 100, 200), strict=True):
        (inward,) = flows(world, host, "provider.inward")
        (outward,) = flows(world, host, "provider.outward")
        assert f"dl_vlan={vid} " in inward
        assert outward.count("output:") == 1


@pytest.mark.parametrize(
    ("host", "bridge", "vid", "arrives"),
    [(0, "br-eth1", 100, True), (0, "br-eth2", 200, False), (3, "br-eth2", 200, True)],
)
def test_what_comes_from_outside_comes_in_once_and_never_goes_out_again(cloud, host, bridge, vid, arrives):
    world, hosts, ports = cloud
    at = hosts[host].bridges[bridge]
    packet = ethernet("52:54:00:00:00:01", BROADCAST).tagged(vid)
    delivery = world.wiring().send(at.dpid, at.number(NIC), packet)
    assert world.places(delivery) == ([ports[host].id] if arrives else [])
    assert {hop.dpid >> 8 for hop in delivery.hops} == {hosts[host].number}


def test_a_host_that_loses_its_way_uses_the_next(cloud):
    world, (both, *_), ports = cloud
    both.mappings = (P2,)
    world.events.append(both.changed())
    world.settle()
    assert "dl_vlan=200 " in flows(world, both, "provider.inward")[0]
    assert world.places(world.send(ports[0], ethernet(MAC1, BROADCAST), punt=False)) == [ports[3].id]


def test_a_host_is_reached_by_the_segment_that_is_added_for_it():
    world = World(replace(SETTINGS, vlan_ranges=RANGES, bridge_mappings=()))
    hosts = [world.host(mappings=mappings) for mappings in ((P1,), (P2,), (P2,))]
    world.settle()
    network = world.network("vlan")
    ports = [world.port(network, mac_address=mac) for mac in (MAC1, MAC2, MAC3)]
    for port, host in zip(ports, hosts, strict=True):
        world.plug(port, host)
    world.settle()
    assert flows(world, hosts[1], "provider.inward") == []
    assert world.places(world.send(ports[1], ethernet(MAC2, BROADCAST), punt=False)) == []
    values = {"network_id": network.id, "network_type": "vlan", "physical_network": "physnet2"}
    added = world.write(segments.create, values)
    world.settle()
    assert "dl_vlan=200 " in flows(world, hosts[1], "provider.inward")[0]
    assert "dl_vlan=100 " in flows(world, hosts[0], "provider.inward")[0]
    assert world.places(world.send(ports[1], ethernet(MAC2, BROADCAST), punt=False)) == [ports[2].id]
    rendered = world.machine.engine.renders
    world.write(segments.change, added.id, {"name": "second", "description": "the other room"})
    world.settle()
    assert world.machine.engine.renders == rendered
    for port, host in zip(ports[1:], hosts[1:], strict=True):
        world.unplug(port, host)
    world.settle()
    world.write(segments.delete, added.id)
    world.settle()
    assert "dl_vlan=100 " in flows(world, hosts[0], "provider.inward")[0]
    assert not flows(world, hosts[1], "provider.inward")


# -- over REST --------------------------------------------------------------------------------------------------------


def wire(*carriers):
    return [{f"provider:{field}": value for field, value in carrier._asdict().items()} for carrier in carriers]


@pytest.fixture
def api():
    return Api(replace(API_SETTINGS, vlan_ranges=RANGES))


def test_a_network_with_several_segments_as_answered(api):
    made = api.make("network", segments=wire(SECOND, FIRST))
    assert made["segments"] == wire(SECOND, FIRST)
    assert not [name for name in made if name.startswith("provider:")]
    assert api.get(f"/v2.0/networks/{made['id']}") == made
    assert api.get("/v2.0/networks?provider:network_type=vlan") == []
    assert api.get("/v2.0/networks?sort_key=provider:network_type&sort_dir=asc") == [made]
    api("DELETE", f"/v2.0/networks/{made['id']}")
    assert api.store.net.count(Segment) == 0


def test_one_segment_is_shown_by_the_provider_attributes(api):
    made = api.make("network", segments=wire(SECOND))
    assert "segments" not in made
    assert (made["provider:physical_network"], made["provider:segmentation_id"]) == ("physnet2", 200)
    assert api.get(f"/v2.0/networks/{made['id']}?fields=segments") == {}


def test_what_is_left_out_is_chosen(api):
    partial = [
        {"provider:network_type": "vlan", "provider:physical_network": name} for name in ("physnet1", "physnet2")
    ]
    assert api.make("network", segments=partial)["segments"] == wire(FIRST, SECOND)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (
            {"segments": wire(FIRST, SECOND), "provider:network_type": "vlan"},
            ("SegmentsSetInConjunctionWithProviders", "Segments and provider values cannot both be set."),
        ),
        ({"segments": wire(FIRST, FIRST)}, ("SegmentsContainDuplicateEntry", "Duplicate segment entry in request.")),
        (
            {"segments": [{"provider:network_type": "vlan", "vid": 5}]},
            ("HTTPBadRequest", "Unrecognized attribute(s) 'vid'"),
        ),
        (
            {"segments": "vlan"},
            ("HTTPBadRequest", "Invalid input for segments. Reason: 'vlan' is not a list of segments."),
        ),
        (
            {"segments": [*wire(FIRST), {"provider:network_type": "vxlan"}]},
            (
                "InvalidInput",
                "Invalid input for operation: several segments must be flat or vlan, each on a physical network of "
                "its own.",
            ),
        ),
        (
            {"segments": wire(FIRST, Carrier("vlan", "physnet1", 101))},
            (
                "InvalidInput",
                "Invalid input for operation: several segments must be flat or vlan, each on a physical network of "
                "its own.",
            ),
        ),
    ],
)
def test_refused(api, values, error):
    reply = api("POST", "/v2.0/networks", {"network": values})
    assert reply.error == (400, *error)
    assert api.get("/v2.0/networks") == []
