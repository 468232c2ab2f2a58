"""The page that says what of tempest's network API tests passes, and why the rest is skipped."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from tests.api.tempest_run import ABSENT, Result

PAGE = Path(__file__).resolve().parents[2] / "docs" / "generated" / "tempest.md"

HEAD = """\
# Tempest

Written by `tox -e api`: the tests of `tempest.api.network` against `patchbay serve --auth builtin`, with
pre-provisioned credentials.

| tests | passed | skipped | need what is not there |
| --- | --- | --- | --- |
"""


def report(results: Iterable[Result], tests: Iterable[str]) -> str:
    """The page.  `tests` names every test; those of a class that was skipped as a whole are counted one by one."""
    by_name = {result.name: result for result in results}
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: dict[str, list[str]] = defaultdict(list)
    for test in sorted(tests):
        outcome, reason = _outcome(test, by_name)
        rows[_module(test)][outcome] += 1
        if outcome != "ok":
            reasons[reason].append(test)
    total = sum(rows.values(), Counter())
    lines = [_row("**all**", total), *(_row(f"`{module}`", counts) for module, counts in sorted(rows.items()))]
    skipped = [f"- {reason} ({len(names)}): {_names(names)}" for reason, names in sorted(reasons.items())]
    return HEAD + "\n".join(lines) + "\n\n## Not run\n\n" + "\n".join(skipped) + "\n"


def _outcome(test: str, by_name: dict[str, Result]) -> tuple[str, str]:
    absent = next((why for name, why in ABSENT.items() if re.search(name, test)), "")
    if absent:
        return "absent", absent
    found = by_name.get(test) or by_name.get(f"setUpClass ({test.rpartition('.')[0]})")
    if found is None:
        return "absent", "not run"
    return found.outcome, _reason(found.reason)


def _reason(reason: str) -> str:
    extension = re.search(r"(?:network extension: )?([\w-]+)(?: is not enabled| extension not enabled)", reason)
    return f"the extension `{extension[1]}` is not there" if extension else reason or "failed"


def _module(test: str) -> str:
    return ".".join(test.split(".")[3:-2])


def _row(name: str, counts: Counter[str]) -> str:
    return f"| {name} | {counts['ok']} | {counts['SKIPPED']} | {counts['absent']} |"


def _names(tests: list[str]) -> str:
    return ", ".join(f"`{'.'.join(test.split('.')[4:])}`" for test in tests)
