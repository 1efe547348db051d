"""Python files: only what has the pinned sha256 gets in, from wherever it came."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from backburner_site import python_files
from backburner_site.cache import Cache
from backburner_site.errors import PartRefused
from backburner_site.pins import Member, Wheel
from backburner_site.progress import Progress
from backburner_site.python_files import check_sha256, member_file, take_member

SALT = b"salt"


def a_wheel(folder: Path, content: bytes = SALT) -> Path:
    wheel = folder / "kitchen-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("kitchen/salt.bin", content)
    return wheel


def a_pin(wheel: Path) -> Wheel:
    return Wheel(
        requirement="kitchen==1.0",
        file=wheel.name,
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        python="3.11",
        platform=None,
        size_mb=1,
        licence="MIT",
    )


def a_member(wheel: Path, near: str | None = None) -> Member:
    return Member(
        file="salt.bin",
        sha256=hashlib.sha256(SALT).hexdigest(),
        near=near,
        member="kitchen/salt.bin",
        holder=a_pin(wheel),
        licence="MIT",
    )


def test_a_wheel_with_another_hash_is_refused_and_named(tmp_path: Path) -> None:
    wheel = a_wheel(tmp_path)
    pin = a_pin(wheel)
    wheel.write_bytes(b"something else")
    with pytest.raises(PartRefused, match=wheel.name):
        check_sha256(pin, wheel)


def test_one_file_is_taken_out_of_a_wheel(tmp_path: Path) -> None:
    wheel = a_wheel(tmp_path)
    assert take_member(a_member(wheel), wheel) == SALT


@pytest.mark.parametrize("content", [b"sugar", b""])
def test_a_wheel_that_holds_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    wheel = a_wheel(tmp_path, content)
    with pytest.raises(PartRefused, match=r"kitchen==1\.0 does not hold the pinned salt\.bin"):
        take_member(a_member(wheel), wheel)


def test_a_file_that_came_wrong_from_nearby_is_taken_from_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = a_wheel(tmp_path)

    def poisoned(address: str, target: Path, progress: Progress) -> Path:
        target.write_bytes(b"sugar")
        return target

    monkeypatch.setattr(python_files, "download", poisoned)
    monkeypatch.setattr(python_files, "_pip_download", lambda *_: wheel)
    member = a_member(wheel, near="nearby")
    assert member_file(member, Cache(tmp_path / "cache"), Progress()).read_bytes() == SALT


def test_a_file_in_the_cache_is_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unexpected(*_: object) -> Path:
        raise AssertionError("fetched what the cache holds")

    monkeypatch.setattr(python_files, "download", unexpected)
    monkeypatch.setattr(python_files, "_pip_download", unexpected)
    cache = Cache(tmp_path / "cache")
    kept = cache.put_bytes(SALT)
    assert member_file(a_member(a_wheel(tmp_path), near="nearby"), cache, Progress()) == kept
