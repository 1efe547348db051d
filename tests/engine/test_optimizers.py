"""Each optimizer's steps against the same formula in plain Python."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from tests.engine.laboratory import Laboratory
from tests.engine.test_training import SHARED, TINY

pytestmark = pytest.mark.browser

STEPS = 6
SETTINGS: list[dict[str, Any]] = [
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "momentum": 0.9},
    {"optimizer": "adam"},
    {"optimizer": "adamw"},
    {"optimizer": "adamw", "weight_decay": 0.5},
    {"optimizer": "adamw", "weight_decay": 0.0},
]

CODE = """
from backburner.core.training_settings import TrainingRecipe
from backburner.engine.optimizers import *

async def main(backend, training, parameters, gradients, clip):
    t = await use(backend)
    optimizer = optimizer_from_recipe(TrainingRecipe(**training))
    before = t.memory()
    with t.scope():
        values = {n: t.floats(v, (len(v),)) for n, v in parameters.items()}
        state = initial_state(t, optimizer, values)
        kept = list(state.values())
        for step, given in enumerate(gradients, 1):
            found = {n: t.floats(v, (len(v),)) for n, v in given.items()}
            if clip:
                found = dict(zip(found, clip_by_global_norm(t, list(found.values()), clip)))
            values, state = optimizer.update(t, values, found, state, step)
        result = {n: list(v.dataSync()) for n, v in values.items()}
    names = list(state)
    t.dispose(*kept)
    assert t.memory() == before
    return [result, names]
"""


def numbers(seed: int) -> dict[str, list[float]]:
    r = random.Random(seed)
    return {"a": [r.uniform(-1, 1) for _ in range(5)], "b": [r.uniform(-3, 3) for _ in range(2)]}


def clipped(gradient: dict[str, list[float]], limit: float | None) -> dict[str, list[float]]:
    length = math.sqrt(sum(g * g for values in gradient.values() for g in values))
    scale = min(1.0, limit / length) if limit else 1.0
    return {name: [g * scale for g in values] for name, values in gradient.items()}


def reference(
    training: dict[str, Any], gradients: list[dict[str, list[float]]], clip: float | None
) -> dict[str, list[float]]:
    values = numbers(0)
    rate = training["learning_rate"]
    decay = training.get("weight_decay", 0.004) if training["optimizer"] == "adamw" else 0.0
    velocity = {n: [0.0] * len(v) for n, v in values.items()}
    m = {n: [0.0] * len(v) for n, v in values.items()}
    v = {n: [0.0] * len(v) for n, v in values.items()}
    for t, given in enumerate(gradients, 1):
        for name, gradient in clipped(given, clip).items():
            for i, g in enumerate(gradient):
                if training["optimizer"] == "sgd":
                    momentum = training.get("momentum", 0.0)
                    velocity[name][i] = momentum * velocity[name][i] - rate * g
                    values[name][i] += velocity[name][i]
                    continue
                values[name][i] -= rate * decay * values[name][i]
                m[name][i] = 0.9 * m[name][i] + 0.1 * g
                v[name][i] = 0.999 * v[name][i] + 0.001 * g * g
                corrected = rate * math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
                values[name][i] -= corrected * m[name][i] / (math.sqrt(v[name][i]) + 1e-7)
    return values


@pytest.mark.parametrize("clip", [None, 0.5, 100.0], ids=["unclipped", "clipped", "below-limit"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("backend", ["wasm", "cpu"])
def test_an_optimizers_steps_are_those_of_its_formula(
    laboratory: Laboratory,
    backend: str,
    settings: dict[str, Any],
    clip: float | None,
) -> None:
    training = {**settings, "learning_rate": 0.1}
    gradients = [numbers(step) for step in range(1, STEPS + 1)]
    found, names = laboratory.run(
        CODE,
        backend=backend,
        training=training,
        parameters=numbers(0),
        gradients=gradients,
        clip=clip,
    )
    for name, expected in reference(training, gradients, clip).items():
        assert found[name] == pytest.approx(expected, abs=2e-6)
    slots = {"sgd": ["velocity"] * ("momentum" in settings)}.get(settings["optimizer"], ["m", "v"])
    assert names == [f"{name}/{slot}" for name in "ab" for slot in slots]


BOTH = """
async def main(layers, variant, **training):
    found = []
    for kernels in ("stock", variant):
        t, training_run = await start("wasm", layers, kernels=kernels, **training)
        assert training_run.executor.name == ("tape" if kernels == "stock" else "plan")
        losses = [(await training_run.train_step()).loss for _ in range(training_run.steps)]
        parameters, state = await training_run.executor.read()
        training_run.dispose()
        found.append([losses, *(
            {name: list(array("f", numbers.data)) for name, numbers in part.items()}
            for part in (parameters, state))])
    return found
"""


@pytest.mark.parametrize("variant", ["simd", "relaxed"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_an_optimizer_does_the_same_on_the_tape_and_on_the_plan(
    laboratory: Laboratory, variant: str, settings: dict[str, Any]
) -> None:
    tape, plan = laboratory.run(
        SHARED + BOTH,
        layers=TINY,
        variant=variant,
        learning_rate=0.01,
        clip_norm=1.0,
        **settings,
    )
    assert plan[0] == pytest.approx(tape[0], abs=1e-4)
    for ours, theirs in zip(plan[1:], tape[1:], strict=True):
        assert list(ours) == list(theirs)
        for name, numbers in theirs.items():
            assert ours[name] == pytest.approx(numbers, abs=1e-3), name
