"""Generated shapes to learn from: how many, how difficult, and drawn by which seed.

Owns the options of the data source `shapes`. It must not know how they are drawn
(engine/shapes.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from backburner.core.options import LARGEST_SAFE_INTEGER, between, integer, read_object
from backburner.core.split import SplitRecipe

SHAPES = ("circle", "square", "triangle", "star", "cross", "heart", "moon")

COUNT = integer(1, 10_000, "It is the number of pictures of each shape; 150 are a good start.")
DIFFICULTY = between(
    0, 1, "0 is large and clear, 0.3 a good start, 1 is small, turned, noisy and among others."
)
SEED = integer(0, LARGEST_SAFE_INTEGER, "Any such number will do; each draws other pictures.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapesData:
    """Pictures of seven shapes, 28 by 28, `count` of each.

    `seed` decides what is drawn, and not the recipe's, so that runs with different seeds learn
    from the same pictures.
    """

    source: ClassVar[str] = "shapes"
    input_shape: ClassVar[tuple[int, int, int]] = (28, 28, 1)
    classes: ClassVar[tuple[str, ...]] = SHAPES
    count: int = 150
    difficulty: float = 0.3
    seed: int = 0
    split: SplitRecipe = field(default_factory=SplitRecipe)

    @classmethod
    def from_wire(cls, wire: Mapping[str, object], key: str = "data") -> ShapesData:
        given = read_object(wire, key, ("source", "count", "difficulty", "seed", "split"))
        return cls(
            count=COUNT.read(given.get("count", 150), f"{key}.count"),
            difficulty=DIFFICULTY.read(given.get("difficulty", 0.3), f"{key}.difficulty"),
            seed=SEED.read(given.get("seed", 0), f"{key}.seed"),
            split=SplitRecipe.from_wire(given.get("split", {}), f"{key}.split"),
        )

    @property
    def counts(self) -> tuple[int, ...]:
        """How many pictures each shape has."""
        return (self.count,) * len(SHAPES)

    def to_wire(self) -> dict[str, object]:
        return {
            "source": self.source,
            "count": self.count,
            "difficulty": self.difficulty,
            "seed": self.seed,
            "split": self.split.to_wire(),
        }
