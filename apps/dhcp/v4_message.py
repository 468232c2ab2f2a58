"""DHCPv4 messages as bytes: BOOTP's fixed fields and a list of options (RFC 2131, 2; RFC 2132).

Guests make what is read: what is malformed reads as None or as not there, and nothing raises.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from apps.dhcp.datagram import word

REQUEST, REPLY = 1, 2
ETHERNET = b"\x01\x06"
COOKIE = b"\x63\x82\x53\x63"
BROADCAST_FLAG = 0x8000
HEAD = 236
"""Bytes before the cookie."""
SHORTEST = 300
"""Bytes of a BOOTP message (RFC 1542, 2.1): some clients take no shorter one."""

NAME, FILE = 64, 128
"""Bytes of the fixed fields for the next server's name and the file's, a 0 at the end of each among them."""

PAD, END = 0, 255
MASK, ROUTER, DNS, HOSTNAME, DOMAIN, MTU, BROADCAST = 1, 3, 6, 12, 15, 26, 28
ADDRESS, LEASE, TYPE, SERVER, PARAMETERS, MESSAGE, MOST, T1, T2, CLIENT = 50, 51, 53, 54, 55, 56, 57, 58, 59, 61
OVERLOAD, BOOT_SERVER, BOOT_FILE, RELAY, ROUTES, ROUTES_OF_MICROSOFT = 52, 66, 67, 82, 121, 249

DISCOVER, OFFER, ASK, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
"""The message types (RFC 2132, 9.6); `ASK` is DHCPREQUEST."""


class Message(NamedTuple):
    """A client's message: `xid` and `chaddr` as bytes, addresses as numbers, the data of options by their number."""

    xid: bytes
    broadcast: bool
    ciaddr: int
    chaddr: bytes
    options: Mapping[int, bytes]

    @property
    def type(self) -> int:
        """One of the message types, 0 when it says none."""
        return word(self.options.get(TYPE, b"")[:1], 0, 1)

    def address(self, option: int) -> int:
        """The address that an option holds; 0 when it holds none."""
        held = self.options.get(option, b"")
        return word(held, 0, 4) if len(held) == 4 else 0


def read(payload: bytes) -> Message | None:
    """A client's message for an Ethernet address; None when it is none."""
    head = payload[:HEAD]
    if payload[HEAD : HEAD + 4] != COOKIE or head[0] != REQUEST or head[1:3] != ETHERNET:
        return None
    broadcast = bool(word(head, 10) & BROADCAST_FLAG)
    return Message(head[4:8], broadcast, word(head, 12, 4), head[28:44], _options(payload[HEAD + 4 :]))


def _options(data: bytes) -> dict[int, bytes]:
    """The options up to the first that is cut off; what comes in parts is joined (RFC 3396)."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != END:
        if data[at] == PAD:
            at += 1
            continue
        body = data[at + 2 : at + 2 + word(data, at + 1, 1)]
        if at + 1 >= len(data) or len(body) < data[at + 1]:
            break
        found[data[at]] = found.get(data[at], b"") + body
        at += 2 + len(body)
    return found


class Boot(NamedTuple):
    """What BOOTP's fixed fields say of network boot: the next server's address, its name, and the file's; they fit."""

    server: int = 0
    name: bytes = b""
    file: bytes = b""


def write(to: Message, yiaddr: int, ciaddr: int, options: Iterable[tuple[int, bytes]], boot: Boot = Boot()) -> bytes:
    """The reply to a message."""
    flags = BROADCAST_FLAG if to.broadcast else 0
    fixed = struct.pack("!B2sB4sHHIIII", REPLY, ETHERNET, 0, to.xid, 0, flags, ciaddr, yiaddr, boot.server, 0)
    fields = to.chaddr.ljust(16, b"\0") + boot.name.ljust(NAME, b"\0") + boot.file.ljust(FILE, b"\0")
    said = b"".join(option(number, data) for number, data in options)
    return (fixed + fields + COOKIE + said + bytes((END,))).ljust(SHORTEST, b"\0")


def option(number: int, data: bytes) -> bytes:
    """An option as bytes; one of more than 255 comes in parts (RFC 3396)."""
    parts = [data[at : at + 255] for at in range(0, len(data), 255)] or [b""]
    return b"".join(bytes((number, len(part))) + part for part in parts)
