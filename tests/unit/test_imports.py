"""Who may import what (docs/architecture.md): the layering, told to the one who breaks it together with its reason."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PROJECT = Path(__file__).resolve().parents[2]


class Import(NamedTuple):
    """`name` is the dotted name of what is imported: a module, or a module and what is taken from it."""

    file: Path
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(PROJECT)}:{self.line} imports {self.name}"


class Ban(NamedTuple):
    """Files under `layer` never import `module`, nor anything below it."""

    layer: str
    module: str
    reason: str


PURE = "core is a function of events: "
BANS = [
    Ban("controller/core", "os_ken", PURE + "bytes on the wire are the business of io.openflow"),
    Ban("controller/core", "ovsdbapp", PURE + "OVSDB is the business of io.ovsdb"),
    Ban("controller/core", "ovs", PURE + "OVSDB is the business of io.ovsdb"),
    Ban("controller/core", "sqlalchemy", PURE + "tables are derived from rows by io.store"),
    Ban("controller/core", "eventlet", PURE + "it never waits; the loop does"),
    Ban("controller/core", "webob", PURE + "HTTP is the business of rest"),
    Ban("controller/core", "oslo_config", PURE + "configuration is passed in as one frozen value"),
    Ban("controller/core", "socket", PURE + "no I/O, or replay would not give the same effects"),
    Ban("controller/core", "os", PURE + "no I/O and no environment, or replay would not give the same effects"),
    Ban("controller/core", "subprocess", PURE + "no I/O, or replay would not give the same effects"),
    Ban("controller/core", "threading", PURE + "one event at a time"),
    Ban("controller/core", "asyncio", PURE + "it never waits; the loop does"),
    Ban("controller/core", "logging", PURE + "what happened is told by effects and rows"),
    Ban("controller/core", "time", PURE + "time arrives as an event (Tick, draft.now), or replay would differ"),
    Ban("controller/core", "datetime", PURE + "time arrives as an event (Tick, draft.now), or replay would differ"),
    Ban("controller/core", "random", PURE + "randomness is passed in (draft.new_id), or replay would differ"),
    Ban("controller/core", "secrets", PURE + "randomness is passed in (draft.new_id), or replay would differ"),
    Ban("controller/core", "uuid", PURE + "randomness is passed in (draft.new_id), or replay would differ"),
    Ban("controller/core", "apps", "core serves any set of apps; deleting an app must not break it"),
    Ban("controller/core", "rest", "core does not know who asks"),
    Ban("controller/core", "controller.io", "the edges depend on the core, not the core on the edges"),
    Ban("apps", "controller.io", "an app is pure: it returns flows and effects, and the edges carry them out"),
    Ban("apps", "controller.core.engine", "an app is called by the engine and must not steer it"),
    Ban("apps", "controller.core.ledger", "an app says what is desired; what is installed is not its business"),
    Ban("apps", "controller.core.machine", "an app is a part of the machine, not its user"),
    Ban("apps", "rest", "REST attributes follow from an app's rows"),
    Ban("controller/io", "apps", "an edge carries bytes and knows no feature"),
    Ban("controller/io", "rest", "edges don't know each other"),
    Ban("rest", "os_ken", "REST reads and writes rows, and never talks to a switch"),
    Ban("rest", "controller.core.engine", "REST reads and writes rows; what follows from them is not its business"),
    Ban("rest", "controller.core.ledger", "REST reads and writes rows; what follows from them is not its business"),
    Ban("rest", "controller.io", "the store is handed in, so REST is tested without a database"),
    Ban("rest", "sqlalchemy", "the store is handed in, so REST is tested without a database"),
    Ban("rest", "apps", "REST serves whatever rows the apps declare; none by name"),
]

EDGES = {
    "store": {"sqlalchemy", "alembic"},
    "openflow": {"os_ken", "eventlet"},
    "ovsdb": {"ovsdbapp", "ovs", "eventlet"},
    "http": {"eventlet"},
    "tls": {"eventlet"},
    "nova": {"keystoneauth1", "eventlet"},
}
"""Each edge and its library (os-ken and the OVSDB client wait through eventlet).  TLS is handed to the others by
whoever puts them together, and so is the application that HTTP serves."""

THIRD_PARTY = {
    "controller/core": {"netaddr"},
    "apps": {"netaddr", "os_ken"},
    "rest": {"netaddr", "webob", "oslo_config", "oslo_policy", "cryptography", "argon2"},
}
"""What a layer may import that is neither the standard library nor ours (REST: policy, tokens and passwords)."""

OURS = {"controller", "apps", "rest"}


def python_files(*layers: str) -> list[Path]:
    return sorted(path for layer in layers for path in (PROJECT / layer).rglob("*.py"))


def imports(file: Path) -> Iterator[Import]:
    """Every import statement of a file, also those inside functions; relative ones as absolute names."""
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(file, node)
            yield from (Import(file, node.lineno, f"{module}.{alias.name}") for alias in node.names)


def _absolute(file: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = file.relative_to(PROJECT).parent.parts
    parents = package[: len(package) - node.level + 1]
    return ".".join([*parents, *([node.module] if node.module else [])])


def is_of(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def layer_imports(layer: str) -> list[Import]:
    found = [made for file in python_files(layer) for made in imports(file)]
    assert found, f"no imports found under {layer}: this test looks at the wrong place"
    return found


@pytest.mark.parametrize("ban", BANS, ids=lambda ban: f"{ban.layer}:{ban.module}")
def test_layer_never_imports(ban):
    broken = [str(made) for made in layer_imports(ban.layer) if is_of(made.name, ban.module)]
    assert not broken, f"{broken}; {ban.reason}"


@pytest.mark.parametrize("layer", THIRD_PARTY)
def test_layer_imports_no_library_but_its_own(layer):
    allowed = THIRD_PARTY[layer] | OURS | set(sys.stdlib_module_names)
    broken = [str(made) for made in layer_imports(layer) if made.name.partition(".")[0] not in allowed]
    assert not broken, f"{broken}; {layer} may use {sorted(THIRD_PARTY[layer])} only"


def test_apps_use_os_ken_for_packet_codecs_only():
    names = [made for made in layer_imports("apps") if is_of(made.name, "os_ken")]
    broken = [str(made) for made in names if not is_of(made.name, "os_ken.lib.packet")]
    assert not broken, f"{broken}; OpenFlow itself is the business of io.openflow"


def edge_of(file: Path) -> str:
    """The edge that a file under controller/io belongs to: io/store/tables.py and io/store.py are of `store`."""
    return file.relative_to(PROJECT / "controller" / "io").parts[0].removesuffix(".py")


@pytest.mark.parametrize("edge", EDGES)
def test_each_edge_imports_core_and_its_one_library(edge):
    allowed = EDGES[edge] | OURS | {"netaddr"} | set(sys.stdlib_module_names)
    found = [made for made in layer_imports("controller/io") if edge_of(made.file) == edge]
    broken = [str(made) for made in found if made.name.partition(".")[0] not in allowed]
    assert not broken, f"{broken}; one edge, one library: {sorted(EDGES[edge])}"


def test_edges_do_not_know_each_other():
    broken = []
    for made in layer_imports("controller/io"):
        edge = edge_of(made.file)
        if edge != "loop" and is_of(made.name, "controller.io") and not is_of(made.name, f"controller.io.{edge}"):
            broken.append(str(made))
    assert not broken, f"{broken}; only the loop joins the edges"


def app_imports() -> Iterator[tuple[str, Import]]:
    """(app, import) for each import of one app by another."""
    for made in layer_imports("apps"):
        app = made.file.relative_to(PROJECT / "apps").parts[0].removesuffix(".py")
        if is_of(made.name, "apps") and app != "__init__" and not is_of(made.name, f"apps.{app}"):
            yield app, made


def test_apps_take_only_row_classes_from_each_other():
    broken = [str(made) for _, made in app_imports() if not is_row_class(made.name)]
    assert not broken, f"{broken}; apps meet in rows, so that each can be read and deleted alone"


def is_row_class(name: str) -> bool:
    """Whether `apps.other.Name` is a class that app declares as a row (`@row`, `@app.row`)."""
    _, module, *rest = name.split(".")
    file = PROJECT / "apps" / f"{module}.py"
    tree = ast.parse(file.read_text())
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef) if is_declared_row(node)}
    return len(rest) == 1 and rest[0] in classes


def is_declared_row(node: ast.ClassDef) -> bool:
    calls = [decorator.func if isinstance(decorator, ast.Call) else decorator for decorator in node.decorator_list]
    names = [call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls]
    return "row" in names


def test_apps_do_not_import_each_other_in_a_circle():
    edges: dict[str, set[str]] = {}
    for app, made in app_imports():
        edges.setdefault(app, set()).add(made.name.split(".")[1])
    for start in edges:
        reached, todo = set(), set(edges[start])
        while todo:
            app = todo.pop()
            assert app != start, f"{start} imports itself by way of {sorted(reached)}"
            reached.add(app)
            todo |= edges.get(app, set()) - reached


def test_nothing_is_called_utils_or_common():
    layers = ("controller", "apps", "rest", "mininet_topos", "demo", "bench", "tests")
    names = {"utils", "util", "common", "helpers", "misc"}
    found = [str(path.relative_to(PROJECT)) for path in python_files(*layers) if names & {path.stem, path.parent.name}]
    assert not found, f"{found}; a module is named after what it is about"


def test_a_ban_is_told_with_its_place(tmp_path):
    """The reader of imports sees all forms of the statement."""
    file = PROJECT / "controller" / "core" / "imagined.py"
    source = "import time\nfrom os import path\ndef f():\n    from . import row\n    from ..io.store import x\n"
    tree = ast.parse(source)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert [_absolute(file, node) for node in nodes] == ["os", "controller.core", "controller.io.store"]
    written = tmp_path / "imagined.py"
    written.write_text("import time, os.path\nfrom random import random as r\n")
    assert [made[1:] for made in imports(written)] == [(1, "time"), (1, "os.path"), (2, "random.random")]
    assert is_of("os.path", "os")
    assert not is_of("ovsdbapp.x", "ovs")
