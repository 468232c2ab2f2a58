"""Packets seen on an interface, by tcpdump."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType

from demo.testbed.run import wait_until

_COUNTERS = re.compile(r"(\d+) packets? captured, (\d+) packets? received by filter")


class Capture:
    """A context manager: after it, `packets` holds one line of tcpdump (with link-level header) per packet.

    with vm.capture("icmp") as seen:
        ...
    assert seen.packets == []
    """

    def __init__(self, namespace: str, interface: str, filter: str, log: Path) -> None:
        self.packets: list[str] = []
        self._early = 0
        self._log = log
        self._errors = log.with_suffix(".err")
        tcpdump = ["tcpdump", "-i", interface, "-enn", "-l", "--immediate-mode", filter]
        command = ["ip", "netns", "exec", namespace, *tcpdump]
        with log.open("w") as output, self._errors.open("w") as errors:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)

    def __enter__(self) -> Capture:
        wait_until(self._listening, 10, "tcpdump listens")
        # The kernel also counts what came before it knew the filter; tcpdump throws of it away what does not match.
        self._early = min(received - written for written, received in (self._counters() for _ in range(2)))
        return self

    def _listening(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"tcpdump ended: {self._errors.read_text()}")
        return "listening on" in self._errors.read_text()

    def _counters(self) -> tuple[int, int]:
        """Packets written and packets received from the kernel so far: tcpdump tells when it gets SIGUSR1."""
        before = len(_COUNTERS.findall(self._errors.read_text()))
        self._process.send_signal(signal.SIGUSR1)
        told = wait_until(lambda: _COUNTERS.findall(self._errors.read_text())[before:], 10, "tcpdump's counters")
        return int(told[-1][0]), int(told[-1][1])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        time.sleep(0.2)  # what the last command sent is still on its way through two switches
        _, received = self._counters()  # ended now, it would lose what it has received and not yet written
        wanted = received - self._early
        wait_until(lambda: self._counters()[0] >= wanted, 10, "tcpdump has written what it received")
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
        self.packets = [line for line in self._log.read_text().splitlines() if line[:1].isdigit()]
