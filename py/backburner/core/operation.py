"""One operation as the page knows it, and as JSON for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backburner.core.lifecycle import ACTIVE, Status
from backburner.core.messages import EpochEnd, Fault, Guess, ModelReady, Score, TrainingProgressed


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation as the page knows it. `recipe` is the complete JSON recipe.

    Absent figures are None until the first report; times are seconds since 1970.
    """

    id: str
    kind: str
    name: str
    recipe: Mapping[str, object]
    status: Status
    created: float
    epochs: int
    started: float | None = None
    finished: float | None = None
    backend: str | None = None
    kernels: str | None = None
    progress: TrainingProgressed | None = None
    epoch_ends: tuple[EpochEnd, ...] = ()
    model: ModelReady | None = None
    test: Score | None = None
    guesses: tuple[Guess, ...] = ()
    error: Fault | None = None
    lives: bool = False
    """Whether the worker holds its model: only then can it be asked anything."""
    mode: str | None = None
    """ "worker" or "main-thread": where it trains, or trained last."""
    checkpoint: int | None = None
    """The step of its newest checkpoint that is safe; None where there is none."""
    trouble: Fault | None = None
    """Why its newest checkpoint could not be kept; None when it could."""
    resumed_at: int | None = None
    """The step from which it was taken up last; None for a run that never was."""
    redone: int = 0
    """How many steps were trained twice because of interruptions."""
    restarts: int = 0
    """How often in a row it was restarted by itself from the same checkpoint."""
    elsewhere: bool = False
    """Whether another tab has it at this moment."""
    data_sha256: str | None = None
    parameters: int | None = None

    @property
    def step(self) -> int:
        return self.progress.step if self.progress else 0

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    def snapshot(self) -> dict[str, object]:
        """The JSON that the automation hook and other people's tests see (CONTRACTS.md)."""
        at = self.progress
        last = self.epoch_ends[-1] if self.epoch_ends else None
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "status": self.status.value,
            "epoch": at.epoch if at else 0,
            "epochs": self.epochs,
            "step": self.step,
            "steps": at.steps if at else self.model.steps if self.model else None,
            "loss": at.loss if at else None,
            "accuracy": at.accuracy if at else None,
            "validation": last and last.validation and last.validation.as_dict(),
            "test": self.test and self.test.as_dict(),
            "samples_per_s": at.samples_per_s if at else None,
            "eta_s": at.eta_s if at else None,
            "mode": self.mode,
            "backend": self.backend,
            "kernels": self.kernels,
            "started": self.started,
            "parameters": self.parameters,
            "checkpoint": self.checkpoint,
            "resumed_at": self.resumed_at,
            "redone": self.redone,
            "trouble": _fault(self.trouble),
            "error": _fault(self.error),
            "recipe": brief_recipe(self.recipe),
            "timing": {
                "created": self.created,
                "started": self.started,
                "finished": self.finished,
                "elapsed_s": at.elapsed_s if at else None,
                "ms_per_step": at.ms_per_step if at else None,
            },
        }


def brief_recipe(recipe: Mapping[str, object]) -> dict[str, object]:
    """A recipe for snapshots and records: examples that stand in it are only counted.

    They can be megabytes, and a snapshot is made for every report.
    """
    brief = dict(recipe)
    data = recipe.get("data")
    if isinstance(data, Mapping) and isinstance(inputs := data.get("inputs"), list | tuple):
        kept = {key: value for key, value in data.items() if key not in ("inputs", "labels")}
        brief["data"] = {**kept, "examples": len(inputs)}
    return brief


def _fault(fault: Fault | None) -> dict[str, str] | None:
    if fault is None:
        return None
    named = {"name": fault.name, "message": fault.message}
    return {**named, "key": fault.key} if fault.key else named
