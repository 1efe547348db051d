"""Convolutions with gaps, and models that answer at each position of a sequence, in the browser."""

from __future__ import annotations

import math
import random
from textwrap import dedent
from typing import Any

import pytest

from tests.engine.laboratory import Laboratory
from tests.engine.test_exactness import WAYS
from tests.engine.test_training import BACKENDS, SHARED

pytestmark = pytest.mark.browser

CONV1D = """
from dataclasses import dataclass
from backburner.core.layers import layer_from_wire
from backburner.engine.convolutions import conv1d

async def main(backend, cases):
    t = await use(backend)
    found = []
    for case in cases:
        layer = layer_from_wire(case["layer"])
        x, kernel = case["x"], case["kernel"]
        with t.scope():
            flat = t.floats([n for row in x for n in row], (1, len(x), len(x[0])))
            shape = (layer.kernel_size, len(x[0]), layer.filters)
            weights = t.floats([n for tap in kernel for row in tap for n in row], shape)
            y = conv1d(t, flat, weights, layer)
            places, filters = layer.output_shape((len(x), len(x[0])))
            assert t.shape(y) == (1, places, filters)
            found.append(list(y.dataSync()))
    return found
"""


def conv1d_case(number: int) -> dict[str, Any]:
    r = random.Random(number)
    size = r.randint(1, 5)
    hops = r.choice([True, False])
    layer: dict[str, Any] = {
        "type": "conv1d",
        "filters": r.randint(1, 4),
        "kernel_size": size,
        "strides": r.randint(1, 4) if hops else 1,
        "dilation_rate": 1 if hops else r.randint(1, 5),
        "padding": r.choice(["valid", "same", "causal"]),
    }
    reach = layer["dilation_rate"] * (size - 1) + 1
    positions, channels = r.randint(reach, reach + 9), r.randint(1, 4)

    def some(*shape: int) -> Any:
        return [some(*shape[1:]) for _ in range(shape[0])] if shape else r.uniform(-1, 1)

    return {
        "layer": layer,
        "x": some(positions, channels),
        "kernel": some(size, channels, layer["filters"]),
    }


def conv1d_by_hand(case: dict[str, Any]) -> list[float]:
    """Keras's definition, number by number."""
    layer, x, kernel = case["layer"], case["x"], case["kernel"]
    step, gap, count = layer["strides"], layer["dilation_rate"], len(x)
    reach = gap * (len(kernel) - 1) + 1
    places = (count - reach) // step + 1 if layer["padding"] == "valid" else -(-count // step)
    before = {
        "valid": 0,
        "causal": reach - 1,
        "same": max(0, (places - 1) * step + reach - count) // 2,
    }[layer["padding"]]
    found = []
    for place in range(places):
        for filter_ in range(layer["filters"]):
            total = 0.0
            for tap, weights in enumerate(kernel):
                at = place * step + tap * gap - before
                if 0 <= at < count:
                    total += sum(n * row[filter_] for n, row in zip(x[at], weights, strict=True))
            found.append(total)
    return found


@BACKENDS
def test_conv1d_is_what_keras_says_over_many_shapes(laboratory: Laboratory, backend: str) -> None:
    cases = [conv1d_case(number) for number in range(120)]
    for case, found in zip(
        cases, laboratory.run(CONV1D, backend=backend, cases=cases), strict=True
    ):
        assert found == pytest.approx(conv1d_by_hand(case), abs=1e-5), case["layer"]


def test_a_dilated_conv2d_is_that_of_tensorflow_over_many_shapes(laboratory: Laboratory) -> None:
    code = """
    import random
    from pyodide.ffi import to_js
    from backburner.core.convolutions import Conv2D
    from backburner.engine.convolutions import dilated_conv2d

    async def main(count):
        t = await use("cpu")
        errors, seen = [], set()
        for number in range(count):
            r = random.Random(number)
            layer = Conv2D(
                filters=r.randint(1, 4), kernel_size=(r.randint(1, 4), r.randint(1, 4)),
                dilation_rate=(r.randint(1, 4), r.randint(1, 4)),
                padding=r.choice(["same", "valid"]))
            seen.add(str(layer))
            height, width = (side + r.randint(0, 6) for side in layer.window)
            shape = (r.randint(1, 2), height, width, r.randint(1, 4))
            kernel = (*layer.kernel_size, shape[3], layer.filters)
            def some(shape, size=1):
                for side in shape: size *= side
                return t.floats([r.uniform(-1, 1) for _ in range(size)], shape)
            with t.scope():
                x, weights = some(shape), some(kernel)
                ours = dilated_conv2d(t, x, weights, layer)
                theirs = js.tf.conv2d(x, weights, 1, layer.padding, "NHWC",
                                      to_js(list(layer.dilation_rate)))
                assert t.shape(ours) == t.shape(theirs)
                assert t.shape(ours)[1:] == layer.output_shape(shape[1:])
                errors += [abs(a - b) for a, b in zip(ours.dataSync(), theirs.dataSync())]
        return [max(errors), len(seen)]
    """
    error, distinct = laboratory.run(code, count=80)
    assert distinct > 60
    assert error < 1e-5


