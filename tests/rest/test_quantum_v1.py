"""Quantum's API v1.0 and v1.1: every verb, filter and fault, in JSON and XML, over the rows that v2.0 shows."""

from __future__ import annotations

from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest

from controller.core.app import load
from controller.core.caller import Caller
from controller.core.check import Edges
from controller.core.counters import Counters
from controller.core.inspect import Inspector
from controller.core.model import Attachment, Host
from controller.core.plans import wiring
from controller.io.store import Store, Unavailable
from rest.auth import IdentityUnavailable, Unauthorized
from rest.policy import Policy
from rest.quantum_v1.form import JSON, XML
from tests.rest.api import SETTINGS, Api
from tests.world.world import World

APPS = load()
NOBODY = "00000000-0000-0000-0000-000000000000"
VERSIONS = ("v1.0", "v1.1")


class Reply(NamedTuple):
    status: int
    body: Any
    content_type: str
    headers: Any


class Quantum:
    """A client of one version, as one tenant: `ask("POST", "networks", {...})`."""

    def __init__(self, api: Api, version: str, tenant: str = "t1") -> None:
        self.api = api
        self.version = version
        self.tenant = tenant

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        return self.raw(method, f"/{self.version}/tenants/{self.tenant}/{path}", body, **headers)

    def raw(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        response = self.api.ask(method, path, body, **headers)
        found: Any = None
        if response.body:
            found = response.json if response.content_type == "application/json" else response.text
        return Reply(response.status_int, found, response.content_type, response.headers)

    @property
    def made(self) -> int:
        return {"v1.0": 200, "v1.1": 202}[self.version]

    def network(self, name: str = "net1") -> str:
        reply = self.ask("POST", "networks", {"network": {"name": name}})
        assert reply.status == self.made
        assert list(reply.body["network"]) == ["id"]
        return reply.body["network"]["id"]

    def port(self, network: str, state: str = "ACTIVE") -> str:
        reply = self.ask("POST", f"networks/{network}/ports", {"port": {"state": state}})
        assert reply.status == self.made
        assert list(reply.body["port"]) == ["id"]
        return reply.body["port"]["id"]

    def plug(self, network: str, port: str, vif: str) -> Reply:
        return self.ask("PUT", f"networks/{network}/ports/{port}/attachment", {"attachment": {"id": vif}})

    def get(self, path: str) -> Any:
        reply = self.ask("GET", path)
        assert reply.status == 200, reply
        return next(iter(reply.body.values()))

    def ids(self, path: str) -> list[str]:
        return [item["id"] for item in self.get(path)]

    def status(self, up: str = "UP") -> dict[str, str]:
        """What v1.1 shows besides."""
        return {} if self.version == "v1.0" else {"op-status": up}

    def fault(self, reply: Reply) -> tuple[int, str]:
        """Status, and the name of the fault or the type of the error; each has exactly these parts."""
        ((name, told),) = reply.body.items()
        if self.version == "v1.0":
            assert set(told) == {"code", "message", "detail"}
            assert told["code"] == reply.status
            return reply.status, name
        assert name == "QuantumError"
        assert set(told) == {"type", "message", "detail"}
        return reply.status, told["type"]


@pytest.fixture
def api() -> Api:
    return Api(apps=APPS)


@pytest.fixture(params=VERSIONS)
def quantum(request, api) -> Quantum:
    return Quantum(api, request.param)


def observe(api: Api, plan: Any, *args: Any) -> None:
    api.store.execute(lambda draft: plan(draft, *args), who="controller")


# -- networks ---------------------------------------------------------------------------------------------------------


def test_networks_are_made_listed_renamed_and_removed(quantum, api):
    one, two = quantum.network("net1"), quantum.network("net2")
    assert quantum.ids("networks") == [one, two]
    assert quantum.get("networks") == [{"id": one}, {"id": two}]
    full = [{"id": one, "name": "net1", **quantum.status()}, {"id": two, "name": "net2", **quantum.status()}]
    assert quantum.get("networks/detail") == full
    assert quantum.get(f"networks/{one}") == full[0]
    assert quantum.ask("PUT", f"networks/{one}", {"network": {"name": "blue", "id": one}}).status == 204
    assert quantum.get(f"networks/{one}")["name"] == "blue"
    assert quantum.ask("DELETE", f"networks/{one}").status == 204
    assert quantum.ids("networks") == [two]
    assert [(n["id"], n["project_id"]) for n in api.get("/v2.0/networks")] == [(two, "t1")]


def test_a_network_in_full_has_its_ports(quantum):
    network = quantum.network()
    assert quantum.get(f"networks/{network}/detail")["ports"] == []
    one, two = quantum.port(network), quantum.port(network, "DOWN")
    assert quantum.plug(network, one, "foo").status == 204
    assert quantum.get(f"networks/{network}/detail") == {
        "id": network,
        "name": "net1",
        **quantum.status(),
        "ports": [
            {"id": one, "state": "ACTIVE", **quantum.status("DOWN"), "attachment": {"id": "foo"}},
            {"id": two, "state": "DOWN", **quantum.status("DOWN")},
        ],
    }


def test_networks_of_v2_are_the_same(quantum, api):
    made = api.make("network", name="theirs", project_id="t1")
    api.make("network", name="others", project_id="t2", shared=True)
    assert quantum.ids("networks") == [made["id"]]
    down = api.make("network", name="down", project_id="t1", admin_state_up=False)
    assert quantum.get(f"networks/{down['id']}") == {"id": down["id"], "name": "down", **quantum.status("DOWN")}


def test_a_network_goes_with_its_ports_unless_one_is_in_use(quantum, api):
    network = quantum.network()
    port = quantum.port(network)
    quantum.port(network)
    quantum.plug(network, port, "foo")
    in_use = {"v1.0": (421, "networkInUse"), "v1.1": (409, "NetworkInUse")}[quantum.version]
    assert quantum.fault(quantum.ask("DELETE", f"networks/{network}")) == in_use
    assert len(quantum.get(f"networks/{network}/ports")) == 2
    quantum.ask("DELETE", f"networks/{network}/ports/{port}/attachment")
    guest = api.make("port", network_id=network, project_id="t1", device_owner="compute:nova")
    assert quantum.fault(quantum.ask("DELETE", f"networks/{network}")) == in_use
    api("DELETE", f"/v2.0/ports/{guest['id']}")
    api.make("port", network_id=network, project_id="t1", device_owner="network:dhcp")
    assert quantum.ask("DELETE", f"networks/{network}").status == 204
    assert api.get("/v2.0/ports") == []


# -- ports ------------------------------------------------------------------------------------------------------------


def test_ports_are_made_listed_changed_and_removed(quantum):
    network = quantum.network()
    reply = quantum.ask("POST", f"networks/{network}/ports")
    assert reply.status == quantum.made
    one, two = reply.body["port"]["id"], quantum.port(network)
    assert quantum.get(f"networks/{network}/ports") == [{"id": one}, {"id": two}]
    full = [{"id": one, "state": "DOWN"}, {"id": two, "state": "ACTIVE"}]
    assert quantum.get(f"networks/{network}/ports/detail") == [{**port, **quantum.status("DOWN")} for port in full]
    path = f"networks/{network}/ports/{one}"
    assert quantum.get(path) == {"id": one, "state": "DOWN", **quantum.status("DOWN")}
    assert quantum.get(f"{path}/detail") == quantum.get(path)
    assert quantum.ask("PUT", path, {"port": {"state": "ACTIVE"}}).status == 204
    assert quantum.get(path)["state"] == "ACTIVE"
    assert quantum.ask("DELETE", path).status == 204
    assert quantum.ids(f"networks/{network}/ports") == [two]


def test_a_port_has_no_addresses_and_is_not_protected(quantum, api):
    network = quantum.network()
    api.make("subnet", network_id=network, project_id="t1", cidr="10.0.0.0/24", ip_version=4)
    port = api.get(f"/v2.0/ports/{quantum.port(network)}")
    assert (port["project_id"], port["fixed_ips"], port["admin_state_up"]) == ("t1", [], True)
    assert (port["port_security_enabled"], port["security_groups"]) == (False, [])


@pytest.mark.parametrize("state", ["UP", "active", "", None, 1, ["ACTIVE"]])
def test_a_state_is_active_or_down(filtered, state):
    quantum, ids = filtered
    network, port = ids["one"], ids["up"]
    told = {"v1.0": (431, "requestedStateInvalid"), "v1.1": (400, "RequestedStateInvalid")}[quantum.version]
    body = {"port": {"state": state}}
    assert quantum.fault(quantum.ask("POST", f"networks/{network}/ports", body)) == told
    assert quantum.fault(quantum.ask("PUT", f"networks/{network}/ports/{port}", body)) == told


def test_quotas_hold(quantum, api):
    network = quantum.network()
    api("PUT", "/v2.0/quotas/t1", {"quota": {"port": 1}})
    quantum.port(network)
    reply = quantum.ask("POST", f"networks/{network}/ports")
    assert quantum.fault(reply) == (409, {"v1.0": "quantumServiceFault", "v1.1": "OverQuota"}[quantum.version])


# -- attachments ------------------------------------------------------------------------------------------------------


def test_a_vif_is_plugged_and_unplugged(quantum, api):
    network = quantum.network()
    port = quantum.port(network)
    path = f"networks/{network}/ports/{port}"
    assert quantum.get(f"{path}/attachment") == {}
    before = api.get(f"/v2.0/ports/{port}")["revision_number"]
    assert quantum.plug(network, port, "foo").status == 204
    assert quantum.get(f"{path}/attachment") == {"id": "foo"}
    assert quantum.get(f"{path}/detail")["attachment"] == {"id": "foo"}
    assert "attachment" not in quantum.get(path)
    assert api.get(f"/v2.0/ports/{port}")["revision_number"] == before + 1
    for _ in range(2):
        assert quantum.ask("DELETE", f"{path}/attachment").status == 204
        assert quantum.get(f"{path}/attachment") == {}


def test_a_vif_is_in_one_place_and_a_port_has_one(quantum, api):
    network = quantum.network()
    one, two = quantum.port(network), quantum.port(network)
    assert quantum.plug(network, one, "foo").status == 204
    in_use = {"v1.0": (432, "portInUse"), "v1.1": (409, "PortInUse")}[quantum.version]
    attached = {"v1.0": (440, "alreadyAttached"), "v1.1": (409, "AlreadyAttached")}[quantum.version]
    assert quantum.fault(quantum.plug(network, one, "foo")) == in_use
    assert quantum.fault(quantum.plug(network, one, "bar")) == in_use
    assert quantum.fault(quantum.ask("DELETE", f"networks/{network}/ports/{one}")) == in_use
    assert quantum.fault(quantum.plug(network, two, "foo")) == attached
    assert quantum.fault(quantum.plug(network, two, one)) == attached, "the VIF of a port by its id"
    assert quantum.plug(network, two, two).status == 204
    quantum.ask("DELETE", f"networks/{network}/ports/{two}/attachment")
    api("DELETE", f"/v2.0/ports/{one}")
    assert quantum.plug(network, two, "foo").status == 204, "an attachment goes with its port"
    assert [row.port_id for row in api.store.net.all(Attachment)] == [two]


@pytest.mark.parametrize("body", [{}, {"attachment": {}}, {"attachment": {"id": ""}}, {"attachment": {"id": 5}}])
def test_an_attachment_needs_an_id(quantum, body):
    network = quantum.network()
    status, name = quantum.fault(
        quantum.ask("PUT", f"networks/{network}/ports/{quantum.port(network)}/attachment", body)
    )
    assert status == 400
    assert quantum.version == "v1.1" or name == "malformedRequest"


# -- how it is --------------------------------------------------------------------------------------------------------


def test_the_operational_status_of_a_port(api):
    quantum = Quantum(api, "v1.1")
    network = quantum.network()
    port = quantum.port(network)
    path = f"networks/{network}/ports/{port}"
    told = lambda: quantum.get(path)["op-status"]  # noqa: E731
    assert told() == "DOWN"
    quantum.plug(network, port, "foo")
    observe(api, wiring.describe_host, Host("h1"))
    observe(api, wiring.tell_agents, [("h1", True)])
    observe(api, wiring.bind, [(port, "h1")])
    assert told() == "PROVISIONING"
    observe(api, wiring.activate, [port])
    assert told() == "UP"
    assert api.get(f"/v2.0/ports/{port}")["status"] == "ACTIVE"
    observe(api, wiring.tell_agents, [("h1", False)])
    assert told() == "UNKNOWN"
    observe(api, wiring.tell_agents, [("h1", True)])
    observe(api, wiring.set_fault, "Port", port, "refused")
    assert told() == "DOWN"
    observe(api, wiring.clear_fault, "Port", port)
    quantum.ask("PUT", path, {"port": {"state": "DOWN"}})
    assert told() == "DOWN"
    quantum.ask("PUT", path, {"port": {"state": "ACTIVE"}})
    assert told() == "UP"
    quantum.ask("DELETE", f"{path}/attachment")
    assert told() == "DOWN", "at once, whatever the switch has yet to acknowledge"
    assert quantum.ask("DELETE", f"networks/{network}").status == 204


def test_a_network_with_a_fault_is_down(api):
    quantum = Quantum(api, "v1.1")
    network = quantum.network()
    observe(api, wiring.set_fault, "Network", network, "refused")
    assert quantum.get(f"networks/{network}")["op-status"] == "DOWN"


# -- filters ----------------------------------------------------------------------------------------------------------


class Filtered(NamedTuple):
    quantum: Quantum
    ids: dict[str, str]


@pytest.fixture(scope="module", params=VERSIONS)
def filtered(request) -> Filtered:
    """Two networks; `one` has a port that is plugged and up, `two` a port that is DOWN."""
    api = Api(apps=APPS)
    quantum = Quantum(api, request.param)
    one, two = quantum.network("one"), quantum.network("two")
    up, down = quantum.port(one), quantum.port(two, "DOWN")
    quantum.plug(one, up, "foo")
    observe(api, wiring.bind, [(up, "h1")])
    observe(api, wiring.activate, [up])
    return Filtered(quantum, {"one": one, "two": two, "up": up, "down": down})


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=one", ["one"]),
        ("name=nothing", []),
        ("op-status=UP", ["one", "two"]),
        ("op-status=DOWN", []),
        ("port-op-status=UP", ["one"]),
        ("port-op-status=DOWN", ["two"]),
        ("port-state=ACTIVE", ["one"]),
        ("port-state=DOWN", ["two"]),
        ("has-attachment=True", ["one"]),
        ("has-attachment=false", ["two"]),
        ("attachment=foo", ["one"]),
        ("attachment=bar", []),
        ("attachment=", []),
        ("port={up}", ["one"]),
        ("port={down}&name=two", ["two"]),
        ("port={down}&name=one", []),
        ("port=nothing", []),
    ],
)
@pytest.mark.parametrize("path", ["networks", "networks/detail"])
def test_filters_of_networks(filtered, path, query, names):
    quantum, ids = filtered
    assert quantum.ids(f"{path}?{query.format(**ids)}") == [ids[name] for name in names]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=ACTIVE", True),
        ("state=DOWN", False),
        ("op-status=UP", True),
        ("op-status=PROVISIONING", False),
        ("has-attachment=true", True),
        ("has-attachment=False", False),
        ("attachment=foo", True),
        ("attachment=", False),
        ("attachment=foo&state=DOWN", False),
    ],
)
@pytest.mark.parametrize("path", ["ports", "ports/detail"])
def test_filters_of_ports(filtered, path, query, found):
    quantum, ids = filtered
    assert quantum.ids(f"networks/{ids['one']}/{path}?{query}") == [ids["up"]] * found


