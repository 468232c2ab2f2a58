"""What one caller sees of one resource, for the length of a request.

A rule's verdict is the same for all rows that are alike in what the rule reads, so a list of ten thousand ports of a
few networks asks the policy a few times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from controller.core.caller import Caller
from controller.core.resource import PROJECT_ID, TENANT_ID, Resource
from rest.target import FOR_PROJECT
from rest.views import NOTHING, View

Ask = Callable[[str, View], bool]
"""The policy's verdict of a rule about a row."""


class Policy(Protocol):
    """What this needs of the policy."""

    def always(self, rule: str, caller: Caller) -> bool: ...
    def never(self, rule: str, caller: Caller) -> bool: ...
    def reads(self, rule: str) -> tuple[str, ...] | None: ...


class Verdicts:
    """The verdicts of one rule about rows, by the attributes that it depends on."""

    def __init__(self, rule: str, ask: Ask, depends: tuple[str, ...] | None) -> None:
        self._rule = rule
        self._ask = ask
        self._depends = depends
        self._known: dict[tuple[Any, ...], bool] = {}

    def of(self, view: View) -> bool:
        if self._depends is None:
            return self._ask(self._rule, view)
        alike = tuple([view.value.get(name) for name in self._depends])
        if alike not in self._known:
            self._known[alike] = self._ask(self._rule, view)
        return self._known[alike]


class Reading:
    """`rules` are those of single attributes that are declared, by attribute; `shared` tells whether a row is shared
    with the caller's project alone."""

    def __init__(
        self,
        policy: Policy,
        caller: Caller,
        resource: Resource,
        rules: dict[str, str],
        ask: Ask,
        shared: Callable[[View], bool],
    ) -> None:
        def verdicts(rule: str) -> Verdicts:
            return Verdicts(rule, ask, _depends(resource, policy.reads(rule)))

        whole = f"get_{resource.policy}"
        self._all = policy.always(whole, caller)
        self._rows = verdicts(whole)
        self._never = frozenset(name for name, rule in rules.items() if policy.never(rule, caller))
        open_to_some = (name for name, rule in rules.items() if not policy.always(rule, caller))
        self._open = [(name, verdicts(rules[name])) for name in open_to_some if name not in self._never]
        self._shared = shared

    def visible(self, views: Iterable[View]) -> list[View]:
        """Those of the rows that the caller may see."""
        return list(views) if self._all else [view for view in views if self._rows.of(view)]

    def may_see(self, view: View) -> bool:
        return self._all or self._rows.of(view)

    def _hidden(self, view: View) -> frozenset[str]:
        refused = [name for name, verdicts in self._open if not verdicts.of(view)] if self._open else NOTHING
        return self._never.union(refused) if refused else self._never

    def text(self, view: View) -> str:
        """The row as JSON, as the caller may see it."""
        return view.without(self._hidden(view), self._shared(view))

    def object(self, view: View) -> dict[str, Any]:
        return view.object(self._hidden(view), self._shared(view))


def _depends(resource: Resource, reads: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The attributes of a row that a rule's verdict depends on, its keys of other rows among them; None: it is each
    row's own."""
    if reads is None or resource.parent is not None:
        return None
    names = dict.fromkeys(name for read in reads for name in _names(resource, read))
    single = any(not isinstance(name, str) or name == resource.key for name in names)
    return None if single else tuple(names)


def _names(resource: Resource, read: str) -> Iterator[str]:
    if read in FOR_PROJECT:
        yield "network_id" if "network_id" in resource.attributes else resource.key
    if read in (TENANT_ID, PROJECT_ID) and PROJECT_ID in resource.attributes:
        yield PROJECT_ID
    elif read in resource.attributes:
        yield read
    prefix, colon, _ = read.rpartition(":")
    for wire, slot in resource.attributes.items() if colon else ():
        if slot.attribute.refers is not None and prefix in (wire.removesuffix("_id"), "ext_parent"):
            yield wire
