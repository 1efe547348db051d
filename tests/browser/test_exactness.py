"""Exactness over threads: a run that wanders between worker and page ends as one that does not."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.browser.conftest import Visit

pytestmark = pytest.mark.browser

EPOCHS = 100
OPTIMIZERS: list[dict[str, Any]] = [
    {"optimizer": "adam"},
    {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.9},
    {"optimizer": "adamw", "weight_decay": 0.1},
]

SETTINGS: list[dict[str, Any]] = [
    {},
    {"class_weights": "balanced", "schedule": {"name": "step"}},
    {
        "augmentation": {"shift": 0.1, "rotate": 10, "flip": True, "noise": 0.05},
        "schedule": {"name": "cosine", "warmup_steps": 100},
        "l2": 0.001,
    },
    {"augmentation": {"noise": 0.2}, "early_stopping": {"patience": 10, "min_delta": 0.01}},
]
"""The last one is done early, after some eighty epochs."""


def recipe(number: int) -> dict[str, Any]:
    return {
        "recipe": 1,
        "seed": number,
        "model": {
            "layers": [
                {"type": "conv2d", "filters": 4, "kernel_size": 3, "activation": "relu"},
                {"type": "max_pooling2d"},
                {"type": "dropout", "rate": 0.25},
            ]
        },
        "training": {"epochs": EPOCHS, **OPTIMIZERS[number % len(OPTIMIZERS)], **SETTINGS[number]},
    }


@pytest.mark.parametrize("number", range(len(SETTINGS)))
def test_a_run_that_wanders_between_worker_and_page_ends_with_the_same_weights(
    visit: Visit, number: int
) -> None:
    r = random.Random(number)
    undisturbed = visit.train(recipe(number))
    key = visit.start(recipe(number))
    at, places = 0, ["?worker=off", "", "?worker=off"]
    for place in places[: r.randint(2, 3)]:
        at += r.randint(30, 250)
        visit.until_step(key, at)
        stops = r.random() < 0.5
        if stops:
            visit.hook("stop", key)
        visit.open(place)  # if it was not stopped it is torn off, and goes on by itself
        mode = visit.ready()["mode"]
        assert mode == ("main-thread" if place else "worker")
        if stops:
            assert visit.hook("resume", key)["status"] == "running"
    done = visit.hook("wait", key)
    assert (done["status"], done["mode"]) == ("completed", mode)
    for name in ("step", "stopped_early", "test"):
        assert done[name] == undisturbed[name]
    assert bool(done["stopped_early"]) == ("early_stopping" in SETTINGS[number])
    assert 0 < done["resumed_at"] < done["step"]
    hashes = {visit.hook("weights", each)["sha256"] for each in (undisturbed["id"], key)}
    assert len(hashes) == 1