@pytest.mark.parametrize("path", ["networks?colour=red", "networks/{one}/ports?name=x", "networks/detail?state=UP"])
def test_an_unknown_filter_is_refused(filtered, path):
    quantum, ids = filtered
    assert quantum.fault(quantum.ask("GET", path.format(**ids)))[0] == 400


# -- faults -----------------------------------------------------------------------------------------------------------

OF_NETWORKS = [
    ("GET", ""),
    ("GET", "/detail"),
    ("PUT", ""),
    ("DELETE", ""),
    ("GET", "/ports"),
    ("GET", "/ports/detail"),
]
OF_PORTS = [("GET", ""), ("GET", "/detail"), ("PUT", ""), ("DELETE", "")]
OF_ATTACHMENTS = [(method, "/attachment") for method in ("GET", "PUT", "DELETE")]
BODY = {"network": {"name": "x"}, "port": {"state": "ACTIVE"}, "attachment": {"id": "foo"}}


def body_of(method: str) -> Any:
    return BODY if method in ("PUT", "POST") else None


@pytest.mark.parametrize(("method", "path"), [*OF_NETWORKS, ("POST", "/ports")])
@pytest.mark.parametrize("whose", ["nobody's", "another tenant's"])
def test_networks_that_are_not_the_tenants_are_not_found(filtered, method, path, whose):
    quantum = filtered.quantum
    key = NOBODY if whose == "nobody's" else quantum.api.make("network", project_id="t2")["id"]
    told = {"v1.0": (420, "networkNotFound"), "v1.1": (404, "NetworkNotFound")}[quantum.version]
    assert quantum.fault(quantum.ask(method, f"networks/{key}{path}", body_of(method))) == told


