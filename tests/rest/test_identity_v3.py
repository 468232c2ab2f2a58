"""Keystone v3 beside the tokens: versions, domains, projects, users, roles; who may, and how it refuses."""

from __future__ import annotations

import pytest

from controller.core.accounts import User
from controller.io.store import Unavailable
from tests.rest.keystone import SECRET


def test_versions(keystone):
    reply = keystone("GET", "/")
    assert reply.status == 300
    values = reply.body["versions"]["values"]
    assert [(value["id"], value["status"]) for value in values] == [("v3.14", "stable"), ("v2.0", "deprecated")]
    for path in ("/v3", "/v3/"):
        version = keystone("GET", path).body["version"]
        assert version["id"] == "v3.14"
        assert version["links"] == [{"rel": "self", "href": "http://127.0.0.1:5000/v3/"}]
    assert keystone("HEAD", "/v3")[:2] == (200, None)


def test_what_is_not_there_and_what_is_not_done(keystone):
    assert keystone("GET", "/v3/nonsense").error[:2] == (404, "Not Found")
    assert keystone("GET", "/v4").error[:2] == (404, "Not Found")
    assert keystone("POST", "/v3").error[:2] == (405, "Method Not Allowed")
    assert keystone("GET", "/v3/projects?name=%ff", token=keystone.token()).error[0] == 400


