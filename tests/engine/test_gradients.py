"""Gradients on wasm against TF.js's own on cpu."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.laboratory import Laboratory

pytestmark = pytest.mark.browser

SHAPES = 260
TOLERANCE = 2e-6
"""Of the largest number in the gradient: some 16 roundings of float32."""

CONVOLUTION_GRADIENTS = """
import random
from pyodide.ffi import to_js
from backburner.engine.gradients import register_missing_kernels

def case(number):
    r = random.Random(number)
    kernel = r.randint(1, 5), r.randint(1, 5)
    padding = r.choice(["same", "valid"])
    low = (1, 1) if padding == "same" else kernel
    height, width = (r.randint(side, side + 8) for side in low)
    return dict(
        x=(r.choice([1, 1, 2, 3]), height, width, r.choice([1, 2, 3, 5, 7])),
        kernel=(*kernel, None, r.choice([1, 2, 3, 4, 5, 9])),
        strides=(r.randint(1, 3), r.randint(1, 3)), padding=padding)

EXPLICIT = [
    dict(x=(2, 6, 5, 3), kernel=(3, 3, None, 4), strides=(1, 1), padding=pad)
    for pad in (0, 1, 2, [[0, 0], [1, 2], [0, 1], [0, 0]], [[0, 0], [2, 0], [1, 1], [0, 0]])]

def gradient(t, number, x, kernel, strides, padding):
    kernel = (*kernel[:2], x[3], kernel[3])
    r = random.Random(f"numbers {number}")
    def some(shape):
        size = 1
        for side in shape: size *= side
        return t.floats([r.uniform(-1, 1) for _ in range(size)], shape)
    with t.scope():
        images, filters = some(x), some(kernel)
        pad = padding if isinstance(padding, (str, int)) else to_js(padding)
        weights = some(t.shape(t.conv2d(images, filters, strides, pad)))
        def loss(given):
            return t.sum(t.multiply(t.conv2d(given[0], given[1], strides, pad), weights))
        _, found = t.value_and_gradients(loss, [images, filters])
        assert [t.shape(f) for f in found] == [x, kernel]
        return [list(f.dataSync()) for f in found]

async def main(count):
    cases = [case(number) for number in range(count)] + EXPLICIT
    found = {}
    for backend in ("wasm", "cpu"):
        t = await use(backend)
        register_missing_kernels(t)
        before = t.memory()
        found[backend] = [gradient(t, i, **c) for i, c in enumerate(cases)]
        assert t.memory() == before, (before, t.memory())
    answer = dict(count=len(cases), distinct=len({str(c) for c in cases}))
    for which, name in enumerate(("input", "filter")):
        errors = [
            max(abs(a - b) for a, b in zip(ours[which], theirs[which], strict=True))
            / max(map(abs, theirs[which]))
            for ours, theirs in zip(found["wasm"], found["cpu"], strict=True)]
        worst = max(range(len(errors)), key=errors.__getitem__)
        answer[name] = [errors[worst], str(cases[worst])]
    return answer
"""


def test_a_convolutions_gradients_on_wasm_agree_with_cpu_over_many_shapes(
    laboratory: Laboratory,
) -> None:
    result = laboratory.run(CONVOLUTION_GRADIENTS, count=SHAPES)
    print(result)
    assert result["distinct"] >= 200
    assert result["filter"][0] < TOLERANCE, result
    assert result["input"][0] < TOLERANCE, result


def test_registering_the_kernels_again_changes_nothing(laboratory: Laboratory) -> None:
    code = """
    from backburner.engine.gradients import FILTER_GRADIENT, register_missing_kernels
    async def main():
        t = await use("wasm")
        register_missing_kernels(t)
        first = js.tf.getKernel(FILTER_GRADIENT, "wasm")
        register_missing_kernels(Tensors(js.tf))
        return js.Object.is_(first, js.tf.getKernel(FILTER_GRADIENT, "wasm"))
    """
    assert laboratory.run(code) is True


POOLING = """
import random
from backburner.engine.gradients import register_missing_kernels

