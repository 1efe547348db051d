"""Randomness that is derived, never stored: `key(seed, purpose, step)`.

Whoever needs random bits names what for and at which step, and gets the same bits on every
run, in every interpreter, before and after an interruption. There is no generator that
could be left in a different state by a prediction or a pause (the idea is JAX's keys).

The derivation is part of the contract on determinism and must never change:
`random.Random(int.from_bytes(sha256(b"seed/purpose/step")))`, of which only `randbytes` is
used: MT19937, the same words in order since Python 3.9. What is built from the words, such
as a permutation, is specified here and not left to the standard library's algorithms.
"""

from __future__ import annotations

import hashlib
import random
import struct
from array import array
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """The name of a stream of random bits. Asked twice, it gives the same bits twice."""

    seed: int
    purpose: str
    step: int = 0

    def bytes(self, count: int) -> bytes:
        """The first `count` bytes of the stream."""
        return random.Random(int.from_bytes(_digest(self), "big")).randbytes(count)

    def seed_words(self) -> array[int]:
        """What seeds the generator: how many words of 32 bits, and these, the lowest first.

        For whoever makes the stream elsewhere (workers/kernels/randomness.c).
        """
        number = int.from_bytes(_digest(self), "big")
        count = max(1, -(-number.bit_length() // 32))
        return array(
            "I", [count, *struct.unpack(f"<{count}I", number.to_bytes(4 * count, "little"))]
        )

    def words(self, count: int) -> tuple[int, ...]:
        """The first `count` unsigned 32-bit words of the stream (little-endian)."""
        return struct.unpack(f"<{count}I", self.bytes(4 * count))

    def permutation(self, count: int) -> list[int]:
        """0 to count-1 in random order: Fisher-Yates from the end, one word for each swap.

        The swap partner of place i is `word * (i + 1) >> 32`; its bias is below i / 2**32.
        """
        order = list(range(count))
        for i, word in zip(range(count - 1, 0, -1), self.words(max(count - 1, 0)), strict=True):
            j = word * (i + 1) >> 32
            order[i], order[j] = order[j], order[i]
        return order


def _digest(of: Key) -> bytes:
    return hashlib.sha256(f"{of.seed}/{of.purpose}/{of.step}".encode()).digest()


def key(seed: int, purpose: str, step: int = 0) -> Key:
    """The bits for one purpose at one step: `key(7, "dropout/dropout_1", 120)`."""
    return Key(seed, purpose, step)
