"""Whole trainings, in the browser."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from tests.engine.laboratory import Laboratory

pytestmark = pytest.mark.browser

TINY: list[dict[str, Any]] = [
    {"type": "conv2d", "filters": 4, "kernel_size": 3, "activation": "relu"},
    {"type": "max_pooling2d"},
    {"type": "dropout", "rate": 0.2},
]

SHARED = """
import random
from backburner.core.errors import *

def pictures(count, classes=3, seed=0, size=6):
    # Pictures of noise; each class has a bright row of its own.
    r = random.Random(seed)
    labels = [i % classes for i in range(count)]
    inputs = [[[r.random() * 0.3 + (row == label) for _ in range(size)] for row in range(size)]
              for label in labels]
    return {"source": "inline", "inputs": inputs, "labels": labels,
            "split": {"train": 0.7, "validation": 0.15, "test": 0.15}}

async def start(backend, layers, count=60, seed=1, split=None, kernels="stock", **training):
    t = await use(backend)
    data = pictures(count)
    if split: data["split"] = split
    r = recipe(seed=seed, data=data, model={"layers": layers},
               training={"epochs": 2, "batch_size": 8, **training})
    found = await kernels_of(kernels)
    return t, Training.from_recipe(r, Dataset.from_inline(r.data), t, found)

def refusal_of(function, *arguments):
    try:
        function(*arguments)
    except BackburnerError as error:
        return error.as_dict()

async def refusal_awaiting(awaitable):
    try:
        await awaitable
    except BackburnerError as error:
        return error.as_dict()
"""

BACKENDS = pytest.mark.parametrize("backend", ["wasm", "cpu"])


@BACKENDS
@pytest.mark.parametrize(
    "layers",
    [
        TINY[:2],
        [{"type": "flatten"}, {"type": "dense", "units": 16, "activation": "tanh"}],
        [
            {"type": "conv2d", "filters": 8, "kernel_size": 3, "activation": "relu"},
            {"type": "average_pooling2d"},
            {"type": "flatten"},
        ],
        [
            {"type": "conv2d", "filters": 16, "kernel_size": 3, "activation": "relu"},
            {"type": "global_average_pooling2d"},
            {"type": "dense", "units": 16, "activation": "relu"},
        ],
    ],
    ids=["max pooling", "dense", "average pooling", "global pooling"],
)
def test_a_model_can_learn_one_batch_by_heart(
    laboratory: Laboratory, backend: str, layers: list[dict[str, Any]]
) -> None:
    code = """
    async def main(backend, layers):
        t, training = await start(backend, layers, count=9, batch_size=9, epochs=400,
                                  learning_rate=0.02, split={"train": 1})
        for _ in range(training.steps):
            last = await training.train_step()
        training.dispose()
        return [last.loss, last.accuracy]
    """
    loss, accuracy = laboratory.run(SHARED + dedent(code), backend=backend, layers=layers)
    assert accuracy == 1
    assert loss < 0.02


RUN = """
async def main(backend, layers, seed=1, predicting=False, optimizer="adam"):
    t, training = await start(backend, layers, seed=seed, optimizer=optimizer, clip_norm=1.0)
    picture = pictures(1)["inputs"][0]
    while training.step < training.steps:
        await training.train_step()
        if predicting:
            await training.predict(picture)
            await training.activations(picture)
            async for _ in training.evaluation("validation"):
                await training.predict(picture)
            await training.weights()
    weights = await training.weights()
    training.dispose()
    return weights
