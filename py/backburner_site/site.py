"""Builds the site: the steps, in order, into a new folder that then takes the old one's place.

An interrupted build leaves the old site as it was. Nothing is kept between builds but what the
user's cache holds (fetched files and the snapshot), which is what takes time.
"""

import base64
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from backburner_site import checkout
from backburner_site.cache import Cache, sha256_of
from backburner_site.digits import write_digits
from backburner_site.errors import BuildFailed
from backburner_site.exclusive import only_one
from backburner_site.inputs import MANIFEST, digest_of, is_fresh, read_manifest, source_files
from backburner_site.kernels import make_kernels
from backburner_site.licences import write_licences
from backburner_site.node import Node, find_node
from backburner_site.parts import npm_files
from backburner_site.pins import Pins, read_pins
from backburner_site.progress import Progress, duration_words, size_words
from backburner_site.pyodide_lock import rewrite_lock
from backburner_site.pyscript_patch import without_evaluation, without_source_map
from backburner_site.python_files import member_file, wheel_file
from backburner_site.render import copy_own_files, policy, render_pages
from backburner_site.snapshot import Snapshot, make_snapshot
from backburner_site.text import write_text
from backburner_site.wheel import build_wheel

SNAPSHOT_FILE = "pyodide/snapshot.bin.gz"
KERNELS_FOLDER = "kernels"


@dataclass(kw_only=True)
class Making:
    """A site that is being made. `wheels`, `snapshot` and `kernels` are filled in by the steps."""

    dist: Path
    base: str
    version: str
    pins: Pins
    cache: Cache
    progress: Progress
    wheels: dict[str, Path] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    kernels: dict[str, Path] = field(default_factory=dict)
    found_node: Node | None = None

    def node(self) -> Node:
        """Node and npm, looked for only when something has to be fetched or made with them."""
        if self.found_node is None:
            self.found_node = find_node(self.progress)
        return self.found_node


def build(out: Path, base: str, progress: Progress) -> Path:
    """Makes the site in `out` unless it is there already. Returns `out`.

    `base` is the path under which it will be served, with a slash at both ends. Raises HostError.
    """
    waiting = partial(progress.say, "Another build is under way in this checkout; waiting for it")
    with only_one(checkout.SCRATCH / "build.lock", waiting):
        digest = digest_of(source_files(), checkout.ROOT, f"base {base}")
        if is_fresh(out, digest):
            progress.say(f"{out.name} is up to date")
            return out
        refuse_foreign_folder(out)
        started = time.monotonic()
        unfinished = out.with_name(f".{out.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        making = Making(
            dist=unfinished,
            base=base,
            version=checkout.version(),
            pins=read_pins(checkout.SITE),
            cache=Cache.of_user(),
            progress=progress,
        )
        for step in STEPS:
            step(making)
        files = write_manifest(making, digest)
        put_in_place(unfinished, out)
        total = sum(fact["bytes"] for fact in files.values())
        progress.say(
            f"Built {out.name}: version {making.version}, {len(files)} files, "
            f"{size_words(total)}, in {duration_words(time.monotonic() - started)}"
        )
    return out


