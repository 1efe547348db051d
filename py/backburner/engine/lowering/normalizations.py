"""Normalizations as kernel calls. Their errors stay where they are: the kernels work in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from backburner.core.layer import Shape
from backburner.core.normalizations import BatchNormalization, LayerNormalization
from backburner.core.placed_layer import PlacedLayer
from backburner.engine.lowering.rule import Errors, Lowering, Rule
from backburner.engine.regions import Region

_MOMENTS = ("mean", "variance")


class BatchNormalizationRule(Rule):
    """In a step by the batch's own mean and variance, which then move the kept ones; else, and
    where the layer is frozen, by the kept ones.
    """

    def kept_once(self, placed: PlacedLayer) -> Mapping[str, Shape]:
        if placed.is_frozen:
            return {}
        return dict.fromkeys(_MOMENTS, placed.input_shape[-1:])

    def forward(self, lowering: Lowering, placed: PlacedLayer, *, training: bool) -> None:
        layer = cast(BatchNormalization, placed.layer)
        x, y = lowering.input(placed), lowering.output(placed)
        of_batch = training and not placed.is_frozen
        moments = _moments(lowering, placed, of_batch=of_batch)
        rows, columns = _rows_and_columns(x)
        if of_batch:
            lowering.emit(placed, "moments", x, *moments, rows, columns)
        gamma, beta = (lowering.if_there(placed, name) for name in ("gamma", "beta"))
        lowering.emit(
            placed, "normalize", x, *moments, gamma, beta, y, rows, columns, layer.epsilon
        )

    def backward(
        self, lowering: Lowering, placed: PlacedLayer, errors: Errors, *, wanted: bool
    ) -> None:
        layer = cast(BatchNormalization, placed.layer)
        x, of_batch = lowering.input(placed), not placed.is_frozen
        dy = errors.here(x.shape)
        lowering.emit(
            placed,
            "batch_normalization_gradient" if of_batch else "normalize_gradient",
            x,
            *_moments(lowering, placed, of_batch=of_batch),
            *_gradients(lowering, placed, dy, wanted=wanted),
            *_rows_and_columns(x),
            layer.epsilon,
        )

    def update(self, lowering: Lowering, placed: PlacedLayer) -> None:
        if placed.is_frozen:
            return
        momentum = cast(BatchNormalization, placed.layer).momentum
        for name in _MOMENTS:
            moving = lowering.parameter(placed, f"moving_{name}")
            found = lowering.kept_once(placed, name)
            lowering.emit(placed, "blend", moving, found, moving.count, momentum)


class LayerNormalizationRule(Rule):
    """Each place of each example by the mean and the variance of its own channels."""

    def forward(self, lowering: Lowering, placed: PlacedLayer, *, training: bool) -> None:
        layer = cast(LayerNormalization, placed.layer)
        x, y = lowering.input(placed), lowering.output(placed)
        gamma, beta = (lowering.if_there(placed, name) for name in ("gamma", "beta"))
        sizes = _rows_and_columns(x)
        lowering.emit(placed, "layer_normalization", x, gamma, beta, y, *sizes, layer.epsilon)

    def backward(
        self, lowering: Lowering, placed: PlacedLayer, errors: Errors, *, wanted: bool
    ) -> None:
        layer = cast(LayerNormalization, placed.layer)
        x = lowering.input(placed)
        dy = errors.here(x.shape)
        lowering.emit(
            placed,
            "layer_normalization_gradient",
            x,
            *_gradients(lowering, placed, dy, wanted=wanted),
            *_rows_and_columns(x),
            layer.epsilon,
        )


def _moments(lowering: Lowering, placed: PlacedLayer, *, of_batch: bool) -> list[Region]:
    if of_batch:
        return [lowering.kept_once(placed, name) for name in _MOMENTS]
    return [lowering.parameter(placed, f"moving_{name}") for name in _MOMENTS]


def _gradients(
    lowering: Lowering, placed: PlacedLayer, dy: Region, *, wanted: bool
) -> tuple[Region | None, ...]:
    """The arguments gamma, dy, dx, dgamma and dbeta of all gradients of normalizations."""
    of_both = (lowering.gradient(placed, name) for name in ("gamma", "beta"))
    return lowering.if_there(placed, "gamma"), dy, dy if wanted else None, *of_both


def _rows_and_columns(x: Region) -> tuple[int, int]:
    columns = x.shape[-1]
    return x.count // columns, columns
