"""The ports that are in security groups."""

from __future__ import annotations

from typing import Any

from apps.port_security import PortSecurity
from apps.security_groups import refusals
from apps.security_groups.groups import default_group
from apps.security_groups.rows import Membership, SecurityGroup, app
from apps.security_groups.superseded import supersede
from controller.core.model import Port
from controller.core.plan import Draft
from controller.core.plans import sharing
from controller.core.plans.owners import TRUSTED
from controller.core.resource import put_side

app.extension(
    "port-security-groups-filtering",
    "Port filtering on security groups",
    "Ports are found by the groups that they are in.",
    "2018-01-09T09:00:00-00:00",
)


OVIRT = "oVirt"
"""`device_owner` of the ports that oVirt's engine makes."""


@app.prepare(Port)
def spell(draft: Draft, old: Port | None, values: dict[str, Any]) -> None:
    """`null` for a new port leaves the groups to us, for another one it is none.  Groups are kept sorted."""
    if "security_groups" not in values:
        return
    if values["security_groups"] is None and old is None:
        del values["security_groups"]
    elif values["security_groups"] is None and old is not None and old.device_owner == OVIRT:
        values["security_groups"] = _of_ovirt(draft, old)
    else:
        values["security_groups"] = tuple(sorted(values["security_groups"] or ()))


def _of_ovirt(draft: Draft, port: Port) -> tuple[str, ...]:
    """What the engine means by `null` for a port that is there: the default, as for a new one.

    It says so when a profile names no groups (any more) and the port is in none; Neutron leaves that as it is.
    """
    return (default_group(draft, port.project_id).id,) if PortSecurity.enabled(draft, port.id) else ()


@app.rule(Port)
def settle(draft: Draft, old: Port | None, new: Port | None, values: dict[str, Any]) -> None:
    """A port joins its project's default group unless it says otherwise; one that is not protected is in none."""
    if new is None:
        return
    protected = PortSecurity.enabled(draft, new.id)
    if "security_groups" in values:
        _require_groups(draft, new, values["security_groups"])
    elif protected and (old is None or _is_freed(old, new)):
        group = default_group(draft, new.project_id)
        put_side(draft, Membership, new.id, {"security_groups": (group.id,)})
    if not protected and draft.get(Membership, new.id) is not None:
        raise refusals.port_not_protected() if values.get("security_groups") else refusals.port_has_groups()


@app.rule(Port)
def in_order(draft: Draft, old: Port | None, new: Port | None, values: dict[str, Any]) -> None:
    """What the port may no longer ends everywhere before anything that it may from now on begins."""
    if old is not None and new is not None:
        supersede(draft, new.id)


def _is_freed(old: Port, new: Port) -> bool:
    """Whether a port was the network's own and now is a guest's."""
    return old.device_owner.startswith(TRUSTED) and not new.device_owner.startswith(TRUSTED)


def _require_groups(draft: Draft, port: Port, group_ids: tuple[str, ...]) -> None:
    """The groups are the port's project's, or shared with it; and all keep state, or none does."""
    found = [group for key in group_ids if (group := draft.get(SecurityGroup, key)) and _may_use(draft, port, group)]
    if len(found) < len(group_ids):
        known = {group.id for group in found}
        raise refusals.groups_not_found([key for key in group_ids if key not in known])
    if len({group.stateful for group in found}) > 1:
        raise refusals.stateful_and_stateless()


def _may_use(draft: Draft, port: Port, group: SecurityGroup) -> bool:
    """A port of no project is an administrator's, who may use any."""
    return not port.project_id or sharing.visible(draft, group, port.project_id)
