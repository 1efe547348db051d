"""What the layers of core/poolings.py compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backburner.core.placed_layer import PlacedLayer
from backburner.core.poolings import AveragePooling2D, GlobalAveragePooling2D, MaxPooling2D
from backburner.engine.forward_pass import ForwardPass

if TYPE_CHECKING:
    from backburner.engine.tensors import Tensor


def max_pooling2d(run: ForwardPass, placed: PlacedLayer, layer: MaxPooling2D, x: Tensor) -> Tensor:
    return run.tensors.max_pool(x, layer.pool_size, layer.step, layer.padding)


def average_pooling2d(
    run: ForwardPass, placed: PlacedLayer, layer: AveragePooling2D, x: Tensor
) -> Tensor:
    return run.tensors.average_pool(x, layer.pool_size, layer.step, layer.padding)


def global_average_pooling2d(
    run: ForwardPass, placed: PlacedLayer, layer: GlobalAveragePooling2D, x: Tensor
) -> Tensor:
    return run.tensors.mean(x, (1, 2))