def case(number):
    r = random.Random(number)
    size = r.randint(1, 4), r.randint(1, 4)
    padding = r.choice(["same", "valid"])
    height, width = (r.randint(side, side + 7) for side in size)
    return dict(
        shape=(r.choice([1, 2, 3]), height, width, r.choice([1, 2, 3, 5, 8])), size=size,
        strides=(r.randint(1, 3), r.randint(1, 3)), padding=padding,
        # Negative ones, tiny ones, large ones, and many equal ones.
        numbers=r.choice(["even", "negative", "tiny", "large", "ties", "relu"]))

def some(r, kind):
    n = r.uniform(-1, 1)
    match kind:
        case "negative": return n - 1.1
        case "tiny": return n * 1e-6
        case "large": return n * 1e6
        case "ties": return r.randint(-2, 1)
        case "relu": return max(0, n)
    return n

def gradient(t, operation, number, shape, size, strides, padding, numbers):
    r = random.Random(f"numbers {number}")
    count = 1
    for side in shape: count *= side
    with t.scope():
        x = t.floats([some(r, numbers) for _ in range(count)], shape)
        y = getattr(t, operation)(x, size, strides, padding)
        count = y.size
        weights = t.floats([r.uniform(-1, 1) for _ in range(count)], t.shape(y))
        def loss(given):
            y = getattr(t, operation)(given[0], size, strides, padding)
            return t.sum(t.multiply(y, weights))
        _, (found,) = t.value_and_gradients(loss, [x])
        return list(y.dataSync()), list(found.dataSync())

async def main(operation, count):
    cases = [case(number) for number in range(count)]
    found = {}
    for backend in ("wasm", "cpu"):
        t = await use(backend)
        register_missing_kernels(t)
        before = t.memory()
        found[backend] = [gradient(t, operation, i, **c) for i, c in enumerate(cases)]
        assert t.memory() == before, (before, t.memory())
    wrong = []
    for i, (ours, theirs) in enumerate(zip(found["wasm"], found["cpu"], strict=True)):
        for what, a, b in zip(("forward", "gradient"), ours, theirs):
            scale = max(map(abs, b)) or 1
            if operation == "max_pool" and cases[i]["numbers"] in ("ties", "relu"):
                # Of equal numbers wasm takes the last and cpu the first: both are right.
                scale, a, b = sum(map(abs, b)) or 1, [sum(a)], [sum(b)]
            error = max(abs(p - q) for p, q in zip(a, b, strict=True)) / scale
            if not error < 1e-6:
                wrong.append([what, error, str(cases[i])])
    return [len(cases), wrong]
