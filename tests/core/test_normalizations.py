from __future__ import annotations

from typing import Any

import pytest

from backburner.core.layers import layer_from_wire
from tests.core.test_layers import place, refusal

BATCH = {"type": "batch_normalization"}
LAYER = {"type": "layer_normalization"}


@pytest.mark.parametrize("shape", [(8, 6, 32), (12, 32), (32,)], ids=str)
def test_the_counts_are_keras_and_the_shape_stays(shape: tuple[int, ...]) -> None:
    for wire, count, trained in ((BATCH, 4, 2), (LAYER, 2, 2)):
        layer = layer_from_wire(wire)
        parameters = layer.parameters(shape)
        assert layer.output_shape(shape) == shape
        assert [each.shape for each in parameters] == [(32,)] * count
        assert sum(each.is_trained for each in parameters) == trained


def test_statistics_are_no_weights_and_begin_as_in_keras() -> None:
    gamma, beta, mean, variance = layer_from_wire(BATCH).parameters((4, 4, 3))
    named = [(each.name, each.initializer) for each in (gamma, beta, mean, variance)]
    assert named == [
        ("gamma", "ones"),
        ("beta", "zeros"),
        ("moving_mean", "zeros"),
        ("moving_variance", "ones"),
    ]
    assert [each.is_statistic for each in (gamma, beta, mean, variance)] == [0, 0, 1, 1]
    assert [each.is_trained for each in (gamma, beta, mean, variance)] == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("options", "names"),
    [({"scale": False}, ["beta"]), ({"center": False}, ["gamma"]),
     ({"scale": False, "center": False}, [])],
    ids=str,
)  # fmt: skip
def test_scale_and_shift_can_be_left_out(options: dict[str, Any], names: list[str]) -> None:
    for wire, kept in ((BATCH, ["moving_mean", "moving_variance"]), (LAYER, [])):
        parameters = layer_from_wire({**wire, **options}).parameters((4, 4, 3))
        assert [each.name for each in parameters] == names + kept


def test_defaults_are_keras_defaults() -> None:
    assert layer_from_wire(BATCH).to_wire() == {
        **BATCH, "momentum": 0.99, "epsilon": 0.001, "center": True, "scale": True,
    }  # fmt: skip
    assert layer_from_wire(LAYER).to_wire() == {
        **LAYER, "epsilon": 0.001, "center": True, "scale": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value"),
    [("momentum", 1), ("momentum", -0.1), ("epsilon", 0), ("epsilon", "small"), ("scale", 1),
     ("center", "yes")],
)  # fmt: skip
def test_what_is_out_of_range_is_refused_by_its_key(option: str, value: object) -> None:
    assert refusal({**BATCH, option: value}).key == f"model.layers[0].{option}"


def test_a_normalization_may_stand_anywhere() -> None:
    spec = place(BATCH, {"type": "flatten"}, LAYER, {"type": "dense", "units": 4}, BATCH, classes=3)
    assert [each.parameter_count for each in spec.layers] == [4, 0, 128, 260, 16, 15]
