"""What a run will take: a promise made from a short measurement, and the memory it needs.

The memory is estimated from the model's shapes alone, so that it can be told before anything is
built. It is no upper bound: a browser keeps more for itself, and graphics cards round up.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from backburner.core.backends import Trial
from backburner.core.model import ModelSpec

BYTES = 4
"""Of a float32."""

FORWARD_COPIES = 3
"""What a layer leaves on the tape in a step: its product, the product with its bias, its output."""

BACKWARD_COPIES = 2
"""What each of those needs on the way back."""

LARGEST_HEAP_BYTES = 4 * 2**30
"""WebAssembly's addresses end there."""

SHARE_OF_A_TAB = 0.5
"""Of the device's memory: what a browser leaves to one page before it ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How much a run has to do: steps, and batches of evaluation (validations and the test)."""

    steps: int
    evaluations: int

    @classmethod
    def of(cls, *, epochs: int, steps: int, batch_size: int, validation: int, test: int) -> Work:
        """`validation` and `test` are numbers of examples."""
        batches = [-(-count // batch_size) for count in (validation, test)]
        return cls(steps=steps, evaluations=epochs * batches[0] + batches[1])


def promised_s(work: Work, trial: Trial) -> float | None:
    """How long a run will train at the pace of a trial; None when that knows no pace."""
    if trial.ms_per_step is None:
        return None
    evaluation_ms = work.evaluations * (trial.ms_per_evaluation or 0.0)
    return (work.steps * trial.ms_per_step + evaluation_ms) / 1_000.0


def tape_bytes(spec: ModelSpec, *, batch_size: int, slots: int, examples: int) -> int:
    """What a training on TensorFlow.js's tape holds at its fullest, in the middle of a step.

    What a plan holds, engine/scratch.py says.

    The data with its targets; the weights, what the optimizer remembers of each (`slots`), their
    gradients, and the next ones of all of these beside them; what each layer puts out for a
    batch, there and back.
    """
    data = examples * (prod(spec.input_shape) + spec.classes)
    weights = spec.parameter_count * (2 * (1 + slots) + 1)
    outputs = sum(prod(placed.output_shape) for placed in spec.layers)
    batch = batch_size * (prod(spec.input_shape) + outputs * FORWARD_COPIES * (1 + BACKWARD_COPIES))
    return BYTES * (data + weights + batch)


def available_bytes(device_gb: float | None) -> int:
    """What a page can have at most; `device_gb` is what the browser tells of the device."""
    if not device_gb:
        return LARGEST_HEAP_BYTES
    return min(LARGEST_HEAP_BYTES, int(device_gb * 2**30 * SHARE_OF_A_TAB))