"""


@BACKENDS
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    laboratory: Laboratory, backend: str, optimizer: str
) -> None:
    runs = [
        laboratory.run(SHARED + RUN, backend=backend, layers=TINY, seed=seed, optimizer=optimizer)
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1]
    assert runs[0]["sha256"] != runs[2]["sha256"]
    assert [tensor["name"] for tensor in runs[0]["tensors"]] == [
        "conv2d_1/kernel", "conv2d_1/bias", "dense_1/kernel", "dense_1/bias",
    ]  # fmt: skip
    assert runs[0]["tensors"][0]["shape"] == [3, 3, 1, 4]


@BACKENDS
def test_predictions_and_evaluations_in_between_change_nothing(
    laboratory: Laboratory, backend: str
) -> None:
    quiet, busy = (
        laboratory.run(SHARED + RUN, backend=backend, layers=TINY, predicting=predicting)
        for predicting in (False, True)
    )
    assert quiet == busy


@BACKENDS
def test_every_step_leaves_as_many_tensors_and_disposing_leaves_none(
    laboratory: Laboratory, backend: str
) -> None:
    code = """
    async def main(backend, layers):
        t = await use(backend)
        before = t.memory()
        t, training = await start(backend, layers)
        counts = set()
        for _ in range(training.steps):
            await training.train_step()
            counts.add(t.memory()["tensors"])
            await training.predict(pictures(1)["inputs"][0])
            await training.activations(pictures(1)["inputs"][0])
            async for _ in training.evaluation("test"):
                counts.add(t.memory()["tensors"])
            await training.weights()
            counts.add(t.memory()["tensors"])
        training.dispose()
        training.dispose()
        return [len(counts), before, t.memory()]
    """
    counts, before, after = laboratory.run(SHARED + dedent(code), backend=backend, layers=TINY)
    assert counts == 1
    assert before == after


def test_steps_and_predictions_leave_no_proxy_behind_in_either_direction(
    laboratory: Laboratory,
) -> None:
    code = """
    import gc

    async def main(backend, layers):
        t, training = await start(backend, layers)  # registers kernels: their proxies stay
        picture = pictures(1)["inputs"][0]
        async def work():
            await training.train_step()
            await training.predict(picture)
            await training.activations(picture)
            async for _ in training.evaluation("test"):
                pass
            await training.weights()
        def living():
            gc.collect()
            return js.livingProxies(), js.javascriptReferences()
        await work()
        before = living()
        for _ in range(10):
            await work()
        after = living()
        training.dispose()
        t2, second = await start(backend, layers)
        second.dispose()
        return [before, after, living()]
    """
    before, after, disposed = laboratory.run(SHARED + dedent(code), backend="wasm", layers=TINY)
    assert before[0] > 0
    assert after == before
    assert disposed[0] == before[0]
    assert disposed[1] <= before[1]


@BACKENDS
def test_a_short_last_batch_trains_like_a_small_batch_without_padding(
    laboratory: Laboratory, backend: str
) -> None:
    code = """
    from backburner.engine.layers import forward

    async def main(backend, layers):
        t, training = await start(backend, layers, count=18, split={"train": 1}, batch_size=7,
                                  optimizer="sgd", learning_rate=1.0)
        for _ in range(training.steps_per_epoch - 1):
            await training.train_step()
        batch = training._batch(training.step)
        assert len(batch) == 4, batch
        tape = training.executor
        names = list(tape.parameters)
        before = {n: list(v.dataSync()) for n, v in tape.parameters.items()}
        with t.scope():
            indexes = t.integers(batch)
            x = t.gather(tape._inputs, indexes)
            y = t.one_hot(t.gather(tape._labels, indexes), training.spec.classes)
            def loss(values):
                logits = forward(t, training.spec, dict(zip(names, values)), x,
                                 training=True, seed=1, step=training.step)
                return t.multiply(t.sum(t.multiply(t.log_softmax(logits), y)), -1 / len(batch))
            value, found = t.value_and_gradients(loss, list(tape.parameters.values()))
            plain = [list(g.dataSync()) for g in found]
            expected = value.dataSync()[0]
        result = await training.train_step()
        errors = [abs(result.loss - expected)]
        for name, gradient in zip(names, plain):
            after = list(tape.parameters[name].dataSync())
            errors += [abs((b - a) - g) for b, a, g in zip(before[name], after, gradient)]
        training.dispose()
        return [result.samples, max(errors)]
    """
    samples, error = laboratory.run(SHARED + dedent(code), backend=backend, layers=TINY)
    assert samples == 4
    assert error < 1e-6


def test_wasm_and_cpu_agree_on_the_loss_within_a_tolerance(laboratory: Laboratory) -> None:
    code = """
    async def main(backend, layers):
        t, training = await start(backend, layers)
        losses = [(await training.train_step()).loss for _ in range(training.steps)]
        training.dispose()
        return losses
    """
    wasm, cpu = (
        laboratory.run(SHARED + dedent(code), backend=backend, layers=TINY)
        for backend in ("wasm", "cpu")
    )
    assert wasm == pytest.approx(cpu, rel=1e-4)


@BACKENDS
def test_a_loss_that_is_no_number_ends_the_training_and_changes_nothing(
    laboratory: Laboratory, backend: str
) -> None:
    code = """
    async def main(backend, layers):
        t = await use(backend)
        before = t.memory()
        t, training = await start(backend, layers, learning_rate=1000, optimizer="sgd", epochs=50)
        error = None
        while error is None and training.step < training.steps:
            step, weights = training.step, await training.weights()
            error = await refusal_awaiting(training.train_step())
        same = step == training.step and weights == await training.weights()
        training.dispose()
        return [error, same, t.memory() == before]
    """
    layers = [{"type": "flatten"}, {"type": "dense", "units": 20}]
    error, same, freed = laboratory.run(SHARED + dedent(code), backend=backend, layers=layers)
    assert error["name"] == "TrainingDiverged"
    assert "smaller learning rate" in error["message"]
    assert same
    assert freed


@BACKENDS
def test_an_evaluation_goes_through_every_example_of_its_part(
    laboratory: Laboratory, backend: str
) -> None:
    code = """
    async def main(backend, layers):
        t, training = await start(backend, layers, count=60)
        for _ in range(5): await training.train_step()
        seen = [e async for e in training.evaluation("train")]
        last = seen[-1]
        singles = [await training.predict(pictures(60)["inputs"][p.index])
                   for p in last.predictions]
        labels = [training.dataset.classes[p.predicted] for p in last.predictions]
        close = all(abs(s["confidence"] - p.confidence) < 1e-5
                    for s, p in zip(singles, last.predictions))
        right = sum(p.label == p.predicted for p in last.predictions) / last.count
        answer = dict(
            counts=[e.count for e in seen], done=[e.done for e in seen],
            indexes=[p.index for p in last.predictions] == list(training.split.train),
            same=labels == [s["label"] for s in singles], close=close,
            accuracy=right == last.accuracy, sums=[sum(s["probabilities"]) for s in singles],
            early=[len(e.predictions) for e in seen[:-1]])
        training.dispose()
        return answer
    """
    found = laboratory.run(SHARED + dedent(code), backend=backend, layers=TINY)
    total = found["counts"][-1]
    assert found["counts"] == [*range(8, total, 8), total]
    assert found["done"] == [False] * (len(found["done"]) - 1) + [True]
    assert found["early"] == [0] * len(found["early"])
    assert found["indexes"]
    assert found["same"]
    assert found["close"]
    assert found["accuracy"]
    assert found["sums"] == pytest.approx([1] * total, abs=1e-5)


def test_an_empty_part_is_done_at_once_without_figures(laboratory: Laboratory) -> None:
    code = """
    async def main(layers):
        t, training = await start("wasm", layers, split={"train": 1})
        seen = [e async for e in training.evaluation("test")]
        training.dispose()
        return [[e.count, e.done, e.loss, e.accuracy] for e in seen]
    """
    assert laboratory.run(SHARED + dedent(code), layers=TINY) == [[0, True, None, None]]


def test_an_example_of_the_wrong_shape_is_refused_naming_both_shapes(
    laboratory: Laboratory,
) -> None:
    code = """
    async def main(layers):
        t, training = await start("wasm", layers)
        nested = pictures(1)["inputs"][0]
        with_channels = [[[n] for n in row] for row in nested]
        flat = [n for row in nested for n in row]
        good = [await training.predict(x) for x in (nested, with_channels, flat)]
        nan, true = flat.copy(), flat.copy()
        nan[3], true[4] = float("nan"), True
        bad = [flat[:-1], nested[:-1], [nested[0][:-1], *nested[1:]], [], None, 3, "x", {},
               [[]] * 6, nan, true, [[[[[[[1]]]]]]]]
        refused = [await refusal_awaiting(training.predict(x)) for x in bad]
        training.dispose()
        return [good, refused]
    """
    good, refused = laboratory.run(SHARED + dedent(code), layers=TINY)
    assert good[0] == good[1] == good[2]
    assert all(error and error["name"] == "DataError" for error in refused), refused
    assert all("6×6×1" in error["message"] for error in refused)
    assert "35" in refused[0]["message"]


def test_what_cannot_work_is_refused_before_a_tensor_is_made(laboratory: Laboratory) -> None:
    code = """
    async def main(layers):
        t = await use("wasm")
        before = t.memory()
        errors = [
            await refusal_awaiting(start("wasm", layers, batch_size=999)),
            await refusal_awaiting(start("wasm", layers, count=6)),
        ]
        return [errors, t.memory() == before]
    """
    (batch, split), same = laboratory.run(SHARED + dedent(code), layers=TINY)
    assert (batch["name"], batch["key"]) == ("DataError", "training.batch_size")
    assert (split["name"], split["key"]) == ("DataError", "data.split")
    assert same


def test_no_step_is_made_after_the_last_or_after_the_end(laboratory: Laboratory) -> None:
    code = """
    async def main(layers):
        t, training = await start("wasm", layers)
        results = [await training.train_step() for _ in range(training.steps)]
        after = await refusal_awaiting(training.train_step())
        epochs = [r.epoch for r in results]
        training.dispose()
        return [after["name"], epochs, training.steps_per_epoch, training.epoch,
                (await refusal_awaiting(training.predict([0] * 36)))["name"],
                [sum(r.samples for r in results), 2 * len(training.split.train)]]
    """
    after, epochs, per_epoch, epoch, predicting, samples = laboratory.run(
        SHARED + dedent(code), layers=TINY
    )
    assert after == predicting == "LifecycleError"
    assert epochs == [0] * (per_epoch - 1) + [1] * per_epoch + [2]
    assert epoch == 2
    assert samples[0] == samples[1]


def test_a_backend_that_is_not_there_is_refused_in_words(laboratory: Laboratory) -> None:
    code = """
    async def main():
        t = await use("wasm")
        error = await refusal_awaiting(t.use_backend("abacus"))
        await t.use_backend("wasm")
        return error
    """
    error = laboratory.run(SHARED + dedent(code))
    assert error["name"] == "BackendError"
    assert "abacus" in error["message"]


def test_a_failing_operation_is_named_and_its_scope_is_left_clean(laboratory: Laboratory) -> None:
    code = """
    async def main():
        t = await use("wasm")
        before = t.memory()
        def wrong():
            with t.scope():
                t.matmul(t.floats([1, 2], (1, 2)), t.floats([1, 2, 3], (1, 3)))
        def wrong_inside():
            with t.scope():
                a = t.floats([1, 2], (1, 2))
                t.value_and_gradients(lambda v: t.sum(t.matmul(v[0], v[0])), [a])
        errors = [refusal_of(wrong), refusal_of(wrong_inside)]
        return [errors, t.memory() == before]
    """
    errors, clean = laboratory.run(SHARED + dedent(code))
    for error in errors:
        assert error["name"] == "BackendError"
        assert "matMul" in error["message"]
    assert clean
