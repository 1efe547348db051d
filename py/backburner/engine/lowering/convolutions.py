"""Weighted sums as kernel calls: convolutions, and the dense layer, which is one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from backburner.core.convolutions import SeparableConv2D
from backburner.core.layer import Activation, Shape
from backburner.core.placed_layer import PlacedLayer
from backburner.engine.lowering.activations import (
    activate,
    bound_of,
    deactivate,
    kept_for_activation,
    sum_of,
)
from backburner.engine.lowering.adapters import (
    add_adapter,
    kept_for_adapter,
    kernel_gradient,
    kernel_in_use,
    pass_to_adapter,
)
from backburner.engine.lowering.rule import Errors, Lowering, Rule
from backburner.engine.lowering.windows import emit_sum, emit_sum_gradients, product, window


class ActivatedRule(Rule):
    """What all weighted sums share: they end in a bias and an activation."""

    def kept(self, placed: PlacedLayer) -> Mapping[str, Shape]:
        return kept_for_activation(placed, activation_of(placed))

    def ends_in_bound(self, placed: PlacedLayer) -> float | None:
        return bound_of(activation_of(placed))


def activation_of(placed: PlacedLayer) -> Activation:
    layer: Any = placed.layer
    return cast(Activation, layer.activation)


class SumRule(ActivatedRule):
    """conv2d, conv1d, dense (by the kernel conv2d) and depthwise_conv2d."""

    def __init__(self, kernel: str = "conv2d") -> None:
        self.kernel = kernel

    def kept_once(self, placed: PlacedLayer) -> Mapping[str, Shape]:
        return kept_for_adapter(placed)

    def forward(self, lowering: Lowering, placed: PlacedLayer, *, training: bool) -> None:
        add_adapter(lowering, placed)
        sums, lowest = sum_of(lowering, placed, activation_of(placed))
        emit_sum(
            lowering,
            placed,
            self.kernel,
            window(placed, lowering.batch),
            x=lowering.input(placed),
            weights=kernel_in_use(lowering, placed),
            bias=lowering.parameter(placed, "bias"),
            y=sums,
            lowest=lowest,
        )
        activate(lowering, placed, activation_of(placed))

    def backward(
        self, lowering: Lowering, placed: PlacedLayer, errors: Errors, *, wanted: bool
    ) -> None:
        dy = deactivate(lowering, placed, activation_of(placed), errors)
        x = lowering.input(placed)
        emit_sum_gradients(
            lowering,
            placed,
            self.kernel,
            window(placed, lowering.batch),
            x=x,
            weights=kernel_in_use(lowering, placed),
            dy=dy,
            dx=errors.turn(x.shape) if wanted else None,
            gradient=kernel_gradient(lowering, placed),
        )
        pass_to_adapter(lowering, placed)


class SeparableRule(ActivatedRule):
    """A depthwise convolution, and one of a single place with the bias and the activation."""

    def kept(self, placed: PlacedLayer) -> Mapping[str, Shape]:
        layer = cast(SeparableConv2D, placed.layer)
        between = {"channels": layer.depthwise_shape(placed.input_shape)}
        return {**between, **super().kept(placed)}

    def forward(self, lowering: Lowering, placed: PlacedLayer, *, training: bool) -> None:
        channels = lowering.kept(placed, "channels")
        emit_sum(
            lowering,
            placed,
            "depthwise_conv2d",
            window(placed, lowering.batch),
            x=lowering.input(placed),
            weights=lowering.parameter(placed, "depthwise_kernel"),
            y=channels,
        )
        weights = lowering.parameter(placed, "pointwise_kernel")
        sums, lowest = sum_of(lowering, placed, activation_of(placed))
        emit_sum(
            lowering,
            placed,
            "conv2d",
            _mixture(channels.shape, weights.shape),
            x=channels,
            weights=weights,
            bias=lowering.parameter(placed, "bias"),
            y=sums,
            lowest=lowest,
        )
        activate(lowering, placed, activation_of(placed))

    def backward(
        self, lowering: Lowering, placed: PlacedLayer, errors: Errors, *, wanted: bool
    ) -> None:
        dy = deactivate(lowering, placed, activation_of(placed), errors)
        x, channels = lowering.input(placed), lowering.kept(placed, "channels")
        weights = lowering.parameter(placed, "pointwise_kernel")
        of_first = lowering.gradient(placed, "depthwise_kernel")
        goes_on = wanted or of_first is not None
        between = errors.turn(channels.shape) if goes_on else None
        emit_sum_gradients(
            lowering,
            placed,
            "conv2d",
            _mixture(channels.shape, weights.shape),
            x=channels,
            weights=weights,
            dy=dy,
            dx=between,
            gradient=lowering.gradient(placed, "pointwise_kernel"),
        )
        if between is not None:
            emit_sum_gradients(
                lowering,
                placed,
                "depthwise_conv2d",
                window(placed, lowering.batch),
                x=x,
                weights=lowering.parameter(placed, "depthwise_kernel"),
                dy=between,
                dx=errors.turn(x.shape) if wanted else None,
                gradient=of_first,
            )


def _mixture(channels: Shape, weights: Shape) -> tuple[int, ...]:
    """A window of one place is a product, with a row for each place of each example."""
    return product(math.prod(channels[:-1]), *weights[-2:])
