"""A controller process and two private Open vSwitches that joined it; or a bridge alone, and our session with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ovs.cloud import VLANS, Cloud
from tests.ovs.controller import Controller
from tests.ovs.link import Link
from tests.ovs.sandbox import Sandbox
from tests.random_flows import PORTS


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


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A host whose bridge br0 has the ports of random flows: p1, p2, ..."""
    with Sandbox(tmp_path_factory.mktemp("ovs")) as sandbox:
        bridge = ["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy", "fail_mode=secure"]
        ports = [
            word
            for port in PORTS
            for word in f"-- add-port br0 p{port} -- set Interface p{port} type=dummy ofport_request={port}".split()
        ]
        sandbox.vsctl(*bridge, *ports)
        yield sandbox


@pytest.fixture
def link(host: Sandbox) -> Iterator[Link]:
    """A session with br0, which has no flow, on a host that knows no connection."""
    host.appctl("dpctl/flush-conntrack")
    host.ofctl("del-flows", "br0")
    link = Link(host)
    yield link
    link.close()
