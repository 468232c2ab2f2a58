"""Who sees and does what: the policy through the whole API, for administrators, members and readers of two projects."""

from __future__ import annotations

import pytest

from controller.core.caller import Caller
from rest.auth import Unauthorized
from rest.policy import Policy
from tests.rest.api import Api

ROLES = {
    "admin": ("admin", "manager", "member", "reader"),
    "member": ("member", "reader"),
    "reader": ("reader",),
}


@pytest.fixture
def policy():
    return Policy()


@pytest.fixture
def api(policy):
    """Who asks is told by a header: `api(..., Who="member/p1")`."""

    def authenticate(environ):
        role, slash, project = environ.get("HTTP_WHO", "admin/p0").partition("/")
        if not slash:
            raise Unauthorized({"WWW-Authenticate": 'Keystone uri="http://127.0.0.1:5000"'})
        return Caller("u", project, frozenset(ROLES[role]), role == "admin")

    return Api(authenticate=authenticate, policy=policy)


def names(api, path, who):
    return {item["name"] for item in next(iter(api("GET", path, Who=who).body.values()))}


@pytest.fixture
def cloud(api):
    """A network of p1, one of p2, and one of p0 that is shared."""
    made = {}
    for project, more in (("p1", {}), ("p2", {}), ("p0", {"shared": True})):
        made[project] = api.make("network", name=project, project_id=project, **more)["id"]
        api.make("subnet", network_id=made[project], cidr="10.0.0.0/24", ip_version=4, name=project, project_id=project)
        api.make("port", network_id=made[project], name=project, project_id=project)
    return made


def test_without_a_token_it_is_401(api):
    reply = api("GET", "/v2.0/networks", Who="nobody")
    assert reply.status == 401
    assert set(reply.body["error"]) == {"code", "title", "message"}
    assert reply.headers["WWW-Authenticate"].startswith("Keystone uri=")


@pytest.mark.parametrize(
    ("who", "networks", "subnets", "ports"),
    [
        ("admin/p0", {"p0", "p1", "p2"}, {"p0", "p1", "p2"}, {"p0", "p1", "p2"}),
        ("member/p1", {"p0", "p1"}, {"p0", "p1"}, {"p1"}),
        ("reader/p2", {"p0", "p2"}, {"p0", "p2"}, {"p2"}),
        ("member/p3", {"p0"}, {"p0"}, set()),
    ],
)
def test_lists_have_what_the_caller_may_see(api, cloud, who, networks, subnets, ports):
    assert names(api, "/v2.0/networks", who) == networks
    assert names(api, "/v2.0/subnets", who) == subnets
    assert names(api, "/v2.0/ports", who) == ports


def test_what_one_may_not_know_of_is_not_there(api, cloud):
    path = f"/v2.0/networks/{cloud['p2']}"
    missing = (404, "NetworkNotFound", f"Network {cloud['p2']} could not be found.")
    assert api("GET", path, Who="member/p1").error == missing
    assert api("PUT", path, {"network": {"name": "x"}}, Who="member/p1").error == missing
    assert api("DELETE", path, Who="member/p1").error == missing
    body = {"port": {"network_id": cloud["p2"]}}
    assert api("POST", "/v2.0/ports", body, Who="member/p1").error == missing


def test_what_one_sees_and_may_not_do_is_403(api, cloud):
    path = f"/v2.0/networks/{cloud['p0']}"
    reply = api("DELETE", path, Who="member/p1")
    assert reply.error == (403, "PolicyNotAuthorized", "rule:delete_network is disallowed by policy")
    body = {"network": {"name": "x", "router:external": False, "provider:network_type": "local"}}
    reply = api("POST", "/v2.0/networks", body, Who="member/p1")
    text = (
        "((rule:create_network and rule:create_network:router:external) and rule:create_network:provider:network_type)"
    )
    assert reply.error == (403, "PolicyNotAuthorized", f"{text} is disallowed by policy")
    assert api("POST", "/v2.0/networks", {"network": {}}, Who="reader/p1").error[0] == 403


def test_attributes_for_administrators_are_hidden_from_others(api, cloud):
    path = f"/v2.0/networks/{cloud['p1']}"
    theirs, all_of_it = api("GET", path, Who="member/p1").body["network"], api.get(path)
    hidden = {"provider:network_type", "provider:physical_network", "provider:segmentation_id"}
    assert set(all_of_it) - set(theirs) == hidden
    listed = api("GET", "/v2.0/networks?fields=name&fields=provider:network_type", Who="member/p1").body["networks"]
    assert all(set(item) == {"name"} for item in listed)
    (port,) = api("GET", "/v2.0/ports", Who="member/p1").body["ports"]
    assert "binding:vnic_type" in port
    assert "binding:host_id" not in port


def test_creates_are_the_callers_and_nobody_elses(api):
    made = api("POST", "/v2.0/networks", {"network": {}}, Who="member/p1").body["network"]
    assert made["project_id"] == made["tenant_id"] == "p1"
    other = api("POST", "/v2.0/networks", {"network": {"project_id": "p2"}}, Who="member/p1")
    assert other.error[0] == 400
    assert "requires admin privileges" in other.error[2]


def test_a_list_costs_evaluations_by_projects_and_not_by_rows(api, cloud, policy):
    bulk = [{"network_id": cloud["p1"], "project_id": "p1"}] * 100
    for _ in range(2):
        assert api("POST", "/v2.0/ports", {"ports": bulk}).status == 201
    api("GET", "/v2.0/ports", Who="member/p1")
    before = policy.evaluations
    assert len(api("GET", "/v2.0/ports", Who="member/p1").body["ports"]) == 201
    assert policy.evaluations == before
