"""Our kernels in TF.js's places on wasm: the same operations as on its cpu backend."""

from __future__ import annotations

import pytest

from tests.engine.laboratory import Laboratory

pytestmark = pytest.mark.browser

VARIANTS = ("simd", "relaxed")
SHAPES = 150

BOUNDS = {
    "convolution": 1e-5,
    "depthwise": 2e-6,
    "fused": 1e-5,
    "pooling": 1e-6,
    "product": 2e-6,
    "fused product": 2e-6,
    "softmax": 1e-6,
}
"""How far wasm and cpu may be apart, as a share of the result's largest number."""

CASES = """
import random, math
from pyodide.ffi import to_js, JsException
from backburner.engine.registered import register

class Case:
    def __init__(self, t, number, family):
        self.t, self.r, self.family = t, random.Random(f"{family} {number}"), family
        self.values = random.Random(f"values {family} {number}")
        self.label = None

    def floats(self, *shape):
        count = math.prod(shape)
        return self.t.floats([self.values.uniform(-1, 1) for _ in range(count)], shape)

    def run(self, operation, *tensors, differentiable=True):
        '''The operation's result, and its gradients by each tensor.'''
        t = self.t
        y = operation(*tensors)
        found = [y]
        if differentiable:
            weights = self.floats(*t.shape(y))
            _, gradients = t.value_and_gradients(
                lambda given: t.sum(t.multiply(operation(*given), weights)), list(tensors))
            assert [t.shape(g) for g in gradients] == [t.shape(x) for x in tensors]
            found += gradients
        return [(t.shape(x), list(x.dataSync())) for x in found]

def padding_and_image(r, reach):
    padding = r.choice(["same", "valid", "same", "valid", "number", "explicit"])
    low = (1, 1) if padding == "same" else reach
    height, width = (r.randint(side, side + 9) for side in low)
    if padding == "number":
        padding = r.randint(0, max(0, min(reach) - 1))
    if padding == "explicit":
        sides = [[r.randint(0, side - 1), r.randint(0, side - 1)] for side in reach]
        padding = [[0, 0], *sides, [0, 0]]
    return padding, height, width

def window(r, flat=0.2):
    kernel = (1 if r.random() < flat else r.randint(1, 5)), r.randint(1, 5)
    if r.random() < 0.3: kernel = 3, 3
    strides = (r.randint(1, 3), r.randint(1, 3)) if r.random() < 0.5 else (1, 1)
    dilations = (1, 1)
    if strides == (1, 1) and r.random() < 0.3: dilations = r.randint(1, 3), r.randint(1, 3)
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations))
    padding, height, width = padding_and_image(r, reach)
    if isinstance(padding, int):
        # TF.js looks at one side of window and strides only, and its stock kernels at both: they
        # write beyond their output where the sides are not alike.
        kernel, strides, dilations = (kernel[0],) * 2, (strides[0],) * 2, (1, 1)
        height, width = height + kernel[0], width + kernel[0]
    return kernel, strides, dilations, padding, height, width

def js_pad(padding):
    return padding if isinstance(padding, (str, int)) else to_js(padding)

def convolution(c):
    r = c.r
    kernel, strides, dilations, padding, height, width = window(r)
    batch, channels = r.choice([1, 1, 2, 3]), r.choice([1, 2, 3, 4, 5, 8, 12])
    filters = r.choice([1, 2, 3, 4, 5, 8, 9, 16])
    c.label = (batch, height, width, channels), kernel, filters, strides, dilations, padding
    x, w = c.floats(batch, height, width, channels), c.floats(*kernel, channels, filters)
    def conv(x, w):
        return js.tf.conv2d(x, w, to_js(strides), js_pad(padding), "NHWC", to_js(dilations))
    return c.run(conv, x, w, differentiable=dilations == (1, 1))

def depthwise(c):
    r = c.r
    kernel, strides, dilations, padding, height, width = window(r)
    batch, channels = r.choice([1, 2, 3]), r.choice([1, 2, 3, 4, 5, 8, 9])
    multiplier = r.choice([1, 1, 2, 3])
    c.label = (batch, height, width, channels), kernel, multiplier, strides, dilations, padding
    x, w = c.floats(batch, height, width, channels), c.floats(*kernel, channels, multiplier)
    def conv(x, w):
        return js.tf.depthwiseConv2d(
            x, w, to_js(strides), js_pad(padding), "NHWC", to_js(dilations))
    return c.run(conv, x, w, differentiable=dilations == (1, 1))

ACTIVATIONS = ["linear", "relu", "relu", "sigmoid", "relu6", "elu", "leakyrelu"]

def as_object(**options):
    return to_js(options, dict_converter=js.Object.fromEntries, create_pyproxies=False)

def fused(c):
    r = c.r
    kernel, strides, dilations, padding, height, width = window(r)
    channels, filters = r.choice([1, 3, 4, 5, 8]), r.choice([1, 2, 4, 5, 8])
    depthwise = r.random() < 0.3
    activation = r.choice([*ACTIVATIONS, "prelu"])
    if activation not in ("linear", "relu", "sigmoid"):
        strides = 1, 1  # XNNPACK is wrong about some windows of one row whose strides differ
    c.label = (height, width, channels), kernel, filters, strides, dilations, padding
    c.label += activation, depthwise
    x, w = c.floats(2, height, width, channels), c.floats(*kernel, channels, filters)
    outputs = channels * filters if depthwise else filters
    options = dict(x=x, filter=w, strides=list(strides), pad=padding, dilations=list(dilations),
                   activation=activation, leakyreluAlpha=0.2)
    if r.random() < 0.8: options["bias"] = c.floats(outputs)
    if activation == "prelu": options["preluActivationWeights"] = c.floats(outputs)
    operation = js.tf.fused.depthwiseConv2d if depthwise else js.tf.fused.conv2d
    y = operation(as_object(**options))
    return [(c.t.shape(y), list(y.dataSync()))]

def pooling(c):
    r = c.r
    size = r.randint(1, 4), r.randint(1, 4)
    padding, height, width = padding_and_image(r, size)
    strides = r.randint(1, 4), r.randint(1, 4)
    if isinstance(padding, int):
        size, strides = (size[0],) * 2, (strides[0],) * 2
        padding, height, width = min(padding, size[0] - 1), height + 3, width + 3
    kind = r.choice(["maxPool", "avgPool"])
    batch, channels = r.choice([1, 2, 3]), r.choice([1, 2, 3, 4, 5, 8, 9])
    c.label = kind, (batch, height, width, channels), size, strides, padding
    x = c.floats(batch, height, width, channels)
    if r.random() < 0.3: x = c.t.subtract(x, 2.0)
    def pool(x):
        return getattr(js.tf, kind)(x, to_js(size), to_js(strides), js_pad(padding))
    return c.run(pool, x)

def product(c):
    r = c.r
    several = r.choice([(), (), (1,), (3,), (2, 3)])
    rows, depth, columns = (r.choice([1, 2, 3, 4, 5, 7, 8, 16, 33]) for _ in range(3))
    ta, tb = r.random() < 0.4, r.random() < 0.4
    c.label = several, rows, depth, columns, ta, tb
    a = c.floats(*several, *((depth, rows) if ta else (rows, depth)))
    b = c.floats(*several, *((columns, depth) if tb else (depth, columns)))
    is_shared = several and r.random() < 0.2  # TF.js does not differentiate that
    if is_shared:
        b = c.floats(*((columns, depth) if tb else (depth, columns)))
    return c.run(lambda a, b: js.tf.matMul(a, b, ta, tb), a, b, differentiable=not is_shared)

def fused_product(c):
    r = c.r
    rows, depth, columns = (r.choice([1, 2, 3, 4, 5, 7, 8, 16, 33]) for _ in range(3))
    ta, tb = r.random() < 0.3, r.random() < 0.3
    # Of transposed ones with more to do, which go to it, the stock kernel gives other numbers than
    # cpu.
    is_plain = ta or tb
    activation = "linear" if is_plain else r.choice(["linear", "relu", "sigmoid"])
    c.label = rows, depth, columns, ta, tb, activation
    options = dict(a=c.floats(*((depth, rows) if ta else (rows, depth))),
                   b=c.floats(*((columns, depth) if tb else (depth, columns))),
                   transposeA=ta, transposeB=tb, activation=activation, leakyreluAlpha=0.2)
    if not is_plain and r.random() < 0.7: options["bias"] = c.floats(columns)
    y = js.tf.fused.matMul(as_object(**options))
    return [(c.t.shape(y), list(y.dataSync()))]

def softmax(c):
    r = c.r
    shape = tuple(r.choice([1, 2, 3, 5, 10, 13]) for _ in range(r.randint(1, 3)))
    c.label = shape
    # (Of probabilities that are almost 1 the gradient is made of rounding errors.)
    far = r.choice([1.0, 3.0, 50.0])
    logits = c.t.multiply(c.floats(*shape), far)
    return c.run(js.tf.softmax, logits, differentiable=far < 10)

FAMILIES = {"convolution": convolution, "depthwise": depthwise, "fused": fused, "pooling": pooling,
            "product": product, "fused product": fused_product, "softmax": softmax}

def all_of(t, family, count):
    results, labels = [], []
    for number in range(count):
        case = Case(t, number, family)
        with t.scope():
            try:
                results.append(FAMILIES[family](case))
            except JsException as error:
                results.append(f"{error}"[:200])
            except BaseException as error:
                said = getattr(error, "detail", error)
                raise RuntimeError(f"{family} {number}: {case.label}: {said!r}") from error
        labels.append(str(case.label))
    return results, labels

def distance(ours, theirs):
    if isinstance(ours, str) or isinstance(theirs, str):
        return 0 if isinstance(ours, str) and isinstance(theirs, str) else math.inf
    worst = 0
    for (shape, a), (other, b) in zip(ours, theirs, strict=True):
        if shape != other: return math.inf
        if a != b:
            off = max(abs(p - q) for p, q in zip(a, b, strict=True))
            worst = max(worst, off / (max(map(abs, b)) or 1), math.inf if off != off else 0)
    return worst
"""

