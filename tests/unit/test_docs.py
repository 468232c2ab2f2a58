"""The documentation tells the truth: what it names exists, its generated pages are fresh, its example runs."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from controller import cli
from controller.config_options import HOST_OPTIONS, SECTIONS

PROJECT = Path(__file__).resolve().parents[2]
DOCS = PROJECT / "docs"
GENERATED = DOCS / "generated"
PAGES = sorted({PROJECT / "README.md", *DOCS.rglob("*.md")} - set(GENERATED.iterdir()))
WIDTH = 120

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
POINTER = re.compile(r"([\w/]+\.py):([A-Za-z_][\w.]*)")
PATH = re.compile(r"[\w./*-]+/[\w./*-]*|[\w-]+\.(?:py|md|ini|cfg|toml)")
COMMAND = re.compile(r"(?:^|(?<!--os-cloud)[\s/`(])patchbay +([a-z]+)((?: +[^\s|;&>)]+)*)")
TREE_LINE = re.compile(r"^( *)((?:[\w./]+ )*[\w./]+)(?:  |$)")


class Said(NamedTuple):
    """A piece of code in a page."""

    page: Path
    code: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(PROJECT)}: {self.code}"


def blocks(page: Path, *languages: str) -> Iterator[str]:
    for language, text in FENCE.findall(page.read_text()):
        if not languages or language in languages:
            yield text


def code(page: Path) -> Iterator[Said]:
    """Inline code, and every line of shell blocks (lines that go on are joined)."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            yield Said(page, line.strip())
    for text in INLINE.findall(FENCE.sub("", page.read_text())):
        yield Said(page, text)


ALL_CODE = [said for page in PAGES for said in code(page)]


# ---------------------------------------------------------------------------------------------------------------------
# Generated pages