@pytest.mark.parametrize(("method", "path"), [*OF_PORTS, *OF_ATTACHMENTS])
@pytest.mark.parametrize("where", ["nowhere", "in another network"])
def test_ports_that_are_not_the_networks_are_not_found(filtered, method, path, where):
    quantum, ids = filtered
    key = NOBODY if where == "nowhere" else ids["down"]
    told = {"v1.0": (430, "portNotFound"), "v1.1": (404, "PortNotFound")}[quantum.version]
    assert quantum.fault(quantum.ask(method, f"networks/{ids['one']}/ports/{key}{path}", body_of(method))) == told


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"network": 5}', b'{"network": {}}', b'{"network": {"name": 5}}', b'{"net": {}}'],
)
def test_bodies_that_can_not_be_read(filtered, body):
    quantum = filtered.quantum
    status, name = quantum.fault(quantum.ask("POST", "networks", body))
    assert (status, name) == (400, "malformedRequest") or quantum.version == "v1.1"
    assert status == 400


def test_paths_and_methods_that_are_not_there(quantum):
    for path in ("", "subnets", f"networks/{NOBODY}/nothing", f"networks/{NOBODY}/ports/{NOBODY}/nothing"):
        assert quantum.fault(quantum.ask("GET", path))[0] == 404
    reply = quantum.ask("DELETE", "networks")
    assert quantum.fault(reply)[0] == 405
    assert reply.headers["Allow"] == "GET, POST"
    assert quantum.ask("HEAD", "networks").status == 200


