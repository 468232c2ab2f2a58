"""Several bindings of one port, over REST, as a live migration makes, activates and removes them."""

from __future__ import annotations

import pytest

from apps import port_bindings
from controller.core.caller import Caller
from controller.core.model import Host
from controller.core.plans import wiring
from rest.policy import Policy
from tests.rest.api import Api

DETAILS = {
    "connectivity": "l2",
    "port_filter": False,
    "ovs_hybrid_plug": False,
    "datapath_type": "system",
    "bridge_name": "br-int",
}


def binding(host, status, **more):
    plain = {"vif_type": "ovs", "vnic_type": "normal", "profile": {}, "vif_details": DETAILS}
    return {"host": host, "status": status, **plain, **more}


@pytest.fixture
def api():
    api = Api(apps=[port_bindings.app])
    for number, name in enumerate(("h1", "h2", "h3"), 1):
        host = Host(name, f"192.0.2.{number}")
        api.store.execute(lambda draft, host=host: wiring.describe_host(draft, host), who="controller")
    return api


@pytest.fixture
def port(api):
    values = {"device_owner": "compute:nova", "binding__host_id": "h1"}
    return api.make("port", network_id=api.make("network")["id"], **values)["id"]


def path(port, *rest):
    return "/".join([f"/v2.0/ports/{port}/bindings", *rest])


def test_a_live_migration(api, port):
    assert api.get(path(port)) == [binding("h1", "ACTIVE")]
    made = api("POST", path(port), {"binding": {"host": "h2", "profile": {"migrating_to": "h2"}}})
    waiting = binding("h2", "INACTIVE", profile={"migrating_to": "h2"})
    assert (made.status, made.body) == (201, {"binding": waiting})
    assert api.get(path(port, "h2")) == waiting
    assert api.get(f"/v2.0/ports/{port}")["binding:host_id"] == "h1"

    activated = api("PUT", path(port, "h2", "activate"))
    assert (activated.status, activated.body) == (200, waiting | {"status": "ACTIVE"})
    shown = api.get(f"/v2.0/ports/{port}")
    assert (shown["binding:host_id"], shown["binding:profile"]) == ("h2", {"migrating_to": "h2"})
    assert api.get(path(port) + "?status=INACTIVE") == [binding("h1", "INACTIVE")]

    assert api("DELETE", path(port, "h1")).status == 204
    assert [one["host"] for one in api.get(path(port))] == ["h2"]
    assert api("DELETE", path(port, "h2")).status == 204
    assert api.get(path(port)) == [binding("", "ACTIVE", vif_type="unbound", vif_details={})]


def test_changes(api, port):
    api("POST", path(port), {"binding": {"host": "h2"}})
    for host, status in (("h1", "ACTIVE"), ("h2", "INACTIVE")):
        changed = api("PUT", path(port, host), {"binding": {"profile": {"a": "b"}}})
        assert changed.body["binding"] == binding(host, status, profile={"a": "b"})
    assert api.get(f"/v2.0/ports/{port}")["binding:profile"] == {"a": "b"}
    moved = api("PUT", path(port, "h2"), {"binding": {"host": "h3"}})
    assert moved.error[:2] == (400, "BadRequest")


def test_a_port_that_moves_by_itself_has_one_binding_a_host(api, port):
    api("POST", path(port), {"binding": {"host": "h2"}})
    api("PUT", f"/v2.0/ports/{port}", {"port": {"binding:host_id": "h2"}})
    assert api.get(path(port)) == [binding("h2", "ACTIVE")]
    api("POST", path(port), {"binding": {"host": "h3"}})
    api("DELETE", f"/v2.0/ports/{port}")
    assert api.store.net.count(port_bindings.PortBinding) == 0


