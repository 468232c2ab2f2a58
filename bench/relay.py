"""A TCP relay between switches and the controller: it cuts connections, and counts what passes."""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from collections import Counter

FLOW_MOD, BUNDLE_ADD = 14, 34


class Relay:
    """Listens on `address` and passes on to `target`, in a thread of its own.

    `bytes_down` and `messages` (by OpenFlow type) count what went to switches, `bytes_up` what came from them;
    `accepted` is when the last connection was made (CLOCK_MONOTONIC).
    """

    def __init__(self, address: tuple[str, int], target: tuple[str, int]) -> None:
        self.target = target
        self.bytes_down = self.bytes_up = 0
        self.messages: Counter[int] = Counter()
        self.accepted = 0.0
        self._address = address
        self._pairs: set[Half] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    @property
    def flow_mods(self) -> int:
        return self.messages[FLOW_MOD] + self.messages[BUNDLE_ADD]

    def forget(self) -> None:
        """Count from zero."""
        self.bytes_down = self.bytes_up = 0
        self.messages.clear()

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(lambda: Half(self, None), *self._address)

    def cut(self) -> float:
        """Break every connection; returns when that was."""

        async def abort() -> None:
            for half in list(self._pairs):
                half.transport.abort()

        asyncio.run_coroutine_threadsafe(abort(), self._loop).result(10)
        return time.monotonic()

    def close(self) -> None:
        async def stop() -> None:
            self._server.close()
            for half in list(self._pairs):
                half.transport.abort()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Half(asyncio.Protocol):
    """One side of a connection: the switch's (which makes the other one) or, with `peer`, the controller's."""

    transport: asyncio.Transport

    def __init__(self, relay: Relay, peer: Half | None) -> None:
        self.relay, self.peer, self.down = relay, peer, peer is not None
        self._early: list[bytes] = []
        self._skip, self._head = 0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.relay._pairs.add(self)
        if not self.down:
            self.relay._loop.create_task(self._reach())

    async def _reach(self) -> None:
        try:
            _, made = await self.relay._loop.create_connection(lambda: Half(self.relay, self), *self.relay.target)
        except OSError:
            self.transport.abort()  # nobody listens there now; the switch tries again
            return
        self.relay.accepted = time.monotonic()
        self.peer = made
        for data in self._early:
            made.transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self.down:
            self.relay.bytes_down += len(data)
            self._count(data)
        else:
            self.relay.bytes_up += len(data)
        if self.peer is None:
            self._early.append(data)
        else:
            self.peer.transport.write(data)

    def _count(self, data: bytes) -> None:
        """Read the headers of the messages to the switch."""
        data, offset = self._head + data, self._skip
        self._head = b""
        while offset + 8 <= len(data):
            _, kind, length = struct.unpack_from("!BBH", data, offset)
            self.relay.messages[kind] += 1
            offset += max(8, length)
        if offset < len(data):
            self._head, self._skip = data[offset:], 0
        else:
            self._skip = offset - len(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.relay._pairs.discard(self)
        if self.peer is not None:
            self.peer.transport.abort()
