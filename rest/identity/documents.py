"""Rows as Keystone v3 shows them.  A password's hash is in none of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from controller.core.accounts import DEFAULT_DOMAIN, IMPLIED, Project, User

DOMAIN = {"id": DEFAULT_DOMAIN, "name": "Default"}
"""The one domain, as it is named inside other documents."""


def timestamp(seconds: int) -> str:
    """Seconds since 1970 as Keystone writes a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def domain(base: str) -> dict[str, Any]:
    about = {"description": "The default domain", "enabled": True, "tags": [], "options": {}}
    return DOMAIN | about | _links(base, "domains", DEFAULT_DOMAIN)


def project(base: str, row: Project) -> dict[str, Any]:
    """`base` is the URL of v3."""
    about = {"id": row.id, "name": row.name, "description": row.description, "enabled": row.enabled}
    place = {"domain_id": DEFAULT_DOMAIN, "parent_id": DEFAULT_DOMAIN, "is_domain": False, "tags": [], "options": {}}
    return about | place | _links(base, "projects", row.id)


def user(base: str, row: User) -> dict[str, Any]:
    about: dict[str, Any] = {"id": row.id, "name": row.name, "enabled": row.enabled, "domain_id": DEFAULT_DOMAIN}
    extra = {"email": row.email, "description": row.description, "default_project_id": row.default_project_id}
    about |= {name: value for name, value in extra.items() if value}
    return about | {"password_expires_at": None, "options": {}} | _links(base, "users", row.id)


def role(base: str, name: str) -> dict[str, Any]:
    about: dict[str, Any] = {"id": name, "name": name, "domain_id": None, "description": None, "options": {}}
    return about | _links(base, "roles", name)


def listed(base: str, collection: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {collection: found, "links": {"self": f"{base}/{collection}", "previous": None, "next": None}}


def roles_in_order(names: frozenset[str]) -> list[dict[str, str]]:
    """Roles of a token, the mightiest first."""
    return [{"id": name, "name": name} for name in IMPLIED if name in names]


def in_domain(row: Project | User) -> dict[str, Any]:
    """A project or a user as a token names it."""
    return {"id": row.id, "name": row.name, "domain": DOMAIN}


def version(base: str) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{base}/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def version_2(root: str) -> dict[str, Any]:
    """The old version, of which there is enough for oVirt."""
    return {
        "id": "v2.0",
        "status": "deprecated",
        "updated": "2014-04-17T00:00:00Z",
        "links": [{"rel": "self", "href": f"{root}/v2.0/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v2.0+json"}],
    }


def _links(base: str, collection: str, key: str) -> dict[str, Any]:
    return {"links": {"self": f"{base}/{collection}/{key}"}}
