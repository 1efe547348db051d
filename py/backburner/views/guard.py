"""Draws each view on its own: one that throws says so itself, and the rest of the page lives."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from backburner.core.explanations import unexpected
from backburner.core.routes import View
from backburner.core.state import State
from backburner.core.texts import Texts
from backburner.views.dom import by_id, new, set_shown
from backburner.views.notice import Notice


class Guard:
    """`draw(state)` draws `view`; `log` hears of what it throws.

    After a fault the view is left alone until it is asked for again: the same state would
    only make it throw again, ten times a second.
    """

    def __init__(
        self,
        view: View,
        draw: Callable[[State], None],
        texts: Texts,
        log: Callable[[str], None],
    ) -> None:
        self._view = view
        self._draw = draw
        self._texts = texts
        self._log = log
        self._state: State | None = None
        self._fault: str | None = None
        self._notice: Notice | None = None

    def draw(self, state: State) -> None:
        """Draws, and stands in for the view where that fails."""
        self._state = state
        if self._fault is None:
            try:
                self._draw(state)
            except Exception as error:
                self._fault = "".join(traceback.format_exception(error))
                self._log(f"The view {self._view} could not be drawn: {self._fault}")
        if self._fault is not None:
            self._notice = self._notice or self._made()
            self._notice.show(unexpected(self._texts, self._fault))

    def _made(self) -> Notice:
        place: Any = new(
            "div", class_="notice problem", role="alert", data_testid=f"fault-{self._view}"
        )
        set_shown(place, False)
        by_id(f"{self._view}-title").after(place)
        return Notice(place, self._texts, again=self._again)

    def _again(self) -> None:
        self._fault = None
        if self._notice is not None:
            self._notice.close()
        if self._state is not None:
            self.draw(self._state)
