"""Values that several tests need, with everything that does not matter filled in."""

from __future__ import annotations

from typing import Any

from backburner.core.lifecycle import Status
from backburner.core.messages import (
    EpochEnd,
    LayerFacts,
    ModelReady,
    Point,
    Score,
    TrainingProgressed,
    WorkerReady,
)
from backburner.core.operation import Operation
from backburner.core.texts import Texts
from backburner_site import checkout
from backburner_site.locale import read_catalogue

ENGLISH = Texts("en", read_catalogue(checkout.SITE / "locale" / "en"), strict=True)


def operation(key: str = "op-1", **changes: Any) -> Operation:
    values: dict[str, Any] = {
        "id": key,
        "kind": "train",
        "name": "",
        "recipe": {"recipe": 1, "kind": "train", "seed": 7},
        "status": Status.QUEUED,
        "created": 1_000.0,
        "epochs": 10,
    }
    return Operation(**{**values, **changes})


def model_ready(**changes: Any) -> ModelReady:
    values: dict[str, Any] = {
        "layers": (LayerFacts(name="dense_1", type="dense", shape=(2,), parameters=6),),
        "parameters": 6,
        "input_shape": (2, 1, 1),
        "classes": ("no", "yes"),
        "steps": 40,
        "epochs": 10,
        "sizes": {"train": 8, "validation": 2, "test": 2},
        "examples": (0, 1),
        "labels": ("no", "yes"),
        "data_sha256": "00" * 32,
    }
    return ModelReady(**{**values, **changes})


def progressed(step: int = 4, *steps: int, **changes: Any) -> TrainingProgressed:
    """A report of `step` and the given further steps; a fourth of them ends an epoch."""
    shown = (step, *steps)
    ends = tuple(
        EpochEnd(
            epoch=at // 4,
            step=at,
            loss=1.0 / at,
            accuracy=0.5,
            validation=Score(loss=2.0 / at, accuracy=0.25),
        )
        for at in shown
        if at % 4 == 0
    )
    values: dict[str, Any] = {
        "epoch": shown[-1] // 4,
        "epochs": 10,
        "step": shown[-1],
        "steps": 40,
        "loss": 1.0 / shown[-1],
        "accuracy": 0.5,
        "samples_per_s": 100.0,
        "ms_per_step": 10.0,
        "elapsed_s": shown[-1] * 0.01,
        "eta_s": (40 - shown[-1]) * 0.01,
        "points": tuple(Point(step=at, loss=1.0 / at, accuracy=0.5) for at in shown),
        "epoch_ends": ends,
    }
    return TrainingProgressed(**{**values, **changes})


def worker_ready(**changes: Any) -> WorkerReady:
    values: dict[str, Any] = {
        "backend": "wasm",
        "kernels": "stock",
        "start": "snapshot",
        "reason": "",
        "stages": {"ready": 900},
        "python": "3.14.0",
        "tensorflow": "4.22.0",
    }
    return WorkerReady(**{**values, **changes})
