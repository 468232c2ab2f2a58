"""The fake switches' process, from outside: start it, tell it what to do, end it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROJECT = Path(__file__).resolve().parents[1]


class Switches:
    """with Switches() as fakes: fakes.add([[dpid, [[number, name], ...]], ...]); fakes.connect(host, port)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "bench.fake_switch"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, op: str, **values: Any) -> Any:
        """Carry out one operation of `bench.fake_switch.Program`; returns its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": op, **values}).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the fake switches' process ended")
        return json.loads(line)

    def add(self, switches: list[Any]) -> None:
        self.tell("add", switches=switches)

    def connect(self, host: str, port: int, over: float = 0.0, dpids: list[int] | None = None) -> float:
        """Returns when the first one set out (CLOCK_MONOTONIC)."""
        return float(self.tell("connect", host=host, port=port, over=over, dpids=dpids))

    def wait(self, **wanted: Any) -> dict[str, Any]:
        """Wait until so many are `ready`, hold `flows`, did `commits`, and it is `quiet`.  Raises TimeoutError."""
        status: dict[str, Any] = self.tell("wait", **wanted)
        if not status["met"]:
            raise TimeoutError(f"fake switches: waited for {wanted} in vain: {status}")
        return status

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
