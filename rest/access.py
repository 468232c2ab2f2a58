"""What a caller may see and do: the policy, asked about resources, rows and attributes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any, Protocol

from controller.core.caller import Caller
from controller.core.net import Net
from controller.core.plans import sharing
from controller.core.plans.refusals import not_found
from controller.core.resource import Resource
from controller.core.resource_set import ResourceSet
from controller.core.row import key_of
from rest.errors import ApiError
from rest.reading import Reading
from rest.target import Target
from rest.views import View, Views


class Policy(Protocol):
    """What this needs of the policy (rest.policy.Policy)."""

    def allows(self, rule: str, caller: Caller, target: Mapping[str, Any]) -> bool: ...
    def always(self, rule: str, caller: Caller) -> bool: ...
    def never(self, rule: str, caller: Caller) -> bool: ...
    def reads(self, rule: str) -> tuple[str, ...] | None: ...
    def has(self, rule: str) -> bool: ...
    def register(self, defaults: Iterable[Any]) -> None: ...


class Unlimited:
    """The policy where nobody is asked who they are: everything is allowed."""

    def allows(self, rule: str, caller: Caller, target: Mapping[str, Any]) -> bool:
        return True

    def always(self, rule: str, caller: Caller) -> bool:
        return True

    def never(self, rule: str, caller: Caller) -> bool:
        return False

    def reads(self, rule: str) -> tuple[str, ...] | None:
        return ()

    def has(self, rule: str) -> bool:
        return False

    def register(self, defaults: Iterable[Any]) -> None:
        """No rule limits anybody."""


NEVER_ASKED = frozenset({"create_subnet:service_types", "update_subnet:service_types"})
"""Neutron declares these rules, for administrators, and asks none of them: members have always set the attribute."""


class Access:
    """The rules' names are Neutron's: `get_port`, `create_network:shared`, `update_port:binding:host_id`."""

    def __init__(self, policy: Policy, net: Net, resources: ResourceSet, views: Views) -> None:
        self._policy = policy
        self._net = net
        self._resources = resources
        self._views = views
        self._shown: dict[str, dict[str, str]] = {}

    # -- reading ------------------------------------------------------------------------------------------------------

    def reading(self, caller: Caller, resource: Resource) -> Reading:
        """What the caller sees of a resource, for the length of a request."""

        def ask(rule: str, view: View) -> bool:
            return self._allows(rule, caller, resource, view)

        def shared(view: View) -> bool:
            return self._shared(caller, view)

        return Reading(self._policy, caller, resource, self._attribute_rules(resource), ask, shared)

    def may_see(self, caller: Caller, resource: Resource, view: View) -> bool:
        rule = f"get_{resource.policy}"
        return self._policy.always(rule, caller) or self._allows(rule, caller, resource, view)

    def _allows(self, rule: str, caller: Caller, resource: Resource, view: View) -> bool:
        return self._policy.allows(rule, caller, self._target_of(caller, resource, view))

    def _target_of(self, caller: Caller, resource: Resource, view: View, changed: Any = ()) -> Target:
        """A row as a target, with what is `changed` of it; what it is below of is known, shown or not."""
        values = {**view.value, **dict(changed)} if changed else view.value
        if resource.parent is not None:
            values = {resource.parent.field: getattr(view.row, resource.parent.field), **values}
        return self._target(caller, resource, values)

    def _target(self, caller: Caller, resource: Resource, values: Mapping[str, Any]) -> Target:
        def given(key: Any, action: str) -> bool:
            return key is not None and sharing.shared(self._net, key, caller.project_id, action)

        return Target(resource, values, self._look_up, given)

    def _look_up(self, row_type: type, key: Any) -> Mapping[str, Any] | None:
        resource, row = self._resources.of(row_type), self._net.get(row_type, key)
        return None if resource is None or row is None else self._views.view(resource, row).value

    def _attribute_rules(self, resource: Resource) -> dict[str, str]:
        """The rules of single attributes that are declared, by attribute."""
        if resource.name not in self._shown:
            rules = {name: f"get_{resource.policy}:{name}" for name in resource.attributes}
            self._shown[resource.name] = {name: rule for name, rule in rules.items() if self._policy.has(rule)}
        return self._shown[resource.name]

    def _shared(self, caller: Caller, view: View) -> bool:
        """Whether a row that is not shared with everyone is shared with the caller's project."""
        if view.value.get("shared") is not False or not caller.project_id:
            return False
        return sharing.shared(self._net, view.value["id"], caller.project_id)

    def text(self, caller: Caller, resource: Resource, view: View) -> str:
        """The row as JSON, as the caller may see it."""
        return self.reading(caller, resource).text(view)

    def object(self, caller: Caller, resource: Resource, view: View) -> dict[str, Any]:
        return self.reading(caller, resource).object(view)

    # -- writing ------------------------------------------------------------------------------------------------------

    def require_create(self, caller: Caller, resource: Resource, values: Mapping[str, Any], given: Any) -> None:
        """Refuse (403) what the caller may not make.  `values`, and `given` (what it set explicitly), by name on
        the wire."""
        self._require_known(caller, resource, values)
        self._require(caller, self._target(caller, resource, values), self._rules("create", resource, given))

    def _require_known(self, caller: Caller, resource: Resource, values: Mapping[str, Any]) -> None:
        """What a new row refers to must be there for the caller, before anything is said about what it may do."""
        for wire, slot in resource.attributes.items():
            refers, key = slot.attribute.refers, values.get(wire)
            shown = None if refers is None else self._resources.of(refers)
            if refers is None or shown is None or not isinstance(key, str):
                continue
            row = self._net.get(refers, key)
            if row is None or not self.may_see(caller, shown, self._views.view(shown, row)):
                raise not_found(refers, key)

    def require_row(
        self,
        caller: Caller,
        resource: Resource,
        view: View,
        verb: str,
        given: Any = (),
        values: Any = (),
        rule: str = "",
    ) -> None:
        """Refuse what the caller may not do with a row: as if it were not there where it may not see it, else 403.

        `verb` is "update", "delete" or an action's name; of an update, `given` is what it sets, and rules are asked
        about the row as it would be, with `values` (by name on the wire).  `rule` is asked instead of the one that
        follows from the verb.
        """
        if not self.may_see(caller, resource, view):
            raise not_found(resource.row_type, key_of(view.row))
        target = self._target_of(caller, resource, view, values)
        self._require(caller, target, [rule] if rule else self._rules(verb, resource, given))

    def require_part(self, caller: Caller, resource: Resource, view: View, verb: str, part: str) -> None:
        """Refuse what the caller may not do with a part of a row (`delete_network:tags`); where no rule is about that
        part, who may read or update the row may."""
        rule = f"{verb}_{resource.policy}:{part}"
        if not self._policy.has(rule):
            rule = f"{'get' if verb == 'get' else 'update'}_{resource.policy}"
        self._require(caller, self._target_of(caller, resource, view), [rule])

    def require(self, caller: Caller, rule: str, target: Mapping[str, Any]) -> None:
        """Refuse (403) what a single rule does not allow."""
        if not self._policy.allows(rule, caller, target):
            raise forbidden([rule])

    def allows(self, caller: Caller, rule: str, target: Mapping[str, Any]) -> bool:
        return self._policy.allows(rule, caller, target)

    def _rules(self, verb: str, resource: Resource, given: Any) -> list[str]:
        """The rule of what is done, and those of the attributes that it sets, as far as they have one."""
        whole = f"{verb}_{resource.policy}"
        parts = (rule for part in _parts(given) if self._policy.has(rule := f"{whole}:{part}"))
        return [whole, *(rule for rule in parts if rule not in NEVER_ASKED)]

    def _require(self, caller: Caller, target: Mapping[str, Any], rules: list[str]) -> None:
        if not all(self._policy.always(rule, caller) or self._policy.allows(rule, caller, target) for rule in rules):
            raise forbidden(rules)


def _parts(given: Mapping[str, Any]) -> Iterable[str]:
    """The names of attributes, and of the keys of objects in their lists (`fixed_ips:subnet_id`)."""
    for name, value in dict(given).items():
        yield name
        items = value if isinstance(value, list) else [value]
        keys = {key: None for item in items if isinstance(item, dict) for key in item}
        yield from (f"{name}:{key}" for key in keys)


def forbidden(rules: list[str]) -> ApiError:
    """403, in Neutron's words: attributes one by one, each with the parts that it has (`fixed_ips:ip_address`)."""
    whole, *parts = rules
    attributes = [part for part in parts if not any(part.startswith(f"{other}:") for other in parts)]
    told = (_told(attribute, [part for part in parts if part.startswith(f"{attribute}:")]) for attribute in attributes)
    text = reduce(lambda one, other: f"({one} and {other})", told, f"rule:{whole}")
    return ApiError(403, "PolicyNotAuthorized", f"{text} is disallowed by policy")


def _told(attribute: str, parts: list[str]) -> str:
    inner = " and ".join(f"rule:{part}" for part in parts)
    return f"(rule:{attribute} and ({inner}))" if inner else f"rule:{attribute}"
