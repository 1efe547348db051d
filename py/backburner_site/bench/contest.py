"""Who takes part, whose turn it is, and what was measured. Pure but for the progress it shows.

A machine's speed drifts, by a factor of two for seconds at a time: figures of two runs can't be
compared. So the contestants take turns, a short round each, and the best round of one is held
against the best round of the other: both had their chance in the machine's fast moments.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol

from backburner_site.bench.workloads import Workload
from backburner_site.errors import RunFailed
from backburner_site.progress import Progress, Step, time_left_s

OURS = "ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round: the median of its steps, and what the contestant says of how it computes."""

    ms_per_step: float
    facts: dict[str, Any] = field(default_factory=dict)


class Unmeasurable(Exception):  # noqa: N818 - no fault: a contestant that has to pass
    """A contestant cannot train a workload; the message says why."""


class Contestant(Protocol):
    """Whoever trains workloads. It must be at rest when it is not its turn."""

    @property
    def name(self) -> str:
        """As it stands in the results."""

    @property
    def rounds(self) -> int | None:
        """How many rounds at most; None: as many as the others."""

    def prepare(self, workload: Workload) -> dict[str, Any]:
        """Gets ready for a workload; gives what is to be noted about it. Raises Unmeasurable."""

    def measure(self, workload: Workload, round_ms: float) -> Round:
        """Trains for about that long, for one step at least. Raises Unmeasurable."""


@dataclass(kw_only=True)
class Result:
    """What was measured of one workload: rounds and notes by contestant, and who passed, why."""

    workload: Workload
    rounds: dict[str, list[Round]] = field(default_factory=dict)
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def best_ms(self, name: str) -> float | None:
        """The fastest round; None for a contestant that had none."""
        rounds = self.rounds.get(name)
        return min(each.ms_per_step for each in rounds) if rounds else None

    def peers(self) -> dict[str, float]:
        """{peer: its best}."""
        found = {name: self.best_ms(name) for name in self.rounds if name != OURS}
        return {name: best for name, best in found.items() if best is not None}

    def ratios(self) -> dict[str, float]:
        """{peer: how many times faster ours is}; empty while ours was not measured."""
        ours = self.best_ms(OURS)
        return {} if ours is None else {name: best / ours for name, best in self.peers().items()}

    def spread(self, name: str) -> dict[str, float]:
        """How a contestant's rounds are scattered."""
        took = [each.ms_per_step for each in self.rounds[name]]
        return {"best": min(took), "median": median(took), "worst": max(took)}


class Contest:
    """Measures workloads one after the other. `results` is filled as it goes."""

    def __init__(
        self, contestants: Sequence[Contestant], *, rounds: int, round_ms: float, progress: Progress
    ) -> None:
        self.results: list[Result] = []
        self._contestants = contestants
        self._rounds = rounds
        self._round_ms = round_ms
        self._progress = progress

    def run(self, workloads: Sequence[Workload]) -> None:
        """Fills `results`. When it is interrupted, what was measured so far stands there."""
        with self._progress.step("Measuring") as step:
            turns = Turns(step, len(workloads) * len(self._contestants) * (self._rounds + 1))
            for workload in workloads:
                self._measure(workload, turns)

    def _measure(self, workload: Workload, turns: "Turns") -> None:
        result = Result(workload=workload)
        self.results.append(result)
        for each in self._contestants:
            turns.next(f"{workload.name}, {each.name} gets ready")
            with self._passing(result, each):
                if reason := workload.left_out.get(each.name):
                    raise Unmeasurable(reason)
                result.notes[each.name] = each.prepare(workload)
        for number in range(self._rounds):
            for each in self._contestants:
                turns.next(f"{workload.name}, round {number + 1} of {self._rounds}, {each.name}")
                is_tired = each.rounds is not None and number >= each.rounds
                if not is_tired and each.name not in result.left_out:
                    with self._passing(result, each):
                        measured = each.measure(workload, self._round_ms)
                        result.rounds.setdefault(each.name, []).append(measured)

    @contextmanager
    def _passing(self, result: Result, contestant: Contestant) -> Iterator[None]:
        """Notes who passes. Ours may not: without it there is nothing to compare."""
        try:
            yield
        except Unmeasurable as passed:
            if contestant.name == OURS:
                raise RunFailed(
                    f"{result.workload.name} cannot be measured in the page: {passed}"
                ) from passed
            result.left_out[contestant.name] = str(passed)
            result.rounds.pop(contestant.name, None)


class Turns:
    """Counts turns, and shows whose it is and how long the rest will take."""

    def __init__(self, step: Step, total: int) -> None:
        self._step = step
        self._total = total
        self._done = -1

    def next(self, note: str) -> None:
        """One turn is over, and `note` says whose comes now."""
        self._done += 1
        elapsed_s = time.monotonic() - self._step.started
        self._step.advance(note, time_left_s(self._done, self._total, elapsed_s))
