"""Bad requests: each is a clear error, and nothing is written."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from webob import Request

from rest.wsgi import BODY_LIMIT, application
from tests.rest.api import SETTINGS, Api

UUID = "72d21013-5631-43b5-9a59-16c2c30c3d6b"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Resource body required"),
        (b"{", "Body contains invalid data"),
        (b'"not-a-dict"', "Body contains invalid data"),
        (b"[]", "Body contains invalid data"),
        (b"\xff\xfe", "Body contains invalid data"),
        (b"[" * 100_000, "Body contains invalid data"),
        (b'{"network": {"mtu": ' + b"9" * 5000 + b"}}", "Body contains invalid data"),
        (b"{}", "Unable to find 'network' in request body"),
        (b'{"port": {}}', "Unable to find 'network' in request body"),
        (b'{"network": 5}', "Object 'network' contains invalid data"),
        (b'{"networks": []}', "Resources required"),
        (b'{"networks": {"name": "x"}}', "Object 'networks' contains invalid data"),
        (b'{"networks": [' + b"{}," * 5000 + b"{}]}", "A bulk request may have at most 5000 items"),
        (b'{"networks": ["x"]}', "Object 'networks' contains invalid data"),
        (b'{"network": {"x": 1, "y": 2}}', "Unrecognized attribute(s) 'x, y'"),
        (b'{"network": {"\\ud800": 1}}', "Unrecognized attribute(s) '\\ud800'"),
        (b'{"network": {"id": "x"}}', "Attribute 'id' not allowed in POST"),
        (b'{"network": {"status": "x"}}', "Attribute 'status' not allowed in POST"),
        (b'{"network": {"name": 5}}', "Invalid input for name. Reason: '5' is not a valid string."),
        (b'{"network": {"tenant_id": "a", "project_id": "b"}}', "'project_id' and 'tenant_id' do not match"),
    ],
)
def test_a_create_is_refused(api, body, message):
    assert api("POST", "/v2.0/networks", body).error == (400, "HTTPBadRequest", message)
    assert api.store.revision == 0


@pytest.mark.parametrize(
    ("collection", "values", "message"),
    [
        ("subnets", {"cidr": "10.0.0.0/24", "ip_version": 4}, "Required attribute 'network_id' not specified"),
        ("subnets", {"network_id": UUID, "cidr": "10.0.0.0/24"}, "Required attribute 'ip_version' not specified"),
        ("ports", {}, "Required attribute 'network_id' not specified"),
    ],
)
def test_what_is_required(api, collection, values, message):
    reply = api("POST", f"/v2.0/{collection}", {collection[:-1]: values})
    assert reply.error == (400, "HTTPBadRequest", f"Failed to parse request. {message}")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"id": "x"}, "Cannot update read-only attribute id"),
        ({"project_id": "x"}, "Cannot update read-only attribute tenant_id"),
        ({"tenant_id": "x"}, "Cannot update read-only attribute tenant_id"),
        ({"provider:segmentation_id": 5}, "Cannot update read-only attribute provider:segmentation_id"),
        ({"nonsense": 1}, "Unrecognized attribute(s) 'nonsense'"),
        ({"name": None}, "Invalid input for name. Reason: 'None' is not a valid string."),
    ],
)
def test_an_update_is_refused(api, values, message):
    network = api.make("network", name="a")
    path = f"/v2.0/networks/{network['id']}"
    assert api("PUT", path, {"network": {"name": "b", **values}}).error == (400, "HTTPBadRequest", message)
    assert api.get(path) == network


def test_a_delete_has_no_body(api):
    path = f"/v2.0/networks/{api.make('network')['id']}"
    assert api("DELETE", path, b"{}").error == (400, "HTTPBadRequest", "Request body is not supported in DELETE.")
    assert api("GET", path).status == 200


class Endless:
    """A body that never ends, and how much of it was read."""

    def __init__(self):
        self.read_so_far = 0

    def read(self, size):
        self.read_so_far += size
        return b"x" * size


@pytest.mark.parametrize("length", [BODY_LIMIT + 1, 10 * BODY_LIMIT, None])
def test_a_body_over_the_limit_is_413_and_not_read(api, length):
    stream = Endless()
    request = Request.blank("/v2.0/networks", method="POST")
    request.environ["wsgi.input"] = stream
    if length is None:
        request.environ.pop("CONTENT_LENGTH", None)
        request.headers["Transfer-Encoding"] = "chunked"
    else:
        request.headers["Content-Length"] = str(length)
    response = request.get_response(api.application)
    error = response.json["NeutronError"]
    assert (response.status_int, error["type"]) == (413, "HTTPRequestEntityTooLarge")
    assert error["message"] == "The request body is larger than 1048576 bytes, which is the limit."
    assert stream.read_so_far == (BODY_LIMIT + 1 if length is None else 0)


class Trickle:
    """A body that comes a few bytes at a time."""

    def __init__(self, data):
        self.data = data

    def read(self, size):
        piece, self.data = self.data[: min(3, size)], self.data[min(3, size) :]
        return piece


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_in_pieces_is_read_to_its_end(api, chunked):
    data = json.dumps({"network": {"name": "pieces"}}).encode()
    request = Request.blank("/v2.0/networks", method="POST")
    request.environ["wsgi.input"] = Trickle(data)
    if chunked:
        request.environ.pop("CONTENT_LENGTH", None)
        request.headers["Transfer-Encoding"] = "chunked"
    else:
        request.headers["Content-Length"] = str(len(data))
    assert request.get_response(api.application).json["network"]["name"] == "pieces"


@pytest.mark.parametrize(
    ("method", "path", "status", "type"),
    [
        ("PATCH", "/v2.0/networks", 405, "HTTPMethodNotAllowed"),
        ("PUT", "/v2.0/networks", 405, "HTTPMethodNotAllowed"),
        ("POST", f"/v2.0/networks/{UUID}", 405, "HTTPMethodNotAllowed"),
        ("GET", "/v2.0/nonsense", 404, "HTTPNotFound"),
        ("POST", "/v2.0/nonsense", 404, "HTTPNotFound"),
        ("GET", f"/v2.0/networks/{UUID}/more", 404, "HTTPNotFound"),
        ("GET", "/v3.0/networks", 404, "HTTPNotFound"),
        ("GET", "/v2.0/networks/%ff%00", 404, "NetworkNotFound"),
        ("POST", "/v2.0/extensions", 404, "HTTPNotFound"),
        ("GET", "/patchbay/v1/hosts", 404, "HTTPNotFound"),
    ],
)
def test_paths_and_methods_that_are_not_there(api, method, path, status, type):
    assert api(method, path).error[:2] == (status, type)


def test_a_method_that_is_not_there_says_which_are(api):
    assert api("PATCH", "/v2.0/networks").headers["Allow"] == "GET, POST"


def test_a_bug_is_told_to_the_log_alone(api, monkeypatch, caplog):
    monkeypatch.setattr(api.store, "execute", lambda *_, **__: 1 // 0)
    error = api("POST", "/v2.0/networks", {"network": {}}).error
    text = "Request Failed: internal server error while processing your request."
    assert error == (500, "HTTPInternalServerError", text)
    assert "ZeroDivisionError" in caplog.text


class LostDatabase(Exception):
    pass


class LostStore:
    """A store whose database went away."""

    def __init__(self, net):
        self.net = net
        self.revision = 0

    def subscribe(self, listener):
        """Nothing is ever committed."""

    def fresh(self):
        """Nothing new can be heard."""

    def execute(self, plan, *, who, request_id=""):
        raise LostDatabase("database sqlite is lost")


def test_a_lost_database_is_503_and_reads_go_on(api):
    api.make("network", name="a")
    lost = application(LostStore(api.store.net), SETTINGS, unavailable=LostDatabase)
    request = Request.blank("/v2.0/networks", method="POST", body=b'{"network": {}}')
    response = request.get_response(lost)
    assert (response.status_int, response.headers["Retry-After"]) == (503, "5")
    assert response.json["NeutronError"]["message"] == "database sqlite is lost"
    assert Request.blank("/v2.0/networks").get_response(lost).json["networks"][0]["name"] == "a"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just("10.0.0.0/24") | st.just(UUID),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["start", "end", "ip_address"]), inner),
    max_leaves=5,
)
NAMES = [
    "name",
    "mtu",
    "cidr",
    "ip_version",
    "network_id",
    "fixed_ips",
    "mac_address",
    "allocation_pools",
    "shared",
    "gateway_ip",
    "provider:network_type",
    "provider:segmentation_id",
    "binding:profile",
    "host_routes",
    "x",
]
SHARED_API = Api()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(["network", "subnet", "port"]),
    values=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5),
    query=st.text(max_size=12),
)
def test_whatever_is_sent_is_answered(name, values, query):
    reply = SHARED_API("POST", f"/v2.0/{name}s", {name: values})
    assert reply.status in (201, 400, 404, 409)
    if reply.status != 201:
        assert reply.error[2]
    request = Request.blank(f"/v2.0/{name}s")
    request.query_string = query.encode("utf-8", "replace").decode("latin-1")
    assert request.get_response(SHARED_API.application).status_int in (200, 400, 404)
