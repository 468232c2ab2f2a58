"""The values an option can have: each function reads the text of one, or raises ValueError with the rule it breaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

from netaddr import EUI, AddrFormatError, IPAddress, mac_unix_expanded

Range = tuple[int, int]
"""First and last, both included."""

MAX_VLAN = 4094
"""IEEE 802.1Q: 0 means no VLAN and 4095 is reserved."""
MAX_TUNNEL_ID = 2**24 - 1
"""The VNI of VXLAN and Geneve has 24 bits (RFC 7348, RFC 8926)."""
TENANT_TYPES = ("local", "vlan", "vxlan", "gre", "geneve")
LONGEST_INTERFACE_NAME = 15
"""Linux: IFNAMSIZ, less the byte that ends the name."""


class Address(NamedTuple):
    """Where to listen.  `host` is "" for all addresses; an IPv6 host has no brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host or '*'}:{self.port}"


def text(value: str) -> str:
    if not value:
        raise ValueError("it can't be empty")
    return value


def number(lowest: int, highest: int, unit: str) -> Callable[[str], int]:
    """A reader of integers from `lowest` to `highest`."""

    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,20}", value) or not lowest <= int(value) <= highest:
            raise ValueError(f"{value!r} is not a number of {unit} from {lowest} to {highest}")
        return int(value)

    return read


def mtu(value: str) -> int:
    """Bytes; 0 where nothing is said."""
    return 0 if value.strip() == "0" else number(68, 65535, "bytes")(value)


def limit(value: str) -> int:
    """How many there may be; -1 is no limit."""
    if value.strip() == "-1":
        return -1
    if not re.fullmatch(r"[0-9]{1,10}", value) or int(value) >= 2**31:
        raise ValueError(f"{value!r} is neither -1 (no limit) nor a number from 0 to {2**31 - 1}")
    return int(value)


SHORTEST_LEASE = 120
"""Seconds: what dnsmasq, and so Neutron, gives at least."""


def duration(value: str) -> int:
    """Seconds of a lease; -1 is for ever."""
    if value.strip() == "-1":
        return -1
    if not re.fullmatch(r"[0-9]{1,10}", value) or not SHORTEST_LEASE <= int(value) < 2**32 - 1:
        raise ValueError(
            f"{value!r} is neither -1 (for ever) nor a number of seconds from {SHORTEST_LEASE} to {2**32 - 2}"
        )
    return int(value)


def one_of(*choices: str) -> Callable[[str], str]:
    """A reader of one of the words, in upper or lower case."""

    def read(value: str) -> str:
        for choice in choices:
            if value.lower() == choice.lower():
                return choice
        raise ValueError(f"{value!r} is not one of {', '.join(choices)}")

    return read


def address(value: str) -> Address:
    found = re.fullmatch(r"(?:\[(?P<six>[^\[\]]*)\]|(?P<host>[^:\[\]\s]*)):(?P<port>[0-9]{1,5})", value)
    if found is None or int(found["port"]) > 65535:
        raise ValueError(f"{value!r} is not HOST:PORT, [IPv6]:PORT or *:PORT with a port up to 65535")
    if found["six"] is not None and _ip_version(found["six"]) != 6:
        raise ValueError(f"{value!r}: what is in brackets is not an IPv6 address")
    host = found["six"] or found["host"] or ""
    return Address("" if host == "*" else host, int(found["port"]))


