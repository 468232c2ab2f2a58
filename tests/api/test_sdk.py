"""openstacksdk: a program that makes, pages, finds, changes and removes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path


def test_a_program_over_the_sdk(cloud, clients):
    program = Path(__file__).with_name("sdk_session.py")
    env = {**os.environ, **cloud.environment("kim")}
    command = [str(clients / "python"), str(program)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "made": 5,
        "pages": 5,
        "by name": True,
        "missing": True,
        "renamed": "first",
        "if match": "refused",
        "in use": True,
        "rule": "tcp",
        "tags": ["x", "y"],
        "default group": ["default"],
        "gone": True,
    }
