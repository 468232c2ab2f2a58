"""oVirt's engine with this as its network provider, over the whole API with identity on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from webob import Request

from controller.core.app import load
from controller.core.model import Host
from controller.core.plans import wiring
from controller.core.settings import Settings
from controller.io.store import Store
from rest.auth import BuiltIn, Open
from rest.identity.wsgi import mounted
from rest.policy import Policy
from tests.rest.api import Api
from tests.rest.keystone import SECRET, Keystone
from tests.rest.ovirt import DEFAULT, Engine, Nic, ProviderFailure

SETTINGS = Settings(vlan_ranges=(("physnet1", ((100, 199),)),))
APPS = load()  # before any store is opened: it opens with the rows that are declared by then
NIC = Nic("6a1f2c3d-0001-4aaa-8bbb-000000000001", "nic1", "56:6f:1a:2b:00:01")
OTHER = Nic("6a1f2c3d-0002-4aaa-8bbb-000000000002", "nic1", "56:6f:1a:2b:00:02")
URIS = "http://127.0.0.1:5000"


class Provider:
    """A controller with identity: REST, with the identity service under its port and on one of its own."""

    def __init__(self) -> None:
        self.keystone = Keystone(store=Store("sqlite://", SETTINGS))
        policy, store = Policy(), self.keystone.store
        builtin = BuiltIn(store, self.keystone.tokens, policy, URIS, clock=self.keystone.clock)
        self.api = Api(SETTINGS, store=store, apps=APPS, authenticate=Open(builtin).authenticate, policy=policy)
        self._both = mounted("/identity", self.keystone.application, self.api.application)
        for name, mappings in (("host1", (("physnet1", "br-eth1"),)), ("host2", ())):
            host = Host(name, "192.0.2.1", mappings)
            store.execute(lambda draft, host=host: wiring.describe_host(draft, host), who="controller")
        store.execute(lambda draft: wiring.tell_agents(draft, [("host1", True), ("host2", True)]), who="controller")

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None, own_port: bool = False) -> Any:
        """Status, JSON and headers.  `own_port`: of identity's own port."""
        headers = {"Content-Type": "application/json"} | ({"X-Auth-Token": token} if token else {})
        request = Request.blank(path, method=method, base_url="http://127.0.0.1:9696", headers=headers)
        if body is not None:
            request.body = json.dumps(body).encode()
        response = request.get_response(self.keystone.application if own_port else self._both)
        return response.status_int, response.json if response.body else None, response.headers

    def rest(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        return self.ask(method, path, body, token)[:2]

    def sign_in(self, url: str = "/v2.0", own_port: bool = True, user: str = "admin", **more: Any) -> str:
        """The token that the engine gets at an authentication URL; `more` goes into `auth` (v2.0)."""
        if url.rstrip("/").endswith("/v3"):
            person = {"name": user, "password": SECRET, "domain": {"name": "Default"}}
            identity = {"methods": ["password"], "password": {"user": person}}
            scope = {"project": {"name": "admin", "domain": {"name": "Default"}}}
            body = {"auth": {"identity": identity, "scope": scope}}
            status, answer, headers = self.ask("POST", f"{url}/auth/tokens", body, own_port=own_port)
            assert status == 201, answer
            return str(headers["X-Subject-Token"])
        body = {"auth": {"passwordCredentials": {"username": user, "password": SECRET}, **more}}
        status, answer, _ = self.ask("POST", f"{url}/tokens", body, own_port=own_port)
        if status != 200:
            raise ProviderFailure(status, answer)
        return str(answer["access"]["token"]["id"])

    def get(self, path: str) -> Any:
        """As an administrator who looks in by other means."""
        status, answer = self.rest("GET", path, None, self.keystone.token())
        assert status == 200, answer
        return next(iter(answer.values()))


@pytest.fixture
def provider():
    return Provider()


@pytest.fixture
def engine(provider):
    return Engine(provider.rest, provider.sign_in)


@pytest.fixture
def group(provider):
    """A security group of the engine's project."""
    body = {"security_group": {"name": "web"}}
    status, answer = provider.rest("POST", "/v2.0/security-groups", body, provider.keystone.token())
    assert status == 201
    return answer["security_group"]["id"]


def default_of(provider):
    (group,) = provider.get("/v2.0/security-groups?name=default")
    return group["id"]


def failure(action, *arguments, **more):
    """The status of what the engine asks in vain."""
    with pytest.raises(ProviderFailure) as raised:
        action(*arguments, **more)
    return raised.value.status


# -- the whole ---------------------------------------------------------------------------------------------------------


def test_from_adding_the_provider_to_removing_the_network(provider, engine):
    engine.test_connection()
    assert engine.networks() == {}
    network = engine.add_network("blue", mtu=1450, physnet="physnet1", vlan=1000, port_security_enabled=True)
    shown = {"name": "blue", "mtu": 1450, "physical_network": "physnet1", "vlan": 1000, "port_security_enabled": True}
    assert engine.networks() == {network: shown}
    engine.add_subnet(network, "10.0.0.0/24", "blue4", "10.0.0.1", ["10.0.0.2"])
    engine.add_subnet(network, "fd00::/64", "blue6")
    first, second = sorted(engine.subnets(network), key=lambda subnet: subnet["ip_version"])
    assert first == {
        "id": first["id"],
        "cidr": "10.0.0.0/24",
        "ip_version": 4,
        "name": "blue4",
        "gateway_ip": "10.0.0.1",
        "dns_nameservers": ["10.0.0.2"],
    }
    assert (second["gateway_ip"], second["dns_nameservers"]) == (None, [])

    port = engine.allocate(network, NIC, DEFAULT, "host1")  # the VM starts for the first time
    assert (port["mac_address"], port["binding:host_id"], port["binding:vif_type"]) == (NIC.mac, "host1", "ovs")
    assert port["security_groups"] == [default_of(provider)]
    assert len(port["fixed_ips"]) == 2
    again = engine.allocate(network, NIC, DEFAULT, "host1")  # it starts there again
    assert again == port
    moved = engine.allocate(network, NIC, DEFAULT, "host2")  # and on another host
    assert (moved["id"], moved["binding:host_id"]) == (port["id"], "host2")
    assert failure(engine.remove_network, network) == 409
    engine.deallocate(NIC)
    engine.deallocate(NIC)
    for subnet in engine.subnets(network):
        engine.remove_subnet(subnet["id"])
    assert engine.subnets(network) == []
    engine.remove_network(network)
    assert engine.networks() == {}

    assert engine.calls == [
        "GET /",
        "GET /networks",
        "POST /networks",
        "GET /networks",
        *(f"GET /networks/{network}", "POST /subnets") * 2,
        "GET /subnets",
        *("GET /ports", f"GET /networks/{network}", "POST /ports"),
        "GET /ports",
        *("GET /ports", f"PUT /ports/{port['id']}"),
        f"DELETE /networks/{network}",
        *("GET /ports", f"DELETE /ports/{port['id']}"),
        "GET /ports",
        "GET /subnets",
        *(f"DELETE /subnets/{subnet}" for subnet in (first["id"], second["id"])),
        "GET /subnets",
        f"DELETE /networks/{network}",
        "GET /networks",
    ]


def test_networks_without_a_vlan_and_without_a_physical_network(engine):
    flat, free = engine.add_network("flat", physnet="physnet1"), engine.add_network("free")
    found = engine.networks()
    assert (found[flat]["physical_network"], found[flat]["vlan"]) == ("physnet1", None)
    assert engine.network(flat)["provider:network_type"] == "flat"
    assert found[free]["mtu"] > 0
    assert found[free]["port_security_enabled"] is True


def test_all_ports_are_listed_at_once(engine):
    network = engine.add_network("big")
    ports = [{"network_id": network, "name": f"p{n}"} for n in range(450)]
    engine.request("POST", "/ports", {"ports": ports})
    found = engine.request("GET", "/ports")
    assert set(found) == {"ports"}
    assert len(found["ports"]) == 450
    assert engine.allocate(network, NIC, DEFAULT, "host1")["id"]
    assert engine.request("GET", f"/ports?device_id={NIC.id}")["ports"][0]["name"] == NIC.name


# -- security groups ---------------------------------------------------------------------------------------------------


def test_security_groups_unset_empty_and_listed(provider, engine, group):
    network = engine.add_network("blue")
    default = default_of(provider)
    for number, (wanted, has) in enumerate([(DEFAULT, [default]), ((), []), ((group,), [group])]):
        nic = NIC._replace(id=f"{NIC.id[:-1]}{number}", mac=f"56:6f:1a:2b:01:0{number}")
        assert engine.allocate(network, nic, wanted, "host1")["security_groups"] == has
    both = engine.allocate(network, OTHER, (group, default), "host1")
    assert sorted(both["security_groups"]) == sorted([group, default])


def test_security_groups_of_a_profile_that_changed(provider, engine, group):
    network = engine.add_network("blue")
    default = default_of(provider)
    engine.allocate(network, NIC, DEFAULT, "host1")
    for wanted, has in [((group,), [group]), ((), []), (DEFAULT, [default]), (DEFAULT, [default]), ((), [])]:
        engine.calls.clear()
        port = engine.allocate(network, NIC, wanted, "host1")
        assert port["security_groups"] == has
    engine.calls.clear()
    port = engine.allocate(network, NIC, DEFAULT, "host2")  # groups and host in one request
    assert (port["security_groups"], port["binding:host_id"]) == ([default], "host2")
    assert engine.calls == ["GET /ports", f"PUT /ports/{port['id']}"]


def test_a_port_without_port_security_stays_in_no_group(engine):
    """The engine asks for the default groups each time that the VM starts, for the port is in none."""
    network = engine.add_network("open", port_security_enabled=False)
    for _ in range(2):
        port = engine.allocate(network, NIC, DEFAULT, "host1")
        assert (port["security_groups"], port["port_security_enabled"]) == ([], False)
    assert engine.calls[-1] == f"PUT /ports/{port['id']}"


def test_null_for_ports_that_others_made_is_none(provider, engine):
    """As in Neutron."""
    port = engine.request("POST", "/ports", {"port": {"network_id": engine.add_network("blue")}})["port"]
    assert port["security_groups"] == [default_of(provider)]
    body = {"port": {"security_groups": None}}
    assert engine.request("PUT", f"/ports/{port['id']}", body)["port"]["security_groups"] == []
    assert engine.request("PUT", f"/ports/{port['id']}", body)["port"]["security_groups"] == []


def test_a_group_that_is_not_there(engine):
    network = engine.add_network("blue")
    gone = "45361d2f-4c45-4b85-8ed1-32f028495c8b"
    assert failure(engine.allocate, network, NIC, (gone,), "host1") == 404
    engine.allocate(network, NIC, DEFAULT, "host1")
    assert failure(engine.allocate, network, NIC, (gone,), "host1") == 404


# -- what changes under the engine -------------------------------------------------------------------------------------


def test_a_network_that_vanished(provider, engine):
    network, other = engine.add_network("blue"), engine.add_network("red")
    engine.allocate(network, NIC, DEFAULT, "host1")
    port = engine.allocate(network, OTHER, DEFAULT, "host1")
    admin = Engine(provider.rest, provider.sign_in)
    assert failure(admin.remove_network, network) == 409
    for found in provider.get("/v2.0/ports"):
        admin.request("DELETE", f"/ports/{found['id']}")
    admin.remove_network(network)
    assert set(engine.networks()) == {other}
    for nic in (NIC, OTHER):  # synchronization unplugs the vNICs
        engine.deallocate(nic)
    assert failure(engine.allocate, network, NIC, DEFAULT, "host1") == 404
    assert failure(engine.request, "PUT", f"/ports/{port['id']}", {"port": {"binding:host_id": "host2"}}) == 404
    assert failure(engine.remove_network, network) == 404
    assert failure(engine.add_subnet, network, "10.0.0.0/24", "late") == 404


def test_agents_tell_which_hosts_can_reach_a_network(provider, engine):
    vlan, tunnel = engine.add_network("vlan", physnet="physnet1", vlan=1000), engine.add_network("tunnel")
    agents = provider.get("/v2.0/agents?alive=true")

    def reaching(network_id):
        network = engine.network(network_id)
        physnet, type = network["provider:physical_network"], network["provider:network_type"]
        carries = ((agent["host"], agent["configurations"]) for agent in agents)
        return {h for h, c in carries if physnet in c["bridge_mappings"] or type in c["tunnel_types"]}

    assert reaching(vlan) == {"host1"}
    assert reaching(tunnel) == {"host1", "host2"}
    assert engine.allocate(vlan, NIC, DEFAULT, "host2")["binding:vif_type"] == "binding_failed"
    assert engine.allocate(vlan, OTHER, DEFAULT, "host1")["binding:vif_type"] == "ovs"


# -- signing in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "own_port", "more"),
    [
        ("/v2.0", True, {}),
        ("/v2.0/", True, {}),
        ("/v2.0", True, {"tenantName": "admin"}),
        ("/v3", True, {}),
        ("/v3/", True, {}),
        ("/identity/v2.0", False, {}),
        ("/identity/v3", False, {}),
    ],
)
def test_ways_to_sign_in(provider, url, own_port, more):
    engine = Engine(provider.rest, lambda: provider.sign_in(url, own_port, **more))
    engine.test_connection()
    network = engine.network(engine.add_network("blue"))
    (project,) = provider.keystone("GET", "/v3/projects?name=admin", token=provider.keystone.token()).body["projects"]
    assert network["tenant_id"] == project["id"]


