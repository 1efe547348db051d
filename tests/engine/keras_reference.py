"""What each type of layer computes by Keras's definition, in float64 and as plainly as can be.

Nothing of the engine is used, and no trick of it: windows are gone through place by place. For
tests to hold the engine against; tests/data/layer_figures.json holds some of it against PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backburner.core.model import ModelSpec
from backburner.core.placed_layer import PlacedLayer

Numbers = NDArray[np.float64]
Pair = tuple[int, int]


def logits(
    spec: ModelSpec, parameters: Mapping[str, Numbers], x: Numbers, *, training: bool
) -> Numbers:
    """What the model makes of `x` [batch, *input_shape]."""
    for placed in spec.layers:
        x = output(placed, parameters, x, training=training)
    return x


def output(
    placed: PlacedLayer, parameters: Mapping[str, Numbers], x: Numbers, *, training: bool
) -> Numbers:
    """What one layer makes of `x` [batch, *input_shape]."""
    wire: dict[str, Any] = placed.layer.to_wire()
    own = {
        name.removeprefix(f"{placed.name}/"): value
        for name, value in parameters.items()
        if name.startswith(f"{placed.name}/")
    }
    match wire["type"]:
        case "conv2d":
            return _activated(wire, _convolution(wire, x, own["kernel"]) + own["bias"])
        case "depthwise_conv2d":
            return _activated(wire, _depthwise(wire, x, own["kernel"]) + own["bias"])
        case "separable_conv2d":
            each = _depthwise(wire, x, own["depthwise_kernel"])
            return _activated(wire, each @ own["pointwise_kernel"][0, 0] + own["bias"])
        case "conv1d":
            return _activated(wire, _sequence(wire, x, own["kernel"]) + own["bias"])
        case "dense":
            return _activated(wire, x @ own["kernel"] + own["bias"])
        case "max_pooling2d":
            return np.max([seen for _, seen in _pool(wire, x, -np.inf)], axis=0)
        case "average_pooling2d":
            sums, counts = (
                sum(seen for _, seen in _pool(wire, each, 0.0)) for each in (x, np.ones_like(x))
            )
            return np.asarray(sums / counts)
        case "global_average_pooling2d":
            return np.asarray(x.mean(axis=(1, 2)))
        case "batch_normalization":
            axes = tuple(range(x.ndim - 1))
            of_batch = training and not placed.is_frozen
            mean = x.mean(axis=axes) if of_batch else own["moving_mean"]
            variance = x.var(axis=axes) if of_batch else own["moving_variance"]
            return _scaled(own, (x - mean) / np.sqrt(variance + wire["epsilon"]))
        case "layer_normalization":
            mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
            return _scaled(own, (x - mean) / np.sqrt(variance + wire["epsilon"]))
        case "embedding":
            return np.asarray(own["embeddings"][x.astype(int)])
        case "flatten" | "reshape":
            return x.reshape(len(x), *placed.output_shape)
        case "residual":
            y = x
            for inner in placed.inner:
                y = output(inner, parameters, y, training=training)
            return np.asarray(x + y)
    raise NotImplementedError(wire["type"])


def _activated(wire: dict[str, Any], x: Numbers) -> Numbers:
    match wire["activation"]:
        case "relu":
            return np.maximum(x, 0)
        case "gelu":
            return np.asarray(x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))))
        case "tanh":
            return np.tanh(x)
        case "sigmoid":
            return np.asarray(1 / (1 + np.exp(-x)))
    return x


def _scaled(own: dict[str, Numbers], x: Numbers) -> Numbers:
    return np.asarray(x * own.get("gamma", 1.0) + own.get("beta", 0.0))


def _convolution(wire: dict[str, Any], x: Numbers, kernel: Numbers) -> Numbers:
    taps = _windows(x, kernel.shape[:2], wire["strides"], wire.get("dilation_rate", (1, 1)), wire)
    return np.asarray(sum(seen @ kernel[place] for place, seen in taps))


def _depthwise(wire: dict[str, Any], x: Numbers, kernel: Numbers) -> Numbers:
    taps = _windows(x, kernel.shape[:2], wire["strides"], wire["dilation_rate"], wire)
    each = np.asarray(sum(seen[..., None] * kernel[place] for place, seen in taps))
    return each.reshape(*each.shape[:-2], -1)


def _sequence(wire: dict[str, Any], x: Numbers, kernel: Numbers) -> Numbers:
    gap = wire["dilation_rate"]
    if wire["padding"] == "causal":
        x = np.pad(x, ((0, 0), (gap * (len(kernel) - 1), 0), (0, 0)))
        wire = {**wire, "padding": "valid"}
    taps = _windows(x[:, None], (1, len(kernel)), (1, wire["strides"]), (1, gap), wire)
    return np.asarray(sum(seen[:, 0] @ kernel[place[1]] for place, seen in taps))


def _pool(wire: dict[str, Any], x: Numbers, beyond: float) -> Iterator[tuple[Pair, Numbers]]:
    size = wire["pool_size"]
    return _windows(x, size, wire["strides"] or size, (1, 1), wire, beyond)


def _windows(
    x: Numbers, size: Any, strides: Any, gaps: Any, wire: dict[str, Any], beyond: float = 0.0
) -> Iterator[tuple[Pair, Numbers]]:
    """What all windows see at each of their places, [batch, down, across, channels]."""
    counts, sides = [], [(0, 0)]
    for side, window, stride, gap in zip(x.shape[1:3], size, strides, gaps, strict=True):
        reach = gap * (window - 1) + 1
        if wire["padding"] == "same":
            counts.append(-(-side // stride))
            missing = max(0, (counts[-1] - 1) * stride + reach - side)
            sides.append((missing // 2, missing - missing // 2))
        else:
            counts.append((side - reach) // stride + 1)
            sides.append((0, 0))
    x = np.pad(x, [*sides, (0, 0)], constant_values=beyond)
    for i in range(size[0]):
        for j in range(size[1]):
            rows, columns = (
                [gap * at + stride * place for place in range(count)]
                for at, gap, stride, count in zip((i, j), gaps, strides, counts, strict=True)
            )
            yield (i, j), x[:, rows][:, :, columns]
