"""One bridge's OpenFlow connection without its socket: bytes in, bytes and events out.

A session says hello, reads the bridge (ports, meters, flows) and says SwitchUp; then it turns effects into bundles and
messages into events.  When somebody else changes a flow the bridge is read again.  Time comes in as an argument.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from os_ken.ofproto import ofproto_v1_4 as ofp

from controller.core.counters import Counters
from controller.core.effects import FlowMods, FlushConnections, PacketOut
from controller.core.events import (
    Acknowledged,
    Event,
    FlowRemoved,
    Installed,
    PortDesc,
    PortStatus,
    Reread,
    SwitchError,
    SwitchUp,
)
from controller.core.flow import is_ours
from controller.io.openflow import decode, encode, messages
from controller.io.openflow.counting import Counting, Question, Wanted
from controller.io.openflow.decode import Malformed

HANDSHAKE_TIMEOUT = 10.0
ECHO_INTERVAL = 5.0
SILENCE_LIMIT = 20.0
ACKNOWLEDGE_LIMIT = 60.0
"""Seconds that a bridge has for a bundle, from when an echo behind it was answered: by then it has read it."""
REREAD_DELAY = 0.1
"""Seconds that other people's changes are collected for before the bridge is read again."""


class Closed(Exception):
    """The connection must end; the text says why."""


class Bundle:
    """A bundle on its way: the xids of its messages tell which flow an error is about.

    `since` is when it was first seen to wait or, once the echo behind it is answered (`read`), when that was.
    """

    __slots__ = ("commit_xid", "cookies", "echo_xid", "failed", "first_xid", "read", "serial", "since")

    def __init__(self, serial: int, first_xid: int, cookies: list[int]) -> None:
        self.serial = serial
        self.first_xid = first_xid
        self.cookies = cookies
        self.commit_xid = 0
        self.echo_xid = 0
        self.failed = False
        self.since: float | None = None
        self.read = False


