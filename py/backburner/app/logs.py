"""The last lines of the log, of page and worker, for the logs panel and for downloads.

Kept in memory only, and only the newest: a long training must not fill the tab with words.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from backburner.core.logs import Level, LogRecord

KEPT = 2_000


class Logs:
    """`now_s` gives seconds since 1970. `listeners` hear each new record."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.records: deque[LogRecord] = deque(maxlen=KEPT)
        self.errors = 0
        self.listeners: list[Callable[[LogRecord], None]] = []

    def add(
        self, level: Level, message: str, *, source: str = "page", operation: str | None = None
    ) -> None:
        """Adds a line, and tells whoever listens."""
        record = LogRecord(
            time=self._now_s(), level=level, source=source, operation=operation, message=message
        )
        self.records.append(record)
        self.errors += level == "error"
        for listener in self.listeners:
            listener(record)