def test_a_body_has_an_end(api):
    quantum = Quantum(Api(apps=APPS, body_limit=100), "v1.0")
    assert quantum.fault(quantum.ask("POST", "networks", {"network": {"name": "x" * 100}}))[0] == 413


@pytest.mark.parametrize("end", ["", "/"])
def test_a_version_tells_of_itself(quantum, end):
    link = {"rel": "self", "href": f"http://localhost/{quantum.version}/"}
    told = {"version": {"id": quantum.version, "status": "DEPRECATED", "links": [link]}}
    assert quantum.raw("GET", f"/{quantum.version}{end}").body == told
    assert quantum.fault(quantum.raw("POST", f"/{quantum.version}{end}"))[0] == 405


# -- extensions and statistics ----------------------------------------------------------------------------------------


def test_extensions(quantum):
    reply = quantum.raw("GET", f"/{quantum.version}/extensions")
    (extension,) = reply.body["extensions"]
    assert set(extension) == {"name", "alias", "namespace", "description", "updated", "links"}
    assert extension["alias"] == "portstats"
    assert quantum.raw("GET", f"/{quantum.version}/extensions/portstats").body == {"extension": extension}
    assert quantum.fault(quantum.raw("GET", f"/{quantum.version}/extensions/nvp"))[0] == 404
    assert quantum.fault(quantum.raw("POST", f"/{quantum.version}/extensions", {}))[0] == 405


