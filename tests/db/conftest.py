"""A new, empty database of each kind for every test; a server is started when the first test wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller.core.app import load
from controller.core.settings import Settings
from controller.io.store import Store
from tests.db.servers import MariaDB, PostgreSQL, Server

load()  # their rows have tables, too, whichever test runs first
SERVERS: dict[str, type[Server]] = {"postgresql": PostgreSQL, "mariadb": MariaDB}


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], Server]]:
    """`servers("postgresql")` is the running server of that kind, one for the session (and worker of xdist)."""
    started: dict[str, Server] = {}

    def server(kind: str) -> Server:
        if kind not in started:
            started[kind] = SERVERS[kind]()
        return started[kind]

    yield server
    for running in started.values():
        running.remove()


@pytest.fixture(params=["sqlite", *SERVERS])
def kind(request: pytest.FixtureRequest) -> str:
    """Which database."""
    return str(request.param)


@pytest.fixture
def url(kind: str, servers: Callable[[str], Server], tmp_path: Path) -> Iterator[str]:
    """The URL of a new, empty database."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path}/patchbay.db"
        return
    made = servers(kind).create()
    yield made
    servers(kind).drop(made)


@pytest.fixture
def opened() -> Iterator[Callable[[str], Store]]:
    """Opens stores, which are closed again at the end."""
    stores: list[Store] = []

    def open_store(url: str) -> Store:
        stores.append(Store(url, Settings()))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()
