"""What a run will take: a promise made from a short measurement, and the memory it needs.

The memory is estimated from the model's shapes alone, so that it can be told before anything is
built. It is no upper bound: a browser keeps more for itself, and graphics cards round up.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from backburner.core.backends import Trial
from backburner.core.convolutions import DepthwiseConv2D, SeparableConv2D
from backburner.core.layers import Embedding
from backburner.core.model import ModelSpec
from backburner.core.placed_layer import PlacedLayer

BYTES = 4
"""Of a float32."""

FORWARD_COPIES = 3
"""What a layer leaves on the tape in a step: its product, the product with its bias, its output."""

BACKWARD_COPIES = 2
"""What each of those needs on the way back."""

ADAPTED_COPIES = 5
"""What an adapter takes in a step, each as large as its kernel: the product of its matrices, the
same with its scale, the sum with the kernel; on the way back, the gradients by the last and by the
first."""

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

    The data with its labels; the weights, what the optimizer remembers of each that learns
    (`slots`), their gradients, and the next ones of all of these beside them; the kernels that are
    made with adapters; the batch, a row of 1 and 0 for each of its labels, and what each layer puts
    out for it, there and back.
    """
    answers = spec.positions or 1
    data = examples * (prod(spec.input_shape) + answers)
    weights = spec.parameter_count + spec.trained_count * (2 * (1 + slots))
    weights += _adapted(spec) * ADAPTED_COPIES
    outputs = sum(_left_on_the_tape(placed) for placed in spec.walk())
    batch = prod(spec.input_shape) + answers * spec.classes + outputs * (1 + BACKWARD_COPIES)
    return BYTES * (data + weights + batch_size * batch)


def _adapted(spec: ModelSpec) -> int:
    """How many numbers the kernels have that adapters add to."""
    return sum(
        each.size
        for placed in spec.walk()
        for each in placed.parameters
        if placed.adapter is not None and each.name == "kernel"
    )


def _left_on_the_tape(placed: PlacedLayer) -> int:
    """How many numbers a layer leaves there for an example."""
    layer, output = placed.layer, prod(placed.output_shape)
    match layer:
        case DepthwiseConv2D():  # a sum of products, of which each is there, with its input
            return FORWARD_COPIES * output * prod(layer.kernel_size)
        case SeparableConv2D():
            channels = prod(layer.depthwise_shape(placed.input_shape))
            return FORWARD_COPIES * (output + channels * prod(layer.kernel_size))
        case Embedding():  # a row of 1 and 0 for each symbol
            return FORWARD_COPIES * output + prod(placed.input_shape) * (layer.input_dim or 0)
        case _:
            return FORWARD_COPIES * output


def available_bytes(device_gb: float | None) -> int:
    """What a page can have at most; `device_gb` is what the browser tells of the device."""
    if not device_gb:
        return LARGEST_HEAP_BYTES
    return min(LARGEST_HEAP_BYTES, int(device_gb * 2**30 * SHARE_OF_A_TAB))
