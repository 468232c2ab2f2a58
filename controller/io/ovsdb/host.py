"""One host's connection, from its first byte to its last: one greenlet, which alone touches the host's rows."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import ovs.poller
import ovs.stream
import ovs.timeval

from controller.core.effects import OvsdbOperation
from controller.core.events import HostChanged, HostDown, HostUp, InterfacesChanged, OvsdbDone
from controller.io.ovsdb.apply import commit
from controller.io.ovsdb.link import Bell, ConnectionClosed, HostIdl, fetch_schema
from controller.io.ovsdb.view import Description, Interfaces, describe, host_name
from controller.io.ovsdb.wire import HostRpc

Claim = Callable[[str, "HostConnection"], None]
"""Register a name for a connection, and drop its former one.  Errors: ConnectionClosed when another host has it."""

DESCRIBING = {"Open_vSwitch", "Bridge", "Controller"}
"""The tables that a host's description is made of."""


class HostConnection:
    """Attributes others may read: `peer` ("tcp:IP:PORT" or "ssl:IP:PORT"), `name` ("" until the host is up), `idl`."""

    idl: HostIdl

    def __init__(
        self,
        sock: socket.socket,
        emit: Callable[[Any], None],
        log: logging.Logger,
        claim: Claim,
        release: Callable[[HostConnection], None],
        probe: float,
    ) -> None:
        self.peer = target(sock, sock.getpeername())
        self.name = ""
        self.timeout = 4 * probe
        self._peer_address = plain(sock.getpeername()[0])
        self._here = bracketed(sock.getsockname()[0])
        # A read takes a whole TLS record (16 KiB, RFC 8446, 5.1): nothing waits decrypted where a poller can't see it.
        self._stream = (ovs.stream.SSLStream if is_tls(sock) else ovs.stream.Stream)(sock, self.peer, 0)
        self._emit, self._log, self._claim, self._release = emit, log, claim, release
        self._probe = probe
        self._deadline = ovs.timeval.msec() + int(2000 * probe)
        self._requests: deque[tuple[OvsdbOperation, ...]] = deque()
        self._bell = Bell()
        self._description: Description | None = None

    def run(self) -> None:
        """Serve the host until its connection ends."""
        try:
            self._serve()
        except ConnectionClosed as reason:
            self._log.warning("OVSDB connection of %s (%s) closed: %s", self.name or "a host", self.peer, reason)
        finally:
            self._close()

    def request(self, operations: tuple[OvsdbOperation, ...]) -> None:
        """Queue a transaction; never blocks."""
        self._requests.append(operations)
        if self._bell.closed:
            self._refuse_requests()
        self._bell.ring()

    def stop(self, reason: str) -> None:
        """End the connection soon; never blocks."""
        self._bell.stop(reason)

    def shows_life(self, patience: float) -> bool:
        """Ask the host for a sign of life and wait for it, `patience` seconds at most (by another greenlet)."""
        answered = self.idl.probe_now()
        deadline = time.monotonic() + patience
        while not self._bell.closed and not answered() and time.monotonic() < deadline:
            time.sleep(0.05)
        return answered() and not self._bell.closed

    def _serve(self) -> None:
        rpc = HostRpc(self._stream)
        self.idl = HostIdl(rpc, fetch_schema(rpc, self._block), self._bell, self._probe)
        self._interfaces = Interfaces(self.idl)
        while True:
            self.idl.run()
            if self.idl.is_complete:
                self._publish()
                self._carry_out()
            poller = ovs.poller.Poller()
            self.idl.wait(poller)
            self._block(poller)

    def _block(self, poller: ovs.poller.Poller) -> None:
        """Wait for the socket, a timer of the library, the bell, or the deadline of a host that is not up yet."""
        self._bell.wait(poller)
        if not self.name:
            poller.timer_wait_until(self._deadline)
        if self._requests:
            poller.immediate_wake()
        poller.block()
        self._bell.heed()
        if not self.name and ovs.timeval.msec() >= self._deadline:
            raise ConnectionClosed(f"it did not describe itself within {2 * self._probe:.0f} s")

    def _publish(self) -> None:
        """Tell what changed since the last time, as one event of each kind."""
        touched = self.idl.take_touched()
        if not touched and self.name:
            return
        changed, removed = self._interfaces.update(touched)
        name, description = host_name(self.idl, self._peer_address), self._description
        if description is None or DESCRIBING & touched.keys():
            description = describe(self.idl)
        if name != self.name:
            self._introduce(name, description)
            return
        if description != self._description:
            self._description = description
            self._emit(HostChanged(name=name, **description._asdict()))
        if changed or removed:
            self._emit(InterfacesChanged(name, changed, removed))

    def _introduce(self, name: str, description: Description) -> None:
        self._claim(name, self)
        if self.name:
            self._go_down()
        self.name, self._description = name, description
        self._emit(HostUp(self.peer, name, **description._asdict(), interfaces=self._interfaces.rows))

    def _carry_out(self) -> None:
        """One queued transaction; what it changed is told before its result."""
        if self._requests:
            operations = self._requests.popleft()
            error = "the connection closed before the host answered"
            try:
                error = commit(self, operations, self._here)
                self._publish()
            finally:
                self._emit(OvsdbDone(self.name, error))

    def _go_down(self) -> None:
        self._refuse_requests()
        self._emit(HostDown(self.name))

    def _refuse_requests(self) -> None:
        while self._requests:
            self._requests.popleft()
            self._emit(OvsdbDone(self.name, "not carried out: the host is not connected"))

    def _close(self) -> None:
        self._stream.close()
        self._bell.close()
        if self.name:
            self._go_down()
        self._release(self)


def plain(address: str) -> str:
    """An IPv4 address that came over an IPv6 socket, as IPv4; without scope."""
    return address.removeprefix("::ffff:").partition("%")[0]


def bracketed(address: str) -> str:
    """An address as OVS writes it in targets: IPv6 in brackets."""
    address = plain(address)
    return f"[{address}]" if ":" in address else address


def endpoint(address: tuple[Any, ...]) -> str:
    """HOST:PORT of a socket's address."""
    return f"{bracketed(address[0])}:{address[1]}"


def is_tls(sock: socket.socket) -> bool:
    return isinstance(sock, ssl.SSLSocket)


def target(sock: socket.socket, address: tuple[Any, ...]) -> str:
    """An address at the other end of a connection, as OVS writes it: tcp:HOST:PORT or ssl:HOST:PORT."""
    return f"{'ssl' if is_tls(sock) else 'tcp'}:{endpoint(address)}"
