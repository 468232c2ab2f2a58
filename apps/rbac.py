"""RBAC policies: a project gives one of its objects (a network, say) to another project, or to everyone.

Which resources can be given away is told by their declarations (`resource.Sharing`); what a policy means for those who
look is the core's (`plans.sharing`).  Who may write policies for everyone is a matter of policy (`restrict_wildcard`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controller.core.app import App
from controller.core.model import Network, RbacPolicy
from controller.core.plan import Draft, Refusal
from controller.core.plans import sharing
from controller.core.plans.refusals import invalid_input, not_found, policy_in_use, sharing_in_use
from controller.core.plans.revision import existing
from controller.core.resource import Resource

app = App("rbac")

app.extension(
    "rbac-policies",
    "RBAC Policies",
    "A project shares one of its objects with another project, or with everyone.",
    "2015-06-17T12:15:12-00:00",
)


def create(draft: Draft, values: dict[str, Any]) -> RbacPolicy:
    """Make a policy.  Refuses a type or an action that there is not, an object that is not there or not the caller's,
    and a policy that is there already."""
    policy = RbacPolicy(**{**values, "id": draft.new_id(), "object_type": values["object_type"].strip().lower()})
    _require_own(draft, _resource(draft, policy), policy.object_id)
    _require_new(draft, policy)
    return draft.put(policy)


def change(draft: Draft, key: str, values: dict[str, Any], revision: int | None = None) -> RbacPolicy:
    """Give a policy another target.  Refuses to take the object from a project that uses it."""
    old = existing(draft, RbacPolicy, key, revision)
    new = replace(old, **values)
    if new == old:
        return new
    _require_own(draft, _resource(draft, old), old.object_id)
    _require_new(draft, new)
    _require_unused(draft, old, new)
    return draft.put(new)


def delete(draft: Draft, key: str, revision: int | None = None) -> None:
    """Remove a policy.  Refuses to take the object from a project that uses it."""
    policy = existing(draft, RbacPolicy, key, revision)
    _require_unused(draft, policy, None)
    draft.remove(policy)


app.resource("rbac_policy", "rbac-policies", RbacPolicy, create, change, delete, quota=10)


def _resource(draft: Draft, policy: RbacPolicy) -> Resource:
    """The resource that a policy is about."""
    assert draft.resources is not None
    resource = draft.resources.shareable().get(policy.object_type)
    if resource is None or resource.sharing is None:
        raise invalid_input(f"'{policy.object_type}' is not a valid RBAC object type")
    valid = resource.sharing.actions
    if policy.action not in valid:
        what = f"Invalid action '{policy.action}' for object type '{policy.object_type}'"
        raise invalid_input(f"{what}. Valid actions: {', '.join(valid)}")
    return resource


def _require_own(draft: Draft, resource: Resource, key: str) -> None:
    """Others than administrators are told the same of what is not there and of what is not theirs."""
    row = draft.get(resource.row_type, key)
    caller = draft.caller
    if not caller.is_admin and (row is None or row.project_id != caller.project_id):
        raise invalid_input("Only admins can manipulate policies on objects they do not own")
    if row is None:
        raise not_found(resource.row_type, key)


def _require_new(draft: Draft, policy: RbacPolicy) -> None:
    same = (
        one
        for one in sharing.policies(draft, policy.object_id, policy.action)
        if one.target_tenant == policy.target_tenant and one.id != policy.id
    )
    if any(same):
        raise Refusal("DuplicateRbacPolicy", "An RBAC policy already exists with those values.", 409)


def _require_unused(draft: Draft, old: RbacPolicy, new: RbacPolicy | None) -> None:
    """Refuse when a project would lose an object that it uses, or a network that has gateways cease to be external."""
    resource = draft.resources.shareable().get(old.object_type) if draft.resources else None
    row = draft.get(resource.row_type, old.object_id) if resource else None
    if row is None:
        return  # its app is gone: nobody can use it
    if old.action == sharing.EXTERNAL:
        if new is None and len(sharing.policies(draft, row.id, sharing.EXTERNAL)) == 1:
            sharing.require_no_gateways(draft, row.id)
    elif sharing.taken_from(draft, row, old, new):
        network = isinstance(row, Network)
        raise policy_in_use(row.id, sharing_in_use(row.id).message if network else f"project_id={old.target_tenant}")
