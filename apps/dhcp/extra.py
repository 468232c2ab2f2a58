"""`extra_dhcp_opts` of a port as options: names (those of dnsmasq, which Neutron's clients use), numbers and values.

A number stands for itself.  A name that nobody knows, and a value that its option can't hold, say nothing: Neutron
takes any name, so a client may have stored what only its own DHCP server knew.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from apps.dhcp.names import V4, V6

Named = tuple[str, str]
"""An option as the port has it: name and value."""
Option = tuple[int, bytes | None]
MOST_NUMBER = {4: 255, 6: 0xFFFF}


def encoded(options: Iterable[Named], version: int) -> Iterator[Option]:
    """(number, data) of each option that can be said; data of None where a blank value says that there is none."""
    for name, text in options:
        known, value = _known(name, version), text.strip()
        if known is None:
            continue
        number, kind = known
        try:
            yield number, _WRITERS[kind](value) if value else None
        except (ValueError, OverflowError):
            continue


def _known(name: str, version: int) -> tuple[int, str] | None:
    """The number of an option and the kind of its value."""
    names = V4 if version == 4 else V6
    if not re.fullmatch("[0-9]{1,5}", name):
        return names.get(name)
    number = int(name)
    kinds = dict(names.values())
    return (number, kinds.get(number, f"any{version}")) if 0 < number < MOST_NUMBER[version] else None


def routes(pairs: Iterable[tuple[str, str]]) -> bytes:
    """(destination, next hop) pairs as in option 121 (RFC 3442): of each destination, the bytes that count."""
    made = []
    for destination, hop in pairs:
        block = ipaddress.IPv4Network(destination, strict=False)
        significant = block.network_address.packed[: (block.prefixlen + 7) // 8]
        made.append(bytes((block.prefixlen,)) + significant + ipaddress.IPv4Address(hop).packed)
    return b"".join(made)


def domains(names: Iterable[str]) -> bytes:
    """Domain names, not compressed (RFC 1035, 3.1).  Raises ValueError for what is none."""
    return b"".join(_domain(name) for name in names)


def _domain(name: str) -> bytes:
    labels = [label.encode("ascii") for label in name.strip().rstrip(".").split(".")]
    if not all(0 < len(label) < 64 for label in labels) or sum(len(label) + 1 for label in labels) > 254:
        raise ValueError(f"{name} is not a domain name")
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")]


def _ips(version: int) -> Callable[[str], bytes]:
    read = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    return lambda text: b"".join(read(item.removeprefix("[").removesuffix("]")).packed for item in _items(text))


def _number(size: int) -> Callable[[str], bytes]:
    return lambda text: int(text, 0).to_bytes(size, "big")


def _flag(text: str) -> bytes:
    return bytes((int(text.lower() in ("1", "true", "yes", "on")),))


def _routes(text: str) -> bytes:
    items = _items(text)
    return routes(zip(items[::2], items[1::2], strict=True))


def _ntp(text: str) -> bytes:
    """Server addresses, each a suboption of its own (RFC 5908, 4.1)."""
    packed = (_ips(6)(item) for item in _items(text))
    return b"".join(b"\0\x01\0\x10" + server for server in packed)


def _parameters(text: str) -> bytes:
    """Boot parameters, each with its length (RFC 5970, 3.2)."""
    said = [item.encode() for item in _items(text)]
    return b"".join(len(item).to_bytes(2, "big") + item for item in said)


def _any(version: int) -> Callable[[str], bytes]:
    """What an option's value looks like decides how it is written, as dnsmasq has it: addresses, a number in as few
    bytes as hold it, bytes in hex with colons between; else text."""

    def write(text: str) -> bytes:
        with suppress(ValueError):
            return _ips(version)(text)
        if re.fullmatch("[0-9]{1,10}", text):
            size = next(size for size in (1, 2, 4, 8) if int(text) < 1 << 8 * size)
            return _number(size)(text.lstrip("0") or "0")
        if re.fullmatch("[0-9a-fA-F]{2}(:[0-9a-fA-F]{2})+", text):
            return bytes.fromhex(text.replace(":", ""))
        return text.encode()

    return write


_WRITERS: dict[str, Callable[[str], bytes]] = {
    "ip4": _ips(4),
    "ip6": _ips(6),
    "text": lambda text: text.encode(),
    "u8": _number(1),
    "u16": _number(2),
    "u32": _number(4),
    "flag": _flag,
    "domains": lambda text: domains(_items(text)),
    "routes": _routes,
    "ntp": _ntp,
    "parameters": _parameters,
    "any4": _any(4),
    "any6": _any(6),
}
"""How a value of each kind becomes bytes.  They raise ValueError or OverflowError."""
