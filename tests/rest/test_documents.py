"""The documents around the resources, and the way to look inside."""

from __future__ import annotations

import pytest

from tests.rest.api import Api


def test_versions(api):
    link = {"rel": "self", "href": "http://localhost/v2.0/"}
    assert api("GET", "/").body == {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}


@pytest.mark.parametrize("path", ["/v2.0", "/v2.0/"])
def test_resources(api, path):
    assert api("GET", path).body == {
        "resources": [
            {
                "links": [{"rel": "self", "href": f"http://localhost/v2.0/{name}s"}],
                "name": name,
                "collection": f"{name}s",
            }
            for name in ("network", "subnet", "port")
        ]
    }


def test_extensions(api):
    listed = api.get("/v2.0/extensions")
    for extension in listed:
        assert set(extension) == {"alias", "name", "description", "updated", "links"}
        assert api.get(f"/v2.0/extensions/{extension['alias']}") == extension
    aliases = {extension["alias"] for extension in listed}
    assert {"binding", "provider", "net-mtu", "project-id"} <= aliases
    assert not aliases & {"security-group", "router", "trunk"}
    assert api("GET", "/v2.0/extensions/security-group").error == (
        404,
        "HTTPNotFound",
        "Extension with alias security-group does not exist",
    )


class Running:
    """A controller with one switch, br-int."""

    def hosts(self):
        return [{"name": "h1"}]

    def ports(self):
        return [{"port": "p"}]

    def switches(self):
        return [{"name": "br-int"}]

    def status(self):
        return {"revision": 5}

    def flows(self, switch):
        return [{"flow": "table=0"}] if switch == "br-int" else self._unknown(switch)

    def explain(self, switch, flow):
        return {"flow": flow} if switch == "br-int" else self._unknown(switch)

    def trace(self, source, target):
        return {"source": source, "target": target}

    def _unknown(self, switch):
        raise LookupError(f"no switch {switch}")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("hosts", [{"name": "h1"}]),
        ("ports", [{"port": "p"}]),
        ("switches", [{"name": "br-int"}]),
        ("status", {"revision": 5}),
        ("ports/one/trace/other", {"source": "one", "target": "other"}),
        ("switches/br-int/flows", [{"flow": "table=0"}]),
        ("switches/br-int/flows/0x5/explain", {"flow": "0x5"}),
        (
            "switches/br-int/flows/table=8,ip,nw_dst=10.0.0.0%2F24/explain",
            {"flow": "table=8,ip,nw_dst=10.0.0.0/24"},
        ),
    ],
)
def test_looking_inside(path, answer):
    assert Api(inspector=Running())("GET", f"/patchbay/v1/{path}").body == answer


def test_looking_at_what_is_not_there():
    api = Api(inspector=Running())
    for path in ("flows", "flows/0x5/explain"):
        assert api("GET", f"/patchbay/v1/switches/br-x/{path}").error == (404, "NotFound", "no switch br-x")
    assert api("GET", "/patchbay/v1/nonsense").error[:2] == (404, "HTTPNotFound")
    assert api("POST", "/patchbay/v1/hosts").status == 404
