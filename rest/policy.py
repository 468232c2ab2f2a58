"""What a caller may do: rules by name, in oslo.policy's language, with Neutron's names, defaults and meaning.

    if not policy.allows("update_network:shared", caller, target): ...

The target is a mapping of the object's attributes as clients know them, and a few of what it belongs to.  Which keys a
rule reads is known from the rule, so its verdict is kept by the caller and the values of just those keys: a list of ten
thousand ports of two projects takes a handful of evaluations.

What a target must have (a key that is not there never matches):

| object | keys |
|---|---|
| any | `project_id` (or `tenant_id`; one stands for both): its owner |
| network | `shared` (with the caller: to all, or by an RBAC policy), `router:external` |
| subnet | `network:project_id`, `shared` (of its network), `router:external` (of its network) |
| port | `network:project_id`, `network:shared`, `device_owner` (on create: what is asked for) |
| security group rule | `security_group:project_id`, `belongs_to_default_sg` |
| security group, subnetpool, address scope, address group, QoS policy | `shared` (with the caller) |
| RBAC policy | `target_tenant` (`target_project`): what is asked for |
| part of another object (port binding, QoS rule, port forwarding) | `ext_parent:project_id`: the other's owner |
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from oslo_config import cfg
from oslo_policy import policy as oslo

from controller.core.caller import Caller
from rest import policies
from rest.policies.checks import reads_of, unsound
from rest.policies.file import PolicyError, read_file, stranger
from rest.policies.verdict import verdict

LOG = logging.getLogger("patchbay.policy")

Default = tuple[str, str, str]
"""Name, check string, description."""

DEFAULT_RULE = "default"
"""The rule of whatever has none of its own."""
KEPT = 100_000
"""Verdicts kept at most."""
PACE = 1.0
"""Seconds after which the file is looked at again."""
ABSENT = "\0absent"


class Rules(Protocol):
    """What identity and the API ask of policy.  `generation` grows when a rule changes."""

    @property
    def generation(self) -> int: ...

    def allows(self, rule: str, caller: Caller, target: Mapping[str, Any]) -> bool: ...

    def always(self, rule: str, caller: Caller) -> bool: ...

    def never(self, rule: str, caller: Caller) -> bool: ...

    def admin(self, caller: Caller) -> bool: ...

    def has(self, rule: str) -> bool: ...

    def register(self, defaults: Iterable[oslo.RuleDefault | Default]) -> None: ...


class Policy:
    """The default rules, an operator's file over them, and the verdicts given so far.

    `more` are rules of extensions; `register` adds others, and after the last of them `complete` must be called.
    `file` is the path of a policy.yaml.  Both raise PolicyError when it can't be used.  It is looked at again at most
    once a second, and a file that can't be used then changes nothing and is told in the log.

    `lookups` counts the questions that depend on a target, `evaluations` the times that a rule was worked out.
    """

    def __init__(
        self,
        file: str | None = None,
        more: Iterable[oslo.RuleDefault | Default] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lookups = 0
        self.evaluations = 0
        self._generation = 0
        self._file = file
        self._clock = clock
        self._defaults = dict(policies.DEFAULTS)
        self._defaults |= self._new(more)
        self._enforcer = oslo.Enforcer(cfg.ConfigOpts(), use_conf=False, default_rule=DEFAULT_RULE)
        self._verdicts: dict[Any, bool] = {}
        self._reads: dict[str, tuple[str, ...] | None] = {}
        self._forgone: dict[tuple[str, Caller], bool | None] = {}
        self._completed = False
        self._stamp = self._stat()
        self._looked = clock()
        self._load()

    @property
    def generation(self) -> int:
        """Grows when rules change: what was derived from them must be derived again."""
        self._follow()
        return self._generation

    # -- questions ----------------------------------------------------------------------------------------------------

    def allows(self, rule: str, caller: Caller, target: Mapping[str, Any]) -> bool:
        """Whether the caller may do what the rule is about to the target.  A rule that nobody has declared is that of
        Neutron's `default`: administrators and the owner."""
        self._follow()
        self.lookups += 1
        reads = self.reads(rule)
        if reads is None:  # it may look at anything
            return self._evaluate(rule, caller, target)
        key = (rule, caller, *[target.get(name, ABSENT) for name in reads])
        try:
            found = self._verdicts.get(key)
        except TypeError:  # a list, say
            return self._evaluate(rule, caller, target)
        if found is None:
            found = self._evaluate(rule, caller, target)
            if len(self._verdicts) >= KEPT:
                self._verdicts.clear()
            self._verdicts[key] = found
        return found

    def always(self, rule: str, caller: Caller) -> bool:
        """Whether the rule holds for the caller whatever the target is, so that nobody need look at one."""
        return self._without_target(rule, caller) is True

    def never(self, rule: str, caller: Caller) -> bool:
        """Whether the rule can't hold for the caller whatever the target is."""
        return self._without_target(rule, caller) is False

    def admin(self, caller: Caller) -> bool:
        """Whether the caller is an administrator (`context_is_admin`): what belongs in `Caller.is_admin`."""
        return self.always("context_is_admin", caller)

    def reads(self, rule: str) -> tuple[str, ...] | None:
        """The keys of a target that a rule's verdict depends on; None when that is not known."""
        self._follow()
        return self._reads[rule] if rule in self._reads else self._read(rule)

    def has(self, rule: str) -> bool:
        """Whether the rule is declared.  Rules of attributes are asked only where they are."""
        self._follow()
        return rule in self._enforcer.rules

    def register(self, defaults: Iterable[oslo.RuleDefault | Default]) -> None:
        """Add the default rules of an extension.  Raises PolicyError for a name that is taken."""
        self._defaults |= self._new(defaults)
        self._load()

    def complete(self) -> None:
        """Say that every rule is registered: what the file names and is not there is wrong from now on."""
        self._completed = True
        self._load()

    def _new(self, defaults: Iterable[oslo.RuleDefault | Default]) -> dict[str, str]:
        pairs = ((d.name, d.check_str) if isinstance(d, oslo.RuleDefault) else (d[0], d[1]) for d in defaults)
        more = dict(pairs)
        for name, check in more.items():
            if self._defaults.get(name, check) != check:
                raise PolicyError(f"policy: the rule {name} is declared already")
        return more

    # -- verdicts -----------------------------------------------------------------------------------------------------

    def _evaluate(self, rule: str, caller: Caller, target: Mapping[str, Any]) -> bool:
        self.evaluations += 1
        return bool(self._enforcer.enforce(rule, target, credentials(caller)))

    def _without_target(self, rule: str, caller: Caller) -> bool | None:
        self._follow()
        key = (rule, caller)
        if key not in self._forgone:
            self.evaluations += 1
            if len(self._forgone) >= KEPT:
                self._forgone.clear()
            self._forgone[key] = verdict(self._enforcer, rule, credentials(caller))
        return self._forgone[key]

    def _read(self, rule: str) -> tuple[str, ...] | None:
        """The keys of the target that a rule reads; None when it is not known."""
        if len(self._reads) >= KEPT:
            self._reads.clear()
        found = self._reads[rule] = reads_of(self._enforcer.rules, rule)
        return found

    # -- the file -----------------------------------------------------------------------------------------------------

    def _stat(self) -> tuple[int, int, int] | None:
        if self._file is None:
            return None
        try:
            found = os.stat(self._file)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _follow(self) -> None:
        now = self._clock()
        if self._file is None or now - self._looked < PACE:
            return
        self._looked = now
        stamp = self._stat()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._load()
            except PolicyError as error:
                LOG.error("the rules stay as they were: %s", error)
            else:
                LOG.info("policy: %s was read again", self._file)

    def _load(self) -> None:
        """Parse everything, check it as a whole, and only then let it count."""
        overrides = {} if self._file is None else read_file(self._file)
        rules = oslo.Rules.from_dict(self._defaults | overrides, DEFAULT_RULE)
        if self._completed and (problem := stranger(overrides, self._defaults) or unsound(rules)):
            raise PolicyError(f"{self._file or 'policy'}: {problem}")
        candidate = oslo.Enforcer(cfg.ConfigOpts(), use_conf=False, default_rule=DEFAULT_RULE)
        candidate.set_rules(rules)
        self._enforcer = candidate
        self._verdicts.clear()
        self._reads.clear()
        self._forgone.clear()
        self._generation += 1


def credentials(caller: Caller) -> dict[str, Any]:
    """What rules can say of a caller: `role:`, `user_id:`, `project_id:` (`tenant_id:`), `is_admin:`,
    `service_roles:`."""
    return {
        "user_id": caller.user_id,
        "project_id": caller.project_id,
        "tenant_id": caller.project_id,
        "roles": sorted(caller.roles),
        "service_roles": sorted(caller.service_roles),
        "is_admin": caller.is_admin,
    }
