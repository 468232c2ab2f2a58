"""What every process has that serves REST: the application over its store, and a thread that follows other processes.

`controller.green` must have been imported before.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Any

from os_ken.lib import hub

from controller.config import Config
from controller.core.app import App
from controller.io.store import Store, Unavailable
from rest.wsgi import Application, application

LOG = logging.getLogger("patchbay")

FOLLOW = 0.05
"""Seconds between two looks at what other processes have written: well below what a person, or a guest that boots,
would notice, and twenty small statements a second."""


def application_of(config: Config, store: Store, apps: Iterable[App], inspector: Any = None) -> Application:
    """The API as the configuration wants it, over a store.  Without an inspector `/patchbay/v1` is not in it."""
    return application(
        store, config.settings, inspector, apps=apps, unavailable=Unavailable, body_limit=config.max_body_size
    )


def follow(store: Store) -> None:
    """Take over what other processes write, for as long as this one lives.  Asks nothing of a database that is ours
    alone, and waits for one that is lost, so that reads need not."""
    guarded(lambda: _follow(store))


def _follow(store: Store) -> None:
    while store.shared:
        store.fresh()
        hub.sleep(FOLLOW)


def guarded(work: Callable[[], None]) -> None:
    """A bug of ours must not leave a process that only seems to run: end it, loudly.  Flows stand."""
    try:
        work()
    except Exception:
        LOG.critical("this process ends because of a bug of its own", exc_info=True)
        logging.shutdown()
        os._exit(70)
