"""One worker of `patchbay api`: REST over a store of its own, in green threads.  It talks to no switch."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from controller import green  # noqa: F401  (first: it patches the standard library)

import eventlet  # isort: skip
from os_ken.lib import hub

from controller.config import Config, ConfigError
from controller.core import app
from controller.forward import Forward
from controller.io import http, tls
from controller.io.store import StoreError, Unavailable
from controller.serving import follow, opened, rest_of
from rest.policy import PolicyError
from rest.wsgi import Application

CONNECTIONS = 1024
"""Open at once in one worker at most."""
LAST = 5.0
"""Seconds at most for the requests that are being answered when the worker is told to end."""


def work(config: Config, listener: socket.socket, parent: int, ready: int) -> int:
    """Answer requests until SIGTERM, SIGINT, or the end of the parent process; returns the exit code.

    `parent` is the reading end of a pipe that the parent process holds open; a byte is written to `ready` when
    requests are answered.
    """
    apps = app.load()
    try:
        store = opened(config, apps)
        secure = tls.context(*config.rest_tls) if config.rest_tls else None
        certificate = config.rest_tls.certificate if config.rest_tls else None
        rest = rest_of(config, store, apps)
    except (ConfigError, PolicyError, StoreError, Unavailable, tls.Unusable) as error:
        print(f"patchbay: {error}", file=sys.stderr)
        return 2
    serving = Counted(Forward(rest.application, config.controller, certificate))
    if rest.password:
        print(f"user admin, project admin, password {rest.password} (this is shown only once)", flush=True)
    ended = hub.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    gc.collect()
    gc.freeze()
    hub.spawn(follow, store)
    hub.spawn(_wait_for_end, parent, ended)
    accepting = eventlet.greenio.GreenSocket(listener)
    if secure is not None:
        accepting = tls.Listener(accepting, secure, "REST")
    server = hub.spawn(http.serve, accepting, serving, scheme=config.scheme, connections=CONNECTIONS)
    os.write(ready, b".")
    ended.wait()
    hub.kill(server)
    serving.finish()
    store.close()
    return 0


class Counted:
    """A WSGI application that knows how many requests it is at, so that none is cut off at the end."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._busy = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self._busy += 1
        try:
            return self._application(environ, start_response)
        finally:
            self._busy -= 1

    def finish(self) -> None:
        """Wait until every request is answered, LAST seconds at most."""
        deadline = time.monotonic() + LAST
        while self._busy and time.monotonic() < deadline:
            hub.sleep(0.01)
        hub.sleep(0.05)  # what was answered last is yet to be sent


def _wait_for_end(parent: int, ended: Any) -> None:
    """The pipe never has anything to read; it ends when the parent does."""
    eventlet.hubs.trampoline(parent, read=True)
    ended.set()