class Counting:
    """An API over the rows of a world with one host, whose switches count `counts` of every port."""

    def __init__(self, version: str, counts: Counters | None) -> None:
        self.world = World(apps=APPS)
        host = self.world.host()
        self.world.settle()
        network = self.world.network("local", project_id="t1")
        self.plugged, self.loose = (self.world.port(network, project_id="t1") for _ in range(2))
        self.world.plug(self.plugged, host)
        self.world.settle()
        self.asked: list[tuple[int, int]] = []
        self.counts = counts
        edges = Edges(lambda reached, seconds: None, lambda event: None, lambda asked, seconds: {}, int, self._count)
        api = Api(apps=APPS, inspector=Inspector(self.world.machine, edges=edges))
        rows = (network, self.plugged, self.loose)
        api.store.execute(lambda draft: [draft.put(row) for row in rows], who="test")
        self.quantum = Quantum(api, version)
        self.path = f"/{version}/extensions/ovs/tenants/t1/networks/{network.id}/ports"

    def _count(self, dpid: int, number: int, seconds: float) -> Counters | None:
        self.asked.append((dpid, number))
        return self.counts

    def ask(self, port: str, suffix: str = "") -> Reply:
        return self.quantum.raw("GET", f"{self.path}/{port}/stats{suffix}")


