"""The five rooms and the one way through them (docs/ARCHITECTURE.md), read off the imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "py" / "backburner"
ROOMS = ("core", "engine", "worker", "app", "views")
ENTRIES = {"page": {"app", "views"}, "kitchen": {"worker", "engine"}}
# In the fallback the page runs the kitchen's loop: by its entry, never by its rooms.
ENTRY_MAY_CALL = {"page": {"kitchen"}}

MAY_IMPORT = {
    "core": set(),
    "engine": {"core"},
    "worker": {"core", "engine"},
    "app": {"core"},
    "views": {"core", "app"},
}
BROWSER = {"js", "pyodide", "pyodide_js", "pyscript"}
# The files of each room that speak to JavaScript; everything else runs in plain CPython.
ADAPTERS = {
    "core": set(),
    "engine": {"kernels", "tensors"},
    "worker": {"browser", "database", "decoding", "transactions"},
    "app": {"browser", "hook", "locks", "shell"},
    "views": {
        "chart",
        "charts",
        "dom",
        "drawing_pad",
        "drawings",
        "earlier",
        "fingerprint",
        "inside",
        "layer_pictures",
        "logs_panel",
        "pictures",
        "playground",
        "recipe_form",
        "router",
        "settings",
        "start_from",
        "status_bar",
        "subjects",
        "writing",
    },
}
# What the core must do without: a clock, I/O, randomness, an event loop.
NOT_IN_CORE = {"asyncio", "datetime", "io", "os", "pathlib", "random", "secrets", "socket", "time"}
NOT_IN_ENGINE = {"asyncio", "os", "pathlib", "socket", "time"}


def modules() -> list[tuple[str, str, Path]]:
    """(room or entry, module name, file) of every module in the package."""
    found = [
        (room, file.stem, file) for room in ROOMS for file in sorted((PACKAGE / room).rglob("*.py"))
    ]
    return found + [(name, name, PACKAGE / f"{name}.py") for name in ENTRIES]


def imported(file: Path) -> list[str]:
    """Every absolute module name that a file imports, wherever in it."""
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            assert all(alias.name != "*" for alias in node.names), f"{file} imports *"
            names.append(node.module or "")
            if node.module == "backburner":
                names += [f"backburner.{alias.name}" for alias in node.names]
    return names


def room_of(name: str) -> str | None:
    """`backburner.core.wire` to `core`; None for what is not one of our rooms."""
    parts = name.split(".")
    return parts[1] if parts[0] == "backburner" and len(parts) > 1 else None


def faults_of(room: str, module: str, file: Path) -> list[str]:
    names = imported(file)
    allowed = ENTRIES.get(room, MAY_IMPORT.get(room, set()) | {room}) | {"core", "__version__"}
    allowed |= ENTRY_MAY_CALL.get(room, set())
    faults = [name for name in names if (room_of(name) or "core") not in allowed]
    roots = {name.split(".")[0] for name in names}
    if room in ROOMS and module not in ADAPTERS[room]:
        faults += sorted(roots & BROWSER)
    if room == "core":
        faults += sorted(roots & NOT_IN_CORE)
    if room == "engine":
        faults += sorted(roots & NOT_IN_ENGINE)
    return faults


@pytest.mark.parametrize(("room", "module", "file"), modules(), ids=lambda item: str(item))
def test_a_module_imports_only_what_its_room_may(room: str, module: str, file: Path) -> None:
    assert faults_of(room, module, file) == []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("core", "import js"),
        ("core", "import asyncio"),
        ("core", "from backburner.engine import layers"),
        ("engine", "import asyncio"),
        ("engine", "from backburner.worker.loop import Loop"),
        ("worker", "import backburner.app.store"),
        ("app", "from backburner.engine.tensors import Tensors"),
        ("views", "from backburner.worker.loop import Loop"),
        ("app", "from backburner import kitchen"),
        ("page", "from backburner.engine.training import Training"),
        ("kitchen", "from backburner.views.page import PageView"),
    ],
)
def test_the_check_sees_a_wrong_import(tmp_path: Path, room: str, source: str) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(source)
    assert faults_of(room, "wrong", file) != []


def test_every_adapter_named_here_exists() -> None:
    for room, names in ADAPTERS.items():
        for name in names:
            assert (PACKAGE / room / f"{name}.py").is_file()


def test_no_module_touches_javascript_while_it_is_imported() -> None:
    # All modules are imported once in Node, into the snapshot: `from js import document`, or
    # js.something at module level, would break the build or keep a stale object.
    for _, _, file in modules():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                assert node.module != "js", f"{file.name} imports names from js"
            elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
                assert not used & {"js", "pyodide_js"}, f"{file.name} uses js at import"
