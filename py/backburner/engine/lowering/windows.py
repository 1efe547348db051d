"""Windows as kernels are told of them, by the fifteen arguments that each takes last (`WINDOW` in
workers/kernels/kernels.h); and the kernels that sum up over them.

A dense layer is a window of one place over a picture of one row, a conv1d slides along a picture
of one row.
"""

from __future__ import annotations

import math

from backburner.core.convolutions import Conv1D, Conv2D, DepthwiseConv2D, SeparableConv2D
from backburner.core.layer import Shape
from backburner.core.layers import Dense
from backburner.core.placed_layer import PlacedLayer
from backburner.core.poolings import (
    AveragePooling2D,
    GlobalAveragePooling2D,
    MaxPooling2D,
)
from backburner.engine.lowering.rule import NO_BOUND, Lowering
from backburner.engine.regions import Region

Window = tuple[int, ...]


def product(rows: int, features: int, sums: int) -> Window:
    """Of a matrix product: [rows, features] with [features, sums]."""
    return 1, 1, rows, features, sums, 1, 1, 1, 1, 1, 1, 0, 0, 1, rows


def window(placed: PlacedLayer, batch: int) -> Window:
    """Of a layer, for a batch; of a separable convolution, its first half's."""
    shape, out = placed.input_shape, placed.output_shape
    match placed.layer:
        case Dense(units=units):
            return product(batch * math.prod(shape[:-1]), shape[-1], units)
        case Conv1D(kernel_size=size, strides=stride, dilation_rate=spread) as layer:
            (positions, channels), (places, filters) = shape, out
            before, _ = layer.sides(positions)
            return (
                *(batch, 1, positions, channels, filters, 1, size, 1, stride),
                *(1, spread, 0, before, 1, places),
            )
        case Conv2D() | DepthwiseConv2D() as layer:
            return _sliding(batch, shape, out, layer, layer.kernel_size, layer.strides)
        case SeparableConv2D() as layer:
            between = layer.depthwise_shape(shape)
            return _sliding(batch, shape, between, layer, layer.kernel_size, layer.strides)
        case MaxPooling2D() | AveragePooling2D() as layer:
            return _sliding(batch, shape, out, layer, layer.pool_size, layer.step)
        case GlobalAveragePooling2D():
            height, width, channels = shape
            return (
                *(batch, height, width, channels, channels, height, width),
                *(1, 1, 1, 1, 0, 0, 1, 1),
            )
        case _:
            raise NotImplementedError(placed.layer.type)


def _sliding(
    batch: int,
    shape: Shape,
    out: Shape,
    layer: Conv2D | DepthwiseConv2D | SeparableConv2D | MaxPooling2D | AveragePooling2D,
    size: tuple[int, int],
    strides: tuple[int, int],
) -> Window:
    reach, dilation = size, (1, 1)
    if not isinstance(layer, MaxPooling2D | AveragePooling2D):
        reach, dilation = layer.window, layer.dilation_rate
    (height, width, channels), (down, across, outputs) = shape, out
    top = _before(layer.padding, height, down, strides[0], reach[0])
    left = _before(layer.padding, width, across, strides[1], reach[1])
    return (
        *(batch, height, width, channels, outputs, *size, *strides),
        *(*dilation, top, left, down, across),
    )


def _before(padding: str, length: int, places: int, stride: int, reach: int) -> int:
    """How much is padded above, or on the left (TensorFlow's rule: the odd one goes behind)."""
    return max(0, (places - 1) * stride + reach - length) // 2 if padding == "same" else 0


_SCRATCH_OF = {
    "conv2d": "conv2d_scratch",
    "conv2d_gradients": "conv2d_gradients_scratch",
    "depthwise_conv2d": "depthwise_conv2d_scratch",
    "depthwise_conv2d_gradients": "depthwise_conv2d_scratch",
}
"""Which kernel says how much space another one needs."""


def emit_sum(
    lowering: Lowering,
    placed: PlacedLayer,
    kernel: str,
    places: Window,
    *,
    x: Region,
    weights: Region,
    bias: Region | None = None,
    y: Region,
    lowest: float = NO_BOUND,
) -> None:
    """A sum over windows, by the kernel conv2d or depthwise_conv2d, cut off below `lowest`."""
    space = lowering.scratch(_SCRATCH_OF[kernel], places)
    lowering.emit(placed, kernel, x, weights, bias, y, lowest, space, *places)


def emit_sum_gradients(
    lowering: Lowering,
    placed: PlacedLayer,
    kernel: str,
    places: Window,
    *,
    x: Region,
    weights: Region,
    dy: Region,
    dx: Region | None,
    gradient: Region | None,
) -> None:
    """Its gradients, by the input and by the weights, each unless it is None."""
    if dx is None and gradient is None:
        return
    kernel = f"{kernel}_gradients"
    space = lowering.scratch(_SCRATCH_OF[kernel], places)
    lowering.emit(placed, kernel, x, weights, dy, dx, gradient, space, *places)
