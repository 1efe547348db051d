"""Where everything of a plan lies in one piece of memory, laid out before the first step.

Owns offsets and sizes; it must not know addresses, nor what is called on them (engine/lowering.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from backburner.core.layers import Dropout, Flatten, Shape
from backburner.engine.executor import Workload

ITEM_BYTES = 4
SEED_WORDS = 9
"""Of a dropout's bits: as engine/randomness.py gives them, with their number before them."""

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


class Memory:
    """Where everything lies. Made for the largest batch; smaller ones use the beginnings."""

    SCRATCH = "scratch"

    def __init__(self, workload: Workload) -> None:
        layout = Layout()
        spec, dataset, batch = workload.spec, workload.dataset, workload.batch_size
        parameters, _ = workload.shapes()
        per_example = spec.positions or 1
        rows = batch * per_example
        self.blocks: dict[str, Region] = {}
        self.parameters: dict[str, dict[str, Region]] = {}
        for block in ("variables", "gradients", *workload.optimizer.slots):
            first, pieces = layout.size, {}
            for name, shape in parameters.items():
                pieces[name] = layout.take(_piece(block, name), *shape)
            self.parameters[block] = pieces
            self.blocks[block] = Region(block, first, ((layout.size - first) // ITEM_BYTES,))
        table = layout.take("examples", _words(dataset.dtype, len(dataset), dataset.shape))
        self.table = table.seen_as(len(dataset), *dataset.shape)
        self.table_labels = layout.take("labels of examples", len(dataset), per_example)
        self.indexes = layout.take("indexes", batch)
        self.inputs = layout.take("inputs", batch, *dataset.shape)
        self.labels = layout.take("labels", rows)
        self.outputs: list[Region] = []
        previous = self.inputs
        for placed in spec.layers:
            if isinstance(placed.layer, Flatten):
                previous = previous.seen_as(batch, *placed.output_shape)
            else:
                previous = layout.take(f"{placed.name} output", batch, *placed.output_shape)
            self.outputs.append(previous)
        self.bits = {
            placed.name: layout.take(f"{placed.name} bits", batch, *placed.output_shape)
            for placed in spec.layers
            if isinstance(placed.layer, Dropout) and placed.layer.rate > 0
        }
        self.seeds = {name: layout.take(f"{name} seed", SEED_WORDS) for name in self.bits}
        widest = max(math.prod(placed.output_shape) for placed in spec.layers)
        self.errors = tuple(layout.take(f"errors {name}", batch, widest) for name in "ab")
        self.figures = layout.take("loss, accuracy", 2)
        self.probabilities = layout.take("probabilities", rows, spec.classes)
        self.answers = layout.take("answers", 3, rows)
        self.size = layout.size


def _piece(block: str, name: str) -> str:
    return name if block == "variables" else f"{block.removesuffix('s')} of {name}"


def _words(dtype: str, count: int, shape: Shape) -> int:
    numbers = count * math.prod(shape)
    return -(-numbers // ITEM_BYTES) if dtype == "uint8" else numbers
