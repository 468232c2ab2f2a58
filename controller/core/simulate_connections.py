"""The connection tracker of the model switch: what ct_state, ct_mark and ct_label a packet gets.

As Open vSwitch's (ovs-fields(7), "Connection Tracking Fields"), in what our flows can say.  A connection is known by
its zone, protocol, addresses and ports.  TCP's own states, timeouts, and errors inside ICMP are not modelled: an ICMP
error is of no connection (INV).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from controller.core import flow as f
from controller.core.effects import FlushConnections
from controller.core.spelling import value_of

_IPV4, _IPV6, _ICMP, _ICMPV6 = 0x0800, 0x86DD, 1, 58
_PORTS = {6: ("tcp_src", "tcp_dst"), 17: ("udp_src", "udp_dst"), 132: ("sctp_src", "sctp_dst")}
_ANSWERS = {(_ICMP, 8): 0, (_ICMP, 13): 14, (_ICMPV6, 128): 129}
"""ICMP's requests that begin a connection, by protocol and type, and the type of their answer (RFC 792, RFC 4443)."""
_REQUESTS = {(proto, answer): request for (proto, request), answer in _ANSWERS.items()}


class Tuple(NamedTuple):
    """One direction of a connection.  Of ICMP, the ports are the type of the message and that of its answer."""

    eth_type: int
    proto: int
    src: int
    dst: int
    src_port: int
    dst_port: int

    @property
    def reply(self) -> Tuple:
        return Tuple(self.eth_type, self.proto, self.dst, self.src, self.dst_port, self.src_port)


class Connection:
    """A committed connection: the direction it began in, whether the other side has answered, mark and label."""

    __slots__ = ("answered", "label", "mark", "original")

    def __init__(self, original: Tuple) -> None:
        self.original = original
        self.answered = False
        self.mark = 0
        self.label = 0


class Connections:
    """The connections of a switch, by zone and by the tuple of either direction."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, Tuple], Connection] = {}

    def of_zone(self, zone: int) -> tuple[Tuple, ...]:
        """The original direction of each connection of a zone."""
        return tuple(found.original for (of, way), found in self._known.items() if of == zone and way == found.original)

    def track(self, fields: Mapping[str, int], zone: int) -> dict[str, int]:
        """What the tracker says of a packet in a zone: its ct_ fields, 0 where it has nothing to say."""
        way = _tuple(fields)
        found = self._known.get((zone, way)) if way else None
        if found is None:
            begins = way is not None and (way.proto not in (_ICMP, _ICMPV6) or (way.proto, way.src_port) in _ANSWERS)
            return _told(f.TRK | (f.NEW if begins else f.INV), zone, way if begins else None)
        is_reply = way != found.original
        found.answered |= is_reply
        state = f.TRK | (f.EST if found.answered else f.NEW) | (f.RPL if is_reply else 0)
        return _told(state, zone, found.original, found.mark, found.label)

    def commit(self, fields: Mapping[str, int], zone: int, state: int, force: bool) -> Connection | None:
        """Keep the connection of a packet that has been tracked to `state`; None for one of no connection."""
        way = _tuple(fields)
        if way is None or state & f.INV:
            return None
        found = self._known.get((zone, way))
        if found is not None and force and way != found.original:
            self._drop(zone, found)
            found = None
        if found is None:
            found = self._known[zone, way] = self._known[zone, way.reply] = Connection(way)
        return found

    def flush(self, flush: FlushConnections) -> None:
        """Forget the connections that are meant."""
        for way in self.of_zone(flush.zone):
            if _is_meant(flush, way):
                self._drop(flush.zone, self._known[flush.zone, way])

    def _drop(self, zone: int, found: Connection) -> None:
        for way in {found.original, found.original.reply}:
            del self._known[zone, way]


def _is_meant(flush: FlushConnections, way: Tuple) -> bool:
    ends = ((flush.src, way.src), (flush.dst, way.dst))
    numbers = ((flush.ip_proto, way.proto), (flush.src_port, way.src_port), (flush.dst_port, way.dst_port))
    name = "ipv4_src" if way.eth_type == _IPV4 else "ipv6_src"
    family = all((":" in text) == (way.eth_type == _IPV6) for text, _ in ends if text)
    return (
        family
        and all(value_of(name, text) == number for text, number in ends if text)
        and all(wanted == number for wanted, number in numbers if wanted)
    )


def _told(state: int, zone: int, original: Tuple | None, mark: int = 0, label: int = 0) -> dict[str, int]:
    told = {"ct_state": state, "ct_zone": zone, "ct_mark": mark, "ct_label": label, **dict.fromkeys(f.CT_TUPLE, 0)}
    if original is not None:
        ip = "nw" if original.eth_type == _IPV4 else "ipv6"
        told |= {"ct_nw_proto": original.proto, f"ct_{ip}_src": original.src, f"ct_{ip}_dst": original.dst}
        # Of a request of ICMP: its type, and its code, which is 0.
        code_or_port = 0 if original.proto in (_ICMP, _ICMPV6) else original.dst_port
        told |= {"ct_tp_src": original.src_port, "ct_tp_dst": code_or_port}
    return told


def _tuple(fields: Mapping[str, int]) -> Tuple | None:
    """The tuple of a packet; None when it can't be of a connection."""
    eth_type, proto = fields.get("eth_type", 0), fields.get("ip_proto", 0)
    if eth_type not in (_IPV4, _IPV6):
        return None
    ip = "ipv4" if eth_type == _IPV4 else "ipv6"
    ends = fields.get(f"{ip}_src", 0), fields.get(f"{ip}_dst", 0)
    ports = _ports(fields, proto)
    return None if ports is None else Tuple(eth_type, proto, *ends, *ports)


def _ports(fields: Mapping[str, int], proto: int) -> tuple[int, int] | None:
    if proto in (_ICMP, _ICMPV6):
        name = "icmpv4" if proto == _ICMP else "icmpv6"
        kind = fields.get(f"{name}_type", 0)
        if fields.get(f"{name}_code", 0):
            return None
        answer = _ANSWERS.get((proto, kind), _REQUESTS.get((proto, kind)))
        return None if answer is None else (kind, answer)
    source, target = _PORTS.get(proto, ("", ""))
    return fields.get(source, 0), fields.get(target, 0)
