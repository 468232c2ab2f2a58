"""Flows, meters and packets to OpenFlow 1.4 bytes.

os-ken makes the bytes of each field's header and of each action once; a flow-mod is then a header and a join.  Match
fields are written in the order of `core.flow.ORDER`, because Open vSwitch wants a field's prerequisites before it.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any
from zlib import crc32

from os_ken.lib import type_desc
from os_ken.ofproto import ofproto_v1_4, ofproto_v1_4_parser, oxm_fields
from os_ken.ofproto.nicira_ext import NX_CT_F_COMMIT, NX_CT_F_FORCE, NX_CT_RECIRC_NONE, NXAST_REG_LOAD2
from os_ken.ofproto.ofproto_common import NX_EXPERIMENTER_ID

from controller.core import flow as f
from controller.core.kept import Kept
from controller.core.spelling import width

ofp, parser = ofproto_v1_4, ofproto_v1_4_parser

VERSION = 0x05
MAX_LENGTH = 0xFFFF - 16
"""Bytes that a flow-mod may have: it must fit a bundle-add message."""
NAMES = {
    "tun_id": "tunnel_id",
    "tun_src": "tun_ipv4_src",
    "tun_dst": "tun_ipv4_dst",
    "nd_target": "ipv6_nd_target",
    "nd_sll": "ipv6_nd_sll",
    "nd_tll": "ipv6_nd_tll",
}
"""os-ken's names of fields, where they are not ovs-ofctl's."""
NXM_NAMES = {
    "tun_id": "tunnel_id_nxm",
    **{name: name for name in ("nd_target", "nd_sll", "nd_tll")},
    **{name: f"{name}_nxm" for name in ("eth_dst", "eth_src", "eth_type", "ip_proto", "ipv4_src", "ipv4_dst")},
    **{name: f"{name}_nxm" for name in ("arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha")},
    **{name: f"{name}_nxm" for name in ("ipv6_src", "ipv6_dst", "icmpv6_type", "icmpv6_code")},
    **{name: f"{name}_nxm" for name in ("tcp_src", "tcp_dst", "udp_src", "udp_dst", "icmpv4_type", "icmpv4_code")},
}
"""os-ken's names of fields with Nicira's older header, where they have one beside OpenFlow's."""

NXM_OF_IN_PORT = 0x00000002
SHORT = 16
"""Actions of a list that is worth keeping the bytes of; a longer one is hardly ever some other flow's as well."""


class MessageTooLong(ValueError):
    """A flow's actions do not fit one OpenFlow message (64 kB)."""


class _OvsClass(oxm_fields._OxmClass):
    """ND fields of Open vSwitch 2.11 and newer that os-ken does not have (OXM class 0x1000, never maskable)."""

    _class = 0x1000


_CT_TUPLE = (
    *(("ct_nw_proto", type_desc.Int1), ("ct_nw_src", type_desc.IPv4Addr), ("ct_nw_dst", type_desc.IPv4Addr)),
    *(("ct_ipv6_src", type_desc.IPv6Addr), ("ct_ipv6_dst", type_desc.IPv6Addr)),
    *(("ct_tp_src", type_desc.Int2), ("ct_tp_dst", type_desc.Int2)),
)
"""Fields of Open vSwitch 2.8 and newer that os-ken does not have, in the order of their numbers (meta-flow.h)."""
FIRST_OF_CT_TUPLE = 119
ofproto_v1_4.oxm_types += [
    _OvsClass("nd_reserved", 1, type_desc.Int4),
    _OvsClass("nd_options_type", 2, type_desc.Int1),
    *(oxm_fields.NiciraExtended1(name, n, kind) for n, (name, kind) in enumerate(_CT_TUPLE, FIRST_OF_CT_TUPLE)),
]
oxm_fields.generate("os_ken.ofproto.ofproto_v1_4")


def _nxm(name: str) -> str:
    """os-ken's name of a field in one of Nicira's actions.  Open vSwitch writes these with the older headers, and so do
    we: what is read back is then byte for byte what was sent."""
    return NXM_NAMES.get(name) or NAMES.get(name, name)


def _number(name: str) -> int:
    return ofp.oxm_from_user_header(NAMES.get(name, name))


@lru_cache(maxsize=256)
def _head(name: str, masked: bool) -> tuple[bytes, int]:
    """A field's OXM header, as os-ken writes it, and the bytes of its value."""
    size = (f.FIELDS[name].bits + 7) // 8
    buffer = bytearray()
    ofp.oxm_serialize(_number(name), bytes(size), bytes(size) if masked else None, buffer, 0)
    return bytes(buffer[:4]), size


