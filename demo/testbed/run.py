"""Run a command; wait for a condition."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class CommandFailed(RuntimeError):
    """A command ended with a code other than 0; the message holds what it said."""


def run(
    command: Sequence[str],
    *,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.  `env` is the whole environment; without `stdin` the command reads nothing.

    Raises CommandFailed unless it exits with 0 or `check` is False.
    """
    source = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    done = subprocess.run(list(command), text=True, capture_output=True, env=env, timeout=timeout, **source)
    if check and done.returncode != 0:
        said = (done.stderr + done.stdout).strip()
        raise CommandFailed(f"{' '.join(command)}: exit code {done.returncode}: {said}")
    return done


def ip_batch(namespace: str, lines: Sequence[str]) -> None:
    """Carry out several `ip` commands inside a namespace with one process."""
    run(["ip", "-n", namespace, "-batch", "-"], stdin="\n".join(lines) + "\n")


def wait_until(condition: Callable[[], T], timeout: float = 10, what: str = "", interval: float = 0.05) -> T:
    """Return the first true value of `condition()`.  Raises TimeoutError, naming `what`, after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {timeout} s: {what or getattr(condition, '__name__', condition)}")
        time.sleep(interval)


def alive(pid: int) -> bool:
    """Whether a process runs (one that ended and was not yet waited for by its parent does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
