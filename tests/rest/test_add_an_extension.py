"""docs/add_an_extension.md, followed to the letter: a package of somebody else's is installed, found and tested."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.test_docs import DOCS, blocks

PROJECT = DOCS.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Where the page's package is installed, with its test beside it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    page = DOCS / "add_an_extension.md"
    (project,), (module, test) = blocks(page, "toml"), blocks(page, "python")
    (source / "pyproject.toml").write_text(project)
    (source / "patchbay_credential.py").write_text(module)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*pip, "--target", str(target), str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (target / "test_patchbay_credential.py").write_text(test)
    return target


def run(installed: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(PROJECT), str(installed)])
    env = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *command], cwd=installed, env=env, capture_output=True, text=True, check=False
    )


def test_the_page_works(installed):
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(installed), "-o", "addopts="]
    done = run(installed, "-m", "pytest", *options, "test_patchbay_credential.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b3 passed", done.stdout)


def test_it_is_documented(installed, tmp_path):
    done = run(installed, str(PROJECT / "docs" / "generate.py"), str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "| credential_id | " in (tmp_path / "rest.md").read_text()
    assert "NetworkCredential" in (tmp_path / "rows.md").read_text()
