"""The plan against the tape, in the browser."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from tests.engine.laboratory import Laboratory
from tests.engine.test_training import SHARED

pytestmark = pytest.mark.browser

VARIANTS = pytest.mark.parametrize("variant", ["simd", "relaxed"])
TOLERANCE = 1e-5
"""Of the largest weight, after 12 steps: rounding errors that the steps have carried on."""

MODELS: dict[str, dict[str, Any]] = {
    "conv relu pool": {"layers": [
        {"type": "conv2d", "filters": 8, "kernel_size": 3, "activation": "relu"},
        {"type": "max_pooling2d"}, {"type": "flatten"}, {"type": "dense", "units": 9}]},
    "same padding, twice": {"layers": [
        {"type": "conv2d", "filters": 8, "kernel_size": 3, "padding": "same", "activation": "relu"},
        {"type": "conv2d", "filters": 12, "kernel_size": 3, "padding": "same"},
        {"type": "max_pooling2d", "pool_size": 3, "strides": 2, "padding": "same"}]},
    "strides, dilation, tanh": {"layers": [
        {"type": "conv2d", "filters": 5, "kernel_size": [3, 2], "strides": [1, 2],
         "activation": "tanh"},
        {"type": "conv2d", "filters": 3, "kernel_size": 2, "dilation_rate": 2}]},
    "average poolings": {"layers": [
        {"type": "average_pooling2d", "pool_size": 2, "strides": 1, "padding": "same"},
        {"type": "conv2d", "filters": 6, "kernel_size": 3, "activation": "sigmoid"},
        {"type": "global_average_pooling2d"}]},
    "dropout": {"layers": [
        {"type": "conv2d", "filters": 8, "kernel_size": 3, "activation": "relu"},
        {"type": "dropout", "rate": 0.3}, {"type": "flatten"}, {"type": "dropout", "rate": 0.5},
        {"type": "dense", "units": 7, "activation": "relu"}]},
    "dense only": {"layers": [
        {"type": "flatten"}, {"type": "dense", "units": 11, "activation": "sigmoid"}]},
    "sgd, clipped": {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "clip_norm": 0.5,
        "layers": [{"type": "conv2d", "filters": 4, "kernel_size": 2, "activation": "relu"}]},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1,
        "layers": [{"type": "conv2d", "filters": 4, "kernel_size": 5, "activation": "relu"}]},
}  # fmt: skip

AGREE = """
from array import array

async def main(variant, model):
    found = {}
    for kernels in ("stock", variant):
        _, training = await start("wasm", kernels=kernels, count=30, batch_size=8, epochs=3,
                                  seed=5, **model)
        assert training.executor.name == ("tape" if kernels == "stock" else "plan")
        steps = [await training.train_step() for _ in range(training.steps)]
        async for evaluation in training.evaluation("train"):
            pass
        prediction = await training.predict(pictures(1)["inputs"][0])
        parameters, state = await training.executor.read()
        found[kernels] = dict(
            losses=[step.loss for step in steps],
            accuracy=[step.accuracy for step in steps],
            evaluation=[evaluation.loss], prediction=prediction["probabilities"],
            **{name: list(array("f", numbers.data)) for name, numbers in parameters.items()},
            **{"state " + name: list(array("f", n.data)) for name, n in state.items()})
        training.dispose()
    ours, theirs = found[variant], found["stock"]
    assert ours.keys() == theirs.keys()
    return {name: max(abs(a - b) for a, b in zip(ours[name], theirs[name], strict=True))
            / max(1e-3, *map(abs, theirs[name])) for name in theirs}
"""


@VARIANTS
@pytest.mark.parametrize("name", MODELS)
def test_a_plan_trains_like_the_tape(laboratory: Laboratory, variant: str, name: str) -> None:
    errors = laboratory.run(SHARED + dedent(AGREE), variant=variant, model=MODELS[name])
    print(name, variant, max(errors.values()))
    assert errors["losses"] < TOLERANCE
    assert max(errors.values()) < TOLERANCE, errors


LAYERS = MODELS["conv relu pool"]["layers"]

EXPLAIN = """
async def main(variant, layers):
    _, training = await start("wasm", layers, kernels=variant, count=20, batch_size=8, epochs=2)
    await training.train_step()
    before = await training.checkpoint()
    calls = training.executor.explain(js.performance.now)
    after = await training.checkpoint()
    training.dispose()
    return dict(same=before == after, calls=[[c.phase, c.layer, c.kernel, list(c.regions), c.bytes,
                                              c.ms] for c in calls])
