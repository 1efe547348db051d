"""Pieces of a plan's memory, and how they are laid side by side.

Owns offsets and sizes; it must not know addresses, nor what is for what (engine/layout.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from backburner.core.layer import Shape

ITEM_BYTES = 4

SCRATCH = "scratch"
"""The name of the space in which a kernel works, and leaves nothing."""

_CACHE_LINE = 64


@dataclass(frozen=True, slots=True)
class Region:
    """A piece of a plan's memory: `shape` numbers of four bytes, `offset` bytes from its start."""

    name: str
    offset: int
    shape: Shape

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """In bytes."""
        return ITEM_BYTES * self.count

    def seen_as(self, *shape: int, name: str | None = None) -> Region:
        """The same memory, or its beginning, in another shape."""
        return Region(name or self.name, self.offset, shape)


@dataclass(slots=True)
class Layout:
    """Hands out regions one after the other, each beginning at a cache line."""

    size: int = 0

    def take(self, name: str, *shape: int) -> Region:
        region = Region(name, self.size, shape)
        self.size += -(-region.size // _CACHE_LINE) * _CACHE_LINE
        return region

    def since(self, offset: int, name: str) -> Region:
        """All that was taken from there on, as one region."""
        return Region(name, offset, ((self.size - offset) // ITEM_BYTES,))
