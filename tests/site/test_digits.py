"""UCI's table becomes bytes and a description, or is refused."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from backburner.core.data_sources import DigitsData
from backburner_site import digits
from backburner_site.errors import BuildFailed


def row(label: int, value: int = 16) -> str:
    return ",".join([f"{value}", *["0"] * 63, str(label)])


LABELS = [label for label, count in enumerate(DigitsData.counts) for _ in range(count)]


def table_of(folder: Path, labels: list[int]) -> Path:
    table = folder / "digits.csv.gz"
    table.write_bytes(gzip.compress("\n".join(map(row, labels)).encode()))
    return table


def test_pixels_and_labels_come_apart() -> None:
    pixels, labels = digits.read_table(f"{row(3)}\n{row(9, value=5)}\n")
    assert labels == [3, 9]
    assert pixels == bytes([16, *[0] * 63, 5, *[0] * 63])


@pytest.mark.parametrize("bad", ["1,2,3", row(10), row(1, value=17)])
def test_a_row_that_does_not_fit_is_named(bad: str) -> None:
    with pytest.raises(BuildFailed, match="Row 2"):
        digits.read_table(f"{row(0)}\n{bad}")


def test_the_description_fits_the_pixels(tmp_path: Path) -> None:
    digits.write_digits(table_of(tmp_path, LABELS), tmp_path / "data")
    pixels = (tmp_path / "data" / "digits.bin").read_bytes()
    described = json.loads((tmp_path / "data" / "digits.json").read_text())
    assert len(pixels) == 1797 * 64
    assert described["sha256"] == hashlib.sha256(pixels).hexdigest()
    assert described["labels"] == LABELS
    assert described["count"] == 1797
    assert described["shape"] == [8, 8, 1]
    assert described["maximum"] == 16
    assert described["classes"] == list("0123456789")
    assert "CC BY 4.0" in described["source"]


def test_a_shorter_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="1 rows instead of 1797"):
        digits.write_digits(table_of(tmp_path, [7]), tmp_path)


def test_a_site_is_never_built_with_other_counts_than_recipes_are_checked_against(
    tmp_path: Path,
) -> None:
    # The real table is checked by every build, so that the two cannot part unnoticed.
    other = [*LABELS[:-1], 0]
    with pytest.raises(BuildFailed, match=r"DigitsData\.counts"):
        digits.write_digits(table_of(tmp_path, other), tmp_path)
    assert not (tmp_path / "digits.json").exists()
