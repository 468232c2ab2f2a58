"""The rules of resources that nobody has declared any for: what Neutron's own have by default."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from controller.core.resource import PROJECT_ID, Resource
from rest.policies.language import ADMIN, MEMBER, PARENT_MEMBER, PARENT_READER, READER, either


def usual_rules(resources: Iterable[Resource], has: Callable[[str], bool]) -> list[tuple[str, str, str]]:
    """(rule, check, description) for every rule that a resource would ask for and that is not declared.

    What belongs to a project, or is below something that does, is read by its readers and written by its members; all
    else is the administrators'.
    """
    found = []
    for resource in resources:
        read, write = _checks(resource)
        verbs = {"get": read, "create": write, "update": write, "delete": write}
        verbs |= {action.name: write for action in resource.actions}
        rules = ((f"{verb}_{resource.name}", check) for verb, check in verbs.items())
        found += [(rule, check, f"{rule}: {resource.collection}") for rule, check in rules if not has(rule)]
    return found


def _checks(resource: Resource) -> tuple[str, str]:
    if PROJECT_ID in resource.attributes:
        return either(ADMIN, READER), either(ADMIN, MEMBER)
    if resource.parent is not None:
        return either(ADMIN, PARENT_READER), either(ADMIN, PARENT_MEMBER)
    return ADMIN, ADMIN
