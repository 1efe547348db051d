"""What an executor is told of a recipe's settings, worked out before anything is computed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backburner.core.errors import DataError
from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec
from backburner.core.training_settings import TrainingRecipe
from backburner.engine.data import Dataset
from backburner.engine.executor import Workload
from backburner.engine.task import check_answers

LAYERS: list[dict[str, Any]] = [
    {"type": "separable_conv2d", "filters": 2, "kernel_size": 3},
    {"type": "batch_normalization"},
    {"type": "flatten"},
    {"type": "dense", "units": 3},
]


def workload(**training: Any) -> Workload:
    """Six examples, of which the first four are trained on."""
    dataset = Dataset.of(
        inputs=bytes(6 * 25),
        dtype="uint8",
        scale=1 / 255,
        shape=(5, 5, 1),
        labels=[0, 0, 0, 1, 1, 2],
        classes=["a", "b", "c"],
    )
    spec = ModelSpec.from_layers(layers_from_wire(LAYERS), input_shape=(5, 5, 1), classes=3)
    settings = TrainingRecipe.from_wire(training)
    return Workload.of(spec, dataset, settings, 1, trained=(0, 1, 2, 3))


def test_balanced_weights_balance_the_part_that_is_trained_on() -> None:
    found = workload(class_weights="balanced").class_weights
    assert found == pytest.approx((2 / 3, 2, 1))
    assert workload(class_weights={"b": 3}).class_weights == (1, 3, 1)
    assert workload().class_weights is None


def test_only_kernels_are_regularized() -> None:
    assert workload().regularized() == ()
    assert workload(l2=0.1).regularized() == (
        "separable_conv2d_1/depthwise_kernel",
        "separable_conv2d_1/pointwise_kernel",
        "dense_1/kernel",
    )


def test_answers_and_labels_that_do_not_go_together_are_refused_with_the_way_out() -> None:
    one = workload()
    many = replace(one.dataset, positions=3)
    with pytest.raises(DataError, match=r"one for each example, but .* 3 .*Leave out") as refusal:
        check_answers(one.spec, many)
    assert refusal.value.key == "data.labels"
    layers = layers_from_wire(
        [{"type": "reshape", "target_shape": [5, 5]}, {"type": "dense", "units": 3}]
    )
    at_each = ModelSpec.from_layers(layers, (5, 5, 1), 3, output="last")
    with pytest.raises(DataError, match=r"5 for each example, but .* one .*flatten before it"):
        check_answers(at_each, one.dataset)
