"""The training under way: its state, its figures, its curves and its controls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from backburner.app.tasks import Tasks
from backburner.core.curves import Curves
from backburner.core.errors import BackburnerError
from backburner.core.lifecycle import Status
from backburner.core.state import Operation
from backburner.core.wording import duration, percent, status_line
from backburner.views.chart import Chart
from backburner.views.dom import (
    by_id,
    focused_id,
    is_waiting,
    listen,
    set_shown,
    set_text,
    set_waiting,
)

Command = Callable[[str], Awaitable[object]]

_CAN_STOP = (
    Status.QUEUED,
    Status.INITIALIZING,
    Status.RUNNING,
    Status.PAUSING,
    Status.PAUSED,
    Status.STOPPING,
)


class Cooking:
    """`commands` are pause, resume and stop by name.

    `tell` shows what one was refused with; told None, it forgets what it showed.
    """

    def __init__(self, commands: dict[str, Command], tell: Callable[[str | None], None]) -> None:
        self._commands = commands
        self._tell = tell
        self._shown: str | None = None
        self._loss = Chart("chart-loss", "loss", None)
        self._accuracy = Chart("chart-accuracy", "accuracy", 1.0)
        self._tasks = Tasks()

    def install(self) -> None:
        for name, command in self._commands.items():
            listen(by_id(name), "click", partial(self._ask, command))

    def draw(self, operation: Operation, curves: Curves | None) -> None:
        """Shows an operation. Cheap to call for every frame in which something changed."""
        if self._shown != operation.id:
            self._shown = operation.id
            self._loss.clear()
            self._accuracy.clear()
        status, at = operation.status, operation.progress
        set_text(by_id("status"), status_line(operation))
        by_id("progress").value = at.step / at.steps if at and at.steps else 0
        self._draw_buttons(status)
        self._draw_figures(operation)
        if curves is not None:
            self._loss.draw(curves)
            self._accuracy.draw(curves)

    def _draw_buttons(self, status: Status) -> None:
        """Shows what can be done now. The keyboard stays where it was, or at the counterpart."""
        focused = focused_id()
        shown = {
            "pause": status in (Status.RUNNING, Status.PAUSING),
            "resume": status is Status.PAUSED,
            "stop": status in _CAN_STOP,
        }
        for name, is_shown in shown.items():
            set_shown(by_id(name), is_shown)
        set_waiting(by_id("pause"), status is Status.PAUSING)
        set_waiting(by_id("stop"), status is Status.STOPPING)
        if not shown.get(focused, True):
            other = {"pause": "resume", "resume": "pause", "stop": "train"}[focused]
            by_id(other if shown.get(other, True) else "train").focus()

    def _draw_figures(self, operation: Operation) -> None:
        at = operation.progress
        last = operation.epoch_ends[-1] if operation.epoch_ends else None
        score = last.validation if last else None
        figures = {
            "epoch": f"{at.epoch} of {at.epochs}" if at else "–",
            "step": f"{at.step:,} of {at.steps:,}" if at else "–",
            "loss": f"{at.loss:.4f}" if at else "–",
            "accuracy": percent(at.accuracy) if at else "–",
            "validation": percent(score.accuracy) if score else "–",
            "speed": f"{at.samples_per_s:,.0f}" if at else "–",
            "left": duration(at.eta_s) if at and operation.is_active else "–",
            "backend": f"{operation.backend}, worker" if operation.backend else "–",
        }
        for name, text in figures.items():
            set_text(by_id(f"figure-{name}"), text)

    def _ask(self, command: Command, event: Any) -> None:
        if self._shown is not None and not is_waiting(event.currentTarget):
            self._tell(None)
            self._tasks.start(self._carry_out(command, self._shown))

    async def _carry_out(self, command: Command, key: str) -> None:
        try:
            await command(key)
        except BackburnerError as error:
            self._tell(error.message)