def match_field(name: str, value: int, mask: int | None) -> bytes:
    """The OXM TLV of one match field (OpenFlow 1.4, 7.2.3.2)."""
    head, size = _head(name, mask is not None)
    if mask is None:
        return head + value.to_bytes(size, "big")
    return head + value.to_bytes(size, "big") + mask.to_bytes(size, "big")


def match_bytes(match: f.Match) -> bytes:
    """A whole match structure, padded (OpenFlow 1.4, 7.2.3.1)."""
    return wrap_match(b"".join(map(_TLVS.__getitem__, match)))


def _tlv(field: tuple[str, int, int | None]) -> bytes:
    return match_field(*field)


_TLVS = Kept(_tlv, 1 << 13)


def wrap_match(fields: bytes) -> bytes:
    """Put the match header before OXM TLVs, and the padding behind them."""
    length = 4 + len(fields)
    return _WRAP.pack(ofp.OFPMT_OXM, length) + fields + _PADDING[length % 8]


_WRAP = struct.Struct("!HH")
_PADDING = tuple(bytes(-length % 8) for length in range(8))


def _action(action: f.Action) -> Any:
    match action:
        case f.Output(port):
            return parser.OFPActionOutput(port, ofp.OFPCML_NO_BUFFER)
        case f.Controller(max_len):
            return parser.OFPActionOutput(ofp.OFPP_CONTROLLER, max_len)
        case f.OutputReg(field, offset, bits):
            return parser.NXActionOutputReg(offset << 6 | bits - 1, _nxm(field), 0)
        case f.Load(field, offset, bits, value):
            return parser.NXActionRegLoad(offset << 6 | bits - 1, _nxm(field), value)
        case f.Move(source, target):
            return parser.NXActionRegMove(_nxm(source), _nxm(target), n_bits=width(target))
        case f.PushVlan():
            return parser.OFPActionPushVlan()
        case f.PopVlan():
            return parser.OFPActionPopVlan()
        case f.Resubmit(table):
            return parser.NXActionResubmitTable(ofp.OFPP_IN_PORT & 0xFFFF, table)
        case f.SetField(field, value):
            return parser.OFPActionSetField(**{NAMES.get(field, field): value})
        case f.Ct():
            return _ct(action)
        case f.CtClear():
            return parser.NXActionCTClear()
        case f.Conjunction(id, clause, n_clauses):
            return parser.NXActionConjunction(clause - 1, n_clauses, id)
        case _:
            raise ValueError(f"{action!r} is not an action of an action list")


def _ct(ct: f.Ct) -> Any:
    """os-ken's field of no name stands for a zone that is a number (nicira-ext.h, nx_action_conntrack)."""
    flags = (NX_CT_F_COMMIT if ct.commit else 0) | (NX_CT_F_FORCE if ct.force else 0)
    zone = ("", ct.zone)
    if isinstance(ct.zone, f.Bits):
        zone = _nxm(ct.zone.field), ct.zone.offset << 6 | ct.zone.bits - 1
    table = NX_CT_RECIRC_NONE if ct.table is None else ct.table
    return parser.NXActionCT(flags, *zone, table, 0, list(map(_action, ct.sets)))


@lru_cache(maxsize=1 << 12)
def _made(action: f.Action) -> bytes:
    """An action's bytes as os-ken makes them."""
    buffer = bytearray()
    _action(action).serialize(buffer, 0)
    return bytes(buffer)


@lru_cache(maxsize=256)
def _set_field(name: str) -> tuple[bytes, int, bytes]:
    """What is before a set-field's value, the bytes of that, and what is behind it."""
    if name == "in_port":
        # OpenFlow's set-field can't write it; Nicira's does, but os-ken pads that in its own way.
        head = struct.pack("!HHIH", ofp.OFPAT_EXPERIMENTER, 16, NX_EXPERIMENTER_ID, NXAST_REG_LOAD2)
        return head + struct.pack("!I", NXM_OF_IN_PORT), 2, b""
    head, size = _head(name, False)
    length = 4 + len(head) + size
    padding = _PADDING[length % 8]
    return _WRAP.pack(ofp.OFPAT_SET_FIELD, length + len(padding)) + head, size, padding


@lru_cache(maxsize=256)
def _load(field: str, offset: int, bits: int) -> bytes:
    """What is before a load's value."""
    return _made(f.Load(field, offset, bits, 0))[:-8]


def action_bytes(action: f.Action) -> bytes:
    """One action (OpenFlow 1.4, 7.2.5; Nicira's extensions).

    Loads and set-fields have too many values to ask os-ken for each: theirs is written behind what is the same for all
    of a field.
    """
    if isinstance(action, f.SetField):
        head, size, padding = _set_field(action.field)
        value = action.value & 0xFFFF if action.field == "in_port" else action.value
        return head + value.to_bytes(size, "big") + padding
    if isinstance(action, f.Load):
        return _load(action.field, action.offset, action.bits) + action.value.to_bytes(8, "big")
    return _made(action)


