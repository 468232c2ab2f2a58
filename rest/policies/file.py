"""An operator's policy.yaml: rules by name that go before the defaults.  What can't be used is one clear line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from oslo_policy import _checks as leaves
from oslo_policy import policy as oslo

from rest.policies.checks import parts_of

NEVER = re.compile(r"(?<![^\s(])!(?![^\s)])")
"""`!` as a check of its own."""


class PolicyError(Exception):
    """Rules that can't be used.  One line: the file, the rule, and what is wrong."""


def read_file(path: str, defaults: Mapping[str, str]) -> dict[str, str]:
    """The rules of a file.  Raises PolicyError: it can't be read or parsed, a rule is not in the language, or a name is
    neither one of `defaults`, nor an attribute of such (`get_network:mtu`), nor used by another rule of the file."""
    try:
        found = oslo.parse_file_contents(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise PolicyError(f"{path}: it is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise PolicyError(f"{path}: it is not a mapping of rule names to rules")
    used = {match for check in found.values() for match in re.findall(r"\brule:([^\s()]+)", str(check))}
    for name, check in found.items():
        if not isinstance(name, str) or not isinstance(check, str):
            raise PolicyError(f'{path}: {name}: a rule is text, such as "rule:admin_only"')
        _check_rule(path, name, check)
        if name not in defaults and name.split(":")[0] not in defaults and name not in used:
            raise PolicyError(f"{path}: {name}: there is no such rule, and no other rule of the file uses it")
    return found


def _check_rule(path: str, name: str, check: str) -> None:
    """oslo.policy takes what it does not understand for a rule that never holds; we would rather not start."""
    try:
        parsed = oslo.RuleDefault(name, check).check
    except (ValueError, re.error) as error:
        raise PolicyError(f"{path}: {name}: {error}") from None
    never = sum(isinstance(part, leaves.FalseCheck) for part in _leaves(parsed))
    if never != len(NEVER.findall(check)):
        raise PolicyError(f"{path}: {name}: {check!r} is not a rule in oslo.policy's language")


def _leaves(check: Any) -> Iterator[Any]:
    parts = parts_of(check)
    if not parts:
        yield check
    for part in parts:
        yield from _leaves(part)
