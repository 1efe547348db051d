"""Makes the memory snapshot with Node, once for each state of the code, and keeps it.

A start from it takes a quarter of a plain one's time. It is an accelerator of an experimental
kind: the page checks it and starts plainly when it fails. The build does not: a snapshot
that cannot be made means that a module of ours cannot be imported, and that is better known now.
"""

import gzip
import hashlib
import json
import struct
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backburner_site.cache import Cache, sha256_of
from backburner_site.errors import BuildFailed
from backburner_site.node import Node
from backburner_site.progress import Progress

SCRIPT = Path(__file__).with_name("snapshot.cjs")

# Level 9 would take six times as long and save half a percent.
PACKING = 6

# What the app uses of the standard library, and what Pyodide itself needs to run code.
STANDARD_MODULES = (
    "_pyodide",
    "array",
    "asyncio",
    "base64",
    "collections.abc",
    "contextlib",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "heapq",
    "html",
    "io",
    "itertools",
    "json",
    "math",
    "pyodide.code",
    "pyodide.ffi",
    "pyodide.webloop",
    "random",
    "re",
    "statistics",
    "struct",
    "time",
    "traceback",
    "typing",
    "uuid",
    "zipfile",
    "zlib",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The gzipped snapshot. `memory_bytes`: how much memory it is when unpacked."""

    packed: Path
    memory_bytes: int


def make_snapshot(
    pyodide: Path, node: Callable[[], Node], cache: Cache, progress: Progress
) -> Snapshot:
    """The snapshot for the folder that will be shipped. `node` is asked for only if need be.

    Raises BuildFailed.
    """
    name = cache_name(pyodide)
    kept = cache.find(name)
    if kept is None:
        with (
            tempfile.TemporaryDirectory(prefix="backburner-") as folder,
            progress.step("Making the memory snapshot with Node"),
        ):
            memory = _run_node(pyodide, Path(folder) / "snapshot.bin", node(), progress)
            kept = cache.remember(name, gzip.compress(memory, PACKING, mtime=0))
    return Snapshot(packed=kept, memory_bytes=unpacked_bytes(kept))


def cache_name(pyodide: Path) -> str:
    """Names the snapshot after everything that it is made from."""
    digest = hashlib.sha256()
    for file in [SCRIPT, *sorted(pyodide.iterdir())]:
        # numpy and micropip are named by the lock, but not loaded here.
        if file.suffix != ".whl" or file.name.startswith("backburner-"):
            digest.update(f"{file.name} {sha256_of(file)}\n".encode())
    digest.update(" ".join(STANDARD_MODULES).encode())
    return f"snapshot {digest.hexdigest()}"


def unpacked_bytes(packed: Path) -> int:
    """What gzip's own trailer says."""
    with packed.open("rb") as file:
        file.seek(-4, 2)
        (size,) = struct.unpack("<I", file.read())
    return int(size)


def check_report(report: dict[str, Any]) -> None:
    """Raises BuildFailed when a module of ours could not be imported."""
    failed: dict[str, str] = report["failed"]
    if failed:
        raise BuildFailed(
            f"The snapshot was not made: {', '.join(sorted(failed))} cannot be imported in a plain "
            "Pyodide. A module may use what only a page has (document, window) when it is called, "
            "but not while it is imported; only modules that import pyscript are left out.",
            detail="\n".join(dict.fromkeys(failed.values())),
        )


def _run_node(pyodide: Path, output: Path, node: Node, progress: Progress) -> bytes:
    ended = subprocess.run(
        [*node.node, str(SCRIPT), str(pyodide), str(output)],
        input=json.dumps(STANDARD_MODULES),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise BuildFailed(
            "The snapshot was not made: Pyodide did not run in Node, or its memory holds what "
            "cannot be kept (most often a JavaScript object that a module of ours keeps from the "
            "moment it is imported).",
            detail=ended.stderr or ended.stdout,
        )
    report = json.loads(ended.stdout.splitlines()[-1])
    check_report(report)
    if report["left_out"]:
        progress.say("Not in the snapshot (they import pyscript): " + ", ".join(report["left_out"]))
    return output.read_bytes()
