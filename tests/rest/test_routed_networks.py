"""Routed networks: subnets on segments, and ports that have addresses of the segment that their host reaches."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import pytest

from apps import port_bindings, segment_routes, segments
from controller.core.model import Host
from controller.core.plans import wiring
from tests.rest.api import SETTINGS as API_SETTINGS
from tests.rest.api import Api

SETTINGS = replace(API_SETTINGS, vlan_ranges=(("physnet1", ((100, 199),)), ("physnet2", ((200, 299),))))
VLANS = [{"provider:network_type": "vlan", "provider:physical_network": name} for name in ("physnet1", "physnet2")]
CIDRS = ("10.0.1.0/24", "10.0.2.0/24")
UNKNOWN = "4e8e5957-649f-477b-9e5b-f1f75b21c03c"


class Routed(NamedTuple):
    """A network with a subnet on each of two segments."""

    api: Api
    network: str
    segments: list[str]
    subnets: list[str]

    def port(self, **values):
        return self.api.make("port", network_id=self.network, **values)

    def refused(self, **values):
        return self.api("POST", "/v2.0/ports", {"port": {"network_id": self.network, **values}}).error

    def change(self, port, **values):
        values = {name.replace("__", ":"): value for name, value in values.items()}
        return self.api("PUT", f"/v2.0/ports/{port['id']}", {"port": values})

    def places(self, port):
        """Which of the subnets a port's addresses are from."""
        return [self.subnets.index(ip["subnet_id"]) for ip in port["fixed_ips"]]


def join(api, name, *physical_networks):
    host = Host(name, bridge_mappings=tuple((physnet, f"br-{physnet}") for physnet in physical_networks))
    api.store.execute(partial(wiring.describe_host, host=host), who="controller")


@pytest.fixture
def api():
    api = Api(SETTINGS, apps=[segments.app, port_bindings.app])
    join(api, "h1", "physnet1")
    join(api, "h2", "physnet2")
    join(api, "both", "physnet1", "physnet2")
    join(api, "none")
    return api


def network_of(api):
    """A network and its two segments."""
    network = api.make("network", segments=VLANS)["id"]
    found = {one["physical_network"]: one["id"] for one in api.get(f"/v2.0/segments?network_id={network}")}
    return network, [found["physnet1"], found["physnet2"]]


def subnet(api, network, cidr, segment=None, **values):
    version = 6 if ":" in cidr else 4
    return api.make("subnet", network_id=network, cidr=cidr, ip_version=version, segment_id=segment, **values)


@pytest.fixture
def routed(api):
    network, there = network_of(api)
    pairs = zip(CIDRS, there, strict=True)
    return Routed(api, network, there, [subnet(api, network, cidr, segment)["id"] for cidr, segment in pairs])


# ---------------------------------------------------------------------------------------------------------------------
# Subnets on segments


def test_a_subnet_is_on_a_segment_and_its_network_no_longer_one_domain(api):
    network, (first, second) = network_of(api)
    assert api.get(f"/v2.0/networks/{network}")["l2_adjacency"] is True
    made = subnet(api, network, CIDRS[0], first)
    assert made["segment_id"] == first
    assert api.get(f"/v2.0/subnets?segment_id={first}") == [made]
    assert api.get(f"/v2.0/subnets?segment_id={second}") == []
    assert api.get(f"/v2.0/networks/{network}")["l2_adjacency"] is False
    api("DELETE", f"/v2.0/subnets/{made['id']}")
    assert api.get(f"/v2.0/networks/{network}")["l2_adjacency"] is True


def create(api, network, segment, cidr="10.9.0.0/24", **values):
    given = {"network_id": network, "cidr": cidr, "ip_version": 4, "segment_id": segment, **values}
    return api("POST", "/v2.0/subnets", {"subnet": given})


def not_all(network):
    text = f"All of the subnets on network '{network}' must either all be associated with segments or all not"
    return (400, "SubnetsNotAllAssociatedWithSegments", f"{text} associated with any segment.")


def test_all_subnets_of_a_network_are_on_segments_or_none_is(api):
    routed, (segment, _) = network_of(api)
    subnet(api, routed, CIDRS[0], segment)
    assert create(api, routed, None).error == not_all(routed)
    flat, (other, _) = network_of(api)
    subnet(api, flat, CIDRS[0])
    assert create(api, flat, other).error == not_all(flat)
    # what is routed to wherever it is used is on no segment
    assert create(api, routed, None, service_types=["network:routed"]).status == 201
    assert create(api, routed, segment, "10.8.0.0/24").status == 201


