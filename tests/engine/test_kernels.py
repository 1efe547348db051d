"""The kernels by themselves, in a memory of their own: against plain loops in float64.

What is compared, and how guard numbers prove that nothing else is read or written, is told in
kernel_checks.mjs. That they are right in TF.js's memory, too, is test_registered.py's.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from backburner.engine.scratch import scratch_bytes
from backburner_site.server import Server
from tests.engine.laboratory import DIST, HERE

pytestmark = pytest.mark.browser

VARIANTS = ("simd", "relaxed")

SHAPES = 300
WIDE_SHAPES = 60
BOUNDS = {
    "conv2d": 2e-6,
    "conv2d winograd": 1e-5,
    "conv2d row": 1e-6,
    "conv2d wide": 2e-6,
    "conv2d wide winograd": 1e-5,
    "conv2d_gradients": 2e-6,
    "conv2d_gradients winograd": 1e-5,
    "conv2d_gradients row": 1e-6,
    "conv2d_gradients wide": 2e-6,
    "conv2d_gradients wide winograd": 1e-5,
    "depthwise_conv2d": 1e-6,
    "depthwise_conv2d_gradients": 1e-6,
    "max_pool": 0,
    "max_pool_gradient": 1e-6,
    "average_pool": 5e-7,
    "average_pool_gradient": 5e-7,
    "activate": 5e-7,
    "activation_gradient": 1e-6,
    "gelu_gradient": 2e-6,
    "dropout": 0,
    "random_bits": 0,
    "gather": 0,
    "gather_bytes": 0,
    "softmax": 5e-7,
    "softmax_cross_entropy": 5e-7,
    "answers": 5e-7,
    "moments": 1e-6,
    "normalize": 5e-7,
    "normalize_gradient": 5e-6,
    "batch_normalization_gradient": 1e-5,
    "layer_normalization": 5e-6,
    "layer_normalization_gradient": 5e-6,
    "embedding": 0,
    "embedding_gradient": 5e-7,
    "transform": 5e-7,
    "add_noise": 2e-7,
    "add": 2e-7,
    "blend": 2e-7,
    "sgd": 2e-7,
    "adam": 2e-7,
    "clip_by_global_norm": 3e-7,
}
"""How far a result may be from the right one, as a share of the largest number of the result
(`activate`: of each number). One rounding of float32 is 6e-8. The same for both variants:
`relaxed` rounds less often, where it rounds otherwise. (Of numbers that lie close together far from
0, what is left by normalization has fewer digits, and so has a sum of what is left.)"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with Server(DIST, base="/", extra={"/__lab__/": HERE}) as server:
        page = browser.new_page()
        page.goto(f"{server.url}__lab__/kernels.html")
        page.wait_for_function("() => globalThis.bench")
        yield page
        page.close()


def check(page: Page, variant: str, kernel: str, count: int) -> Any:
    return page.evaluate(
        "async ([variant, kernel, count]) =>"
        " checks.checkKernel(await bench(variant), kernel, count)",
        [variant, kernel, count],
    )


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kernel", BOUNDS)
def test_a_kernel_agrees_with_float64_and_touches_nothing_else(
    page: Page, kernel: str, variant: str
) -> None:
    count = WIDE_SHAPES if "wide" in kernel else SHAPES
    found = check(page, variant, kernel, count)
    print(kernel, variant, {name: worst["error"] for name, worst in found["worst"].items()})
    assert found["faults"] == []
    assert found["distinct"] > count / 4
    for output, worst in found["worst"].items():
        assert worst["error"] <= BOUNDS[kernel], (output, worst)


def test_every_kernel_of_the_modules_is_checked(page: Page) -> None:
    exported = page.evaluate(
        "async () => [...Object.keys((await bench('simd')).exports)].filter("
        "(name) => name !== '__stack_pointer' && !name.endsWith('_scratch'))"
    )
    assert set(exported) == {name.split()[0] for name in BOUNDS}


def test_the_modules_export_the_same(page: Page) -> None:
    names = [
        page.evaluate("async (name) => Object.keys((await bench(name)).exports)", variant)
        for variant in VARIANTS
    ]
    assert names[0] == names[1]


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_promised_as_scratch_space_is_never_less_than_they_ask_for(
    page: Page, variant: str
) -> None:
    windows = [window_of(random.Random(seed)) for seed in range(2_000)]
    asked = page.evaluate(
        "async ([variant, windows]) => {"
        " const {conv2d_scratch, conv2d_gradients_scratch, depthwise_conv2d_scratch} ="
        "   (await bench(variant)).exports;"
        " return windows.map((window) =>"
        "   [Math.max(conv2d_scratch(...window), conv2d_gradients_scratch(...window)),"
        "    depthwise_conv2d_scratch(...window)]);"
        "}",
        [variant, windows],
    )
    for window, each in zip(windows, asked, strict=True):
        for kernel, least in zip(("conv2d", "depthwise_conv2d"), each, strict=True):
            promised = scratch_bytes(f"{kernel}_scratch", *window)
            assert least <= promised <= 1.2 * least + 10_000, (kernel, window)


