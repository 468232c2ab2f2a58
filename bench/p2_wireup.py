"""P2: N interfaces appear on one br-int at once, until the last flow is acknowledged; OVN beside it."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bench import groups
from bench.cloud import Cloud
from bench.ovn import Missing, Ovn, provide
from bench.place import controller, cpu, database, scratch
from bench.real import RealHost, words
from bench.row import Row, figures, main, paired, progress
from bench.wire import Wire
from tests.ovs.sandbox import Sandbox

GOAL = 0.5
NETWORKS = 10
OPENFLOW = 6653


class Wired(NamedTuple):
    """Seconds from the start of `ovs-vsctl`: to its end, to the last port that the bridge told of, until it had
    acknowledged the last flow, until all ports were ACTIVE; the controller's processor seconds, how many flows changed,
    and the flows."""

    vsctl: float
    told: float
    last: float
    active: float
    processor: float
    changes: int
    flows: frozenset[str]


def run(quick: bool) -> Row:
    """Wire-up against OVN."""
    sizes = {20: 2, 100: 1} if quick else {100: 5, 1000: 3}
    last = max(sizes)
    row = Row("P2", f"wire up {last} interfaces at once on one br-int", f"<= {GOAL} of OVN's time, each N", "s")
    row.compared = (
        f"one `ovs-vsctl` with N add-ports on a joined host ({NETWORKS} networks, port security, ten rules a port; all "
        "bound to the host before, as Nova does), to the bridge's acknowledgement of the last flow",
        "the same ovs-vsctl, then `ovn-nbctl --wait=hv sync` (ovn-northd and ovn-controller, same dummy datapath, "
        "port security and the same rules as ACLs)",
    )
    try:
        root = provide()
    except Missing as error:
        root, row.problem = None, str(error)
    ratios = [_size(row, root, count, rounds) for count, rounds in sizes.items()]
    if root is not None:
        row.ratio = max(ratios)
        row.met = row.ratio <= GOAL
    return row


def _size(row: Row, root: Path | None, count: int, rounds: int) -> float:
    """Measure one N, in turn what is compared; returns our share of OVN's time (0 without OVN)."""
    wired, own, other = [], [], []
    for n in range(rounds):
        progress("P2", f"{count} interfaces, round {n + 1} of {rounds}")
        wired.append(_ours(count))
        own.append(_switch(count, wired[-1].flows))
        if root is not None:
            other.append(_ovn(root, count))
    row.ours, floor = figures(one.last for one in wired), figures(own)
    row.note(f"{count} interfaces, ours ({wired[-1].changes} flow changes)", row.ours, "s")
    row.note(
        f"{count} interfaces, of it until the bridge had told of the last port", figures(w.told for w in wired), "s"
    )
    row.note(f"{count} interfaces, of it until ovs-vsctl returned", figures(one.vsctl for one in wired), "s")
    row.note(f"{count} interfaces, ours, until all ports are ACTIVE", figures(one.active for one in wired), "s")
    row.note(f"{count} interfaces, the controller's processor time", figures(one.processor for one in wired), "s")
    row.note(f"{count} interfaces, the switch alone (ovs-vsctl, then ovs-ofctl with the same flows)", floor, "s")
    row.detail.append(f"{count} interfaces: {paired(row.ours, floor):.2f} of the switch's own time")
    if root is None:
        return 0.0
    row.other = figures(other)
    row.note(f"{count} interfaces, OVN", row.other, "s")
    ratio = paired(row.ours, row.other)
    row.detail.append(f"{count} interfaces: {ratio:.2f} of OVN's time, the switch alone {paired(floor, row.other):.2f}")
    return ratio


def _ours(count: int) -> Wired:
    cloud = Cloud(hosts=1, networks=NETWORKS, ports=count, real=1, protected=True)
    with scratch() as directory:
        cloud.load(database(directory), bound=False)
        with controller(directory) as made, Sandbox(directory / "ovs") as host:
            joining = RealHost(host, cloud, 0)
            joining.bridge()
            joining.join(made.address)
            joining.wait_programmed(made)
            with Wire(OPENFLOW) as wire:
                used, start = cpu(made.pid), time.time()
                joining.plugging(cloud.places).communicate()
                alone = time.time() - start
                active = _all_active(database(directory), count) - start
                seen = wire.until_quiet(1.0, 120)
            used, flows = cpu(made.pid) - used, joining.flows(made)
    told = max(one.time for one in seen if one.is_port)
    last = max(one.time for one in seen if one.is_committed)
    changes = sum(one.is_change for one in seen)
    return Wired(alone, told - start, last - start, active, used, changes, flows)


def _all_active(file: Path, count: int) -> float:
    """When the last port was ACTIVE.  Read from the database, for the controller's REST would take its time."""
    end = time.time() + 60
    with sqlite3.connect(file) as reader:
        while reader.execute("SELECT count(*) FROM binding WHERE active").fetchone()[0] < count:
            if time.time() > end:
                raise TimeoutError(f"not all of {count} ports are ACTIVE after a minute")
            time.sleep(0.005)
    return time.time()


def _switch(count: int, flows: Iterable[str]) -> float:
    """The switch's own time for the same ports and flows: the tools, one after the other, and no controller."""
    cloud = Cloud(hosts=1, networks=NETWORKS, ports=count, real=1, protected=True)
    with scratch() as directory, Sandbox(directory / "ovs") as host:
        alone = RealHost(host, cloud, 0)
        alone.bridge()
        host.ofctl("add-meter", "br-int", "meter=1,pktps,band=type=drop,rate=100")
        file = directory / "flows"
        file.write_text("".join(re.sub(r"meter:\d+", "meter:1", flow) + "\n" for flow in flows))
        start = time.monotonic()
        alone.plugging(cloud.places).communicate()
        host.ofctl("--bundle", "add-flows", "br-int", str(file))
        return time.monotonic() - start


def _ovn(root: Path, count: int) -> float:
    cloud = Cloud(hosts=1, networks=NETWORKS, ports=count, real=1, protected=True)
    with scratch() as directory, Sandbox(directory / "ovs") as host, Ovn(root, host) as ovn:
        names = [cloud.network_id(n) for n in range(NETWORKS)]
        rows = ((place, cloud.port_row(place)) for place in cloud.places)
        ovn.ports(names, [(names[p.network], r.id, r.mac_address, r.fixed_ips[0].ip_address) for p, r in rows])
        for n in range(NETWORKS):
            members = [cloud.port_id(place.number) for place in cloud.places if place.network == n]
            ovn.many(groups.ovn_words(f"pg{n}", members))
        ovn.sync()
        start = time.monotonic()
        host.vsctl("--timeout=120", *words(cloud, cloud.places))
        ovn.sync()
        seconds = time.monotonic() - start
        if ovn.flows() < 5 * count:
            raise RuntimeError(f"OVN says it is done, with {ovn.flows()} flows for {count} interfaces")
        return seconds


if __name__ == "__main__":
    main(run)
