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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from backburner.core.data_sources import NoiseData
from backburner.core.drawing import Bitmap, most_ink
from backburner.core.errors import DataError
from backburner.core.images_data import ImagesData
from backburner.core.inline_data import InlineData
from backburner.core.options import as_number, show, sizes
from backburner.core.shapes_data import ShapesData
from backburner.core.split import PARTS, SplitRecipe, divide, share_out
from backburner.core.text_data import OTHER, SHIPPED_LENGTH, SHIPPED_VOCABULARY, TextData
from backburner.engine.randomness import key

Part = Literal["train", "validation", "test", "kept"]
"""Those that a recipe divides its data into, and what is kept for a fine-tuning: the examples that
the network it began from was tested on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Labelled examples.

    `inputs` are [count, *shape] numbers, little-endian, of `dtype`; what a model sees is
    number x `scale`. `labels` index `classes`: one for each example, or, where `positions` is a
    number, so many for each, one after the other. `digest` is a sha256 over all of it. Of a text,
    the inputs are indexes of `classes`, too: its characters.
    """

    inputs: bytes = field(repr=False)
    dtype: Literal["uint8", "float32"]
    scale: float
    shape: tuple[int, ...]
    labels: tuple[int, ...] = field(repr=False)
    classes: tuple[str, ...]
    digest: str
    positions: int | None = None
    is_text: bool = False

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
        is_text: bool = False,
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
            is_text=is_text,
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
    def from_images(cls, pictures: Iterable[bytes], data: ImagesData) -> Dataset:
        """The pictures of files, decoded in their order to [size, size, channels] bytes."""
        return cls.of(
            inputs=b"".join(pictures),
            dtype="uint8",
            scale=1 / 255,
            shape=data.input_shape,
            labels=[each.label for each in data.images],
            classes=data.classes,
        )

    @classmethod
    def from_shapes(cls, pictures: Iterable[tuple[int, bytes]], data: ShapesData) -> Dataset:
        """Label and pixels of each, as engine/shapes.py draws them."""
        labels, drawn = zip(*pictures, strict=True)
        return cls.of(
            inputs=b"".join(drawn),
            dtype="uint8",
            scale=1 / 255,
            shape=data.input_shape,
            labels=labels,
            classes=data.classes,
        )

    @classmethod
    def from_text(cls, text: str, data: TextData) -> Dataset:
        """A text in windows of `data.context` characters; the labels are the characters after.

        `text` is `data.text`, or the shipped one.
        """
        indexes = encode(text, data.classes)
        size = data.windows * data.context
        head = [data.context, list(data.classes)]
        # Not `of`: its digest spells out every label, and here they are the text once more.
        digest = hashlib.sha256(json.dumps(head).encode() + b"\n" + indexes[: size + 1])
        return cls(
            inputs=indexes[:size],
            dtype="uint8",
            scale=1.0,
            shape=data.input_shape,
            labels=tuple(indexes[1 : size + 1]),
            classes=data.classes,
            digest=digest.hexdigest(),
            positions=data.context,
            is_text=True,
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

    def chosen(self, indexes: Sequence[int]) -> Dataset:
        """Some of its examples, in this order, as data of their own."""
        return Dataset.of(
            inputs=b"".join(map(self.example, indexes)),
            dtype=self.dtype,
            scale=self.scale,
            shape=self.shape,
            labels=[label for index in indexes for label in self.labels_of(index)],
            classes=self.classes,
            positions=self.positions,
            is_text=self.is_text,
        )

    def example(self, index: int) -> bytes:
        """The numbers of one of them, as they stand in `inputs`."""
        size = math.prod(self.shape) * (1 if self.dtype == "uint8" else 4)
        return self.inputs[index * size : (index + 1) * size]

    def labels_of(self, index: int) -> tuple[int, ...]:
        """Its label, or that of each of its positions."""
        per_example = self.positions or 1
        return self.labels[index * per_example : (index + 1) * per_example]

    @property
    def symbols(self) -> int | None:
        """How many different ones there are, if it is a text."""
        return len(self.classes) if self.is_text else None


def encode(text: str, symbols: Sequence[str]) -> bytes:
    """Each character's index among the symbols; what is none of them becomes OTHER's.

    Raises DataError where that is not among them either.
    """
    codes = _Codes({ord(symbol): index for index, symbol in enumerate(symbols)})
    return text.translate(codes).encode("latin-1")


class _Codes(dict[int, int]):
    """Code points to indexes, for `str.translate`."""

    def __missing__(self, point: int) -> int:
        if ord(OTHER) not in self:
            raise DataError(
                f"The model does not know the character {show(chr(point))}: it does not occur in "
                "the text that it learned from. Leave it out.",
                key="generation.prompt",
            )
        return self[ord(OTHER)]


def shipped_text(content: bytes, description: Mapping[str, object]) -> str:
    """The shipped text: text.txt, as text.json describes it.

    Raises DataError, naming the file, when the two do not fit each other, or not this version.
    """
    if hashlib.sha256(content).hexdigest() != description.get("sha256"):
        raise _broken("text.txt", "its checksum is not the one in text.json")
    text = content.decode("utf-8", "replace")
    if len(text) != SHIPPED_LENGTH or not set(text) <= set(SHIPPED_VOCABULARY):
        raise _broken("text.txt", "it is not the text that recipes are checked against")
    return text


def _broken(name: str, problem: str, detail: str | None = None) -> DataError:
    return DataError(
        f"The file {name} cannot be used: {problem}. It was probably cut short or mixed with "
        f"another version on its way. Reload the page; if that does not help, build the site anew.",
        detail=detail,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Which examples are in which part, as ascending indexes into the dataset.

    `kept` are a fine-tuning's only.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    kept: tuple[int, ...] = ()

    def part(self, name: Part) -> tuple[int, ...]:
        match name:
            case "train":
                return self.train
            case "validation":
                return self.validation
            case "test":
                return self.test
            case "kept":
                return self.kept
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
    chosen: dict[str, list[int]] = {part: [] for part in PARTS}
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
    chosen: dict[str, tuple[int, ...]] = {}
    start = 0
    for part in PARTS:
        chosen[part] = tuple(sorted(order[start : start + counts[part]]))
        start += counts[part]
    return Split(**chosen)


def one_example(inputs: object, shape: tuple[int, ...], symbols: int | None = None) -> array[float]:
    """Checks and flattens one example. Raises DataError naming both shapes.

    Of a text of so many `symbols` it is their indexes; kernels look them up unchecked.
    """
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
        if symbols is not None and (not number.is_integer() or not 0 <= number < symbols):
            raise DataError(
                f"Number {position} of the example is {show(item)}, but a text is given by where "
                f"its characters stand among the model's {symbols:,}: whole numbers from 0 to "
                f"{symbols - 1:,}."
            )
        checked.append(number)
    return checked
