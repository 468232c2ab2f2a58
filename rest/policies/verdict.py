"""What can be said of a rule when only the caller is known: it holds, it does not, or it depends on the target."""

from __future__ import annotations

from typing import Any

from oslo_policy import _checks as leaves
from oslo_policy import policy as oslo

from rest.policies.checks import PLACES, FieldCheck, OwnerCheck, is_plain


def verdict(enforcer: oslo.Enforcer, name: str, credentials: dict[str, Any]) -> bool | None:
    """True: it holds for every target; False: for none; None: it depends."""
    return _of(enforcer, enforcer.rules[name], credentials)


def _of(enforcer: oslo.Enforcer, check: Any, credentials: dict[str, Any]) -> bool | None:
    if isinstance(check, oslo.RuleCheck):
        return _of(enforcer, enforcer.rules[check.match], credentials)
    if isinstance(check, oslo.NotCheck):
        inner = _of(enforcer, check.rule, credentials)
        return None if inner is None else not inner
    if isinstance(check, oslo.AndCheck | oslo.OrCheck):
        decisive = isinstance(check, oslo.OrCheck)  # one True decides an or, one False an and
        found = {_of(enforcer, part, credentials) for part in check.rules}
        if decisive in found:
            return decisive
        return None if None in found else not decisive
    if isinstance(check, FieldCheck | OwnerCheck) or _takes_in(check):
        return False if isinstance(check, OwnerCheck) and not credentials["project_id"] else None
    return bool(enforcer.enforce(check, {}, credentials))


def _takes_in(check: Any) -> bool:
    """Whether a check compares something of the target, or is one that we know nothing of."""
    if isinstance(check, leaves.TrueCheck | leaves.FalseCheck):
        return False
    return not is_plain(check) or bool(PLACES.search(check.match))