# At each position: whether the number before it was above 0.5. Only a model that sees one
# position back can know.
STARTING = """
from backburner.core.data_sources import NoiseData
from backburner.core.recipe import ModelRecipe
from backburner.core.training_settings import TrainingRecipe
from backburner.core.layers import layers_from_wire
from backburner.core.split import SplitRecipe

async def begin(backend, layers, count=40, length=9, kernels="stock", **training):
    t = await use(backend)
    r = random.Random(7)
    numbers, labels = [], []
    for _ in range(count):
        row = [r.random() for _ in range(length)]
        numbers += row
        labels += [0, *(int(n > 0.5) for n in row[:-1])]
    data = Dataset.of(inputs=array("f", numbers).tobytes(), dtype="float32", scale=1.0,
                      shape=(length, 1), labels=labels, classes=("no", "yes"), positions=length)
    named = NoiseData(input_shape=data.shape, classes=data.classes, examples=count,
                      positions=length,
                      split=SplitRecipe(train=0.75, validation=0.25, test=0.0))
    given = {"epochs": 40, "batch_size": 8, "learning_rate": 0.02, **training}
    recipe = Recipe(data=named, model=ModelRecipe(layers=layers_from_wire(layers)),
                    training=TrainingRecipe(**given), seed=3)
    training = Training.from_recipe(recipe, data, t, await kernels_of(kernels))
    assert training.executor.name == ("tape" if kernels == "stock" else "plan")
    return t, training
"""

CAUSAL: list[dict[str, Any]] = [
    {"type": "conv1d", "filters": 8, "kernel_size": 2, "padding": "causal", "activation": "relu"},
    {"type": "conv1d", "filters": 2, "kernel_size": 1, "padding": "causal"},
]


@WAYS
def test_a_model_learns_an_answer_for_each_position(
    laboratory: Laboratory, backend: str, kernels: str
) -> None:
    code = """
    async def main(backend, kernels, layers):
        t, training = await begin(backend, layers, kernels=kernels)
        before = t.memory()
        first = await training.train_step()
        while training.step < training.steps:
            last = await training.train_step()
        seen = [e async for e in training.evaluation("validation")]
        end = seen[-1]
        refused = await refusal_awaiting(training.predict([0.5] * 9))
        same = t.memory() == before
        training.dispose()
        return dict(first=first.loss, last=last.loss, loss=end.loss, accuracy=end.accuracy,
                    counts=[e.count for e in seen], predictions=len(end.predictions),
                    refused=refused["name"], same=same)
    """
    found = laboratory.run(
        SHARED + STARTING + dedent(code), backend=backend, kernels=kernels, layers=CAUSAL
    )
    assert found["first"] == pytest.approx(math.log(2), rel=0.5)
    assert found["last"] < 0.3
    assert found["accuracy"] > 0.9
    assert found["loss"] < 0.3
    assert found["counts"] == [8, 10]
    assert found["predictions"] == 0
    assert found["refused"] == "DataError"
    assert found["same"]


@WAYS
def test_the_loss_and_the_accuracy_are_means_over_positions_and_examples(
    laboratory: Laboratory, backend: str, kernels: str
) -> None:
    code = """
    import math

    async def main(backend, kernels, layers):
        t, training = await begin(backend, layers, kernels=kernels, count=40, batch_size=11)
        while len(training._batch(training.step)) == 11:
            await training.train_step()
        batch = training._batch(training.step)
        data = array("f", training.dataset.inputs)
        loss = right = 0
        for index in batch:
            probabilities = await training.executor.predict(data[9 * index:9 * index + 9])
            for place in range(9):
                label = training.dataset.labels[9 * index + place]
                no, yes = probabilities[2 * place:2 * place + 2]
                loss -= math.log((no, yes)[label])
                right += (yes > no) == label
        answers = await training.executor.evaluate(batch)
        step = await training.train_step()
        training.dispose()
        return [len(batch), loss / len(batch) / 9, right / len(batch) / 9, step.loss,
                step.accuracy, step.samples, sum(answers.errors) / len(answers.errors),
                len(answers.answers)]
    """
    size, loss, accuracy, found, share, samples, evaluated, answers = laboratory.run(
        SHARED + STARTING + dedent(code), backend=backend, kernels=kernels, layers=CAUSAL
    )
    assert 0 < size < 11
    assert samples == size
    assert answers == 9 * size
    assert found == pytest.approx(loss, rel=1e-5)
    assert evaluated == pytest.approx(loss, rel=1e-5)
    assert share == pytest.approx(accuracy)


def test_labels_that_are_not_one_for_each_answer_are_refused(laboratory: Laboratory) -> None:
    code = """
    async def main(layers):
        return await refusal_awaiting(begin("wasm", layers))
    """
    refused = laboratory.run(SHARED + STARTING + dedent(code), layers=[{"type": "flatten"}])
    assert refused["name"] == "DataError"
    assert "9 for each example" in refused["message"]
