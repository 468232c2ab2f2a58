"""One fake switch: OpenFlow 1.4 messages in, answers out, without a socket.

It does what the controller asks of it (tables, bundles, meters, roles, echo, monitor), notes when bundles came, and
misbehaves on demand.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import NamedTuple

from bench.fake_table import Refused, Table

VERSION = 5
HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY = 0, 1, 2, 3
FEATURES_REQUEST, FEATURES_REPLY = 5, 6
PACKET_IN, PORT_STATUS, FLOW_MOD = 10, 12, 14
MULTIPART_REQUEST, MULTIPART_REPLY, BARRIER_REQUEST, BARRIER_REPLY = 18, 19, 20, 21
ROLE_REQUEST, ROLE_REPLY, METER_MOD, BUNDLE_CONTROL, BUNDLE_ADD = 24, 25, 29, 33, 34
STATS_FLOW, STATS_METER, STATS_METER_FEATURES, STATS_PORTS, STATS_MONITOR = 1, 10, 11, 13, 16
OPEN, CLOSE, COMMIT, DISCARD = 0, 2, 4, 6
BUNDLE_FAILED = (17, 13)
METER_DELETE = 2
NO_BUFFER = 0xFFFFFFFF
LOCAL = 0xFFFFFFFE
IN_PORT = bytes.fromhex("80000004")
REGISTER = bytes.fromhex("0001")

_HEADER = struct.Struct("!BBHI")


class Bundle(NamedTuple):
    """A committed bundle: when its first byte and its commit were read (CLOCK_MONOTONIC, seconds)."""

    opened: float
    committed: float
    mods: int


def message(kind: int, xid: int, body: bytes = b"") -> bytes:
    return _HEADER.pack(VERSION, kind, 8 + len(body), xid) + body


def port_desc(number: int, name: str, dpid: int) -> bytes:
    """A port of 10 Gbit/s with its Ethernet property (OpenFlow 1.4, 7.2.1)."""
    mac = struct.pack("!HI", 0xFE00 | dpid >> 16 & 0xFF, (dpid & 0xFFFF) << 16 | number & 0xFFFF)
    head = struct.pack("!IH2x6s2x16sII", number, 72, mac, name.encode(), 0, 4)
    return head + struct.pack("!HH4xIIIIII", 0, 32, 0x2840, 0, 0, 0, 10_000_000, 10_000_000)


class FakeSwitch:
    """`send` is set while it is connected.  `ports` is {number: name}; `reads` bytes a second (0: as fast as it can);
    `mute`: it never acknowledges a bundle."""

    def __init__(self, dpid: int, ports: dict[int, str]) -> None:
        self.dpid = dpid
        self.ports = {LOCAL: "br-int", **ports}
        self.table = Table()
        self.meters: dict[int, bytes] = {}
        self.reads = 0
        self.mute = False
        self.send: Callable[[bytes], None] | None = None
        self.on_add: Callable[[int], None] | None = None
        self.ready_at = 0.0
        self.bytes_in = self.bytes_out = self.flow_mods = self.commits = self.refused = 0
        self.log: list[Bundle] = []
        self.monitor = 0
        self._reset()
        self._handlers: dict[int, Callable[[int, bytes], None]] = {
            ECHO_REQUEST: lambda xid, data: self._answer(ECHO_REPLY, xid, data[8:]),
            FEATURES_REQUEST: self._features,
            FLOW_MOD: self._flow_mod,
            MULTIPART_REQUEST: self._multipart,
            BARRIER_REQUEST: lambda xid, _: self._answer(BARRIER_REPLY, xid),
            ROLE_REQUEST: lambda xid, data: self._answer(ROLE_REPLY, xid, data[8:]),
            METER_MOD: self._meter_mod,
            BUNDLE_CONTROL: self._bundle_control,
        }

    def _reset(self) -> None:
        self._buffer = b""
        self._bundles: dict[int, list[bytes]] = {}
        self._opened: dict[int, float] = {}
        self.ready_at = 0.0

    # -- the connection -----------------------------------------------------------------------------------------------

    def connected(self, send: Callable[[bytes], None]) -> None:
        self._reset()
        self.send = send
        self._answer(HELLO, 1, struct.pack("!HHI", 1, 8, 1 << VERSION))

    def disconnected(self) -> None:
        self.send = None
        self._reset()

    def _answer(self, kind: int, xid: int, body: bytes = b"") -> None:
        if self.send is not None:
            self.bytes_out += 8 + len(body)
            self.send(message(kind, xid, body))

    def feed(self, data: bytes) -> None:
        """Take in bytes as they came."""
        self.bytes_in += len(data)
        buffer = self._buffer + data if self._buffer else data
        start, size, bundles = 0, len(buffer), self._bundles
        while size - start >= 8:
            _, kind, length, xid = _HEADER.unpack_from(buffer, start)
            end = start + length
            if end > size:
                break
            if kind == BUNDLE_ADD:
                bundles[int.from_bytes(buffer[start + 8 : start + 12], "big")].append(buffer[start + 16 : end])
            elif kind in self._handlers:
                self._handlers[kind](xid, buffer[start:end])
            start = end
        self._buffer = buffer[start:]

    # -- what the controller asks -------------------------------------------------------------------------------------

    def _features(self, xid: int, _: bytes) -> None:
        self._answer(FEATURES_REPLY, xid, struct.pack("!QIBB2xII", self.dpid, 0, 254, 0, 0x4F, 0))

    def _flow_mod(self, xid: int, data: bytes) -> None:
        self.flow_mods += 1
        try:
            added = self.table.change(data)
        except Refused as refused:
            self._answer(ERROR, refused.xid, struct.pack("!HH", refused.kind, refused.code) + data[:64])
            return
        if added and self.on_add is not None:
            self.on_add(1)

    def _meter_mod(self, _: int, data: bytes) -> None:
        command, _, meter = struct.unpack_from("!HHI", data, 8)
        if command == METER_DELETE:
            self.meters.pop(meter, None)
        else:
            self.meters[meter] = data[8:]

    def _bundle_control(self, xid: int, data: bytes) -> None:
        number, kind, flags = struct.unpack_from("!IHH", data, 8)
        if kind == OPEN:
            self._bundles[number] = []
            self._opened[number] = time.monotonic()
        elif kind == COMMIT:
            if not self._commit(number, xid):
                return
        else:
            self._bundles.pop(number, None)
        if not (self.mute and kind == COMMIT):
            self._answer(BUNDLE_CONTROL, xid, struct.pack("!IHH", number, kind + 1, flags))

    def _commit(self, number: int, xid: int) -> bool:
        mods, opened = self._bundles.pop(number), self._opened.pop(number)
        now = time.monotonic()
        self.flow_mods += len(mods)
        self.commits += 1
        try:
            self.table.commit(mods)
        except Refused as refused:
            self.refused += 1
            self._answer(ERROR, refused.xid, struct.pack("!HH", refused.kind, refused.code))
            self._answer(ERROR, xid, struct.pack("!HH", *BUNDLE_FAILED))
            return False
        self.log.append(Bundle(opened, now, len(mods)))
        if self.on_add is not None:
            self.on_add(sum(mod[25] == 0 for mod in mods))
        return True

    def _multipart(self, xid: int, data: bytes) -> None:
        kind, _ = struct.unpack_from("!HH", data, 8)
        if kind == STATS_FLOW:
            parts = list(self.table.stats(data[16:]))
            self.ready_at = time.monotonic()
        elif kind == STATS_METER:
            parts = [b"".join(struct.pack("!H", len(meter)) + meter[2:] for meter in self.meters.values())]
        elif kind == STATS_METER_FEATURES:  # dropping, above a rate of packets
            parts = [struct.pack("!IIIBBxx", 0xFFFF, 1 << 1, 1 << 1, 1, 0)]
        elif kind == STATS_PORTS:
            ports = [port_desc(number, name, self.dpid) for number, name in self.ports.items()]
            parts = [b"".join(ports[n : n + 800]) for n in range(0, len(ports), 800)]
        elif kind == STATS_MONITOR:
            self.monitor = xid
            parts = [b""]
        else:
            self._answer(ERROR, xid, struct.pack("!HH", 1, 2))
            return
        for part in parts[:-1]:
            self._answer(MULTIPART_REPLY, xid, struct.pack("!HH4x", kind, 1) + part)
        self._answer(MULTIPART_REPLY, xid, struct.pack("!HH4x", kind, 0) + parts[-1])

    # -- what it says unasked -----------------------------------------------------------------------------------------

    def add_port(self, number: int, name: str) -> None:
        """A port appears (PORT_STATUS)."""
        self.ports[number] = name
        self._answer(PORT_STATUS, 0, struct.pack("!B7x", 0) + port_desc(number, name, self.dpid))

    def remove_port(self, number: int) -> None:
        name = self.ports.pop(number)
        self._answer(PORT_STATUS, 0, struct.pack("!B7x", 1) + port_desc(number, name, self.dpid))

    def echo(self) -> None:
        """A sign of life."""
        self._answer(ECHO_REQUEST, 0)

    def foreign_change(self, cookie: int) -> None:
        """The flow monitor tells that somebody else added a flow (OpenFlow 1.4, 7.3.5.18)."""
        update = struct.pack("!HHBBHHHHHQ", 32, 1, 0, 0, 0, 0, 1, 0, 0, cookie) + struct.pack("!HH4x", 1, 4)
        self._answer(MULTIPART_REPLY, self.monitor, struct.pack("!HH4x", STATS_MONITOR, 0) + update)

    def packet_in(self, table: int, in_port: int, registers: dict[int, int], frame: bytes) -> None:
        """Punt a packet from a table, with registers."""
        fields = IN_PORT + in_port.to_bytes(4, "big")
        for number, value in sorted(registers.items()):
            fields += REGISTER + struct.pack("!BBI", number << 1, 4, value)
        match = struct.pack("!HH", 1, 4 + len(fields)) + fields + bytes(-(4 + len(fields)) % 8)
        head = struct.pack("!IHBBQ", NO_BUFFER, len(frame), 1, table, 0)
        self._answer(PACKET_IN, 0, head + match + b"\0\0" + frame)
