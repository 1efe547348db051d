"""UCI's table becomes bytes and a description, or is refused."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from backburner_site import digits
from backburner_site.errors import BuildFailed


def row(label: int, value: int = 16) -> str:
    return ",".join([f"{value}", *["0"] * 63, str(label)])


def test_pixels_and_labels_come_apart() -> None:
    pixels, labels = digits.read_table(f"{row(3)}\n{row(9, value=5)}\n")
    assert labels == [3, 9]
    assert pixels == bytes([16, *[0] * 63, 5, *[0] * 63])


@pytest.mark.parametrize("bad", ["1,2,3", row(10), row(1, value=17)])
def test_a_row_that_does_not_fit_is_named(bad: str) -> None:
    with pytest.raises(BuildFailed, match="Row 2"):
        digits.read_table(f"{row(0)}\n{bad}")


def test_the_description_fits_the_pixels(tmp_path: Path) -> None:
    table = tmp_path / "digits.csv.gz"
    table.write_bytes(gzip.compress("\n".join([row(7)] * digits.COUNT).encode()))
    digits.write_digits(table, tmp_path / "data")
    pixels = (tmp_path / "data" / "digits.bin").read_bytes()
    described = json.loads((tmp_path / "data" / "digits.json").read_text())
    assert len(pixels) == 1797 * 64
    assert described["sha256"] == hashlib.sha256(pixels).hexdigest()
    assert described["labels"] == [7] * 1797
    assert described["count"] == 1797
    assert described["shape"] == [8, 8, 1]
    assert described["maximum"] == 16
    assert described["classes"] == list("0123456789")
    assert "CC BY 4.0" in described["source"]


def test_a_shorter_table_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "digits.csv.gz"
    table.write_bytes(gzip.compress(row(7).encode()))
    with pytest.raises(BuildFailed, match="1 rows instead of 1797"):
        digits.write_digits(table, tmp_path)
