"""What the control panel shows of an operation: one function of its state, one row a status.

Owns which words, which actions and which warnings belong to which status. The words are keys of
the catalogue with the values that they name; the views turn them into sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from backburner.core.kinds import TABLE
from backburner.core.lifecycle import ENDED, FINAL, RESUMABLE, Status
from backburner.core.messages import Fault
from backburner.core.operation import Operation
from backburner.core.state import WITHOUT_WORKER, Worker
from backburner.core.wording import Line


class Action(StrEnum):
    """What a button of the panel does."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    ABORT = "abort"
    PLAYGROUND = "playground"
    RUN_AGAIN = "run-again"
    NEW_MODEL = "new-model"
    RESET = "reset"
    CLEAR = "clear"


AS_PROMISED = 5
"""A promise that is off by fewer percent has been kept."""

SHORT_S = 1.0

ASKED_FIRST = frozenset({Action.ABORT, Action.CLEAR})
"""What cannot be undone is asked about before it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`notes` stand below the status; `fault` is an error to be explained (core/explanations.py).

    `waiting` is the action whose wish is being carried out: its button stays and does nothing.
    """

    status: Line
    actions: tuple[Action, ...]
    notes: tuple[Line, ...] = ()
    waiting: Action | None = None
    fault: Fault | None = None


def panel_of(operation: Operation) -> Panel:
    """The panel of an operation as it is now."""
    if operation.elsewhere and operation.status in RESUMABLE:
        # Two tabs never write one run: what could be done to it is done there.
        return Panel(
            status=Line("status.elsewhere.line", _values(operation)),
            actions=(Action.NEW_MODEL,),
        )
    fault = operation.error if operation.status is Status.FAILED or _is_gone(operation) else None
    return Panel(
        status=_status(operation),
        actions=_actions(operation),
        notes=_notes(operation),
        waiting=_WAITING.get(operation.status),
        fault=fault,
    )


def _is_gone(operation: Operation) -> bool:
    """Whether the browser has nothing more of a run that could otherwise be taken up again."""
    fault = operation.error
    return operation.status in RESUMABLE and fault is not None and fault.name == "Expired"


# Why a checkpoint could not be kept: each reason has its own way out.
_TROUBLES = {"StorageFull": "full", "StorageDenied": "denied"}
# Of a text, what is said of a training in steps is said in characters.
_WRITTEN = frozenset(
    {
        "initializing",
        "restarting",
        "pausing",
        "paused",
        "stopping",
        "stopped",
        "interrupted",
        "completed",
        "completed-without-checkpoint",
        "failed",
        "aborted",
    }
)
_WAITING = {Status.PAUSING: Action.PAUSE, Status.STOPPING: Action.STOP}


def _actions(operation: Operation) -> tuple[Action, ...]:
    actions = _actions_of_the_status(operation)
    is_over = operation.status in FINAL or _is_gone(operation)
    if is_over and operation.can_be_run_again:
        # Before New model: it leads to the same kind of place.
        at = actions.index(Action.NEW_MODEL)
        actions = (*actions[:at], Action.RUN_AGAIN, *actions[at:])
    return actions


def _actions_of_the_status(operation: Operation) -> tuple[Action, ...]:
    match operation.status:
        case Status.QUEUED | Status.INITIALIZING:
            return Action.STOP, Action.ABORT
        case Status.RUNNING | Status.PAUSING:
            return Action.PAUSE, Action.STOP, Action.ABORT
        case Status.PAUSED:
            return Action.RESUME, Action.STOP, Action.ABORT
        case Status.STOPPING:
            return (Action.STOP,)
        case Status.STOPPED | Status.INTERRUPTED if _is_gone(operation):
            return Action.NEW_MODEL, Action.CLEAR
        case Status.STOPPED | Status.INTERRUPTED:
            return Action.RESUME, Action.ABORT, Action.CLEAR
        case Status.COMPLETED if operation.checkpoint is None:
            return Action.RESET, Action.NEW_MODEL
        case Status.COMPLETED if operation.reads_text or not TABLE[operation.kind].trains:
            return Action.NEW_MODEL, Action.CLEAR
        case Status.COMPLETED:
            return Action.PLAYGROUND, Action.NEW_MODEL, Action.CLEAR
        case Status.FAILED:
            return Action.RESET, Action.NEW_MODEL
        case Status.ABORTED:
            return Action.NEW_MODEL, Action.CLEAR
        case _:
            assert_never(operation.status)


def _status(operation: Operation) -> Line:
    name: str = operation.status
    writes = not TABLE[operation.kind].trains
    match operation.status:
        case Status.QUEUED if operation.waits_for is not None:
            name = "queued-after"
        case Status.QUEUED if writes:
            pass
        case Status.QUEUED if operation.checkpoint is not None:
            name = "queued-again"
        case Status.INITIALIZING if operation.trying:
            name = "trying"
        case Status.INITIALIZING if operation.restarts:
            name = "restarting"
        case Status.COMPLETED if operation.checkpoint is None:
            name = "completed-without-checkpoint"
        case _:
            pass
    if writes and name in _WRITTEN:
        return Line(f"status.writing.{name}.line", _values(operation))
    return Line(f"status.{name}.line", _values(operation))


