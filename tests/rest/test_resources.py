"""Networks, subnets and ports over REST: what is made, shown, changed and removed."""

from __future__ import annotations

import pytest

from controller.core.model import Host
from controller.core.plans import wiring
from controller.core.settings import Settings
from tests.rest.api import Api


def test_a_network_as_answered(api):
    network = api.make(
        "network",
        name="web",
        description="d",
        provider__network_type="vlan",
        provider__physical_network="physnet1",
        provider__segmentation_id=1000,
        tenant_id="p1",
    )
    assert len(network.pop("id")) == 36
    assert network.pop("created_at") == network.pop("updated_at")
    assert network == {
        "name": "web",
        "description": "d",
        "project_id": "p1",
        "tenant_id": "p1",
        "admin_state_up": True,
        "shared": False,
        "mtu": 1500,
        "revision_number": 0,
        "status": "ACTIVE",
        "subnets": [],
        "provider:network_type": "vlan",
        "provider:physical_network": "physnet1",
        "provider:segmentation_id": 1000,
        "router:external": False,
    }


def test_what_is_made_is_shown_listed_and_gone_when_deleted(api):
    network = api.make("network", name="a")
    subnet = api.make("subnet", network_id=network["id"], cidr="10.0.0.0/24", ip_version=4)
    port = api.make("port", network_id=network["id"])
    assert api.get(f"/v2.0/networks/{network['id']}") == network | {"subnets": [subnet["id"]]}
    for name, made in (("port", port), ("subnet", subnet), ("network", network)):
        path = f"/v2.0/{name}s/{made['id']}"
        assert api.get(path) == made
        assert api.get(path + ".json") == made
        assert api.get(f"/v2.0/{name}s") == [made]
        assert api.get(f"/v2.0/{name}s.json") == [made]
        reply = api("DELETE", path)
        assert (reply.status, reply.body) == (204, None)
        assert api.get(f"/v2.0/{name}s") == []
        title = name.capitalize()
        gone = (404, f"{title}NotFound", f"{title} {made['id']} could not be found.")
        assert api("GET", path).error == gone
        assert api("DELETE", path).error == gone
        assert api("PUT", path, {name: {"name": "x"}}).error == gone


def test_a_bulk_create_is_all_or_nothing(api):
    network = api.make("network")
    revision = api.store.revision
    bad = {"ports": [{"network_id": network["id"]}, {"network_id": network["id"], "mac_address": "nope"}]}
    assert api("POST", "/v2.0/ports", bad).status == 400
    clash = {"ports": [{"network_id": network["id"], "mac_address": "fa:16:3e:00:00:01"}] * 2}
    assert api("POST", "/v2.0/ports", clash).error[1] == "MacAddressInUse"
    assert api.get("/v2.0/ports") == []
    assert api.store.revision == revision
    reply = api(
        "POST", "/v2.0/ports", {"ports": [{"network_id": network["id"]}, {"port": {"network_id": network["id"]}}]}
    )
    assert reply.status == 201
    assert reply.body["ports"] == api.get("/v2.0/ports")
    assert api.store.revision == revision + 1


