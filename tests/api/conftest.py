"""Real clients against the real controller with its own identity.

`PATCHBAY_CLIENTS` is the directory with `openstack`, `tempest` and a `python` that has openstacksdk (`tox -e api` sets
it); without it nothing here runs.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.api.cloud import Cloud

CLIENTS = os.environ.get("PATCHBAY_CLIENTS", "")


def pytest_collection_modifyitems(items):
    if not CLIENTS:
        for item in items:
            if "tests/api/" in str(item.path):
                item.add_marker(pytest.mark.skip(reason="run by tox -e api, which installs the clients"))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    """A controller with an admin, a member and a reader, and one joined host."""
    with Cloud(tmp_path_factory.mktemp("api")) as made:
        yield made


@pytest.fixture(scope="session")
def clients() -> Path:
    return Path(CLIENTS)


@pytest.fixture(scope="session")
def openstack(cloud, clients):
    """`openstack("network create blue", user="kim")`: the parsed JSON, or the text of a command that prints none."""

    def run(words: str, user: str = "admin", fails: bool = False):
        shows = any(f" {verb} " in f" {words} " for verb in ("list", "show", "create", "issue")) and not fails
        command = [str(clients / "openstack"), *words.split(), *(["-f", "json"] if shows else [])]
        env = {**os.environ, **cloud.environment(user)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
        if fails:
            assert done.returncode != 0, done.stdout
            return done.stdout + done.stderr
        assert done.returncode == 0, (command, done.stderr)
        return json.loads(done.stdout) if shows else done.stdout

    return run
