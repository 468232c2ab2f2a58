"""The edge under REST: what is no HTTP, who falls silent, and listeners that can't accept."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from typing import Any

import eventlet
import pytest
from eventlet import wsgi

from controller.io import http

OK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answers with the body; says what went wrong in reading it."""
    try:
        body = environ["wsgi.input"].read()
    except (OSError, ValueError) as error:
        body = type(error).__name__.encode()
    if environ["PATH_INFO"] == "/bug":
        raise RuntimeError("a bug")
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    listener = eventlet.listen(("127.0.0.1", 0))
    options: dict[str, Any] = {"scheme": "http", "connections": 8, "idle": 0.5, "silence": 0.5}
    thread = eventlet.spawn(http.serve, listener, application, **options)
    yield listener.getsockname()
    thread.kill()
    listener.close()


def said(address: tuple[str, int], *pieces: bytes) -> bytes:
    """What the server says to these, sent one after the other, until it closes the connection."""
    sock = eventlet.connect(address)
    for piece in pieces:
        sock.sendall(piece)
        eventlet.sleep(0.01)
    answer = b""
    with eventlet.Timeout(20):
        while piece := sock.recv(65536):
            answer += piece
    return answer


@pytest.mark.parametrize("pieces", [(), (b"GE",), (b"GET / HTTP/1.1\r\nHo",)], ids=["nothing", "a word", "a header"])
def test_who_falls_silent_before_the_request_is_closed(address, pieces):
    assert said(address, *pieces) == b""


def test_an_idle_connection_is_closed_after_its_time(address):
    answer = said(address, OK)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"Connection: close" not in answer


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc", b"TimeoutError"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", b"TimeoutError"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab", b"ChunkReadError"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 9000, b"ChunkReadError"),
    ],
)
def test_a_body_that_breaks_off_is_the_applications_to_answer(address, request_, error):
    assert said(address, request_).partition(b"\r\n\r\n")[2] == error


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x00\xc8\r\n\r\n", b"400"),
        (b"GET\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: 1_0\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na", b"400"),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", b"501"),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(address, request_, status, capfd):
    answer = said(address, request_ + OK)
    assert answer.split()[1] == status
    assert answer.count(b"HTTP/1.") == 1, "nothing that follows is taken for a request"
    assert b"Traceback" not in answer
    assert capfd.readouterr().err == ""


def test_a_fault_of_the_application_is_not_told(address, capfd):
    answer = said(address, b"GET /bug HTTP/1.1\r\n\r\n")
    assert answer.split()[1] == b"500"
    assert answer.partition(b"\r\n\r\n")[2] == b""
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("request_", [b"GET / HTTP/1.1", b"GET / HTTP/1.1\r\n", OK[:-2], OK[:-5]])
def test_a_request_that_is_cut_short_is_none(address, request_):
    """What a client that went away was about to say is not carried out."""
    sock = eventlet.connect(address)
    sock.sendall(request_)
    sock.shutdown(socket.SHUT_WR)
    with eventlet.Timeout(20):
        assert sock.recv(100) == b""


@pytest.mark.parametrize("request_", [b"GET / HTTP/1.1\r\nHo", OK, b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"])
def test_who_resets_the_connection_ends_only_that(address, capfd, request_):
    sock = eventlet.connect(address)
    sock.sendall(request_)
    eventlet.sleep(0.05)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() resets
    sock.close()
    eventlet.sleep(0.05)
    assert said(address, OK).startswith(b"HTTP/1.1 200")
    assert "Traceback" not in capfd.readouterr().err


class Full:
    """A listener of a process that has no file descriptor left, for a while."""

    def __init__(self, listener: Any, failures: int) -> None:
        self.family, self.getsockname, self.close = listener.family, listener.getsockname, listener.close
        self._listener = listener
        self._failures = failures

    def accept(self) -> Any:
        if self._failures:
            self._failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._listener.accept()


def test_a_listener_goes_on_when_files_run_out(caplog):
    listener = eventlet.listen(("127.0.0.1", 0))
    thread = eventlet.spawn(http.serve, Full(listener, 1), application, scheme="http", connections=8, idle=0.2)
    assert said(listener.getsockname(), OK).startswith(b"HTTP/1.1 200")
    assert caplog.messages == ["a connection can't be accepted: Too many open files"]
    thread.kill()


def test_a_closed_listener_ends_the_server():
    listener = eventlet.listen(("127.0.0.1", 0))
    ended = Full(listener, 0)
    ended.accept = lambda: (_ for _ in ()).throw(OSError(errno.EBADF, "closed"))  # type: ignore[method-assign]
    with eventlet.Timeout(20):
        http.serve(ended, application, scheme="http", connections=8)


def test_lengths_of_lines_are_those_of_the_library():
    """One limit for every line of a request."""
    assert http.LONGEST_LINE == wsgi.MAX_HEADER_LINE
