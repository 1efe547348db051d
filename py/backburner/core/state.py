"""What the page knows, and the one function that changes it.

`State` is a value; `reduce(state, change)` gives the next one. Changes are facts: something
was asked for, a report arrived from the worker, the worker's life moved on. Nothing here
knows where they come from; times are part of them. Curves grow without end, so they are kept
beside the state (core/curves.py), not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import assert_never

from backburner.core.lifecycle import ACTIVE, Event, Status, WorkerStatus, advance, advance_worker
from backburner.core.messages import (
    EpochEnd,
    Fault,
    Guess,
    ModelReady,
    Score,
    TrainingCompleted,
    TrainingProgressed,
    WorkerReady,
)


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
            "mode": "worker",
            "backend": self.backend,
            "kernels": self.kernels,
            "started": self.started,
            "parameters": self.model.parameters if self.model else None,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """The worker as the page knows it; `generation` counts the workers since the page loaded."""

    status: WorkerStatus = WorkerStatus.NONE
    generation: int = 0
    facts: WorkerReady | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Operations in the order in which they were asked for, and the worker."""

    operations: Mapping[str, Operation] = field(default_factory=lambda: MappingProxyType({}))
    worker: Worker = field(default_factory=Worker)

    def active(self) -> Operation | None:
        """The operation that the worker is busy with (kinds don't run side by side yet)."""
        return next((each for each in self.operations.values() if each.is_active), None)

    def queued(self) -> Operation | None:
        """The first operation that waits."""
        waiting = (each for each in self.operations.values() if each.status is Status.QUEUED)
        return next(waiting, None)

    def queued_count(self) -> int:
        """How many operations wait."""
        return sum(each.status is Status.QUEUED for each in self.operations.values())


# --- changes ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """The records of earlier visits were read."""

    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """A new operation was asked for."""

    operation: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """An operation's life went on, with nothing else to say."""

    id: str
    event: Event
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An operation ended by an error (`Event.FAIL`) or was cut off (`Event.INTERRUPT`)."""

    id: str
    event: Event
    error: Fault
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """The worker reported on an operation."""

    id: str
    report: ModelReady | TrainingProgressed | TrainingCompleted
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """The worker no longer holds an operation's model."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerMoved:
    """The worker's life went on."""

    status: WorkerStatus
    generation: int
    facts: WorkerReady | None = None
    problem: str | None = None


Change = Recovered | Requested | Moved | Failed | Reported | Forgotten | WorkerMoved


def reduce(state: State, change: Change) -> State:
    """The state after `change`. Raises LifecycleError for an impossible move."""
    match change:
        case Recovered():
            found = {each.id: each for each in change.operations}
            return _with_operations(state, {**found, **state.operations})
        case Requested():
            return _with(state, change.operation)
        case Moved():
            return _with(state, _moved(state.operations[change.id], change))
        case Failed():
            before = state.operations[change.id]
            after = replace(
                before,
                status=advance(before.status, change.event),
                error=change.error,
                finished=change.at,
            )
            return _with(state, after)
        case Reported():
            return _with(state, _reported(state, state.operations[change.id], change))
        case Forgotten():
            return _with(state, replace(state.operations[change.id], lives=False))
        case WorkerMoved():
            return _worker_moved(state, change)
        case _:
            assert_never(change)


def _moved(operation: Operation, change: Moved) -> Operation:
    status = advance(operation.status, change.event)
    after = replace(operation, status=status)
    if change.event is Event.BEGIN:
        return replace(after, started=change.at)
    if change.event is Event.STOPPED:
        return replace(after, finished=change.at)
    return after


def _reported(state: State, operation: Operation, change: Reported) -> Operation:
    facts = state.worker.facts
    match change.report:
        case ModelReady() as report:
            # A stop may have been asked for meanwhile; the model stands all the same.
            status = operation.status
            if status is Status.INITIALIZING:
                status = advance(status, Event.MODEL_READY)
            return replace(
                operation,
                status=status,
                model=report,
                lives=True,
                backend=facts.backend if facts else None,
                kernels=facts.kernels if facts else None,
            )
        case TrainingProgressed() as report:
            # The points are on the curve already; the state keeps where the training is.
            return replace(
                operation,
                progress=replace(report, points=(), epoch_ends=()),
                epoch_ends=operation.epoch_ends + report.epoch_ends,
            )
        case TrainingCompleted() as report:
            return replace(
                operation,
                status=advance(operation.status, Event.COMPLETE),
                test=report.test,
                guesses=report.guesses,
                finished=change.at,
            )
        case _ as unknown:
            assert_never(unknown)


def _worker_moved(state: State, change: WorkerMoved) -> State:
    before = state.worker
    after = Worker(
        status=advance_worker(before.status, change.status),
        generation=change.generation,
        facts=change.facts or (before.facts if change.generation == before.generation else None),
        problem=change.problem,
    )
    if change.status is not WorkerStatus.LOST:
        return replace(state, worker=after)
    # A worker takes its models with it.
    gone = {key: replace(each, lives=False) for key, each in state.operations.items()}
    return replace(_with_operations(state, gone), worker=after)


def _with(state: State, operation: Operation) -> State:
    return _with_operations(state, {**state.operations, operation.id: operation})


def _with_operations(state: State, operations: dict[str, Operation]) -> State:
    return replace(state, operations=MappingProxyType(operations))
