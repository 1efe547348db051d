"""The view Welcome: how each part of the start is doing, and the way back to one's own run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backburner.core.lifecycle import RESUMABLE
from backburner.core.state import Part, PartState, State
from backburner.core.texts import Texts
from backburner.views.dom import around, by_id, find, is_focused, listen, set_shown, set_text


class Welcome:
    """`retry(part)` is another try at a part that failed."""

    def __init__(self, texts: Texts, retry: Callable[[str], None]) -> None:
        self._texts = texts
        self._retry = retry

    def install(self) -> None:
        listen(by_id("parts"), "click", self._press)

    def draw(self, state: State) -> None:
        for name, part in state.parts.items():
            self._draw_part(name, part)
        runs = state.operations.values()
        set_shown(by_id("go-on"), any(run.is_active or run.status in RESUMABLE for run in runs))

    def _draw_part(self, name: str, part: Part) -> None:
        row = by_id(f"part-{name}")
        if row.dataset.state != part.state:
            row.dataset.state = part.state.value
        failed = part.state is PartState.FAILED
        hint: Any = find(row, "small")
        if failed and part.detail:
            set_text(hint, part.detail)
            hint.lang = "en"
        else:
            set_text(hint, self._texts(f"startup.{name}.hint"))
            hint.removeAttribute("lang")
        word = find(row, ".part-state")
        set_text(word, self._texts(f"startup.state.{part.state}"))
        set_shown(word, not failed)
        button = find(row, "button")
        if not failed and is_focused(button):
            by_id("parts-title").focus()  # the button goes, the keyboard stays near
        set_shown(button, failed)

    def _press(self, event: Any) -> None:
        button = around(event.target, "button")
        if button is not None:
            self._retry(str(button.dataset.part))
