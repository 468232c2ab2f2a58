"""Security groups: what clients see of them, the plans that make and remove them, and every project's default group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.address_groups import AddressGroup
from apps.security_groups import refusals, templates
from apps.security_groups.rows import (
    DEFAULT,
    DefaultSecurityGroupRule,
    Membership,
    SecurityGroup,
    SecurityGroupRule,
    app,
)
from apps.security_groups.rules import RULES, remove
from controller.core.caller import Caller
from controller.core.model import Network, Port
from controller.core.net import Net
from controller.core.plan import Draft, Plan
from controller.core.plans import crud, quotas
from controller.core.plans.revision import existing, update
from controller.core.resource import PROJECT_ID, Computed, Sharing, Source
from controller.core.row import Attribute

app.extension(
    "security-group", "security-group", "What may reach a port, and where it may send.", "2012-10-05T10:00:00-00:00"
)
app.extension(
    "stateful-security-group",
    "Stateful security group",
    "A group whose rules are for the answers, too, or are not.",
    "2019-11-26T09:00:00-00:00",
)
app.extension(
    "rbac-security-groups",
    "Add security_group type to network RBAC",
    "Groups are shared by RBAC policies.",
    "2019-02-14T00:00:00-00:00",
)
app.extension(
    "security-groups-shared-filtering",
    "Security group filtering on the shared field",
    "Groups are found by whether they are shared with the project.",
    "2021-10-05T09:00:00-00:00",
)


def default_group(draft: Draft, project_id: str) -> SecurityGroup:
    """The project's default group, made if it is not there.  It is not refused for a quota, though counted."""
    for group in draft.find(SecurityGroup, "default", project_id):
        return group
    values = {"project_id": project_id, "name": DEFAULT, "description": "Default security group"}
    group = crud.create(SecurityGroup, draft, {**values, "key": AddressGroup.new_key(draft)})
    for rule in templates.rules_of(draft, group, default=True):
        draft.put(rule)
    return group


def create(draft: Draft, values: dict[str, Any]) -> SecurityGroup:
    """Make a group with the rules that groups begin with."""
    default_group(draft, values["project_id"])
    group: SecurityGroup = crud.create(SecurityGroup, draft, {**values, "key": AddressGroup.new_key(draft)})
    for rule in templates.rules_of(draft, group, default=False):
        draft.put(rule)
    quotas.require(draft, RULES, group.project_id)
    return group


def change(draft: Draft, key: str, values: dict[str, Any], revision: int | None = None) -> SecurityGroup:
    """Update a group.  A default one keeps its name; whether it is stateful stays while ports are in it."""
    group = existing(draft, SecurityGroup, key, revision)
    if group.name == DEFAULT and "name" in values:
        raise refusals.default_keeps_its_name()
    if values.get("stateful", group.stateful) != group.stateful and draft.count_of(Membership, "security_groups", key):
        raise refusals.group_in_use(key)
    changed: SecurityGroup = update(draft, group, values)
    return changed


def delete(draft: Draft, key: str, revision: int | None = None) -> None:
    """Remove a group that no port is in, its rules, and the rules and templates that let its members in elsewhere."""
    group = existing(draft, SecurityGroup, key, revision)
    if draft.count_of(Membership, "security_groups", key):
        raise refusals.group_in_use(key)
    if group.name == DEFAULT and not draft.caller.is_admin:
        raise refusals.default_stays()
    for rule in draft.find(SecurityGroupRule, "security_group_id", key):
        draft.remove(rule)
    for rule in draft.find(SecurityGroupRule, "remote_group_id", key):
        remove(draft, rule)
    for template in draft.find(DefaultSecurityGroupRule, "remote_group_id", key):
        draft.remove(template)
    draft.remove(group)


def _rules(net: Net, group: SecurityGroup) -> list[dict[str, Any]]:
    return [RULES.value(net, rule) for rule in net.find(SecurityGroupRule, "security_group_id", group.id)]


def _users(draft: Draft, group: SecurityGroup) -> set[str]:
    """The projects whose ports are in a group, or whose rules name it."""
    members = (draft.get(Port, member.port_id) for member in draft.find(Membership, "security_groups", group.id))
    rules = draft.find(SecurityGroupRule, "remote_group_id", group.id)
    return {row.project_id for row in (*members, *rules) if row is not None}


app.resource(
    "security_group",
    "security-groups",
    SecurityGroup,
    create,
    change,
    delete,
    computed=(Computed("", Attribute("security_group_rules", post=False, put=False, filter=False), _rules),),
    sources=(Source(SecurityGroupRule, lambda net, rule: (rule.security_group_id,)),),
    sharing=Sharing(post=False, put=False, users=_users),
    quota=10,
)


@app.prepare(Network)
def with_the_first_network(draft: Draft, old: Network | None, values: dict[str, Any]) -> None:
    """A project that makes a network has a default group."""
    if old is None:
        default_group(draft, values.get(PROJECT_ID, ""))


@app.before_list(SecurityGroup)
@app.before_list(SecurityGroupRule)
def with_the_first_look(net: Net, caller: Caller, filters: Mapping[str, list[Any]]) -> Plan | None:
    """A project that looks at its groups, or an administrator who does, finds the default one."""
    (project_id, *_) = filters.get(PROJECT_ID, [caller.project_id])
    is_nobodys = bool(caller.user_id) and not project_id  # an unscoped caller's
    if is_nobodys or not (caller.is_admin or project_id == caller.project_id):
        return None
    if net.has(SecurityGroup, "default", project_id):
        return None
    return lambda draft: default_group(draft, project_id)
