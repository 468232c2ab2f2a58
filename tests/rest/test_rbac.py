"""RBAC policies, and what `shared` and `router:external` of a network mean to whom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps.rbac import app
from controller.core.model import Network, RbacPolicy
from tests.rest.projects import A, B, C, Projects

GONE = "11111111-1111-4111-8111-111111111111"
RECORDED = [json.loads(line) for line in (Path(__file__).parent / "neutron29_rbac.jsonl").read_text().splitlines()]


@pytest.fixture
def cloud():
    return Projects(apps=[app])


def network(cloud, by="ann", **values):
    return cloud.made("networks", "network", by, **values)["id"]


def give(cloud, object_id, target, by="ann", action="access_as_shared", **values):
    values = {"object_type": "network", "object_id": object_id, "action": action, "target_tenant": target, **values}
    return cloud("POST", "/v2.0/rbac-policies", {"rbac_policy": values}, by=by)


def given(cloud, *args, **values):
    reply = give(cloud, *args, **values)
    assert reply.status == 201, reply
    return reply.body["rbac_policy"]


def update(cloud, network_id, by="admin", **values):
    return cloud("PUT", f"/v2.0/networks/{network_id}", {"network": values}, by=by)


# -- recorded exchanges -----------------------------------------------------------------------------------------------


def recorded(method, *statuses):
    found = [exchange for exchange in RECORDED if exchange["m"] == method and exchange["s"] in statuses]
    assert found
    return pytest.mark.parametrize("exchange", found, ids=lambda e: f"{e['p'][:30]}-{e['s']}")


def asked_of(cloud, exchange, by):
    """The recorded create, of a network of ours in A."""
    asked = exchange["q"]["rbac_policy"]
    return give(cloud, network(cloud), by=by, target=asked["target_tenant"], action=asked["action"])


@recorded("POST", 201)
def test_a_policy_is_answered_as_neutron_does(cloud, exchange):
    ours, theirs = asked_of(cloud, exchange, "ann").body["rbac_policy"], exchange["r"]["rbac_policy"]
    assert ours.keys() == theirs.keys()
    others = {"id": ours["id"], "object_id": ours["object_id"], "project_id": A, "tenant_id": A}
    assert ours == {**theirs, **others}
    path = f"/v2.0/rbac-policies/{ours['id']}"
    assert cloud.seen(path, "ann") == ours
    assert cloud("GET", path, by="bob").error[:2] == (404, "RbacPolicyNotFound")
    assert cloud("DELETE", path, by="ann").status == 204


@recorded("POST", 400, 403, 409)
def test_what_neutron_refuses(cloud, exchange):
    """Same status, type and text; where Neutron's text names parts of its own code, what these said."""
    error = exchange["r"]["NeutronError"]
    asked = exchange["q"]["rbac_policy"]
    made = network(cloud)
    by = "admin" if "admin" in exchange["roles"] else "bob" if "Callback" in error["message"] else "ann"
    if error["type"] == "DuplicateRbacPolicy":
        given(cloud, made, asked["target_tenant"])
    if error["type"] == "OverQuota":
        for number in range(10):
            given(cloud, made, f"{number:032x}", by="admin", project_id=C)
    reply = give(cloud, made, asked["target_tenant"], by=by, action=asked["action"])
    text = error["message"]
    if "Callback" in text:
        text = text.split('failed with "')[1].partition('"')[0]
    if error["type"] == "PolicyNotAuthorized":  # Neutron's text names rules that nobody has declared, too
        text = reply.error[2]
        assert "rule:create_rbac_policy:target_tenant" in text
    assert reply.error == (exchange["s"], error["type"], text)


