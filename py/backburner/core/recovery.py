"""What is done with the runs that an earlier page left: decisions, without doing them.

The database's word counts, and the records of localStorage are a mirror that may lag or be
lost. Nothing here touches storage or locks; app/recovery.py does what is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from backburner.core.errors import Expired
from backburner.core.lifecycle import FINAL, RESUMABLE, Event, Status, advance
from backburner.core.messages import Fault, StoredRun
from backburner.core.operation import Operation
from backburner.core.records import operation_of

UNDER_WAY = frozenset({Status.QUEUED, Status.INITIALIZING, Status.RUNNING})
"""What nobody had asked to wait or to stop: such a run goes on by itself after a reload."""

HALTED = frozenset({Status.PAUSING, Status.PAUSED, Status.STOPPING, Status.STOPPED})


def interrupted_by_itself(runs: Iterable[StoredRun]) -> set[str]:
    """The ids of the runs that were under way when their page went away."""
    return {run.id for run in runs if run.status in UNDER_WAY}


def halted(runs: Iterable[StoredRun]) -> set[str]:
    """The ids of the runs that somebody had asked to wait or to stop.

    The page notes the wish at once. The worker's record may not know of it: it was dead, was
    building the model, or had no time left to write.
    """
    return {run.id for run in runs if run.status in HALTED}


def recovered(kept: Iterable[StoredRun], mirrored: Iterable[Operation]) -> list[Operation]:
    """The operations of the database's runs and, without their checkpoints, those only mirrored.

    A mirrored one that had begun to train, and that the database does not have, has expired:
    it says so, and can only be run anew. So has one that had not begun, if examples stood in its
    recipe: the mirror has only counted them.
    """
    mirror = {each.id: each for each in mirrored}
    operations = [_merged(run, mirror.pop(run.id, None)) for run in kept]
    return operations + [_only_mirrored(each) for each in mirror.values()]


def _merged(run: StoredRun, seen: Operation | None) -> Operation:
    """A kept run, and what the mirror knows beyond it.

    The page may have ended a run that the worker could not be told about any more (it was dead);
    and it may have seen steps after the last checkpoint, which count as redone later.
    """
    operation = operation_of(run)
    if seen is None or operation.status in FINAL:
        return operation
    if seen.status in FINAL:
        ended = replace(operation, status=seen.status, error=seen.error, finished=seen.finished)
        return replace(ended, progress=seen.progress or operation.progress)
    if seen.status is Status.STOPPED:
        operation = replace(operation, status=seen.status, finished=seen.finished)
    if seen.step > operation.step:
        return replace(operation, progress=seen.progress, redone=seen.redone)
    return operation


def _was_kept(operation: Operation) -> bool:
    return operation.checkpoint is not None or operation.step > 0


def _only_mirrored(operation: Operation) -> Operation:
    if _was_kept(operation):
        return _expired(
            replace(operation, checkpoint=None),
            "What was stored of this run is gone: the browser has cleared it, or somebody did. "
            "Its figures are still here. Run its recipe again to get the same network.",
        )
    if not operation.can_be_run_again:
        return _expired(
            operation,
            "This run had not begun when this page was opened. What it learns from stands in its "
            "recipe, and until a run begins only the page that asked for it has that. If that one "
            "is open in another tab, it begins there; else start the recipe itself again.",
        )
    return operation


def _expired(operation: Operation, why: str) -> Operation:
    fault = Fault.from_error(Expired(why))
    if operation.status in RESUMABLE:
        return replace(operation, error=fault)
    if operation.status is Status.QUEUED and not operation.can_be_run_again:
        # It was taken up before the database could be asked, and there is nothing to begin with.
        return replace(operation, status=advance(operation.status, Event.FAIL), error=fault)
    return operation
