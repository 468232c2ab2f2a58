"""A stand-in for Nova: its `os-server-external-events` over HTTP, and a Keystone that gives tokens for it.

It takes what Nova's API takes, answers as that does, and keeps each request.
"""

from __future__ import annotations

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAMES = {"network-changed", "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted"}
STATUSES = {"completed", "failed", "in-progress"}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TOKEN = "gAAAAA-token"


def malformed(body: Any) -> str:
    """What Nova's schema has against a body; "" for nothing."""
    events = body.get("events") if isinstance(body, dict) and set(body) == {"events"} else None
    if not isinstance(events, list) or not events:
        return f"no list of events: {body!r}"
    for event in events:
        if not {"name", "server_uuid"} <= set(event) <= {"name", "server_uuid", "status", "tag"}:
            return f"keys of {event!r}"
        if event["name"] not in NAMES or not UUID.fullmatch(event["server_uuid"]):
            return f"name or server of {event!r}"
        if event.get("status", "completed") not in STATUSES or not isinstance(event.get("tag", ""), str):
            return f"status or tag of {event!r}"
    return ""


class Compute:
    """`servers` are the ids that it knows (None: all); `codes` what it says of others' events, by server id.

    `requests` holds the events of each request that it took, `tried` those of all that came.  The next requests meet
    what is in `trouble`: a status to answer with, or (a float) seconds to wait first.  `tokens` is how many it gave.
    """

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.requests: list[list[dict[str, Any]]] = []
        self.tried: list[tuple[float, Any]] = []
        self.servers: set[str] | None = None
        self.codes: dict[str, int] = {}
        self.trouble: list[int | float] = []
        self.tokens = 0
        self.expired = False
        self._changed = threading.Condition()
        compute = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, headers, answer = compute.answer(self.path, dict(self.headers), body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                links = [{"rel": "self", "href": f"{compute.url}/v3/"}]
                data = json.dumps({"version": {"id": "v3.14", "status": "stable", "links": links}}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((address, port), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{address}:{self._server.server_port}"
        self.endpoint = f"{self.url}/v2.1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, path: str, headers: dict[str, str], body: Any) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body."""
        if path == "/v3/auth/tokens":
            return self._token(body)
        if path != "/v2.1/os-server-external-events":
            return 404, {}, {"itemNotFound": {"code": 404, "message": path}}
        with self._changed:
            self.tried.append((time.monotonic(), body))
            trouble = self.trouble.pop(0) if self.trouble else None
        if isinstance(trouble, float):
            time.sleep(trouble)
        elif trouble is not None:
            return trouble, {}, {"computeFault": {"code": trouble, "message": "trouble"}}
        if self.expired and headers.get("X-Auth-Token") != f"{TOKEN}{self.tokens}":
            return 401, {}, {"error": {"code": 401}}
        problem = malformed(body)
        if problem:
            return 400, {}, {"badRequest": {"code": 400, "message": problem}}
        return self._take(body["events"])

    def _take(self, events: list[dict[str, Any]]) -> tuple[int, dict[str, str], Any]:
        said = []
        for event in events:
            known = self.servers is None or event["server_uuid"] in self.servers
            code = self.codes.get(event["server_uuid"], 200 if known else 404)
            status = event.get("status", "completed") if code == 200 else "failed"
            said.append({**event, "code": code, "status": status})
        with self._changed:
            self.requests.append(events)
            self._changed.notify_all()
        if all(one["code"] == 404 for one in said):
            return 404, {}, {"itemNotFound": {"code": 404, "message": "No instances found for any event"}}
        return (200 if all(one["code"] == 200 for one in said) else 207), {}, {"events": said}

    def _token(self, body: Any) -> tuple[int, dict[str, str], Any]:
        password = body["auth"]["identity"]["password"]["user"]
        if (password["name"], password["password"]) != ("patchbay", "secret"):
            return 401, {}, {"error": {"code": 401, "title": "Unauthorized", "message": "no"}}
        self.tokens += 1
        endpoints = [
            {"id": region, "interface": interface, "region": region, "region_id": region, "url": url}
            for region, interface, url in (
                ("Elsewhere", "public", f"{self.url}/elsewhere"),
                ("RegionOne", "public", f"{self.url}/public"),
                ("RegionOne", "internal", self.endpoint),
            )
        ]
        catalog = [{"id": "c", "type": "compute", "name": "nova", "endpoints": endpoints}]
        ends = {"issued_at": "2026-11-20T10:00:00.000000Z", "expires_at": "2099-01-01T00:00:00.000000Z"}
        user = {"id": "u", "name": "patchbay", "domain": {"id": "default", "name": "Default"}}
        token = {"methods": ["password"], "user": user, "catalog": catalog, "roles": [], **ends}
        return 201, {"X-Subject-Token": f"{TOKEN}{self.tokens}"}, {"token": token}

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events that it took, in order."""
        with self._changed:
            return [event for request in self.requests for event in request]

    def wait_for(self, name: str, tag: str, number: int = 1, timeout: float = 15.0) -> None:
        """Until there are so many events of a port.  Raises AssertionError when the time is over."""
        with self._changed:
            taken = lambda: [e for r in self.requests for e in r if (e["name"], e.get("tag")) == (name, tag)]  # noqa: E731
            assert self._changed.wait_for(lambda: len(taken()) >= number, timeout), f"{self.requests}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
