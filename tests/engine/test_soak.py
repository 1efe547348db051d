"""Memory over many steps: as many tensors after each, and a wasm heap that stops growing."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from tests.engine.laboratory import Laboratory
from tests.engine.test_training import SHARED

pytestmark = pytest.mark.browser

KERNELS = pytest.mark.parametrize("kernels", ["stock", "simd", "relaxed"])
LAYERS: list[dict[str, Any]] = [
    {"type": "conv2d", "filters": 4, "kernel_size": 3, "activation": "relu"},
    {"type": "conv2d", "filters": 4, "kernel_size": 2, "padding": "same"},
    {"type": "max_pooling2d"},
    {"type": "dropout", "rate": 0.2},
    {"type": "flatten"},
    {"type": "dense", "units": 8, "activation": "relu"},
]

SOAK = """
async def main(layers, kernels, steps):
    # 42 examples in batches of 8: the last of each epoch has two.
    t, training = await start("wasm", layers, kernels=kernels, epochs=steps // 6, seed=3)
    assert training.steps_per_epoch == 6 and len(training._batch(5)) == 2
    heap = lambda: js.tf.findBackend("wasm").wasm.HEAPU8.length
    counts, heaps = set(), []
    while training.step < training.steps:
        step = await training.train_step()
        if training.step % 6 == 0:
            async for _ in training.evaluation("validation"):
                pass
            heaps.append(heap())
        if training.step % 60 == 0:
            await training.checkpoint()
            await training.predict(pictures(1)["inputs"][0])
        counts.add(t.memory()["tensors"])
    training.dispose()
    return [training.step, sorted(counts), heaps]
"""


def soak(laboratory: Laboratory, kernels: str, steps: int) -> None:
    done, counts, heaps = laboratory.run(
        SHARED + dedent(SOAK), layers=LAYERS, kernels=kernels, steps=steps
    )
    assert done == steps
    assert len(counts) == 1, "every step leaves as many tensors"
    # The first two rounds of all there is (an evaluation, a checkpoint) find the heap its size.
    settled = heaps[20:]
    assert len(settled) > 20
    assert set(settled) == {settled[0]}, (settled[0], settled[-1])


@KERNELS
def test_steps_leave_neither_tensors_nor_a_larger_heap(
    laboratory: Laboratory, kernels: str
) -> None:
    soak(laboratory, kernels, 300)


@pytest.mark.soak
@KERNELS
def test_ten_thousand_steps_leave_neither_tensors_nor_a_larger_heap(
    laboratory: Laboratory, kernels: str
) -> None:
    soak(laboratory, kernels, 10_002)
