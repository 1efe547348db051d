"""Recipes: everything that decides what is trained, on what, and how.

Owns the JSON of recipe 1 (see docs): its defaults, its limits, and the words of every
refusal. It must not know where a recipe came from or what happens to it. `Recipe.from_wire`
either returns a recipe that can work or raises a ConfigurationError that names the key;
this includes the model's shapes and the sizes of the parts, since data, model and batch size
stand in the same recipe.

What is left out has its default here, and only here: `kind` "train", `seed` 0, `data` the
digits split 80/10/10, `model` the preset "small" with `output` "auto", and `training` 5 epochs
of batches of 32 with Adam at a learning rate of 0.001, without clipping. In a `split` that
names some parts, the parts left out are: `train`, what remains; the others, nothing. SGD has no
momentum, and AdamW a weight decay of 0.004, as in Keras.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar, Literal, cast

from backburner.core import drawing
from backburner.core.errors import DataError, RecipeError
from backburner.core.layers import Layer, layers_from_wire
from backburner.core.model import ModelSpec, Output
from backburner.core.options import (
    LARGEST_SAFE_INTEGER,
    Option,
    as_integer,
    as_number,
    choice,
    closest,
    fraction,
    integer,
    joined,
    listed,
    positive,
    read_by,
    read_object,
    refusal,
    show,
    sizes,
)
from backburner.core.presets import DEFAULT_PRESET, preset_layers
from backburner.core.split import SplitRecipe, check_batch_size, divide

VERSION = 1
KINDS = ("train",)
LATER_KINDS = ("fine-tune", "monte-carlo", "generate", "export")
SOURCES = ("digits", "drawings", "inline")
LATER_SOURCES = ("shapes", "images", "text")
RECIPE_KEYS = ("recipe", "kind", "name", "seed", "data", "model", "training")
LATER_RECIPE_KEYS = ("priority", "then", "method", "simulation", "generation", "format")
LATER_TRAINING_KEYS = ("l2", "schedule", "early_stopping", "class_weights", "augmentation")
LONGEST_NAME = 200
MOST_INLINE_NUMBERS = 20_000_000
MOST_CLASSES = 1000
LARGEST_SIDE = 4096

SEED = integer(0, LARGEST_SAFE_INTEGER, "Any such number will do, for example 7.")
OUTPUT = choice(("auto", "given"))
_EPOCHS = integer(1, 100_000, "5 is a good start.")
BATCH_SIZE = integer(1, 65_536, "32 is the usual size.")
OPTIMIZER = choice(("adam", "sgd", "adamw"))
_LEARNING_RATE = positive(
    1000, "It says how far each step goes; 0.001 is a good start with adam, 0.1 with sgd."
)
_MOMENTUM = fraction("It keeps that share of the last step's direction; 0.9 is usual.")
_WEIGHT_DECAY = fraction(
    "It makes all weights smaller by this, times the learning rate, at each step; 0.004 is usual."
)
_CLIP_NORM = positive(
    1e6, "It limits the length of a step's gradient; 1 is usual, or leave it out."
)


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

Optimizer = Literal["adam", "sgd", "adamw"]

ONLY_WITH: dict[str, Optimizer] = {"momentum": "sgd", "weight_decay": "adamw"}
"""Settings that one optimizer takes, and no other."""


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


Data = DigitsData | DrawingsData | InlineData | NoiseData


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


def data_from_wire(
    wire: object, drawings: Mapping[str, int] | None = None, key: str = "data"
) -> Data:
    """Reads a recipe's `data`. Raises RecipeError, or DataError for examples that won't do."""
    keys = ("source", "split", "size", "inputs", "labels", "classes")
    given = read_object(wire, key, keys, later=("part", "text"))
    source = given.get("source", DigitsData.source)
    match source:
        case "digits":
            return DigitsData.from_wire(given, key)
        case "drawings":
            return DrawingsData.from_wire(given, drawings, key)
        case "inline":
            return InlineData.from_wire(given, key)
    raise _unknown(source, f"{key}.source", "data source", SOURCES, LATER_SOURCES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecipe:
    """The layers, and the name of the preset that they came from (None if written out)."""

    layers: tuple[Layer, ...]
    preset: str | None = None
    output: Output = "auto"

    @classmethod
    def from_wire(cls, wire: object, key: str = "model") -> ModelRecipe:
        given = read_object(wire, key, ("preset", "layers", "output"), later=("from",))
        output = cast(Output, OUTPUT.read(given.get("output", "auto"), f"{key}.output"))
        if "preset" in given and "layers" in given:
            raise RecipeError(
                f"{key} has both a preset and layers, and only one of them can be the model. "
                f"Take one away.",
                key=key,
            )
        if "layers" in given:
            return cls(layers=layers_from_wire(given["layers"], f"{key}.layers"), output=output)
        preset = given.get("preset", DEFAULT_PRESET)
        layers = preset_layers(preset, f"{key}.preset")
        return cls(layers=layers, preset=cast(str, preset), output=output)

    def to_wire(self) -> dict[str, object]:
        if self.preset is not None:
            return {"preset": self.preset, "output": self.output}
        return {"layers": [layer.to_wire() for layer in self.layers], "output": self.output}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecipe:
    """How it is trained. `clip_norm` of None clips nothing.

    `momentum` counts with SGD only, and `weight_decay` with AdamW.
    """

    epochs: int = field(default=5, metadata=read_by(_EPOCHS))
    batch_size: int = field(default=32, metadata=read_by(BATCH_SIZE))
    optimizer: Optimizer = field(default="adam", metadata=read_by(OPTIMIZER))
    learning_rate: float = field(default=0.001, metadata=read_by(_LEARNING_RATE))
    clip_norm: float | None = field(default=None, metadata=read_by(_CLIP_NORM))
    momentum: float = field(default=0.0, metadata=read_by(_MOMENTUM))
    weight_decay: float = field(default=0.004, metadata=read_by(_WEIGHT_DECAY))

    @classmethod
    def from_wire(cls, wire: object, key: str = "training") -> TrainingRecipe:
        options = {f.name: f for f in fields(cls)}
        given = read_object(wire, key, tuple(options), LATER_TRAINING_KEYS)
        read = cls(
            **{
                name: options[name].metadata["option"].read(value, f"{key}.{name}")
                for name, value in given.items()
                if value is not None or options[name].default is not None
            }
        )
        for name, optimizer in ONLY_WITH.items():
            if name in given and read.optimizer != optimizer:
                raise RecipeError(
                    f"{key}.{name} is {show(given[name])}, but only {optimizer} takes it, and the "
                    f'optimizer is {read.optimizer}. Leave it out, or write "optimizer": '
                    f'"{optimizer}".',
                    key=f"{key}.{name}",
                )
        return read

    def to_wire(self) -> dict[str, object]:
        """Every setting that counts. The hash of a recipe is over this, and decides whether a
        kept run may go on: a setting that came later stands here only where it is used.
        """
        wire = {f.name: getattr(self, f.name) for f in fields(self)}
        if self.optimizer != "sgd" or self.momentum == 0:
            del wire["momentum"]
        if self.optimizer != "adamw":
            del wire["weight_decay"]
        return {name: value for name, value in wire.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One complete, checked recipe. `name` of None: the recipe gives none."""

    data: Data = field(default_factory=DigitsData)
    model: ModelRecipe
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    kind: Literal["train"] = "train"
    name: str | None = None
    seed: int = 0

    @classmethod
    def from_wire(cls, wire: object, *, drawings: Mapping[str, int] | None = None) -> Recipe:
        """Reads any JSON value. Raises RecipeError, LayerError or DataError, with `key`.

        `drawings` says how many drawings of each class there are here, for a recipe that learns
        from them; None where nobody can draw.
        """
        if isinstance(wire, Mapping):
            _check_version(wire)
        given = read_object(wire, "", RECIPE_KEYS, LATER_RECIPE_KEYS if _is_train(wire) else ())
        recipe = cls(
            name=_read_name(given.get("name")),
            seed=SEED.read(given.get("seed", 0), "seed"),
            data=data_from_wire(given.get("data", {}), drawings),
            model=ModelRecipe.from_wire(given.get("model", {})),
            training=TrainingRecipe.from_wire(given.get("training", {})),
        )
        recipe.spec()
        recipe.check_examples()
        return recipe

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Reads a recipe's JSON text. Raises what `from_wire` does."""
        try:
            wire = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecipeError(
                "The recipe is not JSON, so it cannot be read. A bracket or a comma may be "
                f"missing or one too many ({str(error)[:120]}).",
                detail=str(error)[:500],
            ) from None
        return cls.from_wire(wire)

    def spec(self) -> ModelSpec:
        """The model, every layer placed on this recipe's data."""
        return ModelSpec.from_layers(
            self.model.layers,
            input_shape=self.data.input_shape,
            classes=len(self.data.classes),
            output=self.model.output,
        )

    def check_examples(self) -> None:
        """Raises DataError when the parts cannot have what they need, or a batch cannot be filled.

        Its key is `data.classes`, `data.split` or `training.batch_size`.
        """
        parts = divide(self.data.counts, self.data.classes, self.data.split)
        check_batch_size(self.training.batch_size, sum(counts["train"] for counts in parts))

    def to_wire(self) -> dict[str, object]:
        """The complete recipe, every default spelled out. `from_wire` gives it back."""
        wire: dict[str, object] = {"recipe": VERSION, "kind": self.kind}
        if self.name is not None:
            wire["name"] = self.name
        return wire | {
            "seed": self.seed,
            "data": self.data.to_wire(),
            "model": self.model.to_wire(),
            "training": self.training.to_wire(),
        }


