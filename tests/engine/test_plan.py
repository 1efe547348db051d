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

# Nothing here only moves or stretches what a normalization then brings back: gradients by that are
# nothing but rounding errors, and Adam makes steps of those, too.
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
    "depthwise, pooled": {"layers": [
        {"type": "depthwise_conv2d", "kernel_size": 3, "depth_multiplier": 5, "padding": "same",
         "activation": "relu"}, {"type": "max_pooling2d"},
        {"type": "depthwise_conv2d", "kernel_size": [2, 1], "dilation_rate": 2}]},
    "separable": {"layers": [
        {"type": "conv2d", "filters": 6, "kernel_size": 3, "activation": "gelu"},
        {"type": "separable_conv2d", "filters": 5, "kernel_size": 3, "strides": 2,
         "padding": "same", "depth_multiplier": 2, "activation": "gelu"},
        {"type": "separable_conv2d", "filters": 4, "kernel_size": 2, "activation": "tanh"}]},
    "normalizations": {"layers": [
        {"type": "batch_normalization", "momentum": 0.8, "scale": False},
        {"type": "conv2d", "filters": 7, "kernel_size": 3, "activation": "tanh"},
        {"type": "batch_normalization", "center": False}, {"type": "max_pooling2d"},
        {"type": "layer_normalization"}, {"type": "flatten"},
        {"type": "dense", "units": 6, "activation": "sigmoid"},
        {"type": "layer_normalization", "center": False, "scale": False}]},
    "residuals": {"layers": [
        {"type": "residual", "layers": [
            {"type": "conv2d", "filters": 1, "kernel_size": 3, "padding": "same"}]},
        {"type": "conv2d", "filters": 6, "kernel_size": 3, "padding": "same"},
        {"type": "residual", "layers": [
            {"type": "batch_normalization"},
            {"type": "conv2d", "filters": 6, "kernel_size": 3, "padding": "same",
             "activation": "relu"},
            {"type": "dropout", "rate": 0.2},
            {"type": "residual", "layers": [
                {"type": "average_pooling2d", "pool_size": 3, "strides": 1, "padding": "same"},
                {"type": "separable_conv2d", "filters": 6, "kernel_size": 3, "padding": "same"}]}]},
        {"type": "reshape", "target_shape": [12, -1]},
        {"type": "residual", "layers": [
            {"type": "layer_normalization"},
            {"type": "conv1d", "filters": 18, "kernel_size": 3, "padding": "causal",
             "activation": "gelu"}]}, {"type": "flatten"}]},
    "every setting": {"optimizer": "adamw", "weight_decay": 0.1, "l2": 0.01, "clip_norm": 0.5,
        "schedule": {"name": "cosine", "warmup_steps": 3},
        "class_weights": {"0": 0.5, "2": 3},
        "augmentation": {"shift": 0.2, "rotate": 30, "flip": True, "noise": 0.1},
        "layers": [{"type": "conv2d", "filters": 8, "kernel_size": 3, "activation": "relu"},
                   {"type": "max_pooling2d"}, {"type": "dropout", "rate": 0.3}]},
    "noise, l2, sgd in stairs": {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9,
        "l2": 0.02, "class_weights": "balanced", "augmentation": {"noise": 0.2},
        "schedule": {"name": "step", "decay_rate": 0.5, "decay_steps": 4},
        "layers": [{"type": "flatten"}, {"type": "dense", "units": 11, "activation": "relu"}]},
}  # fmt: skip

AGREE = """
import math
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
        picture = pictures(1)["inputs"][0]
        prediction = await training.predict(picture)
        looked = await training.activations(picture)
        assert [(each.layer, each.shape) for each in looked] == [
            (placed.name, placed.output_shape) for placed in training.spec.walk()]
        assert all(len(each.numbers) == math.prod(each.shape) for each in looked)
        logits = next(each for each in looked if each.layer == training.spec.layers[-1].name)
        powers = [math.exp(logit) for logit in logits.numbers]
        shares = [power / sum(powers) for power in powers]
        assert all(math.isclose(a, b, abs_tol=1e-6)
                   for a, b in zip(shares, prediction["probabilities"], strict=True))
        parameters, state = await training.executor.read()
        found[kernels] = dict(
            losses=[step.loss for step in steps],
            accuracy=[step.accuracy for step in steps],
            evaluation=[evaluation.loss], prediction=prediction["probabilities"],
            **{"output of " + each.layer: list(each.numbers) for each in looked},
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
    print(name, variant, {n: e for n, e in errors.items() if e > 5e-6})
    assert errors["losses"] < TOLERANCE
    assert max(errors.values()) < TOLERANCE, errors


# Everything that no recipe of a training says: texts, weights that stay, and adapters.
PARTLY = """
from array import array
from dataclasses import replace
from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec
from backburner.core.placed_layer import Adapter
from backburner.engine.executor import Workload
from backburner.engine.optimizers import SGD
from backburner.engine.plan import Plan
from backburner.engine.safetensors import Numbers
from backburner.engine.tape import Tape