AGREE = (
    CASES
    + """
async def main(family, count, variant):
    t = await use("wasm")
    kernels = await kernels_for(t, variant)
    register(t, kernels)
    before = t.memory()
    ours, labels = all_of(t, family, count)
    again, _ = all_of(t, family, count)
    assert t.memory() == before, (before, t.memory())
    cpu = await use("cpu")
    from backburner.engine.gradients import register_missing_kernels
    register_missing_kernels(cpu)
    theirs, _ = all_of(cpu, family, count)
    errors = [distance(a, b) for a, b in zip(ours, theirs, strict=True)]
    worst = max(range(count), key=errors.__getitem__)
    refused = [f"{b} {label}" for b, label in zip(theirs, labels) if isinstance(b, str)]
    return dict(distinct=len(set(labels)), error=errors[worst], where=labels[worst],
                same=ours == again, refused=refused,
                far=[label for label, e in zip(labels, errors) if not e < 1e-4][:8])
"""
)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("family", BOUNDS)
def test_an_operation_with_our_kernels_agrees_with_cpu_and_repeats_to_the_bit(
    laboratory: Laboratory, family: str, variant: str
) -> None:
    found = laboratory.run(AGREE, family=family, count=SHAPES, variant=variant)
    print(family, variant, found["error"])
    assert found["error"] <= BOUNDS[family], found
    assert found["same"]
    assert found["distinct"] > SHAPES / 3
    assert len(found["refused"]) < SHAPES / 10, found["refused"]