def test_a_token_first_and_its_tenant_afterwards(provider):
    user, project = provider.keystone.member("ann", "admin")
    other = provider.keystone.make("project", name="other")
    provider.keystone.grant(user["id"], other["id"], "reader")
    unscoped = provider.sign_in(user="ann")  # a reader here, an administrator there: none of them is meant
    assert provider.rest("GET", "/v2.0/networks", None, unscoped)[1]["networks"] == []
    body = {"auth": {"token": {"id": unscoped}, "tenantName": "ann"}}
    status, answer, _ = provider.ask("POST", "/v2.0/tokens", body, own_port=True)
    assert status == 200
    assert answer["access"]["token"]["tenant"]["id"] == project["id"]
    engine = Engine(provider.rest, lambda: answer["access"]["token"]["id"])
    assert engine.network(engine.add_network("blue"))["tenant_id"] == project["id"]
    for bad in ({"token": {"id": "forged"}}, {"token": {"id": unscoped}, "tenantName": "service"}):
        assert provider.ask("POST", "/v2.0/tokens", {"auth": bad}, own_port=True)[0] == 401
    assert provider.ask("POST", "/v2.0/tokens", {"auth": {"token": "x"}}, own_port=True)[0] == 400


def test_a_token_that_ended_is_followed_by_another(provider, engine):
    network = engine.add_network("blue")
    provider.keystone.now += 2 * 3600
    engine.calls.clear()
    assert set(engine.networks()) == {network}
    assert engine.calls == ["GET /networks"] * 2