@recorded("PUT", 200, 403)
def test_updates_as_recorded(cloud, exchange):
    made, admin = network(cloud), "admin" in exchange["roles"]
    asked = exchange["q"]
    if exchange["p"].startswith("/networks"):
        update(cloud, made, shared=True)
        reply = cloud("PUT", f"/v2.0/networks/{made}", asked)
        theirs = exchange["r"]["network"]
        assert {key: reply.body["network"][key] for key in asked["network"]} == asked["network"]
        assert reply.body["network"]["shared"] is theirs["shared"] is False
        return
    action = exchange["r"]["rbac_policy"]["action"] if admin else "access_as_shared"
    policy = given(cloud, made, "*" if admin else B, by="admin" if admin else "ann", action=action)
    reply = cloud("PUT", f"/v2.0/rbac-policies/{policy['id']}", asked, by="admin" if admin else "ann")
    if exchange["s"] == 403:
        assert (reply.status, reply.body) == (403, exchange["r"])
        return
    assert reply.body["rbac_policy"] == {**policy, **asked["rbac_policy"]}


@recorded("GET", 200)
def test_lists_as_recorded(cloud, exchange):
    """The same query of what Neutron had finds it, with the same attributes."""
    theirs = exchange["r"]["rbac_policies"] if "rbac_policies" in exchange["r"] else [exchange["r"]["rbac_policy"]]
    made = network(cloud)
    values = {"action": theirs[0].get("action", "access_as_shared"), "by": "admin", "project_id": A}
    policy = given(cloud, made, theirs[0].get("target_tenant", B), **values)
    path = exchange["p"].replace(theirs[0]["id"], policy["id"]).replace(theirs[0].get("object_id", GONE), made)
    (ours,) = [found] if isinstance(found := cloud.seen("/v2.0" + path, "ann"), dict) else found
    assert ours.keys() == theirs[0].keys()
    assert ours["id"] == policy["id"]


# -- what a policy does -----------------------------------------------------------------------------------------------


def test_a_project_sees_what_is_shared_with_it(cloud):
    made = network(cloud)
    assert cloud("GET", f"/v2.0/networks/{made}", by="bob").status == 404
    policy = given(cloud, made, B)
    assert cloud.seen(f"/v2.0/networks/{made}", "bob")["shared"] is True
    assert cloud.seen(f"/v2.0/networks/{made}", "ann")["shared"] is False
    assert [found["id"] for found in cloud.seen("/v2.0/networks?shared=True", "bob")] == [made]
    assert cloud.seen("/v2.0/networks?shared=True", "ann") == []
    assert [found["id"] for found in cloud.seen("/v2.0/networks?shared=False", "ann")] == [made]
    subnet = cloud.made("subnets", "subnet", "ann", network_id=made, cidr="10.0.0.0/24", ip_version=4)["id"]
    assert [found["id"] for found in cloud.seen("/v2.0/subnets?shared=True", "bob")] == [subnet]
    assert "shared" not in cloud.seen(f"/v2.0/subnets/{subnet}", "bob")
    assert update(cloud, made, by="bob", name="mine").error[:2] == (403, "PolicyNotAuthorized")
    assert cloud("DELETE", f"/v2.0/rbac-policies/{policy['id']}", by="ann").status == 204
    assert cloud.seen("/v2.0/networks", "bob") == []
    assert cloud.seen("/v2.0/subnets", "bob") == []


def test_a_policy_in_use_stays(cloud):
    made = network(cloud)
    policy = given(cloud, made, B)
    port = cloud.made("ports", "port", "bob", network_id=made)["id"]
    path = f"/v2.0/rbac-policies/{policy['id']}"
    text = (
        f"RBAC policy on object {made} cannot be removed because other objects depend on it.\nDetails: "
        f"Unable to reconfigure sharing settings for network {made}. Multiple projects are using it."
    )
    for reply in (
        cloud("DELETE", path, by="ann"),
        cloud("PUT", path, {"rbac_policy": {"target_tenant": C}}, by="ann"),
    ):
        assert reply.error == (409, "RbacPolicyInUse", text)
    everyone = given(cloud, made, "*", by="admin")
    assert cloud("PUT", path, {"rbac_policy": {"target_tenant": C}}, by="ann").status == 200
    assert cloud("DELETE", f"/v2.0/rbac-policies/{everyone['id']}").error[1] == "RbacPolicyInUse"
    assert cloud("DELETE", f"/v2.0/ports/{port}", by="bob").status == 204
    assert cloud("DELETE", f"/v2.0/rbac-policies/{everyone['id']}").status == 204
    assert cloud("DELETE", path, by="ann").status == 204


