"""What every process has that serves REST: the application over its store, and a thread that follows other processes.

`controller.green` must have been imported before.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import eventlet
import eventlet.tpool
from os_ken.lib import hub

from controller import identity
from controller.config import Config
from controller.core.app import App
from controller.core.plans import once
from controller.io.store import Behind, Store, StoreError, Unavailable
from rest.identity.passwords import Run
from rest.identity.wsgi import mounted
from rest.wsgi import Application, application

LOG = logging.getLogger("patchbay")

HASHING = 4
"""Passwords checked at once at most: each takes 64 MiB while it is."""
FOLLOW = 0.05
"""Seconds between two looks at what other processes have written: well below what a person, or a guest that boots,
would notice, and twenty small statements a second."""


class Rest(NamedTuple):
    """The API, the built-in identity service alone (if there is one), and the password of the user admin when this
    start has made both, to be shown once."""

    application: Application
    identity: Application | None
    password: str


def opened(config: Config, apps: Iterable[App]) -> Store:
    """The store, with the rows that apps have there from the start.  Raises StoreError."""
    store = Store(config.database, config.settings)
    try:
        store.execute(partial(once.run, tuple(apps)), who="patchbay")
    except Unavailable as error:
        store.close()
        raise StoreError(str(error)) from error
    return store


def rest_of(config: Config, store: Store, apps: Iterable[App], inspector: Any = None) -> Rest:
    """The API as the configuration wants it, over a store.  Without an inspector `/patchbay/v1` is not in it.  Raises
    ConfigError, PolicyError and what the store raises."""
    apps = tuple(apps)
    rules = [rule for feature in apps for rule in feature.policies]
    access = identity.access(config, store, rules, scheme=config.scheme, run=_in_a_thread())
    serving = application(
        store,
        config.settings,
        inspector,
        apps=apps,
        authenticate=access.authenticate,
        policy=access.policy,
        unavailable=Unavailable,
        body_limit=config.max_body_size,
    )
    if access.policy is not None:
        access.policy.complete()  # the application has registered its rules
    if access.identity is not None:
        serving = mounted(identity.MOUNT, access.identity, serving)
    return Rest(serving, access.identity, access.password)


def _in_a_thread() -> Run:
    """What has work done in a thread of its own, a few at a time, while everybody else gets on."""
    places = eventlet.semaphore.Semaphore(HASHING)

    def run(work: Callable[[], Any]) -> Any:
        with places:
            return eventlet.tpool.execute(work)

    return run


def follow(store: Store) -> None:
    """Take over what other processes write, for as long as this one lives.  Asks nothing of a database that is ours
    alone, and waits for one that is lost, so that reads need not."""
    guarded(lambda: _follow(store))


def _follow(store: Store) -> None:
    while store.shared:
        store.fresh()
        hub.sleep(FOLLOW)


def guarded(work: Callable[[], None]) -> None:
    """A bug of ours must not leave a process that only seems to run: end it, loudly.  Flows stand.  So ends one that
    only a new start brings up to date."""
    try:
        work()
    except Behind as behind:
        LOG.critical("this process ends, to be started again: %s", behind)
    except Exception:
        LOG.critical("this process ends because of a bug of its own", exc_info=True)
    else:
        return
    logging.shutdown()
    os._exit(70)