def test_a_wrong_password_is_a_failure_of_the_provider(provider):
    def sign_in():
        return provider.sign_in(user="nobody")

    assert failure(Engine(provider.rest, sign_in).test_connection) == 401
    assert failure(Engine(provider.rest, lambda: "forged").networks) == 401


def test_a_member_can_not_be_the_engines_user(provider):
    """It binds ports to hosts and chooses VLANs, which is for administrators."""
    provider.keystone.member("ann")
    engine = Engine(provider.rest, lambda: provider.sign_in(user="ann"))
    network = engine.add_network("blue")
    assert failure(engine.add_network, "vlan", physnet="physnet1", vlan=1000) == 403
    assert failure(engine.allocate, network, NIC, DEFAULT, "host1") == 403


def test_a_reader_is_enough_for_the_hook_of_vdsm(provider, engine):
    port = engine.allocate(engine.add_network("blue"), NIC, DEFAULT, "host1")
    vdsm = provider.keystone.make("user", name="vdsm", password=SECRET)
    provider.keystone.grant(vdsm["id"], port["project_id"], "reader")
    token = provider.sign_in(user="vdsm")
    found = provider.rest("GET", f"/v2.0/ports?id={port['id']}&id={NIC.id}&fields=id&fields=status", None, token)
    assert found == (200, {"ports": [{"id": port["id"], "status": "DOWN"}]})
    assert provider.rest("DELETE", f"/v2.0/ports/{port['id']}", None, token)[0] == 403


