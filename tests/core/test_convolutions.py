"""Depthwise and separable convolutions: shapes, parameters, refusals. (Others: test_layers.py.)"""

from __future__ import annotations

from typing import Any

import pytest

from backburner.core.layers import layer_from_wire
from tests.core.test_layers import conv, place, refusal

KINDS = ["depthwise_conv2d", "separable_conv2d"]


def layer(kind: str, kernel_size: Any = 3, **options: Any) -> dict[str, Any]:
    filters = {"filters": 16} if kind == "separable_conv2d" else {}
    return {"type": kind, **filters, "kernel_size": kernel_size, **options}


# As `keras.layers` counts them on 8 channels: kernel, (mixture,) bias.
@pytest.mark.parametrize(
    ("wire", "counts", "channels"),
    [
        (layer("depthwise_conv2d"), (72, 8), 8),
        (layer("depthwise_conv2d", depth_multiplier=2), (144, 16), 16),
        (layer("depthwise_conv2d", [1, 5], depth_multiplier=3), (120, 24), 24),
        (layer("separable_conv2d"), (72, 128, 16), 16),
        (layer("separable_conv2d", depth_multiplier=2), (144, 256, 16), 16),
    ],
    ids=str,
)
def test_the_parameters_are_keras(
    wire: dict[str, Any], counts: tuple[int, ...], channels: int
) -> None:
    read = layer_from_wire(wire)
    assert tuple(each.size for each in read.parameters((12, 10, 8))) == counts
    assert read.output_shape((12, 10, 8))[2] == channels


def test_the_kernels_have_keras_shapes_names_and_fans() -> None:
    depthwise = layer_from_wire(layer("depthwise_conv2d", [3, 2], depth_multiplier=4))
    kernel, bias = depthwise.parameters((9, 9, 5))
    assert (kernel.name, kernel.shape, bias.shape) == ("kernel", (3, 2, 5, 4), (20,))
    assert (kernel.fan_in, kernel.fan_out) == (30, 24)
    first, second, bias = layer_from_wire(layer("separable_conv2d")).parameters((9, 9, 5))
    assert [each.name for each in (first, second, bias)] == [
        "depthwise_kernel", "pointwise_kernel", "bias",
    ]  # fmt: skip
    assert [each.shape for each in (first, second, bias)] == [(3, 3, 5, 1), (1, 1, 5, 16), (16,)]
    assert (second.fan_in, second.fan_out) == (5, 16)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({}, (10, 8)),
        ({"strides": 2}, (5, 4)),
        ({"strides": [1, 3]}, (10, 3)),
        ({"padding": "same"}, (12, 10)),
        ({"padding": "same", "strides": [5, 3]}, (3, 4)),
        ({"dilation_rate": [4, 2]}, (4, 6)),
        ({"padding": "same", "dilation_rate": 3}, (12, 10)),
    ],
    ids=str,
)
def test_windows_count_as_those_of_any_convolution(
    kind: str, options: dict[str, Any], places: tuple[int, int]
) -> None:
    read = layer_from_wire(layer(kind, **options))
    assert read.output_shape((12, 10, 8))[:2] == places
    assert layer_from_wire(conv(4, 3, **options)).output_shape((12, 10, 8))[:2] == places
    per_place = 8 * 9 + (8 * 16 if kind == "separable_conv2d" else 0)
    assert read.multiply_adds((12, 10, 8)) == places[0] * places[1] * per_place


@pytest.mark.parametrize("kind", KINDS)
def test_strides_and_dilation_together_are_refused(kind: str) -> None:
    error = refusal(layer(kind, strides=2, dilation_rate=2))
    assert error.key == "model.layers[0].dilation_rate"


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_that_leaves_nothing_is_refused_with_how_far_it_reaches(kind: str) -> None:
    error = refusal(layer(kind, dilation_rate=4))
    assert error.key == "model.layers[0]"
    assert "9×9" in error.message
    assert '"padding": "same"' in error.message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(12, 4), (7,)], ids=str)
def test_what_is_no_picture_is_refused(kind: str, shape: tuple[int, ...]) -> None:
    assert refusal(layer(kind), input_shape=shape).key == "model.layers[0]"


@pytest.mark.parametrize("value", [0, 65, 2.5, None, "2"], ids=str)
def test_a_multiplier_that_is_none_is_refused(value: object) -> None:
    error = refusal(layer("depthwise_conv2d", depth_multiplier=value))
    assert error.key == "model.layers[0].depth_multiplier"


def test_a_small_mobile_network_has_the_parameters_that_keras_counts() -> None:
    # MobileNet's first block (alpha 0.25) with biases: 3x3 conv, depthwise, 1x1 conv, each with a
    # batch normalization.
    norm = {"type": "batch_normalization"}
    spec = place(
        conv(8, 3, strides=2, padding="same"), norm,
        layer("depthwise_conv2d", padding="same"), norm,
        conv(16, 1), norm,
        {"type": "global_average_pooling2d"},
        input_shape=(32, 32, 3), classes=10,
    )  # fmt: skip
    assert [each.parameter_count for each in spec.layers] == [224, 32, 80, 32, 144, 64, 0, 170]
    assert spec.parameter_count - spec.trained_count == 2 * (8 + 8 + 16)
