"""What ovs-ofctl calls our fields, protocols and ports, and how it writes their values: the vocabulary of `text`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import NamedTuple

from controller.core import flow as f


class Spelling(NamedTuple):
    """What ovs-ofctl calls a field: in a match, as set_field's target, and in move, load and output."""

    match: str
    target: str
    register: str


_SPELLED = {
    "in_port": Spelling("in_port", "in_port", "OXM_OF_IN_PORT"),
    "tun_id": Spelling("tun_id", "tun_id", "NXM_NX_TUN_ID"),
    "tun_src": Spelling("tun_src", "tun_src", "NXM_NX_TUN_IPV4_SRC"),
    "tun_dst": Spelling("tun_dst", "tun_dst", "NXM_NX_TUN_IPV4_DST"),
    "eth_dst": Spelling("dl_dst", "eth_dst", "NXM_OF_ETH_DST"),
    "eth_src": Spelling("dl_src", "eth_src", "NXM_OF_ETH_SRC"),
    "eth_type": Spelling("dl_type", "eth_type", "NXM_OF_ETH_TYPE"),
    "vlan_vid": Spelling("vlan_vid", "vlan_vid", "OXM_OF_VLAN_VID"),
    "ip_proto": Spelling("nw_proto", "nw_proto", "NXM_OF_IP_PROTO"),
    "ipv4_src": Spelling("nw_src", "ip_src", "NXM_OF_IP_SRC"),
    "ipv4_dst": Spelling("nw_dst", "ip_dst", "NXM_OF_IP_DST"),
    "arp_op": Spelling("arp_op", "arp_op", "NXM_OF_ARP_OP"),
    "arp_spa": Spelling("arp_spa", "arp_spa", "NXM_OF_ARP_SPA"),
    "arp_tpa": Spelling("arp_tpa", "arp_tpa", "NXM_OF_ARP_TPA"),
    "tcp_src": Spelling("tcp_src", "tcp_src", "NXM_OF_TCP_SRC"),
    "tcp_dst": Spelling("tcp_dst", "tcp_dst", "NXM_OF_TCP_DST"),
    "udp_src": Spelling("udp_src", "udp_src", "NXM_OF_UDP_SRC"),
    "udp_dst": Spelling("udp_dst", "udp_dst", "NXM_OF_UDP_DST"),
    "sctp_src": Spelling("sctp_src", "sctp_src", "OXM_OF_SCTP_SRC"),
    "sctp_dst": Spelling("sctp_dst", "sctp_dst", "OXM_OF_SCTP_DST"),
    "icmpv4_type": Spelling("icmpv4_type", "icmp_type", "NXM_OF_ICMP_TYPE"),
    "icmpv4_code": Spelling("icmpv4_code", "icmp_code", "NXM_OF_ICMP_CODE"),
    "nd_reserved": Spelling("nd_reserved", "nd_reserved", "ERICOXM_OF_ICMPV6_ND_RESERVED"),
    "nd_options_type": Spelling("nd_options_type", "nd_options_type", "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE"),
}
SPELLING = {name: _SPELLED.get(name, Spelling(name, name, f"NXM_NX_{name.upper()}")) for name in f.FIELDS}

KEYWORDS: dict[str, dict[str, int]] = {
    "ip": {"eth_type": 0x0800},
    "icmp": {"eth_type": 0x0800, "ip_proto": 1},
    "tcp": {"eth_type": 0x0800, "ip_proto": 6},
    "udp": {"eth_type": 0x0800, "ip_proto": 17},
    "sctp": {"eth_type": 0x0800, "ip_proto": 132},
    "arp": {"eth_type": 0x0806},
    "rarp": {"eth_type": 0x8035},
    "mpls": {"eth_type": 0x8847},
    "mplsm": {"eth_type": 0x8848},
    "ipv6": {"eth_type": 0x86DD},
    "tcp6": {"eth_type": 0x86DD, "ip_proto": 6},
    "udp6": {"eth_type": 0x86DD, "ip_proto": 17},
    "sctp6": {"eth_type": 0x86DD, "ip_proto": 132},
    "icmp6": {"eth_type": 0x86DD, "ip_proto": 58},
}
KEYWORD_OF = {(meant["eth_type"], meant.get("ip_proto")): word for word, meant in KEYWORDS.items()}
PORTS = {"IN_PORT": f.IN_PORT, "NORMAL": f.NORMAL, "CONTROLLER": f.CONTROLLER, "LOCAL": f.LOCAL}
PORT_NAME = {number: name for name, number in PORTS.items()}
FIELD_OF = {
    **{spelled.match: name for name, spelled in SPELLING.items()},
    **{spelled.target: name for name, spelled in SPELLING.items()},
    **{name: name for name in f.FIELDS},
}
_OF_ICMP, _OF_ICMP6 = ("icmpv4_type", "icmpv4_code"), ("icmpv6_type", "icmpv6_code")
_SHORT = (
    *((6, word, f"tcp_{word[3:]}") for word in ("tp_src", "tp_dst")),
    *((17, word, f"udp_{word[3:]}") for word in ("tp_src", "tp_dst")),
    *((132, word, f"sctp_{word[3:]}") for word in ("tp_src", "tp_dst")),
)
FIELD_SHORT = {
    **{(eth_type, proto, word): name for eth_type in (0x0800, 0x86DD) for proto, word, name in _SHORT},
    **{(0x0800, 1, name.replace("v4", "")): name for name in _OF_ICMP},
    **{(0x86DD, 58, name.replace("v6", "")): name for name in _OF_ICMP6},
}
"""What short words mean in a match, by its eth_type and ip_proto: ports of a transport protocol, ICMP's type and code.
"""
SHORT_OF: dict[tuple[int | None, int | None, str], str] = {
    (eth_type, proto, name): word for (eth_type, proto, word), name in FIELD_SHORT.items()
}
REGISTER_OF = {spelled.register: name for name, spelled in SPELLING.items()}


