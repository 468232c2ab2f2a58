"""OpenFlow 1.4 bytes to events: only what is asked for is read, by offset; replies never become objects.

Every function raises Malformed when the bytes are not what the message says they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from zlib import crc32

from os_ken.ofproto import ofproto_v1_4 as ofp

from controller.core.counters import Counters
from controller.core.events import Installed, PacketIn, PortDesc
from controller.core.flow import OURS
from controller.io.openflow.encode import OXM_HEADERS


class Malformed(Exception):
    """A peer sent bytes that are not OpenFlow 1.4."""


def unpack(layout: str, data: bytes, offset: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(layout, data, offset)
    except struct.error as error:
        raise Malformed(f"message of {len(data)} bytes is cut off: {error}") from None


def speaks(hello: bytes, version: int) -> bool:
    """Whether the sender of a hello speaks a version: by its bitmap where it has one, else by its header, which is of
    the highest one (OpenFlow 1.4, 7.5.1)."""
    offset = 8
    while offset < len(hello):
        kind, length = unpack("!HH", hello, offset)
        if length < 4 or offset + length > len(hello):
            raise Malformed(f"a hello element of {length} bytes")
        if kind == ofp.OFPHET_VERSIONBITMAP and length >= 8:
            return bool(unpack("!I", hello, offset + 4)[0] >> version & 1)
        offset += length + -length % 8
    return hello[0] >= version


def match_end(data: bytes, offset: int) -> tuple[int, int]:
    """Where the OXM fields of a match at `offset` end, and where what follows its padding begins."""
    kind, length = unpack("!HH", data, offset)
    if kind != ofp.OFPMT_OXM or length < 4 or offset + length > len(data):
        raise Malformed(f"match of type {kind}, {length} bytes")
    return offset + length, offset + length + -length % 8


def oxm_fields(data: bytes, start: int, end: int) -> dict[str, int]:
    """The exact fields of a match by name; masked ones and those we do not know are left out."""
    fields: dict[str, int] = {}
    while start < end:
        (length,) = unpack("!B", data, start + 3)
        name = OXM_HEADERS.get(data[start : start + 4])
        if name is not None:
            fields[name] = int.from_bytes(data[start + 4 : start + 4 + length], "big")
        start += 4 + length
    if start != end:
        raise Malformed("an OXM field runs past its match")
    return fields


_ENTRY = struct.Struct("!HB9xHH8xQ18xH")
"""Of a flow entry (OpenFlow 1.4, 7.3.5.2): length, table, priority, idle timeout, cookie, length of its match."""


def flow_stats(body: bytes, reactive: frozenset[int]) -> list[Installed]:
    """The entries of a flow-stats reply: table, priority, cookie, instructions' digest; the match where it counts.

    `reactive` are the tables whose flows are read back with their fields, if they end when they are idle: those stand
    for something observed.
    """
    found: list[Installed] = []
    offset, size = 0, len(body)
    while offset < size:
        if offset + 56 > size:
            raise Malformed("a flow entry is cut off")
        length, table, priority, idle, cookie, match_length = _ENTRY.unpack_from(body, offset)
        instructions = offset + 48 + (match_length + 7) // 8 * 8
        if length < 56 or match_length < 4 or not instructions <= offset + length <= size:
            raise Malformed(f"a flow entry of {length} bytes, its match of {match_length}")
        if cookie >> 56 != OURS:
            match = body[offset + 52 : offset + 48 + match_length].hex()
            found.append(Installed(table, priority, cookie, match))
        else:
            fields: tuple[tuple[str, int], ...] = ()
            if idle and table in reactive:
                fields = tuple(sorted(oxm_fields(body, offset + 52, offset + 48 + match_length).items()))
            digest = crc32(body[instructions : offset + length])
            found.append(Installed(table, priority, cookie, "", fields, digest))
        offset += length
    return found


def flow_counts(body: bytes) -> Iterator[tuple[int, int]]:
    """The entries of a flow-stats reply as (cookie, packets)."""
    offset = 0
    while offset < len(body):
        (length,) = unpack("!H", body, offset)
        if length < 56:
            raise Malformed(f"a flow entry of {length} bytes")
        cookie, packets = unpack("!QQ", body, offset + 24)
        yield cookie, packets
        offset += length


def has_meters(body: bytes) -> bool:
    """Whether a meter-features reply offers what we need: dropping above a rate of packets (OpenFlow 1.4, 7.3.5.15).

    Open vSwitch offers no meters where its datapath has none, or broken ones (Linux before 4.18)."""
    most, bands, capabilities = unpack("!III", body, 0)
    return bool(most and bands & 1 << ofp.OFPMBT_DROP and capabilities & ofp.OFPMF_PKTPS)


def meter_configs(body: bytes) -> Iterator[tuple[int, int]]:
    """The meters of a meter-config reply as (id, packets per second) (OpenFlow 1.4, 7.3.5.14)."""
    offset = 0
    while offset < len(body):
        length, _, meter = unpack("!HHI", body, offset)
        if length < 8:
            raise Malformed(f"a meter of {length} bytes")
        rate = unpack("!I", body, offset + 12)[0] if length >= 16 else 0
        yield meter, rate
        offset += length


def port(data: bytes, offset: int) -> tuple[PortDesc, int]:
    """A port description (OpenFlow 1.4, 7.2.1) and its length."""
    number, length = unpack("!IH", data, offset)
    if length < 40 or offset + length > len(data):
        raise Malformed(f"a port description of {length} bytes")
    name = data[offset + 16 : offset + 32].split(b"\0", 1)[0].decode("utf-8", "replace")
    return PortDesc(number, name, data[offset + 8 : offset + 14].hex(":")), length


def ports(body: bytes) -> Iterator[PortDesc]:
    """The ports of a port-description reply."""
    offset = 0
    while offset < len(body):
        made, length = port(body, offset)
        yield made
        offset += length


def port_stats(body: bytes) -> Iterator[tuple[int, Counters]]:
    """The ports of a port-stats reply and their counters (OpenFlow 1.4, 7.3.5.6); what a port does not count is 0."""
    offset = 0
    while offset < len(body):
        length, number = unpack("!H2xI", body, offset)
        if length < 80 or offset + length > len(body):
            raise Malformed(f"the counters of a port in {length} bytes")
        values = unpack("!8Q", body, offset + 16)
        rx_packets, tx_packets, rx_bytes, tx_bytes, _, _, rx_errors, tx_errors = (
            0 if value == UNSUPPORTED else value for value in values
        )
        yield number, Counters(rx_bytes, rx_packets, rx_errors, tx_bytes, tx_packets, tx_errors)
        offset += length


UNSUPPORTED = (1 << 64) - 1
"""The value of a counter that a switch does not have."""


def packet_in(dpid: int, data: bytes) -> PacketIn:
    """A packet-in (OpenFlow 1.4, 7.4.1): table, registers, in_port and the packet."""
    (table,) = unpack("!B", data, 15)
    end, after = match_end(data, 24)
    if after + 2 > len(data):
        raise Malformed(f"a packet-in of {len(data)} bytes")
    fields = oxm_fields(data, 28, end)
    return PacketIn(dpid, table, tuple(sorted(fields.items())), data[after + 2 :])


FOREIGN_EVENTS = (ofp.OFPFME_ADDED, ofp.OFPFME_REMOVED, ofp.OFPFME_MODIFIED)


def flow_updates(body: bytes) -> Iterator[tuple[int, int, int]]:
    """The flow monitor's full updates (OpenFlow 1.4, 7.3.5.18): (event, reason, cookie); abbreviated ones are ours."""
    offset = 0
    while offset < len(body):
        length, event = unpack("!HH", body, offset)
        if length < 4:
            raise Malformed(f"a flow update of {length} bytes")
        if event in FOREIGN_EVENTS:
            _, reason = unpack("!BB", body, offset + 4)
            (cookie,) = unpack("!Q", body, offset + 16)
            yield event, reason, cookie
        offset += length


def error_name(kind: int, code: int) -> str:
    """An error's names as the specification spells them (OpenFlow 1.4, 7.5.4)."""
    kinds = {v: n for n, v in vars(ofp).items() if n.startswith("OFPET_")}
    name = kinds.get(kind, f"type {kind}")
    prefix = _CODES.get(name)
    codes = {v: n for n, v in vars(ofp).items() if prefix and n.startswith(prefix)}
    return f"{name}/{codes.get(code, f'code {code}')}"


_CODES = {
    "OFPET_HELLO_FAILED": "OFPHFC_",
    "OFPET_BAD_REQUEST": "OFPBRC_",
    "OFPET_BAD_ACTION": "OFPBAC_",
    "OFPET_BAD_INSTRUCTION": "OFPBIC_",
    "OFPET_BAD_MATCH": "OFPBMC_",
    "OFPET_FLOW_MOD_FAILED": "OFPFMFC_",
    "OFPET_METER_MOD_FAILED": "OFPMMFC_",
    "OFPET_BUNDLE_FAILED": "OFPBFC_",
    "OFPET_TABLE_MOD_FAILED": "OFPTMFC_",
}
