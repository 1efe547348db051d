"""Examples that stand in the recipe itself.

Owns their form on the wire, their limits, and the words of their refusals.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from backburner.core.errors import DataError
from backburner.core.options import (
    LARGEST_SAFE_INTEGER,
    as_integer,
    as_number,
    listed,
    read_object,
    show,
    sizes,
)
from backburner.core.split import SplitRecipe

LONGEST_NAME = 200
"""Of a class, and of a recipe."""
MOST_INLINE_NUMBERS = 20_000_000
MOST_CLASSES = 1000
LARGEST_SIDE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineData:
    """Examples written into the recipe itself.

    `inputs` are all numbers in one row, in the order [n, height, width, channels];
    `labels` index `classes`. On the wire labels may be names, and classes left out:
    then they are the distinct labels, numbers ascending, names in alphabetical order.
    """

    source: ClassVar[str] = "inline"
    inputs: tuple[float, ...] = field(repr=False)
    input_shape: tuple[int, int, int]
    labels: tuple[int, ...] = field(repr=False)
    classes: tuple[str, ...]
    split: SplitRecipe = field(default_factory=SplitRecipe)

    @classmethod
    def from_wire(cls, wire: Mapping[str, object], key: str = "data") -> InlineData:
        given = read_object(wire, key, ("source", "inputs", "labels", "classes", "split"))
        split = SplitRecipe.from_wire(given.get("split", {}), f"{key}.split")
        inputs, shape, count = _read_inputs(given.get("inputs"), f"{key}.inputs")
        labels, classes = _read_labels(given.get("labels"), given.get("classes"), key)
        if len(labels) != count:
            raise DataError(
                f"{key}.labels has {len(labels):,} labels for {count:,} inputs. Each input needs "
                f"exactly one label, in the same order.",
                key=f"{key}.labels",
            )
        return cls(inputs=inputs, input_shape=shape, labels=labels, classes=classes, split=split)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many examples each class has."""
        found = Counter(self.labels)
        return tuple(found[label] for label in range(len(self.classes)))

    def to_wire(self) -> dict[str, object]:
        height, width, channels = self.input_shape
        numbers = iter(self.inputs)
        return {
            "source": self.source,
            "inputs": [
                [
                    [[next(numbers) for _ in range(channels)] for _ in range(width)]
                    for _ in range(height)
                ]
                for _ in self.labels
            ],
            "labels": list(self.labels),
            "classes": list(self.classes),
            "split": self.split.to_wire(),
        }


def _read_inputs(value: object, key: str) -> tuple[tuple[float, ...], tuple[int, int, int], int]:
    """`[n][h][w]` or `[n][h][w][c]` as one row of numbers, the picture's shape, and n."""
    form = "[[[0, 1], [1, 0]], …]: a list of pictures, each a list of rows of numbers"
    shape: list[int] = []
    probe = value
    while isinstance(probe, list | tuple) and probe and len(shape) < 5:
        shape.append(len(probe))
        probe = probe[0]
    if len(shape) not in (3, 4) or isinstance(probe, list | tuple):
        raise DataError(f"{key} is {show(value)}, but it must look like {form}.", key=key)
    if max(shape[1:]) > LARGEST_SIDE or math.prod(shape) > MOST_INLINE_NUMBERS:
        raise DataError(
            f"{key} is too large: {sizes(shape)} numbers. Pictures may be up to "
            f"{LARGEST_SIDE} wide, and all together {MOST_INLINE_NUMBERS:,} numbers.",
            key=key,
        )
    numbers: list[float] = []

    def gather(item: object, depth: int, place: str) -> None:
        if depth < len(shape):
            if not isinstance(item, list | tuple) or len(item) != shape[depth]:
                raise DataError(
                    f"{place} is {show(item)}, but in the first picture there is a list of "
                    f"{shape[depth]} at this place, and all pictures must have the same size.",
                    key=place,
                )
            for position, part in enumerate(item):
                gather(part, depth + 1, f"{place}[{position}]")
            return
        number = as_number(item)
        if number is None:
            raise DataError(
                f"{place} is {show(item)}, but a picture consists of finite numbers, "
                f"best between 0 and 1.",
                key=place,
            )
        numbers.append(number)

    gather(value, 0, key)
    channels = shape[3] if len(shape) == 4 else 1
    return tuple(numbers), (shape[1], shape[2], channels), shape[0]


def _read_labels(
    labels: object, classes: object, key: str
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Labels as indexes, and the classes' names."""
    place = f"{key}.labels"
    if not isinstance(labels, list | tuple) or not labels:
        raise DataError(
            f"{place} is {show(labels)}, but it must be a list with one label for each input: "
            f'a number or a name, such as [0, 1, 1] or ["cat", "dog", "dog"].',
            key=place,
        )
    named = all(isinstance(label, str) for label in labels)
    numbers = [as_integer(label) for label in labels]
    if not named and not all(n is not None and 0 <= n <= LARGEST_SAFE_INTEGER for n in numbers):
        wrong = next((i for i, n in enumerate(numbers) if n is None or n < 0), 0)
        raise DataError(
            f"{place}[{wrong}] is {show(labels[wrong])}, but labels are either all whole numbers "
            f"from 0 or all names.",
            key=f"{place}[{wrong}]",
        )
    distinct: list[str] | list[int]
    distinct = sorted(set(labels)) if named else sorted({n for n in numbers if n is not None})
    names = _read_classes(classes, [str(label) for label in distinct], f"{key}.classes")
    position: dict[object, int]
    if named or classes is None:
        position = {label: i for i, label in enumerate(names if named else distinct)}
    else:
        position = {i: i for i in range(len(names))}
    indexes = [position.get(label) for label in (labels if named else numbers)]
    if None in indexes:
        wrong = indexes.index(None)
        raise DataError(
            f"{place}[{wrong}] is {show(labels[wrong])}, but {key}.classes has only "
            f"{listed(show(name) for name in names[:20])}. Labels are the classes' names, or "
            f"numbers that count them from 0.",
            key=f"{place}[{wrong}]",
        )
    return tuple(i for i in indexes if i is not None), names


def _read_classes(value: object, default: list[str], key: str) -> tuple[str, ...]:
    names = default if value is None else value
    if (
        not isinstance(names, list | tuple)
        or not all(isinstance(name, str) and 0 < len(name) <= LONGEST_NAME for name in names)
        or len(set(names)) != len(names)
    ):
        raise DataError(
            f"{key} is {show(value)}, but it must be a list of different names, each up to "
            f'{LONGEST_NAME} characters, such as ["cat", "dog"].',
            key=key,
        )
    if not 2 <= len(names) <= MOST_CLASSES:
        raise DataError(
            f"{key}: the number of classes is {len(names):,}, but a model tells at least 2 and at "
            f"most {MOST_CLASSES:,} apart. Label some of the examples differently.",
            key=key,
        )
    return tuple(names)
