"""What holds for a model of every kind of layer: it learns, and what it gathers is kept."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import dedent
from typing import Any

import pytest

from backburner.core.layer import ACTIVATIONS
from backburner.core.layers import LAYER_TYPES
from tests.engine.laboratory import Laboratory
from tests.engine.test_exactness import WAYS
from tests.engine.test_training import SHARED

pytestmark = pytest.mark.browser

CONV = {"type": "conv2d", "filters": 8, "kernel_size": 3, "padding": "same", "activation": "relu"}
HIDDEN = {"type": "dense", "units": 16, "activation": "relu"}
ROWS = {"type": "reshape", "target_shape": [6, -1]}
NORMALIZED = [CONV, {"type": "batch_normalization", "momentum": 0.9}]

MODELS: dict[str, list[dict[str, Any]]] = {
    "conv2d": [CONV],
    "conv2d dilated": [CONV | {"dilation_rate": 2}],
    "conv1d": [
        ROWS,
        {"type": "conv1d", "filters": 8, "kernel_size": 3, "padding": "causal"},
        {"type": "flatten"},
    ],
    "depthwise_conv2d": [
        {"type": "depthwise_conv2d", "kernel_size": 3, "depth_multiplier": 4, "strides": [1, 2]}
    ],
    "separable_conv2d": [
        CONV,
        {"type": "separable_conv2d", "filters": 8, "kernel_size": 3, "activation": "relu"},
    ],
    "max_pooling2d": [CONV, {"type": "max_pooling2d"}],
    "average_pooling2d": [CONV, {"type": "average_pooling2d", "padding": "same"}],
    "global_average_pooling2d": [
        CONV | {"filters": 16, "padding": "valid"},
        {"type": "global_average_pooling2d"},
        HIDDEN,
    ],
    "batch_normalization": NORMALIZED,
    "layer_normalization": [CONV, {"type": "layer_normalization"}],
    "dropout": [CONV, {"type": "dropout", "rate": 0.05}],
    "flatten": [{"type": "flatten"}, HIDDEN],
    "reshape": [{"type": "reshape", "target_shape": [3, 3, 4]}, CONV],
    "residual": [
        CONV,
        {
            "type": "residual",
            "layers": [
                {"type": "batch_normalization", "momentum": 0.9},
                CONV,
                {"type": "residual", "layers": [{"type": "depthwise_conv2d", "kernel_size": 1}]},
            ],
        },
    ],
    "embedding": [
        {"type": "embedding", "output_dim": 8},
        {"type": "conv1d", "filters": 16, "kernel_size": 2, "padding": "causal"},
        {"type": "layer_normalization"},
        {"type": "residual", "layers": [HIDDEN]},
    ],
    **{
        f"dense {activation}": [{"type": "flatten"}, HIDDEN | {"activation": activation}]
        for activation in ACTIVATIONS
        if activation != "softmax"
    },
}

BEGINNING = """
from backburner.core.data_sources import NoiseData
from backburner.core.layers import layers_from_wire
from backburner.core.recipe import ModelRecipe
from backburner.core.split import SplitRecipe
from backburner.core.training_settings import TrainingRecipe
from backburner.engine.executor import Workload

async def begin_text(backend, layers, kernels, length=6, count=24, **training):
    # Every character follows from the one before it.
    t = await use(backend)
    text = ("abcd" * 30)[:length + count]
    classes = sorted(set(text))
    rows = [[classes.index(c) for c in text[i:i + length + 1]] for i in range(count)]
    data = Dataset.of(inputs=bytes(c for row in rows for c in row[:-1]), dtype="uint8", scale=1,
                      shape=(length,), labels=[c for row in rows for c in row[1:]],
                      classes=classes, positions=length, is_text=True)
    r = Recipe(data=NoiseData(input_shape=data.shape, classes=data.classes, examples=count,
                              positions=length, split=SplitRecipe(train=1, validation=0, test=0)),
               model=ModelRecipe(layers=layers_from_wire(layers)),
               training=TrainingRecipe(epochs=200, batch_size=count, **training), seed=3)
    return t, Training.from_recipe(r, data, t, await kernels_of(kernels))

async def begin(backend, layers, kernels="stock", **options):
    if layers[0]["type"] == "embedding":
        return await begin_text(backend, layers, kernels, **options)
    options = {"count": 12, "split": {"train": 1}, "epochs": 200, "batch_size": 12, **options}
    return await start(backend, layers, kernels=kernels, **options)
"""


def types_in(layers: Iterable[dict[str, Any]]) -> set[str]:
    found: set[str] = set()
    for layer in layers:
        found |= {layer["type"]} | types_in(layer.get("layers", ()))
    return found


def test_there_is_a_model_for_every_type_of_layer() -> None:
    assert set().union(*map(types_in, MODELS.values())) == set(LAYER_TYPES)


@WAYS
@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_every_kind_learns_one_batch_by_heart(
    laboratory: Laboratory, backend: str, kernels: str, name: str
) -> None:
    code = """
    async def main(backend, kernels, layers):
        t, training = await begin(backend, layers, kernels, learning_rate=0.01)
        await training.train_step()
        before, best = t.memory(), 1
        while training.step < training.steps and best > 0.02:
            step = await training.train_step()
            best = min(best, step.loss)
        assert t.memory() == before, (before, t.memory())
        training.dispose()
        return [step.loss, step.accuracy, training.executor.name]
    """
    loss, accuracy, executor = laboratory.run(
        SHARED + BEGINNING + dedent(code), backend=backend, kernels=kernels, layers=MODELS[name]
    )
    assert accuracy == 1
    assert loss <= 0.02, executor


STATISTICS = """
import json