def test_an_update_answers_what_is_then_shown(api):
    network = api.make("network")
    subnet = api.make("subnet", network_id=network["id"], cidr="10.0.0.0/24", ip_version=4)
    reply = api(
        "PUT",
        f"/v2.0/subnets/{subnet['id']}",
        {"subnet": {"gateway_ip": None, "host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]}},
    )
    assert reply.status == 200
    changed = reply.body["subnet"]
    assert changed == api.get(f"/v2.0/subnets/{subnet['id']}")
    assert (changed["gateway_ip"], changed["revision_number"]) == (None, 1)
    assert changed["host_routes"] == [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_if_match_insists_on_a_revision(api, method):
    path = f"/v2.0/networks/{api.make('network')['id']}"
    body = {"network": {"name": "x"}} if method == "PUT" else None
    reply = api(method, path, body, If_Match="revision_number=4")
    assert reply.error == (412, "RevisionNumberConstraintFailed", "Constrained to 4, but current revision is 0")
    reply = api(method, path, body, If_Match="revision_number=x")
    assert reply.error == (
        400,
        "BadRequest",
        "Bad if-match request: Revision constraint must be in the form of revision_number=<int>.",
    )
    assert api(method, path, body, If_Match='"revision_number=0"').status in (200, 204)


def test_the_project_is_the_bodys_else_the_headers(api):
    assert api("POST", "/v2.0/networks", {"network": {}}, X_Project_Id="p1").body["network"]["project_id"] == "p1"
    assert api("POST", "/v2.0/networks", {"network": {}}, X_Tenant_Id="p2").body["network"]["tenant_id"] == "p2"
    both = {"network": {"tenant_id": "p3", "project_id": "p3"}}
    assert api("POST", "/v2.0/networks", both, X_Project_Id="p1").body["network"]["project_id"] == "p3"
    assert {n["project_id"] for n in api.get("/v2.0/networks?tenant_id=p3&tenant_id=p2")} == {"p2", "p3"}
    assert api("GET", "/v2.0/networks", X_Project_Id="p" * 256).status == 400


def test_who_wrote_under_which_request_is_in_the_journal(api):
    reply = api("POST", "/v2.0/networks", {"network": {}}, X_Project_Id="p1")
    (entry,) = api.store.journal()
    assert (entry.who, entry.request_id) == ("p1", reply.headers["X-Openstack-Request-Id"])


def test_a_port_from_down_to_active_to_error(api):
    network = api.make("network")
    port = api.make("port", network_id=network["id"])
    path = f"/v2.0/ports/{port['id']}"
    seen = []

    def look():
        shown = api.get(path)
        seen.append((shown["status"], shown["binding:vif_type"], shown["binding:vif_details"].get("fault")))
        assert api.get("/v2.0/ports") == [shown]

    def write(plan, *args):
        api.store.execute(lambda draft: plan(draft, *args), who="controller")
        look()

    look()
    api("PUT", path, {"port": {"binding:host_id": "h1"}})
    look()
    write(wiring.bind, [(port["id"], "h1")])
    write(wiring.activate, [port["id"]])
    write(wiring.set_fault, "Port", port["id"], "table is full")
    write(wiring.clear_fault, "Port", port["id"])
    api("PUT", path, {"port": {"admin_state_up": False}})
    look()
    assert seen == [
        ("DOWN", "unbound", None),
        ("DOWN", "ovs", None),
        ("DOWN", "ovs", None),
        ("ACTIVE", "ovs", None),
        ("ERROR", "ovs", "table is full"),
        ("ACTIVE", "ovs", None),
        ("DOWN", "ovs", None),
    ]


def test_vif_details_say_what_the_host_is(api):
    network = api.make("network")
    port = api.make("port", network_id=network["id"], binding__host_id="h1")
    details = {
        "connectivity": "l2",
        "port_filter": False,
        "ovs_hybrid_plug": False,
        "datapath_type": "system",
        "bridge_name": "br-int",
        "bound_drivers": {"0": "openvswitch"},
    }
    assert port["binding:vif_details"] == details
    host = Host("h1", datapath_type="netdev", integration_bridge="br-x")
    api.store.execute(lambda draft: wiring.describe_host(draft, host), who="controller")
    shown = api.get(f"/v2.0/ports/{port['id']}")["binding:vif_details"]
    assert shown == details | {"datapath_type": "netdev", "bridge_name": "br-x"}
    unbound = api("PUT", f"/v2.0/ports/{port['id']}", {"port": {"binding:host_id": None}}).body["port"]
    assert (unbound["binding:host_id"], unbound["binding:vif_type"], unbound["binding:vif_details"]) == (
        "",
        "unbound",
        {},
    )


def test_a_networks_fault_shows(api):
    network = api.make("network")
    api.store.execute(lambda draft: wiring.set_fault(draft, "Network", network["id"], "x"), who="controller")
    assert api.get(f"/v2.0/networks/{network['id']}")["status"] == "ERROR"


def test_the_profile_comes_back_as_an_object(api):
    profile = {"interface": "s1-eth1", "x": [1, {"y": None}]}
    port = api.make("port", network_id=api.make("network")["id"], binding__profile=profile)
    assert port["binding:profile"] == profile


def test_router_external_is_false_and_stays_so(api):
    network = api.make("network", router__external=False)
    assert network["router:external"] is False
    path = f"/v2.0/networks/{network['id']}"
    assert api("PUT", path, {"network": {"router:external": False}}).status == 200
    for reply in (
        api("PUT", path, {"network": {"router:external": True}}),
        api("POST", "/v2.0/networks", {"network": {"router:external": True}}),
    ):
        assert reply.error == (
            400,
            "HTTPBadRequest",
            "Invalid input for router:external. Reason: true is not supported.",
        )


def test_an_exhausted_cloud_answers_503():
    api = Api(Settings(tunnel_id_ranges=((1, 1),)))
    api.make("network")
    assert api("POST", "/v2.0/networks", {"network": {}}).error == (
        503,
        "NoNetworkAvailable",
        "Unable to create the network. No project network is available for allocation.",
    )
