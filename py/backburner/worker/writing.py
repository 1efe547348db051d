"""One generation as an operation: it writes character by character and says what came.

Knows who writes, and the messages that report on it; knows no port, no task and no database. All
of where it stands is the text: read again, it goes on as if nothing had come between.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

from backburner.core.curves import Curves
from backburner.core.figures import Pace
from backburner.core.generation import Generation
from backburner.core.messages import (
    GenerationCompleted,
    GenerationProgressed,
    StoredRun,
    TextFigures,
)
from backburner.engine.text_statistics import TextStatistics
from backburner.worker.kitchen import Writer
from backburner.worker.storage import Row
from backburner.worker.training import REPORT_EVERY_MS
from backburner.worker.work import Completed


class GenerationRun:
    """Writes one text to its end. `clock_ms` gives milliseconds that never go back."""

    backend = ""
    """None: it computes with numpy, on weights that were read once."""

    def __init__(self, writer: Writer, settings: Generation, clock_ms: Callable[[], float]) -> None:
        self._writer = writer
        self._settings = settings
        self._clock_ms = clock_ms
        self._text: list[str] = []
        self._reported = 0
        self._reported_ms = float("-inf")
        self._statistics = TextStatistics()
        self._pace = Pace()
        self._earlier_s = 0.0

    def begin(self, record: StoredRun | None = None) -> None:
        """Reads the prompt, and what a kept run had written already."""
        text = record.text if record else ""
        self._text = list(text)
        self._reported = len(text)
        if record is not None and record.writing is not None:
            written = record.writing
            self._earlier_s = written.elapsed_s
            self._statistics = TextStatistics.of(text, written.statistics.surprise_bits)
        self._writer.read((self._settings.prompt or self._writer.start) + text)

    @property
    def step(self) -> int:
        return len(self._text)

    async def events(
        self,
    ) -> AsyncGenerator[GenerationProgressed | GenerationCompleted | None, None]:
        while len(self._text) < self._settings.length:
            began_ms = self._clock_ms()
            character, probability = self._writer.next(self._settings, len(self._text))
            self._text.append(character)
            self._statistics.add(character, probability)
            now_ms = self._clock_ms()
            self._pace.add(now_ms - began_ms, 1)
            is_due = now_ms - self._reported_ms >= REPORT_EVERY_MS
            yield self.pending() if is_due else None
        last = self.pending()
        if last is not None:
            yield last
        yield GenerationCompleted(
            text="".join(self._text), statistics=self._figures(), elapsed_s=self._elapsed_s()
        )

    def pending(self) -> GenerationProgressed | None:
        if self._reported == len(self._text):
            return None
        report = self.progress("".join(self._text[self._reported :]))
        self._reported = len(self._text)
        self._reported_ms = self._clock_ms()
        return report

    def progress(self, text: str = "") -> GenerationProgressed:
        """Where it is; `text` is what the report brings."""
        length = self._settings.length
        return GenerationProgressed(
            characters=len(self._text),
            length=length,
            characters_per_s=self._pace.samples_per_s,
            elapsed_s=self._elapsed_s(),
            eta_s=self._pace.time_left_s(length - len(self._text)),
            statistics=self._figures(),
            text=text,
        )

    def result(self, report: Completed) -> dict[str, Any]:
        return {}

    # --- for keeping it ----------------------------------------------------------------

    @property
    def is_between_steps(self) -> bool:
        return True

    @property
    def mark(self) -> object:
        return None

    def standing(self) -> dict[str, Any]:
        return {"writing": self.progress(), "text": "".join(self._text)}

    async def checkpoint(self, kernels: str) -> Row | None:
        return None

    def unkept(self) -> Curves:
        return Curves()

    def kept(self, piece: Curves) -> None:
        pass

    def dispose(self) -> None:
        pass

    # --- inside ------------------------------------------------------------------------

    def _figures(self) -> TextFigures:
        found = self._statistics
        return TextFigures(
            characters=found.characters,
            distinct=found.distinct,
            entropy_bits=found.entropy_bits,
            surprise_bits=found.surprise_bits,
        )

    def _elapsed_s(self) -> float:
        return self._earlier_s + self._pace.total_ms / 1_000.0