def test_refusals(api, port):
    api("POST", path(port), {"binding": {"host": "h2"}})
    there = api("POST", path(port), {"binding": {"host": "h2"}})
    text = f"Binding for port {port} on host h2 already exists."
    assert there.error == (409, "PortBindingAlreadyExists", text)
    assert api("POST", path(port), {"binding": {"host": "h1"}}).error[1] == "PortBindingAlreadyExists"
    active = api("PUT", path(port, "h1", "activate"))
    assert active.error == (409, "PortBindingAlreadyActive", f"Binding for port {port} on host h1 is already active.")
    text = f"Binding for port {port} for host h9 could not be found."
    for reply in (
        api("GET", path(port, "h9")),
        api("DELETE", path(port, "h9")),
        api("PUT", path(port, "h9"), {"binding": {}}),
        api("PUT", path(port, "h9", "activate")),
    ):
        assert reply.error == (404, "PortBindingNotFound", text)
    unknown = api("POST", path(port), {"binding": {"host": "h9"}})
    text = f"Binding for port {port} on host h9 could not be created or updated."
    assert unknown.error == (409, "PortBindingError", text)
    assert api("POST", path(port), {"binding": {}}).error[2].endswith("Required attribute 'host' not specified")
    assert api("GET", path("nope")).error[1] == "PortNotFound"
    assert [one["host"] for one in api.get(path(port))] == ["h1", "h2"]


def test_only_vms_have_several(api, port):
    api("PUT", f"/v2.0/ports/{port}", {"port": {"device_owner": "network:dhcp"}})
    refused = api("POST", path(port), {"binding": {"host": "h2"}})
    text = f"Bad port request: Invalid port {port}. Operation only valid on compute ports."
    assert refused.error == (400, "BadRequest", text)


def test_lists_are_sorted_and_cut_by_host(api, port):
    for host in ("h2", "h3"):
        api("POST", path(port), {"binding": {"host": host}})
    listed = api("GET", path(port) + "?limit=2&sort_key=host&sort_dir=desc")
    assert [one["host"] for one in listed.body["bindings"]] == ["h3", "h2"]
    assert api.get(path(port) + "?marker=h2&limit=5")[0]["host"] == "h3"


def test_bindings_are_the_business_of_services(api):
    """Neutron's rules: Nova makes, activates and removes them; an administrator looks; their owner knows of none."""
    roles = {"member": ("member", "reader"), "service": ("service",), "admin": ("admin", "manager", "member", "reader")}

    def authenticate(environ):
        name = environ.get("HTTP_WHO", "admin")
        return Caller(name, "p1", frozenset(roles[name]), name == "admin")

    api = Api(apps=[port_bindings.app], authenticate=authenticate, policy=Policy())
    for number, name in enumerate(("h1", "h2"), 1):
        host = Host(name, f"192.0.2.{number}")
        api.store.execute(lambda draft, host=host: wiring.describe_host(draft, host), who="controller")
    values = {"device_owner": "compute:nova", "binding__host_id": "h1"}
    port = api.make("port", network_id=api.make("network")["id"], **values)["id"]
    body = {"binding": {"host": "h2"}}
    refused = "rule:create_port_binding is disallowed by policy"
    assert api("POST", path(port), body, Who="member").error == (403, "PolicyNotAuthorized", refused)
    assert api("GET", path(port), Who="member").body == {"bindings": []}
    assert api("POST", path(port), body, Who="service").status == 201
    assert api("PUT", path(port, "h2"), {"binding": {"profile": {}}}, Who="member").error[0] == 404
    assert api("PUT", path(port, "h2", "activate"), Who="member").error[0] == 404
    assert api("PUT", path(port, "h2", "activate"), Who="admin").error[1] == "PolicyNotAuthorized"
    assert api("PUT", path(port, "h2"), {"binding": {"profile": {}}}, Who="admin").status == 403
    assert api("PUT", path(port, "h2", "activate"), Who="service").status == 200
    assert [one["host"] for one in api("GET", path(port), Who="admin").body["bindings"]] == ["h2", "h1"]
    assert api("DELETE", path(port, "h1"), Who="service").status == 204
