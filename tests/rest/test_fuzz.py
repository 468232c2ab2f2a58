"""Whatever is sent is answered: no 500, no hang, no traceback, and nothing written by what is refused.

The whole application as a server calls it: REST with its apps and an inspector, identity under `/identity`.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.core.resource import Resource
from controller.core.resources import declare
from rest.identity.wsgi import ROUTES
from rest.policy import Policy
from tests.rest import raw_requests as raw
from tests.rest.api import SETTINGS
from tests.rest.keystone import SECRET
from tests.rest.whole import APPS, Reply, Server

RESOURCES = list(declare(SETTINGS, APPS))
OPEN, POLICED = Server(), Server(Policy())

IDENTITY = {
    "auth": ["identity", "scope", "passwordCredentials", "tenantId", "tenantName", "token"],
    "user": ["name", "password", "original_password", "email", "enabled", "domain_id", "default_project_id", "id"],
    "project": ["name", "description", "enabled", "domain_id", "id", "parent_id"],
}
NAMES = {resource.name: [*resource.attributes, "tenant_id"] for resource in RESOURCES}
PLACES = [
    *(
        "",
        "/v1",
        "/v2.0",
        "/v2.0/extensions",
        "/v2.0/openapi.json",
        "/v2.0/convergence",
        "/v2.0/convergence",
        "/identity",
    ),
    *(f"/v2.0/{resource.collection}" for resource in RESOURCES if resource.parent is None),
    *(
        f"/patchbay/v1/{name}"
        for name in ("hosts", "ports", "faults", "status", "switches", "switches/h1/br-int/flows")
    ),
    *("/patchbay/v1/hosts/h1", "/patchbay/v1/switches/h1/br-int/explain/flows", "/patchbay"),
    *(f"/identity{path}" for path in ROUTES if "{" not in path),
]
WORDS = [*("flows", "h1", "explain", "password", "roles", "admin", "default", "tags"), raw.UNKNOWN_ID]
PARAMETERS = [
    *("limit", "marker", "sort_key", "sort_dir", "fields", "page_reverse", "revision", "wait", "connected", "name"),
    *("id", "enabled", "domain_id", "user.id", "effective", "include_names", "nocatalog", "scope.project.id"),
    *(wire for resource in RESOURCES for wire in resource.attributes),
]
CONTROLS = ["limit", "marker", "sort_key", "sort_dir", "fields", "page_reverse"]
GOOD: dict[str, dict[str, Any]] = {
    "auth": {
        "identity": {
            "methods": ["password"],
            "password": {"user": {"name": "admin", "password": SECRET, "domain": {"id": "default"}}},
        },
        "passwordCredentials": {"username": "admin", "password": SECRET},
    },
    "user": {"original_password": SECRET, "password": SECRET},
    "project": {},
    "subnet": {"ip_version": 4, "cidr": "10.1.0.0/24"},
}
"""What gets a body past its first checks, drawn now and then."""

WHOS = ["admin/p0", "member/p1", "reader/p1", "member/\xff", "nobody"]
TOP = [resource for resource in RESOURCES if resource.parent is None]
MANY = settings(max_examples=3 * settings.default.max_examples, suppress_health_check=list(HealthCheck))


def _requests(server: Server) -> st.SearchStrategy[dict[str, Any]]:
    """Requests of any kind, often for what is there."""
    body = raw.bodies(NAMES | IDENTITY, [*server.ids, *server.tokens])
    return st.builds(
        _environ,
        raw.methods(),
        raw.targets([*PLACES, *_members(server)], [*WORDS, *server.ids], PARAMETERS),
        raw.headers(X_Auth_Token=server.tokens * 8, X_Subject_Token=server.tokens, Who=WHOS),
        body | st.just(b""),
        st.booleans(),
    )


def _members(server: Server) -> list[str]:
    user, project = server.ids[-2:]
    accounts = [
        f"/identity/v3/users/{user}",
        f"/identity/v3/projects/{project}",
        f"/identity/v3/projects/{project}/users",
    ]
    return [*(f"/v2.0/{name}/{key}" for name, key in server.members.items()), *accounts] * 3


def _environ(method: str, target: bytes, headers: dict[str, str], body: bytes, counted: bool) -> dict[str, Any]:
    length = {"Content-Length": str(len(body))} if counted else {}
    return raw.environ(method, target, length | headers, body)


def _writes(server: Server) -> st.SearchStrategy[dict[str, Any]]:
    """Creates and updates whose wrapping is right, so that each attribute's check and plan sees what it should not."""
    drawn = [
        st.tuples(
            st.sampled_from([("POST", f"/v2.0/{resource.collection}")] * 2 + _updates(server, resource.collection)),
            raw.objects(NAMES[resource.name], server.ids, _good(server, resource)).map(
                lambda text, name=resource.name: f'{{"{name}": {text}}}'.encode()
            ),
            st.sampled_from(WHOS[:3]),
        )
        for resource in TOP
    ]
    return st.one_of(drawn).map(
        lambda drawn: _environ(drawn[0][0], drawn[0][1].encode(), {"Who": drawn[2]}, drawn[1], True)
    )


