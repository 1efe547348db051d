"""Whether a built site is still what the sources would give."""

import json
from pathlib import Path

from backburner_site.inputs import MANIFEST, digest_of, is_fresh, read_manifest, source_files


def sources(folder: Path) -> Path:
    (folder / "py" / "__pycache__").mkdir(parents=True)
    (folder / "py" / "a.py").write_text("a = 1")
    (folder / "py" / "__pycache__" / "a.pyc").write_bytes(b"1")
    return folder


def digest(folder: Path, settings: str = "") -> str:
    return digest_of(source_files((folder / "py",)), folder, settings)


def built(folder: Path, inputs: str) -> Path:
    dist = folder / "dist"
    dist.mkdir()
    (dist / "index.html").write_text("<p>")
    manifest = {"inputs": inputs, "files": {"index.html": {"bytes": 3}}}
    (dist / MANIFEST).write_text(json.dumps(manifest))
    return dist


def test_the_same_sources_have_the_same_digest(tmp_path: Path) -> None:
    assert digest(sources(tmp_path)) == digest(tmp_path)


def test_a_changed_added_or_renamed_source_changes_the_digest(tmp_path: Path) -> None:
    seen = {digest(sources(tmp_path))}
    file = tmp_path / "py" / "a.py"
    file.write_text("a = 2")
    seen.add(digest(tmp_path))
    (tmp_path / "py" / "b.py").write_text("")
    seen.add(digest(tmp_path))
    file.rename(tmp_path / "py" / "c.py")
    seen.add(digest(tmp_path))
    seen.add(digest(tmp_path, "base /sub/"))
    assert len(seen) == 5


def test_what_python_leaves_behind_does_not_change_the_digest(tmp_path: Path) -> None:
    before = digest(sources(tmp_path))
    (tmp_path / "py" / "__pycache__" / "b.pyc").write_bytes(b"2")
    assert digest(tmp_path) == before


def test_a_site_of_the_same_inputs_is_fresh(tmp_path: Path) -> None:
    assert is_fresh(built(tmp_path, "now"), "now")


def test_a_site_of_other_inputs_is_stale(tmp_path: Path) -> None:
    assert not is_fresh(built(tmp_path, "then"), "now")


def test_a_site_that_lost_a_file_is_stale(tmp_path: Path) -> None:
    dist = built(tmp_path, "now")
    (dist / "index.html").unlink()
    assert not is_fresh(dist, "now")


def test_a_site_with_a_cut_off_file_is_stale(tmp_path: Path) -> None:
    dist = built(tmp_path, "now")
    (dist / "index.html").write_text("<")
    assert not is_fresh(dist, "now")


def test_a_manifest_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    (tmp_path / MANIFEST).write_text("{")
    assert read_manifest(tmp_path) is None
    assert not is_fresh(tmp_path, "now")