@pytest.mark.parametrize("version", VERSIONS)
def test_statistics_are_what_the_switch_counts(version):
    counting = Counting(version, Counters(100, 2, 0, 300, 4, 1))
    stats = {"rx_bytes": 100, "rx_packets": 2, "rx_errors": 0, "tx_bytes": 300, "tx_packets": 4, "tx_errors": 1}
    assert counting.ask(counting.plugged.id).body == {"stats": stats}
    (host,) = counting.world.hypervisors.values()
    assert [dpid for dpid, _ in counting.asked] == [host.bridges["br-int"].dpid]
    fault = counting.quantum.fault(counting.ask(counting.loose.id))
    assert fault == (404, {"v1.0": "itemNotFound", "v1.1": "PortNotPlugged"}[version])
    assert (
        counting.quantum.fault(counting.ask(NOBODY))
        == {
            "v1.0": (430, "portNotFound"),
            "v1.1": (404, "PortNotFound"),
        }[version]
    )
    counting.counts = None
    fault = counting.quantum.fault(counting.ask(counting.plugged.id))
    assert fault == (503, {"v1.0": "serviceUnavailable", "v1.1": "ServiceUnavailable"}[version])


def test_a_process_without_switches_has_no_statistics(quantum):
    network = quantum.network()
    path = f"/{quantum.version}/extensions/ovs/tenants/t1/networks/{network}/ports/{quantum.port(network)}/stats"
    assert quantum.fault(quantum.raw("GET", path))[0] == 501


# -- XML --------------------------------------------------------------------------------------------------------------


def tree(reply: Reply, version: str) -> Any:
    """An XML answer as (name, attributes, text or parts); all of it is in the version's namespace."""
    assert reply.content_type == "application/xml"
    space = f"{{http://openstack.org/quantum/api/{version}}}"

    def read(element: ElementTree.Element) -> Any:
        assert element.tag.startswith(space)
        return element.tag.removeprefix(space), element.attrib, [read(part) for part in element] or element.text

    return read(ElementTree.fromstring(reply.body.encode()))


def test_everything_in_xml(quantum):
    accept = {"Content_Type": "application/xml", "Accept": "application/xml"}
    reply = quantum.ask("POST", "networks.xml", b'<network name="a &lt; b"/>', **accept)
    assert reply.status == quantum.made
    name, attributes, _ = tree(reply, quantum.version)
    network = attributes["id"]
    assert (name, set(attributes)) == ("network", {"id"})
    port = tree(quantum.ask("POST", f"networks/{network}/ports", **accept), quantum.version)[1]["id"]
    path = f"networks/{network}/ports/{port}"
    spaced = f'<port xmlns="http://openstack.org/quantum/api/{quantum.version}"><state>ACTIVE</state></port>'
    assert quantum.ask("PUT", f"{path}.xml", spaced.encode(), **accept).status == 204
    assert quantum.ask("PUT", f"{path}/attachment.xml", b"<attachment id='foo'/>", **accept).status == 204
    shown = {"id": network, "name": "a < b", **quantum.status()}
    full = {"id": port, "state": "ACTIVE", **quantum.status("DOWN")}
    plugged = ("attachment", {"id": "foo"}, None)
    read = lambda path: tree(quantum.ask("GET", f"{path}.xml"), quantum.version)  # noqa: E731
    assert read("networks") == ("networks", {}, [("network", {"id": network}, None)])
    assert read("networks/detail") == ("networks", {}, [("network", shown, None)])
    assert read(f"networks/{network}") == ("network", shown, None)
    ports = ("ports", {}, [("port", full, [plugged])])
    assert read(f"networks/{network}/detail") == ("network", shown, [ports])
    assert read(f"{path}/detail") == ("port", full, [plugged])
    assert read(f"{path}/attachment") == plugged
    assert quantum.ask("DELETE", f"{path}/attachment.xml").status == 204
    assert read(f"{path}/attachment") == ("attachment", {}, None)
    (extension,) = tree(quantum.raw("GET", f"/{quantum.version}/extensions.xml"), quantum.version)[2]
    assert (extension[0], extension[1]["alias"]) == ("extension", "portstats")


