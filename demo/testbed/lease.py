"""A bed's number and directory, and the removal of what aborted runs left behind.

A bed takes the first free number n by making the directory `pb-n` under the system's temporary directory, and holds
a lock on a file in it for as long as its process lives.  Everything the bed makes is named after the number
(namespaces `pb-n-...`, the interface `pbn-ctl`), so what belongs to a dead run is told by the lock alone: it can be
taken.  A bed that is *kept* (it outlives its process on purpose) says so by a file in its directory.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import IO

from demo.testbed.run import alive, run

BEDS = 200
"""Numbers run from 0 to 199: they are the third byte of the bed's addresses."""

_NAMESPACE = re.compile(r"^pb-(\d+)-")
_LINK = re.compile(r"^\d+: pb(\d+)-ctl[@:]")


def directory(number: int) -> Path:
    return Path(tempfile.gettempdir()) / f"pb-{number}"


def link_name(number: int) -> str:
    """The one interface of a bed in the root namespace: the controller's leg in the control network."""
    return f"pb{number}-ctl"


class Lease:
    """The right to a bed number.  Raises RuntimeError when all numbers are taken."""

    def __init__(self) -> None:
        for number in range(BEDS):
            lock = _make(number)
            if lock is not None:
                self.number, self._lock = number, lock
                self.directory = directory(number)
                return
        raise RuntimeError(f"all {BEDS} testbed numbers are in use (python -m tests.netns.testbed clean)")

    def keep(self) -> None:
        """Let the bed live on when this process ends, until `sweep(kept=True)`."""
        (self.directory / "kept").touch()

    def release(self) -> None:
        _remove(self.number)
        self._lock.close()


def _make(number: int) -> IO[str] | None:
    try:
        directory(number).mkdir(mode=0o700)
    except FileExistsError:
        return None
    return _lock(number, create=True)


def _lock(number: int, create: bool = False) -> IO[str] | None:
    """The bed's lock, or None when another process holds it or the directory is gone."""
    path = directory(number) / "lock"
    try:
        file = path.open("a" if create else "r")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
        file.close()
        return None
    return file


def sweep(kept: bool = False) -> list[int]:
    """Remove the beds whose process is gone (and, on request, the kept ones).  Returns their numbers."""
    removed = []
    for number in sorted(present()):
        path = directory(number)
        # Without a directory the number is taken first: else a new bed could take it while we clear it.
        lock = _lock(number, create=_is_stale(path)) if path.exists() else _make(number)
        if lock is None:
            continue
        if kept or not (path / "kept").exists():
            _remove(number)
            removed.append(number)
        lock.close()
    return removed


def _is_stale(path: Path) -> bool:
    """A directory without a lock file is either just being made, or of a run killed in that very moment."""
    return not (path / "lock").exists() and time.time() - path.stat().st_mtime > 60


def kept_beds() -> list[int]:
    return [n for n in sorted(present()) if (directory(n) / "kept").exists()]


def namespaces(number: int) -> list[str]:
    return [name for name in _all_namespaces() if name.startswith(f"pb-{number}-")]


def _all_namespaces() -> list[str]:
    return [line.split()[0] for line in run(["ip", "netns", "list"]).stdout.splitlines() if line.strip()]


def present() -> set[int]:
    """The numbers of which anything is there: a directory, a namespace or a link."""
    names = [path.name + "-" for path in Path(tempfile.gettempdir()).glob("pb-*") if path.is_dir()]
    found = {int(m[1]) for m in map(_NAMESPACE.match, names + _all_namespaces()) if m}
    links = run(["ip", "-o", "link", "show"]).stdout.splitlines()
    return found | {int(m[1]) for m in map(_LINK.match, links) if m}


def end(number: int) -> None:
    """End one bed, kept or not, whose process is gone.  Raises RuntimeError when its process lives."""
    lock = _lock(number)
    if lock is None:
        raise RuntimeError(f"testbed {number} is in use, or there is none")
    _remove(number)
    lock.close()


def _remove(number: int) -> None:
    """End the bed's processes, delete its namespaces (their interfaces go with them), its link and its directory."""
    ours = namespaces(number)
    _kill(_processes(number, ours))
    for namespace in ours:
        run(["ip", "netns", "delete", namespace], check=False)
    run(["ip", "link", "delete", link_name(number)], check=False)
    shutil.rmtree(directory(number), ignore_errors=True)


def _processes(number: int, ours: list[str]) -> set[int]:
    """Everything that runs in the bed's namespaces, and the controllers that serve from its directory.

    Not by recorded numbers: those are reused, and somebody may have started a controller of a kept bed again.
    """
    pids = {int(pid) for name in ours for pid in run(["ip", "netns", "pids", name], check=False).stdout.split()}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _serves_from(entry, directory(number)):
            pids.add(int(entry.name))
    return pids - {os.getpid()}


def _serves_from(process: Path, path: Path) -> bool:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"serve" in words and any(f"{path}/".encode() in word for word in words)


def _kill(pids: set[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    end = time.monotonic() + 5
    while time.monotonic() < end and any(alive(pid) for pid in pids):
        time.sleep(0.02)
