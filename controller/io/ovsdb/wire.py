"""JSON-RPC messages on a connection whose other end may send anything.  RFC 7047 section 4, RFC 8259.

In place of the `ovs` library's own reading, which takes time quadratic in the length of a string, keeps reading as long
as bytes come in, and takes a UTF-8 character that comes in two segments for an error.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections import deque
from typing import Any

import ovs.jsonrpc
import ovs.poller
import ovs.stream

TURN = 64 * 1024
"""Bytes read of one host before the others get their turn."""

MESSAGE_LIMIT = 16 * 1024 * 1024
"""Bytes of one message: a host with 10000 ports sends about half of it as its first snapshot."""

_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)  # up to the quote that ends a string
_SKIP = re.compile(  # up to a brace, or to a string whose end is not here yet
    rb'[^"{}]*(?:"' + _STRING.pattern + rb'"[^"{}]*)*', re.DOTALL
)


class Splitter:
    """Cuts a byte stream into its JSON objects; the time is linear in the bytes, however they are cut up."""

    def __init__(self) -> None:
        self.ready: deque[bytes] = deque()
        self._buffer = bytearray()
        self._at = 0  # up to here it was looked at
        self._depth = 0
        self._in_string = False

    def feed(self, data: bytes) -> None:
        """Take in bytes; complete objects go to `ready`.  Errors: ValueError."""
        self._buffer += data
        while self._at < len(self._buffer) and self._step():
            pass
        if len(self._buffer) > MESSAGE_LIMIT:
            raise ValueError(f"a message is longer than {MESSAGE_LIMIT} bytes")

    def _step(self) -> bool:
        """Go on to the next brace or quote; False when more bytes are needed."""
        if self._depth == 0:
            self._begin()
        self._at = (_STRING if self._in_string else _SKIP).match(self._buffer, self._at).end()  # type: ignore[union-attr]
        found = self._buffer[self._at : self._at + 1]
        if found in (b"", b"\\"):
            return False
        self._at += 1
        if found == b'"':
            self._in_string = not self._in_string
        else:
            self._depth += 1 if found == b"{" else -1
        if self._depth == 0:
            self.ready.append(bytes(self._buffer[: self._at]))
            del self._buffer[: self._at]
            self._at = 0
        return True

    def _begin(self) -> None:
        blank = len(self._buffer) - len(self._buffer.lstrip(b" \t\r\n"))
        del self._buffer[:blank]
        if self._buffer and self._buffer[0] != ord("{"):
            raise ValueError("a message is not a JSON object")


class HostRpc(ovs.jsonrpc.Connection):
    """A JSON-RPC connection that reads at most TURN bytes between two calls of `begin_turn`."""

    def __init__(self, stream: ovs.stream.Stream) -> None:
        super().__init__(stream)
        self._split = Splitter()
        self._turn = True
        self._problem = ""

    def begin_turn(self) -> None:
        self._turn = True

    def recv(self) -> tuple[int, Any]:
        """(0, message), (errno.EAGAIN, None), or (the status that the connection has from now on, None)."""
        while not self.status:
            if self._split.ready:
                return self._message(self._split.ready.popleft())
            if not self._turn:
                return errno.EAGAIN, None
            self._turn = False
            error, data = self.stream.recv(TURN)
            if error == errno.EAGAIN:
                return error, None
            if error or not data:
                self.error(error or ovs.jsonrpc.EOF)
            else:
                self._take(data)
        return self.status, None

    def recv_wait(self, poller: ovs.poller.Poller) -> None:
        if self.status or self._split.ready:
            poller.immediate_wake()
        else:
            self.stream.recv_wait(poller)

    def why_closed(self) -> str:
        """What ended the connection, in words."""
        if self.status == ovs.jsonrpc.EOF:
            return "the peer closed it"
        return self._problem or os.strerror(self.status)

    def _take(self, data: bytes) -> None:
        self.received_bytes += len(data)
        try:
            self._split.feed(data)
        except ValueError as error:
            self._fail(f"what it sends is not JSON-RPC: {error}")

    def _message(self, text: bytes) -> tuple[int, Any]:
        try:
            message = ovs.jsonrpc.Message.from_json(json.loads(text))
        except (ValueError, RecursionError) as error:
            message = str(error)
        if isinstance(message, ovs.jsonrpc.Message):
            return 0, message
        self._fail(f"what it sends is not JSON-RPC: {message}")
        return self.status, None

    def _fail(self, problem: str) -> None:
        self._problem = problem
        self.error(errno.EPROTO)