def text():
    symbols = [(7 * i * i + i // 3) % 5 for i in range(60)]
    rows = [symbols[i:i + 9] for i in range(40)]
    return Dataset.of(inputs=bytes(s for row in rows for s in row[:-1]), dtype="uint8", scale=1,
                      shape=(8,), labels=[s for row in rows for s in row[1:]],
                      classes=list("abcde"), positions=8, is_text=True)

def frozen(placed):
    stays = tuple(replace(each, is_trained=False) for each in placed.parameters)
    return replace(placed, is_frozen=True, parameters=stays,
                   inner=tuple(map(frozen, placed.inner)))

def adapted(placed):
    if placed.inner:
        return replace(placed, inner=tuple(map(adapted, placed.inner)))
    kernel = next((each for each in placed.parameters if each.name == "kernel"), None)
    if kernel is None:
        return frozen(placed)
    adapter = Adapter(rank=3, alpha=4.5)
    own = frozen(placed).parameters
    return replace(placed, adapter=adapter, parameters=own + adapter.parameters(kernel))

WAYS = {"as it is": lambda layers: layers,
        "the first ones stay": lambda layers: (*map(frozen, layers[:2]), *layers[2:]),
        "the middle stays": lambda layers: (layers[0], *map(frozen, layers[1:-1]), layers[-1]),
        "adapted": lambda layers: tuple(map(adapted, layers))}

async def main(variant, layers, way):
    t = await use("wasm")
    is_text = layers[0]["type"] == "embedding"
    given = text() if is_text else Dataset.from_inline(
        recipe(data=pictures(30), model={"layers": layers}, training={"batch_size": 8}).data)
    spec = ModelSpec.from_layers(layers_from_wire(layers), input_shape=given.shape,
        classes=len(given.classes), symbols=given.symbols)
    spec = replace(spec, layers=WAYS[way](spec.layers))
    r = random.Random(4)
    drawn = lambda count: array("f", [r.gauss(0, 0.3) for _ in range(count)]).tobytes()
    initial = {name: Numbers(shape=p.shape, data=drawn(p.size)) for name, p in spec.parameters()
               if name.endswith(("lora_b", "bias", "beta", "embeddings"))}
    workload = Workload(spec=spec, dataset=given, batch_size=8, seed=6, clip_norm=0.7, l2=0.001,
                        optimizer=SGD(learning_rate=0.1, momentum=0.9), initial=initial)
    kernels = await kernels_of(variant)
    before = t.memory(), kernels.allocated_bytes
    found, stayed = [], []
    for executor in (Plan(workload, t, kernels), Tape(workload, t)):
        first, _ = await executor.read()
        losses = []
        for step in range(10):
            batch = [(7 * step + i) % len(given) for i in range(8 if step % 3 else 5)]
            losses.append((await executor.train(batch, step))[0])
        answers = await executor.evaluate(range(6))
        parameters, state = await executor.read()
        stays = [f"{layer.name}/{p.name}" for layer in spec.walk() for p in layer.parameters
                 if layer.is_frozen or not (p.is_trained or p.is_statistic)]
        stayed.append([name for name in stays if first[name].data != parameters[name].data])
        one = [float(n) for n in (given.inputs[:8] if is_text else pictures(1)["inputs"][0][0] * 6)]
        outputs = {o.layer: list(o.numbers) for o in await executor.activations(one)}
        found.append(dict(losses=losses, errors=list(answers.errors), **outputs,
                          **{n: list(array("f", v.data)) for n, v in parameters.items()},
                          **{"state " + n: list(array("f", v.data)) for n, v in state.items()}))
        executor.dispose()
    ours, theirs = found
    assert list(ours) == list(theirs)
    assert t.memory() == before[0] and kernels.allocated_bytes == before[1]
    return [stayed, {name: max(abs(a - b) for a, b in zip(ours[name], theirs[name], strict=True))
                     / max(1e-3, *map(abs, theirs[name])) for name in theirs}]
"""

NETWORKS: dict[str, list[dict[str, Any]]] = {
    "text": [
        {"type": "embedding", "output_dim": 6},
        {"type": "conv1d", "filters": 10, "kernel_size": 3, "padding": "causal",
         "activation": "tanh"},
        {"type": "batch_normalization", "momentum": 0.9},
        {"type": "residual", "layers": [
            {"type": "layer_normalization"},
            {"type": "conv1d", "filters": 10, "kernel_size": 2, "dilation_rate": 2,
             "padding": "causal", "activation": "gelu"}]},
        {"type": "dense", "units": 9, "activation": "relu"}],
    "pictures": [
        {"type": "conv2d", "filters": 5, "kernel_size": 3, "padding": "same", "activation": "relu"},
        {"type": "batch_normalization", "momentum": 0.9},
        {"type": "conv2d", "filters": 6, "kernel_size": 2, "activation": "relu"},
        {"type": "max_pooling2d"},
        {"type": "separable_conv2d", "filters": 4, "kernel_size": 2, "activation": "gelu"},
        {"type": "flatten"}, {"type": "dense", "units": 7, "activation": "tanh"}],
}  # fmt: skip


@VARIANTS
@pytest.mark.parametrize("way", ["as it is", "the first ones stay", "the middle stays", "adapted"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_plan_learns_what_the_tape_does_where_some_weights_stay(
    laboratory: Laboratory, variant: str, name: str, way: str
) -> None:
    stayed, errors = laboratory.run(
        SHARED + dedent(PARTLY), variant=variant, layers=NETWORKS[name], way=way
    )
    print(name, way, variant, {n: e for n, e in errors.items() if e > 5e-6})
    assert stayed == [[], []], "changed, and should not have"
    assert max(errors.values()) < TOLERANCE, errors


LAYERS = MODELS["conv relu pool"]["layers"]
DEEP = MODELS["residuals"]["layers"]

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
    found = laboratory.run(SHARED + dedent(EXPLAIN), variant=variant, layers=DEEP)
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
    assert laboratory.run(SHARED + dedent(MEMORY), variant=variant, layers=DEEP) == [
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
