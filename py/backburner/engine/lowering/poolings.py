"""Poolings as kernel calls."""

from __future__ import annotations

from backburner.core.placed_layer import PlacedLayer
from backburner.engine.lowering.rule import NO_BOUND, Errors, Lowering, Rule
from backburner.engine.lowering.windows import window
from backburner.engine.regions import Region


class AveragePoolingRule(Rule):
    """The mean of each window; a global one's window is the whole picture."""

    def forward(self, lowering: Lowering, placed: PlacedLayer, *, training: bool) -> None:
        x, y = lowering.input(placed), lowering.output(placed)
        lowering.emit(placed, "average_pool", x, y, *window(placed, lowering.batch))

    def backward(
        self, lowering: Lowering, placed: PlacedLayer, errors: Errors, *, wanted: bool
    ) -> None:
        dy = errors.here(lowering.output(placed).shape)
        dx = errors.turn(lowering.input(placed).shape)
        lowering.emit(placed, "average_pool_gradient", dy, dx, *window(placed, lowering.batch))


class MaxPoolingRule(Rule):
    """The largest of each window. Backwards it takes the end of the layer before it along: where
    that was cut off at a bound nothing passes, and what passes is summed up for its bias.
    """

    def forward(self, lowering: Lowering, placed: PlacedLayer, *, training: bool) -> None:
        x, y = lowering.input(placed), lowering.output(placed)
        lowering.emit(placed, "max_pool", x, y, *window(placed, lowering.batch))

    def backward(
        self, lowering: Lowering, placed: PlacedLayer, errors: Errors, *, wanted: bool
    ) -> None:
        x, y = lowering.input(placed), lowering.output(placed)
        dy, dx = errors.here(y.shape), errors.turn(x.shape)
        bias: Region | None = None
        lowest = NO_BOUND
        before = lowering.before(placed)
        if before is not None:
            bound = lowering.rule(before).ends_in_bound(before)
            if bound is not None:
                bias, lowest = lowering.gradient(before, "bias"), bound
                lowering.passed_back.add(before.name)
        places = window(placed, lowering.batch)
        lowering.emit(placed, "max_pool_gradient", x, y, dy, dx, bias, lowest, *places)
