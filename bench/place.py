"""Where a benchmark runs: a temporary directory, a controller in it, and what this machine is."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
import platform
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo.testbed import Controller, wait_until

_NUMBERS = itertools.count(1)


@contextmanager
def scratch(where: str | None = None) -> Iterator[Path]:
    """A temporary directory with a short name (Unix sockets are made in it), under `where` if it is given."""
    path = Path(tempfile.mkdtemp(prefix="pbb", dir=where))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def controller(
    directory: Path, config: Mapping[str, Mapping[str, Any]] | None = None, program: str = "", patience: float = 60
) -> Iterator[Controller]:
    """A controller on a loopback address of its own; its database is `database(directory)`.

    `program` is the module that runs it, instead of `controller` itself.
    """
    made = _Controller(directory, config or {}, program)
    try:
        made.start(patience)
        yield made
    finally:
        made.kill9()


def database(directory: Path) -> Path:
    """The controller's SQLite file, to be filled before its start."""
    (directory / "c").mkdir(exist_ok=True)
    return directory / "c" / "patchbay.sqlite"


class _Controller(Controller):
    def __init__(self, directory: Path, config: Mapping[str, Mapping[str, Any]], program: str) -> None:
        pid = os.getpid()
        address = f"127.{next(_NUMBERS) % 200 + 20}.{pid >> 8 & 255}.{pid & 255}"
        kept = directory / "kept"
        existing = directory / "c"
        if existing.exists():
            existing.rename(kept)
        identity = {"listen": f"{address}:5000"}
        super().__init__(address, existing, {"DEFAULT": {"log_level": "WARNING"}, "identity": identity, **config})
        if kept.exists():
            for file in kept.iterdir():
                file.rename(existing / file.name)
            kept.rmdir()
        self._program = program

    def command(self) -> list[str]:
        command = ["setpriv", "--pdeathsig", "KILL", *super().command()]
        return [self._program if word == "controller" and self._program else word for word in command]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


def programmed(made: Controller, switches: int, timeout: float = 60) -> None:
    """Wait until so many switches are connected and have acknowledged all."""

    def done() -> bool:
        status = made.request("GET", "/patchbay/v1/status").body
        return status["connected"] >= switches and status["switches"] >= switches and status["settled"]

    wait_until(done, timeout, f"{switches} switches to be programmed", interval=0.1)


# ---------------------------------------------------------------------------------------------------------------------
# Processes


def rss(pid: int) -> float:
    """Resident memory of a process in MB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024  # type: ignore[index]


def cpu(pid: int) -> float:
    """Processor seconds that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Sampled:
    """The largest memory of a process while something runs: `with Sampled(pid) as memory: ...; memory.most` (MB)."""

    def __init__(self, pid: int) -> None:
        self.pid, self.most = pid, rss(pid)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._end.wait(0.1):
            try:
                self.most = max(self.most, rss(self.pid))
            except OSError:
                return

    def __enter__(self) -> Sampled:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


# ---------------------------------------------------------------------------------------------------------------------
# This machine


def facts() -> list[tuple[str, str]]:
    """What the figures depend on, as (name, value)."""
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) // 1024  # type: ignore[index]
    return [
        ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("cores", str(os.cpu_count())),
        ("memory", f"{memory} MB"),
        ("kernel", platform.release()),
        ("Python", platform.python_version()),
        ("Open vSwitch", _version(["ovs-vswitchd", "--version"])),
        ("OVN", _version([_ovn(), "--version"]) if _ovn() else "none"),
        *((name, importlib.metadata.version(name)) for name in ("os-ken", "SQLAlchemy", "eventlet")),
    ]


def _ovn() -> str:
    from bench.ovn import find

    folder = find()
    return str(folder / "usr/bin/ovn-controller") if folder else ""


def _version(command: list[str]) -> str:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    try:
        said = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False)
    except OSError:
        return "none"
    return said.stdout.split("\n", 1)[0].split()[-1] if said.stdout else "none"