def test_the_owners_own_ports_and_those_of_nobody_keep_no_policy(cloud):
    made = network(cloud)
    policies = [given(cloud, made, target, by="admin") for target in (A, "*")]
    cloud.made("ports", "port", "ann", network_id=made)
    cloud.made("ports", "port", "admin", network_id=made, project_id="")
    for policy in policies:
        assert cloud("DELETE", f"/v2.0/rbac-policies/{policy['id']}").status == 204


def test_shared_is_a_policy_for_everyone(cloud):
    made = network(cloud)
    assert update(cloud, made, by="ann", shared=True).error[:2] == (403, "PolicyNotAuthorized")
    shared = update(cloud, made, shared=True).body["network"]
    assert (shared["shared"], shared["revision_number"]) == (True, 1)
    (policy,) = cloud.seen("/v2.0/rbac-policies", "ann")
    assert (policy["object_id"], policy["target_tenant"], policy["project_id"]) == (made, "*", A)
    assert update(cloud, made, shared=True).body["network"]["revision_number"] == 1
    cloud.made("ports", "port", "bob", network_id=made)
    cloud("PUT", f"/v2.0/networks/{made}", {"network": {"name": "n"}}, by="ann")
    assert update(cloud, made, shared=False).error == (
        409,
        "InvalidSharedSetting",
        "Unable to reconfigure sharing settings for network n. Multiple projects are using it.",
    )
    given(cloud, made, B)
    assert update(cloud, made, shared=False).body["network"]["shared"] is False
    assert cloud.seen(f"/v2.0/networks/{made}", "bob")["shared"] is True


def test_policies_go_with_their_object(cloud):
    made = cloud.made("networks", "network", "admin", shared=True, router__external=True)["id"]
    given(cloud, made, B, by="admin")
    assert cloud.store.net.count(RbacPolicy) == 3
    assert cloud("DELETE", f"/v2.0/networks/{made}").status == 204
    assert cloud.store.net.count(RbacPolicy) == 0


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (
            {"object_type": "router"},
            (400, "InvalidInput", "Invalid input for operation: 'router' is not a valid RBAC "),
        ),
        (
            {"object_type": "subnet"},
            (400, "InvalidInput", "Invalid input for operation: 'subnet' is not a valid RBAC "),
        ),
        ({"action": "own"}, (400, "InvalidInput", "Invalid input for operation: Invalid action 'own' for object type")),
        ({"object_id": "x"}, (400, "HTTPBadRequest", "Invalid input for object_id. Reason: 'x' is not a valid UUID.")),
        ({"object_id": GONE}, (404, "NetworkNotFound", f"Network {GONE} could not be found.")),
        ({"target_tenant": "ann"}, (400, "InvalidInput", "Invalid input for operation: 'ann' is not a valid target")),
    ],
)
def test_policies_about_nothing(cloud, values, error):
    asked = {"object_type": "network", "object_id": network(cloud), "action": "access_as_shared", "target_tenant": B}
    status, kind, text = cloud("POST", "/v2.0/rbac-policies", {"rbac_policy": {**asked, **values}}).error
    assert (status, kind, text[: len(error[2])]) == error
    assert cloud.store.net.count(RbacPolicy) == 0


def test_who_does_not_own_an_object_is_not_told_whether_it_is_there(cloud):
    theirs = give(cloud, network(cloud), B, by="bob")
    assert theirs.error[0] == 400
    assert give(cloud, GONE, B, by="bob").error == theirs.error


