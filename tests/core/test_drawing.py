"""A drawing becomes the same ink wherever, however large and with whatever pen it was drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backburner.core.drawing import (
    DIGITS,
    DRAWINGS,
    SIDE,
    Bitmap,
    draw,
    fit_of,
    model_input,
    side_of,
)
from backburner.core.errors import DataError
from backburner.core.shapes_data import ShapesData

FIXTURES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "data" / "strokes.json").read_text(encoding="utf-8")
)
LINE = [[(0.0, 0.0), (0.0, 10.0)]]
ONE = {(each["digit"], each["style"]): each["strokes"] for each in FIXTURES}


def drawn(strokes: Any, fit: Any = DIGITS) -> Bitmap:
    bitmap = draw(strokes, fit)
    assert bitmap is not None
    return bitmap


def moved(strokes: Any, *, by: float, times: float) -> Any:
    return [[(x * times + by, y * times + by) for x, y in stroke] for stroke in strokes]


def columns(bitmap: Bitmap) -> int:
    """How many columns have ink."""
    every = 0
    for row in bitmap.rows:
        every |= row
    return every.bit_length() - ((every & -every).bit_length() - 1)


def test_there_are_enough_drawings_of_every_digit_in_both_parts() -> None:
    for part in ("tuning", "held out"):
        digits = [each["digit"] for each in FIXTURES if each["part"] == part]
        assert all(digits.count(digit) >= 6 for digit in "0123456789")
    assert len({(each["digit"], each["style"], each["part"]) for each in FIXTURES}) == len(FIXTURES)


def test_nothing_drawn_is_no_input() -> None:
    assert draw([], DIGITS) is None
    assert draw([[]], DRAWINGS) is None
    assert model_input([], (8, 8, 1), DIGITS) is None


@pytest.mark.parametrize("fit", [DIGITS, DRAWINGS])
@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda f: f"{f['digit']} {f['style']}")
def test_place_and_size_make_no_difference(fixture: dict[str, Any], fit: Any) -> None:
    here = drawn(fixture["strokes"], fit)
    # Powers of two, so that not even the last bit of a coordinate is rounded.
    for by, times in ((64.0, 1.0), (0.0, 0.25), (-512.0, 4.0)):
        assert drawn(moved(fixture["strokes"], by=by, times=times), fit) == here


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda f: f"{f['digit']} {f['style']}")
def test_a_digit_fills_the_height_and_has_as_much_ink_as_the_shipped_ones(
    fixture: dict[str, Any],
) -> None:
    bitmap = drawn(fixture["strokes"])
    inked = [y for y, row in enumerate(bitmap.rows) if row]
    # A wide one is not pulled to the full height.
    assert inked[-1] - inked[0] + 1 >= 24
    assert columns(bitmap) <= 23
    assert 190 <= bitmap.count() <= 360


def test_a_slanted_digit_is_put_upright_and_another_drawing_is_not() -> None:
    slanted = [[(10.0, 0.0), (5.0, 20.0)]]
    upright = [[(0.0, 0.0), (0.0, 20.0)]]
    assert columns(drawn(slanted)) <= columns(drawn(upright)) + 2
    assert columns(drawn(slanted, DRAWINGS)) > columns(drawn(upright, DRAWINGS)) + 5


def test_the_points_along_a_line_make_no_difference() -> None:
    between = [[(0.0, 0.0), (8.0, 8.0), (16.0, 16.0)]]
    ends = [[(0.0, 0.0), (16.0, 16.0)]]
    assert drawn(between) == drawn(ends)
    assert drawn([[(16.0, 16.0), (0.0, 0.0)]], DRAWINGS) == drawn(ends, DRAWINGS)


def test_a_dot_stands_in_the_middle() -> None:
    rows = drawn([[(3.0, 4.0)]], DRAWINGS).rows
    assert [y for y, row in enumerate(rows) if row] == [15, 16, 17]
    assert rows[16] == 0b111 << 15
    assert drawn([[(3.0, 4.0)]]).count() > 100


def test_a_line_keeps_its_direction() -> None:
    flat = drawn([[(0.0, 5.0), (9.0, 5.0)]], DRAWINGS)
    assert columns(flat) > 25
    assert sum(row > 0 for row in flat.rows) == 3
    assert columns(drawn(LINE, DRAWINGS)) == 3


def test_a_drawing_keeps_its_proportions_and_stays_inside_the_frame() -> None:
    square = [[(0.0, 0.0), (8.0, 0.0), (8.0, 8.0), (0.0, 8.0), (0.0, 0.0)]]
    bitmap = drawn(square, DRAWINGS)
    inked = [y for y, row in enumerate(bitmap.rows) if row]
    assert columns(bitmap) == inked[-1] - inked[0] + 1 == 30
    assert bitmap.rows[16].bit_count() == 6


@pytest.mark.parametrize("size", [8, 16, 32])
def test_a_block_holds_the_share_of_its_ink(size: int) -> None:
    bitmap = drawn(ONE["3", "round"])
    picture = bitmap.blocks(size)
    assert len(picture) == size
    assert all(len(row) == size for row in picture)
    assert all(0 <= value <= 1 for row in picture for value in row)
    assert sum(map(sum, picture)) * (SIDE // size) ** 2 == pytest.approx(bitmap.count())


@pytest.mark.parametrize("size", [1, 3, 7, 28, 31])
def test_blocks_that_cut_pixels_share_their_ink(size: int) -> None:
    bitmap = drawn(ONE["3", "round"])
    picture = bitmap.blocks(size)
    assert [len(row) for row in picture] == [size] * size
    assert all(-1e-9 <= value <= 1 + 1e-9 for row in picture for value in row)
    assert sum(map(sum, picture)) * (SIDE / size) ** 2 == pytest.approx(bitmap.count())
    full = Bitmap(((1 << SIDE) - 1,) * SIDE).blocks(size)
    assert [value for row in full for value in row] == pytest.approx([1.0] * size**2)


def test_a_shape_that_is_drawn_has_the_size_and_the_lines_of_the_generated_ones() -> None:
    square = [[(0.0, 0.0), (8.0, 0.0), (8.0, 8.0), (0.0, 8.0), (0.0, 0.0)]]
    picture = model_input(square, ShapesData.input_shape, fit_of(ShapesData.source))
    assert picture is not None
    inked = [y for y, row in enumerate(picture) if any(value > 0.5 for value in row)]
    assert 16 <= inked[-1] - inked[0] + 1 <= 21
    assert 4 <= sum(picture[14]) <= 6, "two lines"


def test_the_leftmost_column_comes_first() -> None:
    corner = Bitmap((1, *[0] * (SIDE - 1)))
    assert corner.blocks(32)[0][0] == 1
    assert corner.blocks(8)[0][:2] == [1 / 16, 0]
    assert corner.to_text()[:16] == "0000000100000000"


def test_a_bitmap_survives_as_text() -> None:
    bitmap = drawn(ONE["8", "two rings"])
    assert Bitmap.from_text(bitmap.to_text()) == bitmap
    for broken in ("", "0" * 255, "0" * 257, "g" * 256, "0" * 255 + "F"):
        with pytest.raises(DataError, match="cannot be read"):
            Bitmap.from_text(broken)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((8, 9, 1), "9 × 8"),
        ((64, 64, 1), "64 × 64"),
        ((32, 32, 3), "32 × 32 in 3 colours"),
        ((12,), "square pictures"),
    ],
)
def test_a_model_that_no_drawing_can_be_shown_to_is_named(
    shape: tuple[int, ...], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        side_of(shape)
    with pytest.raises(DataError):
        model_input(LINE, shape, DIGITS)


def test_a_model_gets_the_preparation_of_its_data() -> None:
    assert fit_of("digits") is DIGITS
    assert fit_of("drawings") is fit_of("inline") is DRAWINGS
    strokes = ONE["7", "with a bar"]
    assert model_input(strokes, (8, 8, 1), DIGITS) == drawn(strokes).blocks(8)
