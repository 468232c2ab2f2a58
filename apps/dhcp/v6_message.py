"""DHCPv6 messages as bytes: a type, a transaction and a list of options, which may hold lists of options (RFC 8415, 8).

Guests make what is read: what is malformed reads as None or as not there, and nothing raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from apps.dhcp.datagram import word

SOLICIT, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY, RELEASE, DECLINE = range(1, 10)
INFORMATION_REQUEST = 11

CLIENT, SERVER, IA_NA, IA_TA, ADDRESS, ASKED, PREFERENCE = range(1, 8)
STATUS, RAPID, DNS, DOMAINS, IA_PD, REFRESH, NAME = 13, 14, 23, 24, 25, 32, 39
IDENTITIES = {IA_NA: 12, IA_TA: 4, IA_PD: 12}
"""The identity associations, and the bytes of each before its options."""

SUCCESS, NO_ADDRESSES, NO_BINDING, NOT_ON_LINK, NO_PREFIX = 0, 2, 3, 4, 6
"""Status codes (RFC 8415, 21.13)."""

Option = tuple[int, bytes]


class Message(NamedTuple):
    """A client's message; its options in their order."""

    type: int
    transaction: bytes
    options: tuple[Option, ...]

    def first(self, number: int) -> bytes | None:
        """The data of the first option of a number."""
        return next((data for other, data in self.options if other == number), None)

    @property
    def identities(self) -> tuple[Identity, ...]:
        """The identity associations that are whole."""
        return tuple(
            Identity(number, data[:4], tuple(_addresses(data[IDENTITIES[number] :])) if number != IA_PD else ())
            for number, data in self.options
            if number in IDENTITIES and len(data) >= IDENTITIES[number]
        )

    @property
    def asked(self) -> list[int]:
        """The numbers of the options that the client asks for (option 6)."""
        data = self.first(ASKED) or b""
        return [word(data, at) for at in range(0, len(data) - 1, 2)]


class Identity(NamedTuple):
    """An identity association: IA_NA, IA_TA or IA_PD, the client's number for it, and the addresses it holds."""

    kind: int
    number: bytes
    addresses: tuple[int, ...]


def read(payload: bytes) -> Message | None:
    """A client's message; None when it is too short to be one."""
    return Message(payload[0], payload[1:4], tuple(_options(payload[4:]))) if len(payload) >= 4 else None


def _options(data: bytes) -> Iterator[Option]:
    """The options up to the first that is cut off."""
    at = 0
    while at + 4 <= len(data):
        size = word(data, at + 2)
        if at + 4 + size > len(data):
            return
        yield word(data, at), data[at + 4 : at + 4 + size]
        at += 4 + size


def _addresses(data: bytes) -> Iterator[int]:
    for number, held in _options(data):
        if number == ADDRESS and len(held) >= 24:
            yield word(held, 0, 16)


def write(kind: int, to: Message, options: Iterable[Option]) -> bytes:
    """The answer to a message."""
    return bytes((kind,)) + to.transaction + b"".join(option(number, data) for number, data in options)


def option(number: int, data: bytes) -> bytes:
    return number.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


def status(code: int, words: str) -> Option:
    """A status, with a few words for people."""
    return STATUS, code.to_bytes(2, "big") + words.encode()


def address(value: int, preferred: int, valid: int) -> Option:
    """An address and its lifetimes in seconds."""
    return ADDRESS, value.to_bytes(16, "big") + preferred.to_bytes(4, "big") + valid.to_bytes(4, "big")


def identity(asked: Identity, t1: int, t2: int, options: Iterable[Option]) -> Option:
    """An identity association of an answer: what is said of the one that was asked about."""
    times = t1.to_bytes(4, "big") + t2.to_bytes(4, "big") if IDENTITIES[asked.kind] == 12 else b""
    return asked.kind, asked.number + times + b"".join(option(number, data) for number, data in options)
