"""A small sum with a known answer, by which a backend shows that it can be trusted.

A convolution with relu, a maximum, a dense layer and the cross-entropy, there and back, on fixed
numbers: what every training here is made of. The answers (canary_numbers.py) were worked out in
plain Python with 64-bit floats. A backend that computes with 16 bits, that has lost its memory,
or whose gradients are wrong gives others.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING

from backburner.core.convolutions import Conv2D
from backburner.core.errors import BackendError
from backburner.core.layers import Dense, Flatten
from backburner.core.model import ModelSpec
from backburner.core.poolings import MaxPooling2D
from backburner.engine.canary_numbers import GRADIENTS, LOSS
from backburner.engine.data import Dataset
from backburner.engine.executor import Workload
from backburner.engine.gradients import register_missing_kernels
from backburner.engine.layers import forward
from backburner.engine.optimizers import SGD
from backburner.engine.plan import Plan
from backburner.engine.safetensors import Numbers

if TYPE_CHECKING:
    from backburner.engine.kernels import Kernels
    from backburner.engine.tensors import Tensor, Tensors

BATCH, SIDE, CHANNELS, FILTERS, CLASSES = 2, 4, 4, 8, 3
LABELS = (2, 0)

TOLERANCE = 1e-4
"""Between 32-bit floats (they differ by 1e-6 here) and 16-bit ones (by 1e-3)."""


def spec() -> ModelSpec:
    return ModelSpec.from_layers(
        (
            Conv2D(filters=FILTERS, kernel_size=(3, 3), padding="same", activation="relu"),
            MaxPooling2D(pool_size=(2, 2)),
            Flatten(),
            Dense(units=CLASSES),
        ),
        input_shape=(SIDE, SIDE, CHANNELS),
        classes=CLASSES,
    )


def inputs() -> list[float]:
    """The pictures, as one row [batch, height, width, channels]."""
    return _wave(BATCH * SIDE * SIDE * CHANNELS, 0.7)


def parameters() -> dict[str, tuple[tuple[int, ...], list[float]]]:
    """Shape and numbers of every parameter by its name; no two alike."""
    return {
        name: (parameter.shape, _wave(parameter.size, 2.1 + 0.9 * at))
        for at, (name, parameter) in enumerate(spec().parameters())
    }


async def check_canary(tensors: Tensors, kernels: Kernels | None = None) -> None:
    """Raises BackendError unless this backend gives the right loss and the right gradients.

    With `kernels` the plan is asked as well, which computes with them alone.
    """
    _judge(await _asked_of_the_tape(tensors), tensors.backend)
    if kernels is not None:
        _judge(await _asked_of_a_plan(tensors, kernels), f"{tensors.backend}, {kernels.variant}")


def _judge(found: list[float], who: str) -> None:
    wanted = [LOSS, *(number for name in parameters() for number in GRADIENTS[name])]
    farthest = _farthest(found, wanted)
    if not farthest <= TOLERANCE:
        raise BackendError(
            f"The backend {who} does not compute rightly here: a sum with a known answer came out "
            "wrong. Another one is used.",
            detail=f"canary: off by {farthest:g}",
        )


async def _asked_of_the_tape(tensors: Tensors) -> list[float]:
    """Loss and gradients, in one row."""
    register_missing_kernels(tensors)
    named = parameters()
    kept: list[Tensor] = []
    tensors.check_alive()
    try:
        with tensors.scope():
            x = tensors.floats(inputs(), (BATCH, SIDE, SIDE, CHANNELS))
            targets = tensors.floats(
                [float(label == unit) for label in LABELS for unit in range(CLASSES)],
                (BATCH, CLASSES),
            )

            def loss_of(values: list[Tensor]) -> Tensor:
                logits = forward(tensors, spec(), dict(zip(named, values, strict=True)), x)
                likely = tensors.sum(tensors.multiply(tensors.log_softmax(logits), targets))
                return tensors.multiply(likely, -1.0 / BATCH)

            values = [tensors.floats(numbers, shape) for shape, numbers in named.values()]
            loss, gradients = tensors.value_and_gradients(loss_of, values)
            # All in one row: a graphics card is waited for once.
            flat = [tensors.reshape(each, (-1, 1)) for each in (loss, *gradients)]
            kept = [tensors.keep(tensors.concat(flat))]
        return list(await tensors.read_floats(kept[0]))
    finally:
        tensors.dispose(*kept)


async def _asked_of_a_plan(tensors: Tensors, kernels: Kernels) -> list[float]:
    """The same from one step down the gradients, of length 1."""
    named = parameters()
    workload = Workload(
        spec=spec(),
        dataset=Dataset.of(
            inputs=array("f", inputs()).tobytes(),
            dtype="float32",
            scale=1.0,
            shape=(SIDE, SIDE, CHANNELS),
            labels=LABELS,
            classes=[str(unit) for unit in range(CLASSES)],
        ),
        optimizer=SGD(learning_rate=1.0),
        batch_size=BATCH,
        seed=0,
        clip_norm=None,
    )
    plan = Plan(workload, tensors, kernels)
    try:
        given = {
            name: Numbers(shape=shape, data=array("f", numbers).tobytes())
            for name, (shape, numbers) in named.items()
        }
        plan.write(given, {})
        loss, _ = await plan.train(range(BATCH), 0)
        moved, _ = await plan.read()
    finally:
        plan.dispose()
    found = [loss]
    for name, (_, numbers) in named.items():
        after = array("f", moved[name].data)
        found += [before - now for before, now in zip(numbers, after, strict=True)]
    return found


def _farthest(found: list[float], wanted: list[float]) -> float:
    """The largest difference; infinite where something is no number, or is missing."""
    if len(found) != len(wanted) or not all(map(math.isfinite, found)):
        return math.inf
    return max(abs(a - b) for a, b in zip(found, wanted, strict=True))


def _wave(count: int, pace: float) -> list[float]:
    """Numbers within 0.5 of 0 that repeat nowhere near, rounded so that float32 has them too."""
    return [round(128 * math.sin(pace * (at + 1) ** 1.1)) / 256 for at in range(count)]
