"""Packets seen on an interface, by tcpdump."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType

from demo.testbed.run import wait_until


class Capture:
    """A context manager: after it, `packets` holds one line of tcpdump (with link-level header) per packet.

    with vm.capture("icmp") as seen:
        ...
    assert seen.packets == []
    """

    def __init__(self, namespace: str, interface: str, filter: str, log: Path) -> None:
        self.packets: list[str] = []
        self._log = log
        self._errors = log.with_suffix(".err")
        command = [
            "ip",
            "netns",
            "exec",
            namespace,
            "tcpdump",
            "-i",
            interface,
            "-enn",
            "-l",
            "--immediate-mode",
            filter,
        ]
        with log.open("w") as output, self._errors.open("w") as errors:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)

    def __enter__(self) -> Capture:
        wait_until(self._listening, 10, "tcpdump listens")
        return self

    def _listening(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"tcpdump ended: {self._errors.read_text()}")
        return "listening on" in self._errors.read_text()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        time.sleep(0.2)  # what the last command sent is still on its way through two switches
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
        self.packets = [line for line in self._log.read_text().splitlines() if line[:1].isdigit()]
