"""npm parts: only the files that the lock names get in."""

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from backburner_site.cache import Cache
from backburner_site.errors import PartRefused
from backburner_site.node import Node
from backburner_site.parts import cache_name, check_integrity, npm_files, take_out
from backburner_site.pins import NpmPart
from backburner_site.progress import Progress

FILES = {
    "package/dist/pan.js": b"pan",
    "package/dist/pan.js.map": b"map",
    "package/LICENSE": b"MIT",
}


def a_tarball(folder: Path) -> Path:
    tarball = folder / "pan-1.0.0.tgz"
    with tarfile.open(tarball, "w:gz") as archive:
        for name, content in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return tarball


def a_part(tarball: Path, files: dict[str, str] | None = None) -> NpmPart:
    digest = hashlib.sha512(tarball.read_bytes()).digest()
    return NpmPart(
        name="pan",
        version="1.0.0",
        integrity="sha512-" + base64.b64encode(digest).decode(),
        licence="MIT",
        files=files or {"dist/pan.js": "pan/pan.js"},
    )


def no_node() -> Node:
    raise AssertionError("npm was asked for what the cache holds")


def test_the_tarball_that_the_lock_names_is_accepted(tmp_path: Path) -> None:
    tarball = a_tarball(tmp_path)
    check_integrity(a_part(tarball), tarball)


def test_another_tarball_is_refused_and_the_part_is_named(tmp_path: Path) -> None:
    tarball = a_tarball(tmp_path)
    part = a_part(tarball)
    tarball.write_bytes(tarball.read_bytes() + b"x")
    with pytest.raises(PartRefused, match=r"pan 1\.0\.0") as refusal:
        check_integrity(part, tarball)
    assert part.integrity in refusal.value.detail


def test_only_the_files_that_are_used_are_taken_out(tmp_path: Path) -> None:
    tarball = a_tarball(tmp_path)
    assert take_out(a_part(tarball), tarball) == {"dist/pan.js": b"pan"}


def test_a_file_that_a_release_no_longer_has_is_named(tmp_path: Path) -> None:
    tarball = a_tarball(tmp_path)
    part = a_part(tarball, {"dist/pan.js": "pan/pan.js", "dist/lid.js": "pan/lid.js"})
    with pytest.raises(PartRefused, match=r"dist/lid\.js"):
        take_out(part, tarball)


def test_nothing_is_fetched_when_the_cache_holds_it(tmp_path: Path) -> None:
    part = a_part(a_tarball(tmp_path))
    cache = Cache(tmp_path / "cache")
    kept = cache.remember(cache_name(part, "dist/pan.js"), b"pan")
    assert npm_files(part, no_node, cache, Progress()) == {"pan/pan.js": kept}


def test_another_release_is_not_answered_from_the_cache(tmp_path: Path) -> None:
    part = a_part(a_tarball(tmp_path))
    newer = NpmPart(
        name=part.name, version="1.0.1", integrity="sha512-x", licence="MIT", files=part.files
    )
    assert cache_name(part, "dist/pan.js") != cache_name(newer, "dist/pan.js")
