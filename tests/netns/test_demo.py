"""`make demo`, as a person runs it: twice, interrupted, kept and ended."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from demo.testbed import lease
from tests.one_at_a_time import alone

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _alone():
    """A demo ends a kept one that it finds."""
    with alone(tempfile.gettempdir()):
        yield


def demo(*arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "demo", *arguments]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=PROJECT, text=True, **pipes)


def finish(process: subprocess.Popen) -> str:
    """The rest of what it prints, once it has ended."""
    output, _ = process.communicate(timeout=180)
    return output


def number(output: str) -> int:
    return int(re.search(r"10\.214\.(\d+)\.", output)[1])


def assert_gone(bed: int) -> None:
    assert lease.namespaces(bed) == []
    assert not lease.directory(bed).exists()


def test_it_shows_steps_paths_and_a_table_and_leaves_nothing():
    process = demo()
    output = finish(process)
    assert process.returncode == 0, output
    assert "✗" not in output
    result = output.partition("Result\n")[2]
    assert re.findall(r"^  (blue|green) +(vlan 1000|vxlan 77) .* ok +[\d.]+ ms$", result, re.M) == [
        ("blue", "vlan 1000"),
        ("blue", "vlan 1000"),
        ("green", "vxlan 77"),
        ("green", "vxlan 77"),
    ]
    paths = output.partition("The paths")[2]
    assert "the trunk of physnet1, VLAN 1000" in paths
    assert "VXLAN 77 from" in paths
    assert "mod_vlan_vid:1000" in paths or "set_field:5096->vlan_vid" in paths
    assert "no flow  =>  drop" not in paths
    assert_gone(number(output))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_cleans_up(sent):
    process = demo()
    output = ""
    while "hv1 joins" not in output:
        line = process.stdout.readline()
        assert line, output
        output += line
    process.send_signal(sent)
    output += finish(process)
    assert process.returncode == 128 + sent
    assert "interrupted" in output
    assert_gone(number(output))


def test_kept_it_runs_on_until_it_is_ended():
    process = demo("--keep")
    output = finish(process)
    assert process.returncode == 0, output
    bed = number(output)
    try:
        ping = re.search(r"^ +(ip netns exec .* ping .*)$", output, re.M)[1]
        assert (
            " 3 received" in subprocess.run(["bash", "-c", f"{ping} -c3 -i0.1"], capture_output=True, text=True).stdout
        )
        for command in re.findall(r"^ +((?:curl|OVS_RUNDIR|\.venv).*)$", output, re.M):
            done = subprocess.run(["bash", "-c", command], cwd=PROJECT, capture_output=True, text=True)
            assert (done.returncode, bool(done.stdout)) == (0, True), f"{command}: {done.stdout}{done.stderr}"
    finally:
        ended = finish(demo("--clean"))
    assert "ended 1" in ended
    assert_gone(bed)
