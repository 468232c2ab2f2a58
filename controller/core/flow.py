"""Flows, meters, and the matches and actions they are made of: small frozen values.

A match is a tuple of (field name, value, mask) in field order; values are integers (an address is its number), a mask
of None is exact.  Actions are tagged tuples, so that equal ones are one value to a cache.  Names are ovs-ofctl's.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from controller.core.kept import Kept

OURS = 0x9B
"""The top 8 bits of every cookie of ours; the other 56 are a hash of the flow's slot and actions."""
OURS_MASK = 0xFF << 56
COOKIE_MASK = (1 << 64) - 1

MAX_PRIORITY = 0xFFFF
IN_PORT = 0xFFFFFFF8
NORMAL = 0xFFFFFFFA
CONTROLLER = 0xFFFFFFFD
LOCAL = 0xFFFFFFFE
VLAN_PRESENT = 0x1000
"""OFPVID_PRESENT: in `vlan_vid`, tells a tagged packet with VLAN 0 from an untagged one (OpenFlow 1.4, 7.2.3.7)."""


class WireField(NamedTuple):
    """A header or metadata field that flows match or set: its width in bits and how its values are written."""

    name: str
    bits: int
    style: str = "hex"  # hex, dec, mac, ipv4, ipv6, flags


_FIELDS = (
    WireField("in_port", 32, "dec"),
    WireField("tun_id", 64),
    WireField("tun_src", 32, "ipv4"),
    WireField("tun_dst", 32, "ipv4"),
    WireField("tun_ipv6_src", 128, "ipv6"),
    WireField("tun_ipv6_dst", 128, "ipv6"),
    *(WireField(f"reg{n}", 32) for n in range(8)),
    WireField("conj_id", 32, "dec"),
    WireField("ct_state", 32, "flags"),
    WireField("ct_zone", 16),
    WireField("ct_mark", 32),
    WireField("ct_label", 128),
    WireField("ct_nw_proto", 8, "dec"),
    WireField("ct_nw_src", 32, "ipv4"),
    WireField("ct_nw_dst", 32, "ipv4"),
    WireField("ct_ipv6_src", 128, "ipv6"),
    WireField("ct_ipv6_dst", 128, "ipv6"),
    WireField("ct_tp_src", 16, "dec"),
    WireField("ct_tp_dst", 16, "dec"),
    WireField("eth_dst", 48, "mac"),
    WireField("eth_src", 48, "mac"),
    WireField("eth_type", 16),
    WireField("vlan_vid", 13),
    WireField("ip_proto", 8, "dec"),
    WireField("ipv4_src", 32, "ipv4"),
    WireField("ipv4_dst", 32, "ipv4"),
    WireField("arp_op", 16, "dec"),
    WireField("arp_spa", 32, "ipv4"),
    WireField("arp_tpa", 32, "ipv4"),
    WireField("arp_sha", 48, "mac"),
    WireField("arp_tha", 48, "mac"),
    WireField("ipv6_src", 128, "ipv6"),
    WireField("ipv6_dst", 128, "ipv6"),
    WireField("tcp_src", 16, "dec"),
    WireField("tcp_dst", 16, "dec"),
    WireField("udp_src", 16, "dec"),
    WireField("udp_dst", 16, "dec"),
    WireField("sctp_src", 16, "dec"),
    WireField("sctp_dst", 16, "dec"),
    WireField("icmpv4_type", 8, "dec"),
    WireField("icmpv4_code", 8, "dec"),
    WireField("icmpv6_type", 8, "dec"),
    WireField("icmpv6_code", 8, "dec"),
    WireField("nd_target", 128, "ipv6"),
    WireField("nd_sll", 48, "mac"),
    WireField("nd_tll", 48, "mac"),
    WireField("nd_reserved", 32),
    WireField("nd_options_type", 8, "dec"),
)
FIELDS: dict[str, WireField] = {field.name: field for field in _FIELDS}
ORDER: dict[str, int] = {field.name: n for n, field in enumerate(_FIELDS)}

NEW, EST, REL, RPL, INV, TRK, SNAT, DNAT = (1 << n for n in range(8))
"""The bits of `ct_state` (ovs-fields(7)): TRK is set once a packet went through the connection tracker."""
CT_FLAGS = {"new": NEW, "est": EST, "rel": REL, "rpl": RPL, "inv": INV, "trk": TRK, "snat": SNAT, "dnat": DNAT}
KNOWN_CT_FLAGS = (1 << len(CT_FLAGS)) - 1
CT_TUPLE = tuple(f"ct_{name}" for name in ("nw_proto", "nw_src", "nw_dst", "ipv6_src", "ipv6_dst", "tp_src", "tp_dst"))
"""The direction a connection began in, whichever way the packet goes; of ICMP, the ports are type and code."""

# ---------------------------------------------------------------------------------------------------------------------
# Actions


class Output(NamedTuple):
    """Send the packet out of a port (never back out of its in_port, unless the port is IN_PORT)."""

    port: int
    tag: str = "output"


class OutputReg(NamedTuple):
    """Send the packet out of the port whose number a register field holds (Nicira `output:REG[..]`)."""

    field: str
    offset: int
    bits: int
    tag: str = "output_reg"


class Controller(NamedTuple):
    """Send the packet's first `max_len` bytes to the controller."""

    max_len: int = 0xFFFF
    tag: str = "controller"


class Load(NamedTuple):
    """Write `value` into `bits` bits of a field, from bit `offset` on (Nicira reg_load)."""

    field: str
    offset: int
    bits: int
    value: int
    tag: str = "load"


