"""Keystone v2.0 as oVirt's engine speaks it, and identity under REST's own port."""

from __future__ import annotations

import pytest
from webob import Request

from rest.identity.wsgi import mounted
from tests.rest.keystone import SECRET


def sign_in(keystone, **tenant):
    body = {"auth": {"passwordCredentials": {"username": "admin", "password": SECRET}, **tenant}}
    return keystone("POST", "/v2.0/tokens", body)


def test_a_token_of_the_old_version(keystone):
    reply = sign_in(keystone, tenantName="admin")
    assert reply.status == 200
    access = reply.body["access"]
    assert access["token"]["tenant"]["name"] == "admin"
    assert access["token"]["expires"].endswith("Z")
    assert access["user"]["name"] == access["user"]["username"] == "admin"
    assert {"name": "member"} in access["user"]["roles"]
    urls = {service["type"]: service["endpoints"][0]["publicURL"] for service in access["serviceCatalog"]}
    assert urls == {"network": "http://127.0.0.1:9696", "identity": "http://127.0.0.1:5000/v2.0"}
    token = access["token"]["id"]
    assert keystone("GET", "/v3/projects", token=token).status == 200, "it is a token like all"
    assert [t["name"] for t in keystone("GET", "/v2.0/tenants", token=token).body["tenants"]] == ["admin"]
    assert keystone("GET", f"/v2.0/tokens/{token}", token=token).body["access"]["token"]["id"] == token
    assert keystone("GET", "/v2.0/tokens/other", token=token).error[0] == 403


def test_a_tenant_by_id_by_default_and_when_there_is_only_one(keystone):
    project = sign_in(keystone).body["access"]["token"]["tenant"]["id"]
    assert sign_in(keystone, tenantId=project).body["access"]["token"]["tenant"]["name"] == "admin"
    user, first = keystone.member()
    body = {"auth": {"passwordCredentials": {"username": "ann", "password": SECRET}}}
    assert keystone("POST", "/v2.0/tokens", body).body["access"]["token"]["tenant"]["id"] == first["id"]
    second = keystone.make("project", name="second")
    keystone.grant(user["id"], second["id"], "reader")
    access = keystone("POST", "/v2.0/tokens", body).body["access"]
    assert "tenant" not in access["token"] and access["serviceCatalog"] == [] and access["user"]["roles"] == []


@pytest.mark.parametrize("tenant", [{"tenantName": "nope"}, {"tenantId": "nope"}, {"tenantName": "service"}])
def test_another_tenant_is_refused(keystone, tenant):
    assert sign_in(keystone, **tenant).error[:2] == (401, "Unauthorized")


def test_a_wrong_password_and_a_bad_body(keystone):
    body = {"auth": {"passwordCredentials": {"username": "admin", "password": "wrong"}}}
    assert keystone("POST", "/v2.0/tokens", body).error[0] == 401
    assert keystone("POST", "/v2.0/tokens", {"auth": {}}).error[0] == 400
    assert keystone("GET", "/v2.0/tenants").error[0] == 401
    assert keystone("GET", "/v2.0").body["version"]["id"] == "v2.0"


def test_under_rests_own_port(keystone):
    def rest(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode()]

    both = mounted("/identity", keystone.application, rest)

    def get(path, **headers):
        return Request.blank(path, base_url="https://api.example.org:9696", headers=headers).get_response(both)

    assert get("/v2.0/networks").body == b"/v2.0/networks"
    assert get("/identityx").body == b"/identityx"
    (link,) = get("/identity/v3").json["version"]["links"]
    assert link["href"] == "https://api.example.org:9696/identity/v3/"
    for path in ("/identity", "/identity/"):
        assert get(path).status_int == 300
    catalog = get("/identity/v3/auth/catalog", **{"X-Auth-Token": keystone.token()}).json["catalog"]
    assert {service["endpoints"][0]["url"] for service in catalog} == {
        "https://api.example.org:9696",
        "https://api.example.org:9696/identity/v3",
    }
