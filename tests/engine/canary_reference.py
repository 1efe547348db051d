"""The canary's answers, worked out in plain Python: no TensorFlow.js, no numpy, 64-bit floats.

`python -m tests.engine.canary_reference` prints py/backburner/engine/canary_numbers.py. The loss
is the mean cross-entropy of a convolution of 3x3 (zero padding, relu), a maximum over 2x2 and a
dense layer; the gradients are central differences of it, good to eight digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from backburner.engine.canary import (
    BATCH,
    CHANNELS,
    CLASSES,
    FILTERS,
    LABELS,
    SIDE,
    inputs,
    parameters,
)

WIDTH = 1e-5

Weights = dict[str, list[float]]


def loss_of(weights: Weights) -> float:
    """The mean over the batch of -log(softmax(logits)[label])."""
    pictures = inputs()
    total = 0.0
    for number in range(BATCH):
        size = SIDE * SIDE * CHANNELS
        picture = pictures[number * size : (number + 1) * size]
        logits = _dense(_pooled(_convolved(picture, weights)), weights)
        highest = max(logits)
        total_e = math.fsum(math.exp(each - highest) for each in logits)
        total += math.log(total_e) + highest - logits[LABELS[number]]
    return total / BATCH


def gradients_of(weights: Weights) -> Weights:
    """(loss(w + h) - loss(w - h)) / 2h for every single weight."""
    found: Weights = {}
    for name, values in weights.items():
        found[name] = []
        for at, value in enumerate(values):
            sides = []
            for moved in (value + WIDTH, value - WIDTH):
                values[at] = moved
                sides.append(loss_of(weights))
            values[at] = value
            found[name].append((sides[0] - sides[1]) / (2 * WIDTH))
    return found


def _convolved(picture: Sequence[float], weights: Weights) -> list[list[list[float]]]:
    """[row][column][filter], after the relu."""
    kernel, bias = weights["conv2d_1/kernel"], weights["conv2d_1/bias"]

    def at(row: int, column: int, f: int) -> float:
        total = bias[f]
        for i in range(3):
            for j in range(3):
                y, x = row + i - 1, column + j - 1
                if not (0 <= y < SIDE and 0 <= x < SIDE):
                    continue
                for c in range(CHANNELS):
                    seen = picture[(y * SIDE + x) * CHANNELS + c]
                    total += seen * kernel[((i * 3 + j) * CHANNELS + c) * FILTERS + f]
        return max(0.0, total)

    return [
        [[at(row, column, f) for f in range(FILTERS)] for column in range(SIDE)]
        for row in range(SIDE)
    ]


def _pooled(planes: list[list[list[float]]]) -> list[float]:
    """The largest of each 2x2, as one row [row, column, filter]."""
    return [
        max(planes[y + i][x + j][f] for i in range(2) for j in range(2))
        for y in range(0, SIDE, 2)
        for x in range(0, SIDE, 2)
        for f in range(FILTERS)
    ]


def _dense(seen: Sequence[float], weights: Weights) -> list[float]:
    kernel, bias = weights["dense_1/kernel"], weights["dense_1/bias"]
    return [
        bias[unit] + math.fsum(x * kernel[at * CLASSES + unit] for at, x in enumerate(seen))
        for unit in range(CLASSES)
    ]


def main() -> None:
    weights = {name: list(values) for name, (_, values) in parameters().items()}
    print(
        '"""What the canary must answer; made by tests/engine/canary_reference.py, not by hand."""'
    )
    print()
    print(f"LOSS = {loss_of(weights):.9g}")
    print()
    print("GRADIENTS: dict[str, tuple[float, ...]] = {")
    for name, values in gradients_of(weights).items():
        print(f'    "{name}": (')
        for each in values:
            print(f"        {each:.8g},")
        print("    ),")
    print("}")


if __name__ == "__main__":
    main()