GROWTH = """
def grow(heap):
    "Makes the memory larger, so that every view of it is a new one."
    before, taken = heap.HEAPU8.length, []
    while heap.HEAPU8.length == before:
        taken.append(heap._malloc(4 << 20))
    for address in taken:
        heap._free(address)
"""


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_memory_may_grow_between_calls_and_within_one(
    laboratory: Laboratory, variant: str
) -> None:
    code = f"""{CASES}{GROWTH}
class Growing(Tensors):
    "Grows the memory between a kernel's inputs and its output."
    def make(self, shape):
        made = super().make(shape)
        if self.backend == "wasm" and self.times:
            self.times -= 1
            grow(self.wasm_heap())
        return made

async def main(variant):
    t = Growing((await use("wasm"))._tf)
    kernels = await kernels_for(t, variant)
    register(t, kernels)
    t.times = 0
    calm = {{family: all_of(t, family, 12)[0] for family in FAMILIES}}
    views = t.wasm_heap().HEAPU8.length
    wild = {{}}
    for family in FAMILIES:
        t.times = 1
        wild[family] = all_of(t, family, 12)[0]
        grow(t.wasm_heap())
    again = {{family: all_of(t, family, 12)[0] for family in FAMILIES}}
    return [calm == wild, calm == again, t.times, t.wasm_heap().HEAPU8.length > views]
"""
    assert laboratory.run(code, variant=variant) == [True, True, 0, True]


