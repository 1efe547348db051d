"""A batch of pictures as it is varied for one step: drawn bits, and what they do on the tape.

All randomness is keyed by (seed, purpose, step), and an example's bits by its place in the batch:
a short batch varies its examples as a full one would its first. The options and the geometry are
core/augmentation.py's; the plan gives the same numbers to its own kernels (engine/plan.py).
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from backburner.core.augmentation import IDENTITY, WORDS, Augmentation
from backburner.engine.randomness import Key, key

if TYPE_CHECKING:
    from backburner.engine.tensors import Tensor, Tensors

NOISE_MEAN = 510.0
"""Of the sum of four random bytes, which is nearly normal (workers/kernels/augmentation.c)."""

NOISE_DEVIATION = (4 * (256**2 - 1) / 12) ** 0.5


def coefficients(
    augmentation: Augmentation, seed: int, step: int, count: int, height: int, width: int
) -> array[float]:
    """Of each of `count` pictures, one after the other, from where it is taken."""
    words = key(seed, "augmentation/geometry", step).words(WORDS * count)
    found = array("f")
    for at in range(0, len(words), WORDS):
        found.extend(augmentation.coefficients(words[at : at + WORDS], height, width))
    return found


def noise_key(seed: int, step: int) -> Key:
    """The bits of the noise, a word for each number of the batch."""
    return key(seed, "augmentation/noise", step)


def augmented(
    tensors: Tensors, augmentation: Augmentation, x: Tensor, *, seed: int, step: int, count: int
) -> Tensor:
    """`x` [batch, height, width, channels] varied, of which `count` are examples.

    The rest fills up a short batch, and stays where it is.
    """
    batch, height, width, channels = tensors.shape(x)
    if augmentation.moves:
        found = coefficients(augmentation, seed, step, count, height, width)
        found.extend(IDENTITY * (batch - count))
        x = tensors.transform(x, found)
    if augmentation.noise > 0:
        size = batch * height * width * channels
        bits = noise_key(seed, step).bytes(4 * size)
        bytes_of = tensors.from_bytes(bits, (size, 4), "uint8")
        sums = tensors.reshape(tensors.sum(bytes_of, 1), (batch, height, width, channels))
        scale = augmentation.noise / NOISE_DEVIATION
        x = tensors.add(x, tensors.multiply(tensors.subtract(sums, NOISE_MEAN), scale))
    return x
