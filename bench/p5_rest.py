"""P5: REST creates and lists against a bare WSGI handler with one committed insert on the same kind of database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.cloud import Cloud
from bench.place import controller, database, scratch
from bench.rest import ADMIN_PASSWORD, Client, People, rate
from bench.row import Row, figures, main, paired, progress

PROJECT = Path(__file__).resolve().parents[1]
GOAL, LIST_GOAL = 0.3, 0.020
CLIENTS = 8
BULK = 500
GUARDED = {
    "api": {"auth_strategy": "builtin"},
    "quotas": {"quota_network": -1, "quota_subnet": -1, "quota_port": -1},
}
"""With identity and policy, and without limits: quotas are counted all the same."""


def run(quick: bool) -> Row:
    """REST writes and lists against a bare handler."""
    each, rounds = (40, 2) if quick else (200, 9)
    goal = f">= {GOAL} of the bare handler (8 too); 1000 listed < {LIST_GOAL * 1000:.0f} ms"
    row = Row("P5", "REST: ports created, 1 client", goal, "/s")
    row.compared = (
        "POST /v2.0/ports (address and MAC allocated, journal written) of `patchbay serve` on a SQLite file, by a "
        "member of a project with a token of the built-in identity, under the default policy",
        "eventlet.wsgi, JSON in and out, one INSERT committed by sqlite3 with WAL and synchronous=FULL",
    )
    progress("P5", f"{rounds} rounds of {each} requests a client, ours and the bare handler's in turn")
    found = _creates(each, rounds, None)
    row.ours, row.other = figures(found["ports1"]), figures(found["bare1"])
    row.ratio = paired(row.ours, row.other)
    for name in ("networks1", "subnets1", "ports8", "networks8", "subnets8", "bare8"):
        what = name[:-1] if name.startswith("bare") else name[:-1] + " created"
        row.note(f"{what}, {name[-1]} client{'s' if name[-1] == '8' else ''}", figures(found[name]), "/s")
    eight = paired(figures(found["ports8"]), figures(found["bare8"]))
    row.detail.append(f"ports with 8 clients: {eight:.2f} of the bare handler")
    progress("P5", "the same in memory")
    unsynced = {name: figures(rates) for name, rates in _creates(each, min(rounds, 3), "/dev/shm").items()}
    no_disk = min(paired(unsynced[f"ports{n}"], unsynced[f"bare{n}"]) for n in "18")
    for name in ("ports1", "bare1", "ports8", "bare8"):
        row.note(f"where a sync costs nothing (tmpfs): {name[:-1]}, {name[-1]} clients", unsynced[name], "/s")
    row.detail.append(f"where a sync costs nothing: {no_disk:.2f} of the bare handler (1 or 8 clients, the worse)")
    listed = _lists(row, quick)
    row.met = min(row.ratio, eight) >= GOAL and listed < LIST_GOAL
    return row


def _creates(each: int, rounds: int, where: str | None) -> dict[str, list[float]]:
    """Rates of creates by what was made and by how many clients, in a directory under `where`."""
    found: dict[str, list[float]] = {}
    os.environ["PATCHBAY_ADMIN_PASSWORD"] = ADMIN_PASSWORD
    with scratch(where) as directory, controller(directory, GUARDED) as ours, bare(directory, ours.address) as port:
        token = People(ours.address, 9696).member
        network = Client(ours.address, 9696, token).make("network", name="bench")["id"]
        Client(ours.address, 9696, token).make("subnet", network_id=network, ip_version=4, cidr="10.0.0.0/8")
        made = {"port": {"network_id": network, "name": "a port", "device_id": "a machine"}}
        for _ in range(rounds):
            for count in (1, CLIENTS):
                clients = [Client(ours.address, 9696, token) for _ in range(count)]
                floor = [Client(ours.address, port) for _ in range(count)]
                amount, networks = each if count == 1 else each // 4, Networks()
                for name, who, request in (
                    ("ports", clients, _post("ports", made)),
                    ("bare", floor, _post("ports", made)),
                    ("networks", clients, networks.network),
                    ("subnets", clients, networks.subnet),
                ):
                    found.setdefault(f"{name}{count}", []).append(rate(who, amount, request)[0])
                for client in (*clients, *floor):
                    client.close()
    return found


def _post(resource: str, body: object):  # noqa: ANN202  (what `rate` wants)
    return lambda client, _: client.call("POST", f"/v2.0/{resource}", body)


class Networks:
    """Makes networks, and subnets in them: one each, so that none is compared with many others."""

    def __init__(self) -> None:
        self._made: list[str] = []

    def network(self, client: Client, number: int) -> tuple[int, bytes]:
        status, body = client.call("POST", "/v2.0/networks", {"network": {"name": f"n{number}"}})
        self._made.append(json.loads(body)["network"]["id"])
        return status, body

    def subnet(self, client: Client, _: int) -> tuple[int, bytes]:
        values = {"network_id": self._made.pop(), "ip_version": 4, "cidr": "192.0.2.0/24"}
        return client.call("POST", "/v2.0/subnets", {"subnet": values})


def _lists(row: Row, quick: bool) -> float:
    """List ports that are there; returns the median seconds for 1000, a member's or an administrator's, the worse."""
    found = 0.0
    for count in (1000, 1000) if quick else (1000, 10_000):
        progress("P5", f"listing {count} ports")
        with scratch() as directory:
            Cloud(hosts=10, networks=10, ports=count).load(database(directory))
            with controller(directory, GUARDED) as ours:
                people = People(ours.address, 9696)
                admin = Client(ours.address, 9696, people.admin)
                cold = _list(admin, "", 1000)
                row.note(f"list {count} ports, the first time", figures([cold * 1000]), "ms")
                for name, query in (("all fields", ""), ("fields=id,status", "?fields=id&fields=status")):
                    took = figures(_list(admin, query, count) for _ in range(10))
                    row.note(f"list {count} ports, {name}", figures(v * 1000 for v in took.values), "ms")
                    if count == 1000 and not query:
                        found = max(found, took.median)
                member = _members_ports(ours.address, people, count)
                took = figures(_list(member, "", count) for _ in range(10))
                row.note(
                    f"a member lists {count} own ports among twice as many",
                    figures(v * 1000 for v in took.values),
                    "ms",
                )
                found = max(found, took.median) if count == 1000 else found
    return found


def _members_ports(address: str, people: People, count: int) -> Client:
    """The member's client, when the member has made so many ports."""
    member = Client(address, 9696, people.member)
    network = member.make("network", name="own")["id"]
    member.make("subnet", network_id=network, ip_version=4, cidr="10.0.0.0/8")
    for _ in range(0, count, BULK):
        status, body = member.call("POST", "/v2.0/ports", {"ports": [{"network_id": network}] * BULK})
        if status != 201:
            raise RuntimeError(f"POST ports: {status} {body[:200]!r}")
    return member


def _list(client: Client, query: str, count: int) -> float:
    start = time.monotonic()
    status, body = client.call("GET", "/v2.0/ports" + query)
    if status != 200 or body.count(b'"id"') < count:
        raise RuntimeError(f"GET /v2.0/ports{query}: {status} {body[:200]!r}")
    return time.monotonic() - start


@contextmanager
def bare(directory: Path, address: str) -> Iterator[int]:
    """The bare handler's process; gives its port."""
    command = [sys.executable, "-m", "bench.bare", address, "9697", str(directory / "bare.sqlite")]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError("the bare handler did not start")
        yield 9697
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    main(run)
