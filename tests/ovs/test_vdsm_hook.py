"""The VDSM hook of contrib/ovirt as VDSM runs it, against a running controller; VDSM's own client is a script here."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ovs.cloud import Cloud
from tests.ovs.controller import ROOT, Controller, free_port
from tests.ovs.sandbox import Sandbox

HOOK = ROOT / "contrib" / "ovirt" / "wait_for_ports.py"
VM = "0f0e0d0c-0b0a-4908-8706-050403020100"
CLIENT = """#!/bin/sh
echo "$@" >> DIRECTORY/resumed
"""
NIC = """<interface type='bridge'>
  <mac address='fa:16:3e:00:00:01'/><source bridge='br-int'/>
  <virtualport type='openvswitch'><parameters interfaceid='PORT'/></virtualport>
</interface>"""
PATIENCE = 20


class Vdsm:
    """A hypervisor's VDSM, which has started a VM with these ports; `paused` for them, by its hook openstacknet."""

    def __init__(self, directory: Path, url: str, *ports: str, paused: bool = True, **options: object) -> None:
        self.directory = directory
        directory.mkdir()
        client = directory / "vdsm-client"
        client.write_text(CLIENT.replace("DIRECTORY", str(directory)))
        client.chmod(0o755)
        nics = "".join(NIC.replace("PORT", port) for port in ports)
        plain = "<interface type='bridge'><source bridge='ovirtmgmt'/></interface>"
        (directory / "domain.xml").write_text(f"<domain><devices>{plain}{nics}</devices></domain>")
        values = {"url": url, "timeout": PATIENCE, **options}
        lines = [f"{name} = {value}\n" for name, value in values.items()]
        (directory / "patchbay.conf").write_text("[patchbay]\n" + "".join(lines))
        self.mark = directory / VM / "marked_for_unpause"
        self.mark.parent.mkdir()
        if paused:
            self.mark.write_text("true")

    def start(self) -> subprocess.Popen[str]:
        """Run the hook."""
        environment = {
            "PATH": f"{self.directory}:{os.environ['PATH']}",
            "vmId": VM,
            "_hook_domxml": str(self.directory / "domain.xml"),
            "PATCHBAY_HOOK_CONFIG": str(self.directory / "patchbay.conf"),
            "PATCHBAY_HOOK_RUN": str(self.directory),
            "http_proxy": "http://127.0.0.1:1",  # of no concern to it
        }
        command = [sys.executable, "-I", str(HOOK)]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    def end(self, hook: subprocess.Popen[str]) -> tuple[int, str]:
        """Its exit code, and what it wrote."""
        _, written = hook.communicate(timeout=PATIENCE + 10)
        return hook.returncode, written

    def run(self) -> tuple[int, str]:
        return self.end(self.start())

    @property
    def resumed(self) -> str:
        """What VDSM's client was asked."""
        asked = self.directory / "resumed"
        return asked.read_text().strip() if asked.exists() else ""


RESUMED = f"VM cont vmID={VM}"


def test_a_vm_goes_on_when_all_its_ports_are_wired(cloud: Cloud, tmp_path: Path) -> None:
    network = cloud.network()
    ports = [cloud.controller.make("port", network_id=network["id"]) for _ in range(2)]
    vdsm = Vdsm(tmp_path / "vdsm", cloud.controller.url + "/", *(port["id"] for port in ports), str(uuid.uuid4()))
    hook = vdsm.start()
    cloud.h1.add_vif("br-int", "tap1", ports[0]["id"], ports[0]["mac_address"])
    cloud.wait_status(ports[0], "ACTIVE")
    time.sleep(0.5)
    assert hook.poll() is None and vdsm.mark.exists() and not vdsm.resumed
    cloud.h1.add_vif("br-int", "tap2", ports[1]["id"], ports[1]["mac_address"])
    assert vdsm.end(hook) == (0, "")
    assert cloud.controller.status(ports[1]["id"]) == "ACTIVE"
    assert vdsm.resumed == RESUMED and not vdsm.mark.exists()
    # Where all is wired already it takes no longer than to ask.
    again = Vdsm(tmp_path / "again", cloud.controller.url, *(port["id"] for port in ports), timeout=0)
    assert again.run() == (0, "")
    assert again.resumed == RESUMED


@pytest.mark.parametrize(("choice", "resumed"), [("resume", RESUMED), ("leave", "")])
def test_a_port_that_is_not_wired_in_time(controller: Controller, tmp_path: Path, choice: str, resumed: str) -> None:
    port = controller.make("port", network_id=controller.make("network")["id"])["id"]
    vdsm = Vdsm(tmp_path / "vdsm", controller.url, port, timeout=0.5, on_timeout=choice)
    assert vdsm.run() == (1, f"patchbay: VM {VM}: port {port} is not ready, after 0.5 s\n")
    assert (vdsm.resumed, vdsm.mark.exists()) == (resumed, not resumed)


