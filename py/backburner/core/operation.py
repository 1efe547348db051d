"""One operation as the page knows it, and as JSON for others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from backburner.core.backends import Trial
from backburner.core.fingerprint import Fingerprint
from backburner.core.layers import Embedding
from backburner.core.lifecycle import ACTIVE, Status
from backburner.core.messages import (
    Baseline,
    Comparison,
    EpochEnd,
    Fault,
    GenerationProgressed,
    Guess,
    ModelReady,
    Score,
    StoppedEarly,
    TrainingProgressed,
)
from backburner.core.text_data import TextData
from backburner.core.wire import to_json


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
    baselines: tuple[Baseline, ...] = ()
    """What a model of text is held against."""
    stopped_early: StoppedEarly | None = None
    """Why it was done before all its epochs; None where it was not."""
    base: str | None = None
    """The operation with whose network it begins; None for one with a new network."""
    after: str | None = None
    """The operation that has to be completed before it may begin."""
    network: Mapping[str, object] | None = None
    """What another one can begin with, once it is completed: core/fine_tuning.py's Base."""
    trained_parameters: int | None = None
    """How many of the parameters learn."""
    comparison: Comparison | None = None
    """Of a fine-tuning: the network before it and after."""
    writing: GenerationProgressed | None = None
    """How far one that writes is, its `text` left out."""
    text: str = ""
    """What it has written so far, without the prompt."""

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
        """How long it has worked, once it is done: what its promise is held against."""
        return self.elapsed_s if self.status is Status.COMPLETED else None

    @property
    def may_stop_early(self) -> bool:
        """Whether its recipe lets it end before all its epochs."""
        training = self.recipe.get("training")
        return isinstance(training, Mapping) and bool(training.get("early_stopping"))

    @property
    def can_be_run_again(self) -> bool:
        """Whether its recipe is all here: in records, examples are only counted."""
        data = self.recipe.get("data")
        return not (isinstance(data, Mapping) and ("examples" in data or "characters" in data))

    @property
    def step(self) -> int:
        """How far it is: in steps, or, of one that writes, in characters."""
        if self.writing is not None:
            return self.writing.characters
        return self.progress.step if self.progress else 0

    @property
    def steps(self) -> int | None:
        """How far it is to go; None before that is known."""
        if self.writing is not None:
            return self.writing.length
        return self.progress.steps if self.progress else self.model.steps if self.model else None

    @property
    def elapsed_s(self) -> float | None:
        """The time that it has worked; None before it began."""
        at = self.writing or self.progress
        return at.elapsed_s if at else None

    @property
    def eta_s(self) -> float | None:
        """How long it will go on working, as far as can be told."""
        at = self.writing or self.progress
        return at.eta_s if at else None

    @property
    def reads_text(self) -> bool:
        """Whether its network is one of texts: it has no pictures to show, and it can write."""
        match self.network:
            case {"layers": [{"type": Embedding.type}, *_]}:
                return True
        return False

    @property
    def waits_for(self) -> str | None:
        """The operation that has to be completed first; None once it has begun itself."""
        return self.after if self.started is None else None

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
            "steps": self.steps,
            "loss": at.loss if at else None,
            "accuracy": at.accuracy if at else None,
            "validation": self._scored(last.validation if last else None),
            "test": self._scored(self.test),
            "stopped_early": self.stopped_early and self.stopped_early.as_dict(),
            "samples_per_s": at.samples_per_s if at else None,
            "eta_s": self.eta_s,
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
            "base": self.base,
            "after": self.after,
            "recipe": brief_recipe(self.recipe),
            **self._compared(),
            **self._of_its_kind(),
            "timing": {
                "created": self.created,
                "started": self.started,
                "finished": self.finished,
                "elapsed_s": self.elapsed_s,
                "ms_per_step": at.ms_per_step if at else None,
                "promised_s": self.promised_s,
                "promised_bytes": self.promised_bytes,
                "took_s": self.took_s,
                "measured": {each.backend: each.ms_per_step for each in self.measured},
            },
        }

    @property
    def is_of_text(self) -> bool:
        """Whether it learns from a text: then a loss is told in bits per character, too."""
        data = self.recipe.get("data")
        return isinstance(data, Mapping) and data.get("source") == TextData.source

    def _scored(self, score: Score | None) -> dict[str, float] | None:
        if score is None or not self.is_of_text:
            return score.as_dict() if score else None
        return {**score.as_dict(), "bits_per_character": score.loss / math.log(2)}

    def _compared(self) -> dict[str, object]:
        """`{"baselines": {part: {"unigram", "bigram"}}}` of a text, in bits per character."""
        if not self.is_of_text:
            return {}
        return {
            "baselines": {
                each.part: {"unigram": each.unigram, "bigram": each.bigram}
                for each in self.baselines
            }
        }

    def _of_its_kind(self) -> dict[str, object]:
        """What only a fine-tuning, or only one that writes, has to say."""
        if self.kind == "generate":
            at = self.writing
            return {
                "text": self.text,
                "characters": self.step,
                "characters_per_s": at.characters_per_s if at else None,
                "statistics": at and to_json(at.statistics),
            }
        if self.kind == "fine-tune":
            return {
                "method": self.recipe.get("method"),
                "trained_parameters": self.trained_parameters,
                "comparison": self.comparison
                and {**to_json(self.comparison), "forgotten": self.comparison.forgotten},
            }
        return {}


def brief_recipe(recipe: Mapping[str, object]) -> dict[str, object]:
    """A recipe for snapshots and records: what is to be learned from it is only counted.

    Examples and texts can be megabytes, and a snapshot is made for every report.
    """
    match recipe.get("data"):
        case {"inputs": list() | tuple() as inputs, **kept}:
            kept.pop("labels", None)
            return {**recipe, "data": {**kept, "examples": len(inputs)}}
        case {"images": list() | tuple() as images, **kept}:
            return {**recipe, "data": {**kept, "examples": len(images)}}
        case {"text": str() as text, **kept}:
            return {**recipe, "data": {**kept, "characters": len(text)}}
    return dict(recipe)


def _fault(fault: Fault | None) -> dict[str, str] | None:
    if fault is None:
        return None
    named = {"name": fault.name, "message": fault.message}
    return {**named, "key": fault.key} if fault.key else named
