"""Segments as resources: found, added to networks, named and taken away."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from apps import network_segment_ranges, segments
from controller.core.model import Host
from controller.core.plans import wiring
from tests.rest.api import SETTINGS as API_SETTINGS
from tests.rest.api import Api
from tests.rest.projects import A, Projects

SETTINGS = replace(API_SETTINGS, vlan_ranges=(("physnet1", ((100, 199),)), ("physnet2", ((200, 299),))))
APPS = (segments.app, network_segment_ranges.app)
VLAN1 = {"provider__network_type": "vlan", "provider__physical_network": "physnet1"}
VLAN2 = {"network_type": "vlan", "physical_network": "physnet2"}


@pytest.fixture
def api():
    return Api(SETTINGS, apps=APPS)


def refused(api, method, path, body=None):
    return api(method, path, body).error


def test_a_segment_as_answered(api):
    network = api.make("network", **VLAN1)["id"]
    made = api.make("segment", network_id=network, **VLAN2, segmentation_id=210, name="two", description="x")
    times = made.pop("created_at"), made.pop("updated_at")
    assert times[0] == times[1] != ""
    assert len(made.pop("id")) == 36
    assert made == {
        "network_id": network,
        "network_type": "vlan",
        "physical_network": "physnet2",
        "segmentation_id": 210,
        "name": "two",
        "description": "x",
        "revision_number": 0,
    }


def test_the_segments_of_a_network_are_found(api):
    network, other = (api.make("network", **VLAN1)["id"] for _ in range(2))
    second = api.make("segment", network_id=network, **VLAN2)
    found = api.get(f"/v2.0/segments?network_id={network}")
    assert [(one["physical_network"], one["segmentation_id"], one["name"]) for one in found if one != second] == [
        ("physnet1", 100, None)
    ]
    assert api.get("/v2.0/segments?physical_network=physnet2") == [second]
    assert api.get(f"/v2.0/segments/{second['id']}") == second
    assert len(api.get("/v2.0/segments?network_type=vlan")) == 3
    assert [one["network_id"] for one in api.get("/v2.0/segments?sort_key=physical_network&sort_dir=desc")][
        0
    ] == network
    assert api("GET", "/v2.0/segments?segmentation_id=100").status == 400
    api("DELETE", f"/v2.0/networks/{other}")
    assert len(api.get("/v2.0/segments")) == 2


def test_a_network_shows_what_was_added_and_taken_away(api):
    network = api.make("network", **VLAN1)
    path = f"/v2.0/networks/{network['id']}"
    second = api.make("segment", network_id=network["id"], **VLAN2)
    assert [one["provider:physical_network"] for one in api.get(path)["segments"]] == ["physnet1", "physnet2"]
    assert api("DELETE", f"/v2.0/segments/{second['id']}").status == 204
    assert api.get(path) == network
    third = api.make("segment", network_id=network["id"], **VLAN2)
    (first,) = (one for one in api.get("/v2.0/segments") if one != third)
    assert api("DELETE", f"/v2.0/segments/{first['id']}").status == 204
    assert api.get(path)["provider:physical_network"] == "physnet2"


def test_name_and_description_change_and_nothing_else(api):
    network = api.make("network", **VLAN1)["id"]
    (segment,) = api.get(f"/v2.0/segments?network_id={network}")
    path = f"/v2.0/segments/{segment['id']}"
    changed = api("PUT", path, {"segment": {"name": "one", "description": "first"}}).body["segment"]
    assert (changed["name"], changed["description"], changed["revision_number"]) == ("one", "first", 1)
    assert api("PUT", path, {"segment": {"name": None}}).body["segment"]["name"] is None
    assert api("PUT", path, {"segment": {"name": "n"}}, If_Match="revision_number=0").status == 412
    for name in ("network_id", "network_type", "physical_network", "segmentation_id"):
        assert refused(api, "PUT", path, {"segment": {name: segment[name]}}) == (
            400,
            "HTTPBadRequest",
            f"Cannot update read-only attribute {name}",
        )


JOINABLE = "Invalid input for operation: several segments must be flat or vlan, each on a physical network of its own."


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"network_type": "vlan", "physical_network": "physnet1"}, (400, "InvalidInput", JOINABLE)),
        ({"network_type": "vxlan"}, (400, "InvalidInput", JOINABLE)),
        (
            {"network_type": "wire"},
            (400, "InvalidInput", "Invalid input for operation: network_type value 'wire' not supported."),
        ),
        (
            {**VLAN2, "segmentation_id": 5000},
            (400, "InvalidInput", "Invalid input for operation: segmentation_id out of range (1 through 4094)."),
        ),
        (
            {"network_type": "vlan", "physical_network": "physnet9"},
            (
                400,
                "InvalidInput",
                "Invalid input for operation: physical_network 'physnet9' unknown for VLAN provider network.",
            ),
        ),
        (
            {**VLAN2, "segmentation_id": 200},
            (
                409,
                "VlanIdInUse",
                "Unable to create the network. The VLAN 200 on physical network physnet2 is in use.",
            ),
        ),
        (
            {"physical_network": "physnet2"},
            (400, "HTTPBadRequest", "Failed to parse request. Required attribute 'network_type' not specified"),
        ),
    ],
)
def test_what_can_not_be_added(api, values, error):
    network = api.make("network", **VLAN1)["id"]
    api.make("network", provider__network_type="vlan", provider__physical_network="physnet2")
    assert refused(api, "POST", "/v2.0/segments", {"segment": {"network_id": network, **values}}) == error
    assert len(api.get("/v2.0/segments")) == 2


def test_a_segment_is_of_a_network(api):
    missing = "4e8e5957-649f-477b-9e5b-f1f75b21c03c"
    body = {"segment": {"network_id": missing, **VLAN2}}
    assert refused(api, "POST", "/v2.0/segments", body) == (
        404,
        "NetworkNotFound",
        f"Network {missing} could not be found.",
    )
    assert refused(api, "GET", f"/v2.0/segments/{missing}") == (
        404,
        "SegmentNotFound",
        f"Segment {missing} could not be found.",
    )


def join(api, name, *physical_networks):
    host = Host(name, bridge_mappings=tuple((physnet, f"br-{physnet}") for physnet in physical_networks))
    api.store.execute(partial(wiring.describe_host, host=host), who="controller")


def test_a_segment_that_is_needed_stays(api):
    network = api.make("network", **VLAN1)["id"]
    (first,) = api.get("/v2.0/segments")
    path = f"/v2.0/segments/{first['id']}"

    def refusal(reason):
        return (409, "SegmentInUse", f"Segment '{first['id']}' cannot be deleted: {reason}.")

    assert refused(api, "DELETE", path) == refusal(f"The segment is the only one of network {network}")
    second = api.make("segment", network_id=network, **VLAN2)
    join(api, "h1", "physnet1", "physnet2")
    join(api, "h2", "physnet2")
    port = api.make("port", network_id=network, binding__host_id="h1")["id"]
    api.make("port", network_id=network, binding__host_id="h2")
    assert refused(api, "DELETE", path) == refusal(f"The segment is still bound with port(s) {port}")
    api("PUT", f"/v2.0/ports/{port}", {"port": {"binding:host_id": ""}})
    subnet = api.make("subnet", network_id=network, cidr="10.0.0.0/24", ip_version=4, segment_id=first["id"])["id"]
    assert refused(api, "DELETE", path) == refusal(f"The segment is still associated with subnet(s) {subnet}")
    api("DELETE", f"/v2.0/subnets/{subnet}")
    assert api("DELETE", path).status == 204
    assert api.get("/v2.0/segments") == [second]


def test_a_network_goes_with_its_segments_and_the_subnets_on_them(api):
    network = api.make("network", **VLAN1)["id"]
    (segment,) = api.get("/v2.0/segments")
    api.make("subnet", network_id=network, cidr="10.0.0.0/24", ip_version=4, segment_id=segment["id"])
    assert api("DELETE", f"/v2.0/networks/{network}").status == 204
    assert api.get("/v2.0/segments") == api.get("/v2.0/subnets") == []


def test_segments_are_the_administrators():
    projects = Projects(SETTINGS, apps=APPS)
    network = projects.made("networks", "network", "ann")["id"]
    body = {"segment": {"network_id": network, **VLAN2, "tenant_id": A}}
    assert projects("POST", "/v2.0/segments", body, by="ann").status == 403
    assert projects.seen("/v2.0/segments", "ann") == []
    (segment,) = projects.seen("/v2.0/segments", "admin")
    assert "tenant_id" not in segment and "project_id" not in segment
    assert projects("GET", f"/v2.0/segments/{segment['id']}", by="ann").status == 404
    subnet = projects.made("subnets", "subnet", "ann", network_id=network, cidr="10.0.0.0/24", ip_version=4)
    assert "segment_id" not in subnet
    values = {"subnet": {"segment_id": segment["id"]}}
    assert projects("PUT", f"/v2.0/subnets/{subnet['id']}", values, by="ann").status == 403
    assert projects("PUT", f"/v2.0/subnets/{subnet['id']}", values).body["subnet"]["segment_id"] == segment["id"]


def test_a_network_on_segments_can_be_shared_no_more():
    """Segments refer to their networks, and are no project's use of them."""
    projects = Projects(SETTINGS, apps=APPS)
    network = projects.made("networks", "network", "admin", shared=True)["id"]
    reply = projects("PUT", f"/v2.0/networks/{network}", {"network": {"shared": False}})
    assert reply.body["network"]["shared"] is False
