"""`patchbay serve` as a process, and a small REST client for it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]


class RestError(RuntimeError):
    """An answer other than 2xx: `status` and the decoded `body`."""

    def __init__(self, method: str, path: str, status: int, body: Any) -> None:
        super().__init__(f"{method} {path}: {status} {body}")
        self.status, self.body = status, body


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `body` is the decoded JSON (None when empty)."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Controller:
    """A controller with an INI file and an SQLite database of its own in `directory`, listening on one address."""

    def __init__(self, address: str, directory: Path, config: Mapping[str, Mapping[str, Any]]) -> None:
        self.address = address
        self.directory = directory
        self.rest = f"http://{address}:9696"
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir()
        self.config_file = directory / "patchbay.ini"
        sections = (
            f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in options.items()) for name, options in config.items()
        )
        self.config_file.write_text("\n".join(sections))

    # -- the process --------------------------------------------------------------------------------------------------

    def command(self) -> list[str]:
        listen = [
            "--rest",
            f"{self.address}:9696",
            "--openflow",
            f"{self.address}:6653",
            "--ovsdb",
            f"{self.address}:6640",
        ]
        files = ["--config", str(self.config_file), "--database", f"sqlite:///{self.directory}/patchbay.sqlite"]
        return [sys.executable, "-u", "-m", "controller", "serve", *files, *listen]

    def start(self, timeout: float = 30) -> None:
        """Start it and wait until REST answers.  Raises RuntimeError with the end of the log when it ends instead."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        (self.directory / "controller.pid").write_text(f"{self._process.pid}\n")
        end = time.monotonic() + timeout
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill9()
                raise RuntimeError(f"the controller does not serve; its log ends:\n{self.log[-3000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return self.request("GET", "/").status < 400
        except OSError:
            return False

    def kill9(self) -> None:
        """End it at once, as a crash would; nothing happens when it does not run."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def stop(self, timeout: float = 15) -> int:
        """End it with SIGTERM; returns its exit code."""
        if self._process is None:
            raise RuntimeError("the controller was never started")
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it wrote since the bed was made, restarts included."""
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    # -- REST ---------------------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One HTTP request, whatever the answer's status.  `body` is sent as JSON, or as it is when it is bytes."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.rest + path, data=data, method=method, headers=dict(headers or {}))
        if data is not None and not request.has_header("Content-type"):
            request.add_header("Content-Type", "application/json")
        try:
            with _OPENER.open(request, timeout=30) as answer:
                return _answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, dict(error.headers), error.read())

    def get(self, resource: str, id: str = "", **filters: Any) -> Any:
        """GET a collection ("ports", filters as keywords) or a member ("ports", id), without its JSON envelope."""
        query = "?" + urllib.parse.urlencode(filters, doseq=True) if filters else ""
        body = self._checked("GET", f"/v2.0/{resource}" + (f"/{id}" if id else "") + query)
        return next(iter(body.values()))

    def post(self, resource: str, **attributes: Any) -> Any:
        """Create a member of "networks", "ports"... (`**{"binding:host_id": ...}`: names with a colon)."""
        return self._checked("POST", f"/v2.0/{resource}", {_member(resource): attributes})[_member(resource)]

    def put(self, resource: str, id: str, **attributes: Any) -> Any:
        """Update a member."""
        return self._checked("PUT", f"/v2.0/{resource}/{id}", {_member(resource): attributes})[_member(resource)]

    def delete(self, resource: str, id: str) -> None:
        self._checked("DELETE", f"/v2.0/{resource}/{id}")

    def _checked(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.request(method, path, body)
        if not 200 <= answer.status < 300:
            raise RestError(method, path, answer.status, answer.body)
        return answer.body

    def wait_active(self, *port_ids: str, status: str = "ACTIVE", timeout: float = 15) -> None:
        """Wait until the ports have a status.  Raises TimeoutError, telling which has another one."""
        end = time.monotonic() + timeout
        while True:
            others = {id: now for id in port_ids if (now := self.get("ports", id)["status"]) != status}
            if not others:
                return
            if time.monotonic() > end:
                raise TimeoutError(f"ports not {status} within {timeout} s: {others}; log:\n{self.log[-2000:]}")
            time.sleep(0.05)


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the controller is never behind a proxy


def _member(resource: str) -> str:
    return resource.replace("-", "_").removesuffix("s")


def _answer(status: int, headers: Mapping[str, str], raw: bytes) -> Answer:
    is_json = headers.get("Content-Type", "").startswith("application/json")
    return Answer(status, headers, json.loads(raw) if raw and is_json else raw.decode(errors="replace") or None)