def window_of(chance: random.Random) -> list[int]:
    """A convolution as engine/lowering/ may ask for it: "same", "valid" or causal."""
    kind = chance.choice(("square", "row", "any", "dense"))
    size = {"square": (3, 3), "row": (1, 3), "dense": (1, 1)}.get(
        kind, (chance.randint(1, 6), chance.randint(1, 6))
    )
    steps, dilation = (1, 1), (1, 1)
    if kind != "dense" and chance.random() < 0.3:
        steps = (chance.randint(1, 4), chance.randint(1, 4))
    elif kind != "dense" and chance.random() < 0.5:
        dilation = (1 if kind == "row" else chance.randint(1, 4), chance.randint(1, 16))
    reach = [(places - 1) * apart + 1 for places, apart in zip(size, dilation, strict=True)]
    flat = kind in ("row", "dense")
    padding = chance.choice(("same", "valid", "causal") if flat else ("same", "valid"))
    image, before, places = [], [], []
    for axis in range(2):
        length = chance.randint(1, 256 if flat and axis else 48) if axis or not flat else 1
        if padding == "valid":
            length += reach[axis] - 1
            places.append((length - reach[axis]) // steps[axis] + 1)
            before.append(0)
        else:
            places.append(-(-length // steps[axis]))
            missing = (places[-1] - 1) * steps[axis] + reach[axis] - length
            before.append(reach[axis] - 1 if padding == "causal" else max(0, missing) // 2)
        image.append(length)
    channels, outputs = (chance.choice((1, 2, 3, 5, 8, 16, 32, 64, 100, 256)) for _ in range(2))
    batch = chance.randint(1, 130)
    return [batch, *image, channels, outputs, *size, *steps, *dilation, *before, *places]


# (What max pooling makes of a NaN is not defined; its reference asks for nothing in its place.)
SPOILT = [
    name
    for name in BOUNDS
    if name not in ("gather", "gather_bytes", "random_bits", "clip_by_global_norm")
]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kernel", SPOILT)
def test_what_is_not_a_finite_number_is_not_hidden(page: Page, kernel: str, variant: str) -> None:
    found = page.evaluate(
        "async ([variant, kernel]) => checks.checkSpoilt(await bench(variant), kernel, 60)",
        [variant, kernel],
    )
    assert found["hidden"] == []
    assert found["spoilt"] > 10


@pytest.mark.parametrize(
    ("kernel", "wrong", "said"),
    [
        ("gather", "(t, i, rows, ...rest) => k.gather(t, i, rows + 4, ...rest)", "wrote at rows"),
        (
            "gather",
            "(t, i, r, count, l) => k.gather(t, i, r, count - 1, l)",
            "depends on what lies around",
        ),
        (
            "activate",
            "(x, y, n, a) => (k.activate(x, y, n, a), k.activate(y, y, n + 4, 0))",
            "out of bounds",
        ),
        ("softmax", "(x, y, n, c) => (k.softmax(x, y, n, c), k.activate(y, x, 1, 0))", "at logits"),
        ("conv2d", "k.conv2d, conv2d_scratch: (...g) => k.conv2d_scratch(...g) - 64", "at space"),
    ],
)
def test_the_checks_see_a_kernel_that_reads_or_writes_where_it_must_not(
    page: Page, kernel: str, wrong: str, said: str
) -> None:
    faults = page.evaluate(
        f"""async (kernel) => {{
            const {{ exports: k, memory }} = await bench("simd");
            const wrong = new checks.Bench({{ ...k, [kernel]: {wrong} }}, memory);
            return checks.checkKernel(wrong, kernel, 20).faults;
        }}""",
        kernel,
    )
    assert any(said in fault for fault in faults), faults


@pytest.mark.parametrize("count", [1, 7, 700])
def test_the_random_bits_are_those_of_pythons_generator(page: Page, count: int) -> None:
    for number in (1, 2**32 + 5, 2**255 + 3):
        words = [number >> 32 * i & 0xFFFFFFFF for i in range(-(-number.bit_length() // 32))]
        found = page.evaluate(
            """async ([words, count]) => {
                const { exports, u32 } = await bench("simd");
                u32.set([words.length, ...words], 1 << 18);
                exports.random_bits(1 << 20, 1 << 21, count);
                return [...u32.subarray(1 << 19, (1 << 19) + count)];
            }""",
            [words, count],
        )
        expected = random.Random(number).randbytes(4 * count)
        assert found == list(struct.unpack(f"<{count}I", expected))
