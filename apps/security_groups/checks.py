"""What the values of a rule must be: one by one (Check), and together (`settle`)."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from apps.security_groups import refusals
from controller.core.plans import checks, parse
from controller.core.row import Check

PROTOCOLS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "hopopt": 0,
    "icmp": 1,
    "igmp": 2,
    "ip": 0,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
"""The names that a rule may use, and their numbers (IANA's)."""
ANY = "any"
ICMP, ICMPV6 = PROTOCOLS["icmp"], PROTOCOLS["ipv6-icmp"]
WITH_PORTS = ("dccp", "sctp", "tcp", "udp", "udplite")
"""The protocols that have ports."""
ONLY_IPV6 = ("ipv6-encap", "ipv6-frag", "ipv6-icmp", "ipv6-nonxt", "ipv6-opts", "ipv6-route")
ETHERTYPES = ("IPv4", "IPv6")
EVERYWHERE = ("0.0.0.0/0", "::/0", None)
ALL_PORTS = (1, 65535)
REMOTES = ("remote_ip_prefix", "remote_group_id", "remote_address_group_id")
"""Whom a rule is about: at most one of these; none is everybody."""


def number_of(protocol: str | None, ethertype: str) -> int | None:
    """The protocol's number; that of ICMP is another one in IPv6, however it was written.  None: any protocol."""
    if protocol is None:
        return None
    number = PROTOCOLS[protocol] if protocol in PROTOCOLS else int(protocol)
    return ICMPV6 if number == ICMP and ethertype == "IPv6" else number


# ---------------------------------------------------------------------------------------------------------------------
# One by one


def _protocol(value: Any) -> str | None:
    """A name in lower case, or a number as text; null and `any` are any protocol."""
    text = str(value).strip().lower() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if value is None or text == ANY:
        return None
    if text in PROTOCOLS:
        return text
    if re.fullmatch(r"[0-9]{1,3}", text) and int(text) <= 255:
        return str(int(text))
    raise refusals.protocol(value, (None, ANY, *PROTOCOLS))


def _ethertype(value: Any) -> str:
    for known in ETHERTYPES:
        if isinstance(value, str) and value.lower() == known.lower():
            return known
    raise refusals.ethertype(value, ETHERTYPES)


def _port(value: Any) -> int | None:
    """A port, or an ICMP type or code."""
    if value is None:
        return None
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if re.fullmatch(r"[0-9]{1,5}", text) and int(text) <= ALL_PORTS[1]:
        return int(text)
    raise refusals.port_value(value)


def _prefix(value: Any) -> str | None:
    """An address and a prefix length; without one it is the single address.  Host bits stay as they are."""
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str) and "%" not in value:
            return str(ipaddress.ip_interface(value))
    except ValueError:
        pass
    raise refusals.cidr(value)


def normalized(prefix: str | None) -> str | None:
    """The prefix with its host bits cleared."""
    return None if prefix is None else str(ipaddress.ip_interface(prefix).network)


_NUMBER_OR_TEXT = {"type": ["string", "integer", "null"]}
PROTOCOL = Check(_protocol, _NUMBER_OR_TEXT, str.lower)
ETHERTYPE = Check(_ethertype, {"type": "string", "enum": list(ETHERTYPES)})
PORT = Check(_port, {**_NUMBER_OR_TEXT, "minimum": 0, "maximum": ALL_PORTS[1]}, parse.integer)
PREFIX = Check(_prefix, {"type": ["string", "null"], "examples": ["10.0.0.0/8", "2001:db8::/32"]})
KEY = Check(lambda value: None if value is None else parse.string(value), {"type": ["string", "null"]})
"""The id of a row, which is looked up: what no row has is not found, whatever its form."""
DIRECTION = checks.one_of("ingress", "egress")


# ---------------------------------------------------------------------------------------------------------------------
# Together


def settle(values: dict[str, Any]) -> None:
    """Refuse values of a rule that don't go together, and spell what can be said in several ways in one."""
    _spell(values)
    _require_ports(values)
    prefix, ethertype, protocol = values.get("remote_ip_prefix"), values["ethertype"], values.get("protocol")
    if prefix is not None and f"IPv{ipaddress.ip_interface(prefix).version}" != ethertype:
        raise refusals.prefix_conflict(ethertype, prefix)
    only_ipv6 = {PROTOCOLS[name] for name in ONLY_IPV6}
    if ethertype == "IPv4" and protocol is not None and number_of(protocol, ethertype) in only_ipv6:
        raise refusals.protocol_conflict(ethertype, protocol)
    if sum(1 for name in REMOTES if values.get(name)) > 1:
        raise refusals.several_remotes()


def _spell(values: dict[str, Any]) -> None:
    """ICMP of IPv6 has a name of its own, and all ports are no range."""
    protocol = values.get("protocol")
    if values["ethertype"] == "IPv6" and protocol in ("icmp", "icmpv6"):
        values["protocol"] = "ipv6-icmp"
    elif values["ethertype"] == "IPv6" and protocol == str(ICMP):
        values["protocol"] = str(ICMPV6)
    has_ports = number_of(protocol, values["ethertype"]) in {PROTOCOLS[name] for name in WITH_PORTS}
    if has_ports and (values.get("port_range_min"), values.get("port_range_max")) == ALL_PORTS:
        values["port_range_min"] = values["port_range_max"] = None


def _require_ports(values: dict[str, Any]) -> None:
    low, high = values.get("port_range_min"), values.get("port_range_max")
    if low is None and high is None:
        return
    number = number_of(values.get("protocol"), values["ethertype"])
    if number is None:
        raise refusals.protocol_required()
    if number in {PROTOCOLS[name] for name in WITH_PORTS}:
        if 0 in (low, high):
            raise refusals.port_value(0)
        if low is None or high is None or low > high:
            raise refusals.port_range()
    elif number in (ICMP, ICMPV6):
        _require_icmp(low, high)
    else:
        raise refusals.no_ports(number, ", ".join(WITH_PORTS).upper())


def _require_icmp(type: int | None, code: int | None) -> None:
    for what, attribute, value in (("type", "port_range_min", type), ("code", "port_range_max", code)):
        if value is not None and value > 255:
            raise refusals.icmp_value(what, attribute, value)
    if type is None and code is not None:
        raise refusals.icmp_type_missing(code)
