"""Every type of layer against what PyTorch makes of it: outputs, gradients, statistics.

The figures are data: tests/data/make_layer_figures.py made them, and says how the forms of the two
libraries were brought together.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backburner.core.layers import LAYER_TYPES, layers_from_wire
from backburner.core.model import ModelSpec
from tests.engine.keras_reference import logits
from tests.engine.laboratory import Laboratory
from tests.engine.test_layer_gradients import COMPUTE

FIGURES: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "data" / "layer_figures.json").read_text(encoding="utf-8")
)
CASES: list[dict[str, Any]] = FIGURES["cases"]

TOLERANCE = 5e-6
"""Of the largest number of an output or a gradient; ours are of float32."""


def spec_of(case: dict[str, Any]) -> ModelSpec:
    symbols = case["symbols"]
    return ModelSpec.from_layers(
        layers_from_wire(case["layers"]),
        tuple(case["shape"]),
        classes=symbols or 3,
        symbols=symbols,
    )


def test_there_are_figures_of_every_type_of_layer_that_draws_nothing() -> None:
    types = {each.layer.type for case in CASES for each in spec_of(case).walk()}
    assert types | {"dropout"} == set(LAYER_TYPES)


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_the_reference_of_the_other_tests_agrees_with_pytorch(training: bool) -> None:
    for case in CASES:
        spec = spec_of(case)
        values = {
            name: np.array(case["values"][name]).reshape(each.shape)
            for name, each in spec.parameters()
        }
        x = np.array(case["x"], dtype=float).reshape(case["batch"], *case["shape"])
        found = logits(spec, values, x, training=training)
        wanted = case["logits" if training else "inference"]
        assert np.abs(found.ravel() - wanted).max() < 1e-8, case["layers"]


@pytest.mark.browser
@pytest.mark.parametrize("backend", ["wasm", "cpu"])
def test_every_layer_does_what_it_does_in_pytorch(laboratory: Laboratory, backend: str) -> None:
    asked = [{**case, "training": training} for training in (True, False) for case in CASES]
    found = laboratory.run(COMPUTE, backend=backend, cases=asked)
    farthest = 0.0
    for case, (output, gradients, statistics) in zip(asked, found, strict=True):
        pairs = [(output, case["logits" if case["training"] else "inference"])]
        if case["training"]:
            assert gradients.keys() == case["gradients"].keys()
            assert statistics.keys() == case["statistics"].keys()
            pairs += [(gradients[name], wanted) for name, wanted in case["gradients"].items()]
            pairs += [(statistics[name], wanted) for name, wanted in case["statistics"].items()]
        else:
            assert statistics == {}
        for ours, theirs in pairs:
            error = np.abs(np.subtract(ours, theirs)).max() / max(1.0, np.abs(theirs).max())
            assert error < TOLERANCE, case["layers"]
            farthest = max(farthest, error)
    print(f"{backend}: {len(CASES)} models, farthest from PyTorch {farthest:.1e}")
