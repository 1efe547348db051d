"""The user's cache: what it gives back is what was put in, or nothing."""

from pathlib import Path

import pytest

from backburner_site.cache import Cache, sha256_of


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_what_was_put_in_comes_back(cache: Cache) -> None:
    kept = cache.put_bytes(b"flour")
    assert cache.get(sha256_of(kept)) == kept
    assert kept.read_bytes() == b"flour"


def test_what_was_never_put_in_is_absent(cache: Cache) -> None:
    assert cache.get("0" * 64) is None
    assert cache.find("nothing") is None


def test_a_damaged_file_is_absent_and_removed(cache: Cache) -> None:
    kept = cache.put_bytes(b"flour")
    kept.write_bytes(b"fluor")
    assert cache.get(kept.name) is None
    assert not kept.exists()


def test_a_damaged_file_can_be_put_in_again(cache: Cache, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"flour")
    cache.put(source).write_bytes(b"")
    assert cache.put(source).read_bytes() == b"flour"


def test_a_name_points_to_what_it_was_last_given(cache: Cache) -> None:
    cache.remember("bread", b"rye")
    cache.remember("bread", b"wheat")
    found = cache.find("bread")
    assert found is not None
    assert found.read_bytes() == b"wheat"


def test_a_name_whose_file_is_damaged_finds_nothing(cache: Cache) -> None:
    cache.remember("bread", b"rye").write_bytes(b"mould")
    assert cache.find("bread") is None


def test_an_interrupted_write_leaves_nothing_readable(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cache.put_bytes(b"flour")
    assert [file for file in cache.folder.rglob("*") if file.is_file()] == []


def test_the_folder_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBURNER_CACHE", str(tmp_path / "elsewhere"))
    assert Cache.of_user().folder == tmp_path / "elsewhere"
