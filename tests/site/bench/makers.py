"""Contestants that measure nothing, and results made of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backburner_site.bench.contest import Result, Round, Unmeasurable
from backburner_site.bench.workloads import WORKLOADS, Workload


class FakeContestant:
    """Gives the times that it was made with, one a round. Its name goes into `calls`."""

    def __init__(
        self,
        name: str,
        times_ms: Iterable[float] = (),
        *,
        rounds: int | None = None,
        refuses: str | None = None,
        calls: list[str] | None = None,
    ) -> None:
        self.name = name
        self.rounds = rounds
        self._times_ms = iter(times_ms)
        self._refuses = refuses
        self._calls = [] if calls is None else calls

    def prepare(self, workload: Workload) -> dict[str, Any]:
        if self._refuses:
            raise Unmeasurable(self._refuses)
        return {"ready for": workload.name}

    def measure(self, workload: Workload, round_ms: float) -> Round:
        self._calls.append(self.name)
        time_ms = next(self._times_ms, None)
        if time_ms is None:
            raise Unmeasurable("it has no more numbers")
        return Round(ms_per_step=time_ms, facts={"round_ms": round_ms})


def result(workload: Workload = WORKLOADS[0], **times_ms: list[float]) -> Result:
    """`result(ours=[2.0], pytorch=[4.0])`."""
    rounds = {
        name: [Round(ms_per_step=each, facts={"executor": name}) for each in times]
        for name, times in times_ms.items()
    }
    return Result(workload=workload, rounds=rounds, notes={name: {} for name in rounds})
