"""What can be said of a text while it grows, at the same small cost for each character."""

from __future__ import annotations

import math
from collections import Counter


class TextStatistics:
    """Figures of a text that a model writes.

    `entropy_bits` is how much a character tells on average, judged by how often each occurs in
    this text alone (Shannon 1948): 0 for one character over and over. `surprise_bits` is how
    unlikely the model itself found what was drawn, on average: the fewer, the surer it was.
    """

    def __init__(self) -> None:
        self.characters = 0
        self._counts: Counter[str] = Counter()
        self._weighted = 0.0
        self._surprise = 0.0

    @classmethod
    def of(cls, text: str, surprise_bits: float) -> TextStatistics:
        """Those of a text that was written before, and how surprising it was on average."""
        statistics = cls()
        for character in text:
            statistics.add(character, 1.0)
        statistics._surprise = surprise_bits * len(text)
        return statistics

    def add(self, character: str, probability: float) -> None:
        """A character, and the probability that the model gave it."""
        before = self._counts[character]
        self._counts[character] = before + 1
        self._weighted += _times_log(before + 1) - _times_log(before)
        self._surprise -= math.log2(max(probability, math.ulp(0.0)))
        self.characters += 1

    @property
    def distinct(self) -> int:
        """How many different characters there are."""
        return len(self._counts)

    @property
    def entropy_bits(self) -> float:
        if not self.characters:
            return 0.0
        return max(0.0, math.log2(self.characters) - self._weighted / self.characters)

    @property
    def surprise_bits(self) -> float:
        return self._surprise / self.characters if self.characters else 0.0

    def as_dict(self) -> dict[str, float]:
        """As JSON, for snapshots."""
        return {
            "characters": self.characters,
            "distinct": self.distinct,
            "entropy_bits": self.entropy_bits,
            "surprise_bits": self.surprise_bits,
        }


def _times_log(count: int) -> float:
    return count * math.log2(count) if count else 0.0
