"""The list of earlier runs, newest first, and the way out of the queue for those that wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import js

from backburner.app.tasks import Tasks
from backburner.core.errors import BackburnerError
from backburner.core.lifecycle import Status
from backburner.core.state import Operation, State
from backburner.core.wording import percent
from backburner.views.dom import around, by_id, listen, new, set_shown


class Earlier:
    """Drawn anew only when a line of it would read differently. `stop` ends one that waits."""

    def __init__(self, stop: Callable[[str], Awaitable[object]]) -> None:
        self._stop = stop
        self._drawn: list[tuple[str, ...]] = []
        self._tasks = Tasks()

    def install(self) -> None:
        listen(by_id("earlier"), "click", self._press)

    def draw(self, state: State) -> None:
        operations = list(reversed(list(state.operations.values())))
        lines = [(each.id, *_line(each)) for each in operations]
        if lines == self._drawn:
            return
        self._drawn = lines
        body = by_id("earlier")
        body.replaceChildren()
        for at, operation in enumerate(operations):
            row = new("tr")
            row.append(*(new("td", text) for text in _line(operation)), _way_out(operation, at))
            body.append(row)
        set_shown(by_id("earlier-table"), bool(lines))
        set_shown(by_id("earlier-empty"), not lines)

    def _press(self, event: Any) -> None:
        button = around(event.target, "button")
        if button is not None:
            self._tasks.start(self._cancel(str(button.dataset.operation)))

    async def _cancel(self, key: str) -> None:
        # It may have begun in the same moment: then its own Stop button is there.
        with suppress(BackburnerError):
            await self._stop(key)


def _way_out(operation: Operation, at: int) -> Any:
    """The last cell: a button for an operation that still waits, else nothing."""
    cell = new("td")
    if operation.status is Status.QUEUED:
        cell.append(
            new(
                "button",
                "Don't run",
                type="button",
                data_operation=operation.id,
                data_testid=f"cancel-{at}",
            )
        )
    return cell


def _line(operation: Operation) -> tuple[str, ...]:
    model, seed = operation.recipe.get("model"), operation.recipe.get("seed")
    preset = model.get("preset") if isinstance(model, dict) else None
    when = js.Date.new(operation.created * 1000).toLocaleString()
    return (
        str(when),
        operation.name or (str(preset) if preset else "own layers"),
        str(seed),
        str(operation.epochs),
        operation.status.value,
        percent(operation.test.accuracy) if operation.test else "–",
    )
