"""A monitor of a real bridge: when did its flows and ports change, without asking again and again."""

from __future__ import annotations

import select
import socket
import struct
import time
from pathlib import Path

from bench.fake_session import (
    ECHO_REPLY,
    ECHO_REQUEST,
    HELLO,
    MULTIPART_REPLY,
    MULTIPART_REQUEST,
    PORT_STATUS,
    message,
)

ADDED, DELETED, MODIFIED = 1, 2, 3
ALL_CHANGES = 0x0E
ANY = 0xFFFFFFFF
SET_CONFIG = 9


class Watch:
    """`changes` counts flow changes seen, `last` is when the last one was, `told` when the bridge last told of a port
    (CLOCK_MONOTONIC)."""

    def __init__(self, run_directory: Path, bridge: str) -> None:
        self.changes, self.last, self.told = 0, 0.0, 0.0
        self._buffer = b""
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.connect(str(run_directory / f"{bridge}.mgmt"))
        self._sock.sendall(message(HELLO, 1, struct.pack("!HHI", 1, 8, 1 << 5)))
        # On a connection of this kind Open vSwitch tells of ports only to whom it may send packets.
        self._sock.sendall(message(SET_CONFIG, 3, struct.pack("!HH", 0, 64)))
        fixed = struct.pack("!IIIHBB", 1, ANY, ANY, ALL_CHANGES, 0xFF, 0) + struct.pack("!HH4x", 1, 4)
        self._sock.sendall(message(MULTIPART_REQUEST, 2, struct.pack("!HH4x", 16, 0) + fixed))
        self.pump(0.1)
        self.changes = 0

    def pump(self, seconds: float) -> None:
        """Take in what comes for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._sock], [], [], left)[0]:
                self._take(self._sock.recv(1 << 20))

    def until(self, changes: int, timeout: float) -> float:
        """Wait for so many changes in all; returns when the last one was.  Raises TimeoutError."""
        end = time.monotonic() + timeout
        while self.changes < changes:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.changes} of {changes} flow changes within {timeout} s")
            self._wait(0.5)
        return self.last

    def quiet(self, seconds: float, timeout: float) -> float:
        """Wait until nothing has changed for so long; returns when the last change was.  Raises TimeoutError."""
        end = time.monotonic() + timeout
        while time.monotonic() - self.last < seconds:
            if time.monotonic() > end:
                raise TimeoutError(f"flows still change after {timeout} s")
            self._wait(0.05)
        return self.last

    def _wait(self, seconds: float) -> None:
        if select.select([self._sock], [], [], seconds)[0]:
            self._take(self._sock.recv(1 << 20))

    def _take(self, data: bytes) -> None:
        if not data:
            raise ConnectionError("the bridge closed its monitor")
        now = time.monotonic()
        buffer, start = self._buffer + data, 0
        while len(buffer) - start >= 8:
            _, kind, length, xid = struct.unpack_from("!BBHI", buffer, start)
            if len(buffer) - start < length:
                break
            body = buffer[start + 8 : start + length]
            if kind == ECHO_REQUEST:
                self._sock.sendall(message(ECHO_REPLY, xid, body))
            elif kind == MULTIPART_REPLY:
                self._updates(body[8:], now)
            elif kind == PORT_STATUS:
                self.told = now
            start += length
        self._buffer = buffer[start:]

    def _updates(self, body: bytes, now: float) -> None:
        offset = 0
        while offset < len(body):
            length, event = struct.unpack_from("!HH", body, offset)
            if event in (ADDED, DELETED, MODIFIED):
                self.changes += 1
                self.last = now
            offset += max(length, 4)

    def close(self) -> None:
        self._sock.close()
