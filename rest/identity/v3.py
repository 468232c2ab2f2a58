"""Keystone v3: domains, projects, users, roles and who has which.  Administrators do everything here; others see
themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from controller.core.accounts import DEFAULT_DOMAIN, IMPLIED, Project, RoleAssignment, User, projects_of, with_implied
from controller.core.plans import accounts as plans
from rest.identity import documents, errors
from rest.identity.asking import Ask, Reply, text

# -- versions and domains ---------------------------------------------------------------------------------------------


def version(ask: Ask) -> Reply:
    return Reply(200, {"version": documents.version(ask.base)})


def list_domains(ask: Ask) -> Reply:
    ask.require("list_domains", role="reader")
    name = ask.request.GET.get("name", "Default")
    found = [documents.domain(ask.base)] if name.lower() == DEFAULT_DOMAIN else []
    return Reply(200, documents.listed(ask.base, "domains", found))


def show_domain(ask: Ask, domain: str) -> Reply:
    ask.require("get_domain", role="reader")
    if domain != DEFAULT_DOMAIN:
        raise errors.not_found("domain", domain)
    return Reply(200, {"domain": documents.domain(ask.base)})


# -- projects ---------------------------------------------------------------------------------------------------------


def list_projects(ask: Ask) -> Reply:
    ask.require("list_projects")
    return Reply(200, documents.listed(ask.base, "projects", _listed(ask, Project, documents.project)))


def create_project(ask: Ask) -> Reply:
    ask.require("create_project")
    made = ask.write(plans.create_project, _given(ask.body("project"), _PROJECT, "name"))
    return Reply(201, {"project": documents.project(ask.base, made)})


def show_project(ask: Ask, project: str) -> Reply:
    ask.require("get_project", own=ask.token.project_id == project)
    return Reply(200, {"project": documents.project(ask.base, _row(ask, "project", Project, project))})


def change_project(ask: Ask, project: str) -> Reply:
    ask.require("update_project")
    changed = ask.write(plans.change_project, project, _given(ask.body("project"), _PROJECT))
    return Reply(200, {"project": documents.project(ask.base, changed)})


def delete_project(ask: Ask, project: str) -> Reply:
    ask.require("delete_project")
    ask.write(plans.delete_project, project)
    return Reply(204)


# -- users ------------------------------------------------------------------------------------------------------------


def list_users(ask: Ask) -> Reply:
    ask.require("list_users")
    return Reply(200, documents.listed(ask.base, "users", _listed(ask, User, documents.user)))


def create_user(ask: Ask) -> Reply:
    ask.require("create_user")
    made = ask.write(plans.create_user, _user_values(ask, "name"))
    return Reply(201, {"user": documents.user(ask.base, made)})


def show_user(ask: Ask, user: str) -> Reply:
    ask.require("get_user", own=ask.token.user_id == user)
    return Reply(200, {"user": documents.user(ask.base, _row(ask, "user", User, user))})


def change_user(ask: Ask, user: str) -> Reply:
    ask.require("update_user")
    _row(ask, "user", User, user)
    changed = ask.write(plans.change_user, user, _user_values(ask))
    return Reply(200, {"user": documents.user(ask.base, changed)})


def change_password(ask: Ask, user: str) -> Reply:
    """POST /v3/users/U/password: by the user, who knows the old one."""
    row = ask.net.get(User, user)
    given = ask.body("user")
    if not ask.is_password(row, text(given, "original_password")):
        raise errors.unauthorized()
    ask.write_as(user, plans.change_user, user, {"password_hash": ask.hashed(text(given, "password"))})
    return Reply(204)


def delete_user(ask: Ask, user: str) -> Reply:
    ask.require("delete_user")
    ask.write(plans.delete_user, user)
    return Reply(204)


def list_user_projects(ask: Ask, user: str) -> Reply:
    ask.require("list_user_projects", own=ask.token.user_id == user)
    _row(ask, "user", User, user)
    found = [documents.project(ask.base, row) for row in projects_of(ask.net, user)]
    return Reply(200, documents.listed(ask.base, "projects", found))


def list_user_groups(ask: Ask, user: str) -> Reply:
    """There are no groups."""
    ask.require("list_groups_for_user", own=ask.token.user_id == user)
    _row(ask, "user", User, user)
    return Reply(200, documents.listed(ask.base, "groups", []))


# -- roles ------------------------------------------------------------------------------------------------------------


def list_roles(ask: Ask) -> Reply:
    ask.require("list_roles")
    wanted = ask.filters("name").get("name")
    other_domain = "domain_id" in ask.request.GET  # roles belong to none
    found = [documents.role(ask.base, name) for name in IMPLIED if wanted in (None, name) and not other_domain]
    return Reply(200, documents.listed(ask.base, "roles", found))


def show_role(ask: Ask, role: str) -> Reply:
    ask.require("get_role")
    if role not in IMPLIED:
        raise errors.not_found("role", role)
    return Reply(200, {"role": documents.role(ask.base, role)})


def list_grants(ask: Ask, project: str, user: str) -> Reply:
    ask.require("list_grants")
    _row(ask, "project", Project, project)
    _row(ask, "user", User, user)
    given = ask.net.find(RoleAssignment, "user_id", user)
    found = [documents.role(ask.base, row.role) for row in given if row.project_id == project]
    return Reply(200, documents.listed(ask.base, "roles", found))


def check_grant(ask: Ask, project: str, user: str, role: str) -> Reply:
    ask.require("check_grant")
    if ask.net.get(RoleAssignment, (user, project, role)) is None:
        raise errors.not_found("role assignment with role", f"{role}, user {user}, project {project}")
    return Reply(204)


def grant(ask: Ask, project: str, user: str, role: str) -> Reply:
    ask.require("create_grant")
    ask.write(plans.grant, user, project, role)
    return Reply(204)


def revoke(ask: Ask, project: str, user: str, role: str) -> Reply:
    ask.require("revoke_grant")
    ask.write(plans.revoke, user, project, role)
    return Reply(204)


_OTHER_ASSIGNMENTS = frozenset({"group.id", "scope.system", "scope.domain.id", "scope.OS-INHERIT:inherited_to"})
"""Filters for assignments of kinds that there are none of."""


def list_assignments(ask: Ask) -> Reply:
    """GET /v3/role_assignments: filters `user.id`, `scope.project.id`, `role.id`; `effective` shows implied roles,
    `include_names` names."""
    query = ask.filters("user.id", "scope.project.id", "role.id")
    ask.require("list_role_assignments", own=query.get("user.id") == ask.token.user_id)
    if _OTHER_ASSIGNMENTS.intersection(ask.request.GET):
        return Reply(200, documents.listed(ask.base, "role_assignments", []))
    found = []
    for row in sorted(ask.net.all(RoleAssignment), key=lambda row: (row.project_id, row.user_id, row.role)):
        for role in with_implied([row.role]) if _is_on(ask, "effective") else {row.role}:
            about = {"user.id": row.user_id, "scope.project.id": row.project_id, "role.id": role}
            if query.items() <= about.items():
                found.append(_assignment(ask, row, role))
    return Reply(200, documents.listed(ask.base, "role_assignments", found))


def _assignment(ask: Ask, row: RoleAssignment, role: str) -> dict[str, Any]:
    user, project = ask.net.get(User, row.user_id), ask.net.get(Project, row.project_id)
    way = f"{ask.base}/projects/{row.project_id}/users/{row.user_id}/roles/{row.role}"
    links = {"links": {"assignment": way}}
    if user is None or project is None or not _is_on(ask, "include_names"):
        named: dict[str, Any] = {"role": {"id": role}, "user": {"id": row.user_id}}
        return named | {"scope": {"project": {"id": row.project_id}}} | links
    named = {"role": {"id": role, "name": role}, "user": documents.in_domain(user)}
    return named | {"scope": {"project": documents.in_domain(project)}} | links


def _is_on(ask: Ask, name: str) -> bool:
    """Whether a flag of the query is on: there, and not 0 or false."""
    return ask.request.GET.get(name, "0").lower() not in ("0", "false")


# -- what they share --------------------------------------------------------------------------------------------------

_PROJECT: Mapping[str, type] = {"name": str, "description": str, "enabled": bool}
_USER: Mapping[str, type] = {"name": str, "enabled": bool, "email": str, "description": str, "default_project_id": str}


def _given(values: dict[str, Any], known: Mapping[str, type], *required: str) -> dict[str, Any]:
    """The values for the fields of a row.  Unknown attributes are taken as Keystone takes them, and not kept."""
    if values.get("domain_id") not in (None, DEFAULT_DOMAIN):
        raise errors.not_found("domain", str(values["domain_id"]))
    found: dict[str, Any] = {name: text(values, name) for name in required}
    for name, kind in known.items():
        value = values.get(name)
        if name not in values or (value is None and name not in ("name", "enabled")):
            continue
        if kind is bool and not isinstance(value, bool):
            raise errors.invalid(name, f"{value!r} is not of type 'boolean'")
        found[name] = value if kind is bool else text(values, name)
    return found


def _user_values(ask: Ask, *required: str) -> dict[str, Any]:
    body = ask.body("user")
    values = _given(body, _USER, *required)
    if body.get("password") is not None:
        values["password_hash"] = ask.hashed(text(body, "password"))
    return values


def _row(ask: Ask, kind: str, row_type: type, key: str) -> Any:
    found = ask.net.get(row_type, key)
    if found is None:
        raise errors.not_found(kind, key)
    return found


def _listed(ask: Ask, row_type: type[Any], show: Callable[[str, Any], dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that the query wants, by name."""
    if ask.no_domain_but_ours:
        return []
    query = ask.filters("id", "name")
    enabled = ask.request.GET.get("enabled")
    rows = ask.net.find(row_type, "name", query["name"]) if "name" in query else ask.net.all(row_type)
    found = [row for row in rows if query.get("id", row.id) == row.id]
    if enabled is not None:
        found = [row for row in found if row.enabled is (enabled.lower() not in ("0", "false"))]
    return [show(ask.base, row) for row in sorted(found, key=lambda row: row.name)]
