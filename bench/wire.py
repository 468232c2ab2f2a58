"""OpenFlow on the loopback, with the kernel's own times of it.

A program that measures what it is sent itself measures how soon the scheduler wakes it, too, and takes the processor
from those that are measured.  Here the kernel keeps a copy of every packet with its time, and the copies are read when
all is over.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import NamedTuple, Self

from bench.fake_session import BUNDLE_ADD, BUNDLE_CONTROL, COMMIT, PORT_STATUS

IPV4 = 0x0800
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
KEPT = 64 << 20
"""Bytes that the kernel keeps for us: more than any measured while."""
ADDED = 0
COMMITTED = COMMIT + 1
HALF = 1 << 31
"""Half of the numbers that TCP counts bytes with."""
_TIME = struct.Struct("@ll")


class Message(NamedTuple):
    """An OpenFlow message, and when the last of it reached its receiver's queue (CLOCK_REALTIME, seconds).

    `switch` is the TCP port of the switch's side; `up` says that the switch sent it.
    """

    time: float
    switch: int
    up: bool
    kind: int
    data: bytes

    @property
    def is_port(self) -> bool:
        """A port came."""
        return self.up and self.kind == PORT_STATUS and self.data[8] == ADDED

    @property
    def is_change(self) -> bool:
        """One change of a bundle."""
        return not self.up and self.kind == BUNDLE_ADD

    @property
    def is_commit(self) -> bool:
        return not self.up and self._control == COMMIT

    @property
    def is_committed(self) -> bool:
        """The switch acknowledges a bundle."""
        return self.up and self._control == COMMITTED

    @property
    def _control(self) -> int:
        """The type of a bundle's control message (OpenFlow 1.4, 7.3.9.1)."""
        return int.from_bytes(self.data[12:14], "big") if self.kind == BUNDLE_CONTROL else -1


class Stream:
    """What one side of a connection sends: TCP may send a part of it again, or a byte of it to ask for room."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._rest = b""

    def take(self, sequence: int, data: bytes) -> Iterator[bytes]:
        """The OpenFlow messages that end in a segment.  Raises RuntimeError when one before it was not seen."""
        if not data:
            return
        ahead = 0 if self._next is None else (sequence - self._next + HALF) % (2 * HALF) - HALF
        if ahead > 0:
            raise RuntimeError(f"{ahead} bytes that passed the loopback were not seen")
        data = data[-ahead:] if ahead else data
        self._next = (sequence - ahead + len(data)) % (2 * HALF)
        stream, start = self._rest + data, 0
        while len(stream) - start >= 8:
            length = int.from_bytes(stream[start + 2 : start + 4], "big")
            if length < 8:
                raise RuntimeError(f"a message of {length} bytes: this is not OpenFlow")
            if len(stream) - start < length:
                break
            yield stream[start : start + length]
            start += length
        self._rest = stream[start:]


class Wire:
    """with Wire(6653) as wire: ...; wire.messages().  Needs CAP_NET_RAW and CAP_NET_ADMIN.

    `port` is where the controller listens.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: dict[tuple[int, bool], Stream] = {}
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(IPV4))
        self._sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, KEPT)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._sock.bind(("lo", IPV4))
        self._sock.setblocking(False)

    def messages(self) -> list[Message]:
        """What has passed since the last call, in its order."""
        found: list[Message] = []
        while True:
            try:
                packet, extra, _, _ = self._sock.recvmsg(1 << 17, 64)
            except BlockingIOError:
                return found
            if packet[9] == socket.IPPROTO_TCP:
                seconds, nanoseconds = _TIME.unpack(extra[0][2])
                found += self._of(packet, seconds + nanoseconds / 1e9)

    def _of(self, packet: bytes, at: float) -> Iterator[Message]:
        """The messages that end in an IPv4 packet.  Raises RuntimeError when something before it was not seen."""
        tcp = packet[(packet[0] & 0x0F) * 4 : int.from_bytes(packet[2:4], "big")]
        source, target, sequence = struct.unpack_from("!HHI", tcp)
        if self.port not in (source, target):
            return
        up = target == self.port
        switch = source if up else target
        stream = self._streams.setdefault((switch, up), Stream())
        for message in stream.take(sequence, tcp[(tcp[12] >> 4) * 4 :]):
            yield Message(at, switch, up, message[1], message)

    def until_quiet(self, seconds: float, timeout: float) -> list[Message]:
        """What has passed since the last call, once there was a bundle and then none for so long.

        Raises TimeoutError.
        """
        end, found = time.time() + timeout, list[Message]()
        while time.time() < end:
            found += self.messages()
            last = max((one.time for one in found if one.kind == BUNDLE_CONTROL), default=time.time())
            if time.time() - last > seconds:
                return found
            time.sleep(seconds / 4)
        raise TimeoutError(f"bundles are sent after {timeout} s still, or none was")

    def close(self) -> None:
        self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def ports_to_commits(messages: Iterable[Message]) -> list[float]:
    """Seconds from each port to the end of its switch's next bundle.  Raises LookupError for a port without one."""
    found: list[float] = []
    waiting: dict[int, float] = {}
    for one in messages:
        if one.is_port:
            waiting.setdefault(one.switch, one.time)
        elif one.is_commit and one.switch in waiting:
            found.append(one.time - waiting.pop(one.switch))
    if waiting or not found:
        raise LookupError(f"no bundle followed on {len(waiting)} ports" if waiting else "there was no port")
    return found
