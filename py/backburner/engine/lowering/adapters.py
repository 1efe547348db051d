"""The kernel of a weighted sum, and what an adapter adds to it (core/model.py's Adapter).

With an adapter a layer computes with kernel + scale lora_a lora_b, which is made anew before each
use. The gradient by that sum, times scale, is what the two matrices' gradients are made of.
"""

from __future__ import annotations

from collections.abc import Mapping

from backburner.core.layer import Shape
from backburner.core.placed_layer import PlacedLayer
from backburner.engine.lowering.rule import Lowering
from backburner.engine.lowering.windows import (
    Window,
    emit_sum,
    emit_sum_gradients,
    product,
)
from backburner.engine.regions import Region

_IN_USE, _GRADIENT = "kernel in use", "gradient by kernel in use"


def kept_for_adapter(placed: PlacedLayer) -> Mapping[str, Shape]:
    """`Rule.kept_once` of a layer that may have an adapter."""
    if placed.adapter is None:
        return {}
    (shape,) = (each.shape for each in placed.parameters if each.name == "kernel")
    return {_IN_USE: shape, _GRADIENT: shape}


def add_adapter(lowering: Lowering, placed: PlacedLayer) -> None:
    """Brings the kernel in use up to date."""
    if placed.adapter is None:
        return
    kernel, in_use = lowering.parameter(placed, "kernel"), kernel_in_use(lowering, placed)
    a, b, places = _matrices(lowering, placed)
    emit_sum(lowering, placed, "conv2d", places, x=a, weights=b, y=in_use)
    lowering.emit(placed, "add", kernel, in_use, in_use, kernel.count, placed.adapter.scale)


def kernel_in_use(lowering: Lowering, placed: PlacedLayer) -> Region:
    """The kernel that the layer computes with."""
    if placed.adapter is None:
        return lowering.parameter(placed, "kernel")
    return lowering.kept_once(placed, _IN_USE)


def kernel_gradient(lowering: Lowering, placed: PlacedLayer) -> Region | None:
    """Where the gradient by it goes; None where nothing learns from it."""
    if placed.adapter is None:
        return lowering.gradient(placed, "kernel")
    return lowering.kept_once(placed, _GRADIENT)


def pass_to_adapter(lowering: Lowering, placed: PlacedLayer) -> None:
    """From the gradient by the kernel in use to those by the adapter's two matrices."""
    if placed.adapter is None:
        return
    gradient, scale = lowering.kept_once(placed, _GRADIENT), placed.adapter.scale
    lowering.emit(placed, "add", None, gradient, gradient, gradient.count, scale)
    a, b, places = _matrices(lowering, placed)
    emit_sum_gradients(
        lowering,
        placed,
        "conv2d",
        places,
        x=a,
        weights=b,
        dy=gradient,
        dx=lowering.gradient(placed, "lora_a"),
        gradient=lowering.gradient(placed, "lora_b"),
    )


def _matrices(lowering: Lowering, placed: PlacedLayer) -> tuple[Region, Region, Window]:
    a, b = (lowering.parameter(placed, name) for name in ("lora_a", "lora_b"))
    (inputs, rank), sums = a.shape, b.shape[-1]
    return a, b, product(inputs, rank, sums)
