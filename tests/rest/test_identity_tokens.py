"""Tokens: who gets one, what it says, and when it ends."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from controller.core.accounts import Revocation, TokenKey
from controller.core.plans import accounts
from rest.identity.endpoints import Endpoints
from rest.identity.tokens import InvalidToken, Tokens, new_key
from tests.rest.keystone import HOUR, SECRET, START, Keystone


def by_id(user_id, scope=None, password=SECRET):
    auth = {"identity": {"methods": ["password"], "password": {"user": {"id": user_id, "password": password}}}}
    return {"auth": auth | ({"scope": scope} if scope is not None else {})}


def test_a_token_has_all_that_clients_read(keystone):
    reply = keystone.sign_in()
    assert reply.status == 201
    assert set(reply.body) == {"token"}
    token = reply.body["token"]
    assert token["user"]["name"] == "admin" and token["user"]["domain"] == {"id": "default", "name": "Default"}
    assert token["project"]["name"] == "admin" and token["project"]["domain"] == {"id": "default", "name": "Default"}
    assert [role["name"] for role in token["roles"]] == ["admin", "manager", "member", "reader"]
    assert token["methods"] == ["password"]
    assert len(token["audit_ids"]) == 1
    issued, expires = (datetime.strptime(token[k], "%Y-%m-%dT%H:%M:%S.%fZ") for k in ("issued_at", "expires_at"))
    assert issued.replace(tzinfo=UTC).timestamp() == START
    assert (expires - issued).total_seconds() == HOUR
    assert reply.headers["X-Subject-Token"] not in str(reply.body)


def test_the_catalogue_has_the_network_service_unversioned_where_the_client_came_from(keystone):
    catalog = {service["type"]: service for service in keystone.sign_in().body["token"]["catalog"]}
    assert set(catalog) == {"identity", "network"}
    for service, url in (("network", "http://127.0.0.1:9696"), ("identity", "http://127.0.0.1:5000/v3")):
        endpoints = catalog[service]["endpoints"]
        assert {endpoint["interface"] for endpoint in endpoints} == {"public", "internal", "admin"}
        assert {(endpoint["url"], endpoint["region"], endpoint["region_id"]) for endpoint in endpoints} == {
            (url, "RegionOne", "RegionOne")
        }


def test_the_catalogue_can_be_configured():
    keystone = Keystone(Endpoints("north", "https://net.example.org/networking/", "https://id.example.org"))
    token = keystone.token()
    found = keystone("GET", "/v3/auth/catalog", token=token).body["catalog"]
    urls = {service["type"]: {e["url"] for e in service["endpoints"]} for service in found}
    assert urls == {"network": {"https://net.example.org/networking"}, "identity": {"https://id.example.org/v3"}}
    assert {e["region_id"] for service in found for e in service["endpoints"]} == {"north"}


@pytest.mark.parametrize(
    ("given", "implied"),
    [
        ("admin", ["admin", "manager", "member", "reader"]),
        ("manager", ["manager", "member", "reader"]),
        ("member", ["member", "reader"]),
        ("reader", ["reader"]),
        ("service", ["service"]),
    ],
)
def test_a_role_brings_those_it_implies(keystone, given, implied):
    keystone.member(role=given)
    assert [role["name"] for role in keystone.sign_in("ann", project="ann").body["token"]["roles"]] == implied


def test_by_user_id_and_project_id(keystone):
    user, project = keystone.member()
    reply = keystone("POST", "/v3/auth/tokens", by_id(user["id"], {"project": {"id": project["id"]}}))
    assert reply.status == 201
    assert reply.body["token"]["project"]["id"] == project["id"]


def test_without_a_scope_the_default_project_or_none(keystone):
    user, project = keystone.member()
    unscoped = keystone("POST", "/v3/auth/tokens", by_id(user["id"])).body["token"]
    assert "project" not in unscoped and "roles" not in unscoped and "catalog" not in unscoped
    change = {"user": {"default_project_id": project["id"]}}
    assert keystone("PATCH", f"/v3/users/{user['id']}", change, keystone.token()).status == 200
    token = keystone("POST", "/v3/auth/tokens", by_id(user["id"])).body["token"]
    assert token["project"]["id"] == project["id"]
    assert "project" not in keystone("POST", "/v3/auth/tokens", by_id(user["id"], "unscoped")).body["token"]
    # A default project in which the user has no role any more is no reason to keep the user out.
    role = f"/v3/projects/{project['id']}/users/{user['id']}/roles/member"
    assert keystone("DELETE", role, token=keystone.token()).status == 204
    assert "project" not in keystone("POST", "/v3/auth/tokens", by_id(user["id"])).body["token"]


def test_a_token_gets_a_token_for_another_project_that_ends_when_it_does(keystone):
    user, project = keystone.member()
    first = keystone("POST", "/v3/auth/tokens", by_id(user["id"]))
    keystone.now += 60
    identity = {"methods": ["token"], "token": {"id": first.headers["X-Subject-Token"]}}
    body = {"auth": {"identity": identity, "scope": {"project": {"id": project["id"]}}}}
    second = keystone("POST", "/v3/auth/tokens", body)
    assert second.status == 201
    assert second.body["token"]["expires_at"] == first.body["token"]["expires_at"]
    assert second.body["token"]["methods"] == ["password", "token"]
    assert second.body["token"]["audit_ids"][1] == first.body["token"]["audit_ids"][0]


def unauthorized(reply):
    assert reply.error == (401, "Unauthorized", "The request you have made requires authentication.")
    assert reply.headers["WWW-Authenticate"].startswith('Keystone uri="http')
    return True


@pytest.mark.parametrize(
    "who",
    [
        {"password": "wrong"},
        {"name": "nobody"},
        {"project": "no such project"},
        {"project": "service"},  # admin has no role there
    ],
)
def test_all_that_is_wrong_gets_one_answer(keystone, who):
    assert unauthorized(keystone.sign_in(**who))


def test_nobody_gets_in_without_a_password(keystone):
    keystone.make("user", name="mute")
    assert unauthorized(keystone.sign_in("mute", ""))


@pytest.mark.parametrize("scope", [{"system": {"all": True}}, {"domain": {"id": "default"}}, {"OS-TRUST:trust": {}}, 5])
def test_other_scopes_are_nobodys(keystone, scope):
    admin = keystone.sign_in().body["token"]["user"]["id"]
    assert unauthorized(keystone("POST", "/v3/auth/tokens", by_id(admin, scope)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"[]",
        {},
        {"auth": 5},
        {"auth": {"identity": {"methods": ["password"]}}},
        {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "password": SECRET}}}}},
        {"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": 5, "password": SECRET}}}}},
        {"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "x"}}}}},
        b'{"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "x", "password": "\\ud800"}}}}}',
    ],
)
def test_a_body_that_is_none_is_a_bad_request(keystone, body):
    status, title, _ = keystone("POST", "/v3/auth/tokens", body).error
    assert (status, title) == ((400, "Bad Request") if body != b"[" * 100_000 else (413, title))


def test_an_unsupported_method_lets_nobody_in(keystone):
    body = {"auth": {"identity": {"methods": ["totp"], "totp": {}}}}
    assert unauthorized(keystone("POST", "/v3/auth/tokens", body))


# -- showing and ending -----------------------------------------------------------------------------------------------


def test_a_service_is_told_whose_a_token_is(keystone):
    keystone.member("ann")
    keystone.member("nova", role="service")
    subject = keystone.token("ann", project="ann")
    given = keystone.sign_in("ann", project="ann")
    for name in ("admin", "nova"):
        shown = keystone("GET", "/v3/auth/tokens", token=keystone.token(name, project=name), X_Subject_Token=subject)
        assert shown.status == 200
        assert shown.headers["X-Subject-Token"] == subject
        assert set(shown.body["token"]) == set(given.body["token"])
        assert shown.body["token"]["user"] == given.body["token"]["user"]
        assert shown.body["token"]["catalog"]
        short = keystone(
            "GET", "/v3/auth/tokens?nocatalog", token=keystone.token(name, project=name), X_Subject_Token=subject
        )
        assert "catalog" not in short.body["token"]
    assert keystone("HEAD", "/v3/auth/tokens", token=keystone.token(), X_Subject_Token=subject)[:2] == (200, None)


def test_others_are_shown_their_own_token_only(keystone):
    keystone.member("ann")
    keystone.member("bob")
    anns, bobs = keystone.token("ann", project="ann"), keystone.token("bob", project="bob")
    assert keystone("GET", "/v3/auth/tokens", token=anns, X_Subject_Token=anns).status == 200
    assert keystone("GET", "/v3/auth/tokens", token=anns, X_Subject_Token=bobs).error[0] == 403
    assert keystone("DELETE", "/v3/auth/tokens", token=anns, X_Subject_Token=bobs).error[0] == 403
    assert unauthorized(keystone("GET", "/v3/auth/tokens", X_Subject_Token=anns))


def test_a_subject_that_is_no_token_is_not_found(keystone):
    admin = keystone.token()
    for subject in ("", "x", admin[:-4] + "AAA=", "é" * 10, "A" * 5000):
        assert keystone("GET", "/v3/auth/tokens", token=admin, X_Subject_Token=subject).error[0] == 404


def test_a_token_expires(keystone):
    token = keystone.token()
    keystone.now = START + HOUR - 1
    assert keystone("GET", "/v3/projects", token=token).status == 200
    keystone.now = START + HOUR
    assert unauthorized(keystone("GET", "/v3/projects", token=token))


def test_a_revoked_token_ends_with_those_got_by_it_and_others_go_on(keystone):
    token, other = keystone.token(), keystone.token()
    identity = {"methods": ["token"], "token": {"id": token}}
    project = keystone.sign_in().body["token"]["project"]["id"]
    child = keystone("POST", "/v3/auth/tokens", {"auth": {"identity": identity, "scope": {"project": {"id": project}}}})
    assert child.status == 201
    assert keystone("DELETE", "/v3/auth/tokens", token=other, X_Subject_Token=token)[:2] == (204, None)
    assert unauthorized(keystone("GET", "/v3/projects", token=token))
    assert unauthorized(keystone("GET", "/v3/projects", token=child.headers["X-Subject-Token"]))
    assert keystone("GET", "/v3/auth/tokens", token=other, X_Subject_Token=token).error[0] == 404
    assert keystone("GET", "/v3/projects", token=other).status == 200


def test_signing_out_oneself(keystone):
    keystone.member()
    token = keystone.token("ann", project="ann")
    assert keystone("DELETE", "/v3/auth/tokens", token=token, X_Subject_Token=token).status == 204
    assert unauthorized(keystone("GET", "/v3/auth/projects", token=token))


def test_revocations_go_when_their_tokens_would_have(keystone):
    first = keystone.token()
    keystone("DELETE", "/v3/auth/tokens", token=first, X_Subject_Token=first)
    keystone.now += HOUR + 1
    second = keystone.token()
    keystone("DELETE", "/v3/auth/tokens", token=second, X_Subject_Token=second)
    assert keystone.store.net.count(Revocation) == 1


def test_what_a_user_loses_counts_at_once(keystone):
    user, project = keystone.member()
    token = keystone.token("ann", project="ann")
    shown = {"token": keystone.token(), "X_Subject_Token": token}
    role = f"/v3/projects/{project['id']}/users/{user['id']}/roles/member"
    assert keystone("GET", "/v3/auth/tokens", **shown).status == 200
    assert keystone("DELETE", role, token=keystone.token()).status == 204
    assert keystone("GET", "/v3/auth/tokens", **shown).error[0] == 404
    assert keystone("PUT", role, token=keystone.token()).status == 204
    for what, key in (("user", user["id"]), ("project", project["id"])):
        for enabled, status in ((False, 404), (True, 200)):
            path = f"/v3/{what}s/{key}"
            assert keystone("PATCH", path, {what: {"enabled": enabled}}, keystone.token()).status == 200
            assert keystone("GET", "/v3/auth/tokens", **shown).status == status
    assert keystone("DELETE", f"/v3/users/{user['id']}", token=keystone.token()).status == 204
    assert keystone("GET", "/v3/auth/tokens", **shown).error[0] == 404


def test_admins_token_outlives_the_projects_it_deletes(keystone):
    token = keystone.token()
    _, project = keystone.member()
    assert keystone("DELETE", f"/v3/projects/{project['id']}", token=token).status == 204
    assert keystone("GET", "/v3/projects", token=token).status == 200


# -- keys -------------------------------------------------------------------------------------------------------------


def test_another_process_with_the_same_rows_reads_a_token(keystone):
    other = Tokens(keystone.store.net, HOUR, clock=keystone.clock)
    assert other.read(keystone.token()).methods == ("password",)
    stranger = Keystone()
    with pytest.raises(InvalidToken):
        stranger.tokens.read(keystone.token())


def test_a_new_key_signs_and_the_old_ones_verify_until_their_tokens_have_ended(keystone):
    def rotate():
        plan = lambda draft: accounts.rotate_key(draft, new_key(), int(keystone.now), HOUR)  # noqa: E731
        return keystone.store.execute(plan, who="test").result.number

    old = keystone.token()
    assert rotate() == 2
    assert keystone("GET", "/v3/projects", token=old).status == 200
    new = keystone.token()
    keystone.now += HOUR
    assert rotate() == 3
    assert {key.number for key in keystone.store.net.all(TokenKey)} == {1, 2, 3}
    keystone.now += 1
    assert rotate() == 4
    assert {key.number for key in keystone.store.net.all(TokenKey)} == {2, 3, 4}
    keystone.now = START  # key 2 still reads what it signed
    assert keystone("GET", "/v3/projects", token=new).status == 200
    assert unauthorized(keystone("GET", "/v3/projects", token=old))