def width(name: str) -> int:
    """Bits of a whole field in `load`: the presence bit of vlan_vid is out of its reach."""
    return 12 if name == "vlan_vid" else f.FIELDS[name].bits


def value_text(name: str, value: int) -> str:
    """A field's value as ovs-ofctl writes it."""
    if name == "in_port":
        return PORT_NAME.get(value, str(value))
    return _STYLES[f.FIELDS[name].style][0](value)


def value_of(name: str, text: str) -> int:
    """The value that a text stands for.  Raises ValueError when it is none or does not fit the field's bits."""
    if name == "in_port" and text.upper() in PORTS:
        return PORTS[text.upper()]
    field = f.FIELDS[name]
    if field.style in ("hex", "dec"):
        return number(text, field.bits)
    return _STYLES[field.style][1](text)


def mask_text(name: str, mask: int) -> str:
    """A mask; of addresses as a prefix length where it is one."""
    field = f.FIELDS[name]
    if field.style in ("ipv4", "ipv6"):
        hosts = ~mask & (1 << field.bits) - 1
        if hosts & hosts + 1 == 0:
            return str(field.bits - hosts.bit_length())
    return hex(mask) if field.style in ("dec", "flags") else _STYLES[field.style][0](mask)


def mask_of(name: str, text: str) -> int:
    """The mask that a text stands for: a prefix length, or written like a value.  Raises ValueError."""
    field = f.FIELDS[name]
    if field.style == "flags":
        return number(text, field.bits)
    if field.style in ("ipv4", "ipv6") and text.isdecimal():
        length = int(text)
        if not 0 < length <= field.bits:
            raise ValueError(f"a prefix is 1 to {field.bits} bits long")
        return ((1 << length) - 1) << field.bits - length
    return value_of(name, text)


def number(text: str, bits: int) -> int:
    """A decimal or 0x number of at most so many bits.  Raises ValueError."""
    if not re.fullmatch(r"0[xX][0-9a-fA-F]+|[0-9]+", text):
        raise ValueError(f"{text!r} is not a number")
    found = int(text, 16 if text[1:2] in ("x", "X") else 10)
    if found >> bits:
        raise ValueError(f"{text} does not fit {bits} bits")
    return found


def _mac_text(value: int) -> str:
    return ":".join(f"{byte:02x}" for byte in value.to_bytes(6, "big"))


def _mac_of(text: str) -> int:
    if not re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", text):
        raise ValueError(f"{text!r} is not a MAC address")
    return int(text.replace(":", ""), 16)


def _flags_text(value: int) -> str:
    """new|trk; a number when there are others than those that are known, or none."""
    if not value or value & ~f.KNOWN_CT_FLAGS:
        return hex(value)
    return "|".join(name for name, bit in f.CT_FLAGS.items() if value & bit)


def _flags_of(text: str) -> int:
    if text[:1].isdecimal():
        return number(text, 32)
    names = text.split("|")
    _require_flags(names)
    return sum(f.CT_FLAGS[name] for name in names)


def signed_flags_text(value: int, mask: int) -> str:
    """+new-est: the flags that are looked at, with what they must be; '' when there are others than the known ones."""
    if mask & ~f.KNOWN_CT_FLAGS:
        return ""
    return "".join(("+" if value & bit else "-") + name for name, bit in f.CT_FLAGS.items() if mask & bit)


def signed_flags(text: str) -> tuple[int, int]:
    """Value and mask of flags, each with its sign.  Raises ValueError."""
    if not re.fullmatch(r"([+-][a-z]+)+", text):
        raise ValueError(f"{text!r} are not flags like +new-est")
    words = re.findall(r"[+-][a-z]+", text)
    _require_flags([word[1:] for word in words])
    bits = [(word[0], f.CT_FLAGS[word[1:]]) for word in words]
    return sum(bit for sign, bit in bits if sign == "+"), sum(bit for _, bit in bits)


def _require_flags(names: list[str]) -> None:
    for n, name in enumerate(names):
        if name not in f.CT_FLAGS:
            raise ValueError(f"no flag is called {name!r}; there are {', '.join(f.CT_FLAGS)}")
        if name in names[:n]:
            raise ValueError(f"{name} is said a second time")


_STYLES: dict[str, tuple[Callable[[int], str], Callable[[str], int]]] = {
    "hex": (hex, int),
    "dec": (str, int),
    "flags": (_flags_text, _flags_of),
    "mac": (_mac_text, _mac_of),
    "ipv4": (lambda value: str(ipaddress.IPv4Address(value)), lambda text: int(ipaddress.IPv4Address(text))),
    "ipv6": (lambda value: str(ipaddress.IPv6Address(value)), lambda text: int(ipaddress.IPv6Address(text))),
}
