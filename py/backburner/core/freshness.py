"""Whether a chart shows what is, what was, or nothing yet (SPEC C6)."""

from __future__ import annotations

from backburner.core.lifecycle import Status
from backburner.core.operation import Operation
from backburner.core.wording import Line

FRESH_S = 3.0
"""A training reports ten times a second; three seconds without one are worth a word."""

_WAITS = frozenset({Status.QUEUED, Status.INITIALIZING})
_MOVES = frozenset({Status.RUNNING, Status.PAUSING, Status.STOPPING})


def freshness(operation: Operation, points: int, age_s: float | None) -> Line:
    """How old what a chart shows is.

    `points` is how many there are, `age_s` the time since the newest one came; None when none
    came in this visit: the curve was kept by an earlier one.
    """
    if not points:
        waits = operation.status in _WAITS or operation.status in _MOVES
        return Line("charts.fresh.waiting" if waits else "charts.fresh.empty")
    if operation.status in _MOVES:
        if age_s is None or age_s <= FRESH_S:
            return Line("charts.fresh.live")
        return Line("charts.fresh.stale", {"age": float(round(age_s))})
    if operation.status is Status.PAUSED:
        return Line("charts.fresh.paused")
    if age_s is None:
        return Line("charts.fresh.kept")
    return Line("charts.fresh.waiting" if operation.status in _WAITS else "charts.fresh.final")
