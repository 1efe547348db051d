"""What is said of an operation without being asked: the tab's title, and now and then a sentence.

A screen reader that read every step aloud would say nothing; it hears a tenth of the way, an
epoch at most, and every change of state.
"""

from __future__ import annotations

from dataclasses import dataclass

from backburner.core.kinds import TABLE
from backburner.core.lifecycle import ENDED, Status
from backburner.core.operation import Operation
from backburner.core.state import State
from backburner.core.wording import Line

_WORKS = frozenset({Status.RUNNING, Status.PAUSING, Status.STOPPING})


def share_done(operation: Operation) -> float:
    """From 0 to 1, how far an operation is."""
    if operation.status is Status.COMPLETED:
        return 1.0
    return operation.step / operation.steps if operation.steps else 0.0


def title_line(state: State, ended: Operation | None) -> Line | None:
    """What the tab's title says before the name of the page; None for nothing.

    `ended` is the operation that ended last and that nobody has looked at since.
    """
    active = state.active()
    if active is not None:
        key = "paused" if active.status is Status.PAUSED else "working"
        if active.status is Status.INITIALIZING:
            key = "starting"
        return Line(f"status.title.{key}", {"percent": _percent(active)})
    if ended is not None and ended.status in ENDED:
        return Line(f"status.title.{ended.status}")
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """How far an operation was when something was said of it last."""

    id: str
    status: Status
    tenths: int


def milestone(operation: Operation) -> Milestone:
    """Where an operation is, as coarsely as it is worth a sentence."""
    tenths = int(share_done(operation) * 10) if operation.status in _WORKS else 0
    return Milestone(id=operation.id, status=operation.status, tenths=tenths)


def announcement(operation: Operation) -> Line:
    """The sentence for a milestone."""
    at = operation.progress
    is_under_way = operation.status is Status.RUNNING and operation.step
    key = "progress" if is_under_way else str(operation.status)
    if not TABLE[operation.kind].trains:
        return Line(f"status.said.writing.{key}", {"percent": _percent(operation)})
    return Line(
        f"status.said.{key}",
        {
            "percent": _percent(operation),
            "epoch": at.epoch if at else 0,
            "epochs": operation.epochs,
        },
    )


def listed(state: State, most: int) -> tuple[list[Operation], int]:
    """The operations of the status bar, the active ones first, and how many more wait."""
    operations = list(state.operations.values())
    active = [each for each in operations if each.is_active]
    waiting = [each for each in operations if each.status is Status.QUEUED]
    shown = [*active, *waiting][:most]
    return shown, len(active) + len(waiting) - len(shown)


def _percent(operation: Operation) -> int:
    return int(100 * share_done(operation))
