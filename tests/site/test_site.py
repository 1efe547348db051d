"""A built site takes the old one's place whole, and never that of something else."""

from pathlib import Path

import pytest

from backburner_site.errors import BuildFailed
from backburner_site.inputs import MANIFEST
from backburner_site.site import put_in_place, refuse_foreign_folder


def a_build(folder: Path, name: str, content: str) -> Path:
    build = folder / name
    build.mkdir()
    (build / "index.html").write_text(content)
    (build / MANIFEST).write_text("{}")
    return build


def test_the_new_site_replaces_the_old_one_whole(tmp_path: Path) -> None:
    old, new = a_build(tmp_path, "dist", "old"), a_build(tmp_path, ".dist.unfinished", "new")
    (old / "left-over.html").touch()
    put_in_place(new, old)
    assert (old / "index.html").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dist"]
    assert not (old / "left-over.html").exists()


def test_the_first_site_needs_no_old_one(tmp_path: Path) -> None:
    put_in_place(a_build(tmp_path, ".dist.unfinished", "new"), tmp_path / "dist")
    assert (tmp_path / "dist" / "index.html").read_text() == "new"


def test_what_an_interrupted_exchange_left_is_cleaned_up(tmp_path: Path) -> None:
    a_build(tmp_path, ".dist.previous", "older")
    put_in_place(a_build(tmp_path, ".dist.unfinished", "new"), a_build(tmp_path, "dist", "old"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dist"]


def test_a_folder_that_no_build_made_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(BuildFailed, match="not made by a build"):
        refuse_foreign_folder(tmp_path)


def test_an_absent_an_empty_and_a_built_folder_may_be_replaced(tmp_path: Path) -> None:
    refuse_foreign_folder(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    refuse_foreign_folder(tmp_path / "empty")
    refuse_foreign_folder(a_build(tmp_path, "dist", "old"))
