"""Augmentation: from where each place of a varied picture is taken."""

from __future__ import annotations

from typing import Any

import pytest

from backburner.core.augmentation import IDENTITY, Augmentation, Coefficients
from backburner.core.errors import RecipeError

NONE, HALF_LESS, ALL = 2**31, 2**30, 2**32 - 1
"""Words that are drawn as 0, as -1/2, and as almost 1."""

STILL = (NONE, NONE, NONE, 0)


def source(found: Coefficients, row: float, column: float) -> tuple[float, float]:
    """The (row, column) that comes to this place."""
    a0, a1, a2, b0, b1, b2 = found
    return b0 * column + b1 * row + b2, a0 * column + a1 * row + a2


def test_what_is_drawn_as_nothing_changes_nothing() -> None:
    everything = Augmentation(shift=0.2, rotate=90, flip=True)
    assert everything.coefficients(STILL, 8, 8) == pytest.approx(IDENTITY)
    words = (ALL, HALF_LESS, ALL, ALL)
    assert Augmentation(noise=0.5).coefficients(words, 8, 6) == pytest.approx(IDENTITY)


def test_a_turn_by_90_degrees_brings_the_corners_to_each_other() -> None:
    found = Augmentation(rotate=180).coefficients((NONE, NONE, HALF_LESS, 0), 5, 5)
    # By -90 degrees: against the clock. What was at the top right comes to the top left.
    assert source(found, 0, 0) == pytest.approx((0, 4))
    assert source(found, 4, 0) == pytest.approx((0, 0))
    assert source(found, 4, 4) == pytest.approx((4, 0))
    assert source(found, 2, 2) == pytest.approx((2, 2)), "the centre stays"


def test_a_turn_of_a_wide_picture_is_around_its_centre() -> None:
    found = Augmentation(rotate=90).coefficients((NONE, NONE, 0, 0), 4, 7)
    assert source(found, 1.5, 3) == pytest.approx((1.5, 3))
    assert source(found, 1.5, 4) == pytest.approx((2.5, 3))


def test_a_flip_mirrors_from_left_to_right() -> None:
    flipped = Augmentation(flip=True)
    found = flipped.coefficients((NONE, NONE, NONE, 2**31), 4, 6)
    assert source(found, 1, 0) == pytest.approx((1, 5))
    assert source(found, 3, 4) == pytest.approx((3, 1))
    assert flipped.coefficients((NONE, NONE, NONE, 2**31 - 1), 4, 6) == pytest.approx(IDENTITY)
    assert Augmentation(shift=0.1).coefficients((NONE, NONE, NONE, ALL), 4, 6) == (
        pytest.approx(IDENTITY)
    ), "only what may flip does"


def test_a_shift_is_a_share_of_each_side() -> None:
    shifted = Augmentation(shift=0.5)
    found = shifted.coefficients((HALF_LESS, NONE, NONE, 0), 10, 8)
    assert source(found, 0, 0) == pytest.approx((0, 2)), "a quarter of the width to the left"
    found = shifted.coefficients((NONE, 0, NONE, 0), 10, 8)
    assert source(found, 0, 0) == pytest.approx((5, 0)), "half of the height upwards"


def test_a_picture_is_mirrored_then_turned_then_moved() -> None:
    every = Augmentation(shift=0.5, rotate=180, flip=True)
    found = every.coefficients((HALF_LESS, NONE, HALF_LESS, ALL), 5, 5)
    # The pixel at (0, 0): mirrored at (0, 4), turned against the clock at (0, 0), moved by 5/4.
    assert source(found, 0, -1.25) == pytest.approx((0, 0))


@pytest.mark.parametrize(
    ("wire", "key"),
    [
        (True, ""),
        ({"shift": 0.6}, ".shift"),
        ({"shift": -0.1}, ".shift"),
        ({"rotate": 181}, ".rotate"),
        ({"flip": 1}, ".flip"),
        ({"flip": "left"}, ".flip"),
        ({"noise": 1.5}, ".noise"),
        ({"rotation": 10}, ".rotation"),
    ],
    ids=str,
)
def test_what_it_does_not_take_is_refused_by_its_key(wire: Any, key: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Augmentation.from_wire(wire)
    assert caught.value.key == f"training.augmentation{key}"
