"""The memory that a plan is said to take, against what is laid out and what kernels ask for."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest

from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec
from backburner.core.promise import tape_bytes
from backburner.engine.data import Dataset
from backburner.engine.executor import Workload
from backburner.engine.layout import Memory
from backburner.engine.optimizers import SGD, Adam, Optimizer
from backburner.engine.scratch import plan_bytes, scratch_bytes
from backburner.engine.training import needed_bytes
from backburner_site.bench.workloads import WORKLOADS

EXAMPLES = 2_000
MODELS = {each.name: each.as_request() for each in WORKLOADS} | {
    "dropout": {
        "input": [28, 28, 1],
        "layers": [
            {"type": "conv2d", "filters": 16, "kernel_size": 5, "padding": "same"},
            {"type": "dropout", "rate": 0.5},
            {"type": "max_pooling2d"},
            {"type": "flatten"},
            {"type": "dense", "units": 10},
        ],
        "batch_size": 64,
    },
    "dense only": {
        "input": [28, 28, 1],
        "layers": [
            {"type": "flatten"},
            {"type": "dense", "units": 128, "activation": "relu"},
            {"type": "dense", "units": 10},
        ],
        "batch_size": 32,
    },
    "many kinds": {
        "input": [28, 28, 3],
        "layers": [
            {"type": "conv2d", "filters": 12, "kernel_size": 3, "activation": "gelu"},
            {"type": "batch_normalization"},
            {
                "type": "residual",
                "layers": [
                    {"type": "separable_conv2d", "filters": 12, "kernel_size": 3, "padding": "same"}
                ],
            },
            {"type": "depthwise_conv2d", "kernel_size": 3, "strides": 2, "depth_multiplier": 2},
            {"type": "layer_normalization"},
            {"type": "global_average_pooling2d"},
            {"type": "dense", "units": 10},
        ],
        "batch_size": 32,
    },
    "strides": {
        "input": [32, 32, 3],
        "layers": [
            {"type": "conv2d", "filters": 24, "kernel_size": 3, "strides": 2},
            {"type": "global_average_pooling2d"},
            {"type": "dense", "units": 10},
        ],
        "batch_size": 50,
    },
}
# What the modules' `conv2d_scratch` or `conv2d_gradients_scratch` gave, whichever was larger, for
# batch, height, width, channels, outputs, window, strides, dilation, pads, places (kernels.h).
ASKED = {
    (32, 28, 28, 1, 8, 3, 3, 1, 1, 1, 1, 0, 0, 26, 26): 33_168,
    (32, 32, 32, 32, 64, 3, 3, 1, 1, 1, 1, 1, 1, 32, 32): 1_525_024,
    (8, 4, 4, 256, 256, 3, 3, 1, 1, 1, 1, 1, 1, 4, 4): 19_415_592,
    (32, 1, 64, 64, 64, 1, 3, 1, 1, 1, 4, 0, 8, 1, 64): 547_104,
    (16, 1, 26, 100, 32, 1, 3, 1, 1, 1, 4, 0, 0, 1, 18): 548_448,
    (16, 28, 28, 16, 10, 5, 5, 2, 2, 1, 1, 1, 1, 14, 14): 105_680,
    (1, 1, 128, 1600, 10, 1, 1, 1, 1, 1, 1, 0, 0, 1, 128): 935_456,
    (1, 1, 32, 784, 1024, 1, 1, 1, 1, 1, 1, 0, 0, 1, 32): 3_345_632,
    (4, 9, 9, 3, 5, 2, 3, 1, 1, 2, 2, 0, 0, 7, 5): 13_104,
}


def workload(
    model: dict[str, Any],
    *,
    optimizer: Optimizer | None = None,
    dtype: Literal["uint8", "float32"] = "uint8",
    scale: float = 1.0,
) -> Workload:
    shape = tuple(model["input"])
    classes = model["layers"][-1]["units"]
    layers = layers_from_wire(model["layers"])
    spec = ModelSpec.from_layers(layers, input_shape=shape, classes=classes, output="last")
    dataset = Dataset.of(
        inputs=bytes(EXAMPLES * math.prod(shape) * (1 if dtype == "uint8" else 4)),
        dtype=dtype,
        scale=scale,
        shape=shape,
        labels=[0] * (EXAMPLES * (spec.positions or 1)),
        classes=[str(number) for number in range(classes)],
        positions=spec.positions,
    )
    return Workload(
        spec=spec,
        dataset=dataset,
        optimizer=optimizer or Adam(learning_rate=0.001),
        batch_size=model["batch_size"],
        seed=1,
        clip_norm=None,
    )


@pytest.mark.parametrize("optimizer", [SGD(learning_rate=0.1), Adam(learning_rate=0.001)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("name", MODELS)
def test_a_plan_takes_what_is_laid_out_and_a_little_scratch_space(
    name: str, dtype: Literal["uint8", "float32"], optimizer: Optimizer
) -> None:
    given = workload(MODELS[name], optimizer=optimizer, dtype=dtype)
    laid_out = Memory(given).size
    a_block_of_tiles = 2**19
    assert laid_out < plan_bytes(given) <= 1.3 * laid_out + a_block_of_tiles


@pytest.mark.parametrize("window", ASKED)
def test_the_scratch_space_is_never_less_than_kernels_ask_for_nor_much_more(
    window: tuple[int, ...],
) -> None:
    most = 1.05 * ASKED[window] + 5_000
    assert ASKED[window] <= scratch_bytes("conv2d_scratch", *window) <= most


def test_large_weights_need_scratch_space_for_their_transforms() -> None:
    layer = {"type": "conv2d", "filters": 256, "kernel_size": 3, "padding": "same"}
    layers = [layer, layer, {"type": "flatten"}, {"type": "dense", "units": 10}]
    given = workload({"input": [4, 4, 256], "layers": layers, "batch_size": 8})
    window = (8, 4, 4, 256, 256, 3, 3, 1, 1, 1, 1, 1, 1, 4, 4)
    assert plan_bytes(given) >= Memory(given).size + ASKED[window]


@pytest.mark.parametrize("name", MODELS)
def test_what_is_promised_is_that_of_whoever_trains(name: str) -> None:
    given = workload(MODELS[name])
    tape = tape_bytes(given.spec, batch_size=given.batch_size, slots=2, examples=EXAMPLES)
    plan = plan_bytes(given)
    assert needed_bytes(given, backend="wasm", has_kernels=True) == plan
    assert needed_bytes(given, backend="wasm", has_kernels=False) == tape
    assert needed_bytes(given, backend="webgl", has_kernels=True) == tape
    assert tape > 1.5 * plan


def test_data_that_no_plan_can_take_are_promised_the_memory_of_the_tape() -> None:
    given = workload(MODELS["W3"], dtype="float32", scale=0.5)
    tape = tape_bytes(given.spec, batch_size=given.batch_size, slots=2, examples=EXAMPLES)
    assert needed_bytes(given, backend="wasm", has_kernels=True) == tape