def test_empty_tensors_give_empty_or_zero_results_as_on_cpu(laboratory: Laboratory) -> None:
    code = f"""{CASES}
def cases(t):
    tf = js.tf
    def floats(*shape): return t.floats([1.0] * math.prod(shape), shape)
    def gradients(f, *given):
        y = f(*given)
        _, found = t.value_and_gradients(lambda g: t.sum(f(*g)), list(given))
        return [y, *found]
    def conv(x, w): return tf.conv2d(x, w, 1, "same")
    def deep(x, w): return tf.depthwiseConv2d(x, w, 1, "same")
    def pool(kind): return lambda x: getattr(tf, kind)(x, 2, 1, "same")
    yield "conv, no examples", lambda: gradients(conv, floats(0, 4, 4, 4), floats(3, 3, 4, 4))
    yield "conv, no rows", lambda: gradients(conv, floats(2, 0, 4, 3), floats(3, 3, 3, 2))
    yield "depthwise, no examples", lambda: gradients(deep, floats(0, 4, 4, 3), floats(3, 3, 3, 2))
    yield "max, no examples", lambda: gradients(pool("maxPool"), floats(0, 4, 4, 3))
    yield "mean, no examples", lambda: gradients(pool("avgPool"), floats(0, 4, 4, 3))
    yield "product, no rows", lambda: gradients(tf.matMul, floats(0, 3), floats(3, 2))
    yield "product, no depth", lambda: gradients(tf.matMul, floats(3, 0), floats(0, 2))
    yield "product, no columns", lambda: gradients(tf.matMul, floats(3, 2), floats(2, 0))
    yield "softmax, no rows", lambda: [tf.softmax(floats(0, 3))]

async def main():
    found = []
    for backend in ("wasm", "cpu"):
        t = await use(backend)
        if backend == "wasm":
            register(t, await kernels_for(t, "simd"))
        results = {{}}
        for name, case in cases(t):
            with t.scope():
                try:
                    results[name] = [(t.shape(y), list(y.dataSync())) for y in case()]
                except JsException as error:
                    results[name] = f"{{error}}"[:100]
        found.append(results)
    ours, theirs = found
    return [(name, ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]]
"""
    assert laboratory.run(code) == []


def test_what_is_not_for_our_kernels_is_left_to_the_stock_ones(laboratory: Laboratory) -> None:
    code = f"""{CASES}
async def main():
    tf, t = js.tf, await use("wasm")
    kernels = await kernels_for(t, "simd")
    called = []
    class Counted:
        are_registered = False
        def __getattr__(self, name):
            if name == "call":
                called.append(name)
            return getattr(kernels, name)
    register(t, Counted())
    def asked(operation):
        called.clear()
        with t.scope():
            try:
                operation()
            except JsException as error:
                return f"{{len(called)}} {{error}}"[:60]
        return len(called)
    def floats(*shape): return t.floats([1.0] * math.prod(shape), shape)
    x, w, m = floats(1, 4, 4, 2), floats(2, 2, 2, 2), floats(4, 4)
    whole = tf.cast(x, "int32")
    return dict(
        ours=asked(lambda: tf.conv2d(x, w, 1, "same")) > 0,
        nchw=asked(lambda: tf.conv2d(x, w, 1, "same", "NCHW")),
        whole=asked(lambda: tf.maxPool(whole, 2, 2, "same")),
        both=asked(lambda: tf.matMul(m, m, True, True)),
        outside=asked(lambda: tf.maxPool(x, 2, 2, 2)),
        elu=asked(lambda: tf.fused.conv2d(
            as_object(x=x, filter=w, strides=1, pad="same", activation="elu"))))
"""
    found = laboratory.run(code)
    assert found.pop("ours") is True
    assert not any(str(calls).split()[0] != "0" for calls in found.values()), found


