"""The fingerprint of the shown run: short to compare by eye, and in full on demand."""

from __future__ import annotations

from typing import Any

import js
from pyodide.ffi import JsException

from backburner.app.tasks import Tasks
from backburner.core.figure_words import fingerprint_words
from backburner.core.operation import Operation
from backburner.core.texts import Texts
from backburner.views.dom import by_id, listen
from backburner.views.written import Written


class FingerprintPanel:
    """Hidden until there is one. What was said of copying holds for the run it was said of."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._written = Written()
        self._tasks = Tasks()
        self._words: dict[str, str] = {}

    def install(self) -> None:
        listen(by_id("fingerprint-copy"), "click", self._press)

    def draw(self, operation: Operation | None) -> None:
        words = {} if operation is None else fingerprint_words(operation)
        self._written.shown("fingerprint-more", bool(words))
        if words == self._words:
            return
        self._words = words
        self._written.text("fingerprint-said", "")
        for name, text in words.items():
            self._written.text(f"fingerprint-{name}", text)

    def _press(self, _event: Any) -> None:
        self._tasks.start(self._copy())

    async def _copy(self) -> None:
        """Copies all parts; where no page may do that, it selects them."""
        parts = {name: text for name, text in self._words.items() if name != "short"}
        try:
            await js.navigator.clipboard.writeText(
                "\n".join(f"{name} {text}" for name, text in parts.items())
            )
            self._written.text("fingerprint-said", self._texts("dashboard.fingerprint.copied"))
        except (JsException, AttributeError):
            place = by_id("fingerprint-parts")
            js.getSelection().selectAllChildren(place)
            place.focus()
            self._written.text("fingerprint-said", self._texts("dashboard.fingerprint.selected"))
