"""P4: reconnect and restart with 100 k flows on a bridge and nothing changed."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from bench.cloud import Cloud
from bench.place import controller, database
from bench.relay import Relay
from bench.row import Row, figures, main, number, paired, progress
from demo.testbed import Controller, Hypervisor, Testbed, wait_until

GOAL = 2.0
PORT = 16653


def run(quick: bool) -> Row:
    """Reconnect and restart against `ovs-ofctl dump-flows`."""
    count, rounds = (4_000, 2) if quick else (100_000, 5)
    goal = f"<= {GOAL:.0f}x, no flow-mod, no packet lost through kill -9"
    row = Row("P4", f"reconnect with {number(count)} flows on a bridge, nothing changed", goal, "s")
    row.compared = (
        "from the connection until the bridge is known to hold what it shall (read back and compared)",
        "`ovs-ofctl -O OpenFlow14 dump-flows` of the same bridge, its output thrown away",
    )
    if os.geteuid() != 0:
        row.problem = "it needs root (network namespaces)"
        return row
    cloud = _cloud(count)
    with Testbed() as bed:
        scratch = Path(bed.directory) / "bench"
        scratch.mkdir()
        progress("P4", "writing the rows")
        cloud.load(database(scratch))
        config: dict[str, Any] = {**cloud.ini(), "ovs": {"mode": "proactive"}}
        with controller(scratch, config) as made, Relay((bed.controller_ip, PORT), (made.address, 6653)) as relay:
            _measure(row, cloud, bed, made, relay, rounds)
    return row


def _cloud(count: int) -> Cloud:
    """Two ports on host 0, and so many on others that host 0's bridge has `count` flows (two for each)."""
    cloud = Cloud(hosts=20, networks=1, ports=0)
    cloud.place(0, 0)
    cloud.place(0, 0)
    for n in range(count // 2):
        cloud.place(0, 1 + n % (cloud.hosts - 1))
    cloud.ports = len(cloud.places)
    return cloud


def _measure(row: Row, cloud: Cloud, bed: Testbed, made: Controller, relay: Relay, rounds: int) -> None:
    hv = bed.hypervisor("hv0", physnets=())
    hv.make_integration_bridge({"vxlan": "vxlan0"})
    hv.vsctl("set", "Bridge", "br-int", "protocols=OpenFlow14", "other_config:datapath-id=0000000000000001")
    vms = [hv.plug(_port(cloud, n), prefix_lengths={4: 8}) for n in (0, 1)]
    hv.vsctl("set-controller", "br-int", f"tcp:{bed.controller_ip}:{PORT}")
    hv.vsctl("set", "Controller", "br-int", "max_backoff=1000")
    progress("P4", "programming the bridge")
    wait_until(lambda: _there(made), 180, "the bridge to be programmed")
    flows = int(hv.ofctl("dump-aggregate", "br-int").rpartition("flow_count=")[2])
    row.detail.append(f"{number(flows)} flows on the bridge")
    vms[0].ping(vms[1].ip, count=2)
    relay.forget()
    ours, other = [], []
    for n in range(rounds):
        progress("P4", f"reconnect {n + 1} of {rounds}")
        ours.append(_reconnect(made, relay))
        other.append(_dump(hv))
    row.note("bytes to the bridge in all reconnects", figures([relay.bytes_down]))
    mods = relay.flow_mods
    progress("P4", "kill -9 and start, under pings")
    relay.forget()
    ping = vms[0].start_ping(vms[1].ip, interval=0.01)
    ping.wait_for_replies(20)
    made.kill9()
    start = time.monotonic()
    made.start(180)
    listening = time.monotonic()
    wait_until(lambda: _there(made), 180, "the bridge to be known again")
    end = time.monotonic()
    time.sleep(2)
    pings = ping.stop()
    mods += relay.flow_mods
    row.ours, row.other = figures(ours), figures(other)
    row.ratio = paired(row.ours, row.other)
    row.note("restart: from its start until REST answers", figures([listening - start]), "s")
    row.note("restart: from the bridge's connection until it is known", figures([max(0.0, end - relay.accepted)]), "s")
    row.detail.append(f"flow-mods in all reconnects and the restart: {mods}")
    row.detail.append(f"through kill -9 and start: {pings.sent} pings between VMs of the host, {pings.lost} lost")
    row.met = row.ratio <= GOAL and mods == 0 and pings.lost == 0


def _port(cloud: Cloud, number: int) -> dict[str, Any]:
    made = cloud.port_row(cloud.places[number])
    return {
        "id": made.id,
        "mac_address": made.mac_address,
        "fixed_ips": [{"ip_address": fixed.ip_address} for fixed in made.fixed_ips],
    }


def _there(made: Controller) -> bool:
    switches = made.request("GET", "/patchbay/v1/switches").body
    return bool(switches) and switches[0]["connected"] and switches[0]["settled"] and switches[0]["flows"] > 100


def _reconnect(made: Controller, relay: Relay) -> float:
    """Cut the connection; seconds from the next one until the controller has compared all."""
    time.sleep(0.5)
    before = relay.cut()
    wait_until(lambda: relay.accepted > before, 20, "the bridge to connect again", interval=0.001)
    wait_until(lambda: _there(made), 60, "the bridge to be known again", interval=0.005)
    return time.monotonic() - relay.accepted


def _dump(hv: Hypervisor) -> float:
    command = ["ovs-ofctl", "-O", "OpenFlow14", "dump-flows", f"unix:{hv.directory}/br-int.mgmt"]
    start = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - start


if __name__ == "__main__":
    main(run)