def test_registering_again_changes_nothing_and_other_kernels_take_the_place_of_the_first(
    laboratory: Laboratory,
) -> None:
    code = """
    from backburner.engine.registered import register
    async def main():
        t = await use("wasm")
        def now(): return js.tf.getKernel("Conv2D", "wasm")
        first = await kernels_for(t, "simd")
        register(t, first)
        ours = now()
        register(Tensors(js.tf), first)
        same = now().js_id == ours.js_id
        register(t, await kernels_for(t, "relaxed"))
        return [same, now().js_id != ours.js_id, now().replaced.js_id == ours.replaced.js_id,
                getattr(now().replaced, "replaced", None)]
    """
    assert laboratory.run(code) == [True, True, True, None]


def test_a_backend_that_was_started_anew_is_not_taken_for_the_one_of_the_kernels(
    laboratory: Laboratory,
) -> None:
    code = f"""{CASES}
async def main():
    t = await use("wasm")
    kernels = await kernels_for(t, "simd")
    register(t, kernels)
    factory = js.tf.findBackendFactory("wasm")
    await use("cpu")
    js.tf.removeBackend("wasm")
    js.tf.registerBackend("wasm", factory, 2)
    t = await use("wasm")
    other = all_of(t, "product", 10)[0]
    register(t, await kernels_for(t, "simd"))
    ours = all_of(t, "product", 10)[0]
    theirs = all_of(await use("cpu"), "product", 10)[0]
    return [max(map(distance, those, theirs)) < 1e-5 for those in (other, ours)]
"""
    assert laboratory.run(code) == [True, True]


@pytest.mark.parametrize("executor", ["plan", "tape"])
def test_a_training_goes_on_the_same_while_the_memory_grows(
    laboratory: Laboratory, executor: str
) -> None:
    code = f"""{GROWTH}
from backburner.engine.registered import register

async def trained(t, kernels, executor, growing):
    training = Training.from_recipe(
        recipe(seed=3, model={{"preset": "tiny"}}, training={{"epochs": 1}}), await digits(), t,
        kernels if executor == "plan" else None)
    assert training.executor.name == executor
    written = kernels.write
    def write(address, data):
        "In the middle of a plan's step: between its input and its calculations."
        written(address, data)
        if write.times:
            write.times -= 1
            grow(t.wasm_heap())
    write.times = 0
    kernels.write = write
    made = t.make
    def make(shape):
        "In the middle of a tape's: between the inputs of a kernel and its output."
        found = made(shape)
        if write.times:
            write.times -= 1
            grow(t.wasm_heap())
        return found
    t.make = make
    losses = []
    for step in range(12):
        if growing and step in (3, 7):
            grow(t.wasm_heap())
        write.times = 1 if growing and step in (5, 9) else 0
        losses.append((await training.train_step()).loss)
        assert not write.times
    parameters, state = await training.executor.read()
    numbers = {{name: each.data.hex() for name, each in (parameters | state).items()}}
    training.dispose()
    del t.make
    del kernels.write
    return losses, numbers

async def main(executor):
    t = await use("wasm")
    kernels = await kernels_for(t, "simd")
    register(t, kernels)
    calm = await trained(t, kernels, executor, False)
    size = t.wasm_heap().HEAPU8.length
    wild = await trained(t, kernels, executor, True)
    return [calm == wild, t.wasm_heap().HEAPU8.length > size, len(set(calm[0]))]
"""
    assert laboratory.run(code, executor=executor) == [True, True, 12]
