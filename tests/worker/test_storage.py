"""Records that notice when they are changed."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from backburner.core.errors import Damaged
from backburner.engine.checkpoint import Checkpoint
from backburner.worker.storage import STORES, Row

DOCS = (Path(__file__).parents[2] / "docs" / "STORAGE.md").read_text(encoding="utf-8")


def test_a_record_is_what_was_written() -> None:
    row = Row.of('{"step": 3}', b"numbers")
    assert row.check() is row
    assert Row.of('{"step": 3}', b"numbers") == row


def test_every_truncation_of_a_record_is_noticed() -> None:
    row = Row.of('{"step": 3}', bytes(range(200)))
    for length in range(200):
        with pytest.raises(Damaged):
            replace(row, data=row.data[:length]).check()
    for length in range(len(row.text)):
        with pytest.raises(Damaged):
            replace(row, text=row.text[:length]).check()


def test_every_changed_byte_of_a_record_is_noticed() -> None:
    chance = random.Random(3)
    row = Row.of('{"step": 3}', chance.randbytes(500))
    for _ in range(1_000):
        changed = bytearray(row.data)
        changed[chance.randrange(500)] ^= 1 << chance.randrange(8)
        with pytest.raises(Damaged):
            replace(row, data=bytes(changed)).check()


def test_what_moves_between_text_and_bytes_is_noticed() -> None:
    with pytest.raises(Damaged):
        replace(Row.of("ab", b"cd"), text="abc", data=b"d").check()


def test_a_text_that_no_encoding_takes_is_damaged_and_no_crash() -> None:
    with pytest.raises(Damaged):
        Row(text="\ud800", sha256="").check()


def test_the_documented_stores_are_those_of_the_database() -> None:
    table = DOCS[DOCS.index("| store |") : DOCS.index("Each row")]
    assert tuple(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == STORES


def test_the_documented_metadata_is_that_of_the_file() -> None:
    fields = {
        each for each in Checkpoint.__dataclass_fields__ if each not in ("parameters", "state")
    }
    table = DOCS[DOCS.index("| name | what |") : DOCS.index("There is no time of day")]
    names = set(re.findall(r"`(\w+)`(?=[^|\n]*\| )", table))
    assert names == fields | {"format", "schema", "weights_sha256"}
