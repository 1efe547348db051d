"""Examples as bytes, and their division into train, validation and test.

Owns what a model may see and in which part; pure, so that the same recipe divides the same
data in the same way on every machine. It must not know tensors: `Dataset.inputs` are bytes
that the adapter uploads in one go.
"""

from __future__ import annotations

import hashlib
import json
import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from backburner.core.drawing import Bitmap, most_ink
from backburner.core.errors import DataError
from backburner.core.options import as_number, show, sizes
from backburner.core.recipe import InlineData, NoiseData
from backburner.core.split import PARTS, SplitRecipe, divide, share_out
from backburner.core.split import Part as Part  # the word for what Split.part takes
from backburner.engine.randomness import key


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Labelled examples.

    `inputs` are [count, *shape] numbers, little-endian, of `dtype`; what a model sees is
    number x `scale`. `labels` index `classes`: one for each example, or, where `positions` is a
    number, so many for each, one after the other. `digest` is a sha256 over all of it.
    """

    inputs: bytes = field(repr=False)
    dtype: Literal["uint8", "float32"]
    scale: float
    shape: tuple[int, ...]
    labels: tuple[int, ...] = field(repr=False)
    classes: tuple[str, ...]
    digest: str
    positions: int | None = None

    @classmethod
    def of(
        cls,
        *,
        inputs: bytes,
        dtype: Literal["uint8", "float32"],
        scale: float,
        shape: tuple[int, ...],
        labels: Sequence[int],
        classes: Sequence[str],
        positions: int | None = None,
    ) -> Dataset:
        """A dataset with its digest worked out."""
        head = [dtype, scale, list(shape), list(labels), list(classes)]
        if positions is not None:
            head.append(positions)
        digest = hashlib.sha256(json.dumps(head).encode() + b"\n")
        digest.update(inputs)
        return cls(
            inputs=inputs,
            dtype=dtype,
            scale=scale,
            shape=shape,
            labels=tuple(labels),
            classes=tuple(classes),
            digest=digest.hexdigest(),
            positions=positions,
        )

    @classmethod
    def from_digits(cls, binary: bytes, description: Mapping[str, object]) -> Dataset:
        """The shipped digits: digits.bin, as digits.json describes it.

        `description` has shape, maximum, classes, labels, count and sha256 (of the binary).
        Raises DataError, naming the file, when the two do not fit each other.
        """
        try:
            shape = tuple(cast("list[int]", description["shape"]))
            maximum = cast(int, description["maximum"])
            classes = [str(name) for name in cast("list[object]", description["classes"])]
            labels = cast("list[int]", description["labels"])
            count, sha256 = description["count"], description["sha256"]
            fits = (
                len(shape) == 3
                and len(labels) == count
                and all(isinstance(label, int) and 0 <= label < len(classes) for label in labels)
                and maximum > 0
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _broken("digits.json", "it does not describe the digits", repr(error)) from None
        if not fits:
            raise _broken("digits.json", "its shape, classes, labels and count disagree")
        if len(binary) != len(labels) * math.prod(shape):
            raise _broken(
                "digits.bin", f"it has {len(binary):,} bytes and not {count} x {sizes(shape)}"
            )
        if hashlib.sha256(binary).hexdigest() != sha256:
            raise _broken("digits.bin", "its checksum is not the one in digits.json")
        if max(binary) > maximum:
            raise _broken("digits.bin", f"it has numbers above {maximum}")
        return cls.of(
            inputs=binary,
            dtype="uint8",
            scale=1 / maximum,
            shape=(shape[0], shape[1], shape[2]),
            labels=labels,
            classes=classes,
        )

    @classmethod
    def from_inline(cls, data: InlineData) -> Dataset:
        """The examples of a recipe, as they are given."""
        return cls.of(
            inputs=array("f", data.inputs).tobytes(),
            dtype="float32",
            scale=1.0,
            shape=data.input_shape,
            labels=data.labels,
            classes=data.classes,
        )

    @classmethod
    def from_drawings(
        cls, drawings: Sequence[tuple[int, Bitmap]], classes: Sequence[str], size: int
    ) -> Dataset:
        """Drawings with their labels, each counted to a picture of `size` by `size`."""
        return cls.of(
            inputs=b"".join(bytes(row) for _, ink in drawings for row in ink.counts(size)),
            dtype="uint8",
            scale=1 / most_ink(size),
            shape=(size, size, 1),
            labels=[label for label, _ in drawings],
            classes=classes,
        )

    @classmethod
    def from_noise(cls, data: NoiseData, seed: int) -> Dataset:
        """Numbers from 0 to 1 and labels, all drawn by the seed."""
        size = data.examples * math.prod(data.input_shape)
        labels = key(seed, "noise/labels").words(data.examples * (data.positions or 1))
        return cls.of(
            inputs=key(seed, "noise/inputs").bytes(size),
            dtype="uint8",
            scale=1 / 255,
            shape=data.input_shape,
            labels=[word % len(data.classes) for word in labels],
            classes=data.classes,
            positions=data.positions,
        )

    def __len__(self) -> int:
        return len(self.labels) // (self.positions or 1)


def _broken(name: str, problem: str, detail: str | None = None) -> DataError:
    return DataError(
        f"The file {name} cannot be used: {problem}. It was probably cut short or mixed with "
        f"another version on its way. Reload the page; if that does not help, build the site anew.",
        detail=detail,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Which examples are in which part, as ascending indexes into the dataset."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]

    def part(self, name: Part) -> tuple[int, ...]:
        match name:
            case "train":
                return self.train
            case "validation":
                return self.validation
            case "test":
                return self.test
        raise DataError(f'There is no part "{name}": the parts are train, validation and test.')


def split_dataset(
    labels: Sequence[int], classes: Sequence[str], fractions: SplitRecipe, seed: int
) -> Split:
    """Draws the examples of each part, class by class, as many as core/split.py counts.

    Raises DataError for a class that has too few examples, and for fewer than two classes.
    """
    members: list[list[int]] = [[] for _ in classes]
    for index, label in enumerate(labels):
        members[label].append(index)
    parts = divide([len(indexes) for indexes in members], classes, fractions)
    chosen: dict[Part, list[int]] = {part: [] for part in PARTS}
    for label, (indexes, counts) in enumerate(zip(members, parts, strict=True)):
        order = key(seed, f"split/{label}").permutation(len(indexes))
        start = 0
        for part in PARTS:
            chosen[part].extend(indexes[i] for i in order[start : start + counts[part]])
            start += counts[part]
    return Split(**{part: tuple(sorted(indexes)) for part, indexes in chosen.items()})


def split_at_random(count: int, fractions: SplitRecipe, seed: int) -> Split:
    """Draws the examples of each part without a look at their classes."""
    counts = share_out(count, fractions)
    order = key(seed, "split").permutation(count)
    chosen: dict[Part, tuple[int, ...]] = {}
    start = 0
    for part in PARTS:
        chosen[part] = tuple(sorted(order[start : start + counts[part]]))
        start += counts[part]
    return Split(**chosen)


def one_example(inputs: object, shape: tuple[int, ...]) -> array[float]:
    """Checks and flattens one example. Raises DataError naming both shapes."""
    numbers: list[object] = []
    got: list[int] = []
    level: list[object] = [inputs]
    while level and all(isinstance(item, list | tuple) for item in level) and len(got) < 5:
        lengths = {len(item) for item in level if isinstance(item, list | tuple)}
        got.append(lengths.pop() if len(lengths) == 1 else -1)
        level = [part for item in level if isinstance(item, list | tuple) for part in item]
    numbers = level
    count = math.prod(shape)
    flat, without_channels = [count], list(shape[:-1]) if shape[-1] == 1 else []
    if got not in (flat, list(shape), without_channels):
        found = "rows of different lengths" if -1 in got else sizes(got) if got else show(inputs)
        raise DataError(
            f"The example to predict is {found}, but this model takes {sizes(shape)}, or the same "
            f"{count:,} numbers in one row. Give it a picture of that size."
        )
    checked = array("f")
    for position, item in enumerate(numbers):
        number = as_number(item)
        if number is None:
            raise DataError(
                f"Number {position} of the example to predict ({sizes(shape)}) is {show(item)}, "
                f"but only finite numbers can be looked at, best between 0 and 1."
            )
        checked.append(number)
    return checked
