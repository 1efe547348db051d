"""One operation as the page knows it, and as JSON for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backburner.core.backends import Trial
from backburner.core.fingerprint import Fingerprint
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
    executor: str | None = None
    recipe_sha256: str | None = None
    version: str | None = None
    """Of the Backburner that computes it."""
    wanted: str | None = None
    """The backend that was asked for by name; None leaves it to a measurement."""
    trying: str | None = None
    """The backend that is being asked for something until its model stands: to be measured, or,
    being the chosen one, to build it."""
    measured: tuple[Trial, ...] = ()
    """How the backends did that were tried for it."""
    dropped: tuple[str, ...] = ()
    """The backends that failed under it: it goes on without them."""
    inexact: bool = False
    """Whether parts of it were computed in different ways: then its result is not to be had again
    bit by bit."""
    promised_s: float | None = None
    """How long it is to train, as far as a measurement could tell before it began."""
    promised_bytes: int | None = None
    available_bytes: int | None = None
    """What a page can have here at most; of this page's runs only."""

    @property
    def fingerprint(self) -> Fingerprint | None:
        """All that its result follows from; None before its model stood."""
        parts = (self.recipe_sha256, self.data_sha256, self.version, self.backend, self.kernels)
        if any(part is None for part in (*parts, self.executor)):
            return None
        return Fingerprint(
            recipe_sha256=self.recipe_sha256 or "",
            data_sha256=self.data_sha256 or "",
            version=self.version or "",
            backend=self.backend or "",
            kernels=self.kernels or "",
            executor=self.executor or "",
        )

    @property
    def computes_on(self) -> str | None:
        """The backend that works for it, or did last, be it only for a trial; None before that."""
        backend = self.trying or self.backend
        return None if backend in self.dropped else backend

    @property
    def took_s(self) -> float | None:
        """How long it has trained, once it is done: what its promise is held against."""
        done = self.status is Status.COMPLETED and self.progress is not None
        return self.progress.elapsed_s if done and self.progress else None

    @property
    def can_be_run_again(self) -> bool:
        """Whether its recipe is all here: in records, examples are only counted."""
        data = self.recipe.get("data")
        return not (isinstance(data, Mapping) and "examples" in data)

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
            "executor": self.executor,
            "trying": self.trying,
            "dropped": list(self.dropped),
            "inexact": self.inexact,
            "fingerprint": self.fingerprint and self.fingerprint.as_dict(),
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
                "promised_s": self.promised_s,
                "promised_bytes": self.promised_bytes,
                "took_s": self.took_s,
                "measured": {each.backend: each.ms_per_step for each in self.measured},
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
