"""`patchbay serve`: put the pieces together, say where they listen, and run until told to stop.

`controller.green` must have been imported before.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import resource
import secrets
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TextIO

import eventlet
from os_ken.lib import hub

from controller.config import Config, ConfigError, load
from controller.config_tls import Tls
from controller.core import app
from controller.core.check import Edges
from controller.core.effects import Propose, TellServers
from controller.core.inspect import Inspector
from controller.core.machine import Machine
from controller.core.model import ServerEvent
from controller.core.pipeline import LAYOUT
from controller.core.plans import quotas
from controller.core.probe import NONCE_BITS
from controller.core.record import write_event
from controller.core.resources import declare
from controller.core.row import KINDS, key_of
from controller.io import http, tls
from controller.io.loop import Loop
from controller.io.nova import Nova
from controller.io.openflow.encode import digest
from controller.io.openflow.server import OpenFlowServer
from controller.io.ovsdb import OvsdbServer
from controller.io.store import Store, StoreError, Unavailable
from controller.retention import keep_journal
from controller.serving import follow, opened, rest_of
from rest.policy import PolicyError

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
    names = ("database", "rest", "openflow", "ovsdb", "log_level", "auth", "identity")
    with ExitStack() as stack:
        try:
            config = load(options.config, {name: getattr(options, name) for name in names})
            for note in config.notes:
                print(note, flush=True)
            logging.basicConfig(level=config.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
            logging.getLogger("alembic").setLevel(max(logging.WARNING, logging.getLevelName(config.log_level)))
            stopped = _start(config, options.record, stack)
        except (CannotStart, ConfigError, PolicyError, StoreError) as error:
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
    _check_quotas(config, apps)
    store = opened(config, apps)
    stack.callback(store.close)
    kinds: list[Any] = list(KINDS.values())
    rows = [row for kind in kinds if kind.ROW.store for row in store.net.all(kind)]
    machine = Machine(apps, config.settings, rows, digest, store.revision)
    loop = Loop(machine, store, Unavailable, _recording(record, config, rows))
    loop.openflow = openflow = _listening("OpenFlow", config.openflow, lambda where: _openflow(where, loop, config))
    stack.callback(openflow.stop)
    loop.ovsdb = ovsdb = _listening("OVSDB", config.ovsdb, lambda where: _ovsdb(where, loop, config))
    stack.callback(ovsdb.stop)
    secure = _secure("REST", "api", config.rest_tls)
    listener = _listening("REST", config.rest, lambda where: secure(_listen(config.rest)))
    stack.callback(listener.close)
    nonce = lambda: secrets.randbits(NONCE_BITS)  # noqa: E731
    edges = Edges(loop.waiting.wait, loop.emit, openflow.count, nonce, openflow.port_counters)
    rest = rest_of(config, store, apps, Inspector(machine, loop.waiting.wait, edges))
    if rest.identity is not None:
        beside = _listening("Identity", config.access.listen, lambda where: secure(_listen(config.access.listen)))
        stack.callback(beside.close)
        hub.spawn(http.serve, beside, rest.identity, scheme=config.scheme, connections=256)
    gc.collect()
    gc.freeze()
    _tell_servers(config, loop, rows)
    loop.start()
    hub.spawn(follow, store)
    hub.spawn(keep_journal, store, config.journal_days)
    hub.spawn(http.serve, listener, rest.application, scheme=config.scheme, connections=1024)
    _announce(config, store, rest.password)
    return hub.Event()


def _tell_servers(config: Config, loop: Loop, rows: list[Any]) -> None:
    """Tell Nova, where there is one, what it is still to be told; else that waits no more."""
    waiting = sorted((row for row in rows if isinstance(row, ServerEvent)), key=key_of)
    forget = lambda numbers: loop.carry_out(Propose("forget_events", numbers))  # noqa: E731
    if config.nova is not None:
        loop.servers = nova = Nova(config.nova, forget)
        nova.tell(TellServers(tuple(waiting)))
        hub.spawn(nova.run)
    elif waiting:
        forget(tuple(map(key_of, waiting)))


def _check_quotas(config: Config, apps: Iterable[app.App]) -> None:
    """Limits are of resources that are there."""
    known = {quotas.DEFAULT, *quotas.counted(declare(config.settings, apps))}
    unknown = sorted({name for name, _ in config.settings.quotas} - known)
    if unknown:
        there = ", ".join(sorted(known - {quotas.DEFAULT}))
        raise ConfigError(f"[quotas] quota_{unknown[0]}: there is no such resource; there are {there}")


def _recording(path: str | None, config: Config, rows: list[Any]) -> TextIO | None:
    if path is None:
        return None
    try:
        file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115  (open to the end: the loop writes while we stop)
    except OSError as error:
        raise CannotStart(f"--record {path}: {error.strerror}") from None
    for row in (config.settings, *rows):
        write_event(file, row)
    file.write("\n")
    file.flush()
    return file


def _secure(name: str, section: str, files: Tls | None) -> Callable[[Any], Any]:
    """What puts TLS under a listener, if it shall have any."""
    if files is None:
        return lambda listener: listener
    try:
        context = tls.context(*files)
    except tls.Unusable as error:
        raise CannotStart(f"[{section}] {error}") from None
    return lambda listener: tls.Listener(listener, context, name)


def _openflow(where: str, loop: Loop, config: Config) -> OpenFlowServer:
    reactive = frozenset(table.id for table in LAYOUT.tables("INT") if table.reactive)
    secure = _secure("OpenFlow", "openflow", config.openflow_tls)
    server = OpenFlowServer(where, loop.emit, reactive, secure)
    server.start()
    return server


def _ovsdb(where: str, loop: Loop, config: Config) -> OvsdbServer:
    secure = _secure("OVSDB", "ovsdb", config.ovsdb_tls)
    server = OvsdbServer(where, loop.emit, logging.getLogger("patchbay.ovsdb"), secure=secure)
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


def _about_identity(config: Config, password: str) -> str:
    match config.access.strategy:
        case "builtin":
            text = f"  Identity  {config.scheme}://{config.access.listen}/v3\n"
            first = f"            user admin, project admin, password {password} (this is shown only once)\n"
            return text + (first if password else "")
        case "keystone":
            return "            tokens are checked by [keystone_authtoken]\n"
        case _:
            return "            WITHOUT AUTHENTICATION: see [api] auth_strategy\n"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name, or "" for all addresses
        return host == "localhost"


def _announce(config: Config, store: Store, password: str) -> None:
    """One screen: what listens where, and how a host joins."""
    if config.access.strategy == "none" and not _is_loopback(config.rest.host):
        LOG.warning("REST listens on %s WITHOUT AUTHENTICATION: whoever reaches it rules the network", config.rest)
    host = config.ovsdb.host if config.ovsdb.host not in ("", "0.0.0.0", "::") else "CONTROLLER"
    openflow, ovsdb = ("ssl" if files else "tcp" for files in (config.openflow_tls, config.ovsdb_tls))
    certificates = "  ovs-vsctl set-ssl KEY CERTIFICATE CA_CERTIFICATE\n" if "ssl" in (openflow, ovsdb) else ""
    print(
        f"""Patchbay is running (revision {store.revision}, {store.name})
  REST      {config.scheme}://{config.rest}/v2.0/
{_about_identity(config, password)}  OpenFlow  {openflow}:{config.openflow}
  OVSDB     {ovsdb}:{config.ovsdb}
To join a host, run there (local_ip: its tunnel address; bridge_mappings: only for VLAN and flat networks):
  ovs-vsctl set Open_vSwitch . external_ids:hostname=$(hostname) \\
      external_ids:local_ip=ADDRESS external_ids:bridge_mappings=physnet1:br-eth1
{certificates}  ovs-vsctl set-manager {ovsdb}:{host}:{config.ovsdb.port}
To look inside: patchbay hosts | ports | switches | flows SWITCH | explain SWITCH FLOW""",
        flush=True,
    )
