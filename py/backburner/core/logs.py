"""The record of what happened, as the logs panel shows it and as it is downloaded.

A record is `{time, level, source, operation, message}` (SPEC C5); a download has one a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One line. `time` is seconds since 1970; `source` is "page" or "worker"."""

    time: float
    level: Level
    source: str
    operation: str | None
    message: str


def as_json_lines(records: Iterable[LogRecord]) -> str:
    """One JSON object a line, oldest first."""
    return "".join(json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in records)


def at_least(records: Iterable[LogRecord], level: Level) -> list[LogRecord]:
    """The records of a level or a worse one."""
    shown = LEVELS[LEVELS.index(level) :]
    return [each for each in records if each.level in shown]
