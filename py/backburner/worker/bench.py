"""Measures how long steps take: of the very code that trains, on noise, between other work.

A measurement is a training that nobody keeps. It gives way after every few steps, so a training
under way goes on, a little slower, and changes nothing of its own, whichever backend is measured.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from statistics import median

from backburner.core.bench import BenchOptions, BenchWorkload
from backburner.core.messages import Bench, BenchResult
from backburner.engine.executor import Stopwatch
from backburner.engine.training import Training
from backburner.worker.kitchen import Kitchen
from backburner.worker.trials import in_time

COARSE_MS = 2.0
"""Shorter steps are timed in groups: a browser's clock may be as coarse as 0.1 ms."""

LARGEST_GROUP = 256
PHASES_MS = 500.0
"""For how long, at most, the phases of single steps are timed."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured, and on what."""

    training: Training
    backend: str

    async def train(self, steps: int) -> None:
        for _ in range(steps):
            await self.training.train_step()


class Workbench:
    """One measurement at a time."""

    def __init__(self, kitchen: Kitchen) -> None:
        self._kitchen = kitchen
        self._turn = asyncio.Lock()

    async def measure(self, order: Bench) -> BenchResult:
        """Measures what was ordered.

        Raises RecipeError or LayerError for what cannot be measured, BackendError for a backend
        that cannot be had.
        """
        workload = BenchWorkload.from_wire(order.workload)
        options = BenchOptions.from_wire(order.options)
        async with self._turn:
            backend = options.backend or self._kitchen.backend
            await in_time(self._kitchen.start_backend(backend), backend)
            return await self._measure(workload, options, backend)

    async def _measure(
        self, workload: BenchWorkload, options: BenchOptions, backend: str
    ) -> BenchResult:
        recipe = workload.recipe()
        data = await self._kitchen.gather(recipe)
        task = self._kitchen.task(recipe, data, None)
        training = await in_time(self._kitchen.prepare(task, backend=backend), backend)
        subject = Subject(training, backend)
        try:
            group = await self._warm_up(subject, options.warmup_ms)
            rounds = [
                await self._round(subject, options.round_ms, group) for _ in range(options.rounds)
            ]
            times = [times for times, _ in rounds]
            phases = await self._phases(subject, min(options.round_ms, PHASES_MS))
            plan = training.executor.explain(self._kitchen.clock_ms) if options.explain else []
            return BenchResult(
                backend=backend,
                kernels=self._kitchen.kernels_on(backend),
                executor=training.executor.name,
                ms_per_step=tuple(map(median, times)),
                best_ms=tuple(map(min, times)),
                steps=tuple(steps for _, steps in rounds),
                phases=dict(phases),
                plan=tuple(plan),
            )
        finally:
            training.dispose()

    async def _warm_up(self, subject: Subject, least_ms: float) -> int:
        """Trains for a while; gives how many steps are a group that the clock can tell."""
        group, spent_ms = 1, 0.0
        while True:
            took_ms = await self._group_ms(subject, group)
            spent_ms += took_ms
            if took_ms < COARSE_MS and group < LARGEST_GROUP:
                group *= 2
            elif spent_ms >= least_ms:
                return group

    async def _round(
        self, subject: Subject, least_ms: float, group: int
    ) -> tuple[list[float], int]:
        """Milliseconds of a step, group by group, and how many steps that were."""
        times: list[float] = []
        spent_ms, steps = 0.0, 0
        while not times or spent_ms < least_ms:
            took_ms = await self._group_ms(subject, group)
            if took_ms < COARSE_MS and group < LARGEST_GROUP:
                group *= 2  # The machine is faster than while it warmed up.
                continue
            spent_ms += took_ms
            times.append(took_ms / group)
            steps += group
        return times, steps

    async def _group_ms(self, subject: Subject, group: int) -> float:
        clock_ms = self._kitchen.clock_ms
        began_ms = clock_ms()
        await in_time(subject.train(group), subject.backend)
        took_ms = clock_ms() - began_ms
        await self._kitchen.turn()
        return took_ms

    async def _phases(self, subject: Subject, least_ms: float) -> dict[str, float]:
        """Milliseconds of a step by phase. Apart from the rounds: to look at the clock costs."""
        watch = subject.training.executor.watch = Stopwatch(self._kitchen.clock_ms)
        steps, spent_ms = 0, 0.0
        while not steps or spent_ms < least_ms:
            spent_ms += await self._group_ms(subject, 1)
            steps += 1
        return {phase: ms / steps for phase, ms in watch.spent_ms.items()}
