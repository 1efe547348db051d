"""Every backend of TensorFlow.js: its gradients, its neighbours, and how it is caught lying.

The graphics cards are the browser's software adapters: what they compute is right or wrong as on
a card, how fast says nothing. Where a browser has none, that is listed as a skip.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserType

from tests.engine.laboratory import Laboratory

pytestmark = pytest.mark.browser

SOFTWARE_ADAPTERS = (
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--ignore-gpu-blocklist",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
)
BACKENDS = ("wasm", "cpu", "webgl", "webgpu")

SHARED = """
from pyodide.code import run_js
from backburner.core.errors import BackendError
from backburner.engine.canary import check_canary

BUNDLE = "../tfjs/tf-backend-webgpu.es2017.min.js"
js.globalThis.backburnerLoadBackend = run_js(
    f"async (name) => name === 'webgpu' ? import(new URL('{BUNDLE}', location.href)) : undefined")

async def on(backend):
    tensors = Tensors(js.tf)
    await tensors.start_backend(backend)
    return tensors.on(backend)

LAYERS = [
    {"type": "conv2d", "filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu"},
    {"type": "max_pooling2d", "pool_size": 2},
    {"type": "conv2d", "filters": 6, "kernel_size": 3, "strides": 2, "padding": "same",
     "activation": "tanh"},
    {"type": "average_pooling2d", "pool_size": 2},
    {"type": "flatten"},
    {"type": "dense", "units": 12, "activation": "sigmoid"},
]

# What is put together of several operations, of which each backend has its own.
COMPOSED = [
    {"type": "conv2d", "filters": 4, "kernel_size": 3, "dilation_rate": 2, "activation": "gelu"},
    {"type": "batch_normalization", "momentum": 0.9},
    {"type": "residual", "layers": [
        {"type": "depthwise_conv2d", "kernel_size": 3, "padding": "same"},
        {"type": "layer_normalization"}]},
    {"type": "separable_conv2d", "filters": 6, "kernel_size": 2, "strides": [1, 2],
     "depth_multiplier": 2},
    {"type": "reshape", "target_shape": [-1, 6]},
    {"type": "conv1d", "filters": 8, "kernel_size": 2, "padding": "causal", "dilation_rate": 2},
    {"type": "flatten"},
]

async def training(backend, optimizer="adam", layers=LAYERS):
    wanted = recipe(seed=3, model={"layers": layers},
                    training={"epochs": 1, "optimizer": optimizer, "learning_rate": 0.01})
    return Training.from_recipe(wanted, await digits(), await on(backend))
"""


@pytest.fixture(scope="module")
def browser(
    browser_type: BrowserType, browser_type_launch_args: dict[str, Any]
) -> Iterator[Browser]:
    """One that has software adapters for both kinds of graphics card."""
    arguments = [*browser_type_launch_args.get("args", ()), *SOFTWARE_ADAPTERS]
    started = browser_type.launch(**{**browser_type_launch_args, "args": arguments})
    yield started
    started.close()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, laboratory: Laboratory) -> str:
    """Each backend that can be started here."""
    name = str(request.param)
    code = """
async def main(name):
    try:
        await on(name)
    except BackendError as error:
        return error.detail
"""
    problem = run(laboratory, code, name=name)
    if problem is not None:
        assert name in ("webgl", "webgpu"), problem
        pytest.skip(f"this browser has no software adapter for {name}: {problem}")
    return name


def run(laboratory: Laboratory, code: str, **arguments: Any) -> Any:
    return laboratory.run(SHARED + code, **arguments)


def test_a_backend_knows_the_sum_with_the_known_answer(
    laboratory: Laboratory, backend: str
) -> None:
    code = """
async def main(backend):
    t = await on(backend)
    before = t.memory()["tensors"]
    for _ in range(3):
        await check_canary(t)
    return t.memory()["tensors"] - before
