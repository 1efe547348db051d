"""What the layers of core/convolutions.py compute.

Made of operations that TF.js differentiates rightly on every backend. Where it does not (the
gradients of convolutions with gaps, and of those channel by channel with gaps or unequal strides),
a convolution is a sum over the places of its kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backburner.core.convolutions import Conv1D, Conv2D, DepthwiseConv2D, SeparableConv2D
from backburner.core.layer import windows
from backburner.core.placed_layer import PlacedLayer
from backburner.engine.activations import activate
from backburner.engine.forward_pass import ForwardPass

if TYPE_CHECKING:
    from backburner.engine.tensors import Tensor, Tensors


def apply_conv2d(run: ForwardPass, placed: PlacedLayer, layer: Conv2D, x: Tensor) -> Tensor:
    compute = conv2d if layer.dilation_rate == (1, 1) else dilated_conv2d
    return _with_bias(run, placed, layer, compute(run.tensors, x, run.kernel(placed), layer))


def apply_conv1d(run: ForwardPass, placed: PlacedLayer, layer: Conv1D, x: Tensor) -> Tensor:
    return _with_bias(run, placed, layer, conv1d(run.tensors, x, run.kernel(placed), layer))


def apply_depthwise_conv2d(
    run: ForwardPass, placed: PlacedLayer, layer: DepthwiseConv2D, x: Tensor
) -> Tensor:
    y = depthwise_conv2d(run.tensors, x, run.kernel(placed), layer)
    return _with_bias(run, placed, layer, y)


def apply_separable_conv2d(
    run: ForwardPass, placed: PlacedLayer, layer: SeparableConv2D, x: Tensor
) -> Tensor:
    tensors = run.tensors
    y = depthwise_conv2d(tensors, x, run.parameter(placed, "depthwise_kernel"), layer)
    y = tensors.conv2d(y, run.parameter(placed, "pointwise_kernel"), (1, 1), "valid")
    return _with_bias(run, placed, layer, y)


def _with_bias(
    run: ForwardPass,
    placed: PlacedLayer,
    layer: Conv1D | Conv2D | DepthwiseConv2D | SeparableConv2D,
    y: Tensor,
) -> Tensor:
    y = run.tensors.add(y, run.parameter(placed, "bias"))
    return activate(run.tensors, y, layer.activation)


def conv1d(tensors: Tensors, x: Tensor, kernel: Tensor, layer: Conv1D) -> Tensor:
    """`x` is [batch, positions, channels], `kernel` [size, channels, filters].

    Without dilation it is a convolution of a picture that is one row high.
    """
    batch, positions, channels = tensors.shape(x)
    size, _, filters = tensors.shape(kernel)
    before, after = layer.sides(positions)
    if before or after:
        x = tensors.pad(x, ((0, 0), (before, after), (0, 0)))
    length = before + positions + after
    picture = tensors.reshape(x, (batch, 1, length, channels))
    kernels = tensors.reshape(kernel, (1, size, channels, filters))
    if layer.dilation_rate == 1:
        y = tensors.conv2d(picture, kernels, (1, layer.strides), "valid")
    else:
        y = sum_of_taps(tensors, picture, kernels, (1, layer.dilation_rate))
    return tensors.reshape(y, (batch, -1, filters))


def conv2d(tensors: Tensors, x: Tensor, kernel: Tensor, layer: Conv2D) -> Tensor:
    """A convolution without gaps.

    With padding "same", where windows hop over places (a stride is larger than the kernel) in one
    direction and need padding in the other, TF.js's wasm backend gives wrong numbers: XNNPACK is
    left to count the padding, and comes out below zero. So there the padding is written out.
    """
    hops = any(stride > side for stride, side in zip(layer.strides, layer.window, strict=True))
    if layer.padding == "valid" or not hops:
        return tensors.conv2d(x, kernel, layer.strides, layer.padding)
    sides = same_padding(tensors.shape(x)[1:3], layer)
    if any(map(any, sides)):
        x = tensors.pad(x, ((0, 0), *sides, (0, 0)))
    return tensors.conv2d(x, kernel, layer.strides, "valid")


def same_padding(
    sides: tuple[int, ...], layer: Conv2D | DepthwiseConv2D | SeparableConv2D
) -> list[tuple[int, int]]:
    """What stands above and below a picture, and before and after it, with padding "same"."""
    padding = []
    for side, stride, reach in zip(sides, layer.strides, layer.window, strict=True):
        missing = max(0, (-(-side // stride) - 1) * stride + reach - side)
        padding.append((missing // 2, missing - missing // 2))
    return padding


def dilated_conv2d(tensors: Tensors, x: Tensor, kernel: Tensor, layer: Conv2D) -> Tensor:
    """A convolution with strides of 1 whose window leaves places out."""
    if layer.padding == "same":
        x = tensors.pad(x, ((0, 0), *same_padding(tensors.shape(x)[1:3], layer), (0, 0)))
    return sum_of_taps(tensors, x, kernel, layer.dilation_rate)


def sum_of_taps(tensors: Tensors, x: Tensor, kernel: Tensor, dilation: tuple[int, int]) -> Tensor:
    """A convolution without strides or padding, as a sum over the places of its kernel.

    At each the input, shifted to there, is a matrix, times the kernel's weights there. TF.js
    computes dilated convolutions, but does not differentiate them; this is made of what it does.
    """
    batch, height, width, channels = tensors.shape(x)
    rows, columns, _, filters = tensors.shape(kernel)
    down, across = height - dilation[0] * (rows - 1), width - dilation[1] * (columns - 1)
    total: Tensor = None
    for i in range(rows):
        for j in range(columns):
            begin = (0, i * dilation[0], j * dilation[1], 0)
            seen = tensors.slice(x, begin, (batch, down, across, channels))
            weights = tensors.slice(kernel, (i, j, 0, 0), (1, 1, channels, filters))
            tap = tensors.matmul(
                tensors.reshape(seen, (batch * down * across, channels)),
                tensors.reshape(weights, (channels, filters)),
            )
            total = tap if total is None else tensors.add(total, tap)
    return tensors.reshape(total, (batch, down, across, filters))


def depthwise_conv2d(
    tensors: Tensors, x: Tensor, kernel: Tensor, layer: DepthwiseConv2D | SeparableConv2D
) -> Tensor:
    """Each channel by itself: `kernel` is [height, width, channels, multiplier].

    TF.js's wasm backend has no gradients of it, and the others none with gaps. So it is a sum over
    the kernel's places: at each, the input, shifted to there, times a weight for each channel.
    """
    batch, height, width, channels = tensors.shape(x)
    rows, columns, _, multiplier = tensors.shape(kernel)
    down, across = windows(layer, (height, width, 1), layer.window, layer.strides, layer.padding)
    (above, below), (before, after) = (
        same_padding((height, width), layer) if layer.padding == "same" else ((0, 0), (0, 0))
    )
    # All of the last window's hop must be there: see `hopping`.
    below = max(below, layer.window[0] - 1 + down * layer.strides[0] - height - above)
    after = max(after, layer.window[1] - 1 + across * layer.strides[1] - width - before)
    if above or below or before or after:
        x = tensors.pad(x, ((0, 0), (above, below), (before, after), (0, 0)))
    total: Tensor = None
    for i in range(rows):
        for j in range(columns):
            begin = (0, i * layer.dilation_rate[0], j * layer.dilation_rate[1], 0)
            seen = hopping(tensors, x, begin, (down, across), layer.strides)
            weights = tensors.slice(kernel, (i, j, 0, 0), (1, 1, channels, multiplier))
            # One side more for the multiplier, without the ones that need not be told apart.
            tap = tensors.multiply(
                tensors.reshape(seen, (-1, channels, 1)),
                tensors.reshape(weights, (1, channels, multiplier)),
            )
            total = tap if total is None else tensors.add(total, tap)
    return tensors.reshape(total, (batch, down, across, channels * multiplier))


def hopping(
    tensors: Tensors,
    x: Tensor,
    begin: tuple[int, ...],
    places: tuple[int, int],
    strides: tuple[int, int],
) -> Tensor:
    """What `places` windows see, from `begin` on, hopping: [batch, down, across, channels].

    TF.js does not differentiate a slice with strides. Here each hop is a row of its own, of which
    the first is taken.
    """
    batch, _, _, channels = tensors.shape(x)
    (down, across), (hop, skip) = places, strides
    seen = tensors.slice(x, begin, (batch, down * hop, across * skip, channels))
    if hop > 1:
        width = across * skip * channels
        seen = tensors.reshape(seen, (batch * down, hop, width))
        seen = tensors.slice(seen, (0, 0, 0), (batch * down, 1, width))
    if skip > 1:
        seen = tensors.reshape(seen, (batch * down * across, skip, channels))
        seen = tensors.slice(seen, (0, 0, 0), (batch * down * across, 1, channels))
    return tensors.reshape(seen, (batch, down, across, channels))
