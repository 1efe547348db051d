"""What the layers of core/normalizations.py compute."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from backburner.core.normalizations import BatchNormalization, LayerNormalization
from backburner.core.placed_layer import PlacedLayer
from backburner.engine.forward_pass import ForwardPass

if TYPE_CHECKING:
    from backburner.engine.tensors import Tensor


def batch_normalization(
    run: ForwardPass, placed: PlacedLayer, layer: BatchNormalization, x: Tensor
) -> Tensor:
    """In training with the batch's own mean and variance, which move the kept ones a little.

    Else, and where the layer is frozen, with the kept ones.
    """
    tensors = run.tensors
    kept = [run.parameter(placed, name) for name in ("moving_mean", "moving_variance")]
    if not run.training or placed.is_frozen:
        mean, variance = kept
        return _scaled_and_shifted(run, placed, layer, tensors.subtract(x, mean), variance)
    channels = placed.input_shape[-1]
    rows = tensors.reshape(x, (-1, channels))
    shares = _shares(run, tensors.shape(x))
    mean = tensors.matmul(shares, rows)
    centred = tensors.subtract(rows, mean)
    variance = tensors.matmul(shares, tensors.square(centred))
    for name, old, found in zip(
        ("moving_mean", "moving_variance"), kept, (mean, variance), strict=True
    ):
        moved = tensors.multiply(tensors.reshape(found, (channels,)), 1 - layer.momentum)
        run.statistics[f"{placed.name}/{name}"] = tensors.add(
            tensors.multiply(old, layer.momentum), moved
        )
    y = _scaled_and_shifted(run, placed, layer, centred, variance)
    return tensors.reshape(y, tensors.shape(x))


def _shares(run: ForwardPass, shape: tuple[int, ...]) -> Tensor:
    """The part that each place of each example has in a mean, [1, batch x places].

    Those that only fill the batch up have none. A product with this row is the mean.
    """
    batch, places = shape[0], math.prod(shape[1:-1])
    real = (batch if run.examples is None else run.examples) * places
    filling = batch * places - real
    return run.tensors.floats([1 / real] * real + [0.0] * filling, (1, batch * places))


def layer_normalization(
    run: ForwardPass, placed: PlacedLayer, layer: LayerNormalization, x: Tensor
) -> Tensor:
    """Each place of each example with the mean and the variance of its own channels."""
    tensors = run.tensors
    rows = tensors.reshape(x, (-1, placed.input_shape[-1]))
    centred = tensors.subtract(rows, tensors.mean(rows, (1,), keep_axes=True))
    variance = tensors.mean(tensors.square(centred), (1,), keep_axes=True)
    y = _scaled_and_shifted(run, placed, layer, centred, variance)
    return tensors.reshape(y, tensors.shape(x))


def _scaled_and_shifted(
    run: ForwardPass,
    placed: PlacedLayer,
    layer: BatchNormalization | LayerNormalization,
    centred: Tensor,
    variance: Tensor,
) -> Tensor:
    tensors = run.tensors
    y = tensors.divide(centred, tensors.sqrt(tensors.add(variance, layer.epsilon)))
    if layer.scale:
        y = tensors.multiply(y, run.parameter(placed, "gamma"))
    if layer.center:
        y = tensors.add(y, run.parameter(placed, "beta"))
    return y
