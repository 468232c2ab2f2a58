"""P6: packet-ins answered with a flow, a second, by 16 and by 200 switches; os-ken's learning switch beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.cloud import FIRST_TAP, Cloud
from bench.place import controller, database, programmed, scratch
from bench.row import Row, figures, main, number, progress
from bench.switches import Switches
from controller.core import app
from controller.core.pipeline import LAYOUT, NET, PUNT

PROJECT = Path(__file__).resolve().parents[1]
GOAL = 2.0
WINDOW = 32
"""Packets of a switch that wait for their answer at the same time."""
ADDRESS, PORT = "127.19.0.1", 6653


def run(quick: bool) -> Row:
    """Packet-ins answered against os-ken's learning switch."""
    packets, rounds = (1600, 1) if quick else (16_000, 3)
    row = Row("P6", "packet-ins answered with a flow, 200 switches", f">= {GOAL:.0f}x, 16 switches too", "/s")
    row.compared = (
        f"unicast to a MAC on another host, punted; the exact flow in a bundle ({WINDOW} unanswered a switch at most)",
        "os-ken's learning switch for OpenFlow 1.4 (its faster hub): a flow-mod and a packet-out for each",
    )
    ratios = []
    for switches in (16, 200):
        progress("P6", f"{switches} switches, {number(packets)} packets, {rounds} rounds of both")
        ours = figures(_ours(switches, packets) for _ in range(rounds))
        hubs = {hub: figures(_peer(switches, packets, hub) for _ in range(rounds)) for hub in ("native", "eventlet")}
        other = max(hubs.values(), key=lambda found: found.median)
        ratios.append(ours.median / other.median)
        row.note(f"{switches} switches, ours", ours, "/s")
        for hub, found in hubs.items():
            row.note(f"{switches} switches, os-ken's learning switch ({hub} hub)", found, "/s")
        row.detail.append(f"{switches} switches: {ratios[-1]:.2f}x")
        row.ours, row.other = ours, other
    row.ratio = min(ratios)
    row.met = row.ratio >= GOAL
    return row


def frame(target: str, source: str) -> str:
    """A small IPv4 frame, in hex."""
    return target.replace(":", "") + source.replace(":", "") + "0800" + "00" * 46


def _ours(switches: int, packets: int) -> float:
    """Answers a second of the whole controller."""
    app.load()
    each = packets // switches
    cloud = Cloud(hosts=switches, networks=1, ports=max(each * 5 // 4, switches * 2))
    with scratch() as directory, Switches() as fakes:
        cloud.load(database(directory))
        with controller(directory, {**cloud.ini(), "ovs": {"punt_rate": "1000000"}}) as made:
            fakes.add(cloud.fakes())
            fakes.connect(made.address, 6653, over=0.5)
            programmed(made, switches)
            fakes.wait(quiet=1.0)
            wanted = {}
            for host in range(switches):
                away = [place for place in cloud.places if place.host != host]
                start = host * len(away) // switches
                chosen = (away[start:] + away[:start])[:each]
                wanted[cloud.dpid(host)] = [[frame(cloud.mac(p.number), cloud.mac(host)), FIRST_TAP] for p in chosen]
            return _answered(fakes, wanted, LAYOUT.by_name["punt"].id, {0: 1 << NET.offset, 4: 1 << PUNT.offset})


def _peer(switches: int, packets: int, hub: str) -> float:
    """Answers a second of the learning switch: each frame's destination is the source of the one before."""
    each = packets // switches
    with Switches() as fakes, _learning_switch(hub):
        fakes.add([[dpid, [[1, "eth1"], [2, "eth2"]]] for dpid in range(1, switches + 1)])
        fakes.connect(ADDRESS, PORT, over=0.5)
        fakes.wait(flows=switches, timeout=60)
        time.sleep(1)
        macs = [Cloud.mac(n) for n in range(each)]
        frames = [[frame(macs[max(0, n - 1)], macs[n]), 1 + n % 2] for n in range(each)]
        return _answered(fakes, dict.fromkeys(range(1, switches + 1), frames), 0, {})


def _answered(fakes: Switches, packets: dict[int, list[Any]], table: int, registers: dict[int, int]) -> float:
    seconds, answered = fakes.tell("punt", packets=packets, table=table, registers=registers, window=WINDOW)
    total = sum(map(len, packets.values()))
    if answered < total:
        raise RuntimeError(f"{answered} of {total} packet-ins were answered")
    return float(answered / seconds)


@contextmanager
def _learning_switch(hub: str) -> Iterator[None]:
    """os-ken's learning switch as a process."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "bench.learning_switch", ADDRESS, str(PORT)],
        cwd=PROJECT,
        env={**os.environ, "OSKEN_HUB_TYPE": hub, "PYTHONWARNINGS": "ignore"},
        stdin=quiet,
        stdout=quiet,
        stderr=quiet,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main(run)
