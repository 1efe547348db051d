"""What a recipe can learn from: one class for each data source, and its part of the recipe.

Owns the options of the sources, their limits, and the words of their refusals. What stands in no
recipe (the shipped files, the visitor's drawings) is described by what can be said of it before it
is loaded: its shape, its classes, and how many examples each has. It must not know how examples
are loaded or made: that is the worker's and the engine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from backburner.core import drawing
from backburner.core.errors import DataError
from backburner.core.images_data import ImagesData
from backburner.core.inline_data import MOST_CLASSES, InlineData
from backburner.core.options import (
    Option,
    as_integer,
    listed,
    read_object,
    refusal,
    show,
    unknown_word,
)
from backburner.core.shapes_data import ShapesData
from backburner.core.split import PARTS, Part, SplitRecipe, divide
from backburner.core.text_data import TextData

SOURCES = ("digits", "drawings", "shapes", "images", "text", "inline")


def _read_size(value: object, key: str) -> int:
    number = as_integer(value)
    if number not in drawing.SIZES:
        raise refusal(
            value,
            key,
            f"it must be one of {listed(map(str, drawing.SIZES))}",
            "It says how many blocks wide and high a drawing becomes; 16 is a good start.",
        )
    return number


DRAWING_SIZE = Option(read=_read_size, schema={"enum": list(drawing.SIZES)})


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsData:
    """The shipped handwritten digits: 1,797 pictures of 8x8 (UCI, Alpaydin & Kaynak 1998).

    `counts` says how many pictures each class has, so that a recipe can be checked before
    they are loaded; the build refuses to ship others.
    """

    source: ClassVar[str] = "digits"
    input_shape: ClassVar[tuple[int, int, int]] = (8, 8, 1)
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    counts: ClassVar[tuple[int, ...]] = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
    split: SplitRecipe = field(default_factory=SplitRecipe)

    @classmethod
    def from_wire(cls, wire: Mapping[str, object], key: str = "data") -> DigitsData:
        given = read_object(wire, key, ("source", "split"))
        return cls(split=SplitRecipe.from_wire(given.get("split", {}), f"{key}.split"))

    def to_wire(self) -> dict[str, object]:
        return {"source": self.source, "split": self.split.to_wire()}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingsData:
    """The visitor's own drawings, counted in blocks to pictures of `size` by `size`.

    The recipe does not hold them; `classes` and `counts` say what there is where it is read.
    """

    source: ClassVar[str] = "drawings"
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    size: int = 16
    split: SplitRecipe = field(default_factory=SplitRecipe)

    @classmethod
    def from_wire(
        cls, wire: Mapping[str, object], drawings: Mapping[str, int] | None, key: str = "data"
    ) -> DrawingsData:
        """`drawings` is how many there are of each class; None where nobody can draw."""
        given = read_object(wire, key, ("source", "size", "split"))
        size = DRAWING_SIZE.read(given.get("size", 16), f"{key}.size")
        split = SplitRecipe.from_wire(given.get("split", {}), f"{key}.split")
        _check_classes(drawings, f"{key}.source")
        assert drawings is not None
        classes, counts = tuple(drawings), tuple(drawings.values())
        return cls(classes=classes, counts=counts, size=size, split=split)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, 1)

    def to_wire(self) -> dict[str, object]:
        return {"source": self.source, "size": self.size, "split": self.split.to_wire()}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseData:
    """Random numbers with random labels, to measure with; no recipe can ask for it.

    `positions` is how many labels an example has where it is a sequence; None: one.
    """

    source: ClassVar[str] = "noise"
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    examples: int
    positions: int | None = None
    split: SplitRecipe = field(
        default_factory=lambda: SplitRecipe(train=1.0, validation=0.0, test=0.0)
    )

    @property
    def counts(self) -> tuple[int, ...]:
        """About how many examples each class has."""
        return (self.examples // len(self.classes),) * len(self.classes)

    def to_wire(self) -> dict[str, object]:
        return {"source": self.source, "input_shape": list(self.input_shape)}


Data = DigitsData | DrawingsData | ImagesData | InlineData | NoiseData | ShapesData | TextData


def part_sizes(data: Data) -> dict[Part, int]:
    """How many examples each part gets. Raises DataError when one cannot have what it needs."""
    if isinstance(data, TextData):
        return data.part_sizes()
    parts = divide(data.counts, data.classes, data.split)
    return {part: sum(counts[part] for counts in parts) for part in PARTS}


def _check_classes(drawings: Mapping[str, int] | None, key: str) -> None:
    """Raises DataError, with the way out, for drawings that no network can be trained on."""
    if drawings is None:
        problem = (
            "this recipe learns from the drawings of whoever is at the page, and here nobody "
            "draws. Open the page, draw under Create, and start it there; or take the digits."
        )
    elif not drawings:
        problem = (
            "there are no drawings yet. Name at least two classes under Create, and draw a few "
            "examples of each."
        )
    elif len(drawings) == 1:
        problem = (
            f"there is only one class of drawings, {show(next(iter(drawings)))}, and a network "
            f"tells at least 2 apart. Add a second class, and draw a few examples of it."
        )
    elif len(drawings) > MOST_CLASSES:
        problem = (
            f"there are {len(drawings):,} classes of drawings, and a network tells at most "
            f"{MOST_CLASSES:,} apart. Remove some."
        )
    else:
        return
    raise DataError(f"{key}: {problem}", key=key)


def data_from_wire(
    wire: object, drawings: Mapping[str, int] | None = None, key: str = "data"
) -> Data:
    """Reads a recipe's `data`. Raises RecipeError, or DataError for examples that won't do."""
    keys = (
        *("source", "split", "size", "count", "difficulty", "seed", "text", "context"),
        *("inputs", "labels", "classes", "images", "channels"),
    )
    given = read_object(wire, key, keys, later=("part",))
    source = given.get("source", DigitsData.source)
    match source:
        case "digits":
            return DigitsData.from_wire(given, key)
        case "drawings":
            return DrawingsData.from_wire(given, drawings, key)
        case "shapes":
            return ShapesData.from_wire(given, key)
        case "images":
            return ImagesData.from_wire(given, key)
        case "text":
            return TextData.from_wire(given, key)
        case "inline":
            return InlineData.from_wire(given, key)
    raise unknown_word(source, f"{key}.source", "data source", SOURCES)
