"""Which rule lowers which type of layer: the table `RULES`, and the rules of those in
core/layers.py that are no weighted sums; each other family of layers has a file of its own.

A model with a layer that has no rule trains on the tape.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from backburner.core.convolutions import Conv1D, Conv2D, DepthwiseConv2D, SeparableConv2D
from backburner.core.layer import Layer, Shape
from backburner.core.layers import Dense, Dropout, Embedding, Flatten, Reshape, Residual
from backburner.core.normalizations import BatchNormalization, LayerNormalization
from backburner.core.placed_layer import PlacedLayer
from backburner.core.poolings import AveragePooling2D, GlobalAveragePooling2D, MaxPooling2D
from backburner.engine.lowering.convolutions import SeparableRule, SumRule
from backburner.engine.lowering.normalizations import (
    BatchNormalizationRule,
    LayerNormalizationRule,
)
from backburner.engine.lowering.poolings import AveragePoolingRule, MaxPoolingRule
from backburner.engine.lowering.rule import NO_BOUND, Errors, Lowering, Rule

SEED_WORDS = 9
"""Of random bits: as engine/randomness.py gives them, with their number before them."""


class ViewRule(Rule):
    """flatten and reshape: the same numbers in the same place."""

    is_view = True


class DropoutRule(Rule):
    """In an answer nothing is dropped, and nothing changes the scale."""

    def kept(self, placed: PlacedLayer) -> Mapping[str, Shape]:
        return {"bits": placed.output_shape} if _rate(placed) > 0 else {}

    def kept_once(self, placed: PlacedLayer) -> Mapping[str, Shape]:
        return {"seed": (SEED_WORDS,)} if _rate(placed) > 0 else {}

    def forward(self, lowering: Lowering, placed: PlacedLayer, *, training: bool) -> None:
        x, y = lowering.input(placed), lowering.output(placed)
        bits, rate = x, 0.0
        if training and _rate(placed) > 0:
            bits, rate = lowering.kept(placed, "bits"), _rate(placed)
            seed = lowering.kept_once(placed, "seed")
            lowering.emit(placed, "random_bits", seed, bits, bits.count)
        lowering.emit(placed, "dropout", x, bits, y, y.count, *_drop(rate))

    def backward(
        self, lowering: Lowering, placed: PlacedLayer, errors: Errors, *, wanted: bool
    ) -> None:
        rate = _rate(placed)
        if rate > 0:
            bits = lowering.kept(placed, "bits")
            dy = errors.here(bits.shape)
            lowering.emit(placed, "dropout", dy, bits, dy, dy.count, *_drop(rate))


def _rate(placed: PlacedLayer) -> float:
    return cast(Dropout, placed.layer).rate


def _drop(rate: float) -> tuple[float, float]:
    """Threshold and scale (see engine/layers.py); at a rate of 0 everything stays."""
    return ((rate - 0.5) * 2**32 if rate else NO_BOUND), 1 / (1 - rate)


class EmbeddingRule(Rule):
    """Comes first, and symbols have no errors."""

    def forward(self, lowering: Lowering, placed: PlacedLayer, *, training: bool) -> None:
        symbols, y = lowering.input(placed), lowering.output(placed)
        table = lowering.parameter(placed, "embeddings")
        length = y.shape[-1]
        lowering.emit(placed, "embedding", table, symbols, y, symbols.count, length)

    def backward(
        self, lowering: Lowering, placed: PlacedLayer, errors: Errors, *, wanted: bool
    ) -> None:
        symbols, gradient = lowering.input(placed), lowering.gradient(placed, "embeddings")
        if gradient is not None:
            dy = errors.here(lowering.output(placed).shape)
            rows, length = gradient.shape
            sizes = (symbols.count, length, rows)
            lowering.emit(placed, "embedding_gradient", symbols, dy, gradient, *sizes)


class ResidualRule(Rule):
    """The errors by its sum are those by both its terms: they wait for what comes back from the
    layers in it, and what has come is added.
    """

    def forward(self, lowering: Lowering, placed: PlacedLayer, *, training: bool) -> None:
        lowering.forward(placed.inner, training=training)
        x, y = lowering.input(placed), lowering.output(placed)
        made = lowering.output(placed.inner[-1])
        lowering.emit(placed, "add", x, made, y, y.count, 1.0)

    def backward(
        self, lowering: Lowering, placed: PlacedLayer, errors: Errors, *, wanted: bool
    ) -> None:
        if not wanted:
            lowering.backward(placed.inner, errors, wanted=False)
            return
        shape = lowering.output(placed).shape
        dy, count = errors.here(shape), math.prod(shape)
        errors.hold()
        lowering.emit(placed, "add", None, dy, errors.turn(shape), count, 1.0)
        lowering.backward(placed.inner, errors, wanted=True)
        come = errors.here(shape)
        errors.back()
        lowering.emit(placed, "add", dy, come, dy, count, 1.0)


RULES: dict[type[Layer], Rule] = {
    Conv2D: SumRule(),
    Conv1D: SumRule(),
    Dense: SumRule(),
    DepthwiseConv2D: SumRule("depthwise_conv2d"),
    SeparableConv2D: SeparableRule(),
    MaxPooling2D: MaxPoolingRule(),
    AveragePooling2D: AveragePoolingRule(),
    GlobalAveragePooling2D: AveragePoolingRule(),
    BatchNormalization: BatchNormalizationRule(),
    LayerNormalization: LayerNormalizationRule(),
    Dropout: DropoutRule(),
    Embedding: EmbeddingRule(),
    Flatten: ViewRule(),
    Reshape: ViewRule(),
    Residual: ResidualRule(),
}
"""By the layer's class in core."""
