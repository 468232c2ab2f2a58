"""The REST server as a process, and clients that are none: each costs its own connection, and others are answered."""

from __future__ import annotations

import json
import random
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ovs.controller import PATIENCE, Controller

GET = b"GET /v2.0/networks HTTP/1.1\r\nHost: patchbay\r\n\r\n"
POST = b"POST /v2.0/networks HTTP/1.1\r\nHost: patchbay\r\nContent-Type: application/json\r\n"
IDLE = 300
"""Connections that say nothing."""
GROWTH = 64 * 1024
"""KiB that a misbehaving client may cost."""


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    with Controller(tmp_path_factory.mktemp("controller")) as controller:
        yield controller


@pytest.fixture(autouse=True)
def everything_goes_on(controller: Controller) -> Iterator[None]:
    """After every test, and while its sockets are open still, others are answered; and no traceback was logged."""
    before = networks(controller)
    yield
    assert networks(controller) == before
    assert controller.rest("GET", "/v2.0/") and controller.alive
    assert "Traceback" not in controller.log


def networks(controller: Controller) -> set[str]:
    return {network["id"] for network in controller.rest("GET", "/v2.0/networks")["networks"]}


def dial(controller: Controller) -> socket.socket:
    sock = socket.create_connection((controller.address, controller.ports["api"]))
    sock.settimeout(PATIENCE)
    return sock


def said(sock: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


def answers(sock: socket.socket, number: int) -> list[tuple[int, Any]]:
    """(status, body) of so many answers, which all say their length."""
    stream, found = sock.makefile("rb"), []
    for _ in range(number):
        status = int(stream.readline().split()[1])
        headers = dict(line.split(b": ", 1) for line in iter(stream.readline, b"\r\n"))
        body = stream.read(int(headers.get(b"Content-Length", b"0")))
        found.append((status, json.loads(body) if body else None))
    return found


def memory(controller: Controller) -> int:
    """KiB that the process has in memory."""
    text = Path(f"/proc/{controller.pid}/status").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS:")))


@pytest.mark.parametrize(
    "data",
    [b"", b"G", b"GET /v2.0/net", GET[:-2], POST + b"Content-Length: 10\r\n\r\nabc", POST + b"Content-Le"],
    ids=["nothing", "a letter", "half a line", "no end of headers", "no body", "half a header"],
)
def test_who_stops_in_the_middle_keeps_nobody_waiting(controller, data):
    with dial(controller) as sock:
        sock.sendall(data)
        for _ in range(3):
            assert controller.rest("GET", "/v2.0/extensions")


@pytest.mark.parametrize(
    "data", [b"DELETE /v2.0/networks/{} HTTP/1.1", b"DELETE /v2.0/networks/{} HTTP/1.1\r\nX: y\r\n"]
)
def test_a_request_that_is_cut_short_is_not_carried_out(controller, data):
    network = controller.make("network")["id"].encode()
    with dial(controller) as sock:
        sock.sendall(data.replace(b"{}", network))
        sock.shutdown(socket.SHUT_WR)
        assert said(sock) == b""
    controller.rest("DELETE", f"/v2.0/networks/{network.decode()}")


def test_a_body_that_is_cut_short_is_not_carried_out(controller):
    with dial(controller) as sock:
        sock.sendall(POST + b'Content-Length: 99\r\n\r\n{"network": {}}')
        sock.shutdown(socket.SHUT_WR)
        ((status, body),) = answers(sock, 1)
        assert (status, body["NeutronError"]["type"]) == (400, "HTTPBadRequest")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /v2.0/networks\r\n\r\n", b"200"),
        (b"HELO patchbay\r\n\r\n", b"400"),
        (b"GET /v2.0/networks HTTP/1.1\r\n\r\n", b"200"),
        (b"GET /v2.0/networks?id=" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nX-Auth-Token: " + b"x" * 100_000 + b"\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", b"431"),
        (b"GET http://elsewhere/v2.0/networks HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /%00/%ff/../../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", b"404"),
        (POST + b"Content-Length: -5\r\n\r\nabcde", b"400"),
        (POST + b"Content-Length: 99999999999\r\n\r\n{", b"413"),
        (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", b"400"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", b"400"),
        (POST + b"Transfer-Encoding: rot13\r\n\r\n{}", b"501"),
    ],
)
def test_an_odd_request_is_answered_without_a_word_about_the_code(controller, data, status):
    with dial(controller) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        answer = said(sock)
    assert answer.split()[1] == status
    assert b"Traceback" not in answer and b".py" not in answer


