"""A controller process and two private Open vSwitches that joined it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ovs.cloud import VLANS, Cloud
from tests.ovs.controller import Controller
from tests.ovs.sandbox import Sandbox


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[Sandbox]]:
    with Sandbox(tmp_path / "h1") as h1, Sandbox(tmp_path / "h2") as h2:
        yield [h1, h2]


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    with Controller(tmp_path / "controller", VLANS) as controller:
        yield controller


@pytest.fixture
def cloud(controller: Controller, hosts: list[Sandbox]) -> Cloud:
    return Cloud(controller, hosts)