"""


@pytest.mark.parametrize("operation", ["max_pool", "average_pool"])
def test_pooling_and_its_gradient_on_wasm_agree_with_cpu_over_many_shapes(
    laboratory: Laboratory, operation: str
) -> None:
    count, wrong = laboratory.run(POOLING, operation=operation, count=200)
    assert count == 200
    assert not wrong, (len(wrong), wrong[:10])


def test_an_average_at_the_border_passes_all_of_its_error_to_the_image(
    laboratory: Laboratory,
) -> None:
    code = """
    from backburner.engine.gradients import register_missing_kernels
    async def main(backend):
        t = await use(backend)
        register_missing_kernels(t)
        with t.scope():
            x = t.floats(range(6), (1, 2, 3, 1))
            def loss(given):
                return t.sum(t.average_pool(given[0], (2, 3), (1, 1), "same"))
            _, (found,) = t.value_and_gradients(loss, [x])
            return list(found.dataSync())
    """
    # Windows of 2 x 3 see, at the left, in the middle and at the right, 2, 3 and 2 columns; those
    # of the upper row see both rows, those of the lower one only their own.
    columns = [1 / 2 + 1 / 3, 1 / 2 + 1 / 3 + 1 / 2, 1 / 3 + 1 / 2]
    expected = [share / 2 for share in columns] + [share * 3 / 2 for share in columns]
    for backend in ("wasm", "cpu"):
        found = laboratory.run(code, backend=backend)
        assert found == pytest.approx(expected, abs=1e-6), backend


LAYERS: dict[str, list[dict[str, Any]]] = {
    "conv2d": [{"type": "conv2d", "filters": 3, "kernel_size": [3, 2], "strides": [1, 2]}],
    "conv2d same relu": [
        {"type": "conv2d", "filters": 3, "kernel_size": 3, "padding": "same", "activation": "relu"},
        {"type": "conv2d", "filters": 2, "kernel_size": 2, "strides": 2},
    ],
    "conv2d tanh": [{"type": "conv2d", "filters": 2, "kernel_size": 3, "activation": "tanh"}],
    "conv2d dilated": [
        {"type": "conv2d", "filters": 3, "kernel_size": [3, 2], "dilation_rate": [2, 3]}
    ],
    "conv2d dilated same": [
        {
            "type": "conv2d",
            "filters": 3,
            "kernel_size": [2, 3],
            "dilation_rate": 2,
            "padding": "same",
            "activation": "tanh",
        },
    ],
    "max_pooling2d": [{"type": "max_pooling2d"}],
    "max_pooling2d overlapping": [
        {"type": "max_pooling2d", "pool_size": 3, "strides": [1, 2], "padding": "same"}
    ],
    "average_pooling2d": [{"type": "average_pooling2d", "pool_size": [2, 3]}],
    "average_pooling2d overlapping": [
        {"type": "average_pooling2d", "pool_size": 3, "strides": 2, "padding": "same"}
    ],
    "global_average_pooling2d": [{"type": "global_average_pooling2d"}],
    "dense": [{"type": "flatten"}, {"type": "dense", "units": 6}],
    "dense relu": [{"type": "flatten"}, {"type": "dense", "units": 6, "activation": "relu"}],
    "dense sigmoid": [{"type": "flatten"}, {"type": "dense", "units": 6, "activation": "sigmoid"}],
    "dropout": [{"type": "dropout", "rate": 0.3}],
    "flatten": [{"type": "flatten"}],
    "depthwise_conv2d": [{"type": "depthwise_conv2d", "kernel_size": 3, "activation": "gelu"}],
    "depthwise_conv2d strides multiplier": [
        {
            "type": "depthwise_conv2d",
            "kernel_size": [3, 2],
            "strides": [2, 3],
            "padding": "same",
            "depth_multiplier": 2,
        }
    ],
    "depthwise_conv2d dilated": [
        {
            "type": "depthwise_conv2d",
            "kernel_size": [2, 3],
            "dilation_rate": [3, 2],
            "padding": "same",
            "activation": "sigmoid",
        }
    ],
    "separable_conv2d": [
        {
            "type": "separable_conv2d",
            "filters": 4,
            "kernel_size": 3,
            "strides": 2,
            "depth_multiplier": 2,
            "activation": "tanh",
        }
    ],
    "batch_normalization": [{"type": "batch_normalization"}],
    "batch_normalization without scale": [
        {"type": "flatten"},
        {"type": "dense", "units": 6, "activation": "gelu"},
        {"type": "batch_normalization", "scale": False, "epsilon": 0.01},
    ],
    "layer_normalization": [{"type": "layer_normalization"}],
    "layer_normalization of a row": [
        {"type": "flatten"},
        {"type": "layer_normalization", "center": False},
    ],
    "reshape": [{"type": "reshape", "target_shape": [-1, 6]}],
    "residual": [
        {
            "type": "residual",
            "layers": [
                {"type": "batch_normalization"},
                {
                    "type": "conv2d",
                    "filters": 3,
                    "kernel_size": 3,
                    "padding": "same",
                    "activation": "relu",
                },
                {
                    "type": "residual",
                    "layers": [{"type": "depthwise_conv2d", "kernel_size": 3, "padding": "same"}],
                },
            ],
        }
    ],
}

SEQUENCES: dict[str, list[dict[str, Any]]] = {
    "conv1d": [{"type": "conv1d", "filters": 3, "kernel_size": 3, "activation": "tanh"}],
    "conv1d strides": [
        {"type": "conv1d", "filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}
    ],
    "conv1d causal strides": [
        {"type": "conv1d", "filters": 3, "kernel_size": 4, "strides": 3, "padding": "causal"}
    ],
    "conv1d causal dilated": [
        {
            "type": "conv1d",
            "filters": 6,
            "kernel_size": 3,
            "padding": "causal",
            "activation": "relu",
        },
        {"type": "conv1d", "filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 2},
    ],
    "conv1d same dilated": [
        {"type": "conv1d", "filters": 6, "kernel_size": 2, "padding": "same", "dilation_rate": 5}
    ],
    "dense on a sequence": [{"type": "dense", "units": 6, "activation": "sigmoid"}],
    "dropout on a sequence": [{"type": "dropout", "rate": 0.3}],
    "flatten of a sequence": [{"type": "flatten"}],
    "normalizations of a sequence": [
        {"type": "layer_normalization"},
        {"type": "conv1d", "filters": 5, "kernel_size": 2, "activation": "gelu"},
        {"type": "batch_normalization"},
    ],
    "residual of a sequence": [
        {
            "type": "residual",
            "layers": [
                {"type": "conv1d", "filters": 5, "kernel_size": 3, "padding": "causal"},
                {"type": "dense", "units": 5, "activation": "tanh"},
            ],
        }
    ],
}

LAYER_GRADIENTS = """
import random
from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec
from backburner.engine.gradients import register_missing_kernels
from backburner.engine.layers import forward

