"""P8: iperf3 and ping between VMs on two hosts through the whole pipeline, and through flows written by hand."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench import groups
from bench.row import Row, figures, main, number, paired, progress, shares
from demo.testbed import Controller, Hypervisor, Testbed, Vm
from demo.trace import parse

THROUGHPUT_GOAL, LATENCY_GOAL = 0.95, 1.1
VNI = 7
Ends = list[tuple[Hypervisor, Vm]]
"""The two hosts, with a VM each."""
TRACKED, OURS, HAND, STATELESS = "two flows and a ct()", "ours", "two flows", "ours, stateless groups"
"""Whose flows a packet goes through.  The first is what a tracker costs by itself, once a host, and the last is ours
without one; no goal is about these two."""
KINDS = (TRACKED, OURS, HAND, STATELESS)
"""In this order, and in its reverse, ours is measured beside what it is compared with."""
ZONE = 0xFFF0
"""The hand-written flows' zone of connections; ours are numbered as OpenFlow ports."""
IPERF = {"direction": "ingress", "protocol": "tcp", "port_range_min": 5201, "port_range_max": 5201}


def run(quick: bool) -> Row:
    """Traffic through our pipeline against two hand-written flows on the same hosts."""
    rounds, seconds, pings = (2, 1, 50) if quick else (16, 2, 100)
    goal = f">= {THROUGHPUT_GOAL} throughput, <= {LATENCY_GOAL}x latency"
    row = Row("P8", "iperf3 between VMs on two hosts, VXLAN, userspace datapath", goal, "Gbit/s")
    row.compared = (
        "one TCP stream through every table of our pipeline on both hosts, both VMs protected by eleven stateful rules",
        "the same VMs, hosts and tunnel port with two flows a host: VIF to tunnel, tunnel to VIF",
    )
    if os.geteuid() != 0:
        row.problem = "it needs root (network namespaces)"
        return row
    with _world() as (ends, tables):
        found: dict[str, list[Sample]] = {}
        for n in range(rounds):
            progress("P8", f"round {n + 1} of {rounds}")
            for name in KINDS[:: -1 if n % 2 else 1]:
                for table in tables:
                    table.use(name)
                found.setdefault(name, []).append(_traffic(ends, seconds, pings))
                if n == 0:
                    _walk(row, name, ends)
    _compare(row, found)
    return row


def _compare(row: Row, found: dict[str, list[Sample]]) -> None:
    rate, ping, slow, time = (
        {name: figures(getattr(sample, what) for sample in samples) for name, samples in found.items()}
        for what in Sample._fields
    )
    row.ours, row.other = rate[OURS], rate[HAND]
    row.ratio, latency = paired(rate[OURS], rate[HAND]), paired(ping[OURS], ping[HAND])
    for name in KINDS:
        if name not in (OURS, HAND):  # theirs are in the table
            row.note(f"{name}: throughput", rate[name], row.unit)
        row.note(f"{name}: median round trip", ping[name], "ms")
        row.note(f"{name}: p99 round trip", slow[name], "ms")
        row.note(f"{name}: processor time of both switches for a packet at one", time[name], "ns")
    rounds = len(row.ours.values)
    row.detail.append(f"ratios: medians of {rounds} rounds in alternating order ± the standard error of the mean")
    for name, base in ((OURS, HAND), (TRACKED, HAND), (OURS, TRACKED), (STATELESS, HAND)):
        ratios = ((rate, "throughput"), (ping, "latency"), (time, "processor time"))
        shown = ((what, shares(each[name], each[base])) for each, what in ratios)
        text = ", ".join(f"{what} {share.median:.2f} ± {share.error:.2f}" for what, share in shown)
        row.detail.append(f"{name} / {base}: {text}")
    row.met = row.ratio >= THROUGHPUT_GOAL and latency <= LATENCY_GOAL


