"""How a layer's sum ends, forwards and backwards: its activation, and the gradient by its bias.

A relu is part of the kernel that sums up. A gelu's slope cannot be told by what it gave, so what
it was given is kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from backburner.core.layer import Activation, Shape
from backburner.core.placed_layer import PlacedLayer
from backburner.engine.lowering.rule import NO_BOUND, Errors, Lowering
from backburner.engine.regions import Region

ACTIVATIONS: dict[Activation, int] = {"linear": 0, "relu": 1, "tanh": 2, "sigmoid": 3, "gelu": 4}
"""As workers/kernels/activations.c has them."""

_SUM = "sum"


def kept_for_activation(placed: PlacedLayer, activation: Activation) -> Mapping[str, Shape]:
    """What a layer with this activation keeps for it (`Rule.kept`)."""
    return {_SUM: placed.output_shape} if activation == "gelu" else {}


def bound_of(activation: Activation) -> float | None:
    """`Rule.ends_in_bound` of a layer with this activation."""
    match activation:
        case "relu":
            return 0.0
        case "linear":
            return NO_BOUND
        case _:
            return None


def sum_of(lowering: Lowering, placed: PlacedLayer, activation: Activation) -> tuple[Region, float]:
    """Where a layer's kernel leaves its sums, and what bounds them from below."""
    if activation == "gelu":
        return lowering.kept(placed, _SUM), NO_BOUND
    bound = bound_of(activation)
    return lowering.output(placed), NO_BOUND if bound is None else bound


def activate(lowering: Lowering, placed: PlacedLayer, activation: Activation) -> None:
    """From the sums to the layer's output."""
    if bound_of(activation) is not None:
        return
    (given, _), y = sum_of(lowering, placed, activation), lowering.output(placed)
    lowering.emit(placed, "activate", given, y, y.count, ACTIVATIONS[activation])


def deactivate(
    lowering: Lowering, placed: PlacedLayer, activation: Activation, errors: Errors
) -> Region:
    """The errors by the layer's output become those by its sums, and the gradient by its bias."""
    y, bias = lowering.output(placed), lowering.gradient(placed, "bias")
    dy, columns = errors.here(y.shape), y.shape[-1]
    rows = y.count // columns
    if placed.name in lowering.passed_back:
        return dy
    if activation == "gelu":
        given, _ = sum_of(lowering, placed, activation)
        lowering.emit(placed, "gelu_gradient", dy, given, bias, rows, columns)
    elif activation != "linear" or bias is not None:
        number = ACTIVATIONS[activation]
        lowering.emit(placed, "activation_gradient", dy, y, bias, rows, columns, number)
    return dy
