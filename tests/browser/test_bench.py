"""The hook's bench: how long steps take, in the worker, on the code that trains."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import LONG, TINY, Visit

pytestmark = pytest.mark.browser

DENSE: dict[str, Any] = {
    "input": [8, 8, 1],
    "layers": [{"type": "flatten"}, {"type": "dense", "units": 10, "activation": "softmax"}],
    "batch_size": 8,
    "optimizer": "sgd",
}
SEQUENCE: dict[str, Any] = {
    "input": [16, 6],
    "layers": [
        {"type": "conv1d", "filters": 6, "kernel_size": 3, "padding": "causal",
         "dilation_rate": dilation, "activation": "relu"}
        for dilation in (1, 2)
    ],
    "batch_size": 4,
    "optimizer": "adam",
}  # fmt: skip
QUICK = {"warmup_ms": 0, "round_ms": 10, "rounds": 2}


def test_a_bench_gives_one_median_for_each_round_and_leaves_nothing_behind(
    shared_visit: Visit,
) -> None:
    shared_visit.hook("bench", DENSE, QUICK)  # the first one registers kernels, for good
    before = shared_visit.hook("diagnostics")
    for workload in (DENSE, SEQUENCE):
        found = shared_visit.hook("bench", workload, QUICK)
        assert (found["backend"], found["kernels"]) == ("wasm", shared_visit.ready()["kernels"])
        assert found["executor"] in ("tape", "plan")
        for name in ("ms_per_step", "best_ms", "steps"):
            assert len(found[name]) == 2
            assert min(found[name]) > 0
        assert all(
            best <= each for best, each in zip(found["best_ms"], found["ms_per_step"], strict=True)
        )
        assert found["phases"]
    after = shared_visit.hook("diagnostics")
    assert (after["tensors"], after["models"]) == (before["tensors"], before["models"])
    assert shared_visit.hook("operations") == []


@pytest.mark.parametrize(("batch_size", "units"), [(1, 10), (8, 1_000)])
def test_not_every_unit_needs_an_example(shared_visit: Visit, batch_size: int, units: int) -> None:
    workload = {
        **DENSE,
        "batch_size": batch_size,
        "layers": [{"type": "flatten"}, {"type": "dense", "units": units}],
    }
    assert shared_visit.hook("bench", workload, QUICK)["executor"] == "plan"


def test_a_training_under_way_ends_with_the_same_weights(visit: Visit) -> None:
    recipe = {**TINY, "training": {"epochs": 200}}
    undisturbed = visit.train(recipe)
    key = visit.start(recipe)
    visit.until_step(key, 1)
    assert len(visit.hook("bench", DENSE, QUICK)["ms_per_step"]) == 2
    assert visit.hook("operation", key)["status"] == "running"
    assert visit.hook("wait", key)["status"] == "completed"
    hashes = {visit.hook("weights", each)["sha256"] for each in (undisturbed["id"], key)}
    assert len(hashes) == 1


def test_another_backend_is_measured_and_left_again(visit: Visit) -> None:
    first = visit.train(TINY)
    found = visit.hook("bench", DENSE, {**QUICK, "backend": "cpu"})
    assert (found["backend"], found["executor"]) == ("cpu", "tape")
    assert visit.hook("bench", DENSE, QUICK)["backend"] == "wasm"
    second = visit.train(TINY)
    hashes = {visit.hook("weights", each["id"])["sha256"] for each in (first, second)}
    assert len(hashes) == 1


def test_another_backend_is_measured_beside_a_training(visit: Visit) -> None:
    key = visit.start(LONG)
    visit.until_step(key, 1)
    found = visit.hook("bench", DENSE, {**QUICK, "backend": "cpu"})
    assert (found["backend"], found["executor"]) == ("cpu", "tape")
    assert visit.hook("operation", key)["status"] == "running"
    assert visit.hook("stop", key)["backend"] == "wasm"


@pytest.mark.parametrize(
    ("workload", "options", "key"),
    [
        (None, None, None),
        ({}, {}, "input"),
        ({**DENSE, "layers": [{"type": "conv2d"}]}, {}, "layers[0].filters"),
        ({**DENSE, "optimizer": "adagrad"}, {}, "optimizer"),
        (DENSE, {"backend": "abacus"}, "backend"),
        (DENSE, {"round_ms": -1}, "round_ms"),
        (DENSE, {"rounds": "many"}, "rounds"),
    ],
    ids=["nothing", "empty", "layer", "optimizer", "backend", "time", "rounds"],
)
def test_what_cannot_be_measured_is_refused_naming_the_key(
    shared_visit: Visit, workload: Any, options: Any, key: str | None
) -> None:
    refused = shared_visit.hook("bench", workload, options)["refused"]
    assert refused["message"]
    assert refused.get("key") == key
