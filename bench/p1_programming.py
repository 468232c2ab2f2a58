"""P1: 100 k flows onto one bridge, from rendered flows to the acknowledged bundle."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from bench.place import scratch
from bench.row import Row, figures, main, number, paired, progress
from tests.ovs.sandbox import Sandbox

PROJECT = Path(__file__).resolve().parents[1]
GOAL = 0.8


def run(quick: bool) -> Row:
    """Flow programming against `ovs-ofctl --bundle`."""
    count, rounds = (10_000, 2) if quick else (100_000, 5)
    row = Row("P1", f"program {number(count)} flows on one bridge", f">= {GOAL} of its flows/s", "flows/s")
    row.compared = (
        "rendered Flow objects, encoded by our edge with cold caches, to the bundle's acknowledgement",
        "`ovs-ofctl -O OpenFlow14 --bundle add-flows` of the same flows, cookies included, on a bridge like it",
    )
    progress("P1", f"rendering {number(count)} flows, then {rounds} rounds of both, in turn")
    with scratch() as directory, Sandbox(directory / "ovs") as host, Ours(host, count, directory / "flows") as ours:
        rates: dict[str, list[float]] = {"cold": [], "warm": [], "other": []}
        for n in range(rounds):
            found = {**ours.round(), "other": add_flows(host, f"peer{n}", directory / "flows")}
            for name, seconds in found.items():
                rates[name].append(count / seconds)
    row.ours, row.other = figures(rates["cold"]), figures(rates["other"])
    row.note("with warm caches (a second bridge with the same flows)", figures(rates["warm"]), "flows/s")
    row.detail.append(f"{number(ours.bytes)} bytes on the wire, {ours.bytes / count:.0f} a flow")
    row.ratio = paired(row.ours, row.other)
    row.met = row.ratio >= GOAL
    return row


class Ours:
    """Our side, in a process of its own (green threads)."""

    def __init__(self, host: Sandbox, count: int, text: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.p1_ours", str(host.directory), str(count), str(text)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.bytes: int = self._answer()["bytes"]

    def round(self) -> dict[str, float]:
        """Seconds with cold and with warm caches."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return dict(self._answer())

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("our side of P1 ended; run python -m bench.p1_ours to see why")
        return dict(json.loads(line))

    def __enter__(self) -> Ours:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def add_flows(host: Sandbox, bridge: str, text: Path) -> float:
    """The floor: seconds that ovs-ofctl takes for a file of flows, as one bundle, on a new bridge."""
    settings = ("datapath_type=dummy", "fail_mode=secure", "protocols=OpenFlow14")
    host.vsctl("add-br", bridge, "--", "set", "Bridge", bridge, *settings)
    start = time.monotonic()
    host.ofctl("--bundle", "add-flows", bridge, str(text))
    seconds = time.monotonic() - start
    host.vsctl("del-br", bridge)
    return seconds


if __name__ == "__main__":
    main(run)
