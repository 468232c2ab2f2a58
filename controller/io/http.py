"""HTTP/1.1 (RFC 9112) under the API: whole requests to a WSGI application, by eventlet.wsgi, and answers back.

A client that sends what is no HTTP, falls silent or goes away costs its own connection and a line in the log (at level
DEBUG); nobody else notices, and it is never told what the code looks like.
"""

from __future__ import annotations

import errno
import logging
import re
import socket
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import eventlet
from eventlet import wsgi

LOG = logging.getLogger("patchbay.http")

IDLE = 75
"""Seconds that a connection may be open without a request."""
SILENCE = 60
"""Seconds that a client may stop for in the middle of a request, or of taking an answer."""
LINGER = 2
"""Seconds that a client has to hear our last words."""
LONGEST_LINE = 8192
"""Bytes of a line between the chunks of a body."""


def serve(
    listener: Any, application: Any, *, scheme: str, connections: int, idle: float = IDLE, silence: float = SILENCE
) -> None:
    """Answer whoever connects, for ever.  No more than `connections` are open at once; others wait to be accepted."""
    wsgi.server(
        _Persistent(listener),
        application,
        environ={"wsgi.url_scheme": scheme},
        max_size=connections,
        protocol=_Protocol,
        keepalive=idle,
        socket_timeout=silence,
        log_output=False,
        debug=False,  # else a fault's traceback is the answer
    )


class _Persistent:
    """A listener that goes on when a connection can't be accepted (too many open files); the server would end."""

    def __init__(self, listener: Any) -> None:
        self.family = listener.family
        self.getsockname = listener.getsockname
        self.close = listener.close
        self._listener = listener

    def accept(self) -> tuple[Any, Any]:
        while True:
            try:
                accepted: tuple[Any, Any] = self._listener.accept()
            except OSError as error:
                if error.errno in (errno.EBADF, errno.ENOTCONN):
                    raise OSError(errno.ENOTCONN, "the listener is closed") from None
                LOG.error("a connection can't be accepted: %s", error.strerror)
                eventlet.sleep(0.5)
            else:
                return accepted


class _Protocol(wsgi.HttpProtocol):
    """One connection."""

    rfile: Any
    wfile: Any

    def __init__(self, conn_state: Any, server: Any) -> None:
        try:
            super().__init__(conn_state, server)
        except TimeoutError:
            LOG.debug("%s: closed, for nothing came or was taken", _endpoint(conn_state[0]))
        except OSError as error:
            LOG.debug("%s: broken: %s", _endpoint(conn_state[0]), error)

    def parse_request(self) -> bool:
        """Whether the request line and the headers are whole and right.  Where a body ends must be beyond doubt, or
        its rest would be taken for the next request."""
        self.rfile = lines = _Lines(self.rfile)
        if not super().parse_request():
            return False
        if lines.last not in (b"\r\n", b"\n"):  # the client has gone in the middle of it
            self.close_connection = True
            return False
        codings = self.headers.get_all("Transfer-Encoding", [])
        if codings and [coding.strip().lower() for coding in codings] != ["chunked"]:
            self.send_error(501)
            return False
        lengths = self.headers.get_all("Content-Length", [])
        if len(lengths) > 1 or not all(re.fullmatch("[0-9]{1,18}", length, re.ASCII) for length in lengths):
            self.send_error(400)
            return False
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request, as the server refuses what it finds itself: a status, and the end."""
        LOG.debug("%s: %d: %s", _endpoint(self.client_address), code, message)
        self.close_connection = True
        status = f"HTTP/1.0 {code} {HTTPStatus(code).phrase}"
        self.wfile.write(f"{status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ["wsgi.input"].rfile = _ShortLines(self.rfile)
        return environ

    def finish(self) -> None:
        """Take what the client is sending still until it has our answer: closing at once would reset the connection,
        and a reset overtakes the answer (RFC 9112, 9.6)."""
        with suppress(OSError), eventlet.Timeout(LINGER, False):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            while self.connection.recv(LONGEST_LINE):
                pass
        super().finish()


class _Lines:
    """A stream that is read in lines, and the last of them (empty at the stream's end)."""

    def __init__(self, stream: Any) -> None:
        self.last = b""
        self._stream = stream

    def readline(self, size: int = -1) -> bytes:
        self.last = self._stream.readline(size)
        return self.last


class _ShortLines:
    """A stream whose lines (a chunk's length, a trailer) have an end."""

    def __init__(self, stream: Any) -> None:
        self.read = stream.read
        self._stream = stream

    def readline(self, size: int = -1) -> bytes:
        line: bytes = self._stream.readline(LONGEST_LINE if size < 0 else size)
        if size < 0 and len(line) == LONGEST_LINE:
            raise wsgi.ChunkReadError("a line is too long")
        return line


def _endpoint(address: Any) -> str:
    return f"{address[0]}:{address[1]}"
