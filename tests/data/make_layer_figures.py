"""Makes layer_figures.json: what PyTorch makes of a model of each kind of layer.

    PYTHONPATH=py python tests/data/make_layer_figures.py

To be run where PyTorch is installed (the project itself does not need it), and only when a case is
added; its results are stored with PyTorch's version. tests/engine/test_layer_figures.py holds ours
against them.

Each case is a list of layers as a recipe has it; names and shapes of their parameters are ours,
their numbers, the inputs' and the weights that make one loss of all outputs are drawn here and
stored. Everything is computed in float64 by torch.nn.functional, forward in training and outside,
and backward by PyTorch's autograd.

Where the two libraries, PyTorch and Keras (whose forms are ours), differ:

- Channels come last in Keras, first in PyTorch: pictures and kernels are turned on the way.
- Padding "same" is counted by Keras's rule and written out here; an average counts no padding.
- The moving variance. Keras's is divided by the count, PyTorch's by the count less one; so here
  what PyTorch moved is multiplied by (count - 1) / count. And Keras's momentum is the share that
  stays, PyTorch's the share that comes.
- A separable convolution is, in PyTorch, two.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec
from backburner.core.placed_layer import PlacedLayer

CLASSES, SYMBOLS, BATCH = 3, 6, 3
Weights = dict[str, torch.Tensor]

CONV = {"type": "conv2d", "filters": 3, "kernel_size": [3, 2]}
DEPTHWISE = {"type": "depthwise_conv2d", "kernel_size": [2, 3]}
SEPARABLE = {"type": "separable_conv2d", "filters": 4, "kernel_size": 3}
NORM = {"type": "batch_normalization", "momentum": 0.8, "epsilon": 0.01}
PICTURE, SEQUENCE, TEXT = (6, 5, 2), (7, 3), (5,)

CASES: list[tuple[tuple[int, ...], list[dict[str, Any]]]] = [
    (PICTURE, [CONV]),
    (PICTURE, [{**CONV, "padding": "same", "strides": 2, "activation": "relu"}]),
    (PICTURE, [{**CONV, "padding": "same", "dilation_rate": [1, 2], "activation": "gelu"}]),
    (PICTURE, [DEPTHWISE]),
    (PICTURE, [{**DEPTHWISE, "depth_multiplier": 3, "strides": [2, 1], "activation": "tanh"}]),
    (PICTURE, [{**DEPTHWISE, "padding": "same", "dilation_rate": 2, "activation": "gelu"}]),
    (PICTURE, [SEPARABLE]),
    (PICTURE, [{**SEPARABLE, "depth_multiplier": 2, "padding": "same", "activation": "sigmoid"}]),
    (PICTURE, [{"type": "max_pooling2d"}]),
    (PICTURE, [{"type": "max_pooling2d", "pool_size": 3, "strides": 2, "padding": "same"}]),
    (PICTURE, [{"type": "average_pooling2d", "pool_size": [3, 2]}]),
    (PICTURE, [{"type": "average_pooling2d", "pool_size": 3, "strides": 1, "padding": "same"}]),
    (PICTURE, [{"type": "global_average_pooling2d"}]),
    (PICTURE, [NORM]),
    (PICTURE, [CONV, {**NORM, "scale": False}, {"type": "max_pooling2d"}]),
    (PICTURE, [{"type": "flatten"}, {"type": "dense", "units": 5, "activation": "gelu"}, NORM]),
    (PICTURE, [{"type": "layer_normalization"}]),
    (PICTURE, [CONV, {"type": "layer_normalization", "epsilon": 1e-5, "center": False}]),
    (PICTURE, [{"type": "reshape", "target_shape": [5, -1]}, {"type": "flatten"}]),
    (PICTURE, [{"type": "residual", "layers": [
        NORM, {**CONV, "filters": 2, "kernel_size": 3, "padding": "same", "activation": "relu"},
        {"type": "residual", "layers": [{**DEPTHWISE, "padding": "same"}]}]}]),
    (SEQUENCE, [{"type": "conv1d", "filters": 4, "kernel_size": 3, "activation": "gelu"}]),
    (SEQUENCE, [{"type": "conv1d", "filters": 3, "kernel_size": 2, "padding": "causal",
                 "dilation_rate": 3, "activation": "tanh"}]),
    (SEQUENCE, [{"type": "conv1d", "filters": 3, "kernel_size": 4, "padding": "causal",
                 "strides": 2}]),
    (SEQUENCE, [{"type": "dense", "units": 4, "activation": "sigmoid"}, NORM]),
    (SEQUENCE, [{"type": "layer_normalization"}]),
    (TEXT, [{"type": "embedding", "output_dim": 4}]),
    (TEXT, [{"type": "embedding", "output_dim": 4},
            {"type": "conv1d", "filters": 4, "kernel_size": 2, "padding": "causal",
             "activation": "gelu"},
            {"type": "residual", "layers": [
                {"type": "layer_normalization"}, {"type": "dense", "units": 4}]}]),
]  # fmt: skip


def model(shape: tuple[int, ...], layers: list[dict[str, Any]]) -> ModelSpec:
    symbols = SYMBOLS if shape == TEXT else None
    read = layers_from_wire(layers)
    return ModelSpec.from_layers(read, shape, classes=symbols or CLASSES, symbols=symbols)


def first(x: torch.Tensor) -> torch.Tensor:
    """Channels first."""
    return x.movedim(-1, 1)


def last(x: torch.Tensor) -> torch.Tensor:
    """Channels last."""
    return x.movedim(1, -1)


def padded(x: torch.Tensor, wire: dict[str, Any], size: Any, strides: Any, **how: Any) -> Any:
    """`x`, channels first, with Keras's padding "same" around it."""
    if wire["padding"] == "valid":
        return x
    sides: list[int] = []
    gaps = wire.get("dilation_rate", (1, 1))
    for side, window, stride, gap in zip(x.shape[2:], size, strides, gaps, strict=True):
        reach = gap * (window - 1) + 1
        missing = max(0, (-(-side // stride) - 1) * stride + reach - side)
        sides = [missing // 2, missing - missing // 2, *sides]
    return functional.pad(x, sides, **how)


def convolved(x: torch.Tensor, wire: dict[str, Any], kernel: torch.Tensor, **how: Any) -> Any:
    x = padded(first(x), wire, wire["kernel_size"], wire["strides"])
    return last(
        functional.conv2d(x, kernel, stride=wire["strides"], dilation=wire["dilation_rate"], **how)
    )


def depthwise(x: torch.Tensor, wire: dict[str, Any], kernel: torch.Tensor) -> torch.Tensor:
    height, width, channels, multiplier = kernel.shape
    turned = kernel.permute(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    return convolved(x, wire, turned, groups=channels)


def output(placed: PlacedLayer, weights: Weights, x: torch.Tensor, training: bool) -> torch.Tensor:
    wire: dict[str, Any] = {"dilation_rate": (1, 1), **placed.layer.to_wire()}
    own = {each.name: weights[f"{placed.name}/{each.name}"] for each in placed.parameters}
    match wire["type"]:
        case "conv2d":
            return active(wire, convolved(x, wire, own["kernel"].permute(3, 2, 0, 1)) + own["bias"])
        case "depthwise_conv2d":
            return active(wire, depthwise(x, wire, own["kernel"]) + own["bias"])
        case "separable_conv2d":
            each = first(depthwise(x, wire, own["depthwise_kernel"]))
            mixed = functional.conv2d(each, own["pointwise_kernel"].permute(3, 2, 0, 1))
            return active(wire, last(mixed) + own["bias"])
        case "conv1d":
            turned = own["kernel"].permute(2, 1, 0)
            before = wire["dilation_rate"] * (wire["kernel_size"] - 1)
            sides = (before if wire["padding"] == "causal" else 0, 0)
            how = {"stride": wire["strides"], "dilation": wire["dilation_rate"]}
            y = functional.conv1d(functional.pad(first(x), sides), turned, **how)
            return active(wire, last(y) + own["bias"])
        case "dense":
            return active(wire, functional.linear(x, own["kernel"].T, own["bias"]))
        case "max_pooling2d":
            size, strides = wire["pool_size"], wire["strides"] or wire["pool_size"]
            beyond = {"value": -math.inf}
            return last(
                functional.max_pool2d(
                    padded(first(x), wire, size, strides, **beyond), size, strides
                )
            )
        case "average_pooling2d":
            size, strides = wire["pool_size"], wire["strides"] or wire["pool_size"]
            sums, counts = (
                functional.avg_pool2d(padded(first(each), wire, size, strides), size, strides)
                for each in (x, torch.ones_like(x))
            )
            return last(sums / counts)
        case "global_average_pooling2d":
            return functional.adaptive_avg_pool2d(first(x), 1).flatten(1)
        case "batch_normalization":
            return batch_normalized(placed, wire, own, weights, x, training)
        case "layer_normalization":
            channels = x.shape[-1:]
            return functional.layer_norm(
                x, channels, own.get("gamma"), own.get("beta"), wire["epsilon"]
            )
        case "embedding":
            return functional.embedding(x.long(), own["embeddings"])
        case "flatten" | "reshape":
            return x.reshape(len(x), *placed.output_shape)
        case "residual":
            y = x
            for inner in placed.inner:
                y = output(inner, weights, y, training)
            return x + y
    raise NotImplementedError(wire["type"])


def batch_normalized(
    placed: PlacedLayer,
    wire: dict[str, Any],
    own: Weights,
    weights: Weights,
    x: Any,
    training: bool,
) -> torch.Tensor:
    """Puts the moved statistics into `weights`, as Keras has them."""
    moved = [own[name].detach().clone() for name in ("moving_mean", "moving_variance")]
    y = functional.batch_norm(
        first(x), *moved, own.get("gamma"), own.get("beta"),
        training=training, momentum=1 - wire["momentum"], eps=wire["epsilon"],
    )  # fmt: skip
    if training:
        count = x.numel() // x.shape[-1]
        kept = wire["momentum"] * own["moving_variance"]
        weights[f"{placed.name}/moving_mean"] = moved[0]
        weights[f"{placed.name}/moving_variance"] = kept + (moved[1] - kept) * (count - 1) / count
    return last(y)


def active(wire: dict[str, Any], x: torch.Tensor) -> torch.Tensor:
    return x if wire["activation"] == "linear" else getattr(functional, wire["activation"])(x)


def logits(spec: ModelSpec, weights: Weights, x: torch.Tensor, *, training: bool) -> torch.Tensor:
    for placed in spec.layers:
        x = output(placed, weights, x, training)
    return x


def numbers(x: torch.Tensor) -> list[float]:
    return [round(each, 10) for each in x.detach().flatten().tolist()]


def figures(number: int, shape: tuple[int, ...], layers: list[dict[str, Any]]) -> dict[str, Any]:
    drawn = random.Random(number)
    spec = model(shape, layers)
    count = BATCH * math.prod(shape)

    def some(size: int, low: float = -1.0) -> list[float]:
        return [round(drawn.uniform(low, 1), 3) for _ in range(size)]

    given = {
        "layers": layers,
        "shape": shape,
        "symbols": SYMBOLS if shape == TEXT else None,
        "batch": BATCH,
        "x": [drawn.randrange(SYMBOLS) for _ in range(count)] if shape == TEXT else some(count),
        "values": {
            name: some(each.size, 0.1 if each.name == "moving_variance" else -1.0)
            for name, each in spec.parameters()
        },
        "weights": some(BATCH * math.prod(spec.layers[-1].output_shape)),
    }
    x = torch.tensor(given["x"], dtype=torch.float64).reshape(BATCH, *shape)
    weights = {
        name: torch.tensor(given["values"][name]).reshape(each.shape)
        for name, each in spec.parameters()
    }
    answer = numbers(logits(spec, dict(weights), x, training=False))
    learned = {
        name: weights[name].requires_grad_() for name, each in spec.parameters() if each.is_trained
    }
    if shape != TEXT:
        learned["input"] = x.requires_grad_()
    after = dict(weights)
    found = logits(spec, after, x, training=True)
    (found.flatten() @ torch.tensor(given["weights"])).backward()
    return {
        **given,
        "inference": answer,
        "logits": numbers(found),
        "gradients": {name: numbers(each.grad) for name, each in learned.items()},
        "statistics": {
            name: numbers(after[name]) for name, each in spec.parameters() if each.is_statistic
        },
    }


def main() -> None:
    torch.set_default_dtype(torch.float64)
    made = [json.dumps(figures(at, *case)) for at, case in enumerate(CASES)]
    text = f'{{"torch": "{torch.__version__}",\n"cases": [\n' + ",\n".join(made) + "\n]}\n"
    Path(__file__).with_name("layer_figures.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
