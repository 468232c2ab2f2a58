"""What a switch refuses: the rules of Open vSwitch for one flow, so that a model of it can refuse the same.

A field can be matched or written only where the flow's match (and what its actions did before) says that the packet
has it: ARP fields of ARP packets, `nd_tll` of neighbor advertisements (ovs-fields(7), "Prerequisites").
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.core import flow as f

_IPV4, _IPV6 = (("eth_type", 0x0800),), (("eth_type", 0x86DD),)
_ARP, _RARP = (("eth_type", 0x0806),), (("eth_type", 0x8035),)
_ICMPV6 = (*_IPV6, ("ip_proto", 58))
_SOLICITATION = (*_ICMPV6, ("icmpv6_type", 135), ("icmpv6_code", 0))
_ADVERTISEMENT = (*_ICMPV6, ("icmpv6_type", 136), ("icmpv6_code", 0))
_ND = (_SOLICITATION, _ADVERTISEMENT)
_TRANSPORTS = {"tcp": 6, "udp": 17, "sctp": 132}


def _over_ip(proto: int) -> tuple[tuple[tuple[str, int], ...], ...]:
    return (*_IPV4, ("ip_proto", proto)), (*_IPV6, ("ip_proto", proto))


NEEDS: dict[str, tuple[tuple[tuple[str, int], ...], ...]] = {
    "ip_proto": (_IPV4, _IPV6),
    **dict.fromkeys(("ipv4_src", "ipv4_dst"), (_IPV4,)),
    **dict.fromkeys(("ipv6_src", "ipv6_dst"), (_IPV6,)),
    **dict.fromkeys(("arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha"), (_ARP, _RARP)),
    **{f"{name}_{end}": _over_ip(proto) for name, proto in _TRANSPORTS.items() for end in ("src", "dst")},
    **dict.fromkeys(("icmpv4_type", "icmpv4_code"), ((*_IPV4, ("ip_proto", 1)),)),
    **dict.fromkeys(("icmpv6_type", "icmpv6_code"), (_ICMPV6,)),
    **dict.fromkeys(("nd_target", "nd_reserved", "nd_options_type"), _ND),
    "nd_sll": (_SOLICITATION,),
    "nd_tll": (_ADVERTISEMENT,),
    **dict.fromkeys(("ct_nw_src", "ct_nw_dst"), (_IPV4,)),
    **dict.fromkeys(("ct_ipv6_src", "ct_ipv6_dst"), (_IPV6,)),
}
"""By field, the alternatives of what must be known of a packet that has it."""
EXACT_ONLY = frozenset(
    ("in_port", "eth_type", "ip_proto", "arp_op", "icmpv6_type", "icmpv6_code", "nd_reserved", "nd_options_type")
    + ("icmpv4_type", "icmpv4_code", "ct_zone", "ct_nw_proto", "conj_id")
)
"""Fields that can't be matched under a mask."""
READ_ONLY = frozenset(("eth_type", "ip_proto", "ct_state", "ct_zone", "ct_mark", "ct_label", "conj_id", *f.CT_TUPLE))
"""What no action writes; of these, ct(commit) alone writes those of a connection."""
OF_CONNECTION = frozenset(("ct_mark", "ct_label"))
OF_A_CONNECTION = "of a connection"
"""What is known of a packet beside its fields: whether the connection tracker knows its connection."""
TRACKED = f.NEW | f.EST | f.REL | f.RPL | f.SNAT | f.DNAT
"""Each says that the packet is of a connection: only then is there a direction that this began in."""
MOST_CLAUSES = 64
MAX_PORT = 0xFEFF
"""The highest number of a real port in Open vSwitch, though OpenFlow 1.4 has room for more."""
_RESERVED_PORTS = (f.IN_PORT, f.NORMAL, f.CONTROLLER, f.LOCAL)
INTERNAL_TABLE = 254
MAX_TAGS = 2
"""802.1Q headers that Open vSwitch keeps of a packet."""


def refusal(flow: f.Flow) -> str | None:
    """Why a switch would refuse to take the flow; None when it would take it."""
    known = {name: value for name, value, _ in flow.match} | {OF_A_CONNECTION: _is_of_a_connection(flow.match)}
    for name, value, mask in flow.match:
        if mask is not None and name in EXACT_ONLY:
            return f"{name} can't be matched under a mask"
        if name == "in_port" and not _is_port(value):
            return f"in_port={value} is no port"
        if not _has(known, name):
            return f"a match on {name} needs one on {_wanted(name)}"
        if name == "ct_state" and value & ~f.KNOWN_CT_FLAGS:
            return f"ct_state={value:#x} has flags that are not there"
    if flow.table >= INTERNAL_TABLE:
        return f"table {flow.table} is not for users"
    return _actions_refusal(flow, known)


