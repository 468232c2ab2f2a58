"""`patchbay api`: its workers, what it forwards to the controller, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from controller.io.store import Schema
from tests.certificates import Authority, Pair
from tests.db.processes import Processes, alive
from tests.db.servers import Server
from tests.ovs.controller import Controller, run_patchbay


@pytest.fixture
def kind() -> str:
    """The database does not matter here."""
    return "sqlite"


@pytest.fixture
def api(tmp_path: Path, url: str) -> Iterator[Processes]:
    with Processes(tmp_path / "api", url, workers=2) as processes:
        yield processes


def test_a_worker_that_dies_is_replaced(api: Processes) -> None:
    client = api.client()
    client.make("network", name="one")
    before = api.workers
    os.kill(before[0], signal.SIGKILL)
    api.wait(lambda: len(api.workers) == 2 and before[0] not in api.workers, "another worker")
    for _ in range(10):
        fresh = api.client()
        assert [network["name"] for network in fresh("GET", "/v2.0/networks").body["networks"]] == ["one"]
        fresh.close()
    assert f"worker {before[0]} ended with -9" in api.log


def test_it_ends_with_its_workers(api: Processes) -> None:
    workers = api.workers
    assert len(workers) == 2
    assert api.stop() == 0
    assert not any(alive(pid) for pid in workers)
    with pytest.raises(ConnectionRefusedError):
        api.client()


def test_workers_end_when_it_is_killed(api: Processes) -> None:
    workers = api.workers
    api.process.kill()
    api.process.wait()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in workers):
        assert time.monotonic() < deadline, "workers are left over"
        time.sleep(0.02)


def test_a_request_that_is_under_way_is_answered_before_the_end(api: Processes) -> None:
    """Many creations in one request take long enough to be told to end in the middle of it."""
    client = api.client()
    replies = []
    body = {"networks": [{"name": str(n), "provider:network_type": "local"} for n in range(1500)]}
    asking = threading.Thread(target=lambda: replies.append(client("POST", "/v2.0/networks", body)))
    asking.start()
    time.sleep(0.2)
    assert api.stop() == 0
    asking.join(30)
    assert [reply.status for reply in replies] == [201]


def test_what_keeps_it_from_starting_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = run_patchbay("api", "--database", f"sqlite:///{tmp_path}/p.db", "--rest", where)
    assert (ran.returncode, ran.stderr) == (2, f"patchbay: REST can't listen on {where}: Address already in use\n")
    ran = run_patchbay("api", "--database", "postgresql://127.0.0.1:1/none", "--rest", "127.0.0.1:0")
    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert line.startswith("patchbay: database postgresql+pg8000://")
    assert "127.0.0.1:1/none: Can't create a connection to host 127.0.0.1 and port 1" in line
    ran = run_patchbay("database", "upgrade", "--database", "mariadb://127.0.0.1:1/none?nosuch=1")
    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1)
    assert "the driver can't make sense of the URL: " in ran.stderr


@pytest.mark.parametrize("number", ["0", "-1", "two", "1001", ""])
def test_the_number_of_workers_is_checked(number: str) -> None:
    ran = run_patchbay("api", f"--workers={number}")
    assert ran.returncode == 2
    assert "is not an integer from 1 to 1000" in ran.stderr


def test_what_only_the_controller_knows_is_asked_of_it(tmp_path: Path, url: str) -> None:
    with Controller(tmp_path / "controller", {"database": {"connection": url}}) as controller:
        with Processes(tmp_path / "api", url, 2, controller=f"{controller.address}:{controller.ports['api']}") as api:
            client = api.client()
            network = client.make("network", name="blue", provider__network_type="local", project_id="t1")
            port = client.make("port", network_id=network["id"], project_id="t1")
            api.wait(lambda: client("GET", "/patchbay/v1/ports").body, "the controller to hear of the port")
            assert client("GET", "/patchbay/v1/ports").body == controller.look("ports")
            assert [shown["id"] for shown in controller.look("ports")] == [port["id"]]
            refused = client("GET", "/patchbay/v1/switches/nosuch/flows")
            assert refused.status == 404
            assert refused.body["NeutronError"]["type"] == "NotFound"
            assert client("DELETE", "/patchbay/v1/hosts/nosuch").status == 404
            path = f"tenants/t1/networks/{network['id']}/ports/{port['id']}/stats"
            assert client("GET", f"/v1.1/extensions/ovs/{path}").body["QuantumError"]["type"] == "PortNotPlugged"
            # and the other way: what the controller's own REST writes, workers read
            made = controller.make("network", name="red")
            assert client("GET", f"/v2.0/networks/{made['id']}").status == 200
            controller.stop()
            refused = client("GET", "/patchbay/v1/ports")
            assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
            assert "no controller answers at" in refused.body["NeutronError"]["message"]
            refused = client("GET", f"/v1.0/extensions/ovs/{path}")
            assert (refused.status, list(refused.body)) == (503, ["serviceUnavailable"])
            assert client("GET", "/v2.0/ports").status == 200


def test_a_token_of_one_worker_is_good_at_all(tmp_path: Path, url: str) -> None:
    """Identity is rows, too: whoever gave the token, the others know of it at once."""
    user = {"name": "admin", "domain": {"id": "default"}, "password": "secret-enough"}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    asked = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    with Processes(tmp_path, url, 3, more="auth_strategy = builtin", PATCHBAY_ADMIN_PASSWORD="secret-enough") as api:
        clients = [api.client() for _ in range(8)]
        assert {client("GET", "/v2.0/networks").status for client in clients} == {401}
        given = clients[0]("POST", "/identity/v3/auth/tokens", asked)
        assert given.status == 201, given
        token = given.headers["X-Subject-Token"]
        for client in clients:
            made = client("POST", "/v2.0/networks", {"network": {}}, X_Auth_Token=token)
            assert made.status == 201, made
            path = f"/v2.0/networks/{made.body['network']['id']}"
            assert {reader("GET", path, X_Auth_Token=token).status for reader in clients} == {200}
        revoked = clients[1]("DELETE", "/identity/v3/auth/tokens", X_Auth_Token=token, X_Subject_Token=token)
        assert revoked.status == 204, revoked
        assert {client("GET", "/v2.0/networks", X_Auth_Token=token).status for client in clients} == {401}


def test_workers_speak_tls_and_trust_the_controller_by_its_certificate(tmp_path: Path, url: str) -> None:
    authority = Authority(tmp_path / "ours")
    ours = authority.signs("api", "127.0.0.1")
    stranger = Authority(tmp_path / "other").signs("api", "127.0.0.1")

    def section(pair: Pair) -> dict[str, object]:
        return {"tls_certificate": pair.certificate, "tls_key": pair.key}

    more = "".join(f"{name} = {value}\n" for name, value in section(ours).items())
    for pair, expected in ((ours, 200), (stranger, 503)):
        ini = {"database": {"connection": url}, "api": section(pair)}
        controller = Controller(tmp_path / f"controller-{expected}", ini)
        where = f"{controller.address}:{controller.ports['api']}"
        with controller, Processes(tmp_path / f"api-{expected}", url, 1, where, more) as api:
            trust = ssl.create_default_context(cafile=str(authority.certificate))
            connection = HTTPSConnection("127.0.0.1", api.port, context=trust, timeout=30)
            for path, status in (("/v2.0/networks", 200), ("/patchbay/v1/status", expected)):
                connection.request("GET", path)
                answer = connection.getresponse()
                assert (answer.status, path) == (status, path), answer.read()
                answer.read()
            connection.close()


def test_database_upgrade_downgrade_and_revision(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/p.db"

    def database(*words: str) -> tuple[int, str]:
        ran = run_patchbay("database", *words, "--database", url)
        return ran.returncode, ran.stdout + ran.stderr

    assert database("revision") == (0, "no schema\n")
    code, head = database("upgrade")
    assert code == 0
    schema = Schema(url)
    assert schema.revision() == head.strip()
    schema.close()
    assert database("downgrade", "0001") == (0, "0001\n")
    assert database("upgrade") == (0, head)
    code, text = database("downgrade", "nosuch")
    assert code == 2
    assert "its schema is not one of this version's" in text
    assert database("downgrade")[0] == database("upgrade", "0001")[0] == 2


def test_a_database_that_is_lost_under_the_workers(tmp_path: Path, servers: Callable[[str], Server]) -> None:
    """Through processes and sockets: reads go on, writes are 503, and it heals."""
    server = servers("postgresql")
    url = server.create()
    with Processes(tmp_path / "api", url, workers=2) as api:
        client = api.client()
        client.make("network", name="before")
        server.kill()
        try:
            for _ in range(3):
                assert [n["name"] for n in client("GET", "/v2.0/networks").body["networks"]] == ["before"]
                refused = client("POST", "/v2.0/networks", {"network": {"name": "lost"}})
                assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
        finally:
            server.start()
        client.make("network", name="after")
        names = [n["name"] for n in client("GET", "/v2.0/networks").body["networks"]]
        assert sorted(names) == ["after", "before"]