def instruction_bytes(actions: f.Actions) -> bytes:
    """A flow's instructions: meter, apply-actions, goto-table, as far as it has them (OpenFlow 1.4, 7.2.4).

    Raises MessageTooLong.
    """
    return _instructions(actions) if len(actions) > SHORT else _kept(actions)


def _instructions(actions: f.Actions) -> bytes:
    parts = []
    if actions and isinstance(actions[0], f.Metered):
        parts.append(struct.pack("!HHI", ofp.OFPIT_METER, 8, actions[0].meter))
    body = b"".join(map(_APPLIED.__getitem__, actions))
    if len(body) > MAX_LENGTH:
        raise MessageTooLong(f"a list of actions takes {len(body)} bytes, a message has {MAX_LENGTH}")
    if body:
        parts.append(struct.pack("!HHI", ofp.OFPIT_APPLY_ACTIONS, 8 + len(body), 0) + body)
    if actions and isinstance(actions[-1], f.Goto):
        parts.append(struct.pack("!HHBBBB", ofp.OFPIT_GOTO_TABLE, 8, actions[-1].table, 0, 0, 0))
    return b"".join(parts)


def _applied(action: f.Action) -> bytes:
    """What an action is in the list of those to apply: nothing, for those that are instructions by themselves."""
    return b"" if isinstance(action, (f.Metered, f.Goto)) else action_bytes(action)


_APPLIED = Kept(_applied, 1 << 13)
_kept = lru_cache(maxsize=1 << 14)(_instructions)
"""Of short lists, which many flows have."""


def digest(flow: f.Flow) -> int:
    """What a flow does, in 32 bits: equal to that of its entry as it is read back (decode.flow_stats)."""
    return crc32(instruction_bytes(flow.actions))


def header(kind: int, length: int, xid: int) -> bytes:
    return struct.pack("!BBHI", VERSION, kind, length, xid)


_FLOW_MOD = struct.Struct("!BBHIQQBBHHHIIIHH")
_ANY = (ofp.OFP_NO_BUFFER, ofp.OFPP_ANY, ofp.OFPG_ANY)
_FLOW_MOD_TYPE, _ADD, _SEND_REMOVED = ofp.OFPT_FLOW_MOD, ofp.OFPFC_ADD, ofp.OFPFF_SEND_FLOW_REM


def flow_add(flow: f.Flow, xid: int) -> bytes:
    """Add a flow, or replace what is in its slot; its digest is noted on the way.  Raises MessageTooLong."""
    table, priority, match = flow.slot
    instructions = instruction_bytes(flow.actions)
    if flow.digest is None:
        flow.digest = crc32(instructions)
    body = match_bytes(match) + instructions
    length = _FLOW_MOD.size + len(body)
    if length > MAX_LENGTH:
        raise MessageTooLong(f"a flow takes {length} bytes, a message has {MAX_LENGTH}")
    idle = flow.idle_timeout
    flags = _SEND_REMOVED if idle else 0
    head = (VERSION, _FLOW_MOD_TYPE, length, xid, flow.cookie, 0, table, _ADD, idle, 0, priority, *_ANY, flags, 0)
    return _FLOW_MOD.pack(*head) + body


def flow_delete(table: int, cookie: int, xid: int) -> bytes:
    """Delete the flows of a table that have exactly this cookie."""
    body = match_bytes(())
    return (
        _FLOW_MOD.pack(
            *(VERSION, ofp.OFPT_FLOW_MOD, _FLOW_MOD.size + len(body), xid, cookie, f.COOKIE_MASK, table),
            *(ofp.OFPFC_DELETE, 0, 0, 0, ofp.OFP_NO_BUFFER, ofp.OFPP_ANY, ofp.OFPG_ANY, 0, 0),
        )
        + body
    )


def foreign_delete(table: int, priority: int, cookie: int, match: str, xid: int) -> bytes:
    """Delete one flow that is not ours by its exact slot and cookie, its match as it was read."""
    body = wrap_match(bytes.fromhex(match))
    return (
        _FLOW_MOD.pack(
            *(VERSION, ofp.OFPT_FLOW_MOD, _FLOW_MOD.size + len(body), xid, cookie, f.COOKIE_MASK, table),
            *(ofp.OFPFC_DELETE_STRICT, 0, 0, priority, ofp.OFP_NO_BUFFER, ofp.OFPP_ANY, ofp.OFPG_ANY, 0, 0),
        )
        + body
    )


OXM_HEADERS: dict[bytes, str] = {match_field(name, 0, None)[:4]: name for name in f.FIELDS}
"""Which field an unmasked OXM header stands for."""
