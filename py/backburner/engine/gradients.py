"""What stock TF.js 4.22, its wasm backend above all, lacks or gets wrong of our gradients.

- `Conv2DBackpropFilter`, the gradient of a convolution by its filter, is missing
  (https://github.com/tensorflow/tfjs/issues/3926): composed here of stock operations.
- `MaxPoolGrad` looks for the largest number of each window starting from the smallest
  float above 0 (`numeric_limits<float>::min()` in MaxPoolGrad.cc), so a window without a
  number above 0 gets no gradient. After a relu nobody notices; without one a model trains
  wrongly in silence. Found by comparing with the cpu backend; here it is given numbers
  above 0. Of equal numbers it takes the last, cpu the first: both are right.
- `Conv2DBackpropInput` is right but slow: where the strides are 1, a convolution does it.
- `AvgPoolGrad` is wrong on every backend where there is padding: the mean of a window at the
  border is that of the places on the image, but its gradient is shared out as if the padding
  had its part. Found by our own kernel, which was right where cpu was not; here it is given
  errors that are larger by what the stock kernel makes them too small.

What can be gone round by whoever calls is not mended here: engine/convolutions.py tells of
convolutions with gaps, of those channel by channel, and of a padding that comes out below zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backburner.engine.tensors import Tensor, Tensors

FILTER_GRADIENT = "Conv2DBackpropFilter"
INPUT_GRADIENT = "Conv2DBackpropInput"
MAX_POOL_GRADIENT = "MaxPoolGrad"
AVERAGE_POOL_GRADIENT = "AvgPoolGrad"

NEAR_ZERO = 1e-12
LARGEST = 1e38


_mended: set[str] = set()
"""The backends of this thread whose average pooling is right by now."""


def register_missing_kernels(given: Tensors) -> None:
    """Adds the missing kernels to the wasm backend and mends wrong ones, if nobody has yet.

    On other backends than wasm only the gradient of an average pooling has to be mended, on each
    once it is in use: it may be loaded late.
    """
    # What a kernel makes on the way has to be made on the backend that called it.
    tensors = given.unbound()
    _mend_average_pooling(tensors, given.backend)
    if tensors.has_kernel(FILTER_GRADIENT, "wasm"):
        return
    _mend_average_pooling(tensors, "wasm")

    def kernel(inputs: Any, attrs: Any) -> Tensor:
        return filter_gradient(
            tensors,
            inputs.x,
            inputs.dy,
            filter_shape=tuple(attrs.filterShape),
            strides=_strides(attrs),
            padding=_padding(attrs),
        )

    def convolution_input(inputs: Any, attrs: Any, stock: Any) -> Tensor:
        if _strides(attrs) == (1, 1):
            found = input_gradient(
                tensors,
                inputs.dy,
                inputs.filter,
                input_shape=tuple(attrs.inputShape),
                padding=_padding(attrs),
            )
            if found is not None:
                return found
        return stock(dy=inputs.dy, filter=inputs.filter)

    def max_pool_gradient(inputs: Any, attrs: Any, stock: Any) -> Tensor:
        above_zero = order_above_zero(tensors, inputs.input)
        return stock(dy=inputs.dy, input=above_zero, output=inputs.output)

    tensors.wrap_kernel(MAX_POOL_GRADIENT, "wasm", max_pool_gradient)
    tensors.wrap_kernel(INPUT_GRADIENT, "wasm", convolution_input)
    tensors.register_kernel(FILTER_GRADIENT, "wasm", kernel)


def _mend_average_pooling(tensors: Tensors, backend: str) -> None:
    if backend in _mended or not tensors.has_kernel(AVERAGE_POOL_GRADIENT, backend):
        return

    def average_pool_gradient(inputs: Any, attrs: Any, stock: Any) -> Tensor:
        errors = inputs.dy
        if _padding(attrs) not in ("valid", 0):
            shares = padding_shares(
                tensors.shape(inputs.input),
                tensors.shape(errors),
                size=_pair(attrs.filterSize),
                strides=_strides(attrs),
                padding=_padding(attrs),
            )
            _, down, across, _ = tensors.shape(errors)
            errors = tensors.multiply(errors, tensors.floats(shares, (1, down, across, 1)))
        return stock(dy=errors, input=inputs.input)

    tensors.wrap_kernel(AVERAGE_POOL_GRADIENT, backend, average_pool_gradient)
    _mended.add(backend)


def _strides(attrs: Any) -> tuple[int, int]:
    return _pair(attrs.strides)


def _pair(given: Any) -> tuple[int, int]:
    if isinstance(given, int | float):
        return int(given), int(given)
    down, across = given
    return down, across


Padding = str | int | tuple[tuple[int, int], ...]
"""As TF.js has it; explicit ones as ((top, bottom), (left, right))."""


def _padding(attrs: Any) -> Padding:
    pad = attrs.pad
    if isinstance(pad, str | int):
        return pad
    return tuple((sides[0], sides[1]) for sides in pad)[1:3]


def order_above_zero(tensors: Tensors, x: Tensor) -> Tensor:
    """Numbers above 0 in the same order as those of `x`, for a search that starts at 0.

    Those above 1e-12 stay; the others become 1e-25 / |x|, which is smaller than that, and
    the larger the closer they are to 0. A shift would keep the order too, but round away
    small differences. Numbers within 1e-12 of 0 count as equal.
    """
    distance = tensors.clip(tensors.multiply(x, -1.0), NEAR_ZERO, LARGEST)
    return tensors.maximum(x, tensors.divide(NEAR_ZERO * 1e-13, distance))


def padding_shares(
    shape: tuple[int, ...],
    pooled: tuple[int, ...],
    *,
    size: tuple[int, int],
    strides: tuple[int, int],
    padding: Padding,
) -> list[float]:
    """How many times larger each window [down, across] is than its part on the image.

    `shape` is that of the images, `pooled` that of their means.
    """
    missing = [
        (pooled[1 + k] - 1) * strides[k] + size[k] - shape[1 + k] for k in (0, 1)
    ]  # fmt: skip
    before = _before(padding, (missing[0], missing[1]))

    def seen(k: int) -> list[int]:
        firsts = [at * strides[k] - before[k] for at in range(pooled[1 + k])]
        return [max(1, min(first + size[k], shape[1 + k]) - max(first, 0)) for first in firsts]

    area = size[0] * size[1]
    return [area / (rows * columns) for rows in seen(0) for columns in seen(1)]


def filter_gradient(
    tensors: Tensors,
    x: Tensor,
    dy: Tensor,
    *,
    filter_shape: tuple[int, ...],
    strides: tuple[int, int],
    padding: Padding,
) -> Tensor:
    """The loss's gradient by a filter [kernel height, kernel width, channels, filters].

    `x` is [batch, height, width, channels], `dy` [batch, down, across, filters]. At kernel
    offset (i, j) every output place saw the input at place x stride + (i, j); those inputs
    are a matrix [batch x down x across, channels], and its transpose times dy is the
    gradient at that offset. (XNNPACK packs dy once for all offsets, and has no product with
    a transposed matrix: so the transposing is done here.)
    """
    kernel_height, kernel_width, channels, filters = filter_shape
    batch, height, width, _ = tensors.shape(x)
    _, down, across, _ = tensors.shape(dy)
    rows = (down - 1) * strides[0] + kernel_height
    columns = (across - 1) * strides[1] + kernel_width
    top, left = _before(padding, (rows - height, columns - width))
    # What the windows reach is rows x columns: pad what is missing after, ignore what is over.
    bottom, right = max(0, rows - height - top), max(0, columns - width - left)
    if top or left or bottom or right:
        x = tensors.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    places = batch * down * across
    errors = tensors.reshape(dy, (places, filters))
    gradients = []
    for i in range(kernel_height):
        for j in range(kernel_width):
            if strides == (1, 1):
                seen = tensors.slice(x, (0, i, j, 0), (batch, down, across, channels))
            else:
                end = i + (down - 1) * strides[0] + 1, j + (across - 1) * strides[1] + 1
                seen = tensors.strided_slice(
                    x, (0, i, j, 0), (batch, *end, channels), (1, *strides, 1)
                )
            matrix = tensors.transpose(tensors.reshape(seen, (places, channels)), (1, 0))
            gradients.append(tensors.matmul(matrix, errors))
    return tensors.reshape(tensors.stack(gradients), filter_shape)


def input_gradient(
    tensors: Tensors,
    dy: Tensor,
    kernel: Tensor,
    *,
    input_shape: tuple[int, ...],
    padding: Padding,
) -> Tensor | None:
    """The loss's gradient by the input of a convolution with strides of 1.

    It is itself a convolution: of dy, padded, with the kernel turned by 180 degrees and its
    channels and filters exchanged. That runs on XNNPACK; the stock kernel is about ten
    times slower. None if the padding is larger than the kernel, for the stock kernel to do.
    """
    kernel_height, kernel_width = tensors.shape(kernel)[:2]
    height, width = input_shape[1:3]
    down, across = tensors.shape(dy)[1:3]
    missing = down - 1 + kernel_height - height, across - 1 + kernel_width - width
    top, left = _before(padding, missing)
    above, before = kernel_height - 1 - top, kernel_width - 1 - left
    below, after = height + top - down, width + left - across
    if min(above, before, below, after) < 0:
        return None
    if above or before or below or after:
        dy = tensors.pad(dy, ((0, 0), (above, below), (before, after), (0, 0)))
    turned = tensors.transpose(tensors.reverse(kernel, (0, 1)), (0, 1, 3, 2))
    return tensors.conv2d(dy, turned, (1, 1), "valid")


def _before(padding: Padding, missing: tuple[int, int]) -> tuple[int, int]:
    """How much is padded above and to the left."""
    if padding == "valid":
        return 0, 0
    if padding == "same":
        return max(0, missing[0]) // 2, max(0, missing[1]) // 2
    if isinstance(padding, int):
        return padding, padding
    assert not isinstance(padding, str)
    return padding[0][0], padding[1][0]
