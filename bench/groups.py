"""Ten rules a port, for the rows that are measured with security groups on: ours as rows, OVN's as ACLs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from apps.security_groups.rows import Membership, SecurityGroup, SecurityGroupRule

WEB = "192.0.2.0/24"
"""Who may administer the servers."""
OWN = "own"
"""In a rule: the group that it is of."""
RULES: tuple[dict[str, Any], ...] = (
    {"direction": "egress"},
    {"direction": "egress", "ethertype": "IPv6"},
    {"remote_group_id": OWN},
    {"remote_group_id": OWN, "ethertype": "IPv6"},
    {"protocol": "icmp"},
    {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": WEB},
    {"protocol": "tcp", "port_range_min": 80, "port_range_max": 80},
    {"protocol": "tcp", "port_range_min": 443, "port_range_max": 443},
    {"protocol": "tcp", "port_range_min": 8000, "port_range_max": 8099, "remote_group_id": OWN},
    {"protocol": "udp", "port_range_min": 53, "port_range_max": 53},
)
"""Neutron's default group's four, and what a web server has."""


def group_id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-0000000000f0"


def rules(group: str) -> Iterator[dict[str, Any]]:
    """The ten rules of a group, as REST takes them."""
    for rule in RULES:
        remote = {"remote_group_id": group} if rule.get("remote_group_id") == OWN else {}
        yield {"security_group_id": group, "direction": "ingress", **rule, **remote}


def group_rows(number: int) -> Iterator[Any]:
    """A group and its rules."""
    group = group_id(number)
    yield SecurityGroup(group, key=number + 1)
    for n, values in enumerate(rules(group)):
        yield SecurityGroupRule(f"{number:08x}-{n:04x}-4000-8000-00000000000e", **values)


def member(port_id: str, number: int) -> Membership:
    return Membership(port_id, (group_id(number),))


# ---------------------------------------------------------------------------------------------------------------------
# The same for OVN

_TO, _FROM = ("to-lport", "outport"), ("from-lport", "inport")
_ACLS = (
    (_FROM, "ip4"),
    (_FROM, "ip6"),
    (_TO, "ip4 && ip4.src == $PG_ip4"),
    (_TO, "ip6 && ip6.src == $PG_ip6"),
    (_TO, "icmp4"),
    (_TO, f"ip4.src == {WEB} && tcp.dst == 22"),
    (_TO, "ip4 && tcp.dst == 80"),
    (_TO, "ip4 && tcp.dst == 443"),
    (_TO, "ip4.src == $PG_ip4 && tcp.dst >= 8000 && tcp.dst <= 8099"),
    (_TO, "ip4 && udp.dst == 53"),
)


def ovn_words(name: str, ports: Iterable[str]) -> Iterator[list[str]]:
    """What ovn-nbctl is told: a port group with the ten rules, and nothing else in or out (as OpenStack has it)."""
    yield ["pg-add", name, *ports]
    for (direction, port), text in _ACLS:
        text = text.replace("PG", name)
        yield ["acl-add", name, direction, "1002", f"{port} == @{name} && {text}", "allow-related"]
    for direction, port in (_TO, _FROM):
        yield ["acl-add", name, direction, "1001", f"{port} == @{name} && ip", "drop"]
