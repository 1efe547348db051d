"""A small network's training under every setting, against what PyTorch makes of it.

The figures are data: tests/data/make_optimizer_figures.py made them, and says how the forms of the
two libraries were brought together.
"""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.engine.laboratory import Laboratory
from tests.engine.test_training import SHARED

pytestmark = pytest.mark.browser

FIGURES: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "data" / "optimizer_figures.json").read_text(encoding="utf-8")
)
TOLERANCE = 1e-6
"""Of numbers around 1, after twelve steps in float32; PyTorch's are of float64."""

TRAIN = """
from array import array
from backburner.engine.checkpoint import Numbers

LAYERS = [{"type": "conv2d", "filters": 2, "kernel_size": 3, "activation": "relu"},
          {"type": "flatten"}, {"type": "dense", "units": 3}]

async def trained(backend, kernels, given, settings):
    data = {"source": "inline", "inputs": given["inputs"], "labels": given["labels"],
            "split": {"train": 1}}
    r = recipe(data=data, model={"layers": LAYERS},
               training={"epochs": 4, "batch_size": 6, **settings})
    t = await use(backend)
    training = Training.from_recipe(
        r, Dataset.from_inline(r.data), t, await kernels_of(kernels))
    assert training.executor.name == ("tape" if kernels == "stock" else "plan")
    assert training.steps == len(given["batches"])
    parameters, state = await training.executor.read()
    first = {name: Numbers(shape=numbers.shape, data=array("f", given["weights"][name]).tobytes())
             for name, numbers in parameters.items()}
    training.executor.write(first, state)
    training._batch = lambda step: given["batches"][step]
    losses = [(await training.train_step()).loss for _ in range(training.steps)]
    parameters, _ = await training.executor.read()
    training.dispose()
    return [losses, {name: list(array("f", n.data)) for name, n in parameters.items()}]

async def main(backend, kernels, given, cases):
    return [await trained(backend, kernels, given, settings) for settings in cases]
"""


@pytest.mark.parametrize(
    ("backend", "kernels"),
    [("wasm", "stock"), ("cpu", "stock"), ("wasm", "simd"), ("wasm", "relaxed")],
)
def test_every_setting_does_what_it_does_in_pytorch(
    laboratory: Laboratory, backend: str, kernels: str
) -> None:
    cases = FIGURES["cases"]
    found = laboratory.run(
        SHARED + dedent(TRAIN),
        backend=backend,
        kernels=kernels,
        given={key: FIGURES[key] for key in ("inputs", "labels", "batches", "weights")},
        cases=[case["training"] for case in cases],
    )
    largest = 0.0
    for case, (losses, weights) in zip(cases, found, strict=True):
        assert losses == pytest.approx(case["losses"], abs=TOLERANCE), case["training"]
        assert weights.keys() == case["weights"].keys()
        for name, numbers in weights.items():
            wanted = case["weights"][name]
            assert numbers == pytest.approx(wanted, abs=TOLERANCE), (case["training"], name)
            largest = max([largest, *(abs(a - b) for a, b in zip(numbers, wanted, strict=True))])
    print(backend, kernels, len(cases), "cases, largest difference", largest)