def test_garbage_ends_its_own_connection_only(controller):
    bits = random.Random(5)
    for size in (1, 10, 1000, 20_000):
        for end in (b"", b"\r\n\r\n"):
            with dial(controller) as sock:
                sock.sendall(bits.randbytes(size) + end)
                sock.shutdown(socket.SHUT_WR)
                assert b"Traceback" not in said(sock)


def test_pipelined_requests_are_answered_in_their_order(controller):
    body = b'{"network": {"name": "piped"}}'
    create = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    unread = b"GET /v2.0/nonsense HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
    with dial(controller) as sock:
        sock.sendall(GET + create + unread + GET)
        first, made, refused, last = answers(sock, 4)
    assert [first[0], made[0], refused[0], last[0]] == [200, 201, 404, 200]
    assert len(last[1]["networks"]) == len(first[1]["networks"]) + 1
    controller.rest("DELETE", f"/v2.0/networks/{made[1]['network']['id']}")


def test_many_who_reset_their_connections(controller):
    for data in (b"GET /v2.0/net", GET, GET * 20, POST + b"Content-Length: 10\r\n\r\nabc") * 10:
        with dial(controller) as sock:
            sock.sendall(data)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets


def test_idle_connections_keep_nobody_waiting(controller):
    before = memory(controller)
    idle = [dial(controller) for _ in range(IDLE)]
    try:
        assert controller.rest("GET", "/v2.0/extensions")
        idle[0].sendall(GET)
        assert answers(idle[0], 1)[0][0] == 200
        assert memory(controller) - before < GROWTH
    finally:
        for sock in idle:
            sock.close()


def test_an_endless_line_between_chunks_is_not_held(controller):
    before = memory(controller)
    with dial(controller) as sock:
        sock.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(128):
                sock.sendall(b"1" * 1024 * 1024)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert memory(controller) - before < GROWTH


def test_who_sends_a_body_over_the_limit_hears_so(controller):
    """Also a client that reads the answer when all is sent, and not before."""
    body = b" " * 3_000_000
    with dial(controller) as sock:
        sock.sendall(POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert answers(sock, 1)[0][0] == 413
        assert said(sock) == b""


def test_a_body_over_the_limit_is_not_held(controller):
    before = memory(controller)
    with dial(controller) as sock:
        sock.sendall(POST + b"Content-Length: %d\r\n\r\n" % (200 * 1024 * 1024))
        assert answers(sock, 1)[0][0] == 413
        for _ in range(100):
            sock.sendall(b"x" * 1024 * 1024)
        assert memory(controller) - before < GROWTH


def test_who_reads_its_answer_slowly_keeps_nobody_waiting(tmp_path):
    """10 000 ports to one client, a few bytes at a time: others are answered, and in the end it has them all."""
    with Controller(tmp_path) as controller, socket.socket() as sock:
        network = controller.make("network")["id"]
        for _ in range(2):
            controller.rest("POST", "/v2.0/ports", {"ports": [{"network_id": network}] * 5000})
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE)
        sock.connect((controller.address, controller.ports["api"]))
        sock.sendall(b"GET /v2.0/ports HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = sock.recv(100)
        for _ in range(20):
            assert controller.rest("GET", "/v2.0/extensions")
            answer += sock.recv(100)
        head, _, body = (answer + said(sock)).partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert len(json.loads(body)["ports"]) == 10_000
        dial(controller).sendall(b"GET / HTTP/1.1")
        assert controller.stop()[0] == 0, "whoever is connected does not keep it from ending"
        assert "Traceback" not in controller.log