def test_a_policy_that_is_there_is_not_made_by_an_update_either(cloud):
    made = network(cloud)
    given(cloud, made, B)
    other = given(cloud, made, C)["id"]
    reply = cloud("PUT", f"/v2.0/rbac-policies/{other}", {"rbac_policy": {"target_tenant": B}}, by="ann")
    assert reply.error[:2] == (409, "DuplicateRbacPolicy")
    same = cloud("PUT", f"/v2.0/rbac-policies/{other}", {"rbac_policy": {"target_tenant": C}}, by="ann")
    assert same.status == 200


def test_if_match_means_nothing_to_what_has_no_revision(cloud):
    policy = given(cloud, network(cloud), B)["id"]
    path = f"/v2.0/rbac-policies/{policy}"
    reply = cloud("PUT", path, {"rbac_policy": {"target_tenant": C}}, by="ann", If_Match="revision_number=7")
    assert reply.status == 200


# -- external networks ------------------------------------------------------------------------------------------------


def test_an_external_network_is_seen_by_all_its_subnets_by_all_too(cloud):
    made = cloud.made("networks", "network", "admin", router__external=True, name="public")["id"]
    subnet = cloud.made("subnets", "subnet", "admin", network_id=made, cidr="10.0.0.0/24", ip_version=4)
    assert subnet["router:external"] is True
    shown = cloud.seen(f"/v2.0/networks/{made}", "bob")
    assert (shown["router:external"], shown["shared"]) == (True, False)
    assert [found["id"] for found in cloud.seen("/v2.0/networks?router:external=True", "bob")] == [made]
    assert cloud.seen("/v2.0/networks?router:external=False", "bob") == []
    assert [found["id"] for found in cloud.seen("/v2.0/subnets?router:external=True", "bob")] == [subnet["id"]]
    assert update(cloud, made, **{"router:external": False}).body["network"]["router:external"] is False
    assert cloud.seen("/v2.0/networks", "bob") == []
    assert cloud.seen(f"/v2.0/subnets/{subnet['id']}", "admin")["router:external"] is False


def test_only_administrators_make_networks_external(cloud):
    body = {"network": {"router:external": True}}
    assert cloud("POST", "/v2.0/networks", body, by="ann").error == (
        403,
        "PolicyNotAuthorized",
        "(rule:create_network and rule:create_network:router:external) is disallowed by policy",
    )


def test_a_network_that_is_external_to_one_project(cloud):
    made = network(cloud)
    policy = given(cloud, made, B, by="ann", action="access_as_external")
    assert cloud.seen(f"/v2.0/networks/{made}", "bob")["router:external"] is True
    other = cloud.made("networks", "network", "admin", project_id=C)["id"]
    given(cloud, other, A, by="admin", action="access_as_external")
    assert [found["id"] for found in cloud.seen("/v2.0/networks", "bob")] == [made]
    assert cloud("DELETE", f"/v2.0/rbac-policies/{policy['id']}", by="ann").status == 204
    assert cloud.seen(f"/v2.0/networks/{made}", "ann")["router:external"] is False


def test_a_network_with_gateways_stays_external(cloud):
    made = cloud.made("networks", "network", "admin", router__external=True)["id"]
    (policy,) = cloud.seen("/v2.0/rbac-policies", "admin")
    cloud.made("ports", "port", "admin", network_id=made, device_owner="network:router_gateway", project_id="")
    error = (
        409,
        "ExternalNetworkInUse",
        f"External network {made} cannot be updated to be made non-external, since it has existing gateway ports.",
    )
    assert update(cloud, made, **{"router:external": False}).error == error
    assert cloud("DELETE", f"/v2.0/rbac-policies/{policy['id']}").error == error
    assert cloud.store.net.count(Network) == 1