def _good(server: Server, resource: Resource) -> dict[str, Any]:
    """What gets a body past its first checks."""
    network = {"network_id": server.ids[0]} if "network_id" in resource.attributes else {}
    return GOOD.get(resource.name, {}) | network


def _updates(server: Server, collection: str) -> list[tuple[str, str]]:
    """Of the collection's own, or where there is none of somebody else's."""
    key = server.members.get(collection, server.ids[0])
    return [("PUT", f"/v2.0/{collection}/{key}"), ("PUT", f"/v2.0/{collection}/{raw.UNKNOWN_ID}")]


def _lists(server: Server) -> st.SearchStrategy[dict[str, Any]]:
    drawn = [
        raw.queries([*resource.attributes, *CONTROLS]).map(
            lambda query, path=f"/v2.0/{resource.collection}": raw.environ("GET", path.encode() + query)
        )
        for resource in TOP
    ]
    return st.one_of(drawn)


def _accounts(server: Server) -> st.SearchStrategy[dict[str, Any]]:
    """Writes to identity whose wrapping is right, by an administrator and by a member."""
    ways = {
        "auth": [("POST", "/v3/auth/tokens"), ("POST", "/v2.0/tokens")],
        "user": [("POST", "/v3/users"), *(("PATCH", f"/v3/users/{key}") for key in server.ids)]
        + [("POST", f"/v3/users/{key}/password") for key in server.ids],
        "project": [("POST", "/v3/projects"), *(("PATCH", f"/v3/projects/{key}") for key in server.ids)],
    }
    drawn = [
        st.tuples(
            st.sampled_from(ways[name]),
            raw.objects(IDENTITY[name], [*server.ids, *server.tokens], GOOD[name]).map(
                lambda text, name=name: f'{{"{name}": {text}}}'.encode()
            ),
            st.sampled_from(server.tokens),
        )
        for name in IDENTITY
    ]
    return st.one_of(drawn).map(
        lambda drawn: _environ(
            drawn[0][0], f"/identity{drawn[0][1]}".encode(), {"X-Auth-Token": drawn[2]}, drawn[1], True
        )
    )


def _to_either(requests: Any) -> st.SearchStrategy[tuple[Server, dict[str, Any]]]:
    return st.one_of([requests(server).map(lambda environ, to=server: (to, environ)) for server in (OPEN, POLICED)])


@MANY
@given(_to_either(_requests))
def test_any_request_is_answered(sent):
    server, environ = sent
    server.ask(environ)


@MANY
@given(_to_either(_writes))
def test_any_write_of_a_resource_is_answered(sent):
    server, environ = sent
    server.ask(environ)


@MANY
@given(_to_either(_lists))
def test_any_query_of_a_list_is_answered(sent):
    server, environ = sent
    assert server.ask(environ).status in (200, 400, 404)


