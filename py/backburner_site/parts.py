"""Fetches the npm parts, checked against package-lock.json, and keeps the files that are used.

`npm pack` of the direct dependencies only: their own dependencies are bundled in what they ship,
and `npm ci` would fetch eight times as much.
"""

import base64
import hashlib
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from backburner_site.cache import Cache
from backburner_site.errors import PartRefused, PartUnavailable
from backburner_site.node import Node
from backburner_site.pins import NpmPart
from backburner_site.progress import Progress


def npm_files(
    part: NpmPart, node: Callable[[], Node], cache: Cache, progress: Progress
) -> dict[str, Path]:
    """{path below dist/: file in the cache}. `node` is asked for only if something is missing.

    Raises PartUnavailable or PartRefused.
    """
    kept = {path: cache.find(cache_name(part, path)) for path in part.files}
    if not all(kept.values()):
        with tempfile.TemporaryDirectory(prefix="backburner-") as folder:
            tarball = _pack(part, node(), Path(folder), progress)
            check_integrity(part, tarball)
            for path, content in take_out(part, tarball).items():
                kept[path] = cache.remember(cache_name(part, path), content)
    return {part.files[path]: file for path, file in kept.items() if file is not None}


def cache_name(part: NpmPart, path: str) -> str:
    """Names one file of one exact release, so that another release is another name."""
    return f"npm {part.name} {part.version} {part.integrity} {path}"


def check_integrity(part: NpmPart, tarball: Path) -> None:
    """Raises PartRefused unless the tarball is the one that the lock names."""
    digest = hashlib.sha512(tarball.read_bytes()).digest()
    found = "sha512-" + base64.b64encode(digest).decode()
    if found != part.integrity:
        raise PartRefused(
            f"npm's {part.name} {part.version} is not the file that site/package-lock.json names, "
            "so it was not used. Either the registry serves something else, or the lock was "
            "edited by hand. Try again from another network, or restore the lock.",
            detail=f"expected {part.integrity}\nreceived {found}",
        )


def take_out(part: NpmPart, tarball: Path) -> dict[str, bytes]:
    """{path in the package: content} of the files that are used. Raises PartRefused."""
    found: dict[str, bytes] = {}
    with tarfile.open(tarball, "r:gz") as archive:
        for entry in archive:
            path = entry.name.partition("/")[2]  # npm puts everything under package/
            if path in part.files and (opened := archive.extractfile(entry)) is not None:
                found[path] = opened.read()
                if len(found) == len(part.files):
                    break
    missing = sorted(set(part.files) - set(found))
    if missing:
        raise PartRefused(
            f"{part.name} {part.version} does not hold {', '.join(missing)}. File names change "
            "between releases: bring site/parts.toml into line with this one."
        )
    return found


def _pack(part: NpmPart, node: Node, folder: Path, progress: Progress) -> Path:
    with progress.step(f"Fetching {part.name} {part.version} with npm"):
        ended = subprocess.run(
            [*node.npm, "pack", f"{part.name}@{part.version}", "--json", "--ignore-scripts"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    if ended.returncode != 0:
        raise PartUnavailable(
            f"npm could not fetch {part.name} {part.version}. Most often there is no network, or "
            "npm is set up for a registry that does not carry it. "
            "Run the same command again once that is mended.",
            detail=ended.stderr,
        )
    tarballs = list(folder.glob("*.tgz"))
    if len(tarballs) != 1:
        raise PartUnavailable(
            f"npm said that it fetched {part.name}, but left no file.", detail=ended.stdout
        )
    return tarballs[0]
