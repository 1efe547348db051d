"""Bakes the shipped text: what Python's standard library says of itself.

Modules, classes and functions carry their documentation in their source; `help()` shows it, and
here it is set one below the other as `help()` does. The source is the library that the site ships
for Pyodide anyway, pinned and checked with it, so there is nothing more to fetch or to trust.

Only what stands in docstrings is taken, and laid out by code of our own, so that every Python that
may build the site makes the same text of the same library, to the byte.
"""

import ast
import hashlib
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from backburner.core.text_data import SHIPPED_LENGTH, SHIPPED_VOCABULARY
from backburner_site.errors import BuildFailed

SOURCE = (
    "Documentation of modules of Python's standard library, from their docstrings, by the Python "
    "Software Foundation and contributors, Python Software Foundation License Version 2; of the "
    "Python that Pyodide carries. Set one below the other, in ASCII, with rulers shortened."
)

# Those that explain themselves in sentences. Modules whose syntax is newer than the oldest Python
# that builds the site (dataclasses, pdb, traceback, typing) cannot be among them.
MODULES = (
    *("argparse", "ast", "base64", "bisect", "calendar", "collections", "colorsys"),
    *("configparser", "contextlib", "copy", "csv", "_pydatetime", "difflib", "doctest", "enum"),
    *("fnmatch", "fractions", "functools", "glob", "graphlib", "gzip", "heapq", "html"),
    *("html.parser", "inspect", "json", "json.decoder", "json.encoder", "linecache", "locale"),
    *("logging", "numbers", "operator", "os", "pathlib", "pickle", "pprint", "queue", "random"),
    *("re", "reprlib", "sched", "secrets", "shelve", "shlex", "shutil", "statistics", "string"),
    *("struct", "subprocess", "tempfile", "textwrap", "threading", "timeit", "tokenize", "types"),
    *("unittest.case", "unittest.mock", "urllib.parse", "warnings", "weakref", "zipfile"),
    *("asyncio.events", "asyncio.locks", "asyncio.queues", "asyncio.tasks"),
    *("concurrent.futures._base",),
)

_PLAIN = str.maketrans("’‘“”–—\N{NO-BREAK SPACE}\N{ACUTE ACCENT}", "''\"\"-- '", "\r") | {
    ord("…"): "..."
}
_RULER = re.compile(r"([-=_*~#.+^`])\1{4,}")

_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def write_text(library: Path, folder: Path) -> None:
    """Writes text.txt and text.json into `folder`; `library` is Pyodide's python_stdlib.zip.

    Raises BuildFailed.
    """
    text = read_text(library)
    vocabulary = "".join(sorted(set(text)))
    if (len(text), vocabulary) != (SHIPPED_LENGTH, SHIPPED_VOCABULARY):
        raise BuildFailed(
            f"The text has {len(text):,} characters, of these: {vocabulary!r}. Recipes are checked "
            f"against {SHIPPED_LENGTH:,} of {SHIPPED_VOCABULARY!r}. With another release of "
            "Pyodide comes another text: set the two in py/backburner/core/text_data.py to it."
        )
    content = text.encode("ascii")
    description = {
        "source": SOURCE,
        "characters": len(text),
        "vocabulary": vocabulary,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "text.txt").write_bytes(content)
    (folder / "text.json").write_text(json.dumps(description, separators=(",", ":")))


def read_text(library: Path) -> str:
    """The documentation of MODULES, one below the other. Raises BuildFailed."""
    entries: list[str] = []
    with zipfile.ZipFile(library) as archive:
        names = set(archive.namelist())
        for module in MODULES:
            path = module.replace(".", "/")
            found = [name for name in (f"{path}.py", f"{path}/__init__.py") if name in names]
            if not found:
                raise BuildFailed(
                    f"Pyodide's standard library has no module {module}. Another release has other "
                    "modules: bring MODULES in backburner_site/text.py into line with it."
                )
            tree = ast.parse(archive.read(found[0]))
            entries += entries_of(tree, module.removeprefix("_py"))
    return "\n".join(entries)


def entries_of(node: _Documented, name: str) -> Iterator[str]:
    """`name`, its documentation indented below it; then what is public in it, in its order."""
    match node.body:
        case [ast.Expr(value=ast.Constant(value=str(docstring))), *_]:
            lines = plain(docstring).split("\n")
            indented = (f"    {line}" if line else "" for line in lines)
            yield "\n".join((name, *indented, ""))
    for inner in node.body:
        if isinstance(inner, _Documented) and not inner.name.startswith("_"):
            yield from entries_of(inner, f"{name}.{inner.name}")


def plain(docstring: str) -> str:
    """A docstring without its indentation, in ASCII, its rulers three signs long.

    (A ruler of seventy hyphens is what a model learns first, and nobody wants to read.)
    """
    lines = docstring.expandtabs().translate(_PLAIN).split("\n")
    indents = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    indent = min(indents, default=0)
    text = "\n".join([lines[0].strip(), *(line[indent:].rstrip() for line in lines[1:])]).strip()
    ascii_only = text.encode("ascii", "ignore").decode("ascii")
    return re.sub(r"\n{3,}", "\n\n", _RULER.sub(r"\1\1\1", ascii_only))
