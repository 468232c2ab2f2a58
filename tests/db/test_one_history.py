"""Several API processes over one database have one history: no duplicate, no lost update, and every read is fresh."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.core.model import Network, Port, Segment, Subnet
from controller.core.net import Net
from controller.core.settings import Settings
from controller.io.store import Store
from tests.db.conftest import SERVERS
from tests.db.plans import contents
from tests.db.processes import Client, Processes, Reply
from tests.db.servers import Server

WORKERS = 4
CLIENTS = 8
OPERATIONS = st.sampled_from(["port", "ports", "vlan", "tunnel", "count", "delete"])
WORK = st.lists(st.lists(OPERATIONS, min_size=2, max_size=8), min_size=CLIENTS, max_size=CLIENTS)
"""What each client does, one after the other; all clients at the same time."""


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def api(
    request: pytest.FixtureRequest, servers: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Processes, str]]:
    """Four workers over a new database, and its URL."""
    directory: Path = tmp_path_factory.mktemp("api")
    kind = request.param
    url = f"sqlite:///{directory}/p.db" if kind == "sqlite" else servers(kind).create()
    with Processes(directory, url, WORKERS) as processes:
        yield processes, url


class Writer:
    """A client that writes over one connection and reads, at once, what it wrote over another; in its own thread."""

    def __init__(self, api: Processes, work: list[str], network: Any, start_line: threading.Barrier) -> None:
        self.thread = threading.Thread(target=self._run)
        self.counted = 0
        self.made: dict[str, str] = {}
        self.gone: set[str] = set()
        self.failure: BaseException | None = None
        self._write, self._read = api.client(), api.client()
        self._work = work
        self._network = network
        self._start_line = start_line

    def _run(self) -> None:
        try:
            self._start_line.wait(60)
            for operation in self._work:
                getattr(self, f"_{operation}")()
        except BaseException as error:  # noqa: BLE001  (the test raises it)
            self.failure = error
        finally:
            self._write.close()
            self._read.close()

    def _port(self) -> None:
        self._create("ports", {"port": {"network_id": self._network["id"]}})

    def _ports(self) -> None:
        self._create("ports", {"ports": [{"network_id": self._network["id"]}] * 3})

    def _vlan(self) -> None:
        self._create(
            "networks",
            {"network": {"provider:network_type": "vlan", "provider:physical_network": "physnet1"}},
        )

    def _tunnel(self) -> None:
        self._create("networks", {"network": {"provider:network_type": "vxlan"}})

    def _create(self, collection: str, body: Any) -> None:
        reply = self._write("POST", f"/v2.0/{collection}", body)
        if reply.status == 409:  # none left
            return
        assert reply.status == 201, reply
        (found,) = reply.body.values()
        for item in found if isinstance(found, list) else [found]:
            path = f"/v2.0/{collection}/{item['id']}"
            self.made[path] = item["id"]
            shown = self._read("GET", path)
            assert shown.status == 200, f"{path} was made by another worker: {shown}"

    def _delete(self) -> None:
        if self.made:
            path, _ = self.made.popitem()
            assert self._write("DELETE", path).status == 204
            assert self._read("GET", path).status == 404
            self.gone.add(path)

    def _count(self) -> None:
        """Add one to a number that all clients share, unless another has changed it since it was read."""
        path = f"/v2.0/networks/{self._network['id']}"
        while True:
            seen = self._read("GET", path).body["network"]
            changed = {"network": {"description": str(int(seen["description"]) + 1)}}
            reply: Reply = self._write("PUT", path, changed, If_Match=f"revision_number={seen['revision_number']}")
            if reply.status == 200:
                break
            assert reply.status == 412, reply
        self.counted += 1
        assert int(self._read("GET", path).body["network"]["description"]) >= int(changed["network"]["description"])


def checked_history(store: Store) -> Net:
    """The Net that the journal gives; at no revision does anything have what another one has."""
    net = Net()
    for expected, entry in enumerate(store.journal(), start=1):
        assert entry.revision == expected
        for change in entry.changes:
            net.apply(change)
        for change in entry.changes:
            if isinstance(change.new, Port):
                mac = change.new.network_id, change.new.mac_address
                assert len(net.find(Port, "network_id+mac_address", mac)) == 1
                for ip in change.new.fixed_ips:
                    assert len(net.find(Port, "address", (change.new.network_id, ip.ip_address))) == 1
            if isinstance(change.new, Segment) and change.new.segmentation_id is not None:
                same = (change.new.network_type, change.new.physical_network, change.new.segmentation_id)
                assert len(net.find(Segment, "network_type+physical_network+segmentation_id", same)) == 1
            if isinstance(change.new, Network):
                assert len(net.find(Network, "key", change.new.key)) == 1
    return net


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WORK)
def test_eight_clients_of_four_workers_have_one_history(api: tuple[Processes, str], work: list[list[str]]) -> None:
    processes, url = api
    client = processes.client()
    network = client.make("network", description="0", provider__network_type="local")
    subnet = client.make("subnet", network_id=network["id"], ip_version=4, cidr="10.0.0.0/26")
    start_line = threading.Barrier(CLIENTS)
    writers = [Writer(processes, operations, network, start_line) for operations in work]
    for writer in writers:
        writer.thread.start()
    for writer in writers:
        writer.thread.join(120)
    assert [writer.failure for writer in writers if writer.failure] == []
    assert not any(writer.thread.is_alive() for writer in writers)
    counted = client("GET", f"/v2.0/networks/{network['id']}").body["network"]["description"]
    assert int(counted) == sum(writer.counted for writer in writers)
    store = Store(url, Settings())
    for writer in writers:
        rows = {path: store.net.get(Port if "/ports/" in path else Network, key) for path, key in writer.made.items()}
        assert None not in rows.values(), "a write that was answered is lost"
        for path in writer.gone:
            assert store.net.get(Port if "/ports/" in path else Network, path.rsplit("/", 1)[1]) is None
    assert store.net.get(Subnet, subnet["id"]) is not None
    assert contents(store.net) == contents(checked_history(store))
    store.close()
    _make_room(client)


def _make_room(client: Client) -> None:
    """Delete everything: the ranges are small, so that they are used up and given again."""
    for collection in ("ports", "networks"):
        for item in client("GET", f"/v2.0/{collection}").body[collection]:
            assert client("DELETE", f"/v2.0/{collection}/{item['id']}").status == 204
    client.close()


def test_connections_are_shared_among_the_workers(api: tuple[Processes, str]) -> None:
    """Else the test above would prove nothing."""
    processes, _ = api
    clients = []
    for _ in range(40):
        clients.append(processes.client())
        time.sleep(0.02)  # one that is quick takes all that come at once
    for client in clients:
        assert client("GET", "/v2.0/networks").status == 200
    shares: Counter[int] = Counter(processes.connections())
    assert len(shares) == WORKERS
    assert sum(shares.values()) == 40
    assert sum(count > 0 for count in shares.values()) >= 2, shares
    for client in clients:
        client.close()


def test_every_worker_reads_what_any_worker_wrote(api: tuple[Processes, str]) -> None:
    """Each of many connections writes in its turn, and all of them see it at once."""
    processes, _ = api
    clients = [processes.client() for _ in range(12)]
    for turn, writer in enumerate(clients):
        made = writer.make("network", name=f"turn {turn}")
        path = f"/v2.0/networks/{made['id']}"
        assert [reader("GET", path).status for reader in clients] == [200] * len(clients)
        last = clients[turn - 1]
        assert last("PUT", path, {"network": {"name": "changed"}}).status == 200  # at once, too
        assert [reader("GET", path).body["network"]["name"] for reader in clients] == ["changed"] * len(clients)
        assert clients[turn - 2]("DELETE", path).status == 204
        assert [reader("GET", path).status for reader in clients] == [404] * len(clients)
    for client in clients:
        client.close()
