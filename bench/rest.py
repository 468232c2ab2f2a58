"""A quick HTTP client over one kept connection: the client's own cost is part of what P5 measures, on both sides."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any


class Client:
    """One connection; `call` gives the status and the body's bytes.  Raises ConnectionError when it is cut."""

    def __init__(self, host: str, port: int, token: str = "") -> None:
        self._token = f"X-Auth-Token: {token}\r\n" if token else ""
        self._sock = socket.create_connection((host, port), timeout=60)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{self._token}"
        self._sock.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        head_bytes, rest = self._until(b"\r\n\r\n")
        lines = head_bytes.decode("latin-1").split("\r\n")
        length = next((int(v) for k, _, v in (x.partition(":") for x in lines[1:]) if k.lower() == "content-length"), 0)
        parts = [rest]
        missing = length - len(rest)
        while missing > 0:
            parts.append(self._more())
            missing -= len(parts[-1])
        found = b"".join(parts)
        self._buffer = found[length:]
        return int(lines[0].split()[1]), found[:length]

    def make(self, resource: str, **values: Any) -> Any:
        """POST, which must succeed; the object."""
        status, body = self.call("POST", f"/v2.0/{resource}s", {resource: values})
        if status != 201:
            raise RuntimeError(f"POST {resource}: {status} {body[:500]!r}")
        return json.loads(body)[resource]

    def _until(self, mark: bytes) -> tuple[bytes, bytes]:
        while mark not in self._buffer:
            self._buffer += self._more()
        head, _, rest = self._buffer.partition(mark)
        self._buffer = b""
        return head, rest

    def _more(self) -> bytes:
        data = self._sock.recv(1 << 20)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data

    def close(self) -> None:
        self._sock.close()


ADMIN_PASSWORD = "bench-admin"


class People:
    """The users of a controller with its own identity: an administrator, and a member of the project `bench`."""

    def __init__(self, host: str, port: int) -> None:
        self._at = host, port
        self.admin = self._token("admin", "admin", ADMIN_PASSWORD)
        asking = Client(host, port, self.admin)
        self.project = self._make(asking, "project", {"name": "bench"})
        user = self._make(asking, "user", {"name": "member", "password": ADMIN_PASSWORD})
        roles = json.loads(asking.call("GET", "/identity/v3/roles?name=member")[1])["roles"]
        asking.call("PUT", f"/identity/v3/projects/{self.project}/users/{user}/roles/{roles[0]['id']}")
        asking.close()
        self.member = self._token("member", "bench", ADMIN_PASSWORD)

    def _make(self, asking: Client, kind: str, values: Any) -> str:
        status, body = asking.call("POST", f"/identity/v3/{kind}s", {kind: values})
        if status != 201:
            raise RuntimeError(f"POST {kind}: {status} {body[:500]!r}")
        return str(json.loads(body)[kind]["id"])

    def _token(self, user: str, project: str, password: str) -> str:
        who = {"passwordCredentials": {"username": user, "password": password}, "tenantName": project}
        asking = Client(*self._at)
        status, body = asking.call("POST", "/identity/v2.0/tokens", {"auth": who})
        asking.close()
        if status != 200:
            raise RuntimeError(f"no token for {user}: {status} {body[:500]!r}")
        return str(json.loads(body)["access"]["token"]["id"])


def rate(clients: list[Client], each: int, request: Callable[[Client, int], Any]) -> tuple[float, list[float]]:
    """Requests a second of clients that work at the same time, `each` so many; and the seconds that each one took."""
    took: list[float] = []
    wrong: list[str] = []

    def work(client: Client, first: int) -> None:
        for n in range(each):
            start = time.monotonic()
            status, body = request(client, first + n)
            took.append(time.monotonic() - start)
            if status >= 300:
                wrong.append(f"{status} {body[:200]!r}")

    threads = [threading.Thread(target=work, args=(c, n * each)) for n, c in enumerate(clients)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise RuntimeError(f"{len(wrong)} requests failed, the first with {wrong[0]}")
    return len(took) / (time.monotonic() - start), took
