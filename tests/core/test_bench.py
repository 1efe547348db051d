"""What the hook's bench takes, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from backburner.core.bench import BenchOptions, BenchWorkload
from backburner.core.errors import ConfigurationError

W1: dict[str, Any] = {
    "input": [28, 28, 1],
    "layers": [
        {"type": "conv2d", "filters": 8, "kernel_size": 3, "activation": "relu"},
        {"type": "max_pooling2d"},
        {"type": "flatten"},
        {"type": "dense", "units": 10},
    ],
    "batch_size": 16,
    "optimizer": "adam",
}
CAUSAL = {"type": "conv1d", "filters": 5, "kernel_size": 3, "padding": "causal"}
SEQUENCE: dict[str, Any] = {
    "input": [64, 6],
    "layers": [{**CAUSAL, "activation": "relu"}, {**CAUSAL, "dilation_rate": 2}],
}


def test_what_is_left_out_has_its_default() -> None:
    assert BenchOptions.from_wire(None) == BenchOptions.from_wire({})
    assert BenchOptions() == BenchOptions(backend=None, warmup_ms=300, round_ms=1000, rounds=3)
    workload = BenchWorkload.from_wire({k: W1[k] for k in ("input", "layers")})
    assert (workload.batch_size, workload.optimizer) == (32, "adam")


def test_the_last_layers_units_are_the_classes_and_nothing_is_added() -> None:
    recipe = BenchWorkload.from_wire(W1).recipe()
    assert [placed.layer.type for placed in recipe.spec().layers][-1] == "dense"
    assert len(recipe.spec().layers) == 4
    assert len(recipe.data.classes) == 10
    assert recipe.training.batch_size == 16


@pytest.mark.parametrize("activation", ["linear", "softmax", "relu"])
def test_a_sequence_has_an_answer_at_each_position(activation: str) -> None:
    layers = [SEQUENCE["layers"][0], {**CAUSAL, "activation": activation}]
    recipe = BenchWorkload.from_wire({**SEQUENCE, "layers": layers}).recipe()
    spec = recipe.spec()
    assert (spec.positions, spec.classes) == (64, 5)
    assert getattr(recipe.data, "positions") == 64  # noqa: B009 - only noise has it
    kept = "relu" if activation == "relu" else "linear"  # softmax is the loss's
    assert getattr(spec.layers[-1].layer, "activation") == kept  # noqa: B009


def test_a_sequence_that_ends_as_a_row_has_one_answer() -> None:
    dense = {"type": "dense", "units": 3}
    workload = {**SEQUENCE, "layers": [*SEQUENCE["layers"], {"type": "flatten"}, dense]}
    spec = BenchWorkload.from_wire(workload).spec()
    assert (spec.positions, spec.classes) == (None, 3)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"input": None}, "input"),
        ({"input": 28}, "input"),
        ({"input": []}, "input"),
        ({"input": [28, 28, 1, 1]}, "input"),
        ({"input": [28, 0, 1]}, "input"),
        ({"input": [28, True, 1]}, "input"),
        ({"batch_size": 65_536}, "batch_size"),
        ({"layers": []}, "layers"),
        ({"layers": [{"type": "conv9d"}]}, "layers[0].type"),
        ({"layers": [{"type": "flatten"}, W1["layers"][0]]}, "layers[1]"),
        ({"layers": [W1["layers"][0]]}, "layers[0]"),
        ({"layers": [{"type": "flatten"}, {"type": "dense", "units": 1}]}, "layers[1]"),
        ({"batch_size": 0}, "batch_size"),
        ({"optimizer": "adagrad"}, "optimizer"),
        ({"epochs": 3}, "epochs"),
    ],
    ids=str,
)
def test_a_workload_that_cannot_be_measured_is_refused_naming_the_key(
    change: dict[str, Any], key: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        BenchWorkload.from_wire({**W1, **change})
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"backend": "abacus"}, "backend"),
        ({"backend": 3}, "backend"),
        ({"warmup_ms": -1}, "warmup_ms"),
        ({"round_ms": 0}, "round_ms"),
        ({"round_ms": float("nan")}, "round_ms"),
        ({"round_ms": 1e9}, "round_ms"),
        ({"rounds": 0}, "rounds"),
        ({"rounds": 1.5}, "rounds"),
        ({"seconds": 3}, "seconds"),
        ([], None),
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_refused_naming_the_key(options: Any, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        BenchOptions.from_wire(options)
    assert caught.value.key == key