def run(*command: str, cwd: Path = PROJECT, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: other tests have declared tables and rows in this one."""
    return subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=120)


def test_generated_pages_are_fresh(tmp_path):
    made = run(sys.executable, "docs/generate.py", str(tmp_path), PYTHONPATH=str(PROJECT))
    assert made.returncode == 0, made.stderr
    others = ("benchmarks.", "tempest.")  # written by `make bench` and `tox -e api`
    names = {page.name for page in GENERATED.iterdir() if not page.name.startswith(others)}
    assert names == {page.name for page in tmp_path.iterdir()}
    stale = [name for name in names if (GENERATED / name).read_text() != (tmp_path / name).read_text()]
    assert not stale, f"{stale}: run .venv/bin/python docs/generate.py"


def test_patchbay_pipeline_prints_the_generated_page():
    printed = run(sys.executable, "-m", "controller", "pipeline")
    assert printed.stdout == (GENERATED / "pipeline.md").read_text()


# ---------------------------------------------------------------------------------------------------------------------
# Commands and options


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    with pytest.raises(SystemExit):
        cli.run([*command, "--help"])
    return capsys.readouterr().out


def commands_of(capsys: pytest.CaptureFixture[str], *command: str) -> list[str]:
    return re.findall(r"^    (\w+) ", help_of(capsys, *command), re.MULTILINE)


def options_of(capsys: pytest.CaptureFixture[str], name: str) -> set[str]:
    """The options of a command, or of all the verbs below it."""
    helps = [help_of(capsys, name), *(help_of(capsys, name, verb) for verb in commands_of(capsys, name))]
    return {option for text in helps for option in re.findall(r"--[a-z-]+", text)}


def test_commands_and_their_options_exist(capsys):
    commands = commands_of(capsys)
    options = {name: options_of(capsys, name) for name in commands}
    seen = set()
    for said in ALL_CODE:
        for name, rest in COMMAND.findall(said.code):
            assert name in options, f"{said}: there is no command {name}"
            unknown = {word for word in rest.split() if word.startswith("--")} - options[name]
            assert not unknown, f"{said}: {name} has no {unknown}"
            seen.add(name)
    assert seen == set(commands), f"no page tells of {set(commands) - seen}"


def test_options_that_stand_alone_exist(capsys):
    known = set(re.findall(r"--[a-z-]+", help_of(capsys, "serve") + help_of(capsys, "flows") + help_of(capsys)))
    alone = [said for said in ALL_CODE if re.fullmatch(r"--[a-z-]+( [A-Z:]+)?", said.code)]
    assert alone
    assert not [str(said) for said in alone if said.code.split()[0] not in known]


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = {(target, said) for said in ALL_CODE for target in re.findall(r"\bmake ([a-z-]+)", said.code)}
    assert {"demo", "test", "setup", "demo-clean"} <= {target for target, _ in named}
    assert not [str(said) for target, said in named if target not in targets]


def test_tox_environments_exist():
    known = set(re.findall(r"^\[testenv:(\w+)\]", (PROJECT / "tox.ini").read_text(), re.MULTILINE))
    found = [
        (said, name)
        for said in ALL_CODE
        for names in re.findall(r"tox run -e (\S+)", said.code)
        for name in names.split(",")
    ]
    assert found
    assert not [str(said) for said, name in found if name not in known]


def test_configuration_options_exist():
    known = {(section, option.name) for section, options in SECTIONS.items() for option in options}
    known |= {("host:NAME", option.name) for option in HOST_OPTIONS}
    named = {(found, said) for said in ALL_CODE for found in re.findall(r"\[([\w:]+)\] ([a-z_]+)", said.code)}
    assert len(named) > 5
    assert not [str(said) for found, said in named if found not in known]


# ---------------------------------------------------------------------------------------------------------------------
# Paths, links, pointers


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page):
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(file), f"{target}: there is no such heading"


def test_paths_exist():
    roots = {path.name for path in PROJECT.iterdir()}
    found = []
    for said in ALL_CODE:
        for path in PATH.findall(said.code):
            if path.split("/")[0] in roots and not path.startswith(".venv") and ":" not in path:
                found.append((said, path.rstrip(".")))
    assert len(found) > 40
    missing = [str(said) for said, path in found if not any(PROJECT.glob(path.rstrip("/")))]
    imagined = {"apps/x", "controller/io/y", "apps/bpdu_guard.py", "tests/apps/test_bpdu_guard.py"}
    assert not [text for text in missing if text.split(": ")[1] not in imagined]


def defined(file: Path) -> set[str]:
    """Functions, classes, methods and module constants of a file; methods as Class.name."""
    names: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
        if isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def test_pointers_into_the_source_hit():
    pointers = [(said, *found) for said in ALL_CODE for found in POINTER.findall(said.code)]
    assert len(pointers) > 60
    for said, path, name in pointers:
        files = [PROJECT / path] if "/" in path else list((PROJECT / "controller").rglob(path))
        assert any(file.exists() and name in defined(file) for file in files), f"{said}: {name} is not in {path}"


def tree_paths(block: str) -> Iterator[str]:
    """The paths in a tree drawing: two spaces an indentation, several names on a line, then words."""
    stack: list[str] = []
    for line in block.splitlines():
        found = TREE_LINE.match(line)
        assert found, f"{line!r} is no line of a tree"
        depth = len(found[1]) // 2
        for name in found[2].split():
            stack[depth:] = [name]
            yield "".join(part if part.endswith("/") else part + "/" for part in stack).rstrip("/")


def test_the_tree_is_what_is_there():
    named = set(tree_paths(next(blocks(DOCS / "architecture.md"))))
    assert not [path for path in named if not (PROJECT / path).exists()]
    there = [*(PROJECT / "controller").glob("*.py"), *(PROJECT / "controller" / "core").glob("*.py")]
    there += (PROJECT / "controller" / "io").iterdir()
    unnamed = {str(path.relative_to(PROJECT)) for path in there if not path.name.startswith("__")} - named
    assert not unnamed, f"{unnamed} are not in the tree of docs/architecture.md"


def test_the_architecture_names_the_tables_that_are_there():
    reference = (GENERATED / "pipeline.md").read_text()
    int_role = reference.partition("## Tables of `br-eth*`")[0]
    there = set(re.findall(r"^### (\d+) (\w+)$", int_role, re.MULTILINE))
    named = set(re.findall(r"\b(\d+) `(\w+)`", (DOCS / "architecture.md").read_text())) - {("0", "provider")}
    assert named == there


# ---------------------------------------------------------------------------------------------------------------------
# Form


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_pages_are_plain(page):
    text = page.read_text()
    assert text.startswith("# ")
    assert text.endswith("\n")
    long = [line for line in text.splitlines() if len(line) > WIDTH and not line.startswith("|")]
    assert not long
    assert not re.search(r"/work\b|[ \t]$", text, re.MULTILINE)


def test_every_decision_is_listed_and_has_its_parts():
    listed = (DOCS / "decisions" / "README.md").read_text()
    pages = sorted(DOCS.glob("decisions/0*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text()
        assert f"({page.name})" in listed
        assert [word for word in ("Context", "Decision", "Consequences") if f"**{word}.**" not in text] == []


# ---------------------------------------------------------------------------------------------------------------------
# The example


def test_the_example_app_runs(tmp_path):
    """The two files of docs/add_an_app.md beside a copy of the apps; nothing else is edited."""
    app, test = blocks(DOCS / "add_an_app.md", "python")
    shutil.copytree(PROJECT / "apps", tmp_path / "apps")
    (tmp_path / "apps" / "bpdu_guard.py").write_text(app)
    (tmp_path / "test_bpdu_guard.py").write_text(test)
    path = os.pathsep.join([str(tmp_path), str(PROJECT)])
    pytest_of = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = run(*pytest_of, str(tmp_path), cwd=tmp_path, PYTHONPATH=path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