"""


@VARIANTS
def test_explaining_a_plan_measures_every_call_and_changes_nothing(
    laboratory: Laboratory, variant: str
) -> None:
    found = laboratory.run(SHARED + dedent(EXPLAIN), variant=variant, layers=LAYERS)
    assert found["same"]
    phases = [call[0] for call in found["calls"]]
    assert list(dict.fromkeys(phases)) == ["input", "forward", "loss", "backward", "update"]
    assert all(regions and size > 0 and ms > 0 for *_, regions, size, ms in found["calls"])


MEMORY = """
async def main(variant, layers):
    kernels = await kernels_of(variant)
    before = kernels.allocated_bytes, Tensors(js.tf).memory()
    _, training = await start("wasm", layers, kernels=variant, count=20, batch_size=8, epochs=2)
    held = kernels.allocated_bytes
    for _ in range(training.steps):
        await training.train_step()
    await training.predict(pictures(1)["inputs"][0])
    during = kernels.allocated_bytes
    training.dispose()
    training.dispose()
    return [held > before[0], during == held,
            (kernels.allocated_bytes, Tensors(js.tf).memory()) == before]
"""


@VARIANTS
def test_a_plan_takes_its_memory_once_and_gives_it_back(
    laboratory: Laboratory, variant: str
) -> None:
    assert laboratory.run(SHARED + dedent(MEMORY), variant=variant, layers=LAYERS) == [
        True,
        True,
        True,
    ]


DIVERGE = """
from backburner.core.errors import TrainingDiverged

async def main(variant, layers):
    _, training = await start("wasm", layers, kernels=variant, count=20, batch_size=8, epochs=40,
                              optimizer="sgd", learning_rate=1000.0)
    before = None
    try:
        while True:
            before = (await training.weights())["sha256"], training.step
            await training.train_step()
    except TrainingDiverged:
        after = (await training.weights())["sha256"], training.step
    training.dispose()
    return before == after
"""


@VARIANTS
def test_a_loss_that_is_no_number_changes_nothing(laboratory: Laboratory, variant: str) -> None:
    assert laboratory.run(SHARED + dedent(DIVERGE), variant=variant, layers=LAYERS) is True


NO_ROOM = """
from backburner.core.errors import BackendError

async def main(size):
    await use("wasm")
    kernels = await kernels_of("simd")
    before = kernels.allocated_bytes, js.tf.findBackend("wasm").wasm.HEAPU8.length
    for ask in (kernels.allocate, kernels.scratch):
        try:
            ask(size)
            return "there was room"
        except BackendError as error:
            assert "no room" in error.message
    after = kernels.allocated_bytes, js.tf.findBackend("wasm").wasm.HEAPU8.length
    return before == after
"""


@pytest.mark.parametrize("size", [2**32 + 4096, 2**33, -64, -(2**31)])
def test_what_no_memory_can_hold_is_refused(laboratory: Laboratory, size: int) -> None:
    """JavaScript would take such a size modulo 2^32, and what is too large for less."""
    assert laboratory.run(NO_ROOM, size=size) is True


ON_ANOTHER = """
LAYERS = [{"type": "average_pooling2d", "pool_size": 3, "strides": 1, "padding": "same"},
          {"type": "conv2d", "filters": 4, "kernel_size": 3}]

async def main():
    t = await use("wasm")
    r = recipe(seed=3, data=pictures(30), model={"layers": LAYERS},
               training={"epochs": 2, "batch_size": 8})
    data = Dataset.from_inline(r.data)
    await t.start_backend("cpu")
    found = []
    for current in ("wasm", "cpu"):
        await t.use_backend(current)
        training = Training.from_recipe(r, data, t.on("cpu"))
        used = set()
        while training.step < training.steps:
            await training.train_step()
            used.add(js.tf.getBackend())
        found.append([(await training.weights())["sha256"], sorted(used)])
        training.dispose()
    return found
"""


def test_a_run_computes_every_number_on_its_own_backend(laboratory: Laboratory) -> None:
    """A mended kernel is there once for all backends, and must not bring its own along."""
    first, second = laboratory.run(SHARED + dedent(ON_ANOTHER))
    assert first == second
    assert first[1] == ["cpu"]
