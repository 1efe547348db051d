"""What a plan is made of: kernel calls, each with the regions and numbers that it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from backburner.engine.regions import SCRATCH, Region

Phase = Literal["input", "forward", "loss", "backward", "update", "answer"]

Argument: TypeAlias = Region | float | None
"""A region stands for its address; None is the address 0, which kernels read as "nothing"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One kernel call. `layer` is the layer's name, or what else it is for."""

    phase: Phase
    layer: str
    kernel: str
    arguments: tuple[Argument, ...]

    @property
    def regions(self) -> tuple[Region, ...]:
        """What it reads or writes, scratch space left out."""
        return tuple(
            each for each in self.arguments if isinstance(each, Region) and each.name != SCRATCH
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """A step's calls for one size of batch, and an answer's, which learns nothing.

    `rows` is how many answers the model gives for the batch: one for each example, or one for
    each position of each. `examples` brings a step its examples, as they are augmented, and
    `input` an evaluation.
    """

    rows: int
    examples: tuple[Call, ...]
    input: tuple[Call, ...]
    forward: tuple[Call, ...]
    loss: Call
    backward: tuple[Call, ...]
    infer: tuple[Call, ...]
    logits: Region
    scratch_bytes: int

    @property
    def step(self) -> tuple[Call, ...]:
        """All of a step but the update, in order."""
        return (*self.examples, *self.forward, self.loss, *self.backward)
