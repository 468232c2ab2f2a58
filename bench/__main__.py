"""Run the benchmarks: all of them, or the rows that are named; print the table, and write it down when all ran.

A row that can't run says why, counts as not met, and the others go on.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from bench.place import facts
from bench.row import BEGAN, STARTED, STOPPED, Figures, Row, paragraphs, progress, table

PROJECT = Path(__file__).resolve().parents[1]
TARGET = PROJECT / "docs" / "generated"
PROGRAMS = {
    "P1": "p1_programming",
    "P2": "p2_wireup",
    "P3": "p3_one_more",
    "P4": "p4_restart",
    "P5": "p5_rest",
    "P6": "p6_reactive",
    "P7": "p7_scale",
    "P8": "p8_traffic",
    "S1": "s1_security_groups",
    "B1": "b1_pressure",
}
PATIENCE = 400
"""Seconds that one row may take."""
HEAD = """\
# Benchmarks

Written by `make bench`.  Every figure is a ratio against a floor or a peer measured in the same run; figures are
medians (smallest-largest).  What the goals mean is in [performance.md](../performance.md).
"""


def main() -> int:
    """Returns 0 when every row ran and met its goal, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which rows: {' '.join(PROGRAMS)} (all of them)")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work at all; nothing is written")
    parser.add_argument("--again", action="store_true", help="put the named rows in the place of those written before")
    options = parser.parse_args()
    unknown = [name for name in options.rows if name not in PROGRAMS]
    if unknown:
        parser.error(f"no row is called {', '.join(unknown)}; there are {' '.join(PROGRAMS)}")
    if options.again and not options.rows:
        parser.error("--again needs the names of rows; without names all are written anew")
    load = os.getloadavg()[0]
    start = time.monotonic()
    rows = [_run(name, options.quick) for name in options.rows or PROGRAMS]
    seconds = time.monotonic() - start
    print(f"\n{table(rows)}\n\n{paragraphs(rows)}\n\n{len(rows)} rows in {seconds:.0f} s")
    if options.again and not options.quick:
        replace(rows, facts(), TARGET)
    elif not options.rows and not options.quick:
        # Only now: a row may have installed what it compares with.
        known = [*facts(), ("load when it began", f"{load:.1f}"), ("seconds that it took", f"{seconds:.0f}")]
        write(rows, known, TARGET)
        print(f"written to {TARGET / 'benchmarks.md'} and benchmarks.json")
    return 0 if all(row.met for row in rows) else 1


def _run(name: str, quick: bool) -> Row:
    """Run one row in a process of its own: whatever it leaves behind, and however it ends, the others go on."""
    began = time.monotonic()
    command = [sys.executable, "-m", f"bench.{PROGRAMS[name]}", *(["--quick"] if quick else [])]
    pipe, environment = subprocess.PIPE, {**os.environ, BEGAN: str(STARTED)}
    process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=pipe, stderr=pipe, text=True)
    errors: list[str] = []
    reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()))
    reader.start()
    late = threading.Timer(PATIENCE, process.terminate)  # it then ends what it started
    late.start()
    last = ""
    try:
        for line in process.stdout or ():
            last = line
            if line.startswith("["):
                print(line, end="", flush=True)
        process.wait()
    finally:
        late.cancel()
        process.terminate()
        process.wait()
        reader.join()
    if process.returncode or not last.startswith("{"):
        row = _failed(name, _reason(process.returncode, errors))
    else:
        row = read(json.loads(last))
    progress(name, f"{'met' if row.met else row.problem or 'NOT met'} ({time.monotonic() - began:.0f} s)")
    return row


def _reason(code: int, errors: list[str]) -> str:
    if code == STOPPED:
        return f"it took more than {PATIENCE} s"
    said = [line.strip() for line in errors if line.strip()]
    return said[-1] if said else f"it ended with code {code}"


def _failed(name: str, problem: str) -> Row:
    module = importlib.import_module(f"bench.{PROGRAMS[name]}")
    what = (module.__doc__ or "").split(": ", 1)[-1].splitlines()[0].rstrip(".")
    return Row(name, what, "", problem=problem)


def read(found: dict[str, Any]) -> Row:
    """A row from its JSON object."""
    row = Row(found["row"], found["what"], found["goal"], found["unit"])
    row.ours, row.other = (
        Figures(tuple(found["runs"][name])) if name in found["runs"] else None for name in ("ours", "other")
    )
    row.ratio, row.met, row.problem = found["ratio"], found["met"], found["problem"]
    row.compared, row.detail = (found["compared"][0], found["compared"][1]), found["detail"]
    row.runs = {name: values for name, values in found["runs"].items() if name not in ("ours", "other")}
    return row


def replace(rows: list[Row], now: list[tuple[str, str]], target: Path) -> None:
    """Put rows that were measured again into what is written, which says so; `now` is what the machine is.

    Raises ValueError where what is written is of another machine.
    """
    lines = (target / "benchmarks.md").read_text().split("## The machine\n\n")[1].split("\n\n## The table")[0]
    known = [(name, value) for name, _, value in (line[2:].partition(": ") for line in lines.splitlines())]
    others = [name for name, value in now if name != "date" and dict(known).get(name) != value]
    if others:
        raise ValueError(f"what is written is of another machine ({', '.join(others)}); run make bench")
    new = {row.row: row for row in rows}
    written = [read(found) for found in json.loads((target / "benchmarks.json").read_text())]
    again = (f"measured again, {dict(now)['date']}", " ".join(new))
    write([new.get(row.row, row) for row in written], [*known, again], target)


def write(rows: list[Row], known: list[tuple[str, str]], target: Path) -> None:
    """Write benchmarks.md and benchmarks.json into a directory."""
    machine = "\n".join(f"- {name}: {value}" for name, value in known)
    text = f"{HEAD}\n## The machine\n\n{machine}\n\n## The table\n\n{table(rows)}\n\n## What was compared\n\n"
    target.mkdir(parents=True, exist_ok=True)
    (target / "benchmarks.md").write_text(text + paragraphs(rows) + "\n")
    objects = [row.as_json() for row in rows]
    (target / "benchmarks.json").write_text(json.dumps(objects, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
