"""`patchbay api` as real processes over a database, and a client that keeps its connection to one of them.

with Processes(directory, url, workers=4) as api:
    client = api.client()
    network = client.make("network", name="blue")
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.ovs.controller import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
INI = """
[database]
connection = {url}
[api]
workers_listen = 127.0.0.1:{port}
controller = {controller}
{more}
[ovs]
network_vlan_ranges = physnet1:100:129
tunnel_id_ranges = 1:30
"""


class Reply(NamedTuple):
    status: int
    body: Any
    headers: Any


class Client:
    """One connection, which stays with the worker that accepted it."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        text = None if body is None else json.dumps(body)
        self._connection.request(method, path, text, {name.replace("_", "-"): v for name, v in headers.items()})
        answer = self._connection.getresponse()
        read = answer.read()
        return Reply(answer.status, json.loads(read) if read else None, answer.headers)

    def make(self, kind: str, /, **values: Any) -> Any:
        """Create one, which must work; attribute names' colons are written `__`."""
        body = {kind: {name.replace("__", ":"): value for name, value in values.items()}}
        reply = self("POST", f"/v2.0/{kind}s", body)
        assert reply.status == 201, reply
        return reply.body[kind]

    def close(self) -> None:
        self._connection.close()


class Processes:
    """`patchbay api` and its workers, until the `with` ends."""

    def __init__(
        self, directory: Path, url: str, workers: int, controller: str = "127.0.0.1:1", more: str = "", **environ: str
    ) -> None:
        """`more` are further lines of the INI file's section [api]."""
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port("127.0.0.1")
        self.config = directory / "api.ini"
        self.config.write_text(INI.format(url=url, port=self.port, controller=controller, more=more))
        self._log = directory / "api.log"
        self._workers = workers
        self._environ = {**os.environ, "PYTHONUNBUFFERED": "1", **environ}

    def __enter__(self) -> Self:
        self.launch()
        try:
            self.wait(lambda: "API is running" in self.log, "the workers to listen")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def launch(self) -> None:
        """Start it without waiting for anything."""
        command = [sys.executable, "-m", "controller", "api", "--workers", str(self._workers)]
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command, "--config", str(self.config)],
                cwd=ROOT,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.stop()

    def stop(self) -> int:
        """End it as a service manager would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def client(self) -> Client:
        return Client(self.port)

    @property
    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    @property
    def workers(self) -> list[int]:
        """The pids of the workers."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def connections(self) -> dict[int, int]:
        """How many connections of clients each worker has accepted and still has."""
        accepted = set()
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            words = line.split()
            if int(words[1].rsplit(":", 1)[1], 16) == self.port and words[3] == "01":
                accepted.add(f"socket:[{words[9]}]")
        return {pid: len(accepted & _files(pid)) for pid in self.workers}

    def wait(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, f"it ended: {self.log[-3000:]}"
            assert time.monotonic() < deadline, f"waited in vain for {what}; log: {self.log[-3000:]}"
            time.sleep(0.02)


def _files(pid: int) -> set[str]:
    found = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(os.readlink(file))
        except FileNotFoundError:
            continue
    return found


def alive(pid: int) -> bool:
    """Whether the process runs (and is not only yet to be waited for)."""
    try:
        state = re.search(r"^State:\s+(\w)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except FileNotFoundError:
        return False
    return state is not None and state[1] != "Z"