async def numbers(training):
    parameters, _ = await training.executor.read()
    return {name: array("f", each.data).tolist() for name, each in parameters.items()}

async def main(backend, kernels, layers, **options):
    t, training = await begin(backend, layers, kernels, **options)
    found = await function(t, training)
    training.dispose()
    return found
"""


@WAYS
def test_the_statistics_are_those_of_the_batches_real_examples(
    laboratory: Laboratory, backend: str, kernels: str
) -> None:
    code = """
    async def function(t, training):
        await training.train_step()
        before, batch = await numbers(training), training._batch(1)
        await training.train_step()
        after = await numbers(training)
        inputs = array("f", training.dataset.inputs)
        rows = [inputs[36 * i:36 * i + 36] for i in batch]
        seen = [n for row in rows for n in row]
        mean = sum(seen) / len(seen)
        variance = sum((n - mean) ** 2 for n in seen) / len(seen)
        return [len(batch), mean, variance, before, after]
    """
    # The second step has three examples, filled up to seven.
    options = {"count": 10, "batch_size": 7, "epochs": 1}
    count, mean, variance, before, after = laboratory.run(
        SHARED + BEGINNING + STATISTICS + dedent(code),
        backend=backend,
        kernels=kernels,
        layers=[{"type": "batch_normalization", "momentum": 0.75}],
        **options,
    )
    assert count == 3
    for name, found in (("moving_mean", mean), ("moving_variance", variance)):
        (old,), (new,) = (each[f"batch_normalization_1/{name}"] for each in (before, after))
        assert new == pytest.approx(0.75 * old + 0.25 * found, rel=1e-5)


@WAYS
def test_predictions_and_evaluations_leave_the_statistics_alone(
    laboratory: Laboratory, backend: str, kernels: str
) -> None:
    code = """
    async def function(t, training):
        for _ in range(3):
            await training.train_step()
        before = await training.checkpoint()
        await training.predict(pictures(1)["inputs"][0])
        await training.activations(pictures(1)["inputs"][0])
        seen = [e.count async for e in training.evaluation("validation")]
        return [seen[-1], await training.checkpoint() == before]
    """
    split = {"train": 0.8, "validation": 0.2}
    count, same = laboratory.run(
        SHARED + BEGINNING + STATISTICS + dedent(code),
        backend=backend,
        kernels=kernels,
        layers=NORMALIZED,
        split=split,
        count=30,
    )
    assert count > 3
    assert same


@WAYS
def test_a_step_whose_loss_is_no_number_leaves_the_statistics_alone(
    laboratory: Laboratory, backend: str, kernels: str
) -> None:
    code = """
    async def function(t, training):
        await training.train_step()
        parameters, state = await training.executor.read()
        from backburner.engine.safetensors import Numbers
        broken = array("f", [float("nan")] * 3)
        bias = Numbers(shape=(3,), data=broken.tobytes())
        training.executor.write({**parameters, "dense_1/bias": bias}, state)
        before, held = await numbers(training), t.memory()
        refused = await refusal_awaiting(training.train_step())
        after = await numbers(training)
        return [refused["name"], json.dumps(before) == json.dumps(after), t.memory() == held]
    """
    name, same, held = laboratory.run(
        SHARED + BEGINNING + STATISTICS + dedent(code),
        backend=backend,
        kernels=kernels,
        layers=NORMALIZED,
    )
    assert name == "TrainingDiverged"
    assert same
    assert held


@WAYS
@pytest.mark.parametrize("name", ["batch_normalization", "residual", "embedding"])
def test_a_run_that_is_taken_up_ends_with_the_same_weights_and_statistics(
    laboratory: Laboratory, backend: str, kernels: str, name: str
) -> None:
    code = """
    from backburner.engine.checkpoint import Checkpoint

    async def to(training, step):
        while training.step < step:
            await training.train_step()

    async def main(backend, kernels, layers, options):
        async def beginning():
            return (await begin(backend, layers, kernels, **options))[1]
        whole = await beginning()
        await to(whole, 7)
        expected, same = await whole.checkpoint(), []
        for stop in (1, 4):
            first = await beginning()
            await to(first, stop)
            file = await first.checkpoint()
            second = await beginning()
            second.restore(Checkpoint.from_bytes(file))
            same.append(await second.checkpoint() == file)
            await to(second, 7)
            same.append(await second.checkpoint() == expected)
            first.dispose()
            second.dispose()
        whole.dispose()
        names = list(Checkpoint.from_bytes(expected).parameters)
        return [same, names == [name for name, _ in whole.spec.parameters()]]
    """
    options = {} if name == "embedding" else {"batch_size": 5}
    same, is_all_there = laboratory.run(
        SHARED + BEGINNING + dedent(code),
        backend=backend,
        kernels=kernels,
        layers=MODELS[name],
        options=options,
    )
    assert same == [True] * 4
    assert is_all_there


@WAYS
def test_every_kind_of_parameter_begins_as_in_keras(
    laboratory: Laboratory, backend: str, kernels: str
) -> None:
    code = """
    async def function(t, training):
        return await numbers(training)
    """
    found: dict[str, list[float]] = {}
    for name in ("residual", "embedding"):
        found |= laboratory.run(
            SHARED + BEGINNING + STATISTICS + dedent(code),
            backend=backend,
            kernels=kernels,
            layers=MODELS[name],
        )
    embeddings = found.pop("embedding_1/embeddings")
    assert len(embeddings) == 4 * 8
    assert 0.04 < max(map(abs, embeddings)) < 0.05
    assert abs(sum(embeddings)) < 0.3
    for name, values in found.items():
        match name.rsplit("/", 1)[1]:
            case "gamma" | "moving_variance":
                assert set(values) == {1}, name
            case "beta" | "moving_mean" | "bias":
                assert set(values) == {0}, name
            case "kernel":
                assert len(set(values)) == len(values), name
            case other:
                pytest.fail(other)


ADAPTED = """
from dataclasses import replace
from backburner.core.placed_layer import Adapter
from backburner.engine.safetensors import Numbers
from backburner.engine.training import executor_for

