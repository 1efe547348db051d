"""What the layers compute: a placed layer as a function of (parameters, input, training?, key).

Nothing is stored here. The same function serves training and prediction; only dropout asks
which of the two it is, and only then does it ask for randomness.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from backburner.core.layers import (
    Activation,
    AveragePooling2D,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
)
from backburner.core.model import ModelSpec, PlacedLayer
from backburner.engine.randomness import Key, key

if TYPE_CHECKING:
    from backburner.engine.tensors import Tensor, Tensors


def initial_parameters(tensors: Tensors, spec: ModelSpec, seed: int) -> dict[str, Tensor]:
    """First values of every parameter by its full name, in the model's order.

    The tensors are kept; the caller disposes them. When one cannot be made, none is left.
    """
    parameters: dict[str, Tensor] = {}
    with tensors.scope():
        for name, parameter in spec.parameters():
            if parameter.initializer == "zeros":
                values = tensors.floats([0.0] * parameter.size, parameter.shape)
            else:
                bits = key(seed, f"initial/{name}").bytes(4 * parameter.size)
                limit = (6 / (parameter.fan_in + parameter.fan_out)) ** 0.5
                whole = tensors.from_bytes(bits, parameter.shape, "int32")
                values = tensors.multiply(tensors.as_float(whole), limit / 2**31)
            parameters[name] = values
        for values in parameters.values():  # not before all are there: a failure leaves none
            tensors.keep(values)
    return parameters


def forward(
    tensors: Tensors,
    spec: ModelSpec,
    parameters: Mapping[str, Tensor],
    x: Tensor,
    *,
    training: bool = False,
    seed: int = 0,
    step: int = 0,
) -> Tensor:
    """Logits [batch, classes] of `x` [batch, *input_shape]; to be called in a scope.

    Of a model that answers at each position of a sequence they are [batch, positions, classes].

    `seed` and `step` matter to layers that are random in training: a dropout takes its bits
    from `key(seed, "dropout/<layer's name>", step)`.
    """
    for placed in spec.layers:
        bits = key(seed, f"dropout/{placed.name}", step) if training else None
        x = apply_layer(tensors, placed, parameters, x, bits)
    return x


def apply_layer(
    tensors: Tensors,
    placed: PlacedLayer,
    parameters: Mapping[str, Tensor],
    x: Tensor,
    bits: Key | None,
) -> Tensor:
    """One layer's output; `bits` of None: not training."""
    match placed.layer:
        case Conv2D(dilation_rate=(1, 1), strides=strides, padding=padding, activation=activation):
            y = tensors.conv2d(x, parameters[f"{placed.name}/kernel"], strides, padding)
            return activate(tensors, tensors.add(y, parameters[f"{placed.name}/bias"]), activation)
        case Conv2D(activation=activation) as layer:
            y = dilated_conv2d(tensors, x, parameters[f"{placed.name}/kernel"], layer)
            return activate(tensors, tensors.add(y, parameters[f"{placed.name}/bias"]), activation)
        case Conv1D(activation=activation) as layer:
            y = conv1d(tensors, x, parameters[f"{placed.name}/kernel"], layer)
            return activate(tensors, tensors.add(y, parameters[f"{placed.name}/bias"]), activation)
        case Dense(activation=activation):
            y = dense(tensors, x, parameters[f"{placed.name}/kernel"], placed)
            return activate(tensors, tensors.add(y, parameters[f"{placed.name}/bias"]), activation)
        case MaxPooling2D(pool_size=size, step=strides, padding=padding):
            return tensors.max_pool(x, size, strides, padding)
        case AveragePooling2D(pool_size=size, step=strides, padding=padding):
            return tensors.average_pool(x, size, strides, padding)
        case GlobalAveragePooling2D():
            return tensors.mean(x, (1, 2))
        case Flatten():
            return tensors.reshape(x, (-1, *placed.output_shape))
        case Dropout(rate=rate):
            return x if bits is None or rate == 0 else drop(tensors, x, rate, bits)
    raise NotImplementedError(placed.layer.type)


def dense(tensors: Tensors, x: Tensor, kernel: Tensor, placed: PlacedLayer) -> Tensor:
    """A product with the kernel [features, units], at each position where `x` is a sequence."""
    if len(placed.input_shape) == 1:
        return tensors.matmul(x, kernel)
    rows = tensors.reshape(x, (-1, placed.input_shape[-1]))
    return tensors.reshape(tensors.matmul(rows, kernel), (-1, *placed.output_shape))


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


def dilated_conv2d(tensors: Tensors, x: Tensor, kernel: Tensor, layer: Conv2D) -> Tensor:
    """A convolution with strides of 1 whose window leaves places out."""
    if layer.padding == "same":
        height, width = (side - 1 for side in layer.window)
        above, before = height // 2, width // 2
        sides = ((0, 0), (above, height - above), (before, width - before), (0, 0))
        x = tensors.pad(x, sides)
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


def activate(tensors: Tensors, x: Tensor, activation: Activation) -> Tensor:
    match activation:
        case "linear":
            return x
        case "relu":
            return tensors.relu(x)
        case "tanh":
            return tensors.tanh(x)
        case "sigmoid":
            return tensors.sigmoid(x)
        case "softmax":
            return tensors.softmax(x)


def drop(tensors: Tensors, x: Tensor, rate: float, bits: Key) -> Tensor:
    """Each number is 0 with probability `rate`, and else divided by 1 - rate.

    (Srivastava et al. 2014, "Dropout", in the inverted form: nothing to do in prediction.)
    A number stays if its 32 bits, read as an int32 and rounded to float32, are above the
    threshold.
    """
    shape = tensors.shape(x)
    count = 1
    for side in shape:
        count *= side
    words = tensors.from_bytes(bits.bytes(4 * count), shape, "int32")
    threshold = (rate - 0.5) * 2**32
    stays = tensors.is_positive(tensors.subtract(tensors.as_float(words), threshold))
    return tensors.multiply(x, tensors.multiply(stays, 1 / (1 - rate)))