def test_a_subnet_is_on_a_segment_of_its_network(api):
    (network, _), (_, (other, _)) = network_of(api), network_of(api)
    text = f"The subnet's network id, '{network}', doesn't match the network_id of segment '{other}'"
    assert create(api, network, other).error == (400, "NetworkIdsDontMatch", text)
    assert create(api, network, UNKNOWN).error == (404, "SegmentNotFound", f"Segment {UNKNOWN} could not be found.")


def put_on(api, subnet, segment):
    return api("PUT", f"/v2.0/subnets/{subnet['id']}", {"subnet": {"segment_id": segment}})


def test_a_network_becomes_a_routed_one(api):
    network = api.make("network", provider__network_type="vlan")["id"]
    (segment,) = api.get(f"/v2.0/segments?network_id={network}")
    made = subnet(api, network, CIDRS[0])
    assert put_on(api, made, UNKNOWN).error[:2] == (404, "SegmentNotFound")
    _, (other, _) = network_of(api)
    assert put_on(api, made, other).error[:2] == (400, "NetworkIdsDontMatch")
    changed = put_on(api, made, segment["id"])
    assert changed.body["subnet"]["segment_id"] == segment["id"]
    assert put_on(api, made, segment["id"]).status == 200
    assert api.get(f"/v2.0/networks/{network}")["l2_adjacency"] is False
    text = "A subnet that is already associated with a segment cannot have its segment association changed."
    assert put_on(api, made, None).error == (400, "SubnetSegmentAssociationChangeNotAllowed", text)


def test_a_network_with_several_segments_or_subnets_stays_as_it_is(api):
    network, (segment, _) = network_of(api)
    made = subnet(api, network, CIDRS[0])
    text = (
        f"The network '{network}' has multiple segments, it is only possible to associate an existing subnet with a "
        "segment on networks with a single segment."
    )
    assert put_on(api, made, segment).error == (400, "NoUpdateSubnetWhenMultipleSegmentsOnNetwork", text)
    subnet(api, network, CIDRS[1])
    assert put_on(api, made, segment).error == not_all(network)


# ---------------------------------------------------------------------------------------------------------------------
# Addresses of ports


def test_a_port_has_an_address_of_the_segment_that_its_host_reaches(routed):
    assert routed.places(routed.port(binding__host_id="h1")) == [0]
    port = routed.port(binding__host_id="h2")
    assert (routed.places(port), port["ip_allocation"]) == ([1], "immediate")


def multiple(routed):
    what = f"connected to multiple segments on routed provider network '{routed.network}'"
    return (409, "HostConnectedToMultipleSegments", f"Host both is {what}.  It should be connected to one.")


def none(routed, host):
    what = f"not connected to any segments on routed provider network '{routed.network}'"
    return (409, "HostNotConnectedToAnySegment", f"Host {host} is {what}.  It should be connected to one.")


def test_a_host_reaches_one_segment(routed):
    assert routed.refused(**{"binding:host_id": "both"}) == multiple(routed)
    assert routed.refused(**{"binding:host_id": "none"}) == none(routed, "none")
    assert routed.refused(**{"binding:host_id": "stranger"}) == none(routed, "stranger")


def test_a_host_that_reaches_a_segment_without_subnets_has_no_address(api):
    network, (first, _) = network_of(api)
    made = Routed(api, network, [], [subnet(api, network, CIDRS[0], first)["id"]])
    assert made.refused(**{"binding:host_id": "h2"}) == none(made, "h2")
    assert api.get("/v2.0/ports") == []


def test_without_segments_any_host_will_do(api):
    network, _ = network_of(api)
    made = Routed(api, network, [], [subnet(api, network, CIDRS[0])["id"]])
    for host in ("both", "none", "stranger", ""):
        port = made.port(binding__host_id=host)
        assert (made.places(port), port["ip_allocation"]) == ([0], "immediate")


def test_a_port_waits_for_its_host(routed):
    port = routed.port()
    assert (port["fixed_ips"], port["ip_allocation"]) == ([], "deferred")
    assert routed.api.get("/v2.0/ports?ip_allocation=deferred") == [port]
    changed = routed.change(port, name="x", mac_address="fa:16:3e:00:00:77").body["port"]
    assert (changed["fixed_ips"], changed["ip_allocation"]) == ([], "deferred")
    assert routed.change(port, binding__host_id="both").error == multiple(routed)
    assert routed.change(port, binding__host_id="none").error == none(routed, "none")
    bound = routed.change(port, binding__host_id="h2").body["port"]
    assert (routed.places(bound), bound["ip_allocation"]) == ([1], "immediate")
    kept = routed.change(port, binding__host_id="").body["port"]
    assert kept["fixed_ips"] == bound["fixed_ips"]


