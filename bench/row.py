"""One row of the benchmarks: figures, the ratio against a floor or peer, and how they are written down."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figures:
    """The measurements of one thing; `median` is what counts."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def error(self) -> float:
        """The standard error of the mean (of two measurements or more)."""
        return statistics.stdev(self.values) / math.sqrt(len(self.values))

    def at(self, share: float) -> float:
        """A percentile: 0.99 of the values are at most this."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def __str__(self) -> str:
        if len(self.values) == 1:
            return number(self.median)
        return f"{number(self.median)} ({number(min(self.values))}-{number(max(self.values))})"


def figures(values: Iterable[float]) -> Figures:
    return Figures(tuple(values))


def shares(ours: Figures, other: Figures) -> Figures:
    """The ratios of measurements that were taken in turn: what the machine did meanwhile, it did to both."""
    return figures(mine / its for mine, its in zip(ours.values, other.values, strict=True))


def paired(ours: Figures, other: Figures) -> float:
    """The median ratio of measurements that were taken in turn."""
    return shares(ours, other).median


def number(value: float) -> str:
    """Three significant digits, thousands apart: 123 000, 4.56."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"


@dataclass
class Row:
    """A row of the table.  `ratio` is what `goal` is about; `met` is None until it is known.

    `compared` says in two lines what stands against what; `detail` is what else was measured; `runs` every value.
    """

    row: str
    what: str
    goal: str
    unit: str = ""
    ours: Figures | None = None
    other: Figures | None = None
    ratio: float | None = None
    met: bool = False
    compared: tuple[str, str] = ("", "")
    detail: list[str] = field(default_factory=list)
    runs: dict[str, list[float]] = field(default_factory=dict)
    problem: str = ""

    def note(self, name: str, values: Figures, unit: str = "") -> None:
        """Keep a further measurement and show it."""
        self.runs[name] = list(values.values)
        self.detail.append(f"{name}: {values} {unit}".rstrip())

    def as_json(self) -> dict[str, Any]:
        runs = dict(self.runs)
        for name, found in (("ours", self.ours), ("other", self.other)):
            if found is not None:
                runs[name] = list(found.values)
        return {
            "row": self.row,
            "what": self.what,
            "ours": self.ours.median if self.ours else None,
            "other": self.other.median if self.other else None,
            "ratio": self.ratio,
            "goal": self.goal,
            "met": self.met,
            "unit": self.unit,
            "compared": list(self.compared),
            "detail": self.detail,
            "problem": self.problem,
            "runs": runs,
        }

    def cells(self) -> list[str]:
        """The row as the table shows it."""
        shown = [f"{found} {self.unit}".rstrip() if found else "-" for found in (self.ours, self.other)]
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else "-"
        return [self.row, self.what, *shown, ratio, self.goal, "yes" if self.met else "NO"]


HEAD = ["row", "what", "ours", "floor or peer", "ratio", "goal", "met"]


def table(rows: Iterable[Row]) -> str:
    """A Markdown table, its columns aligned for people who read it as text."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(HEAD))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines)


def paragraphs(rows: Iterable[Row]) -> str:
    """What was compared in each row, and what else was measured."""
    parts = []
    for row in rows:
        lines = [f"### {row.row}: {row.what}", "", f"Ours: {row.compared[0]}", f"Other: {row.compared[1]}"]
        if row.problem:
            lines += ["", f"Not measured: {row.problem}"]
        if row.detail:
            lines += ["", *(f"- {line}" for line in row.detail)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


STOPPED = 143
"""Exit code of a row that was told to stop."""
BEGAN = "BENCH_BEGAN"
"""The environment's variable that tells a row when the whole run began."""
STARTED = float(os.environ.get(BEGAN, time.monotonic()))


def progress(row: str, text: str) -> None:
    print(f"[{time.monotonic() - STARTED:5.0f} s] {row}: {text}", flush=True)


def main(run: Callable[[bool], Row]) -> None:
    """Run one row as a program of its own: the figures, then the JSON object."""
    parser = argparse.ArgumentParser(description=(run.__doc__ or "").strip())
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work at all")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))  # so that everything that was started is ended
    made = run(options.quick)
    print(table([made]))
    print(paragraphs([made]))
    print(json.dumps(made.as_json()))
