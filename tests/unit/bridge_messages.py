"""What a bridge says, as OpenFlow 1.4 bytes: the other end of a session, for tests."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from os_ken.ofproto import ofproto_v1_4 as ofp

from controller.core.events import PortDesc
from controller.core.flow import Flow
from controller.io.openflow import encode


def message(kind: int, body: bytes = b"", xid: int = 0, version: int = 5) -> bytes:
    return struct.pack("!BBHI", version, kind, 8 + len(body), xid) + body


def hello(version: int = 5, bitmap: int | None = None) -> bytes:
    element = b"" if bitmap is None else struct.pack("!HHI", ofp.OFPHET_VERSIONBITMAP, 8, bitmap)
    return message(ofp.OFPT_HELLO, element, 1, version)


def features(dpid: int) -> bytes:
    return message(ofp.OFPT_FEATURES_REPLY, struct.pack("!QIBB2xII", dpid, 0, 254, 0, 0x4F, 0))


def error(kind: int, code: int, xid: int, about: bytes = b"") -> bytes:
    return message(ofp.OFPT_ERROR, struct.pack("!HH", kind, code) + about, xid)


def multipart(kind: int, parts: Iterable[bytes], xid: int = 0) -> list[bytes]:
    """A reply in several messages: all but the last announce another."""
    bodies = list(parts)
    flags = [ofp.OFPMPF_REPLY_MORE] * (len(bodies) - 1) + [0]
    return [
        message(ofp.OFPT_MULTIPART_REPLY, struct.pack("!HH4x", kind, flag) + body, xid)
        for flag, body in zip(flags, bodies, strict=True)
    ]


def meter_features(most: int, bands: int = 1 << ofp.OFPMBT_DROP, capabilities: int = ofp.OFPMF_PKTPS) -> bytes:
    """A meter-features reply, as Open vSwitch's: `most` meters, one band each."""
    return multipart(ofp.OFPMP_METER_FEATURES, [struct.pack("!IIIBBxx", most, bands, capabilities, 1, 0)])[0]


def port(desc: PortDesc) -> bytes:
    """A port with its Ethernet property."""
    mac, name = bytes.fromhex(desc.mac.replace(":", "")), desc.name.encode()
    ethernet = struct.pack("!HH4xIIIIII", ofp.OFPPDPT_ETHERNET, 32, 0, 0, 0, 0, 0, 0)
    return struct.pack("!IH2x6s2x16sII", desc.number, 40 + len(ethernet), mac, name, 0, 0) + ethernet


def port_counters(number: int, values: Iterable[int]) -> bytes:
    """An entry of a port-stats reply, `values` from rx_packets to tx_errors, with its Ethernet property."""
    ethernet = struct.pack("!HH4x4Q", ofp.OFPPSPT_ETHERNET, 40, 0, 0, 0, 0)
    return struct.pack("!H2xIII8Q", 80 + len(ethernet), number, 60, 0, *values) + ethernet


def port_status(reason: int, desc: PortDesc) -> bytes:
    return message(ofp.OFPT_PORT_STATUS, struct.pack("!B7x", reason) + port(desc))


def flow_entry(flow: Flow, cookie: int | None = None) -> bytes:
    """An entry of a flow-stats reply."""
    body = encode.match_bytes(flow.match) + encode.instruction_bytes(flow.actions)
    numbers = (0, 0, flow.priority, flow.idle_timeout, 0, 0, 0, flow.cookie if cookie is None else cookie, 0, 0)
    return struct.pack("!HBxIIHHHHH2xQQQ", 48 + len(body), flow.table, *numbers) + body


def meter_entry(meter: int, rate: int) -> bytes:
    return struct.pack("!HHIHHII4x", 24, ofp.OFPMF_PKTPS, meter, ofp.OFPMBT_DROP, 16, rate, 0)


def flow_update(event: int, cookie: int, reason: int = 0) -> bytes:
    """An update of the flow monitor, in full."""
    match = encode.match_bytes(())
    return struct.pack("!HHBBHHH4xQ", 24 + len(match), event, 0, reason, 0, 0, 7, cookie) + match


def flow_removed(flow: Flow, reason: int, cookie: int | None = None) -> bytes:
    numbers = (flow.cookie if cookie is None else cookie, flow.priority, reason, flow.table, 1, 0, 60, 0, 5, 300)
    return message(ofp.OFPT_FLOW_REMOVED, struct.pack("!QHBBIIHHQQ", *numbers) + encode.match_bytes(flow.match))


def packet_in(table: int, fields: bytes, data: bytes) -> bytes:
    head = struct.pack("!IHBBQ", ofp.OFP_NO_BUFFER, len(data), ofp.OFPR_APPLY_ACTION, table, 0)
    return message(ofp.OFPT_PACKET_IN, head + encode.wrap_match(fields) + b"\0\0" + data)


def bundle_reply(bundle: int, kind: int, xid: int = 0) -> bytes:
    return message(ofp.OFPT_BUNDLE_CONTROL, struct.pack("!IHH", bundle, kind, 3), xid)


def split(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The messages in what a session sent: (type, xid, whole message)."""
    while data:
        _, kind, length, xid = struct.unpack_from("!BBHI", data)
        yield kind, xid, data[:length]
        data = data[length:]
