"""An OvsdbServer in a process of its own, monkey-patched as the controller's, that a test drives and listens to.

with OvsdbProcess(directory) as controller:
    host.vsctl("set-manager", f"tcp:{controller.address}")
    up = controller.wait_for(HostUp)
    controller.ensure(up.name, EnsureBridge("br-int"))
"""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
MODULE = "tests.ovs.ovsdb_process"
PATIENCE = 10.0


class OvsdbProcess:
    """`events` holds all events so far, oldest first; `log` is what the server has logged."""

    def __init__(self, directory: Path, address: str = "127.0.0.1:0", probe: float = 5.0) -> None:
        self._directory, self._wanted, self._probe = directory, address, probe
        self.events: list[Any] = []
        self._news = threading.Condition()

    @property
    def log(self) -> str:
        return (self._directory / "controller.log").read_text()

    def __enter__(self) -> Self:
        path = str(self._directory / "test.sock")
        with socket.socket(socket.AF_UNIX) as listener, open(self._directory / "controller.log", "w") as log:
            listener.bind(path)
            listener.listen()
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", MODULE, path, self._wanted, str(self._probe)],
                cwd=ROOT,  # first on the module path, not this folder, whose files may be called like packages
                env={**os.environ, "PYTHONWARNINGS": "ignore"},
                stderr=log,
            )
            listener.settimeout(PATIENCE)
            connection, _ = listener.accept()
        self._file = connection.makefile("rwb")
        self.address: str = pickle.load(self._file)
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def ensure(self, host: str, *operations: Any) -> str:
        """Have the operations carried out; the result is the error of the OvsdbDone that answers, "" for none."""
        start = len(self.events)
        self.send((host, operations))
        done = self.wait_for(lambda event: type(event).__name__ == "OvsdbDone" and event.name == host, start)
        return str(done.error)

    def send(self, request: Any) -> None:
        """(host, operations), or None to stop the server."""
        pickle.dump(request, self._file)
        self._file.flush()

    def wait_for(self, wanted: type | Callable[[Any], object], start: int = 0) -> Any:
        """The first event, from number `start` on, that is of a class or satisfies a predicate."""
        test = (lambda event: isinstance(event, wanted)) if isinstance(wanted, type) else wanted
        deadline = time.monotonic() + PATIENCE
        with self._news:
            while True:
                for event in self.events[start:]:
                    if test(event):
                        return event
                left = deadline - time.monotonic()
                assert left > 0, f"no such event; there were: {self.events[start:]}; log: {self.log}"
                self._news.wait(left)

    def _read(self) -> None:
        while True:
            try:
                event = pickle.load(self._file)
            except (EOFError, OSError, ValueError):
                return
            with self._news:
                self.events.append(event)
                self._news.notify_all()


def serve(path: str, address: str, probe: str) -> None:
    """The process: events out and requests in, as pickles over a Unix socket."""
    import logging

    from controller.io.ovsdb import OvsdbServer

    logging.basicConfig(format="%(levelname)s %(message)s")
    test = socket.socket(socket.AF_UNIX)
    test.connect(path)
    file = test.makefile("rwb")

    def tell(value: Any) -> None:
        file.write(pickle.dumps(value))
        file.flush()

    server = OvsdbServer(address, tell, logging.getLogger("ovsdb"), float(probe))
    server.start()
    tell(server.address)
    while (request := pickle.load(file)) is not None:
        server.ensure(*request)
    server.stop()
    time.sleep(1)


if __name__ == "__main__":
    import eventlet

    eventlet.monkey_patch()
    serve(*sys.argv[1:])