@contextmanager
def _world() -> Iterator[tuple[Ends, list[_Tables]]]:
    """Two joined hosts with a VM each in one VXLAN network, warm, and then without a controller; and their flows."""
    with Testbed() as bed:
        hosts = [bed.hypervisor(f"hv{n}", physnets=()) for n in (1, 2)]
        controller = bed.controller({})
        for hv in hosts:
            hv.join()
        number = {"provider:network_type": "vxlan", "provider:segmentation_id": VNI}
        network = controller.post("networks", name="bench", **number)
        controller.post("subnets", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
        protected = {"network_id": network["id"], "security_groups": [_group(controller, stateful=True)]}
        ports = [controller.post("ports", **protected) for _ in hosts]
        ends = [(hv, hv.plug(port, mtu=network["mtu"])) for hv, port in zip(hosts, ports, strict=True)]
        controller.wait_active(*(port["id"] for port in ports))
        tables = [_Tables(hv, bed.directory) for hv in hosts]
        _warm(controller, ends)
        for table in tables:
            table.keep(OURS)
        stateless = _group(controller, stateful=False)
        for port in ports:
            controller.put("ports", port["id"], security_groups=[stateless])
        _warm(controller, ends)
        for table in tables:
            table.keep(STATELESS)
        controller.kill9()
        for table, (_, vm), peer in zip(tables, ends, hosts[::-1], strict=True):
            table.by_hand(vm, peer)
        yield ends, tables


def _group(controller: Controller, stateful: bool) -> str:
    """Make a group with the eleven rules."""
    group = controller.post("security-groups", name="bench", stateful=stateful)
    for rule in group["security_group_rules"]:
        controller.delete("security-group-rules", rule["id"])
    for rule in [*groups.rules(group["id"]), {**IPERF, "security_group_id": group["id"]}]:
        controller.post("security-group-rules", **rule)
    return str(group["id"])


def _warm(controller: Controller, ends: Ends) -> None:
    """Let the VMs meet when all is programmed, so that the flows are there that a conversation asks for."""
    if not controller.request("GET", "/v2.0/convergence?wait=20").body["converged"]:
        raise TimeoutError("the switches have not acknowledged all flows within 20 s")
    for (_, vm), (_, other) in (ends, ends[::-1]):
        if not vm.ping(other.ip, count=5).received:
            raise RuntimeError(f"{other.ip} does not answer {vm.ip}")
    time.sleep(1)


class _Tables:
    """A host's br-int with flows of ours, or with hand-written ones."""

    def __init__(self, hv: Hypervisor, directory: Path) -> None:
        self._hv = hv
        self._files = {name: directory / f"{hv.name}-{n}" for n, name in enumerate(KINDS)}

    def keep(self, name: str) -> None:
        """Keep the flows that the controller made."""
        self._files[name].write_text("\n".join(self._hv.flows()) + "\n")

    def by_hand(self, vm: Vm, peer: Hypervisor) -> None:
        """Write the flows of the comparison: two; and the same behind a tracker that drops what is invalid."""
        vif, tunnel = self._hv.ofport(vm.tap), self._hv.ofport("pb-vxlan")
        out = f"set_field:{VNI}->tun_id,set_field:{peer.local_ip}->tun_dst,output:{tunnel}"
        plain, tracked = [], [f"priority=2,ip actions=ct(zone={ZONE},table=1)"]
        for port, actions in ((vif, out), (tunnel, f"output:{vif}")):
            plain.append(f"priority=1,in_port={port} actions={actions}")
            tracked.append(f"table=1,priority=1,ct_state=-inv+trk,in_port={port} actions={actions}")
            new = f"table=1,priority=2,ct_state=+new-inv+trk,ip,in_port={port}"
            tracked.append(f"{new} actions=ct(commit,zone={ZONE}),{actions}")
        self._files[HAND].write_text("\n".join(plain) + "\n")
        self._files[TRACKED].write_text("\n".join(plain + tracked) + "\n")

    def use(self, name: str) -> None:
        self._hv.ofctl("--bundle", "replace-flows", "br-int", str(self._files[name]))


class Sample(NamedTuple):
    """Gbit/s of one stream, the median and p99 of round trip times (ms), and processor time for a packet (ns)."""

    rate: float
    ping: float
    slow: float
    time: float


def _traffic(ends: Ends, seconds: int, pings: int) -> Sample:
    """One stream, then pings, from the first VM to the other."""
    client, server = (vm for _, vm in ends)
    client.ping(server.ip, count=10, interval=0.02)
    daemon = server.start(["iperf3", "-s", "-1"])
    try:
        time.sleep(0.3)
        before = _worked(ends)
        done = client.run(["iperf3", "-c", server.ip, "-t", str(seconds), "-O", "1", "-J"], timeout=seconds + 20)
        spent, packets = (after - then for after, then in zip(_worked(ends), before, strict=True))
    finally:
        daemon.kill()
        daemon.communicate()
    rate = json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e9
    trips = figures(client.ping(server.ip, count=pings, interval=0.005).rtts)
    return Sample(rate, trips.median, trips.at(0.99), spent / packets * len(ends))


def _worked(ends: Ends) -> tuple[int, int]:
    """Of both switches' main threads, which forward: nanoseconds on a processor, packets received (proc(5))."""
    spent = packets = 0
    for hv, _ in ends:
        pid = (hv.directory / "ovs-vswitchd.pid").read_text().strip()
        spent += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        packets += sum(map(int, re.findall(r"packets received: (\d+)", hv.appctl("dpif-netdev/pmd-stats-show"))))
    return spent, packets


def _walk(row: Row, name: str, ends: Ends) -> None:
    """How many tables a packet walks, and how many megaflows a conversation made on each host."""
    client, server = ends
    for hv, _ in ends:
        hv.appctl("revalidator/purge")
    conversation = client[1].start(["ping", "-n", "-i", "0.01", "-c", "100", server[1].ip])
    time.sleep(0.6)
    kinds = [_megaflows(hv) for hv, _ in ends]
    conversation.communicate()
    counts = f"{kinds[0][0]} on the sender's host, {kinds[1][0]} on the other"
    row.detail.append(f"{name}: megaflows while one ping runs: {counts}")
    row.detail.extend(f"{name}: {line}" for line in kinds[0][1])
    packet = f"icmp,in_port={client[1].tap},dl_src={client[1].mac},dl_dst={server[1].mac}"
    packet += f",nw_src={client[1].ip},nw_dst={server[1].ip},nw_ttl=64"
    hops = [hop for hop in parse(client[0].appctl("ofproto/trace", "br-int", packet)).hops if hop.bridge == "br-int"]
    row.detail.append(f"{name}: tables of br-int that a packet walks on its way out: {number(len(hops))}")


def _megaflows(hv: Hypervisor) -> tuple[int, list[str]]:
    """The megaflows that the VMs' IPv4 packets made: how many, and the first ones without what varies."""
    every = hv.appctl("dpctl/dump-flows").splitlines()
    lines = [line for line in every if "recirc_id" in line and "eth_type(0x0800)" in line]
    shown = [re.sub(r", packets:.*?actions:", " actions:", line)[:300] for line in lines]
    return len(lines), shown[:4]


if __name__ == "__main__":
    main(run)
