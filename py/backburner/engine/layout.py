"""Where everything of a plan lies in one piece of memory, laid out before the first step.

Owns what has a place there; it must not know addresses, nor what is called on it
(engine/lowering/).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from backburner.core.augmentation import COEFFICIENTS
from backburner.core.layer import Shape
from backburner.core.placed_layer import PlacedLayer
from backburner.engine.executor import Workload
from backburner.engine.lowering.layers import RULES, SEED_WORDS
from backburner.engine.regions import ITEM_BYTES, Layout, Region


class Memory:
    """Where everything lies. Made for the largest batch; smaller ones use the beginnings.

    `parameters` has all of them by name in "variables", and those that learn in the other blocks
    as well: their gradients, and what the optimizer remembers. A block is all that learns, in one
    region; `weights` are the variables and, behind them, what does not learn.
    """

    def __init__(self, workload: Workload) -> None:
        layout = Layout()
        spec, dataset, batch = workload.spec, workload.dataset, workload.batch_size
        per_example = spec.positions or 1
        rows = batch * per_example
        self.blocks: dict[str, Region] = {}
        self.parameters: dict[str, dict[str, Region]] = {}
        self._lay_parameters(layout, workload)
        table = layout.take("examples", _words(dataset.dtype, len(dataset), dataset.shape))
        self.table = table.seen_as(len(dataset), *dataset.shape)
        self.table_labels = layout.take("labels of examples", len(dataset), per_example)
        self.indexes = layout.take("indexes", batch)
        self.inputs = layout.take("inputs", batch, *dataset.shape)
        self.labels = layout.take("labels", rows)
        # Each is there only for a workload that has use for it.
        varied = workload.augmentation
        self.originals = self.inputs
        self.coefficients: Region | None = None
        self.noise_seed: Region | None = None
        self.noise_bits: Region | None = None
        self.class_weights: Region | None = None
        if varied is not None and varied.moves:
            self.originals = layout.take("originals", batch, *dataset.shape)
            self.coefficients = layout.take("coefficients", batch, COEFFICIENTS)
        if varied is not None and varied.noise > 0:
            self.noise_seed = layout.take("noise seed", SEED_WORDS)
            self.noise_bits = layout.take("noise bits", batch, *dataset.shape)
        if workload.class_weights is not None:
            self.class_weights = layout.take("class weights", len(workload.class_weights))
        self.inputs_of: dict[str, Region] = {}
        self.outputs: dict[str, Region] = {}
        self.kept: dict[str, dict[str, Region]] = {}
        self.kept_once: dict[str, dict[str, Region]] = {}
        self.logits = self._lay_layers(layout, spec.layers, self.inputs, batch)
        self.errors = _errors(layout, spec.layers, batch)
        self.figures = layout.take("loss, accuracy", 2)
        self.probabilities = layout.take("probabilities", rows, spec.classes)
        self.answers = layout.take("answers", 3, rows)
        self.size = layout.size

    def _lay_parameters(self, layout: Layout, workload: Workload) -> None:
        learning = [(name, p) for name, p in workload.spec.parameters() if p.is_trained]
        others = [(name, p) for name, p in workload.spec.parameters() if not p.is_trained]
        for block in ("variables", "gradients", *workload.optimizer.slots):
            first = layout.size
            self.parameters[block] = {
                name: layout.take(_piece(block, name), *parameter.shape)
                for name, parameter in learning
            }
            self.blocks[block] = layout.since(first, block)
            if block == "variables":
                for name, parameter in others:
                    self.parameters[block][name] = layout.take(name, *parameter.shape)
                self.weights = layout.since(first, "weights")

    def _lay_layers(
        self, layout: Layout, layers: Iterable[PlacedLayer], x: Region, batch: int
    ) -> Region:
        """One layer after the other, and in each what is in it. Gives the last one's output."""
        for placed in layers:
            rule, name = RULES[type(placed.layer)], placed.name
            self.inputs_of[name] = x
            self._lay_layers(layout, placed.inner, x, batch)
            if rule.is_view:
                x = x.seen_as(batch, *placed.output_shape)
            else:
                x = layout.take(f"{name} output", batch, *placed.output_shape)
            self.outputs[name] = x
            self.kept[name] = {
                what: layout.take(f"{name} {what}", batch, *shape)
                for what, shape in rule.kept(placed).items()
            }
            self.kept_once[name] = {
                what: layout.take(f"{name} {what}", *shape)
                for what, shape in rule.kept_once(placed).items()
            }
        return x


def _errors(layout: Layout, layers: Sequence[PlacedLayer], batch: int) -> tuple[Region, ...]:
    """Two that take turns, and one more for each residual in which another may stand."""
    widest = max(math.prod(shape) for placed in layers for shape in _shapes(placed))
    count = 2 + max(map(_depth, layers))
    return tuple(layout.take(f"errors {chr(ord('a') + at)}", batch, widest) for at in range(count))


def _shapes(placed: PlacedLayer) -> Iterable[Shape]:
    for each in placed.walk():
        yield each.output_shape
        yield from RULES[type(each.layer)].kept(each).values()


def _depth(placed: PlacedLayer) -> int:
    """How many layers stand in each other."""
    return max((1 + _depth(each) for each in placed.inner), default=0)


def _piece(block: str, name: str) -> str:
    return name if block == "variables" else f"{block.removesuffix('s')} of {name}"


def _words(dtype: str, count: int, shape: Shape) -> int:
    numbers = count * math.prod(shape)
    return -(-numbers // ITEM_BYTES) if dtype == "uint8" else numbers
