"""Fine-tuning in numbers: what a network that was trained before begins with, on which data.

Owns the first weights (the base's, bit for bit, and what is drawn beside them), the data (the new
ones, and the base's own test examples, so that what is forgotten can be measured), and the way back
from adapters to plain weights. What is frozen, and what is added, core/fine_tuning.py says.

Everything here is plain Python on float32: what a run begins with, and what is merged after it,
follows from the weights alone, and never from a backend.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from array import array
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from backburner.core.errors import DataError, LifecycleError
from backburner.core.fine_tuning import Base, tuned_spec, without_adapters
from backburner.core.fine_tuning_recipe import FineTuneRecipe
from backburner.core.layer import ParameterSpec
from backburner.core.model import ModelSpec
from backburner.core.options import sizes
from backburner.core.placed_layer import Adapter
from backburner.core.split import check_batch_size
from backburner.engine.checkpoint import recipe_sha256
from backburner.engine.data import Dataset, Part, Split
from backburner.engine.executor import Answers, Workload
from backburner.engine.layers import initial_limit
from backburner.engine.randomness import key
from backburner.engine.results import Evaluation
from backburner.engine.safetensors import Numbers
from backburner.engine.task import Start, Task, check_answers, split_for

if TYPE_CHECKING:
    from backburner.engine.training import Ask, Training

_MATRICES = ("lora_a", "lora_b")

_IMPOSSIBLE = 1e30
"""The cross-entropy of a class that cannot be named: no sum of others comes near it."""


# --- what it begins with ---------------------------------------------------------------


def fine_tuning(recipe: FineTuneRecipe, dataset: Dataset, start: Start) -> Task:
    """What is trained when a network goes on learning.

    `dataset` are the new data, with their own classes (a text's are the network's). Raises
    RecipeError or DataError.
    """
    network, tests = start.network, start.tests
    assert tests is not None
    check_shape(dataset, network)
    classes = network.joined(dataset.classes)
    spec = tuned_spec(network, recipe.method, classes)
    data = joined(dataset, tests, classes)
    check_answers(spec, data)
    split = _split(recipe, dataset, data)
    initial = {} if start.weights is None else first_weights(spec, start.weights, recipe.seed)
    return Task(
        recipe=recipe,
        recipe_sha256=recipe_sha256(recipe, start.sha256),
        workload=Workload.of(
            spec, data, recipe.training, recipe.seed, trained=split.train, initial=initial
        ),
        split=split,
        answers=len(network.classes),
    )


def first_weights(spec: ModelSpec, weights: Mapping[str, Numbers], seed: int) -> dict[str, Numbers]:
    """The base's weights under their names; where the output has new units, those are drawn.

    They are what they would be in a new model with so many units and this seed. Adapters are left
    out: the executor draws them. Raises DataError for weights that are not of this model.
    """
    first: dict[str, Numbers] = {}
    for placed in spec.walk():
        for parameter in placed.parameters:
            name = f"{placed.name}/{parameter.name}"
            if placed.adapter and parameter.name in _MATRICES:
                continue
            old = weights.get(name)
            if old is None or old.shape[:-1] != parameter.shape[:-1]:
                raise _other_weights(name)
            if old.shape == parameter.shape:
                first[name] = old
            elif placed is spec.layers[-1] and old.shape[-1] < parameter.shape[-1]:
                first[name] = _widened(name, parameter, old, seed)
            else:
                raise _other_weights(name)
    return first


def _other_weights(name: str) -> DataError:
    return DataError(
        "model.from: the weights of that run are not those of its model, so nothing can be built "
        "on it. Choose another one.",
        key="model.from",
        detail=name,
    )


def _widened(name: str, parameter: ParameterSpec, old: Numbers, seed: int) -> Numbers:
    """`old` with the columns that `parameter` has more; what is old stays as it is to the bit."""
    known, columns = old.shape[-1], parameter.shape[-1]
    drawn = drawn_numbers(name, parameter, seed)
    rows = (
        old.data[4 * known * row : 4 * known * (row + 1)]
        + drawn[4 * (columns * row + known) : 4 * columns * (row + 1)]
        for row in range(parameter.size // columns)
    )
    return Numbers(shape=parameter.shape, data=b"".join(rows))


def drawn_numbers(name: str, parameter: ParameterSpec, seed: int) -> bytes:
    """The first numbers of a parameter as executors draw them (engine/layers.py), to the bit.

    There it is tensors that draw, for millions of numbers would take plain Python seconds; here
    they are the few of an output layer, and there is no backend. A test holds the two together.
    """
    match parameter.initializer:
        case "zeros":
            return bytes(4 * parameter.size)
        case "ones":
            return array("f", [1.0] * parameter.size).tobytes()
    words = array("i", key(seed, f"initial/{name}").bytes(4 * parameter.size))
    return _scaled(array("f", words), initial_limit(parameter) / 2**31)


def _scaled(numbers: array[float], factor: float) -> bytes:
    """Each times a number, as float32 multiplies: their product is exact in Python's floats."""
    single = struct.unpack("<f", struct.pack("<f", factor))[0]
    return array("f", [number * single for number in numbers]).tobytes()


