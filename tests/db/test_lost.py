"""The database is lost for a while and comes back: reads go on, writes are refused whole, nothing seen is lost.

The servers are really stopped, killed or paused, and started again with the same data at the same address.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from webob import Request

from controller.core.model import Host, Network
from controller.io.store import Store, Unavailable, engines
from controller.io.store import head as head_module
from rest.wsgi import application
from tests.db.plans import contents, put, replayed
from tests.db.servers import Server

ROOT = Path(__file__).parents[2]
Opened = Callable[[str], Store]


@pytest.fixture(params=["postgresql", "mariadb"])
def kind(request: pytest.FixtureRequest) -> str:
    """SQLite has no server to lose; tests/unit/test_store.py locks and moves its file."""
    return str(request.param)


@pytest.fixture
def server(kind: str, servers: Callable[[str], Server]) -> Iterator[Server]:
    """The server, which runs again when the test is over."""
    running = servers(kind)
    yield running
    if running.process is None:
        running.start()


class Client:
    """The REST application over a store."""

    def __init__(self, store: Store) -> None:
        self.application = application(store, store.settings, unavailable=Unavailable)

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        request = Request.blank(f"/v2.0/{path}", method=method, body=b"" if body is None else json.dumps(body).encode())
        return request.get_response(self.application)

    def names(self) -> list[str]:
        reply = self("GET", "networks")
        assert reply.status_int == 200
        return sorted(network["name"] for network in reply.json["networks"])

    def create(self, name: str) -> Any:
        return self("POST", "networks", {"network": {"name": name}})


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_reads_go_on_and_writes_are_refused_whole(url: str, server: Server, opened: Opened, how: str) -> None:
    store = opened(url)
    client = Client(store)
    made = client.create("before").json["network"]
    before = contents(store.net)
    getattr(server, how)()
    for _ in range(2):
        assert client.names() == ["before"]
        for method, path, body in (
            ("POST", "networks", {"network": {"name": "lost"}}),
            ("POST", "networks", {"networks": [{"name": "lost 1"}, {"name": "lost 2"}]}),
            ("PUT", f"networks/{made['id']}", {"network": {"name": "lost"}}),
            ("DELETE", f"networks/{made['id']}", None),
        ):
            refused = client(method, path, body)
            assert refused.status_int == 503
            assert int(refused.headers["Retry-After"]) > 0
            assert refused.json["NeutronError"]["type"] == "ServiceUnavailable"
        assert client("GET", f"networks/{made['id']}").json["network"] == made
    assert contents(store.net) == before
    server.start()
    assert client.create("after").status_int == 201
    assert client.names() == ["after", "before"]
    again = opened(url)
    assert contents(again.net) == contents(store.net) == contents(replayed(again.journal()))


def test_connections_that_died_meanwhile_are_replaced(url: str, server: Server, opened: Opened) -> None:
    """Nobody asked while it was away, and nobody is refused for it: not the next read, not the next write."""
    ours, theirs = opened(url), opened(url)
    for name, store in (("ours", ours), ("theirs", theirs)):
        store.execute(put(Network(name)), who="test")
        store.fresh()
    server.stop()
    server.start()
    ours.execute(put(Network("written")), who="test")
    theirs.fresh()
    assert theirs.net.get(Network, "written") is not None
    assert ours.catch_up() == theirs.catch_up() == 3


def test_others_writes_are_seen_when_it_is_back(
    url: str, server: Server, opened: Opened, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = opened(url), opened(url)
    ours.fresh()
    server.kill()
    with caplog.at_level(logging.INFO, "patchbay.store"):
        for _ in range(3):
            ours.fresh()
        assert [record.message.split(":")[0] for record in caplog.records] == ["reads go on from memory"]
        server.start()
        theirs.execute(put(Network("written")), who="test")
        monkeypatch.setattr(ours._head, "_lost_until", time.monotonic())  # RETRY is over
        ours.fresh()
        assert "is back" in caplog.records[-1].message
    assert ours.net.get(Network, "written") is not None


def test_a_server_that_answers_nothing_holds_up_one_read_only(
    url: str, server: Server, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "ANSWER", 0.5)
    monkeypatch.setattr(head_module, "RETRY", 60.0)
    store = opened(url)
    store.fresh()
    server.pause()
    try:
        store.fresh()
        before = store.statements
        for _ in range(100):
            store.fresh()
        assert store.statements == before
        with pytest.raises(Unavailable, match="timed out"):
            store.execute(put(Network("lost")), who="test")
    finally:
        server.resume()
    assert store.execute(put(Network("n")), who="test").revision == 1
    assert [network.id for network in opened(url).net.all(Network)] == ["n"]


LOOP = """
from controller import green
import sys
import eventlet
from eventlet.greenio import GreenPipe
from controller.core import app
from controller.core.events import HostUp
from controller.core.machine import Machine
from controller.core.model import Host
from controller.core.settings import Settings
from controller.io.loop import Loop
from controller.io.store import Store, Unavailable, engines
from controller.serving import follow

