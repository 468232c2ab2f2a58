"""Where hosts dial in: the listener, and which host is on which connection."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from controller.core.effects import OvsdbOperation
from controller.core.events import OvsdbDone
from controller.io.ovsdb.host import HostConnection, endpoint, target
from controller.io.ovsdb.link import ConnectionClosed

BACKLOG = 1024
"""After a restart of the controller, all hosts dial in within the same second or two."""


class OvsdbServer:
    """Watch and set up every host that dials in.

    `address` is "HOST:PORT" ("[HOST]:PORT" for IPv6, port 0: any); `emit` takes an event of core.events and does not
    block; a host that is silent for `probe` seconds is probed, and dropped after as much again; `secure` puts TLS under
    the listener, when there shall be any.  It runs under `eventlet.monkey_patch()`: a connection is one greenlet, made
    as a thread.
    """

    def __init__(
        self,
        address: str,
        emit: Callable[[Any], None],
        log: logging.Logger,
        probe: float = 5.0,
        secure: Callable[[Any], Any] = lambda listener: listener,
    ) -> None:
        self._wanted, self._secure = address, secure
        self._emit, self._log, self._probe = emit, log, probe
        self._listener: socket.socket | None = None
        self._connections: set[HostConnection] = set()
        self._hosts: dict[str, HostConnection] = {}

    @property
    def address(self) -> str:
        """Where it listens, with the port that was bound."""
        return endpoint(self._listener.getsockname()) if self._listener else self._wanted

    def start(self) -> None:
        """Errors: ValueError when the address is not HOST:PORT, OSError when it can't be bound."""
        host, colon, port = self._wanted.rpartition(":")
        if not colon or not port.isdigit():
            raise ValueError(f"OVSDB address {self._wanted!r} is not HOST:PORT")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = self._secure(socket.create_server((host, int(port)), family=family, backlog=BACKLOG))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening and end all connections: their HostDown events follow."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        listener.shutdown(socket.SHUT_RDWR)  # wakes the greenlet in accept()
        listener.close()
        for connection in tuple(self._connections):
            connection.stop("the controller stops")

    def ensure(self, host: str, operations: Iterable[OvsdbOperation]) -> None:
        """Carry out operations on a host, all or none, in one transaction.

        Returns at once.  The result is an OvsdbDone event; a host's transactions are carried out and answered in order.
        """
        connection = self._hosts.get(host)
        if connection is None:
            self._emit(OvsdbDone(host, "not carried out: the host is not connected"))
        else:
            connection.request(tuple(operations))

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                sock, address = listener.accept()
            except OSError as error:
                if self._listener is listener:
                    self._log.error("OVSDB: a connection can't be accepted: %s", error)
                    time.sleep(0.5)  # out of file descriptors, most likely
                continue
            try:
                connection = self._connection(sock)
            except OSError as error:  # the peer has gone already
                sock.close()
                self._log.warning("OVSDB connection of a host (%s) closed: %s", target(sock, address), error.strerror)
                continue
            self._connections.add(connection)
            threading.Thread(target=connection.run, daemon=True).start()

    def _connection(self, sock: socket.socket) -> HostConnection:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return HostConnection(sock, self._emit, self._log, self._claim, self._release, self._probe)

    def _claim(self, name: str, connection: HostConnection) -> None:
        """A name belongs to the connection that has it, unless that one is dead: a host that lost power comes back
        before its old connection times out."""
        while (holder := self._hosts.get(name)) not in (None, connection):
            if holder.shows_life(self._probe / 2):
                raise ConnectionClosed(f"host name {name!r} is in use by the live connection of {holder.peer}")
            holder.stop("the host has come back on another connection")
            self._await_end(name, holder)
        self._hosts.pop(connection.name, None)
        self._hosts[name] = connection

    def _await_end(self, name: str, holder: HostConnection) -> None:
        """Wait for the old connection's HostDown, which must come before the new one's HostUp."""
        while self._hosts.get(name) is holder:
            time.sleep(0.01)

    def _release(self, connection: HostConnection) -> None:
        self._connections.discard(connection)
        if self._hosts.get(connection.name) is connection:
            del self._hosts[connection.name]
