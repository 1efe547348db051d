"""Our kernels in the place of TF.js's own, so that whatever computes on its wasm backend gains.

TF.js finds a kernel by its name and the backend's. `register` puts ours where the stock ones are
slow (or missing, or wrong: see engine/gradients.py); each does what the stock one does, and leaves
to it whatever it isn't made for: other types than float32, other layouts than NHWC, activations
that are rare. The window's shape is TF.js's own finding (`computeConv2DInfo`), with its rounding
and its reading of every kind of padding; so no shape can come out differently.

The kernels work in place on TF.js's tensors. An address is read at each call and never kept: a
tensor that is disposed of gives its memory to the next one. Nothing is written but outputs that
were made in the same call. So two dangers of this backend do not arise: that of changing another
tensor that shares the memory (`reshape` and `clone` do), and that of its operators that cache
packed weights by tensor, which would not see weights change. (The stock kernels of that kind are
reached only with tensors that nobody changes, and dispose of the cache with the tensor.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from backburner.engine.gradients import register_missing_kernels
from backburner.engine.lowering.activations import ACTIVATIONS

if TYPE_CHECKING:
    from backburner.core.layer import Activation
    from backburner.engine.kernels import Kernels
    from backburner.engine.tensors import Tensor, Tensors

Stock = Callable[[], "Tensor"]
"""Calls the replaced kernel with the same arguments."""

Function: TypeAlias = "Callable[[Any, Any, Stock], Tensor]"

NO_BOUND = -math.inf

LOWEST: dict[Activation, float] = {"linear": NO_BOUND, "relu": 0.0, "sigmoid": NO_BOUND}
"""The activations that are fused with a product, and what bounds its numbers from below."""

Window = tuple[int, ...]
"""The last arguments of every kernel with a window, as workers/kernels/kernels.h orders them."""


def register(tensors: Tensors, kernels: Kernels) -> None:
    """Puts our kernels in place, for as long as the thread lives; a second time changes nothing.

    Another backend than the one that `kernels` were loaded for goes on with the stock ones.
    Raises BackendError when that is not the backend in use.
    """
    if kernels.are_registered:
        return
    register_missing_kernels(tensors)
    convolutions, poolings = Convolutions(tensors, kernels), Poolings(tensors, kernels)
    products = Products(tensors, kernels)
    for name, function in {
        "Conv2D": convolutions.forward,
        "FusedConv2D": convolutions.forward,
        "Conv2DBackpropFilter": convolutions.by_filter,
        "Conv2DBackpropInput": convolutions.by_input,
        "DepthwiseConv2dNative": convolutions.depthwise,
        "FusedDepthwiseConv2D": convolutions.depthwise,
        "DepthwiseConv2dNativeBackpropFilter": convolutions.depthwise_by_filter,
        "DepthwiseConv2dNativeBackpropInput": convolutions.depthwise_by_input,
        "MaxPool": poolings.max,
        "MaxPoolGrad": poolings.max_gradient,
        "AvgPool": poolings.average,
        "AvgPoolGrad": poolings.average_gradient,
        "BatchMatMul": products.multiply,
        "_FusedMatMul": products.multiply,
        "Softmax": products.softmax,
    }.items():
        tensors.replace_kernel(name, partial(_unless_withdrawn, kernels, function))
    kernels.are_registered = True


def _unless_withdrawn(
    kernels: Kernels, function: Function, inputs: Any, attrs: Any, stock: Stock
) -> Tensor:
    return stock() if kernels.are_withdrawn else function(inputs, attrs, stock)


class Convolutions:
    """Conv2D and its gradients, with one filter for all channels or with one for each."""

    def __init__(self, tensors: Tensors, kernels: Kernels) -> None:
        self._tensors = tensors
        self._kernels = kernels

    def forward(self, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        return self._forward("conv2d", inputs, attrs, stock)

    def depthwise(self, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        return self._forward("depthwise_conv2d", inputs, attrs, stock)

    def by_filter(self, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        return self._by_filter("conv2d", inputs, attrs, stock)

    def depthwise_by_filter(self, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        return self._by_filter("depthwise_conv2d", inputs, attrs, stock)

    def by_input(self, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        return self._by_input("conv2d", inputs, attrs, stock)

    def depthwise_by_input(self, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        return self._by_input("depthwise_conv2d", inputs, attrs, stock)

    def _forward(self, kernel: str, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        tensors, kernels = self._tensors, self._kernels
        x, weights, bias = inputs.x, inputs.filter, _given(inputs, "bias")
        activation = _given(attrs, "activation") or "linear"
        if not _is_ours(attrs, x, weights) or activation not in LOWEST:
            return stock()
        found = self._find(kernel, x.shape, weights.shape, attrs)
        window = _window(found)
        if bias is not None and (bias.dtype != "float32" or bias.size != window[4]):
            return stock()
        y = tensors.make(found.outShape)
        size = math.prod(found.outShape)
        if size:
            address = tensors.address(y)
            kernels.call(
                kernel,
                tensors.address(x),
                tensors.address(weights),
                0 if bias is None else tensors.address(bias),
                address,
                LOWEST[activation],
                kernels.scratch(kernels.call(f"{kernel}_scratch", *window)),
                *window,
            )
            _finish(kernels, address, size, activation)
        return y

    def _by_filter(self, kernel: str, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        x, dy, shape = inputs.x, inputs.dy, attrs.filterShape
        if not _is_ours(attrs, x, dy):
            return stock()
        window = _window(self._find(kernel, x.shape, shape, attrs))
        gradient = self._tensors.make(shape)
        if math.prod(shape):
            self._gradients(kernel, window, x=x, dy=dy, gradient=gradient)
        return gradient

    def _by_input(self, kernel: str, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        dy, weights, shape = inputs.dy, inputs.filter, attrs.inputShape
        if not _is_ours(attrs, dy, weights):
            return stock()
        window = _window(self._find(kernel, shape, weights.shape, attrs))
        dx = self._tensors.make(shape)
        if math.prod(shape):
            self._gradients(kernel, window, weights=weights, dy=dy, dx=dx)
        return dx

    def _gradients(self, kernel: str, window: Window, **given: Tensor) -> None:
        at = {name: self._tensors.address(tensor) for name, tensor in given.items()}
        which = "conv2d_gradients_scratch" if kernel == "conv2d" else f"{kernel}_scratch"
        self._kernels.call(
            f"{kernel}_gradients",
            *(at.get(name, 0) for name in ("x", "weights", "dy", "dx", "gradient")),
            self._kernels.scratch(self._kernels.call(which, *window)),
            *window,
        )

    def _find(self, kernel: str, shape: Any, filter_shape: Any, attrs: Any) -> Any:
        return self._tensors.convolution_window(
            shape,
            filter_shape,
            attrs.strides,
            _given(attrs, "dilations") or 1,
            attrs.pad,
            _given(attrs, "dimRoundingMode"),
            depthwise=kernel == "depthwise_conv2d",
        )


class Poolings:
    """The largest number and the mean of each window, and their gradients."""

    def __init__(self, tensors: Tensors, kernels: Kernels) -> None:
        self._tensors = tensors
        self._kernels = kernels

    def max(self, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        return self._forward("max_pool", inputs.x, attrs, stock)

    def average(self, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        return self._forward("average_pool", inputs.x, attrs, stock)

    def _forward(self, kernel: str, x: Tensor, attrs: Any, stock: Stock) -> Tensor:
        found = self._find(x.shape, attrs)
        window = _window(found)
        if not _is_ours(attrs, x) or not _sees_the_image_everywhere(window):
            return stock()
        y = self._tensors.make(found.outShape)
        if math.prod(found.outShape):
            self._kernels.call(kernel, self._tensors.address(x), self._tensors.address(y), *window)
        return y

    def max_gradient(self, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        x, y, dy = inputs.input, inputs.output, inputs.dy
        window = _window(self._find(x.shape, attrs))
        if not _is_ours(attrs, x, y, dy) or not _sees_the_image_everywhere(window):
            return stock()
        dx = self._tensors.make(x.shape)
        if x.size:
            at = (self._tensors.address(tensor) for tensor in (x, y, dy, dx))
            self._kernels.call("max_pool_gradient", *at, 0, NO_BOUND, *window)
        return dx

    def average_gradient(self, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        x, dy = inputs.input, inputs.dy
        window = _window(self._find(x.shape, attrs))
        if not _is_ours(attrs, x, dy) or not _sees_the_image_everywhere(window):
            return stock()
        dx = self._tensors.make(x.shape)
        if x.size:
            at = (self._tensors.address(tensor) for tensor in (dy, dx))
            self._kernels.call("average_pool_gradient", *at, *window)
        return dx

    def _find(self, shape: Any, attrs: Any) -> Any:
        return self._tensors.pooling_window(
            shape, attrs.filterSize, attrs.strides, attrs.pad, _given(attrs, "dimRoundingMode")
        )


class Products:
    """Products of matrices, alone or many of one shape, and what often follows them.

    A matrix is an image of one row whose pixels are the matrix's rows; then a product is a
    convolution with a window of 1 x 1, one with a transposed matrix on the right is its gradient
    by the input, and one with a transposed matrix on the left is its gradient by the filter.
    """

    def __init__(self, tensors: Tensors, kernels: Kernels) -> None:
        self._tensors = tensors
        self._kernels = kernels

    def multiply(self, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        a, b, bias = inputs.a, inputs.b, _given(inputs, "bias")
        transpose_a, transpose_b = bool(attrs.transposeA), bool(attrs.transposeB)
        activation = _given(attrs, "activation") or "linear"
        if not _is_ours(attrs, a, b) or activation not in LOWEST or (transpose_a and transpose_b):
            return stock()
        *several, rows, depth = tuple(a.shape)
        *several_b, depth_b, columns = tuple(b.shape)
        if transpose_a:
            rows, depth = depth, rows
        if transpose_b:
            columns = depth_b
        if bias is not None or activation != "linear":
            # Only the convolution itself takes them.
            if transpose_a or transpose_b or len(several) > 0:
                return stock()
            if bias is not None and (bias.dtype != "float32" or bias.size != columns):
                return stock()
        if several != several_b:
            return stock()
        y = self._tensors.make((*several, rows, columns))
        size = math.prod(several) * rows * columns
        if size:
            self._multiply_all(
                a, b, bias, y, math.prod(several), (rows, depth, columns),
                transpose_a, transpose_b, activation,
            )  # fmt: skip
            _finish(self._kernels, self._tensors.address(y), size, activation)
        return y

    def _multiply_all(
        self,
        a: Tensor,
        b: Tensor,
        bias: Tensor | None,
        y: Tensor,
        count: int,
        sizes: tuple[int, int, int],
        transpose_a: bool,
        transpose_b: bool,
        activation: Activation,
    ) -> None:
        kernels, address = self._kernels, self._tensors.address
        rows, depth, columns = sizes
        at_a, at_b, at_y = address(a), address(b), address(y)
        at_bias = 0 if bias is None else address(bias)
        if transpose_a:
            window = _matrix_window(depth, rows, columns)
        elif transpose_b:
            window = _matrix_window(rows, columns, depth)
        else:
            window = _matrix_window(rows, depth, columns)
        which = "conv2d_gradients" if transpose_a or transpose_b else "conv2d"
        space = kernels.scratch(kernels.call(f"{which}_scratch", *window))
        for _ in range(count):
            if transpose_a:
                kernels.call(which, at_a, 0, at_b, 0, at_y, space, *window)
            elif transpose_b:
                kernels.call(which, 0, at_b, at_a, at_y, 0, space, *window)
            else:
                kernels.call(which, at_a, at_b, at_bias, at_y, LOWEST[activation], space, *window)
            at_a += 4 * rows * depth
            at_b += 4 * depth * columns
            at_y += 4 * rows * columns

    def softmax(self, inputs: Any, attrs: Any, stock: Stock) -> Tensor:
        logits = inputs.logits
        if not _is_ours(attrs, logits) or attrs.dim not in (-1, len(logits.shape) - 1):
            return stock()
        y = self._tensors.make(logits.shape)
        if logits.size:
            classes = logits.shape[-1]
            at = (self._tensors.address(tensor) for tensor in (logits, y))
            self._kernels.call("softmax", *at, logits.size // classes, classes)
        return y


def _given(names: Any, name: str) -> Any:
    """What an object of JavaScript has under a name, None where it has nothing."""
    return getattr(names, name, None)


def _is_ours(attrs: Any, *inputs: Tensor) -> bool:
    layout = _given(attrs, "dataFormat") or "NHWC"
    return layout == "NHWC" and all(tensor.dtype == "float32" for tensor in inputs)


def _window(found: Any) -> Window:
    """What TF.js has found out about a convolution or a pooling, as the kernels take it."""
    return (
        found.batchSize,
        found.inHeight,
        found.inWidth,
        found.inChannels,
        found.outChannels,
        found.filterHeight,
        found.filterWidth,
        found.strideHeight,
        found.strideWidth,
        found.dilationHeight,
        found.dilationWidth,
        found.padInfo.top,
        found.padInfo.left,
        found.outHeight,
        found.outWidth,
    )


def _matrix_window(rows: int, depth: int, columns: int) -> Window:
    return (1, 1, rows, depth, columns, 1, 1, 1, 1, 1, 1, 0, 0, 1, rows)


def _sees_the_image_everywhere(window: Window) -> bool:
    """Whether no window of a pooling lies in the padding altogether: that has no largest number."""
    _, height, width, _, _, window_height, window_width, stride_down, stride_across = window[:9]
    pad_top, pad_left, down, across = window[11:]
    return (
        pad_top < window_height
        and pad_left < window_width
        and (down - 1) * stride_down - pad_top < height
        and (across - 1) * stride_across - pad_left < width
    )


def _finish(kernels: Kernels, address: int, count: int, activation: Activation) -> None:
    """Activates numbers where they lie, if the product has not done it."""
    if activation in ("linear", "relu"):
        return
    kernels.call("activate", address, address, count, ACTIVATIONS[activation])