def test_faults_in_xml(quantum):
    reply = quantum.ask("GET", f"networks/{NOBODY}", Accept="text/html, application/xml;q=0.9")
    name, attributes, parts = tree(reply, quantum.version)
    texts = {name: text for name, _, text in parts}
    if quantum.version == "v1.0":
        assert (reply.status, name, attributes) == (420, "networkNotFound", {"code": "420"})
        assert set(texts) == {"message", "detail"}
    else:
        assert (reply.status, name, texts["type"]) == (404, "QuantumError", "NetworkNotFound")
    assert NOBODY in texts["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"<network name=",
        b"<network/><network/>",
        b'<!DOCTYPE network [<!ENTITY a "aaaa">]><network name="&a;"/>',
        b'<!DOCTYPE network SYSTEM "file:///etc/passwd"><network name="x"/>',
        b'<network name="&nothing;"/>',
        b"<network>" * 100 + b"</network>" * 100,
        b"<?xml version='1.0' encoding='klingon'?><network name='x'/>",
        b"\xff\xfe",
        b"<network/>",
    ],
)
def test_xml_that_is_not_read(filtered, body):
    quantum, ids = filtered
    reply = quantum.ask("POST", "networks", body, Content_Type="application/xml")
    assert reply.status == 400
    fault = {"v1.0": "malformedRequest", "v1.1": "QuantumError"}[quantum.version]
    assert tree(reply, quantum.version)[0] == fault
    assert quantum.ids("networks") == [ids["one"], ids["two"]]


def test_what_xml_can_not_hold_is_replaced(quantum):
    network = quantum.network("bell \x07")
    assert tree(quantum.ask("GET", f"networks/{network}.xml"), quantum.version)[1]["name"] == "bell \ufffd"
    assert quantum.get(f"networks/{network}")["name"] == "bell \x07"


def test_who_sends_xml_is_answered_in_it(quantum):
    """Quantum looked at the body's type before it looked at Accept."""
    reply = quantum.ask("POST", "networks", b'<network name="x"/>', Content_Type="application/xml")
    assert (reply.status, tree(reply, quantum.version)[0]) == (quantum.made, "network")
    body = {"network": {"name": "y"}}
    reply = quantum.ask("POST", "networks", body, Content_Type="application/json", Accept="application/xml")
    assert (reply.status, list(reply.body)) == (quantum.made, ["network"])


def test_statistics_in_xml():
    counting = Counting("v1.1", Counters(100, 2, 0, 300, 4, 1))
    name, attributes, parts = tree(counting.ask(f"{counting.plugged.id}", ".xml"), "v1.1")
    assert (name, attributes["rx_bytes"], attributes["tx_errors"], parts) == ("stats", "100", "1", None)


def test_json_is_what_is_not_said(quantum):
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "text/html"}, {"Accept": "nonsense"}):
        assert quantum.ask("GET", "networks", **headers).body == {"networks": []}
    assert quantum.ask("GET", "networks.json", Accept="application/xml").body == {"networks": []}
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert quantum.ask("POST", "networks", {"network": {"name": "x"}}, **form).status == quantum.made


# -- who asks ---------------------------------------------------------------------------------------------------------

ROLES = {"admin": ("admin", "manager", "member", "reader"), "member": ("member", "reader"), "reader": ("reader",)}


def _who(environ: dict[str, Any]) -> Caller:
    role, slash, project = environ.get("HTTP_WHO", "").partition("/")
    if not slash:
        raise Unauthorized({})
    return Caller("u", project, frozenset(ROLES[role]), role == "admin")


@pytest.fixture(params=VERSIONS)
def guarded(request) -> Quantum:
    return Quantum(Api(apps=APPS, authenticate=_who, policy=Policy()), request.param)


FORMS = (JSON, XML)


def told(reply: Reply, version: str) -> tuple[str, set[str]]:
    """What a fault is called, and which parts it has, in JSON or XML."""
    if reply.content_type == "application/json":
        ((name, parts),) = reply.body.items()
        return name, set(parts)
    name, attributes, parts = tree(reply, version)
    return name, {*attributes, *(part for part, _, _ in parts)}


