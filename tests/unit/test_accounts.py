"""Accounts: plans, roles that imply others, and where their rows never go."""

from __future__ import annotations

import io

import pytest

from controller.core.accounts import (
    KINDS,
    Project,
    Revocation,
    RoleAssignment,
    TokenKey,
    User,
    projects_of,
    roles_of,
    with_implied,
)
from controller.core.events import Changed
from controller.core.net import Change
from controller.core.plan import Refusal
from controller.core.plans import accounts
from controller.core.record import read_steps, write_event
from controller.core.settings import Settings
from tests.world.store import Store

HASH = "$argon2id$secret"


@pytest.fixture
def store():
    return Store(Settings())


def run(store, plan, *arguments):
    return store.run(plan, *arguments)[0]


def names(store, row_type):
    return sorted(row.name for row in store.net.all(row_type))


def test_the_first_start_makes_admin_and_a_key_and_later_ones_nothing(store):
    assert run(store, accounts.bootstrap, HASH, "key", 5) == accounts.Bootstrapped(True)
    assert names(store, Project) == ["admin", "service"] and names(store, User) == ["admin"]
    (admin,) = store.net.all(User)
    (project,) = store.net.find(Project, "name", "admin")
    assert roles_of(store.net, admin.id, project.id) == {"admin", "manager", "member", "reader"}
    assert admin.default_project_id == project.id and admin.password_hash == HASH
    assert [(key.number, key.secret, key.created) for key in store.net.all(TokenKey)] == [(1, "key", 5)]
    revision = store.revision
    assert run(store, accounts.bootstrap, "other", "other", 6) is None
    assert store.revision == revision


def test_the_first_start_leaves_an_admin_alone_that_the_command_line_made(store):
    made = run(store, accounts.create_user, {"name": "admin", "password_hash": "own"})
    run(store, accounts.create_project, {"name": "admin"})
    assert run(store, accounts.bootstrap, HASH, "key", 5) == accounts.Bootstrapped(False)
    assert store.net.get(User, made.id) == made
    assert names(store, Project) == ["admin", "service"]


def test_ids_are_keystones(store):
    made = run(store, accounts.create_project, {"name": "p"})
    assert len(made.id) == 32 and made.id.isalnum()


def test_roles_imply_others():
    assert with_implied(["admin"]) == {"admin", "manager", "member", "reader"}
    assert with_implied(["member", "service"]) == {"member", "reader", "service"}
    assert with_implied([]) == frozenset()


def granted(store):
    user = run(store, accounts.create_user, {"name": "u"})
    project = run(store, accounts.create_project, {"name": "p"})
    run(store, accounts.grant, user.id, project.id, "member")
    return user, project


def test_roles_count_in_their_project_while_all_is_enabled(store):
    user, project = granted(store)
    other = run(store, accounts.create_project, {"name": "q"})
    assert roles_of(store.net, user.id, project.id) == {"member", "reader"}
    assert roles_of(store.net, user.id, other.id) == roles_of(store.net, "x", project.id) == frozenset()
    assert projects_of(store.net, user.id) == [project]
    for change, key in ((accounts.change_user, user.id), (accounts.change_project, project.id)):
        run(store, change, key, {"enabled": False})
        assert roles_of(store.net, user.id, project.id) == frozenset()
        run(store, change, key, {"enabled": True})
    assert roles_of(store.net, user.id, project.id)
    run(store, accounts.change_project, project.id, {"enabled": False})
    assert projects_of(store.net, user.id) == []


@pytest.mark.parametrize("what", ["user", "project"])
def test_roles_go_with_their_user_and_their_project(store, what):
    user, project = granted(store)
    run(store, accounts.change_user, user.id, {"default_project_id": project.id})
    if what == "user":
        run(store, accounts.delete_user, user.id)
    else:
        run(store, accounts.delete_project, project.id)
        assert store.net.get(User, user.id).default_project_id == ""
    assert store.net.count(RoleAssignment) == 0


@pytest.mark.parametrize(
    ("plan", "arguments", "status"),
    [
        (accounts.create_user, ({"name": "u"},), 409),
        (accounts.create_user, ({"name": ""},), 400),
        (accounts.create_user, ({"name": "v", "default_project_id": "x"},), 404),
        (accounts.change_user, ("x", {"name": "u"}), 404),
        (accounts.delete_user, ("x",), 404),
        (accounts.create_project, ({"name": "p"},), 409),
        (accounts.change_project, ("x", {}), 404),
        (accounts.delete_project, ("x",), 404),
        (accounts.grant, ("x", "y", "member"), 404),
        (accounts.rotate_key, ("secret", 0, 3600), 404),
    ],
)
def test_what_is_refused_changes_nothing(store, plan, arguments, status):
    granted(store)
    revision = store.revision
    with pytest.raises(Refusal) as raised:
        store.run(plan, *arguments)
    assert raised.value.status == status
    assert store.revision == revision


def test_a_role_that_was_not_given_is_not_taken(store):
    user, project = granted(store)
    for role in ("admin", "king"):
        with pytest.raises(Refusal, match=role):
            store.run(accounts.revoke, user.id, project.id, role)
    run(store, accounts.revoke, user.id, project.id, "member")
    assert store.net.count(RoleAssignment) == 0


def test_a_row_may_keep_its_own_name(store):
    user, project = granted(store)
    run(store, accounts.change_user, user.id, {"name": "u", "email": "e"})
    run(store, accounts.change_project, project.id, {"name": "p", "description": "d"})
    assert store.net.get(User, user.id).email == "e"


def test_a_revocation_forgets_those_that_have_expired(store):
    run(store, accounts.revoke_token, "a", 10, 0)
    run(store, accounts.revoke_token, "b", 20, 9)
    assert store.net.count(Revocation) == 2
    run(store, accounts.revoke_token, "c", 30, 10)
    assert sorted(row.audit_id for row in store.net.all(Revocation)) == ["b", "c"]


def test_accounts_are_in_no_recording(store):
    run(store, accounts.bootstrap, HASH, "the secret key", 5)
    file = io.StringIO()
    rows = [row for kind in KINDS for row in store.net.all(kind)]
    assert len(rows) == 5
    for row in rows:
        write_event(file, row)
    assert file.getvalue() == ""
    write_event(file, Changed(7, tuple(Change(None, row) for row in rows)))
    (step,) = read_steps(file.getvalue().splitlines())
    assert step == [Changed(7, ())]


def test_secrets_are_in_no_text_of_a_row(store):
    run(store, accounts.bootstrap, HASH, "the secret key", 5)
    told = repr([row for kind in (User, TokenKey) for row in store.net.all(kind)])
    assert "argon2" not in told and "secret" not in told
    with pytest.raises(ValueError, match="expects None") as raised:
        store.net.apply(Change(None, next(store.net.all(User))))
    assert "argon2" not in str(raised.value)
