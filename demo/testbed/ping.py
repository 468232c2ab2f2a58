"""Pings: run to their end, or in the background for as long as something else happens."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_REPLY = re.compile(r"icmp_seq=(\d+) .*time=([\d.]+) ms( \(DUP!\))?")
_SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+) received")

IN_FLIGHT = 0.2
"""A request sent less than this many seconds before a background ping was stopped may be unanswered for no fault."""


@dataclass(frozen=True, slots=True)
class Ping:
    """The result: requests sent, those answered, replies beyond the first, round trip times in milliseconds.

    `missing` are the sequence numbers (from 1) that got no reply.
    """

    sent: int
    received: int
    duplicates: int
    rtts: tuple[float, ...]
    missing: tuple[int, ...] = ()
    output: str = ""

    @property
    def lost(self) -> int:
        return self.sent - self.received

    @property
    def ok(self) -> bool:
        """Every request was answered exactly once."""
        return self.sent > 0 and self.lost == 0 and self.duplicates == 0

    @property
    def rtt(self) -> float | None:
        """The median round trip time in milliseconds."""
        return sorted(self.rtts)[len(self.rtts) // 2] if self.rtts else None


def parse(output: str, uncounted: int = 0) -> Ping:
    """Read the output of iputils' ping; of the last `uncounted` requests those without a reply don't count."""
    answered: dict[int, float] = {}
    duplicates = 0
    for seq, rtt, dup in _REPLY.findall(output):
        if dup or int(seq) in answered:
            duplicates += 1
        else:
            answered[int(seq)] = float(rtt)
    summary = _SUMMARY.search(output)
    if summary is None:
        raise ValueError(f"ping printed no summary: {output.strip()[-500:]}")
    transmitted = int(summary[1])
    missing = [seq for seq in range(1, transmitted + 1) if seq not in answered]
    counted = tuple(seq for seq in missing if seq <= transmitted - uncounted)
    sent = transmitted - (len(missing) - len(counted))
    return Ping(sent, len(answered), duplicates, tuple(answered.values()), counted, output)


class RunningPing:
    """A ping in the background; `stop()` ends it and gives the result."""

    def __init__(self, command: list[str], log: Path, interval: float) -> None:
        self._interval = interval
        self._log = log
        self._output: IO[str] = log.open("w")
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT
        )

    def wait_for_replies(self, count: int = 1, timeout: float = 10) -> None:
        """Wait until so many requests have been answered.  Raises TimeoutError."""
        end = time.monotonic() + timeout
        while len(_REPLY.findall(self._log.read_text())) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"no {count} replies within {timeout} s: {self._log.read_text()[-500:]}")
            time.sleep(0.02)

    def stop(self) -> Ping:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
        self._output.close()
        return parse(self._log.read_text(), uncounted=max(1, round(IN_FLIGHT / self._interval)))
