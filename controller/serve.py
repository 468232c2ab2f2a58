"""`patchbay serve`: put the pieces together, say where they listen, and run until told to stop.

`controller.green` must have been imported before.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import resource
import signal
import sys
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TextIO

import eventlet
from eventlet import wsgi
from os_ken.lib import hub

from controller.config import Config, ConfigError, load
from controller.core import app
from controller.core.inspect import Inspector
from controller.core.machine import Machine
from controller.core.pipeline import LAYOUT
from controller.core.record import write_event
from controller.core.row import KINDS
from controller.io.loop import Loop
from controller.io.openflow.encode import digest
from controller.io.openflow.server import OpenFlowServer
from controller.io.ovsdb import OvsdbServer
from controller.io.store import Store, StoreError, Unavailable
from controller.serving import application_of, follow

LOG = logging.getLogger("patchbay")

COLLECT = (100_000, 50, 100)
"""When to look for garbage in cycles: rarely.  Rows, units and flows are many, live long and have none, and looking
through them at Python's own rate takes as long as making them."""
FILES = 65536
"""Open files to ask for: a host takes three or four."""


class CannotStart(Exception):
    """Why the controller can't start, in one line."""


def serve(options: argparse.Namespace) -> int:
    """Run the controller until SIGTERM or SIGINT; returns 0, or 2 when it can't start."""
    names = ("database", "rest", "openflow", "ovsdb", "log_level")
    with ExitStack() as stack:
        try:
            config = load(options.config, {name: getattr(options, name) for name in names})
            logging.basicConfig(level=config.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
            logging.getLogger("alembic").setLevel(max(logging.WARNING, logging.getLevelName(config.log_level)))
            stopped = _start(config, options.record, stack)
        except (CannotStart, ConfigError, StoreError) as error:
            print(f"patchbay: {error}", file=sys.stderr)
            return 2
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        stopped.wait()
        LOG.info("stopped; the switches keep their flows")
    return 0


def _start(config: Config, record: str | None, stack: ExitStack) -> Any:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, most) if most > 0 else FILES, most))
    gc.set_threshold(*COLLECT)
    apps = app.load()
    store = Store(config.database, config.settings)
    stack.callback(store.close)
    kinds: list[Any] = list(KINDS.values())
    rows = [row for kind in kinds if kind.ROW.store for row in store.net.all(kind)]
    machine = Machine(apps, config.settings, rows, digest)
    loop = Loop(machine, store, Unavailable, _recording(record, config, rows, stack))
    loop.openflow = openflow = _listening("OpenFlow", config.openflow, lambda where: _openflow(where, loop))
    stack.callback(openflow.stop)
    loop.ovsdb = ovsdb = _listening("OVSDB", config.ovsdb, lambda where: _ovsdb(where, loop))
    stack.callback(ovsdb.stop)
    listener = _listening("REST", config.rest, lambda where: _listen(config.rest))
    stack.callback(listener.close)
    serving = application_of(config, store, apps, Inspector(machine))
    gc.collect()
    gc.freeze()
    loop.start()
    hub.spawn(follow, store)
    hub.spawn(wsgi.server, listener, serving, log_output=False, keepalive=True, max_size=1024)
    _announce(config, store)
    return hub.Event()


def _recording(path: str | None, config: Config, rows: list[Any], stack: ExitStack) -> TextIO | None:
    if path is None:
        return None
    try:
        file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115  (closed with the stack)
    except OSError as error:
        raise CannotStart(f"--record {path}: {error.strerror}") from None
    stack.callback(file.close)
    for row in (config.settings, *rows):
        write_event(file, row)
    file.write("\n")
    return file


def _openflow(where: str, loop: Loop) -> OpenFlowServer:
    reactive = frozenset(table.id for table in LAYOUT.tables("INT") if table.reactive)
    server = OpenFlowServer(where, loop.emit, reactive)
    server.start()
    return server


def _ovsdb(where: str, loop: Loop) -> OvsdbServer:
    server = OvsdbServer(where, loop.emit, logging.getLogger("patchbay.ovsdb"))
    server.start()
    return server


def _listen(address: Any) -> Any:
    family = eventlet.green.socket.AF_INET6 if ":" in address.host else eventlet.green.socket.AF_INET
    return eventlet.listen((address.host, address.port), family=family, backlog=1024)


def _listening(name: str, address: Any, start: Any) -> Any:
    try:
        return start(f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}")
    except OSError as error:
        raise CannotStart(f"{name} can't listen on {address}: {os.strerror(error.errno or 0)}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, or "" for all addresses
        return host == "localhost"


def _announce(config: Config, store: Store) -> None:
    """One screen: what listens where, and how a host joins."""
    if not _is_loopback(config.rest.host):
        LOG.warning("REST listens on %s WITHOUT AUTHENTICATION: whoever reaches it rules the network", config.rest)
    host = config.ovsdb.host if config.ovsdb.host not in ("", "0.0.0.0", "::") else "CONTROLLER"
    print(
        f"""Patchbay is running (revision {store.revision}, {store.name})
  REST      http://{config.rest}/v2.0/
  OpenFlow  tcp:{config.openflow}
  OVSDB     tcp:{config.ovsdb}
To join a host, run there (local_ip: its tunnel address; bridge_mappings: only for VLAN and flat networks):
  ovs-vsctl set Open_vSwitch . external_ids:hostname=$(hostname) \\
      external_ids:local_ip=ADDRESS external_ids:bridge_mappings=physnet1:br-eth1
  ovs-vsctl set-manager tcp:{host}:{config.ovsdb.port}
To look inside: patchbay hosts | ports | switches | flows SWITCH | explain SWITCH FLOW""",
        flush=True,
    )
