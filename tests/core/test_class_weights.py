"""Class weights: how they are written, and what they come to."""

from __future__ import annotations

from typing import Any

import pytest

from backburner.core.class_weights import CLASS_WEIGHTS, check_class_weights, weights_of
from backburner.core.errors import RecipeError

CLASSES = ("cat", "dog", "bird")
KEY = "training.class_weights"


def test_a_class_is_weighed_by_its_name_and_what_is_left_out_counts_1() -> None:
    weights = CLASS_WEIGHTS.read({"dog": 2, "bird": 0}, KEY)
    assert weights_of(weights, CLASSES, (5, 5, 5)) == (1, 2, 0)


def test_a_list_has_a_weight_for_each_class() -> None:
    weights = CLASS_WEIGHTS.read([1, 2, 0.5], KEY)
    assert weights_of(weights, CLASSES, (5, 5, 5)) == (1, 2, 0.5)


def test_balanced_every_class_weighs_the_same_and_an_example_1_on_average() -> None:
    counts = (10, 30, 60)
    found = weights_of(CLASS_WEIGHTS.read("balanced", KEY), CLASSES, counts)
    assert [weight * count for weight, count in zip(found, counts, strict=True)] == (
        pytest.approx([100 / 3] * 3)
    )
    assert weights_of("balanced", CLASSES, (7, 7, 7)) == (1, 1, 1)


def test_a_class_without_examples_does_not_change_the_balance_of_the_others() -> None:
    assert weights_of("balanced", CLASSES, (4, 0, 2)) == (0.75, 1, 1.5)


@pytest.mark.parametrize(
    ("wire", "key"),
    [
        ("balance", KEY),
        (3, KEY),
        ({}, KEY),
        ([], KEY),
        ({"dog": -1}, f"{KEY}.dog"),
        ({"dog": "2"}, f"{KEY}.dog"),
        ({"dog": 1001}, f"{KEY}.dog"),
        ([1, None, 1], f"{KEY}[1]"),
        ({"dgo": 2}, f"{KEY}.dgo"),
        ([1, 2], KEY),
        ([0, 0, 0], KEY),
    ],
    ids=str,
)
def test_weights_that_are_not_of_these_classes_are_refused_by_their_key(
    wire: Any, key: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        check_class_weights(CLASS_WEIGHTS.read(wire, KEY), CLASSES)
    assert caught.value.key == key


def test_a_misspelt_class_is_pointed_to() -> None:
    with pytest.raises(RecipeError, match='Did you mean "dog"'):
        check_class_weights({"dgo": 2.0}, CLASSES)
