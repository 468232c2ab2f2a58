"""P3: one more port with N existing over 200 switches: event in to bundle out, and the whole to the acknowledgement."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from bench.cloud import Cloud, Place
from bench.p1_programming import Ours, add_flows
from bench.place import controller, database, programmed, scratch
from bench.real import RealHost
from bench.row import Figures, Row, figures, main, number, progress
from bench.switches import Switches
from bench.wire import Wire, ports_to_commits
from demo.testbed import Controller, wait_until
from tests.ovs.sandbox import Sandbox

PROJECT = Path(__file__).resolve().parents[1]
HOSTS = 200
OPENFLOW = 6653
OWN_GOAL, FLAT_GOAL, WHOLE_GOAL = 2.0, 1.5, 1.3
FLOOR_FLOWS, FLOOR_SECONDS = 100_000, 0.82
"""What `ovs-ofctl` took for P1's flows on the machine that OWN_GOAL, a time, was set on."""


def run(quick: bool) -> Row:
    """One more port against the switch's own time."""
    sizes, samples = ((100, 1000), 10) if quick else ((100, 1000, 10_000), 40)
    goal = f"own part <= {OWN_GOAL:.0f} ms, flat within {FLAT_GOAL}x; whole <= {WHOLE_GOAL}x the switch's own"
    row = Row("P3", f"one more port, {number(sizes[-1])} on {HOSTS} switches: the whole", goal, "ms")
    row.compared = (
        "`ovs-vsctl add-port` of a VIF with ten rules on a joined host (bound to it before, as Nova does), to its "
        "bridge's last acknowledgement",
        "`ovs-vsctl add-port` and `ovs-ofctl --bundle add-flows` of the same flows on an equal bridge, one by one",
    )
    progress("P3", "how fast the machine is")
    floor = _floor(1 if quick else 3)
    row.note(f"{number(FLOOR_FLOWS)} flows in one bundle, by ovs-ofctl", floor, "s")
    row.detail.append(
        f"where that took {FLOOR_SECONDS} s, {OWN_GOAL:.0f} ms were set as the goal; at this floor they come to "
        f"{OWN_GOAL * floor.median / FLOOR_SECONDS:.2f} ms"
    )
    own, inside, wholes = {}, {}, {}
    for count in sizes:
        progress("P3", f"{number(count)} ports on {HOSTS} switches, {samples} more")
        inside[count] = _inside(count, samples)
        own[count], whole, other = _process(count, samples)
        wholes[count] = whole.median / other.median
        row.note(f"{number(count)} ports: event in to bundle out, inside (machine and encoder)", inside[count], "ms")
        row.note(f"{number(count)} ports: through the process, PORT_STATUS to commit on the wire", own[count], "ms")
        row.note(f"{number(count)} ports: the whole", whole, "ms")
        row.note(f"{number(count)} ports: the switch's own", other, "ms")
        row.ours, row.other = whole, other
    unforeseen, _, _ = _process(sizes[0], samples, bound_before=False)
    row.note(f"{number(sizes[0])} ports: the same, of ports that nobody has bound before", unforeseen, "ms")
    row.ratio = max(wholes.values())
    flat = inside[sizes[-1]].median / inside[sizes[0]].median
    flat_process = own[sizes[-1]].median / own[sizes[0]].median
    most = max(found.median for found in (*inside.values(), *own.values()))
    row.detail.append(f"growth from {sizes[0]} to {sizes[-1]} ports: {flat:.2f}x inside, {flat_process:.2f}x in all")
    row.detail.append("the whole against the switch's own: " + ", ".join(f"{r:.2f} at {n}" for n, r in wholes.items()))
    row.met = most <= OWN_GOAL and max(flat, flat_process) <= FLAT_GOAL and row.ratio <= WHOLE_GOAL
    return row


