"""What the page gets to see of a model and its data: facts, and a few examples as pixels."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import prod

from backburner import __version__
from backburner.core.errors import DataError
from backburner.core.messages import LayerFacts, ModelReady
from backburner.core.model import ModelSpec
from backburner.engine.baselines import baselines
from backburner.engine.data import Dataset
from backburner.engine.training import Training

SHOWN_EXAMPLES = 40
"""How many test examples the page gets to show."""


def shown_examples(training: Training) -> tuple[int, ...]:
    """The examples that the page shows: test examples, never one the model trains on.

    Windows of a text are no pictures to look at.
    """
    return () if training.dataset.is_text else training.split.test[:SHOWN_EXAMPLES]


def layer_facts(spec: ModelSpec) -> tuple[LayerFacts, ...]:
    """What the page is told of a model's layers."""
    return tuple(
        LayerFacts(
            name=placed.name,
            type=placed.layer.type,
            shape=tuple(placed.output_shape),
            parameters=placed.parameter_count,
        )
        for placed in spec.layers
    )


def model_ready(training: Training, *, backend: str, kernels: str) -> tuple[ModelReady, bytes]:
    """What the page is told about a new model, and the pixels of the examples it shows."""
    spec, dataset, split = training.spec, training.dataset, training.split
    shown = shown_examples(training)
    message = ModelReady(
        layers=layer_facts(spec),
        parameters=spec.parameter_count,
        input_shape=tuple(spec.input_shape),
        classes=dataset.classes,
        steps=training.steps,
        epochs=training.epochs,
        sizes={
            "train": len(split.train),
            "validation": len(split.validation),
            "test": len(split.test),
        },
        examples=shown,
        labels=tuple(dataset.classes[dataset.labels[index]] for index in shown),
        data_sha256=dataset.digest,
        backend=backend,
        kernels=kernels,
        executor=training.executor.name,
        recipe_sha256=training.task.recipe_sha256,
        version=__version__,
        baselines=baselines(dataset, split) if dataset.is_text else (),
        trained_parameters=spec.trained_count,
    )
    return message, pixels(dataset, shown)


def example_numbers(training: Training, index: int) -> list[float]:
    """An example of the data as the model sees it. Raises DataError for an unknown index."""
    dataset = training.dataset
    check_index(dataset, index)
    size = prod(dataset.shape)
    return [value * dataset.scale for value in _values(dataset)[index * size :][:size]]


def check_index(dataset: Dataset, index: int) -> None:
    """Raises DataError for the index of an example that is not there."""
    if not 0 <= index < len(dataset):
        raise DataError(
            f"There is no example {index:,}; the data has {len(dataset):,}, counted from 0.",
            key="example",
        )


def pixels(dataset: Dataset, indexes: Sequence[int]) -> bytes:
    """The examples as pictures: bytes from 0 (empty) to 255 (full), one after the other."""
    size = prod(dataset.shape)
    values = _values(dataset)
    full = 255.0 * dataset.scale
    return bytes(
        min(255, max(0, round(value * full)))
        for index in indexes
        for value in values[index * size : (index + 1) * size]
    )


def _values(dataset: Dataset) -> Sequence[float]:
    return dataset.inputs if dataset.dtype == "uint8" else array("f", dataset.inputs)
