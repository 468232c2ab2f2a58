"""`patchbay api`: several processes that answer REST over one database, behind one listening socket.

This process listens, forks the workers and looks after them; it imports neither the store nor green threads, so a
worker begins clean.  A worker that dies is replaced, and what waited in the socket's queue is answered by the others.
"""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import socket
import sys
import time
from types import FrameType

from controller.config import Config, ConfigError, load
from controller.config_types import Address

LOG = logging.getLogger("patchbay.api")

BACKLOG = 1024
"""Connections that may wait to be accepted."""
AGAIN = 1.0
"""Seconds between the starts of workers that die at once."""
PATIENCE = 10.0
"""Seconds that workers have for the requests they are at when they are told to end."""
CANNOT_START = 2
"""Exit code of a worker that can't work, a bad database say: there is no use in starting another."""


def api(options: argparse.Namespace) -> int:
    """Run the workers until SIGTERM or SIGINT; returns 0, or 2 when they can't start."""
    try:
        config = _config(options)
        listener = _listen(config.workers_listen)
    except (ConfigError, OSError) as error:
        print(f"patchbay: {error}", file=sys.stderr)
        return CANNOT_START
    logging.basicConfig(level=config.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(max(logging.WARNING, logging.getLevelName(config.log_level)))
    with listener:
        workers = Workers(config, listener, options.workers)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, workers.told_to_end)
        return workers.run()


def _config(options: argparse.Namespace) -> Config:
    given = {"database": options.database, "log_level": options.log_level}
    given |= {"workers_listen": options.rest, "controller": options.controller}
    return load(options.config, given)


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise OSError(f"REST can't listen on {address}: {os.strerror(error.errno or 0)}") from None


class Workers:
    """The worker processes.  Each holds the reading end of a pipe whose writing end is ours alone: when we end, in
    whatever way, they see it and end, too."""

    def __init__(self, config: Config, listener: socket.socket, number: int) -> None:
        self._config = config
        self._listener = listener
        self._number = number
        self._alive: dict[int, float] = {}
        self._ending = False
        self._ours, self._theirs = os.pipe(), os.pipe()

    def told_to_end(self, number: int, frame: FrameType | None) -> None:
        self._ending = True
        for pid in self._alive:
            os.kill(pid, signal.SIGTERM)

    def run(self) -> int:
        """Start the workers, the first one alone: it makes the schema, or says why it can't.  Then keep them going."""
        self._start()
        while not self._ending and not self._ready(0.05):
            code = self._gone()
            if code is not None and code > 0:
                return code
            if not self._alive:
                self._start()
        for _ in range(self._number - 1):
            self._start()
        for _ in range(self._number - 1):
            while not self._ending and not self._ready(0.05):
                self._gone()
        self._announce()
        while not self._ending:
            self._gone()
            while len(self._alive) < self._number and not self._ending:
                self._start()
            time.sleep(0.05)
        return self._end()

    def _start(self) -> None:
        if self._ending:
            return
        pid = os.fork()
        if pid == 0:
            self._work()
        self._alive[pid] = time.monotonic()

    def _work(self) -> None:
        """The child: become a worker, and never come back."""
        code = 70
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            os.close(self._ours[1])
            from controller.worker import work

            code = work(self._config, self._listener, self._ours[0], self._theirs[1])
        except Exception:
            LOG.critical("a worker ends because of a bug of its own", exc_info=True)
        finally:
            logging.shutdown()
            os._exit(code)

    def _ready(self, seconds: float) -> bool:
        """Whether one more worker has said that it answers."""
        if not select.select([self._theirs[0]], [], [], seconds)[0]:
            return False
        os.read(self._theirs[0], 1)
        return True

    def _gone(self) -> int | None:
        """Notice one worker that has ended; its exit code."""
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == 0:
            return None
        code = os.waitstatus_to_exitcode(status)
        lived = time.monotonic() - self._alive.pop(pid)
        if not self._ending and code != CANNOT_START:
            LOG.error("worker %d ended with %d; another takes its place", pid, code)
            time.sleep(max(0.0, AGAIN - lived))
        return code

    def _end(self) -> int:
        self.told_to_end(signal.SIGTERM, None)
        deadline = time.monotonic() + PATIENCE
        while self._alive and time.monotonic() < deadline:
            if self._gone() is None:
                time.sleep(0.02)
        for pid in self._alive:
            os.kill(pid, signal.SIGKILL)
        return 0

    def _announce(self) -> None:
        if self._ending:
            return
        scheme = self._config.scheme
        print(
            f"""Patchbay's API is running ({self._number} processes)
  REST        {scheme}://{self._config.workers_listen}/v2.0/
  controller  {scheme}://{self._config.controller}/""",
            flush=True,
        )