def _floor(rounds: int) -> Figures:
    """Seconds that the switch takes for P1's flows: how fast this machine is."""
    with scratch() as directory, Sandbox(directory / "ovs") as host, Ours(host, FLOOR_FLOWS, directory / "flows"):
        return figures(add_flows(host, f"floor{n}", directory / "flows") for n in range(rounds))


def _cloud(count: int, more: int, real: int, bound_before: bool = True) -> tuple[Cloud, list[Place]]:
    """The cloud, and the ports that will be plugged in: `more` anywhere, as many again on host 0."""
    networks = max(10, count // 100)
    cloud = Cloud(HOSTS, networks, count, span=40, real=real, protected=True, bound_before=bound_before)
    later = cloud.later(more)
    on_0 = [(n, step) for n in range(cloud.networks) for step in range(cloud.span) if cloud.host(n, step) == 0]
    return cloud, later + [cloud.place(*on_0[n % len(on_0)]) for n in range(more)]


def _inside(count: int, samples: int) -> Figures:
    """Milliseconds from an event to the bundle's bytes, in one process without any other work."""
    words = [sys.executable, "-m", "bench.p3_inside", str(count), str(samples)]
    done = subprocess.run(words, cwd=PROJECT, stdout=subprocess.PIPE, check=True, timeout=300)
    return figures(json.loads(done.stdout))


def _process(count: int, samples: int, bound_before: bool = True) -> tuple[Figures, Figures, Figures]:
    """Through the real process, milliseconds: a fake switch's PORT_STATUS to the end of its bundle, both as the kernel
    saw them sent; a real port's whole; the switch's own."""
    cloud, later = _cloud(count, samples * 2, 1, bound_before)
    with scratch() as directory, Switches() as fakes:
        cloud.load(database(directory))
        with (
            controller(directory, cloud.ini()) as ours,
            Sandbox(directory / "real") as host,
            Sandbox(directory / "peer") as peer,
        ):
            fakes.add(cloud.fakes())
            fakes.connect(ours.address, OPENFLOW, over=1.0)
            joined, other = RealHost(host, cloud, 0), RealHost(peer, cloud, 0)
            joined.prepare()
            other.prepare()
            joined.join(ours.address)
            programmed(ours, HOSTS, 180)
            settle(ours, fakes)
            own = _fake_samples(fakes, cloud, [place for place in later if place.host != 0][:samples])
            mine = [place for place in later if place.host == 0][: max(4, samples // 2)]
            whole, bare = _real_samples(ours, joined, other, mine)
    return own, whole, bare


def settle(ours: Controller, fakes: Switches) -> None:
    """Wait until nothing is on its way any more."""
    fakes.wait(quiet=1.0, timeout=120)
    wait_until(lambda: ours.request("GET", "/patchbay/v1/status").body["settled"], 60, "all to be acknowledged")
    fakes.tell("log")


def _fake_samples(fakes: Switches, cloud: Cloud, places: list[Place]) -> Figures:
    with Wire(OPENFLOW) as wire:
        for place in places:
            fakes.tell("ports", ports=[[cloud.dpid(place.host), place.ofport, cloud.tap(place.number)]])
            time.sleep(0.06)
        return figures(seconds * 1000 for seconds in ports_to_commits(wire.messages()))


def _real_samples(ours: Controller, joined: RealHost, other: RealHost, places: list[Place]) -> tuple[Figures, Figures]:
    whole, bare = [], []
    with Wire(OPENFLOW) as wire:
        for place in places:
            before = joined.flows(ours)
            time.sleep(0.3)
            wire.messages()
            start = time.time()
            joined.plugging([place]).communicate()
            answers = [one.time for one in wire.until_quiet(0.3, 20) if one.is_committed]
            whole.append((max(answers) - start) * 1000)
            made = joined.flows(ours) - before
            if len(made) < 4:
                raise RuntimeError(f"a port got {len(made)} flows only: {made}")
            bare.append(other.by_hand(place, made) * 1000)
    return figures(whole), figures(bare)


if __name__ == "__main__":
    main(run)
