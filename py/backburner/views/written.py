"""What a view has written where: only what changed reaches the document.

A redraw of the dashboard compares some forty texts. Each question to the document crosses from
Python to JavaScript and back, so what was written last is remembered on this side.
"""

from __future__ import annotations

from typing import Any

from backburner.views.dom import by_id, set_shown, set_text


class Written:
    """The texts and the visibility of elements, by id."""

    def __init__(self) -> None:
        self._elements: dict[str, Any] = {}
        self._texts: dict[str, str] = {}
        self._shown: dict[str, bool] = {}

    def element(self, name: str) -> Any:
        """The element, looked up once."""
        if name not in self._elements:
            self._elements[name] = by_id(name)
        return self._elements[name]

    def text(self, name: str, text: str) -> None:
        if self._texts.get(name) != text:
            self._texts[name] = text
            set_text(self.element(name), text)

    def shown(self, name: str, shown: bool) -> None:
        if self._shown.get(name) != shown:
            self._shown[name] = shown
            set_shown(self.element(name), shown)
