"""One training as an operation: it trains step by step and says now and then where it is.

Knows the engine's `Training` and the messages that report on it; knows no port and no task.
To stop a run is to stop asking it for more.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from math import prod

from backburner.core.errors import DataError
from backburner.core.figures import Pace
from backburner.core.messages import (
    EpochEnd,
    Guess,
    LayerFacts,
    ModelReady,
    Point,
    Score,
    TrainingCompleted,
    TrainingProgressed,
)
from backburner.engine.data import Dataset, Part
from backburner.engine.training import Evaluation, Training

REPORT_EVERY_MS = 100.0
"""Ten reports a second are smooth to look at; more only cost the page time (SPEC A2)."""

SHOWN_EXAMPLES = 40
"""How many test examples the page gets to show."""


class TrainingRun:
    """Drives one Training to its end.

    `clock_ms` gives milliseconds that never go back. The time of evaluations counts as
    training time, because whoever waits for the end waits for them too.
    """

    def __init__(self, training: Training, clock_ms: Callable[[], float]) -> None:
        self._training = training
        self._clock_ms = clock_ms
        self._pace = Pace()
        self._evaluation_ms = 0.0
        self._points: list[Point] = []
        self._ends: list[EpochEnd] = []
        self._epoch_points: list[Point] = []
        self._last: Point | None = None
        self._validation: Score | None = None
        self._reported_ms = float("-inf")

    async def events(self) -> AsyncGenerator[TrainingProgressed | TrainingCompleted | None, None]:
        """Yields after every batch: a report when one is due, else None.

        The last is TrainingCompleted. Between two yields there is one batch of work, so the
        caller can look after its other duties in time.
        """
        training = self._training
        while training.step < training.steps:
            await self._one_step()
            if training.step % training.steps_per_epoch == 0:
                self._validation = None
                async for evaluation in self._evaluated("validation"):
                    yield None
                    if evaluation.done:
                        self._validation = _score(evaluation)
                self._close_epoch()
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
        if self._last is None or not (self._points or self._ends):
            return None
        training = self._training
        left = training.steps - training.step
        report = TrainingProgressed(
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
            points=tuple(self._points),
            epoch_ends=tuple(self._ends),
            validation=self._validation,
        )
        self._points.clear()
        self._ends.clear()
        self._reported_ms = self._clock_ms()
        return report

    async def _one_step(self) -> None:
        began_ms = self._clock_ms()
        result = await self._training.train_step()
        self._pace.add(self._clock_ms() - began_ms, result.samples)
        self._last = Point(step=result.step, loss=result.loss, accuracy=result.accuracy)
        self._points.append(self._last)
        self._epoch_points.append(self._last)

    async def _evaluated(self, part: Part) -> AsyncIterator[Evaluation]:
        began_ms = self._clock_ms()
        async for evaluation in self._training.evaluation(part):
            self._evaluation_ms += self._clock_ms() - began_ms
            yield evaluation
            began_ms = self._clock_ms()

    def _close_epoch(self) -> None:
        points = self._epoch_points
        self._ends.append(
            EpochEnd(
                epoch=self._training.epoch,
                step=self._training.step,
                loss=sum(point.loss for point in points) / len(points),
                accuracy=sum(point.accuracy for point in points) / len(points),
                validation=self._validation,
            )
        )
        self._epoch_points = []

    def _is_due(self) -> bool:
        return self._clock_ms() - self._reported_ms >= REPORT_EVERY_MS

    def _elapsed_s(self) -> float:
        return (self._pace.total_ms + self._evaluation_ms) / 1_000.0


def _score(evaluation: Evaluation | None) -> Score | None:
    """None for a part that the split leaves empty."""
    if evaluation is None or evaluation.loss is None or evaluation.accuracy is None:
        return None
    return Score(loss=evaluation.loss, accuracy=evaluation.accuracy)


def shown_examples(training: Training) -> tuple[int, ...]:
    """The examples that the page shows: test examples, never one the model trains on."""
    return training.split.test[:SHOWN_EXAMPLES]


def model_ready(training: Training) -> tuple[ModelReady, bytes]:
    """What the page is told about a new model, and the pixels of the examples it shows."""
    spec, dataset, split = training.spec, training.dataset, training.split
    shown = shown_examples(training)
    message = ModelReady(
        layers=tuple(
            LayerFacts(
                name=placed.name,
                type=placed.layer.type,
                shape=tuple(placed.output_shape),
                parameters=placed.parameter_count,
            )
            for placed in spec.layers
        ),
        parameters=spec.parameter_count,
        input_shape=tuple(spec.input_shape),
        classes=dataset.classes,
        steps=training.steps,
        epochs=training.epochs,
        sizes={
            "train": len(split.train),
            "validation": len(split.validation),
            "test": len(split.test),
        },
        examples=shown,
        labels=tuple(dataset.classes[dataset.labels[index]] for index in shown),
        data_sha256=dataset.digest,
    )
    return message, pixels(dataset, shown)


def example_numbers(training: Training, index: int) -> list[float]:
    """An example of the data as the model sees it. Raises DataError for an unknown index."""
    dataset = training.dataset
    if not 0 <= index < len(dataset.labels):
        raise DataError(
            f"There is no example {index:,}; the data has {len(dataset.labels):,}, counted from 0.",
            key="example",
        )
    size = prod(dataset.shape)
    return [value * dataset.scale for value in _values(dataset)[index * size :][:size]]


def pixels(dataset: Dataset, indexes: Sequence[int]) -> bytes:
    """The examples as pictures: bytes from 0 (empty) to 255 (full), one after the other."""
    size = prod(dataset.shape)
    values = _values(dataset)
    full = 255.0 * dataset.scale
    return bytes(
        min(255, max(0, round(value * full)))
        for index in indexes
        for value in values[index * size : (index + 1) * size]
    )


def _values(dataset: Dataset) -> Sequence[float]:
    return dataset.inputs if dataset.dtype == "uint8" else array("f", dataset.inputs)
