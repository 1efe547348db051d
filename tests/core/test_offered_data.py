"""What a network's size depends on is known for every choice in Create."""

from __future__ import annotations

import pytest

from backburner.core.data_sources import DigitsData
from backburner.core.fine_tuning import Base
from backburner.core.layer import Shape
from backburner.core.layers import Dense, Embedding, Flatten
from backburner.core.offered_data import OfferedData
from backburner.core.text_data import SHIPPED_VOCABULARY

SOURCES = ("digits", "drawings", "shapes", "text")


def network(shape: Shape, *, is_text: bool = False) -> Base:
    layers = (Embedding(output_dim=2), Dense(units=2)) if is_text else (Flatten(), Dense(units=2))
    return Base(layers=layers, input_shape=shape, classes=("a", "b"))


def test_each_source_says_what_an_example_is_and_what_there_is_to_tell_apart() -> None:
    digits, drawings, shapes, text = (OfferedData.of(each, drawn="ab") for each in SOURCES)
    assert digits == OfferedData()
    assert (digits.input_shape, len(digits.classes)) == (DigitsData.input_shape, 10)
    assert (drawings.input_shape, drawings.classes) == ((16, 16, 1), ("a", "b"))
    assert (shapes.input_shape, len(shapes.classes)) == ((28, 28, 1), 7)
    assert (text.input_shape, text.classes) == ((128,), tuple(SHIPPED_VOCABULARY))
    assert OfferedData.of("text", characters=("x", "y")).classes == ("x", "y")


@pytest.mark.parametrize(
    ("base", "fitting"),
    [
        (network((8, 8, 1)), ("digits", "drawings")),
        (network((16, 16, 1)), ("drawings",)),
        (network((28, 28, 1)), ("shapes",)),
        (network((8, 8, 3)), ()),
        (network((16,), is_text=True), ("text",)),
    ],
)
def test_a_network_is_offered_for_the_data_that_it_can_learn_on_from(
    base: Base, fitting: tuple[str, ...]
) -> None:
    assert tuple(each for each in SOURCES if OfferedData.of(each).fits(base)) == fitting
