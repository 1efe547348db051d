"""Asks again and again about something that changes: one question at a time, and not too often.

Knows nothing of the document: `now_s` gives seconds, `ask` asks for a redraw, in which the
question is put again as it is by then. What nobody puts is not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable


class Asker:
    """A question is a subject, which people choose, and a step, which moves on by itself.

    Another subject is asked about at once; the same one at a later step only when `rest_s`
    seconds have passed since the last answer.
    """

    def __init__(self, now_s: Callable[[], float], ask: Callable[[], None]) -> None:
        self.rest_s = 1.0
        self._now_s = now_s
        self._ask = ask
        self._settled: tuple[Hashable, int] | None = None
        self._answered_s = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def put(self, subject: Hashable, step: int, answer: Callable[[], Awaitable[None]]) -> None:
        """Calls `answer` if it is time for it. A question is settled however that ends."""
        question = subject, step
        if question == self._settled or (self._task is not None and not self._task.done()):
            return
        wait_s = self._answered_s + self.rest_s - self._now_s()
        if self._settled is not None and self._settled[0] == subject and wait_s > 0:
            self._come_back(wait_s)
            return
        self._task = asyncio.ensure_future(self._settle(question, answer))

    async def _settle(
        self, question: tuple[Hashable, int], answer: Callable[[], Awaitable[None]]
    ) -> None:
        try:
            await answer()
        finally:
            self._settled = question
            self._answered_s = self._now_s()
            self._task = None
            self._ask()

    def _come_back(self, wait_s: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer = None
        self._ask()