def test_a_bug_is_told_to_the_log_alone(keystone, monkeypatch, caplog):
    monkeypatch.setattr(keystone.tokens, "read", lambda text: 1 // 0)
    reply = keystone("GET", "/v3/projects", token="x")
    assert reply.error[:2] == (500, "Internal Server Error")
    assert "ZeroDivision" not in str(reply.body) and "ZeroDivision" in caplog.text


def test_domains_are_listed_by_name(keystone):
    token = keystone.token()
    reply = keystone("GET", "/v3/domains?name=Default", token=token)
    assert [(domain["id"], domain["name"]) for domain in reply.body["domains"]] == [("default", "Default")]
    assert "links" in reply.body
    assert keystone("GET", "/v3/domains?name=other", token=token).body["domains"] == []
    assert keystone("GET", "/v3/domains/default", token=token).body["domain"]["enabled"] is True
    assert keystone("GET", "/v3/domains/other", token=token).error[0] == 404


def test_a_project_from_its_making_to_its_end(keystone):
    token = keystone.token()
    made = keystone("POST", "/v3/projects", {"project": {"name": "blue", "domain_id": "default"}}, token)
    assert made.status == 201
    project = made.body["project"]
    assert project["domain_id"] == "default" and project["enabled"] is True
    path = f"/v3/projects/{project['id']}"
    assert keystone("GET", path, token=token).body["project"] == project
    # As clients look names up: by id first, then by name.
    assert keystone("GET", "/v3/projects/blue", token=token).error[0] == 404
    assert keystone("GET", "/v3/projects?name=blue", token=token).body["projects"] == [project]
    assert keystone("GET", "/v3/projects?name=blue&domain_id=other", token=token).body["projects"] == []
    change = {"project": {"description": "sky", "enabled": False, "unknown": 1}}
    changed = keystone("PATCH", path, change, token).body["project"]
    assert changed == project | {"description": "sky", "enabled": False}
    assert keystone("GET", "/v3/projects?enabled=false", token=token).body["projects"] == [changed]
    assert keystone("DELETE", path, token=token)[:2] == (204, None)
    assert keystone("GET", path, token=token).error[0] == 404
    assert keystone("DELETE", path, token=token).error[0] == 404
    names = [found["name"] for found in keystone("GET", "/v3/projects", token=token).body["projects"]]
    assert names == ["admin", "service"]


def test_a_user_from_its_making_to_its_end(keystone):
    token = keystone.token()
    project = keystone.make("project", name="blue")
    about = {"name": "ann", "password": SECRET, "domain_id": "default", "email": "ann@example.org", "options": {}}
    made = keystone("POST", "/v3/users", {"user": about | {"default_project_id": project["id"]}}, token)
    assert made.status == 201
    user = made.body["user"]
    assert user["email"] == "ann@example.org" and user["default_project_id"] == project["id"]
    assert not {"password", "password_hash"} & set(user)
    path = f"/v3/users/{user['id']}"
    assert keystone("GET", path, token=token).body["user"] == user
    assert keystone("GET", "/v3/users?name=ann", token=token).body["users"] == [user]
    assert keystone("PATCH", path, {"user": {"password": "another"}}, token).body["user"] == user
    assert keystone.sign_in("ann", SECRET, None).status == 401
    assert keystone.sign_in("ann", "another", None).status == 201
    assert keystone("DELETE", f"/v3/projects/{project['id']}", token=token).status == 204
    assert "default_project_id" not in keystone("GET", path, token=token).body["user"]
    assert keystone("DELETE", path, token=token)[:2] == (204, None)
    assert keystone("GET", path, token=token).error[0] == 404


def test_users_change_their_own_password(keystone):
    user, _ = keystone.member()
    path = f"/v3/users/{user['id']}/password"
    wrong = {"user": {"original_password": "wrong", "password": "new"}}
    assert keystone("POST", path, wrong).error[0] == 401
    assert keystone("POST", path, {"user": {"original_password": SECRET, "password": ""}}).error[0] == 400
    assert keystone("POST", path, {"user": {"original_password": SECRET, "password": "new"}}).status == 204
    assert keystone.sign_in("ann", "new", "ann").status == 201
    assert keystone("POST", "/v3/users/nobody/password", wrong).error[0] == 401


def test_roles_are_the_five(keystone):
    token = keystone.token()
    roles = keystone("GET", "/v3/roles", token=token).body["roles"]
    assert [role["name"] for role in roles] == ["admin", "manager", "member", "reader", "service"]
    assert [role["id"] for role in keystone("GET", "/v3/roles?name=member", token=token).body["roles"]] == ["member"]
    assert keystone("GET", "/v3/roles/member", token=token).body["role"]["name"] == "member"
    assert keystone("GET", "/v3/roles/king", token=token).error[0] == 404


def test_granting_and_revoking(keystone):
    token = keystone.token()
    user, project = keystone.member()
    roles = f"/v3/projects/{project['id']}/users/{user['id']}/roles"
    assert keystone("PUT", f"{roles}/member", token=token).status == 204  # again: no harm
    assert keystone("PUT", f"{roles}/manager", token=token)[:2] == (204, None)
    assert [role["id"] for role in keystone("GET", roles, token=token).body["roles"]] == ["manager", "member"]
    assert keystone("HEAD", f"{roles}/manager", token=token).status == 204
    assert keystone("DELETE", f"{roles}/manager", token=token).status == 204
    assert keystone("HEAD", f"{roles}/manager", token=token).status == 404
    assert keystone("DELETE", f"{roles}/manager", token=token).error[0] == 404
    for path in (
        f"/v3/projects/nope/users/{user['id']}/roles/member",
        f"/v3/projects/{project['id']}/users/nope/roles/member",
        f"{roles}/king",
    ):
        assert keystone("PUT", path, token=token).error[0] == 404


def test_role_assignments(keystone):
    token = keystone.token()
    user, project = keystone.member()

    def found(query):
        reply = keystone("GET", f"/v3/role_assignments?{query}", token=token)
        assert reply.status == 200, reply
        return reply.body["role_assignments"]

    assert len(found("")) == 2  # admin's, too
    (one,) = found(f"user.id={user['id']}")
    assert one["role"] == {"id": "member"} and one["user"] == {"id": user["id"]}
    assert one["scope"] == {"project": {"id": project["id"]}}
    assert {a["role"]["id"] for a in found(f"user.id={user['id']}&effective=True")} == {"member", "reader"}
    (named,) = found(f"scope.project.id={project['id']}&include_names=True&role.id=member")
    assert (named["role"]["name"], named["user"]["name"], named["scope"]["project"]["name"]) == ("member", "ann", "ann")
    assert found("group.id=x") == [] and found("scope.system=all") == []


def test_a_member_sees_itself_and_changes_nothing(keystone):
    user, project = keystone.member()
    other, _ = keystone.member("bob")
    token = keystone.token("ann", project="ann")
    for path in (
        f"/v3/users/{user['id']}",
        f"/v3/users/{user['id']}/projects",
        f"/v3/users/{user['id']}/groups",
        f"/v3/projects/{project['id']}",
        "/v3/auth/projects",
        "/v3/auth/domains",
        "/v3/auth/catalog",
        "/v3/domains",
        f"/v3/role_assignments?user.id={user['id']}",
    ):
        assert keystone("GET", path, token=token).status == 200, path
    assert [p["name"] for p in keystone("GET", "/v3/auth/projects", token=token).body["projects"]] == ["ann"]
    for method, path, body in (
        ("GET", "/v3/users", None),
        ("GET", "/v3/projects", None),
        ("GET", f"/v3/users/{other['id']}", None),
        ("GET", f"/v3/users/{other['id']}/projects", None),
        ("GET", "/v3/roles", None),
        ("GET", "/v3/role_assignments", None),
        ("POST", "/v3/projects", {"project": {"name": "x"}}),
        ("POST", "/v3/users", {"user": {"name": "x"}}),
        ("PATCH", f"/v3/users/{user['id']}", {"user": {"name": "x"}}),
        ("PATCH", f"/v3/projects/{project['id']}", {"project": {"name": "x"}}),
        ("DELETE", f"/v3/users/{other['id']}", None),
        ("DELETE", f"/v3/projects/{project['id']}", None),
        ("PUT", f"/v3/projects/{project['id']}/users/{user['id']}/roles/admin", None),
        ("DELETE", f"/v3/projects/{project['id']}/users/{user['id']}/roles/member", None),
    ):
        revision = keystone.store.revision
        status, title, message = keystone(method, path, body, token).error
        assert (status, title) == (403, "Forbidden"), (method, path)
        assert message.startswith("You are not authorized to perform the requested action: identity:")
        assert keystone.store.revision == revision
        assert keystone(method, path, body).error[0] == 401


def test_an_unscoped_token_has_no_roles(keystone):
    token = keystone("POST", "/v3/auth/tokens", _unscoped()).headers["X-Subject-Token"]
    assert keystone("GET", "/v3/users", token=token).error[0] == 403
    assert keystone("GET", "/v3/auth/catalog", token=token).error[0] == 403
    assert [p["name"] for p in keystone("GET", "/v3/auth/projects", token=token).body["projects"]] == ["admin"]


def _unscoped():
    user = {"name": "admin", "domain": {"id": "default"}, "password": SECRET}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": "unscoped"}}


@pytest.mark.parametrize(
    ("kind", "values", "status", "message"),
    [
        ("project", {}, 400, "'name': it is required"),
        ("project", {"name": 5}, 400, "'name': 5 is not of type 'string'"),
        ("project", {"name": " "}, 400, "'name': the name of a project can't be empty"),
        ("project", {"name": "x" * 65}, 400, "'name': it has more than 64 characters"),
        ("project", {"name": "\ud800"}, 400, "'name': it is not Unicode text"),
        ("project", {"name": "a\0b"}, 400, "NUL"),
        ("project", {"name": "admin"}, 409, "there is a project with the name admin already"),
        ("project", {"name": "x", "enabled": "yes"}, 400, "'enabled': 'yes' is not of type 'boolean'"),
        ("project", {"name": "x", "domain_id": "other"}, 404, "Could not find domain: other."),
        ("user", {"name": "admin"}, 409, "there is a user with the name admin already"),
        ("user", {"name": "x", "password": ""}, 400, "'password': it can't be empty"),
        ("user", {"name": "x", "password": "x" * 4097}, 400, "'password': it has more than 4096 characters"),
        ("user", {"name": "x", "password": 5}, 400, "'password': 5 is not of type 'string'"),
        ("user", {"name": "x", "default_project_id": "nope"}, 404, "Could not find project: nope."),
        ("user", {"name": "x", "email": []}, 400, "'email': [] is not of type 'string'"),
    ],
)
def test_what_can_not_be_made_is_named_and_changes_nothing(keystone, kind, values, status, message):
    token = keystone.token()
    revision = keystone.store.revision
    reply = keystone("POST", f"/v3/{kind}s", {kind: values}, token)
    assert reply.error[0] == status
    assert message in reply.error[2]
    assert keystone.store.revision == revision


def test_without_the_database_tokens_are_given_and_nothing_is_changed(keystone, monkeypatch):
    token = keystone.token()

    def lost(*_, **__):
        raise Unavailable("gone")

    monkeypatch.setattr(keystone.store, "catch_up", lost)
    monkeypatch.setattr(keystone.store, "execute", lost)
    assert keystone.sign_in().status == 201
    reply = keystone("POST", "/v3/projects", {"project": {"name": "x"}}, token)
    assert reply.error[0] == 503
    assert reply.headers["Retry-After"] == "5"


def test_passwords_are_kept_by_a_slow_hash_and_unknown_users_cost_as_much(keystone, monkeypatch):
    user, _ = keystone.member()
    kept = keystone.store.net.get(User, user["id"])
    assert kept.password_hash.startswith("$argon2id$")
    assert SECRET not in kept.password_hash and "argon2" not in repr(kept)
    verified = []
    monkeypatch.setattr(
        keystone.passwords, "_verify", lambda hash, password: verified.append(hash) or False, raising=True
    )
    for name in ("ann", "nobody"):
        assert keystone.sign_in(name, "wrong", "ann").status == 401
    assert len(verified) == 2 and all(hash.startswith("$argon2id$") for hash in verified)


def test_a_long_password_counts_to_its_end(keystone):
    keystone.make("user", name="long", password="x" * 4096)
    assert keystone.sign_in("long", "x" * 4096, None).status == 201
    for wrong in ("x" * 4095, "x" * 4097, "x" * 72):
        assert keystone.sign_in("long", wrong, None).status == 401
