"""What the page gets to see of a model and its data: facts, and a few examples as pixels."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import prod

from backburner import __version__
from backburner.core.errors import DataError
from backburner.core.messages import LayerFacts, ModelReady
from backburner.engine.checkpoint import recipe_sha256
from backburner.engine.data import Dataset
from backburner.engine.training import Training

SHOWN_EXAMPLES = 40
"""How many test examples the page gets to show."""


def shown_examples(training: Training) -> tuple[int, ...]:
    """The examples that the page shows: test examples, never one the model trains on."""
    return training.split.test[:SHOWN_EXAMPLES]


def model_ready(training: Training, *, backend: str, kernels: str) -> tuple[ModelReady, bytes]:
    """What the page is told about a new model, and the pixels of the examples it shows."""
    spec, dataset, split = training.spec, training.dataset, training.split
    shown = shown_examples(training)
    message = ModelReady(
        layers=tuple(
            LayerFacts(
                name=placed.name,
                type=placed.layer.type,
                shape=tuple(placed.output_shape),
                parameters=placed.parameter_count,
            )
            for placed in spec.layers
        ),
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
        recipe_sha256=recipe_sha256(training.recipe),
        version=__version__,
    )
    return message, pixels(dataset, shown)


def example_numbers(training: Training, index: int) -> list[float]:
    """An example of the data as the model sees it. Raises DataError for an unknown index."""
    dataset = training.dataset
    if not 0 <= index < len(dataset.labels):
        raise DataError(
            f"There is no example {index:,}; the data has {len(dataset.labels):,}, counted from 0.",
            key="example",
        )
    size = prod(dataset.shape)
    return [value * dataset.scale for value in _values(dataset)[index * size :][:size]]


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
