"""The log: lines as they come, by level, to copy or to download.

New lines are appended, all of a frame at once; the list is made anew only when another level is
chosen. Whoever scrolls up to read is left alone until they are back at the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import js
from pyodide.ffi import JsException, create_once_callable, to_js

from backburner.app.logs import Logs
from backburner.app.tasks import Tasks
from backburner.core.logs import LEVELS, Level, LogRecord, as_json_lines, at_least
from backburner.core.texts import Texts
from backburner.views.dom import by_id, listen, new
from backburner.views.written import Written

MOST_LINES = 500
"""More than anybody reads; each line costs the page memory and layout."""

_NEAR_END_PX = 24
_FILE = "backburner-log.jsonl"


class LogsPanel:
    """`ask` asks for a redraw."""

    def __init__(self, texts: Texts, logs: Logs, ask: Callable[[], None]) -> None:
        self._texts = texts
        self._logs = logs
        self._ask = ask
        self._level: Level = "info"
        self._new: deque[LogRecord] = deque(maxlen=MOST_LINES)
        self._language = ""
        self._is_empty = True
        self._follows = True
        self._written = Written()
        self._tasks = Tasks()

    def install(self) -> None:
        listen(by_id("log-level"), "change", self._choose)
        listen(by_id("log-copy"), "click", lambda _event: self._tasks.start(self._copy()))
        listen(by_id("log-download"), "click", self._download)
        listen(by_id("log-newest"), "click", self._to_newest)
        listen(by_id("logs"), "scroll", self._scrolled)
        self._new.extend(at_least(self._logs.records, self._level))
        self._logs.listeners.append(self._hear)

    def draw(self) -> None:
        if self._language != self._texts.language:
            self._language = self._texts.language
            self._redo()
        if self._new:
            self._append()
        self._written.shown("logs-waiting", self._is_empty)
        self._written.shown("logs", not self._is_empty)
        self._written.shown("log-newest", not self._follows)
        errors = self._logs.errors
        self._written.text("log-errors", self._texts("logs.errors", count=errors) if errors else "")

    def _hear(self, record: LogRecord) -> None:
        if at_least([record], self._level):
            self._new.append(record)
            self._ask()

    def _append(self) -> None:
        place = by_id("logs")
        self._is_empty = False
        self._written.shown("logs", True)
        place.append(*(self._line(record) for record in self._new))
        self._new.clear()
        if not self._follows:
            return
        while place.childElementCount > MOST_LINES:
            place.firstElementChild.remove()
        place.scrollTop = place.scrollHeight

    def _line(self, record: LogRecord) -> Any:
        time = js.Date.new(record.time * 1_000).toLocaleTimeString(self._texts.language)
        line = new("div", class_=f"log log-{record.level}")
        line.append(
            new("time", f"{time} "),
            new("b", f"{self._texts(f'logs.word.{record.level}')} "),
            new("span", f"{record.source} ", class_="source"),
            new("span", record.message),
        )
        return line

    def _scrolled(self, event: Any) -> None:
        """Whether the end is in sight. Only a scroll asks: the answer costs a layout."""
        place = event.currentTarget
        rest = place.scrollHeight - place.scrollTop - place.clientHeight
        self._follows = bool(rest < _NEAR_END_PX)
        self._ask()

    def _choose(self, event: Any) -> None:
        self._level = next(level for level in LEVELS if level == event.target.value)
        self._redo()
        self._ask()

    def _redo(self) -> None:
        by_id("logs").replaceChildren()
        self._is_empty = self._follows = True
        self._new.clear()
        self._new.extend(at_least(self._logs.records, self._level))

    def _to_newest(self, _event: Any) -> None:
        place = by_id("logs")
        place.scrollTop = place.scrollHeight
        place.focus()
        self._ask()

    async def _copy(self) -> None:
        """Copies the lines that are shown; where no page may do that, it selects them."""
        place = by_id("logs")
        try:
            await js.navigator.clipboard.writeText(place.innerText)
            self._written.text("log-said", self._texts("logs.copied"))
        except (JsException, AttributeError):
            js.getSelection().selectAllChildren(place)
            place.focus()
            self._written.text("log-said", self._texts("logs.selected"))

    def _download(self, _event: Any) -> None:
        """Everything that is remembered, whatever is shown, one JSON object a line."""
        text = as_json_lines(self._logs.records)
        file = js.Blob.new(to_js([text]), to_js({"type": "application/jsonl"}))
        address = js.URL.createObjectURL(file)
        new("a", href=address, download=_FILE).click()
        # The browser has not begun to read it when click() returns.
        js.setTimeout(create_once_callable(lambda: js.URL.revokeObjectURL(address)), 10_000)