def test_a_port_that_wants_no_address_gets_none(routed):
    port = routed.port(fixed_ips=[])
    assert (port["fixed_ips"], port["ip_allocation"]) == ([], "none")
    bound = routed.change(port, binding__host_id="h1").body["port"]
    assert (bound["fixed_ips"], bound["ip_allocation"]) == ([], "none")
    given = routed.change(port, fixed_ips=[{"subnet_id": routed.subnets[0]}]).body["port"]
    assert (routed.places(given), given["ip_allocation"]) == ([0], "immediate")
    taken = routed.change(port, fixed_ips=[]).body["port"]
    assert (taken["fixed_ips"], taken["ip_allocation"]) == ([], "none")


def test_asked_for_addresses_are_of_one_segment(routed):
    first, second = ({"subnet_id": key} for key in routed.subnets)
    port = routed.port(fixed_ips=[second, second])
    assert (routed.places(port), port["ip_allocation"]) == ([1, 1], "immediate")
    assert routed.places(routed.port(fixed_ips=[{"ip_address": "10.0.1.77"}])) == [0]
    text = "Cannot allocate addresses from different segments."
    assert routed.refused(fixed_ips=[first, second]) == (400, "FixedIpsSubnetsNotOnSameSegment", text)
    assert routed.refused(fixed_ips=[{"ip_address": "10.7.0.1"}])[1] == "InvalidIpForNetwork"
    assert routed.refused(fixed_ips=[first], **{"binding:host_id": "h2"})[:2] == (400, "InvalidInput")


def test_a_port_moves_only_where_its_addresses_work(routed):
    port = routed.port(binding__host_id="h1")
    text = (
        f"Host h2 is not connected to a segment where the existing fixed_ips on port {port['id']} will function given "
        "the routed network topology."
    )
    assert routed.change(port, binding__host_id="h2").error == (409, "HostNotCompatibleWithFixedIps", text)
    join(routed.api, "h3", "physnet1")
    assert routed.change(port, binding__host_id="h3").body["port"]["fixed_ips"] == port["fixed_ips"]
    moved = routed.change(port, binding__host_id="h2", fixed_ips=[{"subnet_id": routed.subnets[1]}]).body["port"]
    assert routed.places(moved) == [1]
    kept = [{"subnet_id": ip["subnet_id"], "ip_address": ip["ip_address"]} for ip in moved["fixed_ips"]]
    assert routed.change(port, binding__host_id="h1", fixed_ips=kept).error[1] == "HostNotCompatibleWithFixedIps"


def test_a_port_that_migrates_stays_on_its_segment(routed):
    port = routed.port(binding__host_id="h1", device_owner="compute:nova")
    join(routed.api, "h3", "physnet1")
    path = f"/v2.0/ports/{port['id']}/bindings"
    for host in ("h2", "h3"):
        assert routed.api("POST", path, {"binding": {"host": host}}).status == 201
    assert routed.api("PUT", f"{path}/h2/activate").error[:2] == (409, "HostNotCompatibleWithFixedIps")
    assert routed.api("PUT", f"{path}/h3/activate").status == 200
    assert routed.api.get(f"/v2.0/ports/{port['id']}")["fixed_ips"] == port["fixed_ips"]


# ---------------------------------------------------------------------------------------------------------------------
# Addresses that hosts make for themselves

SLAAC = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}


def test_hosts_make_addresses_of_their_segment(routed):
    there = routed.port(binding__host_id="h1")
    elsewhere, waiting = routed.port(binding__host_id="h2"), routed.port()
    placed = routed.port(fixed_ips=[{"subnet_id": routed.subnets[0]}])
    made = subnet(routed.api, routed.network, "fd00:1::/64", routed.segments[0], **SLAAC)

    def count(port):
        found = routed.api.get(f"/v2.0/ports/{port['id']}")["fixed_ips"]
        return sum(ip["subnet_id"] == made["id"] for ip in found)

    assert [count(port) for port in (there, placed, elsewhere, waiting)] == [1, 1, 0, 0]
    assert count(routed.change(waiting, binding__host_id="h1").body["port"]) == 1
    assert count(routed.port(binding__host_id="h1")) == 1
    assert count(routed.port(binding__host_id="h2")) == 0
    assert count(routed.change(there, fixed_ips=[]).body["port"]) == 1
    assert routed.change(there, binding__host_id="").status == 200
    other = routed.change(there, mac_address="fa:16:3e:00:00:77").body["port"]
    assert [ip["ip_address"] for ip in other["fixed_ips"]] == ["fd00:1::f816:3eff:fe00:77"]


