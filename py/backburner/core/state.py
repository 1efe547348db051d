"""What the page knows, and the one function that changes it.

`State` is a value; `reduce(state, change)` gives the next one. Changes are facts: something
was asked for, a report arrived from the worker, the worker's life moved on. Nothing here
knows where they come from; times are part of them. Curves grow without end, so they are kept
beside the state (core/curves.py), not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never

from backburner.core.errors import Expired
from backburner.core.kinds import TABLE
from backburner.core.lifecycle import (
    FINAL,
    RESUMABLE,
    Event,
    Status,
    WorkerStatus,
    advance,
    advance_worker,
)
from backburner.core.messages import (
    Checkpointed,
    CheckpointFailed,
    Fault,
    GenerationCompleted,
    GenerationProgressed,
    ModelReady,
    PreparationReported,
    TrainingCompleted,
    TrainingProgressed,
    WorkerReady,
)
from backburner.core.operation import Operation

WITHOUT_WORKER = "off"
"""The reason for the main thread when the address asked for it; every other one is a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """The worker as the page knows it; `generation` counts the kitchens since the page loaded.

    `mode` is where it is: "worker", or "main-thread" when the page itself has to do the work,
    and then `reason` says why: WITHOUT_WORKER, or what failed.
    """

    status: WorkerStatus = WorkerStatus.NONE
    generation: int = 0
    mode: str = "worker"
    reason: str | None = None
    facts: WorkerReady | None = None
    problem: str | None = None


