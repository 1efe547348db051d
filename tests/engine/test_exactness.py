"""Exactness as a property: however often and wherever a run is interrupted, it ends the same.

Each case is drawn by its number: the network, the optimizer, the size of the batches, at which
steps the run is given up, and what else it is asked meanwhile. A case that ever fails stays here
by its number.
"""

from __future__ import annotations

import random
from textwrap import dedent
from typing import Any

import pytest

from tests.engine.laboratory import Laboratory
from tests.engine.test_training import SHARED

pytestmark = pytest.mark.browser

CASES = 54
WAYS = pytest.mark.parametrize(
    ("backend", "kernels"),
    [("wasm", "stock"), ("cpu", "stock"), ("wasm", "simd"), ("wasm", "relaxed")],
)

NETWORKS: list[list[dict[str, Any]]] = [
    [{"type": "conv2d", "filters": 3, "kernel_size": 3, "activation": "relu"},
     {"type": "max_pooling2d"}, {"type": "dropout", "rate": 0.3}],
    [{"type": "conv2d", "filters": 2, "kernel_size": 2, "strides": 2, "padding": "same"},
     {"type": "flatten"}, {"type": "dense", "units": 5, "activation": "tanh"}],
    [{"type": "average_pooling2d"}, {"type": "flatten"}, {"type": "dropout", "rate": 0.2},
     {"type": "dense", "units": 6, "activation": "relu"}],
    [{"type": "batch_normalization", "momentum": 0.9},
     {"type": "separable_conv2d", "filters": 3, "kernel_size": 3, "activation": "gelu"},
     {"type": "residual", "layers": [
         {"type": "layer_normalization"},
         {"type": "depthwise_conv2d", "kernel_size": 3, "padding": "same"}]}],
    [{"type": "conv2d", "filters": 4, "kernel_size": 3, "padding": "same", "activation": "gelu"},
     {"type": "residual", "layers": [
         {"type": "batch_normalization", "momentum": 0.8},
         {"type": "dropout", "rate": 0.2},
         {"type": "separable_conv2d", "filters": 4, "kernel_size": 3, "padding": "same"}]},
     {"type": "layer_normalization"}, {"type": "reshape", "target_shape": [-1, 12]},
     {"type": "conv1d", "filters": 5, "kernel_size": 2, "padding": "causal"}, {"type": "flatten"}],
]  # fmt: skip
OPTIMIZERS: list[dict[str, Any]] = [
    {"optimizer": "adam", "learning_rate": 0.01},
    {"optimizer": "sgd", "learning_rate": 0.1},
    {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.9},
    {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1},
]

SCHEDULES: list[dict[str, Any] | None] = [
    None,
    {"name": "cosine", "warmup_steps": 2},
    {"name": "linear"},
    {"name": "exponential", "decay_rate": 0.5, "decay_steps": 3},
    {"name": "step", "decay_rate": 0.5, "decay_steps": 2},
]
AUGMENTATIONS: list[dict[str, Any] | None] = [
    None,
    {"noise": 0.1},
    {"shift": 0.2, "rotate": 20, "flip": True, "noise": 0.1},
    {"rotate": 45},
]

RUN = """
from backburner.engine.checkpoint import Checkpoint

async def to(training, step):
    while training.step < step:
        await training.train_step()

async def ask(training):
    await training.predict(pictures(1)["inputs"][0])
    async for _ in training.evaluation("validation"):
        pass
    await training.weights()

async def main(backend, kernels, cases):
    found = []
    for case in cases:
        async def begin():
            _, training = await start(backend, kernels=kernels, count=36, **case["start"])
            return training
        whole = await begin()
        assert whole.executor.name == ("tape" if kernels == "stock" else "plan")
        steps = whole.steps
        await to(whole, steps)
        expected = (await whole.weights())["sha256"], await whole.checkpoint()
        whole.dispose()
        training = await begin()
        stops = sorted(round(place * steps) for place in case["places"])
        for stop in stops:
            await to(training, stop)
            if case["asked"]:
                await ask(training)
            file = await training.checkpoint()
            # What it went on to do after its last checkpoint is lost with it, and done again.
            await to(training, min(steps, stop + case["lost"]))
            training.dispose()
            training = await begin()
            training.restore(Checkpoint.from_bytes(file))
        await to(training, steps)
        ended = (await training.weights())["sha256"], await training.checkpoint()
        training.dispose()
        found.append([ended == expected, expected[0], stops])
    return found
"""


def case(number: int) -> dict[str, Any]:
    r = random.Random(number)
    found: dict[str, Any] = {
        "start": {
            "layers": r.choice(NETWORKS),
            "seed": r.randrange(2**53),
            "batch_size": r.randint(3, 12),
            "epochs": r.randint(1, 3),
            "clip_norm": r.choice([None, 0.5]),
            **r.choice(OPTIMIZERS),
        },
        "places": [r.random() for _ in range(r.randint(1, 4))] + r.choice([[], [0.0], [1.0]]),
        "lost": r.randint(0, 3),
        "asked": r.random() < 0.3,
    }
    # What came later is drawn last, so that the rest of an older case stays what it was.
    found["start"] |= {
        "l2": r.choice([None, 0.01]),
        "schedule": r.choice(SCHEDULES),
        "class_weights": r.choice([None, "balanced", [1, 2, 0.5]]),
        "augmentation": r.choice(AUGMENTATIONS),
    }
    return found


@WAYS
def test_a_run_ends_with_the_same_weights_however_often_it_is_interrupted(
    laboratory: Laboratory, backend: str, kernels: str
) -> None:
    cases = [case(number) for number in range(CASES)]
    found = laboratory.run(SHARED + dedent(RUN), backend=backend, kernels=kernels, cases=cases)
    wrong = [
        (number, stops, cases[number]) for number, (same, _, stops) in enumerate(found) if not same
    ]
    assert not wrong, (len(wrong), wrong[:3])
    assert len({sha256 for _, sha256, _ in found}) == CASES, "other cases end with other weights"
    assert sum(len(stops) for _, _, stops in found) > 2 * CASES