def _check_version(wire: Mapping[str, object]) -> None:
    version = wire.get("recipe")
    number = as_integer(version)
    if number == VERSION:
        return
    if version is None:
        problem = 'the recipe does not say which version it is. Write "recipe": 1.'
    elif number is not None and number > VERSION:
        problem = (
            f"this recipe has version {show(version)}, which is newer than this Backburner. It "
            f"knows version {VERSION}. Reload the page to get a newer Backburner."
        )
    else:
        problem = (
            f"{show(version)} is no version of a recipe. This Backburner knows version {VERSION}: "
            f'write "recipe": 1.'
        )
    raise RecipeError(f"recipe: {problem}", key="recipe")


def _is_train(wire: object) -> bool:
    """Checks `kind` before the keys, so that another kind is named and not its keys."""
    if isinstance(wire, Mapping):
        kind = wire.get("kind", KINDS[0])
        if kind not in KINDS:
            raise _unknown(kind, "kind", "kind of recipe", KINDS, LATER_KINDS)
    return True


def _unknown(
    value: object, key: str, noun: str, known: tuple[str, ...], later: tuple[str, ...]
) -> RecipeError:
    here = f"This version knows {listed(show(word) for word in known)}."
    if isinstance(value, str) and value in later:
        return RecipeError(
            f"{key}: the {noun} {show(value)} is not in this version of Backburner yet. {here}",
            key=key,
        )
    near = closest(value, known) if isinstance(value, str) else ""
    return RecipeError(f"{key}: {show(value)} is not a known {noun}. {near}{here}", key=key)


def _read_name(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > LONGEST_NAME:
        raise refusal(
            value,
            joined("", "name"),
            f"it must be a text of up to {LONGEST_NAME} characters",
            "Shorten it, or leave it out.",
        )
    return value
