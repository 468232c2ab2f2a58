"""Security group rules: what clients see of them, and the plans that make and remove them."""

from __future__ import annotations

from typing import Any

from apps.address_groups import AddressGroup
from apps.security_groups import refusals
from apps.security_groups.checks import normalized, settle
from apps.security_groups.rows import DEFAULT, DefaultSecurityGroupRule, SecurityGroup, SecurityGroupRule, app, meaning
from controller.core.net import Net
from controller.core.plan import Draft
from controller.core.plans import crud
from controller.core.plans.revision import existing
from controller.core.plans.writes import touch
from controller.core.resource import Computed
from controller.core.row import Attribute

app.extension(
    "security-groups-normalized-cidr",
    "Normalized CIDR field for security group rules",
    "A rule's prefix without its host bits.",
    "2020-07-28T10:00:00-00:00",
)
app.extension(
    "security-groups-remote-address-group",
    "Remote address group id field for security group rules",
    "A rule for the addresses of an address group.",
    "2020-08-25T10:00:00-00:00",
)
app.extension(
    "security-groups-rules-belongs-to-default-sg",
    "Security group rule belongs to the project's default security group",
    "A rule tells whether its group is a default one.",
    "2023-05-23T10:00:00-00:00",
)


def _belongs_to_default(net: Net, rule: SecurityGroupRule) -> bool:
    """Needs no Source: no group becomes a default one or stops being one."""
    group = net.get(SecurityGroup, rule.security_group_id)
    return group is not None and group.name == DEFAULT


def create(draft: Draft, values: dict[str, Any]) -> SecurityGroupRule:
    """Add a rule to its group.  Refuses one that says what another one says already."""
    group = existing(draft, SecurityGroup, values["security_group_id"])
    rule: SecurityGroupRule = crud.create(SecurityGroupRule, draft, values)
    for other in draft.find(SecurityGroupRule, "meaning", (group.id, meaning(rule))):
        if other.id != rule.id:
            raise refusals.rule_exists(other.id)
    touch(draft, group, group)
    return rule


def delete(draft: Draft, key: str, revision: int | None = None) -> None:
    remove(draft, existing(draft, SecurityGroupRule, key, revision))


def remove(draft: Draft, rule: SecurityGroupRule) -> None:
    """Take a rule from its group, which counts that as a change of its own."""
    group = existing(draft, SecurityGroup, rule.security_group_id)
    touch(draft, group, group)
    draft.remove(rule)


RULES = app.resource(
    "security_group_rule",
    "security-group-rules",
    SecurityGroupRule,
    create,
    delete=delete,
    computed=(
        Computed(
            "",
            Attribute("normalized_cidr", post=False, put=False, check="string"),
            lambda net, rule: normalized(rule.remote_ip_prefix),
        ),
        Computed("", Attribute("belongs_to_default_sg", post=False, put=False, check="boolean"), _belongs_to_default),
    ),
    quota=100,
)


@app.prepare(SecurityGroupRule)
def require_sense(draft: Draft, old: SecurityGroupRule | None, values: dict[str, Any]) -> None:
    """The values of a new rule go together."""
    if old is None:
        settle(values)


@app.rule(AddressGroup)
def keep_address_groups(draft: Draft, old: AddressGroup | None, new: AddressGroup | None, values: Any) -> None:
    """An address group stays while rules or templates are about it."""
    if old is None or new is not None:
        return
    for row_type in (SecurityGroupRule, DefaultSecurityGroupRule):
        if draft.count_of(row_type, "remote_address_group_id", old.id):
            raise refusals.address_group_in_use(old.id)