def expected(version: str, name: str) -> tuple[str, set[str]]:
    """A fault of v1.0 is called by its name."""
    if version == "v1.0":
        return name, {"code", "message", "detail"}
    return "QuantumError", {"type", "message", "detail"}


@pytest.mark.parametrize("accept", FORMS)
def test_who_is_not_known_is_told_in_the_versions_form(guarded, accept):
    reply = guarded.ask("GET", "networks", Accept=accept)
    assert (reply.status, reply.content_type) == (401, accept)
    assert told(reply, guarded.version) == expected(guarded.version, "unauthorized")
    reply = guarded.ask("GET", "networks", Accept=accept, Who="member/t2")
    assert (reply.status, reply.content_type) == (403, accept)
    assert told(reply, guarded.version) == expected(guarded.version, "forbidden")


def _lost(environ: dict[str, Any]) -> Caller:
    raise IdentityUnavailable({"Retry-After": "5"})


@pytest.mark.parametrize("accept", FORMS)
@pytest.mark.parametrize("version", VERSIONS)
def test_what_can_not_be_answered_now_is_told_in_the_versions_form(version, accept):
    quantum = Quantum(Api(apps=APPS, authenticate=_lost), version)
    reply = quantum.ask("GET", "networks", Accept=accept)
    assert (reply.status, reply.content_type, reply.headers["Retry-After"]) == (503, accept, "5")
    assert told(reply, version) == expected(version, "serviceUnavailable")
    if accept == JSON and version == "v1.1":
        assert reply.body["QuantumError"]["type"] == "ServiceUnavailable"


class Failing(Store):
    """A store with an error of its own in it."""

    def fresh(self) -> None:
        raise self.error  # type: ignore[attr-defined]


@pytest.mark.parametrize("accept", FORMS)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("error", "status", "name"),
    [(Unavailable("gone"), 503, "serviceUnavailable"), (ZeroDivisionError(), 500, "quantumServiceFault")],
)
def test_a_lost_database_and_a_bug_are_told_in_the_versions_form(version, accept, error, status, name):
    store = Failing("sqlite://", SETTINGS)
    quantum = Quantum(Api(apps=APPS, store=store), version)
    store.error = error
    reply = quantum.ask("GET", "networks", Accept=accept)
    assert (reply.status, reply.content_type) == (status, accept)
    assert told(reply, version) == expected(version, name)
    assert "ZeroDivision" not in str(reply.body)


def test_policy_holds(guarded):
    make = lambda who: guarded.ask("POST", "networks", {"network": {"name": "x"}}, Who=who)  # noqa: E731
    assert guarded.ask("GET", "networks").status == 401
    assert [make(who).status for who in ("member/t2", "reader/t1")] == [403, 403]
    networks = [make(who).body["network"]["id"] for who in ("member/t1", "admin/t0")]
    for who in ("reader/t1", "admin/t0"):
        found = guarded.ask("GET", "networks", Who=who).body["networks"]
        assert {network["id"] for network in found} == set(networks)
    for path in ("networks", f"networks/{networks[0]}"):
        assert guarded.ask("GET", path, Who="member/t2").status == 403
    member, reader = {"Who": "member/t1"}, {"Who": "reader/t1"}
    reply = guarded.ask("POST", f"networks/{networks[0]}/ports", {"port": {"state": "ACTIVE"}}, **member)
    path = f"networks/{networks[0]}/ports/{reply.body['port']['id']}"
    body = {"attachment": {"id": "foo"}}
    assert guarded.ask("PUT", f"{path}/attachment", body, **reader).status == 403
    assert guarded.ask("PUT", f"{path}/attachment", body, **member).status == 204
    assert guarded.ask("DELETE", f"{path}/attachment", **reader).status == 403
    assert guarded.ask("PUT", path, {"port": {"state": "DOWN"}}, **reader).status == 403
    assert guarded.ask("DELETE", f"{path}/attachment", **member).status == 204
    for gone in (path, f"networks/{networks[0]}"):
        assert guarded.ask("DELETE", gone, **reader).status == 403
        assert guarded.ask("DELETE", gone, **member).status == 204
