"""How pictures are varied while they are learned from: a recipe's `training.augmentation`.

Owns the options, and what drawn bits make of them: where each place of a picture is taken from. It
must not know how the bits are drawn, or the pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from backburner.core.options import between, boolean, read_by, read_settings

WORDS = 4
"""How many words of 32 bits an example's geometry takes: across, down, angle, mirror."""

COEFFICIENTS = 6
"""How many numbers an example's geometry is."""

_SHIFT = between(0, 0.5, "It is the largest share of a side that a picture moves by; try 0.1.")
_ROTATE = between(0, 180, "It is the largest angle, in degrees; 10 is a good start.")
_FLIP = boolean("With true, every second picture is mirrored, left to right.")
_NOISE = between(0, 1, "It is the noise's standard deviation; 0.05 is hardly to be seen.")

Coefficients = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What happens to each picture before a training step, by chance.

    It moves by up to `shift` of its height and of its width, turns by up to `rotate` degrees
    around its centre, is mirrored left to right with a probability of one half if it may `flip`,
    and gets noise of the standard deviation `noise`, in the scale that the model sees. What comes
    from outside of the picture is 0.
    """

    shift: float = field(default=0.0, metadata=read_by(_SHIFT))
    rotate: float = field(default=0.0, metadata=read_by(_ROTATE))
    flip: bool = field(default=False, metadata=read_by(_FLIP))
    noise: float = field(default=0.0, metadata=read_by(_NOISE))

    @classmethod
    def from_wire(cls, wire: object, key: str = "training.augmentation") -> Augmentation:
        """Reads any JSON value. Raises RecipeError, naming the key."""
        return read_settings(cls, wire, key)

    def to_wire(self) -> dict[str, object]:
        """Every option spelled out."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def moves(self) -> bool:
        """Whether it changes where things are."""
        return self.shift > 0 or self.rotate > 0 or self.flip

    def coefficients(self, words: Sequence[int], height: int, width: int) -> Coefficients:
        """From where an example of `height` by `width` is taken, by `WORDS` drawn words.

        a0, a1, a2, b0, b1, b2: what stands at (row, column) afterwards is what stood at column
        a0 column + a1 row + a2 and row b0 column + b1 row + b2. (TensorFlow's way to write
        transformations, of the output's places to the input's.)
        """
        across = _evenly(words[0]) * self.shift * width
        down = _evenly(words[1]) * self.shift * height
        angle = math.radians(_evenly(words[2]) * self.rotate)
        mirror = -1.0 if self.flip and words[3] >= 2**31 else 1.0
        cosine, sine = math.cos(angle), math.sin(angle)
        # Back from where it went: moved back, turned back, mirrored, all around the centre.
        x, y = (width - 1) / 2, (height - 1) / 2
        a0, a1 = mirror * cosine, mirror * sine
        b0, b1 = -sine, cosine
        return (
            *(a0, a1, x - a0 * (x + across) - a1 * (y + down)),
            *(b0, b1, y - b0 * (x + across) - b1 * (y + down)),
        )


IDENTITY: Coefficients = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def _evenly(word: int) -> float:
    """32 bits as a number from -1 up to, but below, 1."""
    return word / 2**31 - 1
