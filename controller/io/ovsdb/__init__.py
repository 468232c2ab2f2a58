"""The OVSDB edge (RFC 7047): hosts dial in with `ovs-vsctl set-manager tcp:CONTROLLER:6640` (or ssl:) and are watched
and set up.

wire: JSON-RPC messages.  link: one connection and its replica.  rows, columns: what the library keeps, for less time.
view: rows to events.  apply: operations to a transaction.  host: one host's greenlet.  server: the listener, and who is
here.
"""

from controller.io.ovsdb.server import OvsdbServer

__all__ = ["OvsdbServer"]
