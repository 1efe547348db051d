"""What is shown of filters and of what layers put out, in plain CPython."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace

import pytest

from backburner.core.convolutions import Conv1D, Conv2D, DepthwiseConv2D, SeparableConv2D
from backburner.core.errors import TrainingDiverged
from backburner.core.layers import Dense, Flatten, Residual
from backburner.core.messages import Sheet
from backburner.core.model import ModelSpec
from backburner.core.placed_layer import Adapter
from backburner.core.poolings import MaxPooling2D
from backburner.engine.executor import LayerOutput
from backburner.engine.inspection import (
    LONGEST_ROW,
    MOST_SHOWN,
    FilterBank,
    Form,
    activation_pieces,
    filter_banks,
    filter_pieces,
)
from backburner.engine.safetensors import Numbers


def kernel(*shape: int, numbers: list[float] | None = None) -> Numbers:
    values = numbers or [math.sin(at) for at in range(math.prod(shape))]
    return Numbers(shape=shape, data=array("f", values).tobytes())


def output(*shape: int, numbers: list[float] | None = None) -> LayerOutput:
    values = numbers or [math.cos(at) for at in range(math.prod(shape))]
    return LayerOutput(layer="conv2d_1", shape=shape, numbers=array("f", values))


def bank(window: tuple[int, int], channels: int, count: int) -> FilterBank:
    return FilterBank(
        layer="conv2d_1",
        parameter="conv2d_1/kernel",
        shape=(*window, channels, count),
        window=window,
        channels=channels,
        count=count,
    )


def pictures(drawn: FilterBank, *numbers: float) -> tuple[Sheet, bytes]:
    given = kernel(*drawn.shape, numbers=list(numbers))
    ((sheet, data),) = filter_pieces([drawn], {drawn.parameter: given}, "pictures")
    return sheet, data


def test_only_what_looks_at_more_than_one_place_is_a_filter() -> None:
    spec = ModelSpec.from_layers(
        [
            Conv2D(filters=4, kernel_size=(3, 3)),
            Conv2D(filters=5, kernel_size=(1, 1)),
            Conv2D(filters=6, kernel_size=(1, 3)),
            MaxPooling2D(),
            Flatten(),
            Dense(units=7),
        ]
    )
    first, second = filter_banks(spec)
    assert (first.parameter, first.window, first.channels, first.count) == (
        "conv2d_1/kernel", (3, 3), 1, 4,
    )  # fmt: skip
    assert (second.parameter, second.window, second.channels, second.count) == (
        "conv2d_3/kernel", (1, 3), 5, 6,
    )  # fmt: skip


def test_every_filter_of_a_depthwise_layer_has_one_channel() -> None:
    spec = ModelSpec.from_layers(
        [
            DepthwiseConv2D(kernel_size=(3, 3), depth_multiplier=2),
            Residual(layers=(SeparableConv2D(filters=2, kernel_size=(3, 3), padding="same"),)),
        ]
    )
    found = [(each.parameter, each.shape, each.channels, each.count) for each in filter_banks(spec)]
    assert found == [
        ("depthwise_conv2d_1/kernel", (3, 3, 1, 2), 1, 2),
        ("residual_1/separable_conv2d_1/depthwise_kernel", (3, 3, 2, 1), 1, 2),
    ]


def test_filters_of_sequences_are_one_row_high() -> None:
    spec = ModelSpec.from_layers([Conv1D(filters=3, kernel_size=5)], input_shape=(9, 8), classes=4)
    (found,) = filter_banks(spec)
    assert (found.window, found.channels, found.count) == ((1, 5), 8, 3)


@pytest.mark.parametrize("form", ["pictures", "numbers"])
@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_filters_that_ran_away_are_refused_by_their_layer(number: float, form: Form) -> None:
    given = bank((2, 2), 1, 1)
    broken = {given.parameter: kernel(*given.shape, numbers=[1, number, 0, 0])}
    with pytest.raises(TrainingDiverged, match=given.layer):
        list(filter_pieces([given], broken, form))


def test_a_filter_of_one_channel_is_drawn_as_it_lies_in_its_kernel() -> None:
    # Two filters of 2 x 2: 1 2 / 3 4 and 0 0 / 0 -8, which alternate in the kernel.
    sheet, data = pictures(bank((2, 2), 1, 2), 1, 0, 2, 0, 3, 0, 4, -8)
    assert (sheet.layer, sheet.shape, sheet.count, sheet.shown) == ("conv2d_1", (2, 2, 1, 2), 2, 2)
    assert (sheet.height, sheet.width, sheet.channels) == (2, 2, 1)
    # Each filter has a scale of its own: its largest magnitude is 255, or 1 where it is negative.
    assert list(data) == [160, 192, 223, 255, 128, 128, 128, 1]
    assert sheet.most == 8


def test_of_many_channels_the_one_that_matters_most_is_shown() -> None:
    # One filter of two places: 0.1 and -0.1 in the first channel, 0.5 and -1 in the second.
    sheet, data = pictures(bank((1, 2), 2, 1), 0.1, 0.5, -0.1, -1.0)
    assert list(data) == [192, 1]
    assert sheet.channels == 1


def test_a_filter_of_three_channels_is_one_picture_in_colours() -> None:
    sheet, data = pictures(bank((3, 3), 3, 4))
    assert sheet.channels == 3
    assert len(data) == 4 * 3 * 3 * 3


def test_a_filter_with_an_adapter_is_drawn_as_the_layer_computes_with_it() -> None:
    # Two places, one filter: 1 1, and an adapter that adds 2 (0.5 -1) times 2.
    adapted = replace(bank((1, 2), 1, 1), adapter=Adapter(rank=1, alpha=2))
    given = {
        "conv2d_1/kernel": kernel(1, 2, 1, 1, numbers=[1, 1]),
        "conv2d_1/lora_a": kernel(2, 1, numbers=[0.5, -1]),
        "conv2d_1/lora_b": kernel(1, 1, numbers=[2]),
    }
    assert set(adapted.names) == set(given)
    ((sheet, data),) = filter_pieces([adapted], given, "numbers")
    assert (list(array("f", data)), sheet.shape) == ([3, -3], (1, 2, 1, 1))


def test_a_filter_of_zeros_is_drawn_and_divides_by_nothing() -> None:
    sheet, data = pictures(bank((3, 3), 1, 1), *[0.0] * 9)
    assert (list(data), sheet.most) == ([128] * 9, 0)


def test_of_many_filters_only_some_are_shown_and_it_is_said_how_many_there_are() -> None:
    sheet, data = pictures(bank((3, 3), 1, 64))
    assert (sheet.count, sheet.shown) == (64, MOST_SHOWN)
    assert len(data) == MOST_SHOWN * 9


def test_channels_are_drawn_one_by_one_in_one_scale() -> None:
    # Two channels of 1 x 2: 1 2 and -4 0, which alternate.
    ((sheet, data),) = activation_pieces([output(1, 2, 2, numbers=[1, -4, 2, 0])], "pictures")
    assert list(data) == [160, 192, 1, 128]
    assert (sheet.height, sheet.width, sheet.count, sheet.most) == (1, 2, 2, 4)


def test_large_pictures_are_thinned_and_it_is_said_how() -> None:
    numbers = [float(row * 100 + column) for row in range(50) for column in range(65)]
    ((sheet, data),) = activation_pieces([output(50, 65, 1, numbers=numbers)], "pictures")
    assert (sheet.every, sheet.height, sheet.width) == (3, 17, 22)
    assert sheet.shape == (50, 65, 1)
    largest = max(numbers)
    seen = [128 + round(127 * numbers[row * 65 + column] / largest)
            for row in range(0, 50, 3) for column in range(0, 65, 3)]  # fmt: skip
    assert list(data) == seen


def test_a_row_of_numbers_is_one_picture_and_long_ones_are_cut() -> None:
    ((sheet, data),) = activation_pieces([output(2_000)], "pictures")
    assert (sheet.count, sheet.height, sheet.width) == (1, 1, LONGEST_ROW)
    assert len(data) == LONGEST_ROW


def test_a_sequence_is_one_picture_with_a_column_for_each_position() -> None:
    ((sheet, data),) = activation_pieces([output(3, 2, numbers=[1, -1, 2, -2, 4, -4])], "pictures")
    assert (sheet.count, sheet.height, sheet.width) == (1, 2, 3)
    assert list(data) == [160, 192, 255, 96, 64, 1]


def test_as_numbers_nothing_is_left_out_and_nothing_is_rounded() -> None:
    filters, drawn = kernel(3, 3, 4, 64), bank((3, 3), 4, 64)
    ((sheet, data),) = filter_pieces([drawn], {drawn.parameter: filters}, "numbers")
    assert (data, sheet.count, sheet.shown) == (filters.data, 64, 64)
    looked = output(50, 65, 20)
    ((sheet, data),) = activation_pieces([looked], "numbers")
    assert array("f", data) == looked.numbers
    assert (sheet.shape, sheet.shown, sheet.height, sheet.width) == ((50, 65, 20), 20, 50, 65)


def test_each_layer_comes_by_itself() -> None:
    made = []

    def outputs() -> object:
        for at in range(3):
            made.append(at)
            yield output(2, 2, 1)

    pieces = activation_pieces(outputs(), "pictures")  # type: ignore[arg-type]
    next(pieces)
    assert made == [0]
