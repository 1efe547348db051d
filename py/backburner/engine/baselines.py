"""What a text model is held against: models that count, on exactly the characters it is asked for.

The unigram model knows how often each character occurs, the bigram model also which one it follows.
Both count in the windows of the training part, and are asked in those of another. What they never
saw they hold for possible all the same: the unigram model adds one to every count, and the bigram
model trusts its counts the more the fewer different characters it saw after this one, and for the
rest asks the unigram model (Witten & Bell 1991, "The zero-frequency problem", method C).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from backburner.core.messages import Baseline
from backburner.engine.data import Dataset, Split

_BASE = 256
"""A pair of characters is counted as `character * 256 + the one before`."""


def baselines(dataset: Dataset, split: Split) -> tuple[Baseline, ...]:
    """Bits per character of the validation and the test part; of neither one that is empty."""
    counted = Counts(_pairs(dataset, split.train), len(dataset.classes))
    return tuple(
        Baseline(part=part, unigram=counted.unigram_bits(asked), bigram=counted.bigram_bits(asked))
        for part, asked in (
            ("validation", _pairs(dataset, split.validation)),
            ("test", _pairs(dataset, split.test)),
        )
        if asked
    )


def _pairs(dataset: Dataset, windows: Sequence[int]) -> Counter[int]:
    """How often each character follows each in these windows."""
    size = dataset.positions or 1
    before = b"".join(dataset.inputs[at * size : (at + 1) * size] for at in windows)
    after = bytes(label for at in windows for label in dataset.labels[at * size : (at + 1) * size])
    side_by_side = bytearray(2 * len(before))
    side_by_side[0::2], side_by_side[1::2] = before, after
    # As little-endian numbers of two bytes they are counted without a loop of ours.
    return Counter(memoryview(side_by_side).cast("H"))


class Counts:
    """What was counted in training, `symbols` being how many characters there are at all."""

    def __init__(self, pairs: Counter[int], symbols: int) -> None:
        self._pairs = pairs
        self._symbols = symbols
        self._singles: Counter[int] = Counter()
        self._firsts: Counter[int] = Counter()
        self._followers: Counter[int] = Counter()
        for pair, count in pairs.items():
            after, before = divmod(pair, _BASE)
            self._singles[after] += count
            self._firsts[before] += count
            self._followers[before] += 1
        self._total = sum(self._singles.values())

    def unigram(self, character: int) -> float:
        """The probability of a character, whatever stands before it."""
        return (self._singles[character] + 1) / (self._total + self._symbols)

    def bigram(self, before: int, character: int) -> float:
        """The probability of a character after another."""
        followers = self._followers[before]
        if not followers:
            return self.unigram(character)
        counted = self._pairs[character * _BASE + before]
        return (counted + followers * self.unigram(character)) / (self._firsts[before] + followers)

    def unigram_bits(self, asked: Counter[int]) -> float:
        """Mean bits for the second characters of these pairs."""
        bits = {pair: self.unigram(pair // _BASE) for pair in asked}
        return _mean_bits(asked, bits)

    def bigram_bits(self, asked: Counter[int]) -> float:
        """Mean bits for the second characters of these pairs, given the first."""
        bits = {pair: self.bigram(pair % _BASE, pair // _BASE) for pair in asked}
        return _mean_bits(asked, bits)


def _mean_bits(asked: Counter[int], probabilities: dict[int, float]) -> float:
    bits = math.fsum(-count * math.log2(probabilities[pair]) for pair, count in asked.items())
    return bits / asked.total()