class Session:
    """`out` collects bytes to send, `events` what happened; `dpid` is 0 until the bridge has said it."""

    def __init__(self, address: str, reactive: frozenset[int], now: float) -> None:
        self.address = address
        self.dpid = 0
        self.ready = False
        self.out: list[bytes] = []
        self.events: list[Event] = []
        self.heard = now
        self._reactive = reactive
        self._buffer = b""
        self._greeted = False
        self._begun = False
        self._answered = now
        self._xid = 0
        self._echoed = now
        self._bundles: dict[int, Bundle] = {}
        self._next_bundle = 0
        self._sent_serial = 0
        self._parts: dict[int, list[bytes]] = {}
        self._entries: list[Installed] = []
        self._reading = False
        self._read_serial = 0
        self._read_xid = 0
        self._ports: dict[int, PortDesc] = {}
        self._meters: dict[int, int] = {}
        self._has_meters = True
        self._features_xid = 0
        self._suspect: set[int] = set()
        self._reread_at: float | None = None
        self._counting = Counting()
        self._port_questions: dict[int, Callable[[Counters | None], None]] = {}
        self._handlers: dict[int, Callable[[int, bytes], None]] = {
            ofp.OFPT_HELLO: self._hello,
            ofp.OFPT_ERROR: self._error,
            ofp.OFPT_ECHO_REQUEST: self._echo_request,
            ofp.OFPT_ECHO_REPLY: self._echo_reply,
            ofp.OFPT_FEATURES_REPLY: self._features,
            ofp.OFPT_MULTIPART_REPLY: self._multipart,
            ofp.OFPT_PACKET_IN: self._packet_in,
            ofp.OFPT_FLOW_REMOVED: self._flow_removed,
            ofp.OFPT_PORT_STATUS: self._port_status,
            ofp.OFPT_BUNDLE_CONTROL: self._bundle_control,
        }
        self.out.append(messages.hello(self._next_xid()))

    # -- in -----------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Take in bytes as they came.  Raises Closed when they are not OpenFlow 1.4."""
        self.heard = now
        buffer = self._buffer + data if self._buffer else data
        start, size = 0, len(buffer)
        try:
            while size - start >= 8:
                version, kind, length, xid = struct.unpack_from("!BBHI", buffer, start)
                self._check(version, kind, length)
                if size - start < length:
                    break
                handler = self._handlers.get(kind)
                if handler is not None:
                    handler(xid, buffer[start : start + length])
                start += length
        except Malformed as error:
            raise Closed(f"malformed OpenFlow message: {error}") from None
        self._buffer = buffer[start:]

    def _check(self, version: int, kind: int, length: int) -> None:
        if length < 8:
            raise Closed(f"not OpenFlow: a message of {length} bytes")
        if not self._greeted and kind != ofp.OFPT_HELLO:
            raise Closed("not OpenFlow: the first message is no hello")
        if self._greeted and version != encode.VERSION and kind != ofp.OFPT_ERROR:
            raise Closed(f"OpenFlow version {version:#x}, only 1.4 ({encode.VERSION:#x}) is spoken")

    def tick(self, now: float) -> None:
        """Time passed.  Raises Closed when the bridge does not answer."""
        if self.dpid and not self._begun:
            self._answered = now  # it waits for us, not we for it
        if not self.ready and now - self._answered > HANDSHAKE_TIMEOUT:
            raise Closed(f"no answer to the handshake in {HANDSHAKE_TIMEOUT:.0f} s")
        if now - self.heard > SILENCE_LIMIT:
            raise Closed(f"silent for {SILENCE_LIMIT:.0f} s")
        if now - max(self.heard, self._echoed) > ECHO_INTERVAL:
            self.probe(now)
        for bundle in self._bundles.values():
            self._await(bundle, now)
        if self._reread_at is not None and not self._reading:
            if not self._reread_at:
                self._reread_at = now + REREAD_DELAY
            elif now >= self._reread_at:
                self.read()

    def _await(self, bundle: Bundle, now: float) -> None:
        """See whether a bundle waits for its acknowledgement too long.

        How long it takes to be read is no matter: only when the bridge has answered an echo that was sent behind the
        bundle does its time begin to run.
        """
        if bundle.since is None:
            bundle.since = now
        elif bundle.read and now - bundle.since > ACKNOWLEDGE_LIMIT:
            raise Closed(f"it has read a bundle and not acknowledged it in {ACKNOWLEDGE_LIMIT:.0f} s")
        elif not bundle.echo_xid and now - bundle.since > ECHO_INTERVAL:
            bundle.echo_xid = self.probe(now)

    @property
    def due(self) -> bool:
        """Whether a reading waits for its time."""
        return self._reread_at is not None and not self._reading

    # -- out ----------------------------------------------------------------------------------------------------------

    def _next_xid(self) -> int:
        self._xid = self._xid % 0xFFFFFFFE + 1
        return self._xid

    def probe(self, now: float) -> int:
        """Ask whether the bridge is still there; returns the xid of the question."""
        self._echoed = now
        xid = self._next_xid()
        self.out.append(encode.header(ofp.OFPT_ECHO_REQUEST, 8, xid))
        return xid

    def read(self) -> None:
        """Read the bridge's meters and flows, once more if that goes on; the answer becomes SwitchUp or Reread."""
        if self._reading:
            self._reread_at = 0.0
            return
        self._reread_at = None
        self._reading = True
        self._read_serial = self._sent_serial
        self.out.append(messages.meter_config_request(self._next_xid()))
        self._read_xid = self._next_xid()
        self.out.append(messages.flow_stats_request(self._read_xid))

    def send(self, mods: FlowMods) -> None:
        """Send a bundle; its acknowledgement becomes Acknowledged, a refusal SwitchError."""
        self._sent_serial = mods.serial
        for meter in mods.meters:
            command = ofp.OFPMC_MODIFY if meter.id in self._meters else ofp.OFPMC_ADD
            self._meters[meter.id] = meter.rate
            self.out.append(messages.meter_mod(command, meter.id, meter.rate, self._next_xid()))
        bundle, parts = self._bundle(mods)
        if bundle.failed:
            return  # one of its flows can't be said; the others come again without it
        self._next_bundle = number = self._next_bundle % 0xFFFFFFFE + 1
        self._bundles[number] = bundle
        self.out.append(messages.bundle_control(number, ofp.OFPBCT_OPEN_REQUEST, self._next_xid()))
        self.out.append(b"".join(messages.bundled(number, part) for part in parts))
        bundle.commit_xid = self._next_xid()
        self.out.append(messages.bundle_control(number, ofp.OFPBCT_COMMIT_REQUEST, bundle.commit_xid))
        for id in mods.stale_meters:
            self._meters.pop(id, None)
            self.out.append(messages.meter_mod(ofp.OFPMC_DELETE, id, 0, self._next_xid()))

    def _bundle(self, mods: FlowMods) -> tuple[Bundle, list[bytes]]:
        bundle = Bundle(mods.serial, self._xid + 1, [])
        parts = []
        for flow in mods.add:
            bundle.cookies.append(flow.cookie)
            try:
                parts.append(encode.flow_add(flow, self._next_xid()))
            except encode.MessageTooLong as error:
                self._refuse(bundle, flow.cookie, str(error))
        parts += [encode.flow_delete(table, cookie, self._next_xid()) for table, cookie in mods.remove]
        parts += [encode.foreign_delete(*foreign, self._next_xid()) for foreign in mods.foreign]
        return bundle, parts

    def send_packet(self, packet: PacketOut) -> None:
        self.out.append(messages.packet_out(packet.data, packet.actions, packet.in_port, self._next_xid()))

    def count(self, question: Question, wanted: Iterable[Wanted]) -> None:
        """Ask how many packets flows have met."""
        self.out += self._counting.ask(question, wanted, self._next_xid)

    def flush_connections(self, flush: FlushConnections) -> None:
        """End connections; it says nothing when it is done, and a refusal becomes SwitchError."""
        self.out.append(messages.flush_connections(flush, self._next_xid()))

    def ask_port(self, number: int, told: Callable[[Counters | None], None]) -> int:
        """Ask for a port's counters; `told` is called with them, or with None where there is no such port.  Returns
        the question's xid."""
        xid = self._next_xid()
        self._port_questions[xid] = told
        self.out.append(messages.port_stats_request(number, xid))
        return xid

    def forget_port(self, xid: int) -> None:
        """Nobody waits for the answer any more."""
        self._port_questions.pop(xid, None)

    # -- messages -----------------------------------------------------------------------------------------------------

    def _hello(self, xid: int, data: bytes) -> None:
        """Agree on a version, or say that there is none (OpenFlow 1.4, 6.3.1)."""
        if not decode.speaks(data, encode.VERSION):
            reason = f"the bridge does not offer OpenFlow 1.4 (its hello is of version {data[0]:#x})"
            self.out.append(messages.hello_failed(min(data[0], encode.VERSION), xid, reason))
            raise Closed(f"{reason}; add OpenFlow14 to its protocols")
        self._greeted = True
        self._answered = self.heard
        self.out.append(encode.header(ofp.OFPT_FEATURES_REQUEST, 8, self._next_xid()))

    def _echo_request(self, xid: int, data: bytes) -> None:
        self.out.append(encode.header(ofp.OFPT_ECHO_REPLY, len(data), xid) + data[8:])

    def _echo_reply(self, xid: int, data: bytes) -> None:
        for bundle in self._bundles.values():
            if bundle.echo_xid == xid:
                bundle.since, bundle.read = self.heard, True

    def _features(self, xid: int, data: bytes) -> None:
        (dpid,) = decode.unpack("!Q", data, 8)
        if not dpid or self.dpid not in (0, dpid):
            raise Closed(f"the bridge says that its dpid is {dpid:016x}, after {self.dpid:016x}")
        self.dpid = dpid
        self._answered = self.heard

    def begin(self) -> None:
        """The bridge is accepted: be told of changes from now on, then read it."""
        self._begun = True
        self.out.append(messages.set_config(self._next_xid()))
        self.out.append(messages.set_async(self._next_xid()))
        self.out.append(messages.flow_monitor_request(self._next_xid()))
        self.out.append(messages.port_desc_request(self._next_xid()))
        self._features_xid = self._next_xid()
        self.out.append(messages.meter_features_request(self._features_xid))
        self.read()

    def _multipart(self, xid: int, data: bytes) -> None:
        kind, flags = decode.unpack("!HH", data, 8)
        if not self._begun:
            raise Closed("an answer to what was not asked")
        self._answered = self.heard
        if kind == ofp.OFPMP_FLOW_MONITOR:
            self._flow_updates(data[16:])
            return
        if kind == ofp.OFPMP_FLOW and self._counting.heard(xid, data[16:], bool(flags & ofp.OFPMPF_REPLY_MORE)):
            return
        if kind == ofp.OFPMP_FLOW:  # read as it comes: the bridge writes on meanwhile
            self._entries += decode.flow_stats(data[16:], self._reactive)
            if not flags & ofp.OFPMPF_REPLY_MORE:
                self._has_read()
            return
        if kind == ofp.OFPMP_PORT_STATS:
            self._port_counted(xid, next((counters for _, counters in decode.port_stats(data[16:])), None))
            return
        parts = self._parts.setdefault(kind, [])
        parts.append(data[16:])
        if flags & ofp.OFPMPF_REPLY_MORE:
            return
        del self._parts[kind]
        if kind == ofp.OFPMP_PORT_DESC:
            self._ports = {port.number: port for part in parts for port in decode.ports(part)}
        elif kind == ofp.OFPMP_METER_FEATURES:
            self._has_meters = all(map(decode.has_meters, parts))
        elif kind == ofp.OFPMP_METER_CONFIG:
            self._meters = dict(meter for part in parts for meter in decode.meter_configs(part))

    def _port_counted(self, xid: int, counters: Counters | None) -> None:
        told = self._port_questions.pop(xid, None)
        if told is not None:
            told(counters)

    def _has_read(self) -> None:
        self._reading = False
        installed, self._entries = self._entries, []
        suspect, self._suspect = tuple(self._suspect), set()
        entries, meters = tuple(installed), tuple(sorted(self._meters.items()))
        if self.ready:
            self.events.append(Reread(self.dpid, entries, suspect, meters, self._read_serial))
        else:
            self.ready = True
            ports = tuple(self._ports.values())
            self.events.append(SwitchUp(self.dpid, self.address, ports, entries, meters, suspect, self._has_meters))

    def _flow_updates(self, body: bytes) -> None:
        """Somebody else changed flows: what was ours and is changed is suspect, and the bridge is read again soon."""
        for event, reason, cookie in decode.flow_updates(body):
            if event == ofp.OFPFME_REMOVED and reason in (ofp.OFPRR_IDLE_TIMEOUT, ofp.OFPRR_HARD_TIMEOUT):
                continue
            if event == ofp.OFPFME_MODIFIED and is_ours(cookie):
                self._suspect.add(cookie)
            if self._reread_at is None:
                self._reread_at = 0.0

    def _packet_in(self, xid: int, data: bytes) -> None:
        if self.ready:
            self.events.append(decode.packet_in(self.dpid, data))

    def _flow_removed(self, xid: int, data: bytes) -> None:
        cookie, priority, reason, table = decode.unpack("!QHBB", data, 8)
        if self.ready and is_ours(cookie) and reason in (ofp.OFPRR_IDLE_TIMEOUT, ofp.OFPRR_HARD_TIMEOUT):
            self.events.append(FlowRemoved(self.dpid, table, priority, cookie))

    def _port_status(self, xid: int, data: bytes) -> None:
        (reason,) = decode.unpack("!B", data, 8)
        port, _ = decode.port(data, 16)
        removed = reason == ofp.OFPPR_DELETE
        if removed:
            self._ports.pop(port.number, None)
        else:
            self._ports[port.number] = port
        if self.ready:
            self.events.append(PortStatus(self.dpid, port, removed))

    def _bundle_control(self, xid: int, data: bytes) -> None:
        number, kind = decode.unpack("!IH", data, 8)
        if kind == ofp.OFPBCT_COMMIT_REPLY:
            bundle = self._bundles.pop(number, None)
            if bundle is not None and not bundle.failed:
                self.events.append(Acknowledged(self.dpid, bundle.serial))

    def _error(self, xid: int, data: bytes) -> None:
        kind, code = decode.unpack("!HH", data, 8)
        name = decode.error_name(kind, code)
        if not self._greeted or kind == ofp.OFPET_HELLO_FAILED:
            raise Closed(f"the bridge refuses OpenFlow 1.4: {name}; add OpenFlow14 to its protocols")
        if self._begun and xid == self._features_xid:  # it does not know of meters
            self._has_meters = False
            return
        if not self.ready:
            raise Closed(f"the bridge refuses the handshake: {name}")
        if self._reading and xid == self._read_xid:
            raise Closed(f"the bridge can't be read: {name}")
        if xid in self._port_questions:
            self._port_counted(xid, None)
            return
        for number, bundle in list(self._bundles.items()):
            if bundle.first_xid <= xid < bundle.first_xid + len(bundle.cookies):
                self._refuse(bundle, bundle.cookies[xid - bundle.first_xid], name)
                return
            if xid == bundle.commit_xid:
                del self._bundles[number]
                self._refuse(bundle, 0, name)
                return
        self.events.append(SwitchError(self.dpid, 0, 0, name))

    def _refuse(self, bundle: Bundle, cookie: int, name: str) -> None:
        if not bundle.failed or cookie:
            self.events.append(SwitchError(self.dpid, bundle.serial, cookie, name))
        bundle.failed = True
