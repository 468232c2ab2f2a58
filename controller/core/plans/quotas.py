"""Quotas: how many rows of a resource a project may have."""

from __future__ import annotations

from controller.core.model import Quota
from controller.core.plan import Draft
from controller.core.plans import refusals
from controller.core.resource import PROJECT_ID, Resource

UNLIMITED = -1


def limit(draft: Draft, resource: Resource, project_id: str) -> int:
    """The project's own limit, else the operator's, else the resource's; -1 is none."""
    own = draft.get(Quota, (project_id, resource.name))
    if own is not None:
        return own.limit
    return dict(draft.settings.quotas).get(resource.name, resource.quota if resource.quota is not None else UNLIMITED)


def require(draft: Draft, resource: Resource, project_id: str) -> None:
    """Refuse when the project has more than it may.  What belongs to no project is not counted."""
    most = limit(draft, resource, project_id) if project_id else UNLIMITED
    if most >= 0 and draft.count_of(resource.row_type, PROJECT_ID, project_id) > most:
        raise refusals.over_quota([resource.name])