# --- the data --------------------------------------------------------------------------


def fixed_test(dataset: Dataset, split: Split) -> Dataset:
    """What a network is tested on for good: the test examples of the run that trained it.

    Where that was a fine-tuning, also those that were kept before, but none a second time: new
    data may bring back an example that is known from an older test.
    """
    tested = {(dataset.example(index), dataset.labels_of(index)) for index in split.test}
    kept = (
        index
        for index in split.kept
        if (dataset.example(index), dataset.labels_of(index)) not in tested
    )
    return dataset.chosen((*split.test, *kept))


def check_shape(dataset: Dataset, base: Base) -> None:
    """Raises DataError for data that the network cannot read (Base.adopt says how to mend it)."""
    if dataset.shape != base.input_shape or dataset.is_text != base.is_text:
        raise DataError(
            f"data: an example is {sizes(dataset.shape)}, but this model was trained on "
            f"{sizes(base.input_shape)}. Choose data of that size, or another model to begin from.",
            key="data",
        )


def joined(dataset: Dataset, kept: Dataset, classes: Sequence[str]) -> Dataset:
    """The examples of both, `kept` last, with labels that index `classes`.

    Numbers that differ in type or scale become float32, the same that a network saw of them.
    """
    alike = (dataset.dtype, dataset.scale) == (kept.dtype, kept.scale)
    parts = (dataset, kept) if len(kept) else (dataset,)
    place = {name: index for index, name in enumerate(classes)}
    labels = [place[part.classes[label]] for part in parts for label in part.labels]
    origin = [dataset.digest, kept.digest if len(kept) else "", list(classes)]
    return replace(
        dataset,
        inputs=b"".join(part.inputs if alike else _as_seen(part) for part in parts),
        dtype=dataset.dtype if alike or len(parts) == 1 else "float32",
        scale=dataset.scale if alike or len(parts) == 1 else 1.0,
        labels=tuple(labels),
        classes=tuple(classes),
        digest=hashlib.sha256(json.dumps(origin).encode()).hexdigest(),
    )


def _as_seen(dataset: Dataset) -> bytes:
    """Its numbers times its scale, as float32."""
    if dataset.dtype == "float32" and dataset.scale == 1:
        return dataset.inputs
    numbers = array("B" if dataset.dtype == "uint8" else "f", dataset.inputs)
    return _scaled(array("f", numbers), dataset.scale)


def _split(recipe: FineTuneRecipe, dataset: Dataset, data: Dataset) -> Split:
    """The new data's own parts, and what was kept.

    An example of the fixed test set that the new data have as well is neither learned from nor
    decides when to stop: it would measure nothing any more. Raises DataError when none is left to
    learn from, or to tell an early stopping when.
    """
    own = split_for(recipe.data, dataset, recipe.seed)
    kept = tuple(range(len(dataset), len(data)))
    tested = {data.example(index) for index in kept}

    def unseen(part: Sequence[int]) -> tuple[int, ...]:
        return tuple(index for index in part if data.example(index) not in tested)

    train = unseen(own.train)
    if not train:
        raise DataError(
            "data: the model was tested on every one of these examples, so none may be learned "
            "from. Add others.",
            key="data",
        )
    check_batch_size(recipe.training.batch_size, len(train))
    validation = unseen(own.validation)
    if recipe.training.early_stopping is not None and not validation:
        raise DataError(
            "training.early_stopping watches the validation, but the model was tested on every "
            "example that would be in it, so none is left there. Leave it out, give "
            "data.split.validation a larger share, or add examples.",
            key="training.early_stopping",
        )
    return replace(own, train=train, validation=validation, kept=kept)


