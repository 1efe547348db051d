"""The snapshot is made again exactly when what it is made from has changed."""

import gzip
from pathlib import Path

import pytest

from backburner_site.cache import Cache
from backburner_site.errors import BuildFailed
from backburner_site.node import Node
from backburner_site.progress import Progress
from backburner_site.snapshot import cache_name, check_report, make_snapshot


def a_pyodide(folder: Path) -> Path:
    for name in ("pyodide.mjs", "pyodide-lock.json", "backburner-0.1.0.whl", "numpy-2.4.3.whl"):
        (folder / name).write_text(name)
    return folder


def no_node() -> Node:
    raise AssertionError("Node was asked for what the cache holds")


def test_a_change_of_our_wheel_is_another_snapshot(tmp_path: Path) -> None:
    before = cache_name(a_pyodide(tmp_path))
    (tmp_path / "backburner-0.1.0.whl").write_text("changed")
    assert cache_name(tmp_path) != before


def test_wheels_that_are_not_loaded_do_not_matter(tmp_path: Path) -> None:
    before = cache_name(a_pyodide(tmp_path))
    (tmp_path / "numpy-2.4.3.whl").write_text("changed")
    assert cache_name(tmp_path) == before


def test_a_kept_snapshot_is_taken_without_node(tmp_path: Path) -> None:
    pyodide = tmp_path / "pyodide"
    pyodide.mkdir()
    cache = Cache(tmp_path / "cache")
    kept = cache.remember(cache_name(a_pyodide(pyodide)), gzip.compress(b"memory"))
    snapshot = make_snapshot(pyodide, no_node, cache, Progress())
    assert snapshot.packed == kept
    assert snapshot.memory_bytes == len(b"memory")


def test_a_module_of_ours_that_cannot_be_imported_fails_the_build() -> None:
    report = {"imported": [], "left_out": [], "failed": {"backburner.app.store": "page.py:3: oh"}}
    with pytest.raises(BuildFailed, match=r"backburner\.app\.store") as failure:
        check_report(report)
    assert "page.py:3" in failure.value.detail


def test_modules_that_import_pyscript_are_left_out_without_failing() -> None:
    check_report({"imported": ["backburner"], "left_out": ["backburner.views.x"], "failed": {}})