def gradients(t, spec):
    r = random.Random(1)
    def some(shape, size=1):
        for side in shape: size *= side
        return t.floats([r.uniform(-1, 1) for _ in range(size)], shape)
    names = [name for name, p in spec.parameters() if p.is_trained]
    with t.scope():
        values = [some(p.shape) for _, p in spec.parameters() if p.is_trained]
        kept = {name: some(p.shape) for name, p in spec.parameters() if not p.is_trained}
        x, weights = some((3, *spec.input_shape)), some((3, *spec.layers[-1].output_shape))
        def loss(given):
            logits = forward(t, spec, {**kept, **dict(zip(names, given[1:]))}, given[0],
                             training=True, seed=1, step=2)
            return t.sum(t.multiply(t.log_softmax(logits), weights))
        # The input's gradient counts as one more: every layer has that.
        value, found = t.value_and_gradients(loss, [x, *values])
        return [("loss", list(value.dataSync()))] + [
            (name, list(g.dataSync())) for name, g in zip(["input", *names], found)]

async def main(layers, shape):
    spec = ModelSpec.from_layers(layers_from_wire(layers), input_shape=tuple(shape), classes=4)
    found = []
    for backend in ("wasm", "cpu"):
        t = await use(backend)
        register_missing_kernels(t)
        before = t.memory()
        found.append(gradients(t, spec))
        assert t.memory() == before
    return {name: max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
            / max(1e-3, max(map(abs, theirs)))
            for (name, ours), (_, theirs) in zip(*found, strict=True)}
"""


@pytest.mark.parametrize("name", [*LAYERS, *SEQUENCES])
def test_a_layers_gradients_on_wasm_agree_with_cpu(laboratory: Laboratory, name: str) -> None:
    layers, shape = (LAYERS[name], (7, 6, 3)) if name in LAYERS else (SEQUENCES[name], (12, 5))
    errors = laboratory.run(LAYER_GRADIENTS, layers=layers, shape=shape)
    assert set(errors) > {"loss", "input"}
    assert max(errors.values()) < 2e-5, errors
