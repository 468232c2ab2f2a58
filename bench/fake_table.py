"""The tables of a fake switch: OpenFlow 1.4 flow-mods with real effect, and what flow-stats replies say of them.

Plain bytes and `struct`; a match is the bytes it came as, so flows are told apart as far as the bytes differ.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

ADD, MODIFY, MODIFY_STRICT, DELETE, DELETE_STRICT = range(5)
ALL_TABLES = 0xFF
NO_MASK = (1 << 64) - 1
PART = 60_000
"""Bytes of flow entries in one part of a reply: what Open vSwitch sends, about."""

_MOD = struct.Struct("!8xQQBBHHHIIIHH")
_ENTRY = struct.Struct("!HBxIIHHHHHxxQQQ")
_LENGTH = struct.Struct("!H")

Key = tuple[int, int, bytes]
Entry = tuple[int, int, int, bytes]
"""cookie, idle timeout, flags, and the match with the instructions behind it"""


class Refused(Exception):
    """A flow-mod that the switch does not take: its xid, and the error's type and code."""

    def __init__(self, xid: int, kind: int, code: int) -> None:
        super().__init__(f"flow-mod {xid:#x} is refused: {kind}/{code}")
        self.xid, self.kind, self.code = xid, kind, code


class Table:
    """All flows of a switch.  `refuse` is a table number whose adds get an error, for as many as `refusals` says."""

    def __init__(self) -> None:
        self.flows: dict[Key, Entry] = {}
        self.refuse = -1
        self.refusals = 0

    def change(self, mod: bytes) -> bool:
        """Carry out one flow-mod; returns whether it was an add.  Raises Refused."""
        cookie, mask, table, command, idle, _, priority, _, _, _, flags, _ = _MOD.unpack_from(mod)
        end = 48 + _LENGTH.unpack_from(mod, 50)[0]
        match = mod[52:end]
        if command == ADD:
            if table == self.refuse and self.refusals:
                self.refusals -= 1
                raise Refused(int.from_bytes(mod[4:8], "big"), 5, 1)
            self.flows[table, priority, match] = (cookie, idle, flags, mod[48:])
            return True
        if command == DELETE_STRICT:
            known = self.flows.get((table, priority, match))
            if known is not None and known[0] & mask == cookie & mask:
                del self.flows[table, priority, match]
        elif command == DELETE:
            self._delete(table, cookie, mask, match)
        else:
            raise Refused(int.from_bytes(mod[4:8], "big"), 5, 7)
        return False

    def _delete(self, table: int, cookie: int, mask: int, match: bytes) -> None:
        """Delete by table and cookie; a match is refused rather than misread."""
        if match:
            raise ValueError("a fake switch deletes by cookie or by exact match only")
        gone = [
            key
            for key, entry in self.flows.items()
            if (table == ALL_TABLES or key[0] == table) and (entry[0] ^ cookie) & mask == 0
        ]
        for key in gone:
            del self.flows[key]

    def commit(self, mods: list[bytes]) -> int:
        """Carry out a bundle, all of it or nothing; returns how many flow-mods it had.  Raises Refused."""
        if self.refusals:
            before = dict(self.flows)
            try:
                for mod in mods:
                    self.change(mod)
            except Refused:
                self.flows = before
                raise
            return len(mods)
        for mod in mods:
            self.change(mod)
        return len(mods)

    def stats(self, request: bytes) -> Iterator[bytes]:
        """The parts of a flow-stats reply for a request's body (its table and cookie count)."""
        table, cookie, mask = struct.unpack_from("!B15xQQ", request)
        parts: list[bytes] = []
        size = 0
        for (number, priority, _), (own, idle, flags, rest) in self.flows.items():
            if (table not in (ALL_TABLES, number)) or (own ^ cookie) & mask:
                continue
            length = 48 + len(rest)
            if size + length > PART:
                yield b"".join(parts)
                parts, size = [], 0
            size += length
            parts.append(_ENTRY.pack(length, number, 60, 0, priority, idle, 0, flags, 0, own, 0, 0) + rest)
        yield b"".join(parts)
