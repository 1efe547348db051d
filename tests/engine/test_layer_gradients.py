"""Every type of layer, over hundreds of drawn shapes, against float64: its output, and its
gradients against differences of outputs."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backburner.core.layer import ACTIVATIONS
from backburner.core.layers import LAYER_TYPES, layers_from_wire
from backburner.core.model import ModelSpec
from tests.engine.keras_reference import Numbers, logits
from tests.engine.laboratory import Laboratory

pytestmark = pytest.mark.browser

CASES = 420
"""Among them 170: a convolution that hops over columns, but not over rows, which stock wasm has
wrong."""
SYMBOLS = 7
CLASSES = 3

FORWARD_TOLERANCE = 5e-6
"""Of the largest output: some 40 roundings of float32."""

GRADIENT_TOLERANCE = 1e-4
"""Of the product of the gradient's and the direction's lengths."""

STEP = 1e-6
"""How far a difference goes, in float64, to either side."""


def window(r: random.Random) -> dict[str, Any]:
    """Options of a convolution; what hops has no gaps."""
    hops = r.random() < 0.5
    pair = [r.randint(1, 3), r.randint(1, 3)]
    return {
        "kernel_size": [r.randint(1, 3), r.randint(1, 3)],
        "padding": r.choice(["same", "valid"]),
        "strides": pair if hops else 1,
        "dilation_rate": 1 if hops else pair,
        "activation": activation(r),
    }


def activation(r: random.Random) -> str:
    return r.choice([each for each in ACTIVATIONS if each != "softmax"])


def pooling(r: random.Random) -> dict[str, Any]:
    return {
        "pool_size": [r.randint(1, 3), r.randint(1, 3)],
        "strides": r.choice([None, [r.randint(1, 3), r.randint(1, 3)]]),
        "padding": r.choice(["same", "valid"]),
    }


def normalization(r: random.Random) -> dict[str, Any]:
    return {
        "scale": r.random() < 0.7,
        "center": r.random() < 0.7,
        "epsilon": r.choice([0.001, 0.1]),
    }


def inner(r: random.Random, channels: int) -> list[dict[str, Any]]:
    conv = {"type": "conv2d", "filters": channels, **window(r), "padding": "same", "strides": 1}
    norm = {"type": "batch_normalization", **normalization(r)}
    depthwise = {"type": "depthwise_conv2d", **window(r), "padding": "same", "strides": 1}
    return r.choice([[conv], [norm, conv], [depthwise, norm]])


PICTURES: dict[str, Callable[[random.Random, int], dict[str, Any]]] = {
    "conv2d": lambda r, _: {"filters": r.randint(1, 4), **window(r)},
    "depthwise_conv2d": lambda r, _: {"depth_multiplier": r.randint(1, 3), **window(r)},
    "separable_conv2d": lambda r, _: {
        "filters": r.randint(1, 4), "depth_multiplier": r.randint(1, 3), **window(r),
    },
    "max_pooling2d": lambda r, _: pooling(r),
    "average_pooling2d": lambda r, _: pooling(r),
    "global_average_pooling2d": lambda r, _: {},
    "batch_normalization": lambda r, _: normalization(r),
    "layer_normalization": lambda r, _: normalization(r),
    "flatten": lambda r, _: {},
    "reshape": lambda r, channels: {"target_shape": r.choice([[-1], [-1, channels], [1, -1]])},
    "residual": lambda r, channels: {"layers": inner(r, channels)},
}  # fmt: skip
SEQUENCES: dict[str, Callable[[random.Random, int], dict[str, Any]]] = {
    "conv1d": lambda r, _: {
        "filters": r.randint(1, 4), "kernel_size": r.randint(1, 3), "activation": activation(r),
        "padding": r.choice(["valid", "same", "causal"]),
        **r.choice([{"strides": r.randint(1, 3)}, {"dilation_rate": r.randint(1, 3)}]),
    },
    "dense": lambda r, _: {"units": r.randint(1, 6), "activation": activation(r)},
    "batch_normalization": lambda r, _: normalization(r),
    "layer_normalization": lambda r, _: normalization(r),
    "residual": lambda r, channels: {
        "layers": [{"type": "dense", "units": channels, "activation": activation(r)}]
    },
}  # fmt: skip
KINDS = [
    *((kind, options, "picture") for kind, options in PICTURES.items()),
    *((kind, options, "sequence") for kind, options in SEQUENCES.items()),
    ("embedding", lambda r, _: {"output_dim": r.randint(1, 6)}, "text"),
]


def case(number: int) -> tuple[ModelSpec, dict[str, Any]]:
    return draw(number, *KINDS[number % len(KINDS)])


def draw(
    number: int, kind: str, options: Callable[[random.Random, int], dict[str, Any]], of: str
) -> tuple[ModelSpec, dict[str, Any]]:
    """A model of one layer (and its output), and what it is asked, all drawn by the number."""
    r = random.Random(number)
    channels = r.randint(2, 4)
    shape = {
        "picture": (r.randint(7, 9), r.randint(7, 9), channels),
        "sequence": (r.randint(7, 12), channels),
        "text": (r.randint(1, 9),),
    }[of]
    symbols = SYMBOLS if of == "text" else None
    layers = [{"type": kind, **options(r, channels)}]
    spec = ModelSpec.from_layers(
        layers_from_wire(layers), shape, classes=symbols or CLASSES, symbols=symbols
    )
    batch = r.randint(2, 4)

    def some(size: int, low: float = -1.0) -> list[float]:
        return [float(np.float32(r.uniform(low, 1))) for _ in range(size)]

    count = batch * math.prod(shape)
    return spec, {
        "layers": layers,
        "shape": shape,
        "symbols": symbols,
        "training": r.random() < 0.7,
        "x": some(count) if symbols is None else [r.randrange(symbols) for _ in range(count)],
        "batch": batch,
        # Variances are positive.
        "values": {
            name: some(each.size, 0.1 if each.name == "moving_variance" else -1.0)
            for name, each in spec.parameters()
        },
        "weights": some(batch * math.prod(spec.layers[-1].output_shape)),
    }


COMPUTE = """
from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec
from backburner.engine.gradients import register_missing_kernels
from backburner.engine.layers import forward

