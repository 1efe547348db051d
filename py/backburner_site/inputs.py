"""Decides whether a built site is still what the sources would give.

One hash over everything that the site is made from, kept in the site's own build.json. What is
compared of the output is only that each file is there and has its size: reading 20 MB again would
cost more than it tells.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from backburner_site import checkout

MANIFEST = "build.json"
SOURCES = (
    checkout.ROOT / "pyproject.toml",
    checkout.ROOT / "README.md",
    checkout.ROOT / "LICENSE",
    checkout.REQUIREMENTS / "host.txt",
    checkout.REQUIREMENTS / "kernels.txt",
    checkout.PY,
    checkout.SITE,
    checkout.WORKERS,
)
NOT_SOURCES = {"__pycache__", "node_modules"}


def source_files(sources: tuple[Path, ...] = SOURCES) -> list[Path]:
    """Every file that has a say in what is built, in a fixed order."""
    files: list[Path] = []
    for source in sources:
        if source.is_file():
            files.append(source)
        else:
            files += [
                file
                for file in source.rglob("*")
                if file.is_file()
                and not NOT_SOURCES.intersection(file.parts)
                and not file.name.startswith(".")
            ]
    return sorted(files)


def digest_of(files: list[Path], root: Path, settings: str) -> str:
    """The hash over names and contents of `files`, and over the build's settings."""
    digest = hashlib.sha256(settings.encode())
    for file in files:
        content = file.read_bytes()
        digest.update(f"\n{file.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def read_manifest(dist: Path) -> dict[str, Any] | None:
    """What build.json says; None when there is none or it cannot be read."""
    try:
        manifest: Any = json.loads((dist / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


def is_fresh(dist: Path, digest: str) -> bool:
    """Whether `dist` was built from exactly these inputs and is complete."""
    manifest = read_manifest(dist)
    if manifest is None or manifest.get("inputs") != digest:
        return False
    return all(_has_size(dist / path, fact["bytes"]) for path, fact in manifest["files"].items())


def _has_size(file: Path, count_bytes: int) -> bool:
    try:
        return file.stat().st_size == count_bytes
    except OSError:
        return False
