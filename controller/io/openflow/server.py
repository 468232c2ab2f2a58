"""Bridges connect here: one green thread reads each, one writes to it, and one keeps time for all.

All are greeted and answered at once, but only some are read at a time: when a thousand connect together, the others
must not wait for a thousand readings.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

os.environ.setdefault("OSKEN_HUB_TYPE", "eventlet")

import eventlet
from eventlet.green import socket
from os_ken.lib import hub

from controller.core.counters import Counters
from controller.core.effects import Disconnect, FlowMods, FlushConnections, PacketOut, Read, SwitchEffect
from controller.core.events import Event, SwitchDown, SwitchUp
from controller.io.openflow.counting import Question, Wanted
from controller.io.openflow.session import Closed, Session

LOG = logging.getLogger("patchbay.openflow")

TICK = 0.05
ROUND = 20
"""Ticks in which every connection has its turn."""
QUEUE_LIMIT = 256 * 1024 * 1024
"""Bytes waiting for one bridge at which its connection is given up: it is read anew when it is back."""
PROBE_TIME = 2.0
"""Seconds a connected bridge has to answer when another connection claims its dpid."""
FAREWELL = 1.0
"""Seconds that a connection which must end is given to take the error that says why."""
READINGS = 16
"""Bridges that are read at a time, from the first question until the machine has taken in the answer."""
SLOW = 1.0
"""Seconds after which a bridge that is still being read keeps nobody waiting any more."""
LATE = 1.0
"""Seconds by which our own clock may be late until it says nothing about bridges: nobody was listening to them."""
ACCEPTED = 16
"""Connections accepted before others get on."""
SENDING = 1 << 20
"""Bytes sent in one call, where there are several messages.  Sent one by one, the first one wakes the bridge, which
then has the processor while the others wait."""


class Connection:
    """A socket and its session.  `turn` is its place in a round of the clock, `up` the event that tells of it, and
    `known` whether the machine has taken it in."""

    def __init__(self, sock: socket.socket, session: Session, turn: int) -> None:
        self.sock = sock
        self.session = session
        self.turn = turn
        self.queue: list[bytes] = []
        self.queued = 0
        self.plain = type(sock) is socket.socket
        self.wake = hub.Event()
        self.closing = ""
        self.up: SwitchUp | None = None
        self.known = False

    def flush(self) -> None:
        """Send the session's bytes, or hand to the writer what can't be sent at once."""
        if self.session.out:
            out, self.session.out = self.session.out, []
            if not self.queued:
                out = self._send_now(out)
            self.queue += out
            self.queued += sum(map(len, out))
            if out:
                self.wake.set()
            if self.queued > QUEUE_LIMIT:
                self.close(f"{self.queued} bytes wait to be read by it")

    def _send_now(self, out: list[bytes]) -> list[bytes]:
        """Send what the kernel takes without waiting, and return the rest.  The writer would have its turn only after
        everybody else who is ready; what fails is left for it to fail at."""
        if not self.plain or self.closing or sum(map(len, out)) > SENDING:
            return out
        data = b"".join(out)
        try:
            sent = self.sock.fd.send(data)
        except OSError:
            sent = 0
        return [data[sent:]] if sent < len(data) else []

    def close(self, reason: str) -> None:
        """End the connection (its reader notices, and says so)."""
        if not self.closing:
            self.closing = reason
            self.wake.set()
            with suppress(OSError):  # the peer was faster
                self.sock.shutdown(socket.SHUT_RDWR)


def lumps(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in lumps of SENDING at most; a part that is longer is one of its own."""
    lump: list[bytes] = []
    size = 0
    for part in parts:
        if lump and size + len(part) > SENDING:
            yield b"".join(lump)
            lump, size = [], 0
        lump.append(part)
        size += len(part)
    if lump:
        yield b"".join(lump)