def refuse_foreign_folder(out: Path) -> None:
    """Raises BuildFailed when `out` holds something that no build made."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and read_manifest(out) is None:
        raise BuildFailed(
            f"{out} is there already and was not made by a build, so it is not replaced. "
            "Choose another folder with --out, or move this one away."
        )


def put_in_place(unfinished: Path, out: Path) -> None:
    """Exchanges the folders; an interruption between the two moves leaves no site, never half."""
    previous = out.with_name(f".{out.name}.previous")
    shutil.rmtree(previous, ignore_errors=True)
    if out.exists():
        out.replace(previous)
    unfinished.replace(out)
    shutil.rmtree(previous, ignore_errors=True)


def add_npm_parts(making: Making) -> None:
    """pyodide/, pyscript/, tfjs/ and uplot/."""
    for part in making.pins.npm:
        for path, file in npm_files(part, making.node, making.cache, making.progress).items():
            _copy(file, making.dist / path)
    for script in sorted((making.dist / "pyscript").glob("*.js")):
        patch = without_evaluation if script.name.startswith("core-") else without_source_map
        script.write_text(patch(script.read_text(encoding="utf-8")), encoding="utf-8")


def add_wheels(making: Making) -> None:
    """The four wheels, and the lock that names exactly them."""
    folder, pins = making.dist / "pyodide", making.pins
    fetched = {
        name: (wheel.file, wheel_file(wheel, making.cache, making.progress))
        for name, wheel in pins.wheels.items()
    }
    numpy = pins.members["numpy"]
    fetched["numpy"] = (numpy.file, member_file(numpy, making.cache, making.progress))
    for name, (file_name, file) in fetched.items():
        making.wheels[name] = _copy(file, folder / file_name)
    making.wheels["backburner"] = build_wheel(folder)
    lock = folder / "pyodide-lock.json"
    lock.write_text(rewrite_lock(lock.read_text(), making.wheels, making.version))


def add_snapshot(making: Making) -> None:
    """pyodide/snapshot.bin.gz, from exactly the files that are shipped beside it."""
    folder = making.dist / "pyodide"
    making.snapshot = make_snapshot(folder, making.node, making.cache, making.progress)
    _copy(making.snapshot.packed, making.dist / SNAPSHOT_FILE)


def add_kernels(making: Making) -> None:
    """kernels/: one module for each variant."""
    for variant, module in make_kernels(making.cache, making.progress).items():
        making.kernels[variant] = _copy(module, making.dist / KERNELS_FOLDER / f"{variant}.wasm")


def add_data(making: Making) -> None:
    """data/ and schema/."""
    table = member_file(making.pins.members["digits"], making.cache, making.progress)
    write_digits(table, making.dist / "data")
    write_text(making.dist / "pyodide" / "python_stdlib.zip", making.dist / "data")
    from backburner.core.schema import recipe_schema  # only here: the rest builds without the app

    schema = making.dist / "schema" / "recipe-1.json"
    schema.parent.mkdir()
    schema.write_text(json.dumps(recipe_schema(), indent=1) + "\n", encoding="utf-8")


def add_licences(making: Making) -> None:
    """licenses/."""
    write_licences(making.pins, making.dist, making.wheels)


def add_pages(making: Making) -> None:
    """The pages, our own files, the texts, and scripts/parts.json: what was shipped."""
    # Like the schema: these need the app.
    from backburner.core.preferences import CHOICES
    from backburner.core.presets import PICTURE_PRESETS
    from backburner.core.routes import View
    from backburner.core.state import PARTS
    from backburner_site.locale import read_catalogues, source_texts, write_catalogues

    copy_own_files(making.dist)
    catalogues = read_catalogues(checkout.SITE / "locale")
    write_catalogues(catalogues, making.dist / "locale")
    parts = shipped_parts(making)
    target = making.dist / "scripts" / "parts.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(parts, indent=1) + "\n")
    context = {
        "version": making.version,
        "base": making.base,
        "csp": policy(),
        "files": _files_in(making.dist),
        "parts": parts,
        "t": source_texts(catalogues),
        "views": [view.value for view in View],
        "languages": list(catalogues),
        "presets": list(PICTURE_PRESETS),
        "choices": CHOICES,
        "parts_of_start": PARTS,
    }
    render_pages(checkout.SITE / "templates", making.dist, context)


def shipped_parts(making: Making) -> dict[str, Any]:
    """What boot scripts need to know; addresses are relative to scripts/.

    `snapshot.integrity` is of the gzipped file, as `fetch` checks it; `snapshot.bytes` is how
    much memory it is when unpacked. `kernels` has one entry for each variant.
    """
    assert making.snapshot is not None, "the snapshot is made before the pages"
    packed = making.snapshot.packed
    return {
        "version": making.version,
        "snapshot": {
            "url": f"../{SNAPSHOT_FILE}",
            "integrity": integrity_of(packed),
            "bytes": making.snapshot.memory_bytes,
            "packed_bytes": packed.stat().st_size,
        },
        "kernels": {
            variant: {
                "url": f"../{KERNELS_FOLDER}/{module.name}",
                "integrity": integrity_of(module),
                "bytes": module.stat().st_size,
            }
            for variant, module in making.kernels.items()
        },
        "versions": {part.name: part.version for part in making.pins.npm},
        "wheels": {name: file.name for name, file in sorted(making.wheels.items())},
    }


def integrity_of(file: Path) -> str:
    """The file's hash as `fetch` takes it."""
    return f"sha256-{base64.b64encode(bytes.fromhex(sha256_of(file))).decode()}"


def write_manifest(making: Making, digest: str) -> dict[str, dict[str, Any]]:
    """Writes build.json, last of all; returns its list of files."""
    files = {
        path: {
            "bytes": (making.dist / path).stat().st_size,
            "sha256": sha256_of(making.dist / path),
        }
        for path in _files_in(making.dist)
    }
    manifest = {
        "version": making.version,
        "base": making.base,
        "inputs": digest,
        "snapshot": {"file": SNAPSHOT_FILE, "sha256": files[SNAPSHOT_FILE]["sha256"]},
        "files": files,
    }
    (making.dist / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return files


STEPS: tuple[Callable[[Making], None], ...] = (
    add_npm_parts,
    add_wheels,
    add_snapshot,
    add_kernels,
    add_data,
    add_licences,
    add_pages,
)


def _copy(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return target


def _files_in(folder: Path) -> list[str]:
    found = (file for file in folder.rglob("*") if file.is_file())
    return sorted(file.relative_to(folder).as_posix() for file in found)
