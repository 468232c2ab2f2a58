"""Neutron's own kinds of checks, and which keys of a target a rule reads.

`field:networks:shared=True` compares an attribute of the target; `project_id:%(network:project_id)s` (or `tenant_id:`)
compares the caller's project with an owner that the target names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from oslo_policy import _checks as leaves
from oslo_policy import policy as oslo

PLACES = re.compile(r"%\(([^)]*)\)")
"""Where a check takes a value of the target in."""


def register() -> None:
    """Teach oslo.policy Neutron's checks."""
    oslo.register("field", FieldCheck)
    oslo.register("project_id", OwnerCheck)
    oslo.register("tenant_id", OwnerCheck)


class FieldCheck(oslo.Check):
    """`field:RESOURCES:ATTRIBUTE=VALUE`, or `=~REGULAR EXPRESSION` from its beginning.

    `networks:shared` is also for what is on a network: there the target's `network:shared` stands for it.
    """

    def __init__(self, kind: str, match: str) -> None:
        super().__init__(kind, match)
        resource, _, rest = match.partition(":")
        # The attribute may have a colon of its own (router:external).
        attribute, equals, value = rest.partition("=")
        if not resource or not attribute or not equals:
            raise ValueError(f"field:{match} is not field:RESOURCES:ATTRIBUTE=VALUE")
        self.reads = (attribute, "network:shared") if (resource, attribute) == ("networks", "shared") else (attribute,)
        self._value = value
        self._pattern = re.compile(value[1:]) if value.startswith("~") else None

    def __call__(self, target: Mapping[str, Any], creds: Any, enforcer: Any, current_rule: str | None = None) -> bool:
        known = [target[name] for name in self.reads if name in target]
        found = next((value for value in known if value), next(iter(known), None))
        if found is None:
            return False
        if self._pattern is not None:
            return self._pattern.match(str(found)) is not None
        if isinstance(found, bool):
            return found is (self._value.lower() in ("true", "1"))
        return str(found) == self._value


class OwnerCheck(oslo.Check):
    """`project_id:%(KEY)s`: the caller's project is the one that the target has under KEY.

    In KEY, `project_id` and `tenant_id` stand for each other.  A caller without a project owns nothing, and what has no
    owner is nobody's.
    """

    def __init__(self, kind: str, match: str) -> None:
        super().__init__(kind, match)
        found = PLACES.fullmatch(match.removesuffix("s"))
        if found is None:
            raise ValueError(f"{kind}:{match} is not {kind}:%(KEY)s")
        key = found[1]
        parent, colon, last = key.rpartition(":")
        twin = {"project_id": "tenant_id", "tenant_id": "project_id"}.get(last)
        self.reads = (key,) if twin is None else (key, f"{parent}{colon}{twin}")

    def __call__(self, target: Mapping[str, Any], creds: Any, enforcer: Any, current_rule: str | None = None) -> bool:
        owner = next((target[name] for name in self.reads if name in target), None)
        return bool(owner) and creds.get("project_id") == owner


def parts_of(check: Any) -> list[Any]:
    """The checks that a check (and, or, not) is made of."""
    if isinstance(check, oslo.AndCheck | oslo.OrCheck):
        return list(check.rules)
    return [check.rule] if isinstance(check, oslo.NotCheck) else []


def reads_of(rules: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """The keys of the target that a rule reads, those of the rules it names included; None: it may read any (a check
    that asks another service)."""
    found: set[str] = set()
    todo, seen = [rules[name]], {name}
    while todo:
        check = todo.pop()
        todo.extend(parts_of(check))
        if isinstance(check, oslo.RuleCheck):
            if check.match not in seen:
                seen.add(check.match)
                todo.append(rules[check.match])
        elif isinstance(check, FieldCheck | OwnerCheck):
            found.update(check.reads)
        elif is_plain(check):
            found.update(PLACES.findall(check.match))
        elif not isinstance(check, oslo.AndCheck | oslo.OrCheck | oslo.NotCheck | leaves.TrueCheck | leaves.FalseCheck):
            return None
    return tuple(sorted(found))


def is_plain(check: Any) -> bool:
    """Whether it is a check of oslo.policy's own that compares credentials (`role:x`, `user_id:%(key)s`)."""
    return isinstance(check, leaves.RoleCheck | leaves.GenericCheck)


def unsound(rules: Mapping[str, Any]) -> str:
    """The first rule that names one that is not there, or itself by way of others, and which; '' when all is well."""
    sound: set[str] = set()
    for name in rules:
        if problem := _unsound(rules, name, (), sound):
            return f"{name}: {problem}"
    return ""


def _unsound(rules: Mapping[str, Any], name: str, way: tuple[str, ...], sound: set[str]) -> str:
    if name in sound:
        return ""
    if name in way:
        return "it names itself: " + " -> ".join((*way[way.index(name) :], name))
    todo = [rules[name]]
    while todo:
        check = todo.pop()
        todo.extend(parts_of(check))
        if isinstance(check, oslo.RuleCheck):
            if check.match not in rules:
                return f"there is no rule {check.match}"
            if problem := _unsound(rules, check.match, (*way, name), sound):
                return problem
    sound.add(name)
    return ""


register()