@MANY
@given(_to_either(_accounts))
def test_any_write_to_identity_is_answered(sent):
    server, environ = sent
    server.ask(environ)


# ---------------------------------------------------------------------------------------------------------------------
# What a draw hits too rarely


def _sent(path: str, body: bytes, method: str = "POST") -> Reply:
    headers = {"Content-Length": str(len(body)), "X-Auth-Token": OPEN.tokens[0]}
    return OPEN.ask(raw.environ(method, path.encode(), headers, body))


BODIES = [
    ("/v2.0/networks", "network", "name"),
    ("/v2.0/ports", "port", "binding:profile"),
    ("/v2.0/subnets", "subnet", "host_routes"),
    ("/identity/v3/users", "user", "name"),
    ("/identity/v3/auth/tokens", "auth", "identity"),
]


@pytest.mark.parametrize(("path", "name", "attribute"), BODIES)
@pytest.mark.parametrize("around", ["[{}]", '{{"a": {}}}', '[{{"x": {}}}]'])
def test_a_body_may_be_nested_as_deep_as_it_likes(path, name, attribute, around):
    """No depth is fine for the parser and too much for what comes after it."""
    before, after = around.format("\0").split("\0")
    for depth in (5, 50, *range(100, 1050, 10), 5000, 50_000):
        text = before * depth + "1" + after * depth
        reply = _sent(path, f'{{"{name}": {{"{attribute}": {text}}}}}'.encode())
        assert 400 <= reply.status < 500


@pytest.mark.parametrize(("path", "name", "attribute"), BODIES)
@pytest.mark.parametrize(
    "text",
    ['"' + "x" * 1_000_000 + '"', "[" + "1," * 100_000 + "1]", "[" + "{}," * 100_000 + "{}]", "1" * 4300, "1" * 4301]
    + ["{" + ",".join(f'"{number}": 1' for number in range(50_000)) + "}", '"' + "\\ud800" * 9000 + '"'],
    ids=["long text", "long list", "list of objects", "longest number", "longer number", "many keys", "surrogates"],
)
def test_a_long_value_is_refused(path, name, attribute, text):
    assert 400 <= _sent(path, f'{{"{name}": {{"{attribute}": {text}}}}}'.encode()).status < 500


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
def test_what_is_no_number_of_json_is_refused(text):
    """They would come back in an answer, which other JSON parsers could not read."""
    body = f'{{"port": {{"network_id": "{OPEN.ids[0]}", "binding:profile": {{"x": [{text}]}}}}}}'.encode()
    assert _sent("/v2.0/ports", body).status == 400


@pytest.mark.parametrize(
    "query", ["limit=" + "9" * 5000, "sort_key=id&sort_dir=asc&" * 400, "id=x&" * 5000, "&" * 9999]
)
def test_a_long_query_is_answered(query):
    assert OPEN.ask(raw.environ("GET", f"/v2.0/ports?{query}".encode())).status in (200, 400)


class Broken:
    """A body that can't be read to its end."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, size: int = -1) -> bytes:
        raise self.error


@pytest.mark.parametrize("path", ["/v2.0/networks", "/identity/v3/auth/tokens"])
@pytest.mark.parametrize(
    ("error", "status"),
    [(TimeoutError("timed out"), 408), (ConnectionResetError("reset"), 400), (ValueError("a chunk's length"), 400)],
)
def test_a_body_that_breaks_off_is_told_apart_from_a_fault_of_ours(path, error, status):
    environ = raw.environ("POST", path.encode(), {"Transfer-Encoding": "chunked"})
    environ["wsgi.input"] = Broken(error)
    assert OPEN.ask(environ).status == status


def test_a_body_that_is_shorter_than_it_says_is_refused():
    environ = raw.environ("POST", b"/v2.0/networks", {"Content-Length": "90"}, b'{"network": {}}')
    assert OPEN.ask(environ).status == 400