"""
    assert run(laboratory, code, backend=backend) == 0


@pytest.mark.parametrize(
    ("layers", "optimizer"), [("LAYERS", "sgd"), ("LAYERS", "adam"), ("COMPOSED", "sgd")]
)
def test_a_backend_trains_as_cpu_does(
    laboratory: Laboratory, backend: str, layers: str, optimizer: str
) -> None:
    code = """
async def trained(backend, layers, optimizer):
    t = await training(backend, optimizer, globals()[layers])
    losses = [(await t.train_step()).loss for _ in range(5)]
    weights = {}
    for name, numbers in (await t.executor.read())[0].items():
        weights[name] = list(array("f", numbers.data))
    t.dispose()
    return losses, weights

async def main(backend, layers, optimizer):
    ours, theirs = [await trained(each, layers, optimizer) for each in (backend, "cpu")]
    losses = max(abs(a - b) for a, b in zip(ours[0], theirs[0], strict=True))
    weights = max(abs(a - b) for name, values in theirs[1].items()
                  for a, b in zip(ours[1][name], values, strict=True))
    return [losses, weights]
"""
    losses, weights = run(laboratory, code, backend=backend, layers=layers, optimizer=optimizer)
    print(backend, layers, optimizer, losses, weights)
    assert losses < 1e-3, losses
    # Adam's first steps are as long for tiny gradients as for large ones: there a rounding shows.
    assert weights < 5e-3, weights


def test_models_of_two_backends_in_one_thread_do_not_touch_each_other(
    laboratory: Laboratory, backend: str
) -> None:
    code = """
async def main(backend):
    alone = await training("wasm")
    for _ in range(6):
        await alone.train_step()
    wanted = (await alone.weights())["sha256"]
    here, there = await training("wasm"), await training(backend)
    await there.predict([0.5] * 64)
    used = str(js.tf.getBackend())
    for _ in range(6):
        await here.train_step()
        await there.train_step()
        await alone.predict([0.5] * 64)
    found = (await here.weights())["sha256"]
    other = (await there.weights())["sha256"]
    for each in (alone, here, there):
        each.dispose()
    return [used, found == wanted, backend != "wasm" or other == wanted]
"""
    assert run(laboratory, code, backend=backend) == [backend, True, True]


def test_a_backend_that_computes_wrongly_is_caught(laboratory: Laboratory) -> None:
    code = """
async def main(kernel, value):
    t = await on("cpu")
    await check_canary(t)
    stock = js.tf.getKernel(kernel, "cpu")
    lie = run_js('''(stock, value) => ({ ...stock, kernelFunc: (call) =>
        tf.mul(tf.engine().makeTensorFromTensorInfo(stock.kernelFunc(call)), value) })''')
    js.tf.unregisterKernel(kernel, "cpu")
    js.tf.registerKernel(lie(stock, value))
    try:
        await check_canary(t)
        return None
    except BackendError as error:
        return error.detail
    finally:
        js.tf.unregisterKernel(kernel, "cpu")
        js.tf.registerKernel(stock)
"""
    for kernel, value in (
        ("Relu", 1.01),
        ("Conv2DBackpropFilter", 0.0),
        ("MaxPoolGrad", 1.01),
        ("Relu", 0.0),
    ):
        caught = run(laboratory, code, kernel=kernel, value=value)
        assert caught is not None, kernel
        assert caught.startswith("canary"), caught


def test_a_backend_that_nobody_has_cannot_be_started(laboratory: Laboratory) -> None:
    code = """
async def main():
    try:
        await on("abacus")
    except BackendError as error:
        return error.message
"""
    assert "abacus" in run(laboratory, code)


@pytest.mark.parametrize("backend", ["webgl"], indirect=True)
def test_a_lost_context_is_noticed_before_its_zeros_are_believed(
    laboratory: Laboratory, backend: str
) -> None:
    code = """
async def main():
    t = await training("webgl")
    await t.train_step()
    gl = js.tf.findBackend("webgl").gpgpu.gl
    gl.getExtension("WEBGL_lose_context").loseContext()
    try:
        for _ in range(3):
            await t.train_step()
    except BackendError as error:
        return error.detail
"""
    assert run(laboratory, code) == "webgl: the context is lost"