class SetField(NamedTuple):
    """Write a whole field."""

    field: str
    value: int
    tag: str = "set_field"


class Move(NamedTuple):
    """Copy one whole field to another of equal width (Nicira reg_move)."""

    source: str
    target: str
    tag: str = "move"


class PushVlan(NamedTuple):
    """Add an 802.1Q header (VLAN 0 until set_field writes vlan_vid)."""

    tag: str = "push_vlan"


class PopVlan(NamedTuple):
    """Remove the outer 802.1Q header."""

    tag: str = "pop_vlan"


class Resubmit(NamedTuple):
    """Look the packet up in a table and carry on behind it (Nicira resubmit(,table))."""

    table: int
    tag: str = "resubmit"


class Metered(NamedTuple):
    """The meter instruction: ends the flow's list when the meter's rate is exceeded.  Only as a flow's first action."""

    meter: int
    tag: str = "meter"


class Goto(NamedTuple):
    """The goto-table instruction.  Only as a flow's last action."""

    table: int
    tag: str = "goto"


class Bits(NamedTuple):
    """A part of a field: `bits` bits from bit `offset` on."""

    field: str
    offset: int
    bits: int


class Ct(NamedTuple):
    """Send a copy through the connection tracker and on to `table`; what follows sees an untracked packet (Nicira ct).

    `zone` is its number, or 16 bits of a field that hold it.  `commit` keeps the connection, and `sets` then writes its
    ct_mark or ct_label (SetField, Load or Move).  `force` begins a connection anew whose first packet went the other
    way.  Without a `table` the copy ends there.
    """

    commit: bool = False
    zone: int | Bits = 0
    table: int | None = None
    sets: tuple[SetField | Load | Move, ...] = ()
    force: bool = False
    tag: str = "ct"


class CtClear(NamedTuple):
    """Forget what the connection tracker said of the packet (Nicira ct_clear)."""

    tag: str = "ct_clear"


class Conjunction(NamedTuple):
    """The flow is an alternative of clause `clause`, 1 to `n_clauses` (2 to 64), of the conjunctive match `id`.

    A packet that meets every clause, at one priority, is looked up once more with conj_id = id (ovs-fields(7)).  A flow
    is of one clause of an id.
    """

    id: int
    clause: int
    n_clauses: int
    tag: str = "conjunction"


Action = (
    Output
    | OutputReg
    | Controller
    | Load
    | SetField
    | Move
    | PushVlan
    | PopVlan
    | Resubmit
    | Metered
    | Goto
    | Ct
    | CtClear
    | Conjunction
)
Match = tuple[tuple[str, int, int | None], ...]
Actions = tuple[Action, ...]
Slot = tuple[int, int, Match]

# ---------------------------------------------------------------------------------------------------------------------
# Flows and meters


class Meter(NamedTuple):
    """A rate limit of `rate` packets per second that flows of one switch name by `id`."""

    id: int
    rate: int


def match(fields: Mapping[str, int | tuple[int, int]]) -> Match:
    """Put fields in order: {"in_port": 3, "vlan_vid": (0x1000, 0x1000)}.  Raises ValueError when a value won't fit."""
    names = sorted(fields, key=ORDER.__getitem__)
    return tuple(match_field(name, fields[name], 1 << FIELDS[name].bits) for name in names)


def match_field(name: str, wanted: int | tuple[int, int], limit: int) -> tuple[str, int, int | None]:
    """One field of a match; `limit` is the first value that does not fit.  Raises ValueError for one that doesn't."""
    value, mask = wanted if isinstance(wanted, tuple) else (wanted, None)
    if not 0 <= value < limit or (mask is not None and (value & ~mask or not 0 < mask < limit)):
        raise ValueError(f"{name}={value:#x}/{mask} does not fit {FIELDS[name].bits} bits and its mask")
    return name, value, None if mask == limit - 1 else mask


PLAIN = 2
"""The format of marshal that writes each value in full: the same bytes in every process and version of Python."""


def _said(action: Action) -> bytes:
    try:
        return marshal.dumps(tuple(action), PLAIN)
    except ValueError:  # it holds another one
        return marshal.dumps(_plain(action), PLAIN)


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value


_SAID = Kept(_said, 1 << 13)
"""The bytes of an action that cookies follow from."""


class Flow:
    """A flow entry: its slot (table, priority, match) and what it does.  `cookie` follows from all of it.

    `digest` is what its instructions read back as, once the encoder has said it (None before).
    """

    __slots__ = ("actions", "cookie", "digest", "idle_timeout", "slot")

    def __init__(self, table: int, priority: int, match: Match, actions: Iterable[Action], idle_timeout: int = 0):
        self.slot: Slot = (table, priority, match)
        self.actions: Actions = tuple(actions)
        self.idle_timeout = idle_timeout
        self.digest: int | None = None
        said = marshal.dumps((self.slot, idle_timeout), PLAIN) + b"".join(map(_SAID.__getitem__, self.actions))
        self.cookie = OURS << 56 | int.from_bytes(blake2b(said, digest_size=7).digest(), "big")

    @property
    def table(self) -> int:
        return self.slot[0]

    @property
    def priority(self) -> int:
        return self.slot[1]

    @property
    def match(self) -> Match:
        return self.slot[2]

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Flow) and self.cookie == other.cookie and self.slot == other.slot

    def __hash__(self) -> int:
        return hash(self.cookie)

    def __repr__(self) -> str:
        return f"Flow({self.slot!r}, {self.actions!r}, idle_timeout={self.idle_timeout})"


def is_ours(cookie: int) -> bool:
    return cookie >> 56 == OURS
