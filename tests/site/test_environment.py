"""When `.venv` is taken as it is, and when it is made afresh."""

from pathlib import Path

import pytest

from backburner_site.environment import (
    STAMP,
    is_current,
    lock_digest,
    python_in,
    read_stamp,
    write_stamp,
)


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    venv = tmp_path / ".venv"
    python_in(venv).parent.mkdir(parents=True)
    python_in(venv).touch()
    return venv


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    lock = tmp_path / "host.txt"
    lock.write_text("pan==1.0 --hash=sha256:00\n")
    return lock


def test_a_finished_environment_is_taken_as_it_is(venv: Path, lock: Path) -> None:
    write_stamp(venv, {"host": lock_digest(lock)})
    assert is_current(venv, "host", lock)


def test_one_without_a_stamp_was_interrupted(venv: Path, lock: Path) -> None:
    assert not is_current(venv, "host", lock)


def test_one_for_another_lock_is_out_of_date(venv: Path, lock: Path) -> None:
    write_stamp(venv, {"host": lock_digest(lock)})
    lock.write_text("pan==1.1 --hash=sha256:11\n")
    assert not is_current(venv, "host", lock)


def test_one_whose_python_is_gone_is_made_afresh(venv: Path, lock: Path) -> None:
    write_stamp(venv, {"host": lock_digest(lock)})
    python_in(venv).unlink()
    assert not is_current(venv, "host", lock)


def test_each_group_has_its_own_entry(venv: Path, lock: Path) -> None:
    write_stamp(venv, {"host": lock_digest(lock)})
    assert not is_current(venv, "test", lock)


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_stamp_that_cannot_be_read_is_no_stamp(venv: Path, text: str) -> None:
    (venv / STAMP).write_text(text)
    assert read_stamp(venv) == {}
