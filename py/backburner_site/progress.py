"""Says on stderr what is being done, for how long, and how long it will still take.

On a terminal the current line is redrawn; elsewhere (CI logs) a line is written when a step
starts, when it ends, and every ten seconds between. Knows nothing of what the steps do.
Only the standard library: build.py uses it before anything is installed.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

REDRAW_S = 0.25
LOG_EVERY_S = 10.0


def duration_words(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size_words(count_bytes: float) -> str:
    """`812 B`, `57.5 kB`, `106.3 MB` (powers of 1000)."""
    if count_bytes < 1000:
        return f"{count_bytes:.0f} B"
    if count_bytes < 1_000_000:
        return f"{count_bytes / 1000:.1f} kB"
    return f"{count_bytes / 1_000_000:.1f} MB"


def time_left_s(done: float, total: float, elapsed_s: float) -> float | None:
    """Seconds left at the average pace so far; None while nothing is done yet."""
    if done <= 0 or total <= 0 or elapsed_s <= 0:
        return None
    return elapsed_s * max(total - done, 0) / done


class Step:
    """One long thing that is under way. `note` says how far it is."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.started = time.monotonic()
        self.note = ""
        self.left_s: float | None = None

    def advance_bytes(self, done: int, total: int | None) -> None:
        """A download has `done` of `total` bytes; None when the total is not known."""
        if total is None:
            self.note, self.left_s = size_words(done), None
        else:
            self.note = f"{size_words(done)} of {size_words(total)}"
            self.left_s = time_left_s(done, total, time.monotonic() - self.started)

    def advance(self, note: str, left_s: float | None = None) -> None:
        """`note` is what to show; `left_s` the seconds left, None when not known."""
        self.note, self.left_s = note, left_s

    def line(self) -> str:
        """The step as one line: title, note, elapsed, time left."""
        parts = [self.title]
        if self.note:
            parts.append(self.note)
        parts.append(duration_words(time.monotonic() - self.started))
        if self.left_s is not None:
            parts.append(f"about {duration_words(self.left_s)} left")
        return " · ".join(parts)


class Progress:
    """Where steps are shown. One step at a time; a step inside a step takes over the line."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._writing = threading.Lock()

    def say(self, text: str) -> None:
        """One line that stays."""
        with self._writing:
            self._clear()
            print(text, file=self._stream, flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Shows `title` until the block ends; a block that raises is shown as not done."""
        step = Step(title)
        ended = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(step, ended), daemon=True)
        if not self._live:
            self.say(f"{title} …")
        ticker.start()
        outcome = "failed"
        try:
            yield step
            outcome = "done"
        finally:
            ended.set()
            ticker.join()
            self.say(f"{step.line()} · {outcome}")

    def _tick(self, step: Step, ended: threading.Event) -> None:
        while not ended.wait(REDRAW_S if self._live else LOG_EVERY_S):
            if self._live:
                with self._writing:
                    self._clear()
                    print(step.line(), end="", file=self._stream, flush=True)
            else:
                self.say(f"  {step.line()}")

    def _clear(self) -> None:
        if self._live:
            print("\r\x1b[K", end="", file=self._stream)
