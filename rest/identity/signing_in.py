"""Getting, showing and revoking tokens: `/v3/auth`, and what v2.0 shares with it.

Scopes are a project, or none at all; of system and domain scopes nobody has any.  Whatever is wrong with who asks is
answered with one and the same 401.
"""

from __future__ import annotations

from typing import Any

from controller.core.accounts import DEFAULT_DOMAIN, Project, User, projects_of, roles_of
from controller.core.plans import accounts as plans
from rest.identity import documents, errors
from rest.identity.asking import Ask, Reply, child, text
from rest.identity.tokens import InvalidToken, Token

VARY = {"Vary": "X-Auth-Token"}


def issue(ask: Ask) -> Reply:
    """POST /v3/auth/tokens: by password or with another token."""
    asked = ask.body("auth")
    identity = child(asked, "identity")
    methods = identity.get("methods")
    if methods == ["password"]:
        user, after = _by_password(ask, child(child(identity, "password"), "user")), None
    elif methods == ["token"]:
        user, after = by_token(ask, text(child(identity, "token"), "id"))
    else:
        raise errors.unauthorized()
    project_id = _scope(ask, user, asked.get("scope"), after)
    signed, token = ask.service.tokens.issue(user.id, project_id, methods[0], after)
    shown = document(ask, token, catalog="nocatalog" not in ask.request.GET)
    return Reply(201, shown, VARY | {"X-Subject-Token": signed})


def _by_password(ask: Ask, given: dict[str, Any]) -> User:
    if "id" in given:
        user = ask.net.get(User, text(given, "id"))
    else:
        name = text(given, "name")
        user = named(ask, User, name) if _is_our_domain(given.get("domain"), "user") else None
    return signed_in(ask, user, text(given, "password"))


def signed_in(ask: Ask, user: User | None, password: str) -> User:
    """The user whose password it is.  Raises IdentityError (401) after the same work for all reasons."""
    fits = ask.is_password(user, password)
    if user is None or not fits or not user.enabled:
        raise errors.unauthorized()
    return user


def by_token(ask: Ask, signed: str) -> tuple[User, Token]:
    """The user of a token that is still good, and the token.  Raises IdentityError (401)."""
    try:
        after = ask.service.tokens.read(signed)
    except InvalidToken:
        raise errors.unauthorized() from None
    user = ask.net.get(User, after.user_id)
    if user is None:
        raise errors.unauthorized()
    return user, after


def named(ask: Ask, row_type: Any, name: str) -> Any:
    """The project or user of a name, or None."""
    return next(iter(ask.net.find(row_type, "name", name)), None)


def _is_our_domain(given: Any, owner: str) -> bool:
    if not isinstance(given, dict) or not {"id", "name"} & given.keys():
        raise errors.bad_request(f"Expecting to find domain in {owner}, with its id or name.")
    if "id" in given:
        return bool(given["id"] == DEFAULT_DOMAIN)
    return str(given["name"]).lower() == DEFAULT_DOMAIN


def _scope(ask: Ask, user: User, scope: Any, after: Token | None) -> str:
    """The id of the project that a token is for, "" for none.  Raises IdentityError (401): none of the user's."""
    if scope is None:
        if after is not None:
            return ""
        # A default project that the user has no role in is no scope; Keystone gives an unscoped token then, too.
        return user.default_project_id if roles_of(ask.net, user.id, user.default_project_id) else ""
    if scope == "unscoped" or (isinstance(scope, dict) and "unscoped" in scope):
        return ""
    if not isinstance(scope, dict) or not isinstance(scope.get("project"), dict):
        raise errors.unauthorized()
    given = scope["project"]
    if "id" in given:
        project = ask.net.get(Project, text(given, "id"))
    else:
        name = text(given, "name")
        project = named(ask, Project, name) if _is_our_domain(given.get("domain"), "project") else None
    return scoped(ask, user, project)


def scoped(ask: Ask, user: User, project: Project | None) -> str:
    """The project's id when the user has a role there.  Raises IdentityError (401)."""
    if project is None or not roles_of(ask.net, user.id, project.id):
        raise errors.unauthorized()
    return project.id


def document(ask: Ask, token: Token, *, catalog: bool = True) -> dict[str, Any]:
    """A token as v3 shows it.  Raises IdentityError (401) when its user or project is gone."""
    user = ask.net.get(User, token.user_id)
    if user is None:
        raise errors.unauthorized()
    shown: dict[str, Any] = {
        "methods": list(token.methods),
        "user": documents.in_domain(user) | {"password_expires_at": None},
        "audit_ids": list(token.audit_ids),
        "issued_at": documents.timestamp(token.issued),
        "expires_at": documents.timestamp(token.expires),
    }
    if token.project_id:
        project, roles = ask.net.get(Project, token.project_id), roles_of(ask.net, token.user_id, token.project_id)
        if project is None or not roles:
            raise errors.unauthorized()
        shown |= {"project": documents.in_domain(project), "is_domain": False}
        shown["roles"] = documents.roles_in_order(roles)
        if catalog:
            shown["catalog"] = ask.service.endpoints.catalog(ask.request)
    return {"token": shown}


def _subject(ask: Ask, action: str, role: str) -> tuple[str, Token]:
    """The token in X-Subject-Token, which the caller may deal with: its own, or any with the role."""
    signed = ask.request.headers.get("X-Subject-Token", "")
    own = signed == ask.request.headers.get("X-Auth-Token")
    ask.require(action, role=role, own=own and bool(ask.token))
    try:
        return signed, ask.service.tokens.read(signed)
    except InvalidToken:
        raise errors.not_found("token", "it is not valid") from None


def show(ask: Ask) -> Reply:
    """GET and HEAD /v3/auth/tokens: is that token good, and whose is it?"""
    signed, token = _subject(ask, "validate_token", "service")
    try:
        shown = document(ask, token, catalog="nocatalog" not in ask.request.GET)
    except errors.IdentityError:
        raise errors.not_found("token", "it is not valid") from None
    return Reply(200, shown, VARY | {"X-Subject-Token": signed})


def revoke(ask: Ask) -> Reply:
    """DELETE /v3/auth/tokens."""
    _, token = _subject(ask, "revoke_token", "admin")
    ask.write(plans.revoke_token, token.audit_ids[0], token.expires, int(ask.service.clock()))
    return Reply(204)


def catalog(ask: Ask) -> Reply:
    """GET /v3/auth/catalog."""
    if not ask.token.project_id:
        raise errors.forbidden("get_auth_catalog")
    found = ask.service.endpoints.catalog(ask.request)
    return Reply(200, {"catalog": found, "links": {"self": f"{ask.base}/auth/catalog"}})


def own_projects(ask: Ask) -> Reply:
    """GET /v3/auth/projects: what the caller's tokens can be for."""
    found = [documents.project(ask.base, row) for row in projects_of(ask.net, ask.token.user_id)]
    return Reply(200, documents.listed(ask.base, "projects", found))


def own_domains(ask: Ask) -> Reply:
    """GET /v3/auth/domains: nobody has a role on the domain itself."""
    ask.require("get_auth_domains", own=True)
    return Reply(200, documents.listed(ask.base, "domains", []))
