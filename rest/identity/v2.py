"""Keystone v2.0, as much as oVirt's engine asks: tokens, and the projects (tenants) of their users."""

from __future__ import annotations

from typing import Any

from controller.core.accounts import Project, User, projects_of, roles_of
from rest.identity import documents, errors
from rest.identity.asking import Ask, Reply, child, text
from rest.identity.signing_in import by_token, named, scoped, signed_in
from rest.identity.tokens import Token


def version(ask: Ask) -> Reply:
    return Reply(200, {"version": documents.version_2(ask.root)})


def issue(ask: Ask) -> Reply:
    """POST /v2.0/tokens, by password or with another token.  Who names no tenant gets a token for the user's default
    project, or for the only one."""
    asked = ask.body("auth")
    if "token" in asked:
        method, (user, after) = "token", by_token(ask, text(child(asked, "token"), "id"))
    else:
        given = child(asked, "passwordCredentials")
        user = signed_in(ask, named(ask, User, text(given, "username")), text(given, "password"))
        method, after = "password", None
    signed, token = ask.service.tokens.issue(user.id, _tenant(ask, user, asked), method, after)
    return Reply(200, {"access": _document(ask, signed, token, user)}, {"Vary": "X-Auth-Token"})


def _tenant(ask: Ask, user: User, asked: dict[str, Any]) -> str:
    if asked.get("tenantId"):
        return scoped(ask, user, ask.net.get(Project, text(asked, "tenantId")))
    if asked.get("tenantName"):
        return scoped(ask, user, named(ask, Project, text(asked, "tenantName")))
    mine = [project.id for project in projects_of(ask.net, user.id)]
    if user.default_project_id in mine:
        return user.default_project_id
    return mine[0] if len(mine) == 1 else ""


def _document(ask: Ask, signed: str, token: Token, user: User) -> dict[str, Any]:
    roles = documents.roles_in_order(roles_of(ask.net, user.id, token.project_id))
    shown: dict[str, Any] = {
        "id": signed,
        "issued_at": documents.timestamp(token.issued),
        "expires": documents.timestamp(token.expires),
        "audit_ids": list(token.audit_ids),
    }
    project = ask.net.get(Project, token.project_id)
    if project is not None:
        shown["tenant"] = _tenant_document(project)
    return {
        "token": shown,
        "user": {
            "id": user.id,
            "name": user.name,
            "username": user.name,
            "roles": [{"name": role["name"]} for role in roles],
            "roles_links": [],
        },
        "serviceCatalog": ask.service.endpoints.catalog_v2(ask.request) if project is not None else [],
        "metadata": {"is_admin": 0, "roles": [role["id"] for role in roles]},
    }


def _tenant_document(project: Project) -> dict[str, Any]:
    return {"id": project.id, "name": project.name, "description": project.description, "enabled": project.enabled}


def list_tenants(ask: Ask) -> Reply:
    """GET /v2.0/tenants."""
    found = [_tenant_document(project) for project in projects_of(ask.net, ask.token.user_id)]
    return Reply(200, {"tenants": found, "tenants_links": []})


def show_token(ask: Ask, token: str) -> Reply:
    """GET /v2.0/tokens/TOKEN: an own one."""
    if ask.request.headers.get("X-Auth-Token") != token:
        raise errors.forbidden("validate_token")
    user = ask.net.get(User, ask.token.user_id)
    if user is None:
        raise errors.unauthorized()
    return Reply(200, {"access": _document(ask, token, ask.token, user)})