engines.ANSWER = 1.0
settings, beats = Settings(), []
store = Store(sys.argv[1], settings)
loop = Loop(Machine(app.load(), settings), store, Unavailable)
loop.start()
eventlet.spawn(follow, store)

def beat():
    while True:
        eventlet.sleep(0.01)
        beats.append(1)

eventlet.spawn(beat)
print("ready", flush=True)
with GreenPipe(sys.stdin.fileno(), "r") as commands:
    for line in commands:
        if line.startswith("host"):
            loop.emit(HostUp("tcp:192.0.2.1:4000", line.split()[0], local_ip="192.0.2.1"))
        beats.clear()
        eventlet.sleep(1.5 if "wait" in line else 0)
        print(len(beats), *sorted(host.name for host in store.net.all(Host)), flush=True)
"""
"""The controller's loop, fed by hand: each line it reads is a host that dials in, or a question."""


@pytest.fixture
def loop(url: str) -> Iterator[Callable[[str], list[str]]]:
    """Say a line to the loop; the answer is how often another green thread ran meanwhile, and the stored hosts."""
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", LOOP, url]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    def say(line: str) -> list[str]:
        process.stdin.write(line + "\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        return process.stdout.readline().split()  # type: ignore[union-attr]

    yield say
    process.kill()
    process.wait()


def awaited(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + 30
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
    return found


def test_what_was_seen_meanwhile_is_written_when_it_is_back(
    url: str, server: Server, opened: Opened, loop: Callable[[str], list[str]]
) -> None:
    loop("host-1")
    awaited(lambda: "host-1" in loop("?"), "the first host")
    server.kill()
    for n in range(2, 5):
        assert loop(f"host-{n}")[1:] == ["host-1"]
    assert loop("wait")[1:] == ["host-1"]
    server.start()
    expected = [f"host-{n}" for n in range(1, 5)]
    awaited(lambda: loop("?")[1:] == expected, "the others")
    assert sorted(host.name for host in opened(url).net.all(Host)) == expected


def test_the_controller_goes_on_while_a_server_answers_nothing(
    server: Server, loop: Callable[[str], list[str]]
) -> None:
    """A write and the follower wait for it, in green threads; others run meanwhile, and the write is tried again."""
    loop("host-1")
    awaited(lambda: "host-1" in loop("?"), "the first host")
    server.pause()
    try:
        beats, *hosts = loop("host-2 wait")
        assert hosts == ["host-1"]
        assert int(beats) > 20, "a process that waits for the database stands still"
    finally:
        server.resume()
    awaited(lambda: "host-2" in loop("?"), "the second host")


def test_the_controller_follows_what_other_processes_write(
    url: str, opened: Opened, loop: Callable[[str], list[str]]
) -> None:
    opened(url).execute(put(Host("elsewhere")), who="test")
    awaited(lambda: "elsewhere" in loop("?"), "another process's host")