def _actions_refusal(flow: f.Flow, known: Mapping[str, int]) -> str | None:
    tags = 1 if known.get("vlan_vid", 0) & f.VLAN_PRESENT else 0
    conjunctions = sum(isinstance(action, f.Conjunction) for action in flow.actions)
    if conjunctions not in (0, len(flow.actions)):
        return "a flow of conjunctions does nothing else"
    for n, action in enumerate(flow.actions):
        if isinstance(action, f.Metered) and n != 0:
            return "a meter comes first"
        if isinstance(action, f.Goto) and n != len(flow.actions) - 1:
            return "goto comes last"
        reason = _refusal(action, flow.table, known, tags)
        if reason:
            return reason
        tags += isinstance(action, f.PushVlan) - isinstance(action, f.PopVlan)
    return None


def _refusal(action: f.Action, table: int, known: Mapping[str, int], tags: int) -> str | None:
    """`tags` is how many 802.1Q headers the packet is known to have."""
    match action:
        case f.PopVlan() if not tags:
            return "pop_vlan of a packet that may have no tag"
        case f.PushVlan() if tags == MAX_TAGS:
            return f"push_vlan on top of {MAX_TAGS} tags"
        case f.Output(port) if not _is_port(port):
            return f"output to {port}, which is no port"
        case f.Goto(target) if not table < target < INTERNAL_TABLE:
            return f"goto {target} from table {table}"
        case f.Resubmit(target) if target >= INTERNAL_TABLE:
            return f"resubmit to table {target}"
        case f.SetField("vlan_vid", value) if not value & f.VLAN_PRESENT:
            return "vlan_vid is set without VLAN_PRESENT"
        case f.Load(name, offset, bits, value):
            width = 12 if name == "vlan_vid" else f.FIELDS[name].bits
            if not 0 < bits <= min(64, width - offset) or value >> bits:
                return f"load of {value:#x} into {bits} bits of {name} from bit {offset} on"
            return _write(name, known, tags)
        case f.OutputReg(name, offset, bits):
            return None if 0 < bits <= f.FIELDS[name].bits - offset else f"{name} has no bits {offset}+{bits}"
        case f.Move(source, target) if f.FIELDS[source].bits != f.FIELDS[target].bits:
            return f"{source} and {target} are not of one width"
        case f.Move(source, target):
            return _read(source, known) or _write(target, known, tags)
        case f.SetField(name, _):
            return _write(name, known, tags)
        case f.Ct():
            return _ct_refusal(action, known)
        case f.Conjunction(_, clause, n_clauses) if not 1 <= clause <= n_clauses or not 2 <= n_clauses <= MOST_CLAUSES:
            return f"conjunction {clause}/{n_clauses}"
        case _:
            return None


def _ct_refusal(ct: f.Ct, known: Mapping[str, int]) -> str | None:
    if known.get("eth_type") not in (0x0800, 0x86DD):
        return "ct needs a match on IPv4 or IPv6"
    if ct.commit and known.get("ct_state", 0) & f.INV:
        return "ct(commit) of an invalid packet"
    if not ct.commit and (ct.force or ct.sets):
        return "ct without commit forces and writes nothing"
    if isinstance(ct.zone, f.Bits) and (ct.zone.bits != 16 or ct.zone.offset + 16 > f.FIELDS[ct.zone.field].bits):
        return f"a zone of {ct.zone}"
    if ct.table is not None and ct.table >= INTERNAL_TABLE:
        return f"ct leads to table {ct.table}"
    for write in ct.sets:
        name = write.target if isinstance(write, f.Move) else write.field
        if name not in OF_CONNECTION:
            return f"exec writes {name}, which is not a connection's"
        if isinstance(write, f.Move) and f.FIELDS[write.source].bits != f.FIELDS[name].bits:
            return f"{write.source} and {name} are not of one width"
    return None


def _is_of_a_connection(match: f.Match) -> bool:
    """Whether the match on ct_state is met by packets of connections only."""
    for name, value, mask in match:
        if name == "ct_state":
            excludes_invalid = mask is None or bool(mask & f.INV)
            return bool(value & TRACKED) or bool(value & f.TRK and excludes_invalid and not value & f.INV)
    return False


def _read(name: str, known: Mapping[str, int]) -> str | None:
    return None if _has(known, name) else f"reading {name} needs a match on {_wanted(name)}"


def _write(name: str, known: Mapping[str, int], tags: int) -> str | None:
    if name in READ_ONLY:
        return f"{name} can't be written"
    if name == "vlan_vid" and not tags:
        return "vlan_vid is written of a packet that may have no tag"
    return None if _has(known, name) else f"writing {name} needs a match on {_wanted(name)}"


def _has(known: Mapping[str, int], name: str) -> bool:
    if name in f.CT_TUPLE and not known[OF_A_CONNECTION]:
        return False
    if name in ("ct_tp_src", "ct_tp_dst") and "ct_nw_proto" not in known:
        return False  # it would be taken, and left out of what is read back
    alternatives = NEEDS.get(name)
    return alternatives is None or any(all(known.get(n, 0) == v for n, v in needed) for needed in alternatives)


def _wanted(name: str) -> str:
    if name in f.CT_TUPLE:
        return "a ct_state that is valid, ct_nw_proto for ports, and eth_type for addresses"
    return " or ".join(", ".join(f"{n}={v:#x}" for n, v in needed) for needed in NEEDS[name])


def _is_port(number: int) -> bool:
    return number <= MAX_PORT or number in _RESERVED_PORTS
