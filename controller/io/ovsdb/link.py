"""One OVSDB connection that a host opened to us, and the replica of the host's rows on it.  RFC 7047.

The `ovs` library expects to dial out itself, to dial again, and to trust its peer.  Here the peer dials in and may be
anything: whatever is wrong with it ends the connection, as ConnectionClosed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ovs.db.error
import ovs.db.idl
import ovs.jsonrpc
import ovs.poller
import ovs.reconnect
import ovs.timeval
from ovsdbapp.backend.ovs_idl import connection, idlutils

from controller.io.ovsdb.rows import prepare
from controller.io.ovsdb.wire import HostRpc

DATABASE = "Open_vSwitch"
COLUMNS = {
    "Open_vSwitch": ("bridges", "external_ids"),
    "Bridge": ("name", "ports", "controller", "datapath_id", "datapath_type", "fail_mode", "protocols", "other_config"),
    "Port": ("name", "interfaces", "tag", "external_ids"),
    "Interface": ("name", "type", "external_ids", "error", "options", "mtu"),
    "Controller": ("target", "type", "is_connected", "external_ids"),
}
"""All that is replicated.  Statistics and status columns, which change every few seconds, are not; nor is `ofport`,
which a bridge tells over OpenFlow, and sooner."""

SLICE = 500
"""Rows of an update taken in before other greenlets get their turn: some 10 ms."""

MALFORMED = (ovs.db.error.Error, LookupError, TypeError, ValueError, AttributeError, AssertionError)
"""What the `ovs` library raises when a well-formed JSON-RPC message has not the form that RFC 7047 gives it."""


class ConnectionClosed(Exception):
    """The connection can't be used any more; the text says why."""


class Bell:
    """Wakes the greenlet of a connection, which waits in a poller, from any other greenlet."""

    def __init__(self) -> None:
        self._file = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stop = ""
        self.closed = False

    def ring(self) -> None:
        if not self.closed:
            os.eventfd_write(self._file, 1)

    def stop(self, reason: str) -> None:
        """Make the next `heed` raise."""
        self._stop = reason
        self.ring()

    def wait(self, poller: ovs.poller.Poller) -> None:
        poller.fd_wait(self._file, ovs.poller.POLLIN)

    def heed(self) -> None:
        """Be ready for the next ring.  Errors: ConnectionClosed after `stop`."""
        with suppress(BlockingIOError):  # nobody rang
            os.eventfd_read(self._file)
        if self._stop:
            raise ConnectionClosed(self._stop)

    def close(self) -> None:
        self.closed = True
        os.close(self._file)


def fetch_schema(rpc: HostRpc, block: Callable[[ovs.poller.Poller], None]) -> dict[str, Any]:
    """Ask the peer for its schema and wait for it; `block` waits on a poller and may raise.

    Errors: ConnectionClosed.
    """
    request = ovs.jsonrpc.Message.create_request("get_schema", [DATABASE])
    rpc.send(request)
    while True:
        rpc.begin_turn()
        rpc.run()
        error, message = rpc.recv()
        if error and error != errno.EAGAIN:
            raise ConnectionClosed(rpc.why_closed())
        if not error and message.type == message.T_REQUEST and message.method == "echo":
            rpc.send(message.create_reply(message.params, message.id))
        if not error and message.id == request.id and message.type == message.T_ERROR:
            raise ConnectionClosed(f"it has no database {DATABASE}: {message.error}")
        if not error and message.id == request.id and message.type == message.T_REPLY:
            return cut(message.result)
        poller = ovs.poller.Poller()
        rpc.wait(poller)
        rpc.recv_wait(poller)
        block(poller)


def cut(schema: Any) -> dict[str, Any]:
    """Keep of a schema what COLUMNS names.  Errors: ConnectionClosed."""
    try:
        tables = {
            table: {**schema["tables"][table], "columns": {c: schema["tables"][table]["columns"][c] for c in columns}}
            for table, columns in COLUMNS.items()
        }
        return {"name": schema["name"], "version": schema["version"], "tables": tables}
    except (LookupError, TypeError) as error:
        raise ConnectionClosed(f"its schema is not that of {DATABASE}: {error!r}") from error


class HostIdl(connection.OvsdbIdl):
    """The replica of one host's rows, over a connection that exists and is never dialled again.

    `take_touched` tells which rows changed since it was last called: the numbers of their UUIDs, by table.
    """

    def __init__(self, rpc: HostRpc, schema: dict[str, Any], bell: Bell, probe: float) -> None:
        helper = idlutils.create_schema_helper(schema)
        helper.register_all()
        try:
            super().__init__(rpc.name, helper, leader_only=False)
        except MALFORMED as error:
            raise ConnectionClosed(f"its schema can't be read: {error!r}") from error
        prepare(self.tables, named=("Bridge", "Port"))
        self._rpc, self._bell = rpc, bell
        self._session = one_connection(rpc, int(probe * 1000))
        self._touched: dict[str, set[int]] = {}
        self._taken = 0

    def cooperative_yield(self) -> None:
        """Called by the library before each row.  A turn for the others at each of them would put every step of the
        controller between the rows of one update, and the host's interfaces would be known last."""
        self._taken += 1
        if self._taken % SLICE == 0:
            super().cooperative_yield()

    def notify(self, event: str, row: ovs.db.idl.Row, updates: ovs.db.idl.Row | None = None) -> None:
        self._touched.setdefault(row._table.name, set()).add(row.uuid.int)

    def take_touched(self) -> dict[str, set[int]]:
        touched, self._touched = self._touched, {}
        return touched

    @property
    def is_complete(self) -> bool:
        """True once the first snapshot is here."""
        return bool(self.state == self.IDL_S_MONITORING)

    def run(self) -> bool:
        """Take in what has arrived; True when rows changed.  Errors: ConnectionClosed."""
        self._bell.heed()
        self._rpc.begin_turn()
        try:
            changed = super().run()
        except MALFORMED as error:
            raise ConnectionClosed(f"a message does not follow RFC 7047: {error!r}") from error
        if not self._session.is_alive():
            raise ConnectionClosed(self._why())
        return bool(changed)

    def wait(self, poller: ovs.poller.Poller) -> None:
        """Wait for what `run` would take in, also while a transaction waits for its answer."""
        super().wait(poller)
        self._bell.wait(poller)

    def probe_now(self) -> Callable[[], bool]:
        """Ask the host for a sign of life at once; the result tells whether it has given one since."""
        request = ovs.jsonrpc.Message.create_request("echo", [])
        request.id = "echo"
        self._rpc.send(request)
        before = self._rpc.get_received_bytes()
        return lambda: bool(self._rpc.get_received_bytes() != before)

    def _why(self) -> str:
        reconnect = self._session.reconnect
        silent = ovs.timeval.msec() - max(reconnect.last_activity, reconnect.last_connected)
        if self._rpc.get_status() == ovs.jsonrpc.EOF and silent >= 2 * reconnect.get_probe_interval():
            return f"it has been silent for {silent / 1000:.0f} s"
        return self._rpc.why_closed()


def one_connection(rpc: HostRpc, probe: int) -> ovs.jsonrpc.Session:
    """A session that ends with its connection; `probe` is in milliseconds."""
    reconnect = ovs.reconnect.Reconnect(ovs.timeval.msec())
    reconnect.set_quiet(True)
    reconnect.set_name(rpc.name)
    reconnect.set_max_tries(0)
    reconnect.set_probe_interval(probe)
    reconnect.connected(ovs.timeval.msec())
    return ovs.jsonrpc.Session(reconnect, rpc, [rpc.name])