def test_a_subnet_stays_while_it_is_all_that_a_port_has(routed):
    made = subnet(routed.api, routed.network, "fd00:1::/64", routed.segments[0], **SLAAC)
    port = routed.port(binding__host_id="h1")
    only = routed.port(binding__host_id="h1", fixed_ips=[])
    assert routed.api("DELETE", f"/v2.0/subnets/{made['id']}").error[:2] == (409, "SubnetInUse")
    routed.api("DELETE", f"/v2.0/ports/{only['id']}")
    assert routed.api("DELETE", f"/v2.0/subnets/{made['id']}").status == 204
    assert routed.places(routed.api.get(f"/v2.0/ports/{port['id']}")) == [0]


# ---------------------------------------------------------------------------------------------------------------------
# Routes between segments


@pytest.fixture
def routes():
    """The host routes of a subnet as pairs."""
    api = Api(SETTINGS, apps=[segments.app, segment_routes.app])
    network, there = network_of(api)

    def of(made):
        found = api.get(f"/v2.0/subnets/{made['id']}")["host_routes"]
        return [(route["destination"], route["nexthop"]) for route in found]

    return api, network, there, of


def test_each_subnet_leads_to_those_on_other_segments(routes):
    api, network, (one, two), of = routes
    first = subnet(api, network, CIDRS[0], one)
    assert of(first) == []
    second = subnet(api, network, CIDRS[1], two)
    assert second["host_routes"] == [{"destination": CIDRS[0], "nexthop": "10.0.2.1"}]
    assert (second["revision_number"], of(second)) == (0, [(CIDRS[0], "10.0.2.1")])
    assert of(first) == [(CIDRS[1], "10.0.1.1")]
    third = subnet(api, network, "10.0.3.0/24", two)
    assert of(first) == [(CIDRS[1], "10.0.1.1"), ("10.0.3.0/24", "10.0.1.1")]
    assert of(third) == [(CIDRS[0], "10.0.3.1")]
    assert of(second) == [(CIDRS[0], "10.0.2.1")]
    assert of(subnet(api, network, "fd00:1::/64", one)) == []
    api("DELETE", f"/v2.0/subnets/{second['id']}")
    assert of(first) == [("10.0.3.0/24", "10.0.1.1")]


def test_routes_follow_the_gateway_and_leave_what_was_given(routes):
    api, network, (one, two), of = routes
    given = {"destination": "192.0.2.0/24", "nexthop": "10.0.1.9"}
    first = subnet(api, network, CIDRS[0], one, host_routes=[given], allocation_pools=[])
    wide = subnet(api, network, CIDRS[1], two, host_routes=[{"destination": "10.0.0.0/16", "nexthop": "10.0.2.1"}])
    assert of(wide) == [("10.0.0.0/16", "10.0.2.1")]
    path = f"/v2.0/subnets/{first['id']}"
    changed = api("PUT", path, {"subnet": {"gateway_ip": "10.0.1.254"}}).body["subnet"]
    assert changed["revision_number"] == 2
    assert of(first) == [("192.0.2.0/24", "10.0.1.9"), (CIDRS[1], "10.0.1.254")]
    api("PUT", path, {"subnet": {"host_routes": []}})
    assert of(first) == [(CIDRS[1], "10.0.1.254")]
    api("PUT", path, {"subnet": {"gateway_ip": None}})
    assert of(first) == []


def test_there_may_be_more_segments_than_routes_that_a_client_may_give(routes):
    api, network, (one, two), of = routes
    first = subnet(api, network, CIDRS[0], one)
    for number in range(21):
        subnet(api, network, f"10.1.{number}.0/24", two)
    assert len(of(first)) == 21
    assert api("PUT", f"/v2.0/subnets/{first['id']}", {"subnet": {"name": "x"}}).status == 200


def test_subnets_on_no_segment_have_no_routes_of_ours(routes):
    api, network, _, of = routes
    found = [subnet(api, network, cidr) for cidr in CIDRS]
    assert [of(made) for made in found] == [[], []]
