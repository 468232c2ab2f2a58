"""Accounts: the rows of the built-in identity, and what they say of who may act as what (Keystone's words).

There is one domain.  Roles are fixed; which of them a user has in which project is a RoleAssignment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from controller.core.net import Net
from controller.core.row import index, row

DEFAULT_DOMAIN = "default"
"""Id of the one domain; its name is Default."""

IMPLIED: dict[str, tuple[str, ...]] = {
    "admin": ("manager", "member", "reader"),
    "manager": ("member", "reader"),
    "member": ("reader",),
    "reader": (),
    "service": (),
}
"""Every role, and the roles that whoever has it has as well (admin > manager > member > reader).  A role's id is its
name."""


@row(key="id", indexes=[index("name")], store=True, private=True)
class Project:
    """A project (once called tenant): what networks belong to."""

    id: str
    name: str
    description: str = ""
    enabled: bool = True


@row(key="id", indexes=[index("name"), index("default_project_id")], store=True, private=True)
class User:
    """A user.  `password_hash` says itself how it was made; "": no password fits.  `default_project_id`: the project of
    a token whose scope is not said, "" for none."""

    id: str
    name: str
    password_hash: str = field(default="", repr=False)
    default_project_id: str = ""
    enabled: bool = True
    email: str = ""
    description: str = ""


@row(key=("user_id", "project_id", "role"), indexes=[index("user_id"), index("project_id")], store=True, private=True)
class RoleAssignment:
    """A role that a user was given in a project."""

    user_id: str
    project_id: str
    role: str


@row(key="number", store=True, private=True)
class TokenKey:
    """A key of tokens (Fernet).  The one with the highest number signs; the others still verify.  `created` is in
    seconds since 1970."""

    number: int
    secret: str = field(repr=False)
    created: int = 0


@row(key="audit_id", store=True, private=True)
class Revocation:
    """A token that counts no longer.  `expires` (seconds since 1970): when it would have ended anyway."""

    audit_id: str
    expires: int


KINDS: tuple[type, ...] = (Project, User, RoleAssignment, TokenKey, Revocation)


def with_implied(roles: Iterable[str]) -> frozenset[str]:
    """The roles and those they imply."""
    return frozenset(name for role in roles for name in (role, *IMPLIED.get(role, ())))


def roles_of(net: Net, user_id: str, project_id: str) -> frozenset[str]:
    """The roles that a user has in a project, implied ones included; none when either is gone or disabled."""
    user, project = net.get(User, user_id), net.get(Project, project_id)
    if user is None or project is None or not (user.enabled and project.enabled):
        return frozenset()
    given = net.find(RoleAssignment, "user_id", user_id)
    return with_implied(assignment.role for assignment in given if assignment.project_id == project_id)


def projects_of(net: Net, user_id: str) -> list[Project]:
    """The enabled projects in which a user has a role, by name."""
    ids = {assignment.project_id for assignment in net.find(RoleAssignment, "user_id", user_id)}
    found = (net.get(Project, project_id) for project_id in ids)
    return sorted((project for project in found if project is not None and project.enabled), key=lambda p: p.name)