def test_without_authentication_all_is_of_the_tenant_ovirt():
    api = Api(SETTINGS, apps=APPS)

    def ask(method, path, body, token):
        assert token is None
        return api(method, path, body)[:2]

    engine = Engine(ask)
    network = engine.add_network("blue")
    engine.add_subnet(network, "10.0.0.0/24", "blue4")
    port = engine.allocate(network, NIC, DEFAULT, "host1")
    for path in (f"networks/{network}", f"ports/{port['id']}", f"subnets/{port['fixed_ips'][0]['subnet_id']}"):
        assert api.get(f"/v2.0/{path}")["tenant_id"] == "oVirt"
    (group,) = api.get("/v2.0/security-groups?tenant_id=oVirt")
    assert port["security_groups"] == [group["id"]]


# -- how it writes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["", "/", "//"])
def test_slashes_too_many_in_the_providers_url(provider, url):
    engine = Engine(provider.rest, provider.sign_in, url)
    engine.test_connection()
    network = engine.add_network("blue")
    for path in (f"/networks/{network}/", f"//networks/{network}", f"/networks//{network}"):
        assert engine.request("GET", path)["network"]["id"] == network
    assert [found["id"] for found in engine.request("GET", "/networks/")["networks"]] == [network]


def test_what_the_engine_never_sends_is_refused(engine):
    """Its SDK leaves `id` and `status` out of bodies; so nothing has to be let pass for it."""
    network = engine.add_network("blue")
    for more in ({"flavour": "x"}, {"id": NIC.id}, {"status": "ACTIVE"}):
        assert failure(engine.request, "POST", "/ports", {"port": {"network_id": network, **more}}) == 400