# --- before it -------------------------------------------------------------------------


async def before(training: Training, part: Part) -> AsyncGenerator[Evaluation, None]:
    """The figures of a part as the base has them, like `Training.evaluation`; only at step 0.

    New units of the output have learned nothing, and are not asked. The base is wrong about every
    example of a class that it does not have; where there is one, it has no loss (which would be
    infinite). Raises LifecycleError after the first step.
    """
    async for evaluation in training.evaluation(part, _as_base(training)):
        if training.step:
            raise LifecycleError.between("running", "measured as it was before")
        loss = evaluation.loss
        cannot = loss is not None and loss * evaluation.count >= _IMPOSSIBLE / 2
        yield replace(evaluation, loss=None) if cannot else evaluation


def _as_base(training: Training) -> Ask:
    """Asks the executor, and hears the units only that the base had. Nothing is written."""
    executor, known = training.executor, training.task.answers
    classes, labels = training.spec.classes, training.dataset.labels
    if known == classes:
        return executor.evaluate

    async def ask(batch: Sequence[int]) -> Answers:
        return answers_among(known, await executor.logits(batch), [labels[at] for at in batch])

    return ask


def answers_among(known: int, logits: Sequence[float], labels: Sequence[int]) -> Answers:
    """What a model says of examples if only its first `known` classes can be named.

    `logits` are [examples, classes], row by row. An example of another class has a cross-entropy
    that a sum can be told by, and that is finite: it must not look like a divergence.
    """
    errors: list[float] = []
    answers: list[int] = []
    confidences: list[float] = []
    classes = len(logits) // len(labels)
    for place, label in enumerate(labels):
        row = list(logits[classes * place : classes * place + known])
        most = max(row)
        total = sum(math.exp(each - most) for each in row)
        errors.append(math.log(total) + most - row[label] if label < known else _IMPOSSIBLE)
        answers.append(row.index(most))
        confidences.append(1 / total)
    return Answers(errors=errors, answers=answers, confidences=confidences)


# --- after it --------------------------------------------------------------------------


def merged(
    spec: ModelSpec, parameters: Mapping[str, Numbers]
) -> tuple[ModelSpec, dict[str, Numbers]]:
    """The model without adapters, and weights with which it answers as with them, up to rounding.

    A kernel becomes kernel + scale lora_a lora_b; all else stays as it is to the bit. Of a model
    without adapters nothing changes but that all of it can learn again.
    """
    plain: dict[str, Numbers] = {}
    for placed in spec.walk():
        for parameter in placed.parameters:
            name = f"{placed.name}/{parameter.name}"
            if placed.adapter is None or parameter.name == "bias":
                plain[name] = parameters[name]
            elif parameter.name == "kernel":
                plain[name] = merged_kernel(
                    parameters[name],
                    parameters[f"{placed.name}/lora_a"],
                    parameters[f"{placed.name}/lora_b"],
                    placed.adapter,
                )
    return without_adapters(spec), plain


def merged_kernel(kernel: Numbers, a: Numbers, b: Numbers, adapter: Adapter) -> Numbers:
    """kernel + scale lora_a lora_b, summed in Python's floats, and rounded once."""
    wide = list(_rows(b))
    result = array("f")
    for row, shares in zip(_rows(kernel, b.shape[1]), _rows(a), strict=True):
        for share, direction in zip(shares, wide, strict=True):
            factor = adapter.scale * share
            row = [number + factor * step for number, step in zip(row, direction, strict=True)]
        result.extend(row)
    return Numbers(shape=kernel.shape, data=result.tobytes())


def _rows(numbers: Numbers, columns: int | None = None) -> Iterator[list[float]]:
    values = array("f", numbers.data)
    width = columns or numbers.shape[-1]
    for start in range(0, len(values), width):
        yield list(values[start : start + width])
