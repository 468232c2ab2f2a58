"""Messages of OpenFlow 1.4 other than flow-mods, as bytes: what is asked of a switch, set, and sent through it."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from os_ken.ofproto import ofproto_v1_4 as ofp
from os_ken.ofproto.ofproto_common import NX_EXPERIMENTER_ID

from controller.core import flow as f
from controller.core.effects import FlushConnections
from controller.io.openflow.encode import VERSION, action_bytes, header, match_bytes


def bundled(bundle: int, message: bytes) -> bytes:
    """A bundle-add message around a flow-mod (the same xid, OpenFlow 1.4, 7.3.9.6); ordered and atomic."""
    return _BUNDLED.pack(VERSION, _BUNDLE_ADD, 16 + len(message), message[4:8], bundle, 0, _BUNDLE_FLAGS) + message


_BUNDLED = struct.Struct("!BBH4sIHH")

_BUNDLE_ADD, _BUNDLE_FLAGS = ofp.OFPT_BUNDLE_ADD_MESSAGE, ofp.OFPBF_ATOMIC | ofp.OFPBF_ORDERED


def bundle_control(bundle: int, kind: int, xid: int) -> bytes:
    """Open (OFPBCT_OPEN_REQUEST) or commit (OFPBCT_COMMIT_REQUEST) an ordered, atomic bundle."""
    flags = ofp.OFPBF_ATOMIC | ofp.OFPBF_ORDERED
    return header(ofp.OFPT_BUNDLE_CONTROL, 16, xid) + struct.pack("!IHH", bundle, kind, flags)


def meter_mod(command: int, meter: int, rate: int, xid: int) -> bytes:
    """Add, modify or delete (rate ignored) a meter of packets a second with one drop band (OpenFlow 1.4, 7.3.4.4)."""
    bands = b"" if command == ofp.OFPMC_DELETE else struct.pack("!HHIII", ofp.OFPMBT_DROP, 16, rate, 0, 0)
    flags = ofp.OFPMF_PKTPS if bands else 0
    return header(ofp.OFPT_METER_MOD, 16 + len(bands), xid) + struct.pack("!HHI", command, flags, meter) + bands


def packet_out(data: bytes, actions: f.Actions, in_port: int, xid: int) -> bytes:
    """Send a packet (OpenFlow 1.4, 7.3.7)."""
    body = b"".join(map(action_bytes, actions))
    fixed = struct.pack("!IIH6x", ofp.OFP_NO_BUFFER, in_port or ofp.OFPP_CONTROLLER, len(body))
    return header(ofp.OFPT_PACKET_OUT, 24 + len(body) + len(data), xid) + fixed + body + data


def flush_connections(flush: FlushConnections, xid: int) -> bytes:
    """End connections of a zone, those that began in one way, or all (nicira-ext.h: NXT_CT_FLUSH, NXT_CT_FLUSH_ZONE).

    os-ken has neither message.
    """
    if flush.whole:
        return _nicira(NXT_CT_FLUSH_ZONE, struct.pack("!6xH", flush.zone), xid)
    began = (
        *((kind, _mapped(ip)) for kind, ip in ((CT_SRC, flush.src), (CT_DST, flush.dst)) if ip),
        *((CT_SRC_PORT, struct.pack("!H2x", port)) for port in (flush.src_port,) if port),
        *((CT_DST_PORT, struct.pack("!H2x", port)) for port in (flush.dst_port,) if port),
    )
    nested = b"".join(_property(*part) for part in began)
    # A property of properties has its inner ones begin at a multiple of 8.
    original = _property(CT_ORIGINAL, bytes(4) + nested) if nested else b""
    body = struct.pack("!B7x", flush.ip_proto) + original + _property(CT_ZONE, struct.pack("!H2x", flush.zone))
    return _nicira(NXT_CT_FLUSH, body, xid)


NXT_CT_FLUSH_ZONE, NXT_CT_FLUSH = 29, 32
CT_ORIGINAL, CT_ZONE = 0, 2
CT_SRC, CT_DST, CT_SRC_PORT, CT_DST_PORT = range(4)


def _nicira(subtype: int, body: bytes, xid: int) -> bytes:
    fixed = struct.pack("!II", NX_EXPERIMENTER_ID, subtype)
    return header(ofp.OFPT_EXPERIMENTER, 16 + len(body), xid) + fixed + body


def _property(kind: int, value: bytes) -> bytes:
    """A property, padded; its length is told without the padding."""
    length = 4 + len(value)
    return struct.pack("!HH", kind, length) + value + bytes(-length % 8)


def _mapped(ip: str) -> bytes:
    """An address in 16 bytes, IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2)."""
    packed = ip_address(ip).packed
    return packed if len(packed) == 16 else bytes(10) + b"\xff\xff" + packed


def multipart(kind: int, body: bytes, xid: int) -> bytes:
    """A multipart request (OpenFlow 1.4, 7.3.5)."""
    return header(ofp.OFPT_MULTIPART_REQUEST, 16 + len(body), xid) + struct.pack("!HH4x", kind, 0) + body


def flow_stats_request(xid: int, table: int = ofp.OFPTT_ALL, cookie: int = 0, mask: int = 0) -> bytes:
    """The flows of one table, or of all, whose cookies under the mask are as said (OpenFlow 1.4, 7.3.5.2)."""
    fixed = struct.pack("!B3xII4xQQ", table, ofp.OFPP_ANY, ofp.OFPG_ANY, cookie, mask)
    return multipart(ofp.OFPMP_FLOW, fixed + match_bytes(()), xid)


def meter_features_request(xid: int) -> bytes:
    """What meters there can be."""
    return multipart(ofp.OFPMP_METER_FEATURES, b"", xid)


def meter_config_request(xid: int) -> bytes:
    """All meters."""
    return multipart(ofp.OFPMP_METER_CONFIG, struct.pack("!I4x", ofp.OFPM_ALL), xid)


def port_desc_request(xid: int) -> bytes:
    """All ports."""
    return multipart(ofp.OFPMP_PORT_DESC, b"", xid)


def port_stats_request(number: int, xid: int) -> bytes:
    """The counters of one port."""
    return multipart(ofp.OFPMP_PORT_STATS, struct.pack("!I4x", number), xid)


def flow_monitor_request(xid: int) -> bytes:
    """Tell of every change of every flow that is not made on this connection (OpenFlow 1.4, 7.3.5.18)."""
    flags = ofp.OFPFMF_ADD | ofp.OFPFMF_REMOVED | ofp.OFPFMF_MODIFY
    fixed = struct.pack("!IIIHBB", 1, ofp.OFPP_ANY, ofp.OFPG_ANY, flags, ofp.OFPTT_ALL, ofp.OFPFMC_ADD)
    return multipart(ofp.OFPMP_FLOW_MONITOR, fixed + match_bytes(()), xid)


def set_async(xid: int) -> bytes:
    """Ask for packet-ins, port and flow-removed messages, on any kind of connection (OpenFlow 1.4, 7.3.10)."""
    wanted = (
        (ofp.OFPACPT_PACKET_IN_MASTER, 0x3F),
        (ofp.OFPACPT_PORT_STATUS_MASTER, 0x07),
        (ofp.OFPACPT_FLOW_REMOVED_MASTER, 0x3F),
    )
    body = b"".join(struct.pack("!HHI", kind, 8, mask) for kind, mask in wanted)
    return header(ofp.OFPT_SET_ASYNC, 8 + len(body), xid) + body


def set_config(xid: int) -> bytes:
    """Want packets whole.  A connection of type `service` gets no asynchronous message before it has said so."""
    return header(ofp.OFPT_SET_CONFIG, 12, xid) + struct.pack("!HH", ofp.OFPC_FRAG_NORMAL, ofp.OFPCML_NO_BUFFER)


def hello(xid: int) -> bytes:
    """Hello with the version bitmap: OpenFlow 1.4 and no other (OpenFlow 1.4, 7.5.1)."""
    element = struct.pack("!HHI", ofp.OFPHET_VERSIONBITMAP, 8, 1 << VERSION)
    return header(ofp.OFPT_HELLO, 16, xid) + element


def hello_failed(version: int, xid: int, reason: str) -> bytes:
    """The error that ends a connection whose ends have no version in common (OpenFlow 1.4, 7.5.4.1)."""
    text = reason.encode()
    head = struct.pack("!BBHI", version, ofp.OFPT_ERROR, 12 + len(text), xid)
    return head + struct.pack("!HH", ofp.OFPET_HELLO_FAILED, ofp.OFPHFC_INCOMPATIBLE) + text
