"""P2: N interfaces appear on one br-int at once, until the last flow is acknowledged; OVN beside it."""

from __future__ import annotations

import time
from pathlib import Path

from bench.cloud import Cloud
from bench.ovn import Missing, Ovn, provide
from bench.place import controller, database, scratch
from bench.real import RealHost, words
from bench.row import Row, figures, main, paired, progress
from bench.watch import Watch
from tests.ovs.sandbox import Sandbox

GOAL = 0.5
NETWORKS = 10


def run(quick: bool) -> Row:
    """Wire-up against OVN."""
    sizes = {20: 2, 100: 1} if quick else {100: 5, 1000: 3}
    last = max(sizes)
    row = Row("P2", f"wire up {last} interfaces at once on one br-int", f"<= {GOAL} of OVN's time, each N", "s")
    row.compared = (
        f"one `ovs-vsctl` with N add-ports on a joined host ({NETWORKS} networks), to the last change of its flows",
        "the same ovs-vsctl, then `ovn-nbctl --wait=hv sync` (ovn-northd and ovn-controller, same dummy datapath)",
    )
    try:
        root = provide()
    except Missing as error:
        root, row.problem = None, str(error)
    ratios = []
    for count, rounds in sizes.items():
        ours, flows, vsctl, active, other = [], 0, [], [], []
        for n in range(rounds):
            progress("P2", f"{count} interfaces, round {n + 1} of {rounds}")
            seconds, flows, alone, to_active = _ours(count)
            ours.append(seconds)
            vsctl.append(alone)
            active.append(to_active)
            if root is not None:
                other.append(_ovn(root, count))
        row.ours = figures(ours)
        row.note(f"{count} interfaces, ours ({flows} flow changes)", row.ours, "s")
        row.note(f"{count} interfaces, of it until ovs-vsctl returned", figures(vsctl), "s")
        row.note(f"{count} interfaces, ours, until all ports are ACTIVE", figures(active), "s")
        if other:
            row.other = figures(other)
            row.note(f"{count} interfaces, OVN", row.other, "s")
            ratios.append(paired(row.ours, row.other))
            row.detail.append(f"{count} interfaces: {ratios[-1]:.2f} of OVN's time")
    if ratios:
        row.ratio = max(ratios)
        row.met = row.ratio <= GOAL
    return row


def _ours(count: int) -> tuple[float, int, float, float]:
    """Seconds to the last flow, how many flows changed, seconds of ovs-vsctl alone, and until all are ACTIVE."""
    cloud = Cloud(hosts=1, networks=NETWORKS, ports=count, real=1)
    with scratch() as directory:
        cloud.load(database(directory), bound=False)
        with controller(directory) as made, Sandbox(directory / "ovs") as host:
            joining = RealHost(host, cloud, 0)
            joining.bridge()
            joining.join(made.address)
            joining.wait_programmed(made)
            watch = Watch(host.directory, "br-int")
            start = time.monotonic()
            plug = joining.plugging(cloud.places)
            watch.until(count * 4, 120)  # at the least; then whatever else there is
            plug.communicate()
            alone = time.monotonic() - start
            while len(made.get("ports", status="ACTIVE", fields="id")) < count:
                if time.monotonic() - start > 60:
                    raise TimeoutError(f"not all of {count} ports are ACTIVE after a minute")
                watch.pump(0.05)
            active = time.monotonic() - start
            last = watch.quiet(1.0, 120)
            watch.close()
    return last - start, watch.changes, min(alone, last - start), active


def _ovn(root: Path, count: int) -> float:
    cloud = Cloud(hosts=1, networks=NETWORKS, ports=count, real=1)
    with scratch() as directory, Sandbox(directory / "ovs") as host, Ovn(root, host) as ovn:
        names = [cloud.network_id(n) for n in range(NETWORKS)]
        rows = ((place, cloud.port_row(place)) for place in cloud.places)
        ovn.ports(names, [(names[p.network], r.id, r.mac_address, r.fixed_ips[0].ip_address) for p, r in rows])
        start = time.monotonic()
        host.vsctl("--timeout=120", *words(cloud, cloud.places))
        ovn.sync()
        seconds = time.monotonic() - start
        if ovn.flows() < 5 * count:
            raise RuntimeError(f"OVN says it is done, with {ovn.flows()} flows for {count} interfaces")
        return seconds


if __name__ == "__main__":
    main(run)
