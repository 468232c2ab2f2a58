"""P7: 1000 switches, 50 000 ports, 500 networks, one controller process."""

from __future__ import annotations

import time
from pathlib import Path

from bench.cloud import Cloud
from bench.p1_programming import add_flows
from bench.place import Sampled, controller, cpu, database, programmed, scratch
from bench.rendered import flows, flows_as_text
from bench.row import Row, figures, main, number, progress
from bench.switches import Switches
from controller.io.openflow import encode
from demo.testbed import Controller, wait_until
from tests.ovs.sandbox import Sandbox

COLD_GOAL, STORM_GOAL, MEMORY_GOAL = 2.0, 60.0, 2048.0
SPAN = 40
"""Switches that have a network."""
PATIENCE = 240


def run(quick: bool) -> Row:
    """Scale: cold start, reconnect storm, one network touched, memory."""
    switches, networks, ports = (100, 50, 5000) if quick else (1000, 500, 50_000)
    goal = f"cold <= {COLD_GOAL:.0f}x; storm <= {STORM_GOAL:.0f} s; RSS <= {MEMORY_GOAL:.0f} MB"
    row = Row("P7", f"cold start: {number(switches)} switches, {number(ports)} ports, {networks} networks", goal, "s")
    row.compared = (
        "empty fake switches begin to connect (within 1 s), rows loaded, to the last bundle's commit",
        "the bytes that moved, at the rate of `ovs-ofctl --bundle add-flows` on one bridge in this run",
    )
    cloud = Cloud(switches, networks, ports, SPAN)
    rate = floor(20_000)
    row.detail.append(f"the floor's rate: {number(rate)} bytes/s")
    with scratch() as directory, Switches() as fakes:
        progress("P7", "writing the rows")
        cloud.load(database(directory))
        fakes.add(cloud.fakes())
        start = time.monotonic()
        with controller(directory, cloud.ini(), patience=120) as made, Sampled(made.pid) as memory:  # type: ignore[attr-defined]
            row.detail.append(f"from the process's start until REST answers: {time.monotonic() - start:.1f} s")
            seconds, moved = _cold(row, made, fakes, switches)
            storm = _storm(row, made, fakes, switches)
            _touch(row, made, fakes, cloud)
    row.note("most resident memory of the controller", figures([memory.most]), "MB")
    row.ours, row.other = figures([seconds]), figures([moved / rate])
    row.ratio = seconds / row.other.median
    row.met = row.ratio <= COLD_GOAL and storm <= STORM_GOAL and memory.most <= MEMORY_GOAL
    return row


def floor(count: int) -> float:
    """Bytes a second that ovs-ofctl programs on a real bridge; the median of three."""
    made = flows(count)
    size = sum(len(encode.flow_add(flow, 1)) for flow in made)
    with scratch() as directory, Sandbox(directory / "ovs") as host:
        text = Path(directory / "flows")
        text.write_text(flows_as_text(made))
        return size / figures(add_flows(host, f"floor{n}", text) for n in range(3)).median


def _settled(made: Controller, fakes: Switches, switches: int) -> dict[str, int]:
    """Wait until every switch holds what it shall; the fakes' status then."""
    programmed(made, switches, PATIENCE)
    wanted = made.request("GET", "/patchbay/v1/status").body["flows"]

    def all_there() -> dict[str, int]:
        status: dict[str, int] = fakes.tell("status")
        return status if status["flows"] == wanted and status["ready"] >= switches else {}

    return wait_until(all_there, PATIENCE, f"{wanted} flows on {switches} switches", interval=0.2)


def _cold(row: Row, made: Controller, fakes: Switches, switches: int) -> tuple[float, int]:
    progress("P7", "cold start")
    used = cpu(made.pid)  # type: ignore[attr-defined]
    start = fakes.connect(made.address, 6653, over=1.0)
    status = _settled(made, fakes, switches)
    used = cpu(made.pid) - used  # type: ignore[attr-defined]
    seconds = status["last_commit"] - start
    row.detail.append(
        f"cold start: {number(status['flows'])} flows, {number(status['bytes_in'])} bytes, "
        f"{number(status['commits'])} bundles, {used:.1f} processor seconds of the controller"
    )
    row.runs["cold start"] = [seconds]
    return seconds, status["bytes_in"]


def _storm(row: Row, made: Controller, fakes: Switches, switches: int) -> float:
    """All connections break and come back at once; nothing has changed."""
    progress("P7", "reconnect storm")
    before = fakes.tell("status")
    fakes.tell("disconnect")
    time.sleep(1)
    start = fakes.connect(made.address, 6653)
    after = _settled(made, fakes, switches)
    seconds = time.monotonic() - start
    mods = after["flow_mods"] - before["flow_mods"]
    row.note(f"storm of {switches} reconnects, until all are reconciled", figures([seconds]), "s")
    row.detail.append(f"storm: {mods} flow-mods, {number(after['bytes_in'] - before['bytes_in'])} bytes to switches")
    return seconds


def _touch(row: Row, made: Controller, fakes: Switches, cloud: Cloud) -> None:
    """A network goes down and up again."""
    progress("P7", "one network touched")
    took = []
    for n in range(6):
        fakes.tell("log")
        start = time.monotonic()
        made.put("networks", cloud.network_id(n // 2 + 1), admin_state_up=bool(n % 2))
        time.sleep(1.5)
        bundles = [bundle for log in fakes.tell("log").values() for bundle in log]
        took.append((max(committed for _, committed, _ in bundles) - start) * 1000)
    mods = sum(mods for _, _, mods in bundles)
    what = f"a network on {min(SPAN, cloud.hosts)} switches goes up or down: PUT to the last commit"
    row.note(what, figures(took), "ms")
    row.detail.append(f"it was {len(bundles)} bundles, {mods} flow-mods")


if __name__ == "__main__":
    main(run)