def compute(t, case):
    symbols = case["symbols"]
    spec = ModelSpec.from_layers(layers_from_wire(case["layers"]), tuple(case["shape"]),
                                 classes=symbols or 3, symbols=symbols)
    named = dict(spec.parameters())
    trained = [name for name, each in named.items() if each.is_trained]
    with t.scope():
        values = {name: t.floats(case["values"][name], each.shape) for name, each in named.items()}
        x = t.floats(case["x"], (case["batch"], *case["shape"]))
        weights = t.floats(case["weights"], (case["batch"], *spec.layers[-1].output_shape))
        found, statistics = None, {}
        def loss(given):
            nonlocal found
            parameters, gathered = {**values, **dict(zip(trained, given))}, {}
            y = forward(t, spec, parameters, given[-1] if symbols is None else x,
                        training=case["training"], statistics=gathered)
            found = t.keep(y)
            statistics.update((name, t.keep(each)) for name, each in gathered.items())
            return t.sum(t.multiply(y, weights))
        given = [values[name] for name in trained] + ([x] if symbols is None else [])
        _, gradients = t.value_and_gradients(loss, given)
        names = trained + (["input"] if symbols is None else [])
        read = [list(found.dataSync()), {n: list(g.dataSync()) for n, g in zip(names, gradients)},
                {n: list(each.dataSync()) for n, each in statistics.items()}]
        t.dispose(found, *statistics.values())
        return read

async def main(backend, cases):
    t = await use(backend)
    register_missing_kernels(t)
    before = t.memory()
    found = [compute(t, case) for case in cases]
    assert t.memory() == before, (before, t.memory())
    return found
"""


def test_every_type_of_layer_and_every_activation_is_drawn() -> None:
    drawn = [case(number) for number in range(CASES)]
    types = Counter(each.layer.type for spec, _ in drawn for each in spec.walk())
    assert set(types) | {"dropout"} == set(LAYER_TYPES)
    activations = Counter(
        getattr(each.layer, "activation", None) for spec, _ in drawn for each in spec.walk()
    )
    assert {each for each in ACTIVATIONS if each != "softmax"} <= set(activations)
    assert min(types.values()) >= 20, types


def errors_of(
    number: int,
    spec: ModelSpec,
    given: dict[str, Any],
    found: list[Any],
    reference: Callable[..., Numbers] = logits,
) -> dict[str, float]:
    """How far an output, and the gradient by each parameter, is from float64, in tolerances.

    A gradient is compared along one way, drawn by the number, that changes all numbers.
    """
    output, gradients, _ = found
    point = {
        name: np.array(given["values"][name]).reshape(each.shape)
        for name, each in spec.parameters()
    }
    point["input"] = np.array(given["x"], dtype=float).reshape(-1, *given["shape"])
    weights = np.array(given["weights"])

    def at(point: dict[str, Numbers]) -> Numbers:
        return reference(spec, point, point["input"], training=given["training"]).ravel()

    wanted = at(point)
    error = float(np.abs(wanted - output).max()) / max(1.0, float(np.abs(wanted).max()))
    errors = {"output": error / FORWARD_TOLERANCE}
    directions = np.random.default_rng(number)
    for name, gradient in gradients.items():
        way = directions.normal(size=point[name].shape)
        ends = [at({**point, name: point[name] + side * STEP * way}) for side in (1, -1)]
        slope = float(weights @ (ends[0] - ends[1])) / (2 * STEP)
        length = max(0.1, float(np.linalg.norm(gradient))) * float(np.linalg.norm(way))
        error = abs(slope - float(np.dot(way.ravel(), gradient))) / length
        errors[name] = error / GRADIENT_TOLERANCE
    return errors


@pytest.mark.parametrize("backend", ["wasm", "cpu"])
def test_outputs_and_gradients_are_those_of_float64(laboratory: Laboratory, backend: str) -> None:
    drawn = [case(number) for number in range(CASES)]
    found = laboratory.run(COMPUTE, backend=backend, cases=[given for _, given in drawn])
    outputs, gradients, wrong = [], [], []
    for number, ((spec, given), answer) in enumerate(zip(drawn, found, strict=True)):
        errors = errors_of(number, spec, given, answer)
        wrong += [(number, given["layers"], errors)] if not max(errors.values()) < 1 else []
        outputs.append(errors.pop("output"))
        gradients += errors.values()
    assert not wrong, (len(wrong), wrong[:5])
    assert len(gradients) > 2 * CASES
    print(f"{backend}: {len(gradients)} gradients of {CASES} models; farthest from float64:")
    print(f"outputs {max(outputs) * FORWARD_TOLERANCE:.1e}")
    print(f"gradients {max(gradients) * GRADIENT_TOLERANCE:.1e}")