def test_a_port_with_a_fault_is_not_waited_for(controller: Controller, hosts: list[Sandbox], tmp_path: Path) -> None:
    """Two ports whose VIF is one and the same."""
    network = controller.make("network")
    controller.join(hosts[0], "h1")
    profile = {"interface": "vif1.0"}
    more = {"network_id": network["id"], "binding__host_id": "h1", "binding__profile": profile}
    ports = [controller.make("port", **more)["id"] for _ in range(2)]
    hosts[0].add_vif("br-int", "vif1.0")
    controller.wait(lambda: "ERROR" in map(controller.status, ports), "the fault")
    (broken,) = [port for port in ports if controller.status(port) == "ERROR"]
    vdsm = Vdsm(tmp_path / "vdsm", controller.url, *ports)
    assert vdsm.run() == (1, f"patchbay: VM {VM}: the controller has a fault with port {broken}\n")
    assert vdsm.resumed == RESUMED


def test_a_vm_that_nobody_paused_is_left_alone(tmp_path: Path) -> None:
    vdsm = Vdsm(tmp_path / "vdsm", "http://127.0.0.1:1", "some-port", paused=False)
    assert vdsm.run() == (0, "")
    assert not vdsm.resumed


def test_a_controller_that_does_not_answer(tmp_path: Path) -> None:
    vdsm = Vdsm(tmp_path / "vdsm", f"http://127.0.0.1:{free_port('127.0.0.1')}", "some-port", timeout=0.3)
    code, written = vdsm.run()
    assert (code, vdsm.resumed) == (1, RESUMED)
    assert "/v2.0/ports does not answer (" in written and written.endswith(", after 0.3 s\n")


@pytest.mark.parametrize(
    ("config", "domain", "words"),
    [
        ("no section", "", "patchbay.conf: File contains no section headers"),
        (None, "", "patchbay.conf: [Errno 2]"),
        ("[patchbay]\ntimeout = soon\n", "", "ValueError: could not convert string to float: 'soon'"),
        ("[patchbay]\n", "<domain>", "ParseError: no element found"),
        ("[patchbay]\nurl = nowhere\n", "", "ValueError: unknown url type"),
    ],
)
def test_what_is_wrong_with_it_keeps_no_vm_paused(tmp_path: Path, config: str | None, domain: str, words: str) -> None:
    vdsm = Vdsm(tmp_path / "vdsm", "http://127.0.0.1:1", "some-port")
    path = vdsm.directory / "patchbay.conf"
    path.unlink()
    if config is not None:
        path.write_text(config)
    if domain:
        (vdsm.directory / "domain.xml").write_text(domain)
    code, written = vdsm.run()
    assert (code, vdsm.resumed) == (1, RESUMED)
    assert words in written


# -- with authentication -----------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    monkeypatch.setenv("PATCHBAY_ADMIN_PASSWORD", "secret")
    made = Controller(tmp_path / "guarded")
    made.ports["identity"] = free_port(made.address)
    made.configure({"api": {"auth_strategy": "builtin"}})
    with made:
        yield made


def sign_in(controller: Controller) -> dict[str, str]:
    """Options of the hook."""
    return {"auth_url": f"{controller.url}/identity/v2.0/", "username": "admin", "password": "secret"}


def test_with_authentication(guarded: Controller, tmp_path: Path) -> None:
    port = first_port(guarded)
    strange = Vdsm(tmp_path / "strange", guarded.url, str(uuid.uuid4()), project="admin", **sign_in(guarded))
    assert strange.run() == (0, ""), "it asked, and was told that there is no such port"
    late = Vdsm(tmp_path / "late", guarded.url, port, timeout=0.3, **sign_in(guarded))
    assert late.run() == (1, f"patchbay: VM {VM}: port {port} is not ready, after 0.3 s\n")
    for number, wrong in enumerate(({"password": "wrong"}, {"auth_url": ""}, {"project": "nope"})):
        vdsm = Vdsm(tmp_path / f"wrong{number}", guarded.url, port, **{**sign_in(guarded), **wrong})
        code, written = vdsm.run()
        assert (code, vdsm.resumed) == (1, RESUMED)
        assert written.endswith(" answers 401\n")


def first_port(controller: Controller) -> str:
    """A port of a new network, made by the user admin."""

    def post(url: str, body: Any, token: str = "") -> Any:
        headers = {"Content-Type": "application/json", "X-Auth-Token": token}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read())

    credentials = {"username": "admin", "password": "secret"}
    access = post(f"{controller.url}/identity/v2.0/tokens", {"auth": {"passwordCredentials": credentials}})
    token = access["access"]["token"]["id"]
    network = post(f"{controller.url}/v2.0/networks", {"network": {"name": "blue"}}, token)["network"]["id"]
    return str(post(f"{controller.url}/v2.0/ports", {"port": {"network_id": network}}, token)["port"]["id"])


def test_it_asks_nothing_of_python_that_old_hosts_do_not_have() -> None:
    """It is read as Python 3.6 would."""
    ast.parse(HOOK.read_text(), feature_version=(3, 6))
    assert os.access(HOOK, os.X_OK)
