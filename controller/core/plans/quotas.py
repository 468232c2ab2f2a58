"""Quotas: how many rows of a resource a project may have.

A limit is decided within the plan that makes rows, so no number of API processes overshoots it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core.model import Quota
from controller.core.plan import Draft
from controller.core.plans import refusals
from controller.core.resource import PROJECT_ID, Resource
from controller.core.settings import Settings

UNLIMITED = -1
LARGEST = 2**31 - 1
"""The largest limit (Neutron's column has 32 bits)."""
DEFAULT = "default"
"""The name in Settings.quotas of the limit of resources that have none of their own."""


def counted(resources: Iterable[Resource]) -> dict[str, Resource]:
    """The resources of which a project may have so many, by name."""
    return {resource.name: resource for resource in resources if resource.quota is not None}


def default(settings: Settings, resource: Resource) -> int:
    """The limit of a project that has none of its own: the operator's, else the resource's; -1 is none."""
    given = dict(settings.quotas)
    if resource.name in given:
        return given[resource.name]
    own = UNLIMITED if resource.quota is None else resource.quota
    return given.get(DEFAULT, UNLIMITED) if own == UNLIMITED else own


def limit(net: Any, settings: Settings, resource: Resource, project_id: str) -> int:
    """The project's own limit, else the default.  `net` is a Net or a Draft."""
    own = net.get(Quota, (project_id, resource.name))
    return own.limit if own is not None else default(settings, resource)


def used(net: Any, resource: Resource, project_id: str) -> int:
    """How many rows of the resource a project has."""
    return net.count_of(resource.row_type, PROJECT_ID, project_id)  # type: ignore[no-any-return]


def require(draft: Draft, resource: Resource, project_id: str) -> None:
    """Refuse when the project has more than it may.  What belongs to no project is not counted."""
    most = limit(draft, draft.settings, resource, project_id) if project_id else UNLIMITED
    if most >= 0 and used(draft, resource, project_id) > most:
        raise refusals.over_quota([resource.name])


def change(
    draft: Draft, resources: dict[str, Resource], project_id: str, limits: dict[str, int], force: bool = False
) -> None:
    """Give a project limits of its own, by resource.  Refuses one below what it has already, unless forced."""
    for name, most in limits.items():
        has = used(draft, resources[name], project_id)
        if most != UNLIMITED and has > most and not force:
            raise refusals.quota_below_use(name, most, has)
        draft.put(Quota(project_id, name, most))


def forget(draft: Draft, project_id: str) -> None:
    """Take a project's own limits away.  Refuses with TenantQuotaNotFound when it has none."""
    own = draft.find(Quota, "project_id", project_id)
    if not own:
        raise refusals.no_quota(project_id)
    for row in own:
        draft.remove(row)
