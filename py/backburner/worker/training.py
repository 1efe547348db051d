"""One training as an operation: it trains step by step and says now and then where it is.

Knows the engine's `Training`, the messages that report on it, and how it stands in a row; knows no
port, no task and no database. To stop a run is to stop asking it for more; asked again, it goes on
where it was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from typing import Any

from backburner.core.curves import Curves
from backburner.core.figures import Pace
from backburner.core.fine_tuning_recipe import FineTuneRecipe
from backburner.core.messages import (
    Comparison,
    EpochEnd,
    Guess,
    Measured,
    OldAndNew,
    Point,
    Score,
    StoppedEarly,
    StoredRun,
    TrainingCompleted,
    TrainingProgressed,
)
from backburner.engine.data import Part
from backburner.engine.fine_tuning import before
from backburner.engine.results import Evaluation
from backburner.engine.training import Training
from backburner.worker.examples import shown_examples
from backburner.worker.records import KeptCheckpoint
from backburner.worker.storage import Row
from backburner.worker.trials import in_time
from backburner.worker.work import Completed

REPORT_EVERY_MS = 100.0
"""Ten reports a second are smooth to look at; more only cost the page time (SPEC A2)."""


class TrainingRun:
    """Drives one Training to its end.

    `clock_ms` gives milliseconds that never go back; `backend` is what it computes on. The time
    of evaluations counts as training time, because whoever waits for the end waits for them too.
    """

    def __init__(self, training: Training, clock_ms: Callable[[], float], backend: str) -> None:
        self.backend = backend
        self.training = training
        self._clock_ms = clock_ms
        self._pace = Pace()
        self._steps = 0
        self._earlier_s = 0.0
        self._evaluation_ms = 0.0
        self._points: list[Point] = []
        self._ends: list[EpochEnd] = []
        self._epoch_points: list[Point] = []
        self._last: Point | None = None
        self._closed: list[EpochEnd] = []
        self._stopped_early: StoppedEarly | None = None
        self._compares = isinstance(training.recipe, FineTuneRecipe)
        self._comparison: Comparison | None = None
        self._reported_ms = float("-inf")
        self._unkept = Curves()

    def take_up(self, record: StoredRun, curves: Curves) -> None:
        """Goes on from what was known when the training's checkpoint was made.

        The points of an epoch under way count in its means, as if nothing had come between.
        """
        step, per_epoch = self.training.step, self.training.steps_per_epoch
        self._comparison = record.comparison
        self._closed = [end for end in curves.epochs if end.step <= step]
        self._judge()
        # What waits for its epoch's end: also a whole epoch, interrupted in its validation.
        open_since = step - (step % per_epoch if self._is_closed() else per_epoch)
        self._epoch_points = [
            Point(step=int(curves.step[at]), loss=curves.loss[at], accuracy=curves.accuracy[at])
            for at in range(bisect_right(curves.step, open_since), bisect_right(curves.step, step))
        ]
        progress = record.progress
        if progress is not None:
            self._last = Point(step=step, loss=progress.loss, accuracy=progress.accuracy)
            self._earlier_s = progress.elapsed_s

    async def events(self) -> AsyncGenerator[TrainingProgressed | TrainingCompleted | None, None]:
        """Yields after every batch: a report when one is due, else None.

        The last is TrainingCompleted. Between two yields there is one batch of work, so the
        caller can look after its other duties in time. May be asked for again after it was
        closed, also in the middle of an evaluation, which is then begun anew.
        """
        training = self.training
        if self._compares and training.step == 0:
            async for _ in self._measured_before():
                yield None
        while True:
            if not self._is_closed():
                validation: Score | None = None
                async for evaluation in self._evaluated("validation"):
                    yield None
                    validation = _score(evaluation)
                self._close_epoch(validation)
                yield self.pending() if self._is_due() else None
            if training.step >= training.steps or self._stopped_early:
                break
            await self._one_step()
            yield self.pending() if self._is_due() else None
        test: Evaluation | None = None
        async for evaluation in self._evaluated("test"):
            yield None
            test = evaluation
        if self._compares:
            async for _ in self._measured_after(test):
                yield None
        last = self.pending()
        if last is not None:
            yield last
        shown = set(shown_examples(training))
        classes, labels = training.dataset.classes, training.dataset.labels
        yield TrainingCompleted(
            test=_score(test),
            guesses=tuple(
                Guess(
                    index=guess.index,
                    label=classes[labels[guess.index]],
                    predicted=classes[guess.predicted],
                    confidence=guess.confidence,
                )
                for guess in (test.predictions if test else ())
                if guess.index in shown
            ),
            elapsed_s=self._elapsed_s(),
            stopped_early=self._stopped_early,
            comparison=self._comparison,
        )

    def pending(self) -> TrainingProgressed | None:
        """A report of all that happened since the last one; None when that is nothing."""
        if not (self._points or self._ends):
            return None
        report = self.progress(points=tuple(self._points), ends=tuple(self._ends))
        self._points.clear()
        self._ends.clear()
        self._reported_ms = self._clock_ms()
        return report

    def progress(
        self, *, points: tuple[Point, ...] = (), ends: tuple[EpochEnd, ...] = ()
    ) -> TrainingProgressed | None:
        """Where it is; None before the first step."""
        if self._last is None:
            return None
        training = self.training
        left = 0 if self._stopped_early else training.steps - training.step
        return TrainingProgressed(
            epoch=training.epoch,
            epochs=training.epochs,
            step=training.step,
            steps=training.steps,
            loss=self._last.loss,
            accuracy=self._last.accuracy,
            samples_per_s=self._pace.samples_per_s,
            ms_per_step=self._pace.ms_per_step,
            elapsed_s=self._elapsed_s(),
            eta_s=self._pace.time_left_s(left),
            points=points,
            epoch_ends=ends,
            validation=self.last_end.validation if self.last_end else None,
        )

    @property
    def ms_per_step(self) -> float:
        """The mean over all steps since the run was begun or taken up; 0 before the first."""
        return self._pace.total_ms / self._steps if self._steps else 0.0

    def result(self, report: Completed) -> dict[str, Any]:
        assert isinstance(report, TrainingCompleted)
        return {
            "test": report.test,
            "stopped_early": report.stopped_early,
            "comparison": report.comparison,
        }

    # --- for keeping it ----------------------------------------------------------------

    @property
    def step(self) -> int:
        return self.training.step

    @property
    def mark(self) -> object:
        return self.last_end

    def standing(self) -> dict[str, Any]:
        return {
            "progress": self.progress(),
            "last_epoch": self.last_end,
            "comparison": self._comparison,
        }

    async def checkpoint(self, kernels: str) -> Row | None:
        file = await in_time(self.training.checkpoint(kernels=kernels), self.backend)
        step = self.training.step
        return KeptCheckpoint(step=step, progress=self.progress(), file=file).to_row()

    def dispose(self) -> None:
        self.training.dispose()

    @property
    def last_end(self) -> EpochEnd | None:
        """The newest finished epoch."""
        return self._closed[-1] if self._closed else None

    @property
    def is_between_steps(self) -> bool:
        """Whether the last step is over with all that belongs to it, an epoch's end included."""
        return self._is_closed()

    def unkept(self) -> Curves:
        """All that happened since what `kept` was told of last."""
        piece = Curves()
        piece.append(self._unkept)
        return piece

    def kept(self, piece: Curves) -> None:
        """What `unkept` gave is safe by now."""
        rest = Curves()
        rest.step = self._unkept.step[len(piece.step) :]
        rest.loss = self._unkept.loss[len(piece.step) :]
        rest.accuracy = self._unkept.accuracy[len(piece.step) :]
        rest.epochs = self._unkept.epochs[len(piece.epochs) :]
        self._unkept = rest

    # --- what a fine-tuning is measured by -----------------------------------------------

    async def _measured_before(self) -> AsyncIterator[None]:
        """As the network was that it begins with; yields between batches."""
        found: dict[Part, Evaluation | None] = {"kept": None, "test": None}
        for part in found:
            async for evaluation in self._timed(before(self.training, part)):
                found[part] = evaluation
                yield
        old, new = found["kept"], found["test"]
        self._comparison = Comparison(before=OldAndNew(old=_measured(old), new=_measured(new)))

    async def _measured_after(self, new: Evaluation | None) -> AsyncIterator[None]:
        old: Evaluation | None = None
        async for evaluation in self._evaluated("kept"):
            old = evaluation
            yield
        earlier = self._comparison or Comparison()
        after = OldAndNew(old=_measured(old), new=_measured(new))
        self._comparison = replace(earlier, after=after)

    # --- inside ------------------------------------------------------------------------

    def _is_closed(self) -> bool:
        training = self.training
        return training.step % training.steps_per_epoch != 0 or (
            (self.last_end.epoch if self.last_end else 0) >= training.epoch
        )

    def _judge(self) -> None:
        """Whether the finished epochs say that it is over, by the recipe's rule."""
        rule = self.training.recipe.training.early_stopping
        self._stopped_early = rule.judge(self._closed) if rule else None

    async def _one_step(self) -> None:
        began_ms = self._clock_ms()
        result = await in_time(self.training.train_step(), self.backend)
        self._pace.add(self._clock_ms() - began_ms, result.samples)
        self._steps += 1
        self._last = Point(step=result.step, loss=result.loss, accuracy=result.accuracy)
        self._points.append(self._last)
        self._epoch_points.append(self._last)
        self._unkept.add(self._last)

    async def _evaluated(self, part: Part) -> AsyncIterator[Evaluation]:
        async for evaluation in self._timed(self.training.evaluation(part)):
            yield evaluation

    async def _timed(self, evaluations: AsyncIterator[Evaluation]) -> AsyncIterator[Evaluation]:
        began_ms = self._clock_ms()
        while (evaluation := await in_time(anext(evaluations, None), self.backend)) is not None:
            self._evaluation_ms += self._clock_ms() - began_ms
            yield evaluation
            began_ms = self._clock_ms()

    def _close_epoch(self, validation: Score | None) -> None:
        points = self._epoch_points
        # None are there only when the stored curves were damaged.
        count = max(1, len(points))
        end = EpochEnd(
            epoch=self.training.epoch,
            step=self.training.step,
            loss=sum(point.loss for point in points) / count,
            accuracy=sum(point.accuracy for point in points) / count,
            validation=validation,
        )
        self._ends.append(end)
        self._unkept.epochs.append(end)
        self._closed.append(end)
        self._judge()
        self._epoch_points = []

    def _is_due(self) -> bool:
        return self._clock_ms() - self._reported_ms >= REPORT_EVERY_MS

    def _elapsed_s(self) -> float:
        return self._earlier_s + (self._pace.total_ms + self._evaluation_ms) / 1_000.0


def _score(evaluation: Evaluation | None) -> Score | None:
    """None for a part that the split leaves empty."""
    if evaluation is None or evaluation.loss is None or evaluation.accuracy is None:
        return None
    return Score(loss=evaluation.loss, accuracy=evaluation.accuracy)


def _measured(evaluation: Evaluation | None) -> Measured | None:
    """None for a part that is empty."""
    if evaluation is None or evaluation.accuracy is None:
        return None
    return Measured(accuracy=evaluation.accuracy, loss=evaluation.loss, count=evaluation.count)