def domain(value: str) -> str:
    """A DNS domain in lower case and with the dot at its end (RFC 1123, 2.1); '' is none."""
    name = value.lower().removesuffix(".")
    if name and not re.fullmatch(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*", name):
        raise ValueError(f"{value!r} is not a DNS domain")
    if len(name) > 200:
        raise ValueError(f"{value!r} leaves no room for the names of ports: it may have 200 characters")
    return f"{name}." if name else ""


def names(value: str) -> tuple[str, ...]:
    return tuple(_items(value))


def bridge(value: str) -> str:
    if not re.fullmatch(rf"[^\s/:,]{{1,{LONGEST_INTERFACE_NAME}}}", value):
        raise ValueError(
            f"{value!r} is not a bridge name: 1 to {LONGEST_INTERFACE_NAME} characters, no space, slash, colon or comma"
        )
    return value


def interface(value: str) -> str:
    if not re.fullmatch(rf"[^\s/:,]{{1,{LONGEST_INTERFACE_NAME}}}", value):
        raise ValueError(f"{value!r} is not the name of a port")
    return value


def mappings(value: str) -> tuple[tuple[str, str], ...]:
    """`physnet1:br-eth1,physnet2:br-int:eth2`: every physical network, and every bridge or port, at most once."""
    pairs = []
    for item in _items(value):
        network, colon, name = (part.strip() for part in item.partition(":"))
        if not network or not colon:
            raise ValueError(f"{item!r} is not PHYSICAL_NETWORK:BRIDGE or PHYSICAL_NETWORK:BRIDGE:PORT")
        of, port = bridge(name.partition(":")[0]), name.partition(":")[2]
        pairs.append((network, f"{of}:{interface(port)}" if ":" in name else of))
    _refuse_repeated("physical network", (network for network, _ in pairs))
    _refuse_repeated("bridge", (name for _, name in pairs))
    return tuple(pairs)


def vlan_ranges(value: str) -> tuple[tuple[str, tuple[Range, ...]], ...]:
    """`physnet1:1000:1999,physnet2`: a physical network may have several ranges, or none."""
    ranges: dict[str, list[Range]] = {}
    for item in _items(value):
        network, colon, limits = (part.strip() for part in item.partition(":"))
        if not network:
            raise ValueError(f"{item!r} is not PHYSICAL_NETWORK or PHYSICAL_NETWORK:FIRST:LAST")
        known = ranges.setdefault(network, [])
        if colon:
            known.append(_range(item, limits, "a VLAN", MAX_VLAN))
    for network, known in ranges.items():
        _refuse_overlap(known, f" on {network}")
    return tuple((network, tuple(known)) for network, known in ranges.items())


def tunnel_ranges(value: str) -> tuple[Range, ...]:
    ranges = [_range(item, item, "a tunnel id", MAX_TUNNEL_ID) for item in _items(value)]
    _refuse_overlap(ranges, "")
    return tuple(ranges)


def network_types(value: str) -> tuple[str, ...]:
    read = one_of(*TENANT_TYPES)
    types = tuple(read(item) for item in _items(value))
    _refuse_repeated("type", types)
    return types


def base_mac(value: str) -> str:
    try:
        mac = EUI(value, version=48, dialect=mac_unix_expanded)
    except (AddrFormatError, ValueError) as error:
        raise ValueError(f"{value!r} is not a MAC address such as fa:16:3e:00:00:00") from error
    if mac.words[0] & 1:
        raise ValueError(f"{value!r} is a multicast address: its first octet must be even")
    return str(mac)


def ip_address(value: str) -> str:
    """An IPv4 or IPv6 address in its canonical text; "" says there is none."""
    if not value:
        return ""
    if not _ip_version(value):
        raise ValueError(f"{value!r} is not an IPv4 or IPv6 address")
    return str(IPAddress(value))


def dpids(value: str) -> tuple[int, ...]:
    """Datapath ids: `7`, `0x7` or the 16 hex digits that `ovs-vsctl get bridge br-int datapath_id` shows."""
    found = tuple(_dpid(item.strip('"')) for item in _items(value))
    _refuse_repeated("datapath id", found)
    return found


def _dpid(value: str) -> int:
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}|[0-9a-fA-F]{16}", value):
        dpid = int(value, 16)
    elif re.fullmatch(r"[0-9]{1,15}", value):
        dpid = int(value)
    else:
        raise ValueError(f"{value!r} is not a datapath id: decimal, 0x and hexadecimal, or 16 hexadecimal digits")
    if not dpid:
        raise ValueError(f"{value!r}: no bridge has the datapath id 0")
    return dpid


def _items(value: str) -> list[str]:
    """The parts of a comma list; none at all for "" ."""
    items = [item.strip() for item in value.split(",")] if value.strip() else []
    if "" in items:
        raise ValueError(f"{value!r} has an empty item: two commas, or one at an end")
    return items


def _range(item: str, limits: str, what: str, highest: int) -> Range:
    found = re.fullmatch(r"([0-9]{1,9})\s*:\s*([0-9]{1,9})", limits)
    if found is None:
        raise ValueError(f"{item!r} does not end in FIRST:LAST")
    first, last = int(found[1]), int(found[2])
    if not 1 <= first <= highest or not 1 <= last <= highest:
        raise ValueError(f"{item!r}: {what} is from 1 to {highest}")
    if first > last:
        raise ValueError(f"{item!r}: the range ends before it starts")
    return first, last


def _refuse_overlap(ranges: list[Range], where: str) -> None:
    ordered = sorted(ranges)
    for (first, last), (next_first, next_last) in pairwise(ordered):
        if next_first <= last:
            raise ValueError(f"the ranges {first}:{last} and {next_first}:{next_last}{where} overlap")


def _refuse_repeated(what: str, values: Iterable[object]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise ValueError(f"the {what} {value!r} is there twice")
        seen.add(value)


def _ip_version(value: str) -> int:
    """4, 6, or 0 when it is no address."""
    try:
        return IPAddress(value).version if re.search("[.:]", value) else 0
    except (AddrFormatError, ValueError):
        return 0
