"""Figures about work under way: how fast it goes and how long it still takes."""

from __future__ import annotations

from collections import deque


class Pace:
    """How fast steps go, over the last seconds of work.

    Counts the time spent on the steps themselves, so that pauses, sleep and a frozen tab
    leave it alone. Times are in milliseconds.
    """

    def __init__(self, *, window_ms: float = 5_000.0) -> None:
        self._window_ms = window_ms
        self._recent: deque[tuple[float, int]] = deque()
        self._recent_ms = 0.0
        self._recent_samples = 0
        self.total_ms = 0.0

    def add(self, duration_ms: float, samples: int) -> None:
        """One more step that took `duration_ms` for `samples` examples."""
        self.total_ms += duration_ms
        self._recent.append((duration_ms, samples))
        self._recent_ms += duration_ms
        self._recent_samples += samples
        while len(self._recent) > 1 and self._recent_ms > self._window_ms:
            old_ms, old_samples = self._recent.popleft()
            self._recent_ms -= old_ms
            self._recent_samples -= old_samples

    @property
    def ms_per_step(self) -> float:
        """The mean of the recent steps; 0 before the first one."""
        return self._recent_ms / len(self._recent) if self._recent else 0.0

    @property
    def samples_per_s(self) -> float:
        """Examples per second of work; 0 while nothing is known."""
        return 1_000.0 * self._recent_samples / self._recent_ms if self._recent_ms > 0 else 0.0

    def time_left_s(self, steps: int) -> float:
        """How long `steps` more steps take at the recent pace."""
        return steps * self.ms_per_step / 1_000.0
