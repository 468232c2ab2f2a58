"""Default security group rules: templates of the rules that new groups begin with.

There are four from the start: everything may leave any group, and the members of a default group reach each other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from apps.security_groups import refusals
from apps.security_groups.checks import settle
from apps.security_groups.rows import (
    ALLOWANCE,
    PARENT,
    DefaultSecurityGroupRule,
    SecurityGroup,
    SecurityGroupRule,
    app,
    meaning,
)
from controller.core.plan import Draft
from controller.core.plans.sharing import require_visible
from controller.core.resource import CREATE, DELETE

app.extension(
    "security-groups-default-rules",
    "Default rules for security groups",
    "Templates of the rules that new security groups begin with.",
    "2022-12-19T10:00:00-00:00",
)

_FIRST = DefaultSecurityGroupRule(used_in_default_sg=True)
_OUT = replace(_FIRST, direction="egress", description="Legacy default SG rule for egress traffic")
_IN = replace(
    _FIRST,
    remote_group_id=PARENT,
    used_in_non_default_sg=False,
    description="Legacy default SG rule for ingress traffic",
)
FIRST = (
    replace(_OUT, id="5ec00000-0000-4000-8000-000000000001", ethertype="IPv4"),
    replace(_OUT, id="5ec00000-0000-4000-8000-000000000002", ethertype="IPv6"),
    replace(_IN, id="5ec00000-0000-4000-8000-000000000003", ethertype="IPv4"),
    replace(_IN, id="5ec00000-0000-4000-8000-000000000004", ethertype="IPv6"),
)
"""The templates that are there from the start, with Neutron's descriptions; their ids are the same everywhere."""


@app.once("default security group rules")
def first(draft: Draft) -> None:
    """An operator may remove them; then they stay away."""
    for template in FIRST:
        draft.put(template)


def create(draft: Draft, values: dict[str, Any]) -> DefaultSecurityGroupRule:
    """Add a template.  Refuses one that another one says already, wherever it is used."""
    template = DefaultSecurityGroupRule(id=draft.new_id(), **values)
    if template.remote_group_id not in (None, PARENT):
        require_visible(draft, SecurityGroup, template.remote_group_id or "")
    for other in draft.find(DefaultSecurityGroupRule, "meaning", meaning(template)):
        raise refusals.template_exists(other.id)
    return draft.put(template)


app.resource(
    "default_security_group_rule",
    "default-security-group-rules",
    DefaultSecurityGroupRule,
    create,
    methods=frozenset({CREATE, DELETE}),
)


@app.prepare(DefaultSecurityGroupRule)
def require_sense(draft: Draft, old: DefaultSecurityGroupRule | None, values: dict[str, Any]) -> None:
    """The values of a new template go together."""
    if old is None:
        settle(values)


def rules_of(draft: Draft, group: SecurityGroup, *, default: bool) -> list[SecurityGroupRule]:
    """The rules that a new group begins with, not yet put."""
    return [_rule(draft, group, template) for template in draft.find(DefaultSecurityGroupRule, "used_in", default)]


def _rule(draft: Draft, group: SecurityGroup, template: DefaultSecurityGroupRule) -> SecurityGroupRule:
    values = {name: getattr(template, name) for name in ALLOWANCE}
    if template.remote_group_id == PARENT:
        values["remote_group_id"] = group.id
    return SecurityGroupRule(
        id=draft.new_id(),
        security_group_id=group.id,
        project_id=group.project_id,
        description=None,
        created_at=draft.now,
        updated_at=draft.now,
        **values,
    )
