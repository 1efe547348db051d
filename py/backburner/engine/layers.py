"""What the layers compute: a placed layer as a function of (pass, its options, input).

Owns the table of all, `FORWARD`, and the functions of those in core/layers.py; each other family
of layers has a file of its own. Nothing is stored here. The same functions serve training and
prediction; only what differs between the two asks which it is, and only then for randomness.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from backburner.core.convolutions import Conv1D, Conv2D, DepthwiseConv2D, SeparableConv2D
from backburner.core.layer import Layer, ParameterSpec
from backburner.core.layers import Dense, Dropout, Embedding, Flatten, Reshape, Residual
from backburner.core.model import ModelSpec
from backburner.core.normalizations import BatchNormalization, LayerNormalization
from backburner.core.placed_layer import PlacedLayer
from backburner.core.poolings import AveragePooling2D, GlobalAveragePooling2D, MaxPooling2D
from backburner.engine.activations import activate
from backburner.engine.convolutions import (
    apply_conv1d,
    apply_conv2d,
    apply_depthwise_conv2d,
    apply_separable_conv2d,
)
from backburner.engine.forward_pass import Forward, ForwardPass
from backburner.engine.normalizations import batch_normalization, layer_normalization
from backburner.engine.poolings import average_pooling2d, global_average_pooling2d, max_pooling2d
from backburner.engine.randomness import Key, key
from backburner.engine.safetensors import Numbers

if TYPE_CHECKING:
    from backburner.engine.tensors import Tensor, Tensors

UNIFORM_LIMIT = 0.05
"""Keras's, of the initializer "uniform"."""


def initial_parameters(
    tensors: Tensors, spec: ModelSpec, seed: int, given: Mapping[str, Numbers] | None = None
) -> dict[str, Tensor]:
    """First values of every parameter by its full name, in the model's order.

    Those that are `given` begin with these numbers. The tensors are kept; the caller disposes
    them. When one cannot be made, none is left.
    """
    parameters: dict[str, Tensor] = {}
    with tensors.scope():
        for name, parameter in spec.parameters():
            if given and name in given:
                values = tensors.from_bytes(given[name].data, parameter.shape, "float32")
            else:
                values = _drawn(tensors, parameter, key(seed, f"initial/{name}"))
            parameters[name] = values
        for values in parameters.values():  # not before all are there: a failure leaves none
            tensors.keep(values)
    return parameters


def initial_limit(parameter: ParameterSpec) -> float:
    """How far from 0 a parameter's first numbers may be that are drawn."""
    if parameter.initializer == "uniform":
        return UNIFORM_LIMIT
    return float((6 / (parameter.fan_in + parameter.fan_out)) ** 0.5)  # glorot_uniform


def _drawn(tensors: Tensors, parameter: ParameterSpec, bits: Key) -> Tensor:
    """`fine_tuning.drawn_numbers` are the same, to the bit."""
    match parameter.initializer:
        case "zeros":
            return tensors.floats([0.0] * parameter.size, parameter.shape)
        case "ones":
            return tensors.floats([1.0] * parameter.size, parameter.shape)
    whole = tensors.from_bytes(bits.bytes(4 * parameter.size), parameter.shape, "int32")
    return tensors.multiply(tensors.as_float(whole), initial_limit(parameter) / 2**31)


def forward(
    tensors: Tensors,
    spec: ModelSpec,
    parameters: Mapping[str, Tensor],
    x: Tensor,
    *,
    training: bool = False,
    seed: int = 0,
    step: int = 0,
    examples: int | None = None,
    statistics: dict[str, Tensor] | None = None,
    seen: dict[str, Tensor] | None = None,
) -> Tensor:
    """Logits [batch, classes] of `x` [batch, *input_shape]; to be called in a scope.

    Of a model that answers at each position of a sequence they are [batch, positions, classes].

    `seed`, `step`, `examples` and `statistics` are ForwardPass's, and matter in training. Every
    layer's output is added to `seen` by its name. Both then hold tensors of the caller's scope.
    """
    run = ForwardPass(
        tensors=tensors,
        parameters=parameters,
        training=training,
        seed=seed,
        step=step,
        examples=examples,
        statistics={} if statistics is None else statistics,
        seen=seen,
    )
    return through(run, spec.layers, x)


def through(run: ForwardPass, layers: Iterable[PlacedLayer], x: Tensor) -> Tensor:
    """What the layers, one after the other, make of `x`."""
    for placed in layers:
        x = FORWARD[type(placed.layer)](run, placed, placed.layer, x)
        if run.seen is not None:
            run.seen[placed.name] = x
    return x


def dense(run: ForwardPass, placed: PlacedLayer, layer: Dense, x: Tensor) -> Tensor:
    """A product with the kernel [features, units], at each position where `x` is a sequence."""
    tensors = run.tensors
    rows = tensors.reshape(x, (-1, placed.input_shape[-1])) if len(placed.input_shape) > 1 else x
    y = tensors.matmul(rows, run.kernel(placed))
    if rows is not x:
        y = tensors.reshape(y, (-1, *placed.output_shape))
    return activate(tensors, tensors.add(y, run.parameter(placed, "bias")), layer.activation)


def dropout(run: ForwardPass, placed: PlacedLayer, layer: Dropout, x: Tensor) -> Tensor:
    if not run.training or layer.rate == 0:
        return x
    return drop(run.tensors, x, layer.rate, run.bits(placed))


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


def reshape(run: ForwardPass, placed: PlacedLayer, layer: Flatten | Reshape, x: Tensor) -> Tensor:
    return run.tensors.reshape(x, (-1, *placed.output_shape))


def embedding(run: ForwardPass, placed: PlacedLayer, layer: Embedding, x: Tensor) -> Tensor:
    """The table's row for each symbol, as a product with 1 at the symbol's place and 0 elsewhere.

    TF.js gathers rows on every backend, but the gradient of that is missing on wasm.
    """
    tensors = run.tensors
    table = run.parameter(placed, "embeddings")
    symbols = tensors.as_integer(tensors.reshape(x, (-1,)))
    rows = tensors.matmul(tensors.one_hot(symbols, tensors.shape(table)[0]), table)
    return tensors.reshape(rows, (-1, *placed.output_shape))


def residual(run: ForwardPass, placed: PlacedLayer, layer: Residual, x: Tensor) -> Tensor:
    return run.tensors.add(x, through(run, placed.inner, x))


FORWARD: dict[type[Layer], Forward] = {
    Conv2D: apply_conv2d,
    Conv1D: apply_conv1d,
    DepthwiseConv2D: apply_depthwise_conv2d,
    SeparableConv2D: apply_separable_conv2d,
    MaxPooling2D: max_pooling2d,
    AveragePooling2D: average_pooling2d,
    GlobalAveragePooling2D: global_average_pooling2d,
    BatchNormalization: batch_normalization,
    LayerNormalization: layer_normalization,
    Dense: dense,
    Dropout: dropout,
    Flatten: reshape,
    Reshape: reshape,
    Embedding: embedding,
    Residual: residual,
}
"""How each type of layer computes, by its class in core."""
