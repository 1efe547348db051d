"""How the learning rate changes on the way: a recipe's `training.schedule`.

Owns the schedules, their options, and what each makes of every step. A schedule has no state: the
factor of a step follows from its number alone, so that a run that is taken up goes on exactly, and
a page can draw the whole curve beforehand. It must not know the learning rate itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, assert_never, cast

from backburner.core.options import (
    between,
    choice,
    integer,
    positive,
    read_by,
    read_settings,
    refusal,
    show,
)

Name = Literal["constant", "linear", "cosine", "exponential", "step"]
NAMES: tuple[Name, ...] = ("constant", "linear", "cosine", "exponential", "step")

MOST_STEPS = 10_000_000

_WARMUP = integer(0, MOST_STEPS, "Over so many steps the learning rate grows; 0 does without.")
_END = between(
    0, 1, "It says what share of the learning rate is left at the end; 0 slows down to nothing."
)
_RATE = positive(1, "The learning rate is multiplied by it once in decay_steps; 0.5 halves it.")
_DECAY_STEPS = integer(1, MOST_STEPS, "After so many steps the learning rate is decay_rate of it.")

TAKES: dict[Name, tuple[str, ...]] = {
    "constant": (),
    "linear": ("end_factor",),
    "cosine": ("end_factor",),
    "exponential": ("decay_rate", "decay_steps"),
    "step": ("decay_rate", "decay_steps"),
}
"""The options of each beside `name` and `warmup_steps`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """By what the learning rate is multiplied at each step.

    First it grows in even steps to its full size, which it has at the last of `warmup_steps` (so
    no step is lost at a rate of 0). Of the steps that are left, the share t / T being over:

    - constant: it stays;
    - linear: it falls evenly towards `end_factor` (Keras's PolynomialDecay of power 1);
    - cosine: it falls towards `end_factor` along half a wave (Loshchilov & Hutter 2017, "SGDR",
      without restarts; Keras's CosineDecay, whose alpha is `end_factor`);
    - exponential: `decay_rate` ^ (t / `decay_steps`) (Keras's ExponentialDecay);
    - step: the same in stairs, `decay_rate` ^ floor(t / `decay_steps`) (PyTorch's StepLR).
    """

    name: Name = field(default="constant", metadata=read_by(choice(NAMES)))
    warmup_steps: int = field(default=0, metadata=read_by(_WARMUP))
    end_factor: float = field(default=0.0, metadata=read_by(_END))
    decay_rate: float = field(default=0.5, metadata=read_by(_RATE))
    decay_steps: int = field(default=200, metadata=read_by(_DECAY_STEPS))

    @classmethod
    def from_wire(cls, wire: object, key: str = "training.schedule") -> Schedule:
        """Reads `{"name": …}` with the options of that schedule. Raises RecipeError."""
        found = read_settings(cls, wire, key)
        for name, value in cast("Mapping[str, object]", wire).items():
            if name not in ("name", "warmup_steps", *TAKES[found.name]):
                takers = [show(each) for each in NAMES if name in TAKES[each]]
                raise refusal(
                    value,
                    f"{key}.{name}",
                    f"only {' and '.join(takers)} take it, and the schedule is {found.name}",
                    "Leave it out, or choose one of those.",
                )
        return found

    def to_wire(self) -> dict[str, object]:
        """The options that this schedule takes, all spelled out."""
        return {name: getattr(self, name) for name in ("name", "warmup_steps", *TAKES[self.name])}

    def factor(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied by at the `step`th step, from 0, of `steps`."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        at, length = step - self.warmup_steps, steps - self.warmup_steps
        match self.name:
            case "constant":
                return 1.0
            case "linear":
                return 1 - (1 - self.end_factor) * at / length
            case "cosine":
                wave = (1 + math.cos(math.pi * at / length)) / 2
                return self.end_factor + (1 - self.end_factor) * wave
            case "exponential":
                return math.pow(self.decay_rate, at / self.decay_steps)
            case "step":
                return math.pow(self.decay_rate, at // self.decay_steps)
        assert_never(self.name)
