"""Plans for projects, users, their roles, and the keys and revocations of tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from controller.core.accounts import IMPLIED, Project, Revocation, RoleAssignment, TokenKey, User
from controller.core.plan import Draft, Refusal

ADMIN = "admin"
"""Name of the first project and of its first user."""
SERVICE = "service"
"""Name of the project for users like Nova's."""
LONGEST_NAME = {"user": 255, "project": 64}
"""Characters; Keystone's limits."""


class Bootstrapped(NamedTuple):
    """What the first start made."""

    admin_made: bool


def bootstrap(draft: Draft, password_hash: str, secret: str, now: int) -> Bootstrapped | None:
    """Make the first key, the projects admin and service, and the user admin.  None: it was done before.

    `secret` is a Fernet key, `now` is in seconds since 1970.
    """
    if draft.all(TokenKey):
        return None
    draft.put(TokenKey(1, secret, now))
    project = project_named(draft, ADMIN) or create_project(draft, {"name": ADMIN, "description": "Administrators"})
    if project_named(draft, SERVICE) is None:
        create_project(draft, {"name": SERVICE, "description": "Users of services"})
    if user_named(draft, ADMIN) is not None:
        return Bootstrapped(False)
    values = {"name": ADMIN, "password_hash": password_hash, "default_project_id": project.id}
    user = create_user(draft, values)
    grant(draft, user.id, project.id, ADMIN)
    return Bootstrapped(True)


def project_named(draft: Draft, name: str) -> Project | None:
    return next(iter(draft.find(Project, "name", name)), None)


def user_named(draft: Draft, name: str) -> User | None:
    return next(iter(draft.find(User, "name", name)), None)


def not_found(kind: str, name: str) -> Refusal:
    return Refusal("NotFound", f"Could not find {kind}: {name}.", 404)


def _existing(draft: Draft, kind: str, row_type: type, key: str) -> Any:
    found = draft.get(row_type, key)
    if found is None:
        raise not_found(kind, key)
    return found


def _check_name(draft: Draft, kind: str, row_type: type[Any], name: str, key: str = "") -> None:
    if not name.strip():
        raise Refusal("ValidationError", f"Invalid input for field 'name': the name of a {kind} can't be empty.", 400)
    if len(name) > LONGEST_NAME[kind]:
        rule = f"it has more than {LONGEST_NAME[kind]} characters"
        raise Refusal("ValidationError", f"Invalid input for field 'name': {rule}.", 400)
    if any(row.id != key for row in draft.find(row_type, "name", name)):
        raise Refusal("Conflict", f"Conflict: there is a {kind} with the name {name} already.", 409)


def _new_id(draft: Draft) -> str:
    """Keystone's ids are UUIDs without dashes."""
    return draft.new_id().replace("-", "")


def create_project(draft: Draft, values: dict[str, Any]) -> Project:
    """`values`: fields of Project.  Refuses a name that is taken or no name."""
    _check_name(draft, "project", Project, values["name"])
    return draft.put(Project(_new_id(draft), **values))


def change_project(draft: Draft, key: str, values: dict[str, Any]) -> Project:
    project = _existing(draft, "project", Project, key)
    if "name" in values:
        _check_name(draft, "project", Project, values["name"], key)
    return draft.put(replace(project, **values))  # type: ignore[no-any-return]


def delete_project(draft: Draft, key: str) -> None:
    """Remove a project and the roles in it.  Its networks stay, as with Keystone: the operator decides about them."""
    project = _existing(draft, "project", Project, key)
    for assignment in draft.find(RoleAssignment, "project_id", key):
        draft.remove(assignment)
    for user in draft.find(User, "default_project_id", key):
        draft.put(replace(user, default_project_id=""))
    draft.remove(project)


def create_user(draft: Draft, values: dict[str, Any]) -> User:
    """`values`: fields of User.  Refuses a name that is taken or no name, and a default project that is not there."""
    _check_name(draft, "user", User, values["name"])
    _check_default_project(draft, values)
    return draft.put(User(_new_id(draft), **values))


def change_user(draft: Draft, key: str, values: dict[str, Any]) -> User:
    user = _existing(draft, "user", User, key)
    if "name" in values:
        _check_name(draft, "user", User, values["name"], key)
    _check_default_project(draft, values)
    return draft.put(replace(user, **values))  # type: ignore[no-any-return]


def _check_default_project(draft: Draft, values: dict[str, Any]) -> None:
    project_id = values.get("default_project_id")
    if project_id:
        _existing(draft, "project", Project, project_id)


def delete_user(draft: Draft, key: str) -> None:
    """Remove a user and the user's roles."""
    user = _existing(draft, "user", User, key)
    for assignment in draft.find(RoleAssignment, "user_id", key):
        draft.remove(assignment)
    draft.remove(user)


def grant(draft: Draft, user_id: str, project_id: str, role: str) -> None:
    """Give a role; no harm when it was given before.  Refuses what is not there."""
    _check_grant(draft, user_id, project_id, role)
    draft.put(RoleAssignment(user_id, project_id, role))


def revoke(draft: Draft, user_id: str, project_id: str, role: str) -> None:
    """Take a role back.  Refuses what is not there, and a role that was not given."""
    _check_grant(draft, user_id, project_id, role)
    assignment = draft.get(RoleAssignment, (user_id, project_id, role))
    if assignment is None:
        raise not_found("role assignment with role", f"{role}, user {user_id}, project {project_id}")
    draft.remove(assignment)


def _check_grant(draft: Draft, user_id: str, project_id: str, role: str) -> None:
    _existing(draft, "user", User, user_id)
    _existing(draft, "project", Project, project_id)
    if role not in IMPLIED:
        raise not_found("role", role)


def revoke_token(draft: Draft, audit_id: str, expires: int, now: int) -> None:
    """Let a token count no longer, and forget revocations of tokens that have expired since (seconds since 1970)."""
    for revocation in draft.all(Revocation):
        if revocation.expires <= now:
            draft.remove(revocation)
    draft.put(Revocation(audit_id, expires))


def rotate_key(draft: Draft, secret: str, now: int, token_seconds: int) -> TokenKey:
    """A new key signs from now on; keys that no valid token can be from are removed.

    A key's last token was signed when its successor was made, and lives `token_seconds` from then.  Refuses before the
    first start, which makes the first key and the user admin.
    """
    keys = sorted(draft.all(TokenKey), key=lambda key: key.number)
    if not keys:
        raise Refusal("NotFound", "There is no key yet: the controller makes the first one when it starts.", 404)
    for key, successor in zip(keys, keys[1:], strict=False):
        if successor.created + token_seconds < now:
            draft.remove(key)
    return draft.put(TokenKey(keys[-1].number + 1, secret, now))
