"""Who may see and use what: a project its own rows, and those that an RBAC policy shares with it.

What can be shared is declared by its resource (`resource.Sharing`).  A policy for everyone (`*`) is what clients see
and write as `shared`; one of the action `access_as_external` makes a network external (`router:external`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core.model import Network, Port, RbacPolicy
from controller.core.plan import Draft
from controller.core.plans import refusals
from controller.core.plans.owners import GATEWAY_OWNER
from controller.core.plans.revision import existing

SHARED, EXTERNAL = "access_as_shared", "access_as_external"
EVERYONE = "*"

# ---------------------------------------------------------------------------------------------------------------------
# Asking


def policies(net: Any, key: str, action: str) -> list[RbacPolicy]:
    """The policies of an action on an object.  `net` is a Net or a Draft."""
    return [policy for policy in net.find(RbacPolicy, "object_id", key) if policy.action == action]


def shared(net: Any, key: str, project_id: str, action: str = SHARED) -> bool:
    """Whether a policy shares the row of that key with a project, or with everyone."""
    return any(policy.target_tenant in (project_id, EVERYONE) for policy in policies(net, key, action))


def external(net: Any, key: str) -> bool:
    """Whether a network is external: for routers' gateways, of some projects at least."""
    return bool(policies(net, key, EXTERNAL))


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


# ---------------------------------------------------------------------------------------------------------------------
# Writing


def share(draft: Draft, row: Any, everyone: bool) -> bool:
    """Share a row with everyone, or no longer, as `shared` says.  Whether that changed anything.

    Refuses to take it from projects that use it (networks: InvalidSharedSetting, others: RbacPolicyInUse).
    """
    held = [policy for policy in policies(draft, row.id, SHARED) if policy.target_tenant == EVERYONE]
    if bool(held) == everyone:
        return False
    if everyone:
        put(draft, row, SHARED)
        return True
    lost = taken_from(draft, row, held[0], None)
    if lost and isinstance(row, Network):
        raise refusals.sharing_in_use(row.name)
    if lost:
        raise refusals.policy_in_use(row.id, f"project_id={EVERYONE}")
    draft.remove(held[0])
    return True


def open_to_routers(draft: Draft, network: Network, everyone: bool) -> bool:
    """Make a network external, for everyone's routers, or no longer, as `router:external` says."""
    held = policies(draft, network.id, EXTERNAL)
    if bool(held) == everyone:
        return False
    if everyone:
        put(draft, network, EXTERNAL)
        return True
    require_no_gateways(draft, network.id)
    for policy in held:
        draft.remove(policy)
    return True


def require_no_gateways(draft: Draft, network_id: str) -> None:
    """Refuse while routers have their gateways on a network."""
    if any(port.device_owner == GATEWAY_OWNER for port in draft.find(Port, "network_id", network_id)):
        raise refusals.external_network_in_use(network_id)


def put(draft: Draft, row: Any, action: str) -> RbacPolicy:
    """The policy that gives everyone an action on a row."""
    object_type = _resource(draft, row).name
    return draft.put(RbacPolicy(draft.new_id(), row.project_id, object_type, row.id, action, EVERYONE))


def forget(draft: Draft, key: str) -> None:
    """Take the policies on a row away that is no more."""
    for policy in draft.find(RbacPolicy, "object_id", key):
        draft.remove(policy)


def taken_from(draft: Draft, row: Any, old: RbacPolicy, new: RbacPolicy | None) -> set[str]:
    """The projects that use a row and could no longer, were a policy changed (to `new`) or removed (None)."""
    kept = {policy.target_tenant for policy in policies(draft, row.id, SHARED) if policy.id != old.id}
    if new is not None:
        kept.add(new.target_tenant)
    if EVERYONE in kept or old.target_tenant in kept:
        return set()
    using = {project_id for project_id in users(draft, row) if old.target_tenant in (project_id, EVERYONE)}
    return using - kept - {row.project_id, ""}


def users(draft: Draft, row: Any) -> Iterable[str]:
    """The projects that use a row: as its resource says, else those whose rows refer to it."""
    declared = _resource(draft, row).sharing
    if declared.users is not None:
        return declared.users(draft, row)  # type: ignore[no-any-return]
    assert draft.resources is not None
    found: set[str] = set()
    for reference in draft.resources.references_to(type(row)):
        referring = draft.find(reference.resource.row_type, reference.by, row.id)
        found.update(getattr(one, "project_id", "") for one in referring)  # a segment, say, is no project's
    return found


def _resource(draft: Draft, row: Any) -> Any:
    """The resource that shows a row.  Who runs a plan that shares has to say what resources there are."""
    assert draft.resources is not None, "this draft knows no resources"
    return draft.resources.of(type(row))
