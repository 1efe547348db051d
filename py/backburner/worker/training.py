"""One training as an operation: it trains step by step and says now and then where it is.

Knows the engine's `Training` and the messages that report on it; knows no port, no task and no
storage. To stop a run is to stop asking it for more; asked again, it goes on where it was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from backburner.core.curves import Curves
from backburner.core.figures import Pace
from backburner.core.messages import (
    EpochEnd,
    Guess,
    Point,
    Score,
    TrainingCompleted,
    TrainingProgressed,
)
from backburner.engine.data import Part
from backburner.engine.results import Evaluation
from backburner.engine.training import Training
from backburner.worker.examples import shown_examples
from backburner.worker.trials import in_time

REPORT_EVERY_MS = 100.0
"""Ten reports a second are smooth to look at; more only cost the page time (SPEC A2)."""


class TrainingRun:
    """Drives one Training to its end.

    `clock_ms` gives milliseconds that never go back; `backend` is what it computes on. The time
    of evaluations counts as training time, because whoever waits for the end waits for them too.
    """

    def __init__(self, training: Training, clock_ms: Callable[[], float], backend: str) -> None:
        self.backend = backend
        self._training = training
        self._clock_ms = clock_ms
        self._pace = Pace()
        self._steps = 0
        self._earlier_s = 0.0
        self._evaluation_ms = 0.0
        self._points: list[Point] = []
        self._ends: list[EpochEnd] = []
        self._epoch_points: list[Point] = []
        self._closed_epochs = 0
        self._last: Point | None = None
        self._last_end: EpochEnd | None = None
        self._reported_ms = float("-inf")
        self._unkept = Curves()

    def take_up(self, progress: TrainingProgressed | None, curves: Curves) -> None:
        """Goes on from what was known when the training's checkpoint was made.

        The points of an epoch under way count in its means, as if nothing had come between.
        """
        step, per_epoch = self._training.step, self._training.steps_per_epoch
        ends = [end for end in curves.epochs if end.step <= step]
        self._last_end = ends[-1] if ends else None
        self._closed_epochs = ends[-1].epoch if ends else 0
        # What waits for its epoch's end: also a whole epoch, interrupted in its validation.
        open_since = step - (step % per_epoch if self._is_closed() else per_epoch)
        self._epoch_points = [
            Point(step=int(curves.step[at]), loss=curves.loss[at], accuracy=curves.accuracy[at])
            for at in range(bisect_right(curves.step, open_since), bisect_right(curves.step, step))
        ]
        if progress is not None:
            self._last = Point(step=step, loss=progress.loss, accuracy=progress.accuracy)
            self._earlier_s = progress.elapsed_s

    async def events(self) -> AsyncGenerator[TrainingProgressed | TrainingCompleted | None, None]:
        """Yields after every batch: a report when one is due, else None.

        The last is TrainingCompleted. Between two yields there is one batch of work, so the
        caller can look after its other duties in time. May be asked for again after it was
        closed, also in the middle of an evaluation, which is then begun anew.
        """
        training = self._training
        while True:
            if not self._is_closed():
                validation: Score | None = None
                async for evaluation in self._evaluated("validation"):
                    yield None
                    validation = _score(evaluation)
                self._close_epoch(validation)
                yield self.pending() if self._is_due() else None
            if training.step >= training.steps:
                break
            await self._one_step()
            yield self.pending() if self._is_due() else None
        test: Evaluation | None = None
        async for evaluation in self._evaluated("test"):
            yield None
            test = evaluation
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
        training = self._training
        left = training.steps - training.step
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
            validation=self._last_end.validation if self._last_end else None,
        )

    @property
    def ms_per_step(self) -> float:
        """The mean over all steps since the run was begun or taken up; 0 before the first."""
        return self._pace.total_ms / self._steps if self._steps else 0.0

    # --- for keeping it ----------------------------------------------------------------

    @property
    def last_end(self) -> EpochEnd | None:
        """The newest finished epoch."""
        return self._last_end

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

    # --- inside ------------------------------------------------------------------------

    def _is_closed(self) -> bool:
        training = self._training
        return training.step % training.steps_per_epoch != 0 or (
            self._closed_epochs >= training.epoch
        )

    async def _one_step(self) -> None:
        began_ms = self._clock_ms()
        result = await in_time(self._training.train_step(), self.backend)
        self._pace.add(self._clock_ms() - began_ms, result.samples)
        self._steps += 1
        self._last = Point(step=result.step, loss=result.loss, accuracy=result.accuracy)
        self._points.append(self._last)
        self._epoch_points.append(self._last)
        self._unkept.add(self._last)

    async def _evaluated(self, part: Part) -> AsyncIterator[Evaluation]:
        began_ms = self._clock_ms()
        evaluations = self._training.evaluation(part)
        while (evaluation := await in_time(anext(evaluations, None), self.backend)) is not None:
            self._evaluation_ms += self._clock_ms() - began_ms
            yield evaluation
            began_ms = self._clock_ms()

    def _close_epoch(self, validation: Score | None) -> None:
        points = self._epoch_points
        # None are there only when the stored curves were damaged.
        count = max(1, len(points))
        end = EpochEnd(
            epoch=self._training.epoch,
            step=self._training.step,
            loss=sum(point.loss for point in points) / count,
            accuracy=sum(point.accuracy for point in points) / count,
            validation=validation,
        )
        self._ends.append(end)
        self._unkept.epochs.append(end)
        self._last_end = end
        self._closed_epochs = end.epoch
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
