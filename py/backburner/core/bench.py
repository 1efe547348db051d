"""What can be measured: a model on noise, and for how long.

Owns the JSON of the hook's `bench` (docs/HOOK.md): its defaults, limits and refusals, each of
which names the key. Both sides read it here: the page, to refuse at once, and the worker.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from backburner.core.backends import BACKENDS
from backburner.core.data_sources import NoiseData
from backburner.core.errors import RecipeError
from backburner.core.inline_data import LARGEST_SIDE, MOST_INLINE_NUMBERS
from backburner.core.layer import Layer
from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec
from backburner.core.options import (
    Option,
    as_integer,
    as_number,
    boolean,
    choice,
    integer,
    read_by,
    read_object,
    read_settings,
    refusal,
)
from backburner.core.recipe import ModelRecipe, Recipe
from backburner.core.training_settings import BATCH_SIZE, OPTIMIZER, Optimizer, TrainingRecipe

BATCHES = 4
"""How many different batches of noise there are."""

ENDLESS = 2**40
"""Epochs: who measures stops by the clock."""

_LONGEST_MS = 600_000.0


def _milliseconds(low: float, way_out: str) -> Option:
    def read(value: object, key: str) -> float:
        number = as_number(value)
        if number is None or not low <= number <= _LONGEST_MS:
            raise refusal(
                value, key, f"it must be a number from {low:g} to {_LONGEST_MS:,.0f}", way_out
            )
        return number

    return Option(read=read, schema={"type": "number", "minimum": low, "maximum": _LONGEST_MS})


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """How it is measured. `backend` of None is the worker's first; times are of steps alone.

    With `explain` every kernel call of a plan is listed and timed by itself.
    """

    backend: str | None = field(default=None, metadata=read_by(choice(BACKENDS)))
    warmup_ms: float = field(
        default=300.0,
        metadata=read_by(_milliseconds(0, "300 is enough for most; the first steps are slow.")),
    )
    round_ms: float = field(
        default=1000.0,
        metadata=read_by(_milliseconds(1, "1000 is usual: a round has at least one step.")),
    )
    rounds: int = field(
        default=3, metadata=read_by(integer(1, 1000, "3 are usual; each gives one median."))
    )
    explain: bool = field(default=False, metadata=read_by(boolean("true lists every kernel call.")))

    @classmethod
    def from_wire(cls, wire: object) -> BenchOptions:
        """Reads any JSON value; what is left out has its default. Raises RecipeError."""
        return read_settings(cls, {} if wire is None else wire, "")

    @property
    def longest_ms(self) -> float:
        """How long all of it takes if no step is longer than a round."""
        return 2 * (self.warmup_ms + self.round_ms * (self.rounds + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchWorkload:
    """What is measured: the layers as they are, the last one's units being the classes."""

    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    batch_size: int
    optimizer: Optimizer

    @classmethod
    def from_wire(cls, wire: object) -> BenchWorkload:
        """Reads any JSON value. Raises RecipeError or LayerError, with `key`."""
        given = read_object(wire, "", ("input", "layers", "batch_size", "optimizer"))
        workload = cls(
            input_shape=_read_shape(given.get("input"), "input"),
            layers=layers_from_wire(given.get("layers"), "layers"),
            batch_size=BATCH_SIZE.read(given.get("batch_size", 32), "batch_size"),
            optimizer=OPTIMIZER.read(given.get("optimizer", "adam"), "optimizer"),
        )
        workload.spec()
        workload._check_size()
        return workload

    def spec(self) -> ModelSpec:
        """The layers, placed on the input."""
        return ModelSpec.from_layers(
            self.layers, input_shape=self.input_shape, output="last", where="layers"
        )

    def recipe(self) -> Recipe:
        """A recipe that trains it on noise, for as long as it is asked to."""
        spec = self.spec()
        return Recipe(
            data=NoiseData(
                input_shape=self.input_shape,
                classes=tuple(map(str, range(spec.classes))),
                examples=BATCHES * self.batch_size,
                positions=spec.positions,
            ),
            model=ModelRecipe(layers=self.layers, output="last"),
            training=TrainingRecipe(
                epochs=ENDLESS, batch_size=self.batch_size, optimizer=self.optimizer
            ),
        )

    def _check_size(self) -> None:
        numbers = BATCHES * self.batch_size
        for side in self.input_shape:
            numbers *= side
        if numbers > MOST_INLINE_NUMBERS:
            raise RecipeError(
                f"input and batch_size make {numbers:,} numbers of noise, and "
                f"{MOST_INLINE_NUMBERS:,} are the most. Make one of them smaller.",
                key="batch_size",
            )


def _read_shape(value: object, key: str) -> tuple[int, ...]:
    sides = value if isinstance(value, list | tuple) else ()
    shape = [number for number in map(as_integer, sides) if number is not None]
    if not 1 <= len(sides) <= 3 or len(shape) != len(sides):
        shape = []
    if not shape or not all(1 <= side <= LARGEST_SIDE for side in shape):
        raise refusal(
            value,
            key,
            "it must be the shape of one example: [height, width, channels], "
            f"[positions, channels] or [numbers], each from 1 to {LARGEST_SIDE:,}",
            "For example [28, 28, 1].",
        )
    return tuple(shape)
