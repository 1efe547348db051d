"""What a training says of its steps and of its model: figures, never tensors."""

from __future__ import annotations

from dataclasses import dataclass

from backburner.engine.data import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """One step's figures, of its batch, before the step changed the weights.

    `step` counts the steps done, this one included; `epoch` the epochs finished by then.
    """

    step: int
    epoch: int
    loss: float
    accuracy: float
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One example of a part: its place in the dataset, and class indexes."""

    index: int
    label: int
    predicted: int
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A part's figures so far: of the first `count` of its examples.

    `loss` and `accuracy` are None when the part is empty. `predictions` are all of the
    part's once `done`, and empty before; of a model that answers at each position of a sequence
    they stay empty.
    """

    part: Part
    loss: float | None
    accuracy: float | None
    count: int
    done: bool
    predictions: tuple[Prediction, ...] = ()
