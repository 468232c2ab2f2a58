"""The docstrings of mininet_topos, followed word for word: the commands are run, the output is what they promise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from mininet_topos import scenarios
from tests.one_at_a_time import alone

PROJECT = Path(__file__).resolve().parents[2]
OVS_CTL = "/usr/share/openvswitch/scripts/ovs-ctl"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("mn") is None, reason="needs Mininet (make setup)"),
]


def blocks(docstring: str) -> tuple[list[str], list[str]]:
    """The commands (continued lines joined) and the expected output lines of a scenario's docstring."""
    before, _, after = docstring.partition("Expected:")
    commands = [line.strip() for line in before.replace("\\\n", " ").splitlines() if line.startswith("    ")]
    output = [line.strip() for line in after.splitlines() if line.startswith("    ")]
    return [command for command in commands if command.startswith(("/usr", "python3", ".venv", "PYTHONPATH"))], output


def shell(command: str, directory: Path, timeout: float = 90) -> str:
    """Run a documented command from the project's directory; /tmp is the test's own.  Fails on a code other than 0."""
    log = directory / "command.log"
    with log.open("w") as output:  # a file: daemons that the command leaves behind may keep it open
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=timeout,
        )
    assert done.returncode == 0, f"{command}\n{log.read_text()}"
    return log.read_text()


@pytest.fixture(autouse=True)
def open_vswitch():
    """The machine's own Open vSwitch, alone: started by the first documented command, stopped if it was not running.

    What an aborted run left in it is removed before and after.
    """
    with alone("/usr/share/openvswitch"):
        running = subprocess.run(["ovs-vsctl", "--timeout=2", "show"], capture_output=True).returncode == 0
        if running:
            remove_remains()
        yield
        remove_remains()
        if not running:
            subprocess.run([OVS_CTL, "stop"], check=True, capture_output=True)


def remove_remains():
    graphs = [scenarios.load(name) for name in scenarios.NAMES]
    underlays = [host.underlay.bridge for graph in graphs for host in graph.hosts if host.underlay]
    bridges = sorted({bridge for graph in graphs for bridge in graph.switches} | set(underlays))
    for bridge in bridges:
        subprocess.run(["ovs-vsctl", "--timeout=5", "--if-exists", "del-br", bridge], capture_output=True)
    for interface in {vm.interface for graph in graphs for vm in graph.vms}:
        subprocess.run(["ip", "link", "delete", interface], capture_output=True)


@pytest.fixture
def served():
    """Starts the documented `patchbay serve` in the background and waits until REST answers."""
    processes = []

    def serve(command: str, log: Path) -> None:
        words = command.removesuffix("&").replace(".venv/bin/patchbay", f"{sys.executable} -m controller").split()
        with log.open("w") as output:
            process = subprocess.Popen(words, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        processes.append(process)
        end = time.monotonic() + 30
        while not answers():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, f"REST does not answer: {log.read_text()}"
            time.sleep(0.1)

    yield serve
    for process in processes:
        process.kill()
        process.wait()


def answers() -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open("http://127.0.0.1:9696/", timeout=5):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("name", scenarios.NAMES)
def test_the_documented_commands_give_the_documented_output(name, tmp_path, served):
    commands, expected = blocks(sys.modules[f"mininet_topos.{scenarios.load(name).name}"].__doc__)
    assert len(commands) == 5
    assert len(expected) == 5
    output = ""
    for command in (command.replace("/tmp/", f"{tmp_path}/") for command in commands):
        if command.endswith("&"):
            served(command, tmp_path / "serve.log")
        else:
            output = shell(command, tmp_path)
    lines = [line.strip() for line in output.splitlines()]
    assert [line for line in lines if " -> " in line or "dropped" in line] == expected, (
        tmp_path / "serve.log"
    ).read_text()


def test_binding_twice_makes_nothing_twice(tmp_path, served):
    config = tmp_path / "one_host.ini"
    config.write_text(shell("python3 -m mininet_topos.ini one_host", tmp_path))
    served(
        f".venv/bin/patchbay serve --config {config} --database sqlite:///{tmp_path}/one_host.db &", tmp_path / "log"
    )
    first = shell("python3 -m mininet_topos.bind one_host", tmp_path)
    assert first.count("port ") == 4
    assert shell("python3 -m mininet_topos.bind one_host", tmp_path) == first