class PartState(StrEnum):
    """How one part of the start is doing."""

    WAITING = "waiting"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the start; `detail` says why it failed."""

    state: PartState = PartState.WAITING
    detail: str = ""


PARTS = ("python", "tensorflow", "runs", "data")
"""What has to be loaded before everything can be used, in the order in which it is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Operations in the order in which they were asked for, the worker, the parts of the start."""

    operations: Mapping[str, Operation] = field(default_factory=lambda: MappingProxyType({}))
    worker: Worker = field(default_factory=Worker)
    parts: Mapping[str, Part] = field(
        default_factory=lambda: MappingProxyType({name: Part() for name in PARTS})
    )

    def active(self) -> Operation | None:
        """The operation that the worker is busy with (kinds don't run side by side yet)."""
        return next((each for each in self.operations.values() if each.is_active), None)

    def queued(self) -> Operation | None:
        """The first operation that waits, and for nothing but its turn."""
        waiting = (each for each in self.operations.values() if each.status is Status.QUEUED)
        return next((each for each in waiting if self._may_begin(each)), None)

    def hopeless(self) -> list[Operation]:
        """Those that wait for an operation that will never be completed."""
        waiting = (each for each in self.operations.values() if each.status is Status.QUEUED)
        return [each for each in waiting if each.waits_for and self._is_lost(each.waits_for)]

    def _may_begin(self, operation: Operation) -> bool:
        before = self.operations.get(operation.waits_for or "")
        if before is None:
            return operation.waits_for is None
        return before.status is Status.COMPLETED

    def _is_lost(self, key: str) -> bool:
        """Whether an operation is gone, or has ended otherwise and cannot go on.

        What was stopped or interrupted can be taken up again: whoever waits for it goes on waiting.
        """
        found = self.operations.get(key)
        if found is None:
            return True
        is_gone = found.error is not None and found.error.name == Expired.__name__
        is_final = found.status in FINAL and found.status is not Status.COMPLETED
        return is_final or (found.status in RESUMABLE and is_gone)

    @property
    def backend(self) -> str | None:
        """The backend in use: of what is under way, else of the last model that stands, else the
        one that the worker started with. None before that is known."""
        living = [each for each in self.operations.values() if each.lives and each.backend]
        current = next((each for each in living if each.is_active), living[-1] if living else None)
        facts = self.worker.facts
        return current.backend if current else facts.backend if facts else None

    def queued_count(self) -> int:
        """How many operations wait."""
        return sum(each.status is Status.QUEUED for each in self.operations.values())


# --- changes ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """The records of earlier visits were read, from localStorage or from the worker's database.

    They say more than what was known of the same operation, unless it is under way here.
    """

    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """A new operation was asked for."""

    operation: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """An operation's life went on, with nothing else to say.

    `checkpoint` is the newest one's step where the report names it.
    """

    id: str
    event: Event
    at: float
    checkpoint: int | None = None


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
    report: (
        PreparationReported
        | ModelReady
        | TrainingProgressed
        | TrainingCompleted
        | GenerationProgressed
        | GenerationCompleted
        | Checkpointed
        | CheckpointFailed
    )
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A backend failed under an operation, which goes on without it."""

    id: str
    backend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """The worker no longer holds an operation's model."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """An operation and all that was kept of it is gone."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """Whether another tab has an operation."""

    id: str
    elsewhere: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PartMoved:
    """A part of the start got on, or failed."""

    name: str
    part: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerMoved:
    """The worker's life went on."""

    status: WorkerStatus
    generation: int
    mode: str = "worker"
    reason: str | None = None
    facts: WorkerReady | None = None
    problem: str | None = None


Change = (
    Recovered
    | Requested
    | Moved
    | Failed
    | Reported
    | Dropped
    | Forgotten
    | Cleared
    | Marked
    | PartMoved
    | WorkerMoved
)


def reduce(state: State, change: Change) -> State:
    """The state after `change`. Raises LifecycleError for an impossible move."""
    match change:
        case Recovered():
            return _with_operations(state, _recovered(state, change))
        case Requested():
            return _with(state, change.operation)
        case Moved():
            return _with(state, _moved(state.operations[change.id], change))
        case Failed():
            before = state.operations[change.id]
            after = replace(
                before,
                status=advance(before.status, change.event),
                trying=None,
                error=change.error,
                finished=change.at,
            )
            return _with(state, after)
        case Reported():
            return _with(state, _reported(state, state.operations[change.id], change))
        case Dropped():
            before = state.operations[change.id]
            return _with(state, replace(before, dropped=(*before.dropped, change.backend)))
        case Forgotten():
            return _with(state, replace(state.operations[change.id], lives=False))
        case Cleared():
            left = {key: each for key, each in state.operations.items() if key != change.id}
            return _with_operations(state, left)
        case Marked():
            before = state.operations[change.id]
            return _with(state, replace(before, elsewhere=change.elsewhere))
        case PartMoved():
            parts = {**state.parts, change.name: change.part}
            return replace(state, parts=MappingProxyType(parts))
        case WorkerMoved():
            return _worker_moved(state, change)
        case _:
            assert_never(change)


def _recovered(state: State, change: Recovered) -> dict[str, Operation]:
    """All operations, in the order in which they were asked for."""
    found = {each.id: each for each in change.operations}
    for key, here in state.operations.items():
        there = found.get(key)
        if there is None or here.is_active or here.lives:
            found[key] = here
        elif here.status is Status.QUEUED and there.status in RESUMABLE:
            # It waits to be taken up; that it was cut off is known.
            found[key] = replace(there, status=here.status, error=None)
    return dict(sorted(found.items(), key=lambda item: item[1].created))


def _moved(operation: Operation, change: Moved) -> Operation:
    after = replace(
        operation,
        status=advance(operation.status, change.event),
        checkpoint=operation.checkpoint if change.checkpoint is None else change.checkpoint,
        trying=None,
    )
    match change.event:
        case Event.BEGIN:
            return replace(after, started=operation.started or change.at, finished=None)
        case Event.STOPPED | Event.ABORTED:
            return replace(after, finished=change.at)
        case Event.TAKE_UP:
            return replace(after, error=None, elsewhere=False, restarts=0)
        case Event.MODEL_READY:
            # Its model was in the worker still: nothing has to be trained again.
            return replace(after, resumed_at=operation.step)
        case Event.RESTART:
            return replace(after, lives=False, restarts=operation.restarts + 1)
        case _:
            return after


def _reported(state: State, operation: Operation, change: Reported) -> Operation:
    facts = state.worker.facts
    trains = TABLE[operation.kind].trains
    match change.report:
        case PreparationReported() as report:
            return replace(
                operation,
                trying=report.backend,
                promised_bytes=report.needed_bytes,
                available_bytes=report.available_bytes,
            )
        case ModelReady() as report:
            # A stop may have been asked for meanwhile; the model stands all the same.
            status = operation.status
            if status is Status.INITIALIZING:
                status = advance(status, Event.MODEL_READY)
            if report.step or operation.step:
                operation = _taken_up(operation, report)
            return replace(
                operation,
                status=status,
                checkpoint=operation.checkpoint if report.kept is None else report.kept,
                model=report,
                lives=True,
                backend=report.backend or (facts.backend if facts and trains else None),
                kernels=report.kernels or (facts.kernels if facts and trains else None),
                executor=report.executor or None,
                mode=state.worker.mode,
                data_sha256=report.data_sha256,
                recipe_sha256=report.recipe_sha256 or None,
                version=report.version or None,
                parameters=report.parameters,
                trained_parameters=report.trained_parameters,
                network=report.network,
                trying=None,
                measured=report.measured or operation.measured,
                inexact=report.inexact,
                promised_s=report.promised_s,
                promised_bytes=report.promised_bytes,
                baselines=report.baselines,
            )
        case TrainingProgressed() as report:
            # The points are on the curve already; the state keeps where the training is.
            return replace(
                operation,
                progress=replace(report, points=(), epoch_ends=()),
                epoch_ends=operation.epoch_ends + report.epoch_ends,
            )
        case GenerationProgressed() as report:
            return replace(
                operation,
                writing=replace(report, text=""),
                text=operation.text + report.text,
            )
        case GenerationCompleted() as report:
            return replace(
                operation,
                status=advance(operation.status, Event.COMPLETE),
                text=report.text,
                checkpoint=report.checkpoint,
                finished=change.at,
            )
        case TrainingCompleted() as report:
            return replace(
                operation,
                status=advance(operation.status, Event.COMPLETE),
                test=report.test,
                comparison=report.comparison or operation.comparison,
                guesses=report.guesses,
                checkpoint=report.checkpoint,
                stopped_early=report.stopped_early,
                finished=change.at,
            )
        case Checkpointed() as report:
            # It got further than the one that it was restarted from.
            return replace(operation, checkpoint=report.step, trouble=None, restarts=0)
        case CheckpointFailed() as report:
            return replace(operation, trouble=report.error)
        case _ as unknown:
            assert_never(unknown)


def _taken_up(operation: Operation, report: ModelReady) -> Operation:
    """The run goes back to its checkpoint: what was trained after it is trained again."""
    under_way = operation.status not in FINAL
    written = report.writing
    return replace(
        operation,
        progress=report.progress,
        epoch_ends=report.epoch_ends,
        checkpoint=report.step or None,
        writing=replace(written, text="") if written else None,
        text=written.text if written else "",
        resumed_at=report.step if under_way else operation.resumed_at,
        redone=operation.redone + max(0, operation.step - report.step) * under_way,
    )


def _worker_moved(state: State, change: WorkerMoved) -> State:
    before = state.worker
    after = Worker(
        status=advance_worker(before.status, change.status),
        generation=change.generation,
        mode=change.mode,
        reason=change.reason,
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
