"""docs/operations.md, "Five minutes to the API", typed line by line by a newcomer; installing is done already."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from tests.unit.test_docs import DOCS

PROJECT = DOCS.parent
DONE = ("make setup", "python3 -m venv clients", "clients/bin/pip install")


def commands():
    section = (DOCS / "operations.md").read_text().split("## Five minutes to the API")[1].split("\n## ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    lines = block.splitlines()
    assert [line for line in lines if line.startswith(DONE)] == lines[: len(DONE)]
    return lines[len(DONE) :]


def test_five_minutes_to_the_api(tmp_path, clients):
    (tmp_path / ".venv").symlink_to(PROJECT / ".venv")
    (tmp_path / "clients").mkdir()
    (tmp_path / "clients" / "bin").symlink_to(clients)
    script = "\n".join(["set -e", *commands(), "kill %1"]).replace("/tmp/patchbay", f"{tmp_path}/patchbay")
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    process = subprocess.Popen(
        ["bash", "-m", "-c", script],
        cwd=tmp_path,
        env={**os.environ, **home},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=120)
    finally:
        _end(tmp_path)
    assert process.returncode == 0, said
    assert "10.0.0." in said
    assert "vm1" in said


def _end(directory: Path) -> None:
    """Whatever of the script's is still running (job control gives the controller a group of its own)."""
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if entry.name.isdecimal() and any(str(directory).encode() in word for word in words):
            os.kill(int(entry.name), signal.SIGKILL)
