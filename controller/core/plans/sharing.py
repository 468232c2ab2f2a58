"""Who may see and use what: a project its own rows, and those that an RBAC policy shares with it."""

from __future__ import annotations

from typing import Any

from controller.core.model import RbacPolicy
from controller.core.plan import Draft
from controller.core.plans import refusals
from controller.core.plans.revision import existing

SHARED, EXTERNAL = "access_as_shared", "access_as_external"
EVERYONE = "*"


def shared(net: Any, key: str, project_id: str, action: str = SHARED) -> bool:
    """Whether a policy shares the row of that key with a project, or with everyone."""
    policies = net.find(RbacPolicy, "object_id", key) if net.count_of(RbacPolicy, "object_id", key) else ()
    return any(policy.action == action and policy.target_tenant in (project_id, EVERYONE) for policy in policies)


def visible(net: Any, row: Any, project_id: str) -> bool:
    """Whether callers of a project may see and use a row: it is theirs, or shared with them (external: just used)."""
    if getattr(row, "project_id", project_id) == project_id:
        return True
    return shared(net, row.id, project_id) or shared(net, row.id, project_id, EXTERNAL)


def require_visible(draft: Draft, row_type: type, key: str) -> Any:
    """The row.  Refuses with 404 when it is not there or the caller may not know of it."""
    row = existing(draft, row_type, key)
    if not draft.caller.is_admin and not visible(draft, row, draft.caller.project_id):
        raise refusals.not_found(row_type, key)
    return row