def frozen(placed):
    kept = tuple(replace(each, is_trained=False) for each in placed.parameters)
    adapter, added = None, ()
    if kept and kept[0].name == "kernel":
        adapter = Adapter(rank=2, alpha=6)
        added = adapter.parameters(kept[0])
    return replace(placed, parameters=(*kept, *added), adapter=adapter, is_frozen=True,
                   inner=tuple(map(frozen, placed.inner)))

def adapted(spec):
    # All but the output stay as they are, and what has a kernel gets an adapter.
    return replace(spec, layers=(*map(frozen, spec.layers[:-1]), spec.layers[-1]))

async def main(backend, kernels, layers):
    t, training = await begin(backend, layers, kernels)
    for _ in range(3):
        await training.train_step()
    base, _ = await training.executor.read()
    workload = replace(training.workload, spec=adapted(training.spec), initial=base)
    tuned = executor_for(workload, t, await kernels_of(kernels))
    picture = [n for row in pictures(1)["inputs"][0] for n in row]
    before = [list(await each.predict(picture)) for each in (training.executor, tuned)]
    for step in range(4):
        await tuned.train(list(range(5)), step)
    parameters, state = await tuned.read()
    learned = {name for name, each in workload.spec.parameters() if each.is_trained}
    same = [name for name in base if parameters[name].data == base[name].data]
    merged = dict(base)
    for placed in workload.spec.walk():
        if placed.adapter:
            a, b, kernel = (array("f", parameters[f"{placed.name}/{each}"].data)
                            for each in ("lora_a", "lora_b", "kernel"))
            rank, columns = placed.adapter.rank, placed.parameters[0].shape[-1]
            for at in range(len(kernel)):
                row, column = divmod(at, columns)
                kernel[at] += placed.adapter.scale * sum(
                    a[row * rank + k] * b[k * columns + column] for k in range(rank))
            shape = placed.parameters[0].shape
            merged[f"{placed.name}/kernel"] = Numbers(shape=shape, data=kernel.tobytes())
        elif placed is workload.spec.layers[-1]:
            merged |= {name: parameters[name] for name in base if name.startswith(placed.name)}
    _, held = await training.executor.read()
    training.executor.write(merged, held)
    after = [list(await each.predict(picture)) for each in (training.executor, tuned)]
    training.dispose()
    tuned.dispose()
    return dict(before=before, after=after, same=sorted(same), frozen=sorted(set(base) - learned),
                state=sorted(state), learned=sorted(learned))
"""


@WAYS
@pytest.mark.parametrize("name", ["residual", "conv1d", "flatten", "conv2d dilated"])
def test_adapters_change_what_a_frozen_model_answers_and_can_be_merged(
    laboratory: Laboratory, backend: str, kernels: str, name: str
) -> None:
    found = laboratory.run(
        SHARED + BEGINNING + ADAPTED, backend=backend, kernels=kernels, layers=MODELS[name]
    )
    unadapted, beginning = found["before"]
    assert beginning == pytest.approx(unadapted, abs=1e-6), "at first nothing is changed"
    assert found["same"] == found["frozen"], "statistics, too, stay to the bit"
    assert found["state"] == [f"{each}/{slot}" for each in found["learned"] for slot in "mv"]
    merged, tuned = found["after"]
    assert merged == pytest.approx(tuned, abs=1e-5)
    assert max(abs(a - b) for a, b in zip(unadapted, tuned, strict=True)) > 1e-3
