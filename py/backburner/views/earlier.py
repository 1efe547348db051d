"""The list of earlier runs, newest first."""

from __future__ import annotations

import js

from backburner.core.state import Operation, State
from backburner.core.wording import percent
from backburner.views.dom import by_id, new, set_shown


class Earlier:
    """Drawn anew only when a line of it would read differently."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, ...]] = []

    def draw(self, state: State) -> None:
        lines = [_line(each) for each in reversed(list(state.operations.values()))]
        if lines == self._lines:
            return
        self._lines = lines
        body = by_id("earlier")
        body.replaceChildren()
        for line in lines:
            row = new("tr")
            row.append(*(new("td", text) for text in line))
            body.append(row)
        set_shown(by_id("earlier-table"), bool(lines))
        set_shown(by_id("earlier-empty"), not lines)


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
