"""What is stored of security groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.address_groups import AddressGroup
from apps.security_groups import refusals
from apps.security_groups.checks import (
    DIRECTION,
    ETHERTYPE,
    EVERYWHERE,
    KEY,
    PORT,
    PREFIX,
    PROTOCOL,
    number_of,
)
from controller.core.app import App
from controller.core.model import Port
from controller.core.plans import checks, parse
from controller.core.row import PLANNED, REQUIRED, Check, Tagged, attr, index, quiet, row

app = App("security_groups")

DEFAULT = "default"
"""The name of every project's first group, which no other can have."""
PARENT = "PARENT"
"""In a template's `remote_group_id`: the group that the rule is made for."""


def _name(value: Any) -> str:
    text = parse.string(value)
    if text.lower() == DEFAULT:
        raise refusals.default_exists()
    return text


NAME = Check(_name, {"type": "string", "maxLength": parse.LONGEST})


@row(
    store=True,
    key="id",
    indexes=[
        index("project_id"),
        index("default", each=lambda group: [group.project_id] if group.name == DEFAULT else []),
    ],
    absent="Security group {} does not exist",
)
class SecurityGroup(Tagged):
    """What ports have in common that the same rules are for.  `stateful`: answers to what is let through are, too.

    `key` identifies it in registers and conjunctions; no other group or address group has it.
    """

    name: str = attr(default="", initial="", check=NAME, quiet=True)
    stateful: bool = attr(default=True, initial=True, check="boolean")
    key: int = 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a rule lets through, where None is any.

    `port_range_min` and `port_range_max` are the type and code of ICMP.
    """

    id: str = attr(default="", post=False, put=False)
    direction: str = attr(default="ingress", put=False, initial=REQUIRED, check=DIRECTION)
    ethertype: str = attr(default="IPv4", put=False, initial="IPv4", check=ETHERTYPE)
    protocol: str | None = attr(default=None, put=False, initial=None, check=PROTOCOL)
    port_range_min: int | None = attr(default=None, put=False, initial=None, check=PORT)
    port_range_max: int | None = attr(default=None, put=False, initial=None, check=PORT)
    remote_ip_prefix: str | None = attr(default=None, put=False, initial=None, check=PREFIX)
    remote_group_id: str | None = attr(default=None, put=False, initial=None, check=KEY)
    remote_address_group_id: str | None = attr(
        default=None, put=False, initial=None, check=KEY, refers=AddressGroup, on_delete=PLANNED
    )


ALLOWANCE = tuple(Allowance.__dataclass_fields__.keys() - {"id"})


def meaning(rule: Any) -> tuple[Any, ...]:
    """What two rules of one group have in common when one of them is enough."""
    prefix = None if rule.remote_ip_prefix in EVERYWHERE else rule.remote_ip_prefix
    protocol = number_of(rule.protocol, rule.ethertype)
    ports = rule.port_range_min, rule.port_range_max
    return rule.direction, rule.ethertype, protocol, *ports, prefix, rule.remote_group_id, rule.remote_address_group_id


@row(
    store=True,
    key="id",
    indexes=[
        index("project_id"),
        index("security_group_id"),
        index("remote_group_id", each=lambda rule: [rule.remote_group_id] if rule.remote_group_id else []),
        index(
            "remote_address_group_id",
            each=lambda rule: [rule.remote_address_group_id] if rule.remote_address_group_id else [],
        ),
        index("meaning", each=lambda rule: [(rule.security_group_id, meaning(rule))]),
    ],
    absent="Security group rule {} does not exist",
)
class SecurityGroupRule(Allowance):
    """A rule of a group.  One that came from a template has no description (None)."""

    security_group_id: str = attr(
        default="", put=False, initial=REQUIRED, check="string", refers=SecurityGroup, on_delete=PLANNED
    )
    remote_group_id: str | None = attr(
        default=None, put=False, initial=None, check=KEY, refers=SecurityGroup, on_delete=PLANNED
    )
    project_id: str = attr(default="", put=False, initial="", check="string", quiet=True)
    description: str | None = attr(default="", initial="", check="string", quiet=True)
    created_at: str = attr(default="", post=False, put=False, quiet=True)
    updated_at: str = attr(default="", post=False, put=False, quiet=True)
    revision_number: int = attr(default=0, post=False, put=False, quiet=True)


@row(
    store=True,
    key="id",
    indexes=[
        index("used_in", each=lambda rule: rule.uses),
        index("remote_group_id", each=lambda rule: [rule.remote_group_id] if rule.remote_group_id else []),
        index(
            "remote_address_group_id",
            each=lambda rule: [rule.remote_address_group_id] if rule.remote_address_group_id else [],
        ),
        index("meaning", each=lambda rule: [meaning(rule)]),
    ],
    absent="Default Security Group rule {} does not exist",
)
class DefaultSecurityGroupRule(Allowance):
    """A template: new groups begin with such a rule."""

    used_in_default_sg: bool = attr(default=False, put=False, initial=False, check="boolean", quiet=True)
    used_in_non_default_sg: bool = attr(default=True, put=False, initial=True, check="boolean", quiet=True)
    project_id: str = attr(default="", put=False, initial="", check="string", shown=False, filter=False, quiet=True)
    description: str = attr(default="", put=False, initial="", check="string", quiet=True)
    revision_number: int = quiet(default=0)

    @property
    def uses(self) -> list[bool]:
        """Whether it is for default groups (True), for others (False), or for both."""
        return [default for default, used in self._used if used]

    @property
    def _used(self) -> tuple[tuple[bool, bool], ...]:
        return (True, self.used_in_default_sg), (False, self.used_in_non_default_sg)


@row(
    store=True,
    key="port_id",
    extends=Port,
    indexes=[index("security_groups", each=lambda member: member.security_groups)],
)
class Membership:
    """The groups that a port is in, sorted by id."""

    port_id: str
    security_groups: tuple[str, ...] = attr(default=(), initial=None, check=checks.UUIDS_OR_NULL)


@app.interim
@row(store=True, key="port_id", extends=Port)
class Superseded:
    """How a port stood before a change of its groups or addresses, until switches have acknowledged what it ended.

    `prefixes` are the blocks of addresses that it brought into its groups; `turn` is another one with each change.
    """

    port_id: str
    protected: bool = True
    security_groups: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    turn: int = 0
