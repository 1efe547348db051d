"""The life of an operation, and the life of a worker: one table each.

An operation moves only along `OPERATION_MOVES`; every other move is a LifecycleError that
names both states and changes nothing. "Asked to stop" (stopping) and "stopped" are different
states, because a worker stops between two steps and not at once.

Completed, failed and aborted are final: what is run again is a new operation. Stopped and
interrupted are not: the run can be taken up again from its last checkpoint.
"""

from __future__ import annotations

from enum import StrEnum

from backburner.core.errors import LifecycleError


class Status(StrEnum):
    """Where an operation is."""

    QUEUED = "queued"
    INITIALIZING = "initializing"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    COMPLETED = "completed"
    FAILED = "failed"
    ABORTED = "aborted"


class Event(StrEnum):
    """What can happen to an operation."""

    BEGIN = "begin"
    MODEL_READY = "model ready"
    ASK_PAUSE = "ask to pause"
    PAUSED = "paused"
    RESUMED = "resumed"
    ASK_STOP = "ask to stop"
    STOPPED = "stopped"
    COMPLETE = "complete"
    FAIL = "fail"
    INTERRUPT = "interrupt"
    ABORTED = "aborted"
    TAKE_UP = "take up"
    RESTART = "restart"


_ENDS = {Event.FAIL: Status.FAILED, Event.INTERRUPT: Status.INTERRUPTED}

OPERATION_MOVES: dict[Status, dict[Event, Status]] = {
    Status.QUEUED: {
        Event.BEGIN: Status.INITIALIZING,
        Event.STOPPED: Status.STOPPED,
        Event.ABORTED: Status.ABORTED,
        **_ENDS,
    },
    # Its kitchen may die at any time; another one builds the model again.
    Status.INITIALIZING: {
        Event.MODEL_READY: Status.RUNNING,
        Event.RESTART: Status.INITIALIZING,
        Event.ASK_STOP: Status.STOPPING,
        **_ENDS,
    },
    Status.RUNNING: {
        Event.RESTART: Status.INITIALIZING,
        Event.ASK_PAUSE: Status.PAUSING,
        Event.ASK_STOP: Status.STOPPING,
        Event.COMPLETE: Status.COMPLETED,
        **_ENDS,
    },
    # The last step may be over before the wish to pause or stop arrives: then it is completed.
    Status.PAUSING: {
        Event.PAUSED: Status.PAUSED,
        Event.ASK_STOP: Status.STOPPING,
        Event.COMPLETE: Status.COMPLETED,
        **_ENDS,
    },
    Status.PAUSED: {
        Event.RESUMED: Status.RUNNING,
        Event.ASK_STOP: Status.STOPPING,
        **_ENDS,
    },
    Status.STOPPING: {
        Event.STOPPED: Status.STOPPED,
        Event.ABORTED: Status.ABORTED,
        Event.COMPLETE: Status.COMPLETED,
        **_ENDS,
    },
    Status.STOPPED: {Event.TAKE_UP: Status.QUEUED, Event.ABORTED: Status.ABORTED},
    Status.INTERRUPTED: {Event.TAKE_UP: Status.QUEUED, Event.ABORTED: Status.ABORTED},
    Status.COMPLETED: {},
    Status.FAILED: {},
    Status.ABORTED: {},
}

FINAL = frozenset(status for status, moves in OPERATION_MOVES.items() if not moves)
RESUMABLE = frozenset({Status.STOPPED, Status.INTERRUPTED})
ENDED = FINAL | RESUMABLE
ACTIVE = frozenset(Status) - ENDED - {Status.QUEUED}


def advance(status: Status, event: Event) -> Status:
    """The status after `event`.

    Raises LifecycleError, naming both states, when the table has no such move.
    """
    after = OPERATION_MOVES[status].get(event)
    if after is None:
        ended = "Start it again as a new operation." if status in FINAL else ""
        raise LifecycleError.between(status, _aim(event), way_out=ended)
    return after


def _aim(event: Event) -> Status:
    """Where an event leads, wherever it leads at all: each has one aim in the table."""
    return next(moves[event] for moves in OPERATION_MOVES.values() if event in moves)


class WorkerStatus(StrEnum):
    """Where the worker is. `lost` is always followed by a new one (`starting`)."""

    NONE = "none"
    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    LOST = "lost"


WORKER_MOVES: dict[WorkerStatus, frozenset[WorkerStatus]] = {
    WorkerStatus.NONE: frozenset({WorkerStatus.STARTING}),
    WorkerStatus.STARTING: frozenset({WorkerStatus.READY, WorkerStatus.LOST}),
    WorkerStatus.READY: frozenset({WorkerStatus.BUSY, WorkerStatus.LOST}),
    WorkerStatus.BUSY: frozenset({WorkerStatus.READY, WorkerStatus.LOST}),
    WorkerStatus.LOST: frozenset({WorkerStatus.STARTING}),
}


def advance_worker(status: WorkerStatus, after: WorkerStatus) -> WorkerStatus:
    """`after`, if a worker can go there from `status` (staying is no move and always fine).

    Raises LifecycleError, naming both states, otherwise.
    """
    if after is not status and after not in WORKER_MOVES[status]:
        raise LifecycleError.between(f"a worker that is {status}", after)
    return after
