"""Network segment ranges: what is given from them, who may change them, and what they show."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from apps import network_segment_ranges, segments
from controller.core.plans import once
from tests.rest.api import SETTINGS as API_SETTINGS
from tests.rest.api import Api
from tests.rest.projects import A, B, Projects

SETTINGS = replace(
    API_SETTINGS,
    tenant_network_types=("vxlan",),
    tunnel_id_ranges=((1, 4),),
    vlan_ranges=(("physnet1", ((100, 101),)), ("physnet2", ())),
)
APPS = (network_segment_ranges.app, segments.app)
PATH = "/v2.0/network_segment_ranges"


@pytest.fixture
def api():
    return Api(SETTINGS, apps=APPS)


def make(api, minimum, maximum, network_type="vxlan", **values):
    return api.make("network_segment_range", network_type=network_type, minimum=minimum, maximum=maximum, **values)


def refused(api, minimum=10, maximum=19, network_type="vxlan", **values):
    given = {"network_type": network_type, "minimum": minimum, "maximum": maximum, **values}
    return api("POST", PATH, {"network_segment_range": given}).error


def number(api, project="", **values):
    """The segmentation id that a new network of a project gets; None where there is none left."""
    reply = api("POST", "/v2.0/networks", {"network": {"project_id": project, **values}})
    if reply.status == 503:
        assert reply.error[1] == "NoNetworkAvailable"
        return None
    return reply.body["network"]["provider:segmentation_id"]


def test_a_range_as_answered(api):
    made = make(api, 10, 12, name="ours", shared=False, project_id=A, physical_network="x")
    assert api.get(f"{PATH}/{made['id']}") == made
    for name in ("id", "created_at", "updated_at"):
        assert made.pop(name)
    assert made == {
        "name": "ours",
        "description": "",
        "default": False,
        "shared": False,
        "project_id": A,
        "tenant_id": A,
        "network_type": "vxlan",
        "physical_network": None,
        "minimum": 10,
        "maximum": 12,
        "used": {},
        "available": [10, 11, 12],
        "revision_number": 0,
        "tags": [],
    }
    assert make(api, 20, 29, project_id=A)["project_id"] is None


def test_the_configuration_is_shown_as_default_ranges(api):
    found = api.get(PATH)
    shown = {(one["network_type"], one["physical_network"], one["minimum"], one["maximum"]) for one in found}
    assert shown == {("vlan", "physnet1", 100, 101), *((kind, None, 1, 4) for kind in ("vxlan", "gre", "geneve"))}
    assert {(one["default"], one["shared"], one["project_id"]) for one in found} == {(True, True, None)}


def test_the_default_ranges_follow_the_configuration_at_each_start(api):
    before = {one["id"] for one in api.get(PATH)}
    kept = make(api, 100, 199, "vlan", physical_network="physnet2")
    revision = api.store.revision
    api.store.execute(partial(once.run, APPS), who="patchbay")
    assert api.store.revision == revision
    api.store.settings = replace(SETTINGS, vlan_ranges=(("physnet3", ((7, 9),)),))
    api.store.execute(partial(once.run, APPS), who="patchbay")
    found = api.get(PATH)
    assert len(before & {one["id"] for one in found}) == 3
    assert {(one["physical_network"], one["default"]) for one in found if one["network_type"] == "vlan"} == {
        ("physnet2", False),
        ("physnet3", True),
    }
    assert kept in found


def test_a_default_range_is_not_changed(api):
    (default,) = api.get(f"{PATH}?network_type=vlan")
    path = f"{PATH}/{default['id']}"
    what = "a default segment range which could not be updated or deleted"
    error = (400, "NetworkSegmentRangeDefaultReadOnly", f"Network Segment Range {default['id']} is {what}.")
    assert api("PUT", path, {"network_segment_range": {"name": "x"}}).error == error
    assert api("DELETE", path).error == error


def test_a_project_has_its_own_ranges_first_and_nobody_else_has_them(api):
    make(api, 3, 3, shared=False, project_id=A)
    make(api, 10, 11, shared=False, project_id=A)
    make(api, 21, 21, shared=True)
    assert [number(api, A) for _ in range(3)] == [3, 10, 11]
    assert [number(api, B) for _ in range(2)] == [1, 2]
    assert number(api, A) == 4
    assert [number(api, B), number(api, B)] == [21, None]
    assert number(api, A) is None


def test_what_is_given_back_comes_again(api):
    make(api, 10, 11, shared=False, project_id=A)
    first = api.make("network", project_id=A)
    api("DELETE", f"/v2.0/networks/{first['id']}")
    assert [number(api, A) for _ in range(2)] == [11, 10]


def test_vlans_are_of_ranges_too():
    api = Api(replace(SETTINGS, tenant_network_types=("vlan",)), apps=APPS)
    make(api, 500, 500, "vlan", physical_network="physnet2", shared=False, project_id=A)
    make(api, 600, 600, "vlan", physical_network="physnet3", shared=True)
    given = [api.make("network", project_id=project) for project in (A, A, A, A)]
    found = [(one["provider:physical_network"], one["provider:segmentation_id"]) for one in given]
    assert found == [("physnet2", 500), ("physnet1", 100), ("physnet1", 101), ("physnet3", 600)]
    assert number(api, A) is None
    provider = {"provider:network_type": "vlan", "provider:physical_network": "physnet2"}
    assert number(api, B, **provider) is None
    assert number(api, B, **provider, **{"provider:segmentation_id": 501}) == 501


def test_a_segment_is_of_its_networks_projects_range(api):
    make(api, 500, 500, "vlan", physical_network="physnet2", shared=False, project_id=A)
    network = api.make("network", project_id=A, provider__network_type="vlan", provider__physical_network="physnet1")
    segment = api.make("segment", network_id=network["id"], network_type="vlan", physical_network="physnet2")
    assert segment["segmentation_id"] == 500


def test_what_is_used_and_what_is_available(api):
    made = make(api, 2, 6)
    path = f"{PATH}/{made['id']}"
    networks = [api.make("network", project_id=project) for project in (A, A, B)]
    shown = api.get(path)
    assert shown["used"] == {"2": A, "3": B}
    assert shown["available"] == [4, 5, 6]
    api("DELETE", f"/v2.0/networks/{networks[1]['id']}")
    assert api.get(path)["used"] == {"3": B}
    assert api.get(path)["available"] == [2, 4, 5, 6]


def test_the_lowest_of_many_available_values_are_listed(api):
    listed = make(api, 100, 2**32 - 1, "gre")["available"]
    assert listed == list(range(100, 100 + 65536))


def test_a_range_changes_as_long_as_its_networks_stay_inside(api):
    made = make(api, 10, 19, shared=False, project_id=A)
    path = f"{PATH}/{made['id']}"
    used = number(api, A)

    def change(**values):
        return api("PUT", path, {"network_segment_range": values})

    referenced = (
        409,
        "NetworkSegmentRangeReferencedByProject",
        f"Network Segment Range {made['id']} is referenced by one or more project networks.",
    )
    assert change(minimum=used + 1).error == referenced
    changed = change(minimum=5, maximum=used, name="n").body["network_segment_range"]
    assert (changed["minimum"], changed["maximum"], changed["name"], changed["revision_number"]) == (5, used, "n", 1)
    assert change(maximum=4).error == referenced
    other = make(api, 30, 39)
    assert change(maximum=30).error[1] == "NetworkSegmentRangeOverlaps"
    assert change(shared=True).error[2] == "Cannot update read-only attribute shared"
    assert api("DELETE", path).error == referenced
    assert api("DELETE", f"{PATH}/{other['id']}").status == 204
    for network in api.get("/v2.0/networks"):
        api("DELETE", f"/v2.0/networks/{network['id']}")
    assert api("DELETE", path).status == 204
    assert number(api, A) == 1


def test_ranges_do_not_overlap(api):
    first = make(api, 10, 19)
    text = f"Network segment range overlaps with range(s) with id {first['id']}"
    assert refused(api, 19, 25) == (409, "NetworkSegmentRangeOverlaps", text)
    assert refused(api, 1, 100, shared=False, project_id=A)[1] == "NetworkSegmentRangeOverlaps"
    make(api, 10, 19, "geneve")
    make(api, 20, 25)
    make(api, 10, 19, "vlan", physical_network="physnet1")
    make(api, 10, 19, "vlan", physical_network="physnet2")


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"network_type": "flat"}, ("HTTPBadRequest", "Invalid input for network_type. Reason: flat is not in valid")),
        (
            {"network_type": "vlan"},
            (
                "BadRequest",
                "Bad network_segment_range request: Network type vlan requires 'physical_network' to be specified "
                "while creating new range.",
            ),
        ),
        (
            {"network_type": "vlan", "physical_network": "p", "maximum": 4095},
            ("NetworkVlanRangeError", "Invalid network VLAN range: '10:4095' - '4095 is not a valid VLAN tag'."),
        ),
        (
            {"maximum": 2**24},
            (
                "NetworkTunnelRangeError",
                "Invalid network tunnel range: '10:16777216' - 16777216 is not a valid vxlan identifier.",
            ),
        ),
        (
            {"maximum": 9},
            (
                "NetworkTunnelRangeError",
                "Invalid network tunnel range: '10:9' - End of tunnel range is less than start of tunnel range.",
            ),
        ),
        ({"minimum": 0}, ("HTTPBadRequest", "Invalid input for minimum. Reason: '0' is not in range 1 through")),
        (
            {"shared": False},
            (
                "ObjectActionError",
                "Object action create failed because: if NetworkSegmentRange is not shared, it must have a project_id.",
            ),
        ),
    ],
)
def test_refused(api, values, error):
    status, name, text = refused(api, **values)
    assert (status, name) == (400, error[0])
    assert text.startswith(error[1])


def test_ranges_are_found_and_tagged(api):
    made = make(api, 10, 19, name="x", shared=False, project_id=A)
    assert api.get(f"{PATH}?project_id={A}") == [made]
    assert api.get(f"{PATH}?name=x&network_type=vxlan") == [made]
    assert api("GET", f"{PATH}?minimum=10").status == 400
    assert api("PUT", f"{PATH}/{made['id']}/tags", {"tags": ["red"]}).status == 200
    assert [one["id"] for one in api.get(f"{PATH}?tags=red")] == [made["id"]]


def test_ranges_are_the_administrators():
    projects = Projects(SETTINGS, apps=APPS)
    values = {"network_type": "vxlan", "minimum": 10, "maximum": 19, "shared": False, "project_id": A}
    made = projects.made("network_segment_ranges", "network_segment_range", "admin", **values)
    assert projects.seen(PATH, "mia") == []
    assert projects("GET", f"{PATH}/{made['id']}", by="ann").status == 404
    body = {"network_segment_range": values}
    assert projects("POST", PATH, body, by="ann").status == 403
    network = projects.made("networks", "network", "ann")
    shown = projects.seen(f"/v2.0/networks/{network['id']}", "admin")
    assert shown["provider:segmentation_id"] == 10
