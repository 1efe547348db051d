"""Backends on trial: each trains the very model for a moment, and is timed.

A trial trains a model of its own and leaves nothing of it behind. It gives way after every step,
like a training. A graphics card may not answer at all, so it is waited for only so long
(`in_time`); wasm and cpu compute at the call, and there is nothing to wait for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from backburner.core.backends import (
    ANSWER_S,
    GPU,
    Trial,
    is_clearly_slower,
    is_same_course,
    reason_against,
)
from backburner.core.errors import BackburnerError, BackendError
from backburner.engine.task import Task
from backburner.engine.training import Training
from backburner.worker.kitchen import Kitchen

WARM_UP_STEPS = 2
"""They build what the others use."""

TIMED_MS = 150.0
LONGEST_TRIAL_MS = 3_000.0
"""Slow models: after this long a single timed step must do."""

T = TypeVar("T")


async def in_time(work: Awaitable[T], backend: str, limit_s: float = ANSWER_S) -> T:
    """What `work` gives; BackendError when the graphics card that does it does not answer."""
    if backend not in GPU:
        return await work
    try:
        async with asyncio.timeout(limit_s):
            return await work
    except TimeoutError:
        raise BackendError(
            f"The graphics processor gave no answer in {limit_s:.0f} s: it hangs, or its memory "
            "is lost. Try again, or on another backend.",
            detail=f"{backend}: no answer",
        ) from None


class Trials:
    """The trials for one run. `done` are those that are over, in order.

    `on_trying` hears of a backend before it is asked anything, so that it is known which one is
    to blame should the whole thread go under; `is_hurried` says that nobody waits for the best
    one any more.
    """

    def __init__(
        self,
        kitchen: Kitchen,
        task: Task,
        *,
        on_trying: Callable[[str], None],
        is_hurried: Callable[[], bool],
    ) -> None:
        self.done: list[Trial] = []
        self.is_hurried = is_hurried
        self._kitchen = kitchen
        self._task = task
        self.on_trying = on_trying
        self._course: list[float] = []

    async def put(self, backend: str) -> Trial:
        """Tries one more. A failure of any kind puts it out, and nothing else."""
        problem = reason_against(backend, self.done)
        if problem is not None:
            trial = Trial(backend=backend, problem=problem)
        else:
            try:
                trial = await self._tried(backend)
            except BackburnerError as error:
                trial = Trial(backend=backend, problem=error.detail or error.message)
        self.done.append(trial)
        return trial

    async def make_ready(self, backend: str) -> None:
        """Starts a backend and asks it a sum. Raises BackendError for one that cannot be used."""
        self.on_trying(backend)
        await self._kitchen.turn()
        await in_time(self._kitchen.start_backend(backend), backend)
        await in_time(self._kitchen.check_backend(backend), backend)

    async def _tried(self, backend: str) -> Trial:
        await self.make_ready(backend)
        preparing = self._kitchen.prepare(self._task, backend=backend)
        training = await in_time(preparing, backend)
        try:
            return await in_time(self._timed(training, backend), backend)
        finally:
            training.dispose()

    async def _timed(self, training: Training, backend: str) -> Trial:
        clock_ms = self._kitchen.clock_ms
        began_ms = clock_ms()
        losses: list[float] = []
        times_ms: list[float] = []
        while training.step < training.steps:
            step_ms = clock_ms()
            losses.append((await training.train_step()).loss)
            times_ms.append(clock_ms() - step_ms)
            await self._kitchen.turn()
            if self.is_hurried():
                break
            if len(losses) < WARM_UP_STEPS:
                continue
            if is_clearly_slower(times_ms[-1], self.done):
                times_ms = times_ms[-1:]
                break
            warm_ms = sum(times_ms[WARM_UP_STEPS:])
            if warm_ms >= TIMED_MS or (warm_ms and clock_ms() - began_ms >= LONGEST_TRIAL_MS):
                break
        self._compare(backend, losses[:WARM_UP_STEPS])
        warm = times_ms[WARM_UP_STEPS:] or times_ms[-1:]
        # Browsers compile what runs often, while it runs: the later ones are like those to come.
        warm = warm[len(warm) // 2 :]
        return Trial(
            backend=backend,
            ms_per_step=sum(warm) / len(warm),
            ms_per_evaluation=await self._timed_evaluation(training),
        )

    def _compare(self, backend: str, losses: list[float]) -> None:
        """All backends begin alike, or one of them is wrong: the first one is believed."""
        if not self._course:
            self._course = losses
        elif not is_same_course(losses, self._course):
            raise BackendError(
                f"The backend {backend} trains this model in another way than the others.",
                detail=f"losses {losses} instead of {self._course}",
            )

    async def _timed_evaluation(self, training: Training) -> float | None:
        """The time for one batch, the second if there is one; None where nothing is evaluated."""
        took_ms: float | None = None
        began_ms = self._kitchen.clock_ms()
        count = 0
        async for evaluation in training.evaluation("validation"):
            if evaluation.loss is None:
                return None
            count += 1
            took_ms = self._kitchen.clock_ms() - began_ms
            if count == WARM_UP_STEPS:
                break
            began_ms = self._kitchen.clock_ms()
        return took_ms