def _notes(operation: Operation) -> tuple[Line, ...]:
    notes: list[Line] = []
    values = _values(operation)
    if not TABLE[operation.kind].trains:
        return _notes_on_a_text(operation, values)
    if _is_gone(operation):
        notes.append(Line("dashboard.note.gone"))
    elif operation.status in RESUMABLE:
        notes.append(_way_back(operation, values))
    elif operation.resumed_at is not None:
        redone = operation.redone > 0
        notes.append(
            Line("dashboard.note.resumed-redone" if redone else "dashboard.note.resumed", values)
        )
    notes += [*_early(operation), *_promise(operation), *_backend_notes(operation)]
    if operation.status is Status.ABORTED and operation.checkpoint is not None:
        notes.append(Line("dashboard.note.kept", values))
    if operation.trouble is not None:
        reason = _TROUBLES.get(operation.trouble.name, "other")
        notes.append(Line(f"dashboard.note.trouble-{reason}", values))
    return tuple(notes)


def _early(operation: Operation) -> tuple[Line, ...]:
    """Why a run was done before all its epochs."""
    early = operation.stopped_early
    if early is None:
        return ()
    what = "accuracy" if early.monitor == "validation_accuracy" else "loss"
    values: dict[str, int | float | str] = {
        "epoch": early.epoch,
        "epochs": operation.epochs,
        "best_epoch": early.best_epoch,
    }
    return (Line(f"dashboard.note.early-{what}", values),)


def _notes_on_a_text(
    operation: Operation, values: Mapping[str, int | float | str]
) -> tuple[Line, ...]:
    if operation.status in RESUMABLE:
        return (Line("dashboard.note.text-goes-on", values),)
    if operation.resumed_at:
        return (Line("dashboard.note.text-went-on", values),)
    return ()


def _promise(operation: Operation) -> tuple[Line, ...]:
    """What a run takes, before it is over; afterwards, how well that was foreseen."""
    promised, needed = operation.promised_s, operation.promised_bytes
    values: dict[str, int | float | str] = {"needed": _megabytes(needed or 0)}
    if operation.status not in ENDED:
        available = operation.available_bytes
        if needed is not None and available is not None and needed > available:
            return (Line("dashboard.note.too-large", {**values, "had": _megabytes(available)}),)
        if promised is None:
            return ()
        key = "promise-at-most" if operation.may_stop_early else "promise"
        return (Line(f"dashboard.note.{key}", {**values, "promised": float(promised)}),)
    took = operation.took_s
    if promised is None or took is None or promised <= 0 or operation.stopped_early:
        return ()  # of one that stopped early, all of it was promised, and not all of it done
    # Of runs that are over in a moment a share says nothing.
    percent = round(100 * (took / promised - 1)) if took >= SHORT_S else 0
    key = "longer" if percent >= AS_PROMISED else "shorter" if percent <= -AS_PROMISED else "kept"
    found: dict[str, int | float | str] = {"promised": float(promised), "took": float(took)}
    return (Line(f"dashboard.note.promise-{key}", {**found, "percent": abs(percent)}),)


def _backend_notes(operation: Operation) -> list[Line]:
    """What happened to the backend on the way, and what that means for the result."""
    notes: list[Line] = []
    now = operation.backend or ""
    wanted = operation.wanted
    if operation.dropped:
        values = {"dropped": operation.dropped[-1], "backend": now}
        is_on_another = bool(now) and now not in operation.dropped
        name = "dropped" if is_on_another else "dropped-now"
        notes.append(Line(f"dashboard.note.{name}", values))
    elif wanted and operation.backend and wanted != operation.backend:
        notes.append(Line("dashboard.note.not-as-wanted", {"wanted": wanted, "backend": now}))
    if operation.inexact:
        notes.append(Line("dashboard.note.inexact"))
    return notes


def _megabytes(size: int) -> int:
    return max(1, round(size / 1e6))


def _way_back(operation: Operation, values: Mapping[str, int | float | str]) -> Line:
    """From where a stopped or interrupted run would go on, and what has to be done again."""
    if not operation.checkpoint:  # none, or only the one of its beginning
        return Line("dashboard.note.from-the-start", values)
    if operation.step > operation.checkpoint:
        return Line("dashboard.note.from-checkpoint-redone", values)
    return Line("dashboard.note.from-checkpoint", values)


def _values(operation: Operation) -> dict[str, int | float | str]:
    """What the sentences about an operation may name. `count` are steps trained twice.

    For a run that can be taken up again those are the steps that would be.
    """
    checkpoint = operation.checkpoint or 0
    again = max(0, operation.step - checkpoint)
    return {
        "step": operation.step,
        "checkpoint": checkpoint,
        "resumed_at": operation.resumed_at or 0,
        "count": again if operation.status in RESUMABLE else operation.redone,
        "elapsed": operation.elapsed_s or 0.0,
        "trying": operation.trying or "",
    }


def may_retry_worker(worker: Worker) -> bool:
    """Whether a real worker can be tried again: it failed, nobody switched it off."""
    return worker.mode == "main-thread" and worker.reason not in (None, WITHOUT_WORKER)