class OpenFlowServer:
    """Accepts bridges and carries effects to them.  `emit` takes events; `reactive` are tables read with matches;
    `secure` puts TLS under the listener, when there shall be any."""

    def __init__(
        self,
        address: str,
        emit: Callable[[Event], None],
        reactive: frozenset[int],
        secure: Callable[[Any], Any] = lambda listener: listener,
    ) -> None:
        self._emit = emit
        self._reactive = reactive
        self._switches: dict[int, Connection] = {}
        self._connections: set[Connection] = set()
        self._waiting: deque[Connection] = deque()
        self._readings: dict[Connection, float] = {}
        self._stopped = False
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = secure(eventlet.listen((host, int(port)), family=family, backlog=1024))

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens: (host, port)."""
        return self._listener.getsockname()[:2]

    def start(self) -> None:
        hub.spawn(self._accept)
        hub.spawn(self._clock)

    def stop(self) -> None:
        self._stopped = True
        self._listener.close()
        for connection in list(self._connections):
            connection.close("the controller stops")

    # -- effects ------------------------------------------------------------------------------------------------------

    def carry_out(self, *effects: SwitchEffect) -> None:
        """Send effects to their switches, those in a row for one of them together.

        A switch that is gone is read anew when it is back, so nothing is kept for it.  Nor is it for a connection that
        the machine has yet to hear of: the former one was meant.
        """
        for dpid, its in itertools.groupby(effects, lambda effect: effect.dpid):
            connection = self._switches.get(dpid)
            if connection is not None and connection.known:
                for effect in its:
                    self._say(connection, effect)
                self._collect(connection)

    @staticmethod
    def _say(connection: Connection, effect: SwitchEffect) -> None:
        match effect:
            case FlowMods():
                connection.session.send(effect)
            case PacketOut():
                connection.session.send_packet(effect)
            case FlushConnections():
                connection.session.flush_connections(effect)
            case Read():
                connection.session.read()
            case Disconnect():
                connection.close(effect.reason)

    def count(self, wanted: Mapping[int, Iterable[Wanted]], seconds: float) -> dict[int, dict[int, int]]:
        """How many packets flows have met: {dpid: {cookie: packets}}, of the switches that answer in time."""
        answered = hub.Event()
        questions: dict[int, Question] = {}

        def done() -> None:
            if not any(question.open for question in questions.values()):
                answered.set()

        for dpid, flows in wanted.items():
            connection = self._switches.get(dpid)
            if connection is not None and connection.known:
                questions[dpid] = Question(done)
                connection.session.count(questions[dpid], flows)
                connection.flush()
        if any(question.open for question in questions.values()):
            answered.wait(seconds)
        return {dpid: question.counts for dpid, question in questions.items() if not question.open}

    def taken_in(self, event: SwitchUp) -> None:
        """The machine knows of a bridge now, and the next one can be read.  Comes before the effects of that."""
        connection = self._switches.get(event.dpid)
        if connection is not None and connection.up is event:
            connection.known = True
            connection.up = None
            self._end_reading(connection)

    def port_counters(self, dpid: int, number: int, seconds: float) -> Counters | None:
        """What a bridge has counted of a port.  None: it is not connected, has no such port, or does not answer in
        time."""
        connection = self._switches.get(dpid)
        if connection is None or not connection.known:
            return None
        found: list[Counters | None] = []
        answered = hub.Event()

        def told(counters: Counters | None) -> None:
            found.append(counters)
            answered.set()

        xid = connection.session.ask_port(number, told)
        connection.flush()
        answered.wait(seconds)
        connection.session.forget_port(xid)
        return found[0] if found else None

    # -- green threads ------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        for number in itertools.count(1):
            if self._stopped:
                return
            if not number % ACCEPTED:
                hub.sleep(0)
            try:
                sock, peer = self._listener.accept()
            except OSError as error:
                if not self._stopped:
                    LOG.error("a connection can't be accepted: %s", error)
                    hub.sleep(0.5)  # out of file descriptors, most likely
                continue
            address = peer[0].removeprefix("::ffff:").partition("%")[0]
            connection = Connection(sock, Session(address, self._reactive, time.monotonic()), number % ROUND)
            self._connections.add(connection)
            hub.spawn(self._write, connection)
            hub.spawn(self._read, connection)

    def _read(self, connection: Connection) -> None:
        session, reason = connection.session, "it closed the connection"
        connection.flush()
        try:
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := connection.sock.recv(256 * 1024):
                known = session.dpid
                session.receive(data, time.monotonic())
                if session.dpid and not known:
                    self._welcome(connection)
                self._collect(connection)
        except Closed as error:
            reason = str(error)
            self._bid_farewell(connection)
        except OSError as error:
            reason = str(error)
        finally:
            self._gone(connection, connection.closing or reason)

    @staticmethod
    def _bid_farewell(connection: Connection) -> None:
        """Let the last words of a session that ends get out."""
        connection.flush()
        deadline = time.monotonic() + FAREWELL
        while connection.queued and not connection.closing and time.monotonic() < deadline:
            hub.sleep(0.01)

    def _write(self, connection: Connection) -> None:
        try:
            while not connection.closing:
                connection.wake.wait()
                connection.wake.clear()
                queue, connection.queue = connection.queue, []
                for lump in lumps(queue):
                    connection.sock.sendall(memoryview(lump))  # what is left of it is cut off without a copy
                    connection.queued -= len(lump)
        except OSError as error:
            connection.close(str(error))

    def _clock(self) -> None:
        """A session that waits to read its bridge again is looked at every TICK, the others once in a ROUND."""
        turn = 0
        while True:
            asked = time.monotonic()
            hub.sleep(TICK)
            now = time.monotonic()
            if now - asked - TICK > LATE:
                continue  # what came meanwhile is heard before the next tick
            turn = (turn + 1) % ROUND
            for connection in list(self._connections):
                if connection.turn != turn and not connection.session.due:
                    continue
                try:
                    connection.session.tick(now)
                    connection.flush()
                except Closed as error:
                    connection.close(str(error))
            self._pass_by_the_slow(now)

    # -- connections --------------------------------------------------------------------------------------------------

    def _collect(self, connection: Connection) -> None:
        connection.flush()
        happened, connection.session.events = connection.session.events, []
        for event in happened:
            if isinstance(event, SwitchUp):
                connection.up = event
                if not event.has_meters:
                    LOG.warning("bridge %016x has no meters: what needs a limit is not offered there", event.dpid)
            self._emit(event)

    def _welcome(self, connection: Connection) -> None:
        """Take a bridge in, unless its dpid is that of another one that is alive."""
        session = connection.session
        while (other := self._switches.get(session.dpid)) is not None:
            if self._answers(other):
                raise Closed(f"dpid {session.dpid:016x} is connected already, from {other.session.address}")
            other.close("another connection has its dpid, and it does not answer")
            while self._switches.get(session.dpid) is other:  # its own green thread ends it, with SwitchDown
                hub.sleep(0.01)
        if connection.closing:
            raise Closed(connection.closing)
        self._switches[session.dpid] = connection
        LOG.info("bridge %016x connected from %s", session.dpid, session.address)
        self._waiting.append(connection)
        self._read_more()

    def _read_more(self) -> None:
        """Begin to read the bridges whose turn it is."""
        while self._waiting and len(self._readings) < READINGS:
            connection = self._waiting.popleft()
            if not connection.closing:
                self._readings[connection] = time.monotonic()
                connection.session.begin()
                connection.flush()

    def _pass_by_the_slow(self, now: float) -> None:
        """Let others have the turns of bridges that take long to answer."""
        for connection in [c for c, since in self._readings.items() if not c.up and now - since > SLOW]:
            self._end_reading(connection)

    def _end_reading(self, connection: Connection) -> None:
        if self._readings.pop(connection, None) is not None:
            self._read_more()

    @staticmethod
    def _answers(connection: Connection) -> bool:
        """Whether a connected bridge still gives a sign of life."""
        asked = time.monotonic()
        connection.session.probe(asked)
        connection.flush()
        while time.monotonic() - asked < PROBE_TIME and connection.session.heard < asked and not connection.closing:
            hub.sleep(TICK)
        return connection.session.heard >= asked

    def _gone(self, connection: Connection, reason: str) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        connection.close(reason)
        connection.sock.close()
        self._end_reading(connection)
        session = connection.session
        name = f"bridge {session.dpid:016x}" if session.dpid else "a connection"
        LOG.warning("%s from %s ended: %s", name, session.address, reason)
        if self._switches.get(session.dpid) is connection:
            del self._switches[session.dpid]
            if session.ready:
                self._emit(SwitchDown(session.dpid))
