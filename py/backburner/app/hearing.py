"""What the kitchen says of the operations, turned into changes of the state and lines of the log.

Hears every report once. What comes too late for its operation changes nothing; a model that
does is freed, because nobody else would.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from backburner.app.kitchens import Kitchens
from backburner.app.logs import Logs
from backburner.app.queue import Queue
from backburner.app.store import Store
from backburner.app.tasks import Tasks
from backburner.core.curves import Curves
from backburner.core.errors import BackburnerError
from backburner.core.kinds import TABLE
from backburner.core.lifecycle import ENDED, Event, Status
from backburner.core.messages import (
    Checkpointed,
    CheckpointFailed,
    Dispose,
    EpochEnd,
    GenerationCompleted,
    GenerationProgressed,
    ModelReady,
    Paused,
    PreparationReported,
    Resumed,
    Stopped,
    TrainingCompleted,
    TrainingProgressed,
)
from backburner.core.state import Moved, Reported
from backburner.core.wire import Envelope


class Hearing:
    """Listens to the kitchens for as long as the page lives."""

    def __init__(
        self,
        store: Store,
        kitchens: Kitchens,
        queue: Queue,
        logs: Logs,
        *,
        now_s: Callable[[], float],
    ) -> None:
        self._store = store
        self._kitchens = kitchens
        self._queue = queue
        self._logs = logs
        self._now_s = now_s
        self._tasks = Tasks()
        kitchens.on_report = self.hear

    def hear(self, envelope: Envelope) -> None:
        key = envelope.operation
        operation = self._store.state.operations.get(key or "")
        if key is None or operation is None:
            return
        if operation.status in ENDED and key not in self._queue.opening:
            if isinstance(envelope.message, ModelReady):
                # Too late: the operation has ended meanwhile, and nobody would free it.
                self._tasks.start(self._dispose(key))
            return
        now = self._now_s()
        match envelope.message:
            case PreparationReported() as report:
                self._store.dispatch(Reported(id=key, report=report, at=now))
            case ModelReady() as report:
                self._keep_what_came(key, report, envelope.buffers)
                self._store.dispatch(Reported(id=key, report=report, at=now))
                words = _model_words(report, trains=TABLE[self._store.get(key).kind].trains)
                self._logs.add("info", words, operation=key)
            case TrainingProgressed() as report:
                self._store.dispatch(Reported(id=key, report=report, at=now))
                for end in report.epoch_ends:
                    self._logs.add("info", _epoch_words(end), operation=key)
            case GenerationProgressed() as report:
                self._store.dispatch(Reported(id=key, report=report, at=now))
            case TrainingCompleted() | GenerationCompleted() as report:
                self._store.dispatch(Reported(id=key, report=report, at=now))
                self._logs.add("info", "completed", operation=key)
            case Checkpointed(step=step, bytes=size, took_ms=took) as report:
                self._store.dispatch(Reported(id=key, report=report, at=now))
                words = f"checkpoint at step {step}: {size / 1000:.1f} KB, {took:.1f} ms"
                self._logs.add("debug", words, operation=key)
            case CheckpointFailed(error=fault) as report:
                self._store.dispatch(Reported(id=key, report=report, at=now))
                self._logs.add("warning", f"no checkpoint: {fault.message}", operation=key)
            case Stopped(checkpoint=checkpoint):
                event = self._queue.end_of_a_stop(key)
                self._move(key, event, checkpoint)
                self._logs.add("info", event.value, operation=key)
            case Paused(checkpoint=checkpoint):
                self._move_if_possible(key, Event.PAUSED, checkpoint)
            case Resumed():
                self._move_if_possible(key, Event.RESUMED)
            case _:
                pass

    def _keep_what_came(self, key: str, report: ModelReady, buffers: tuple[bytes, ...]) -> None:
        """Pictures of examples, and the curves as far as the model has come."""
        if buffers:
            self._store.pictures[key] = buffers[0]
        if len(buffers) > 1:
            self._keep_curves(key, buffers[1], report.epoch_ends)
        elif report.step == 0:
            self._store.curves[key] = Curves()

    def _keep_curves(self, key: str, data: bytes, ends: tuple[EpochEnd, ...]) -> None:
        self._store.curves[key] = Curves.from_bytes(data, ends)

    def _move_if_possible(self, key: str, event: Event, checkpoint: int | None = None) -> None:
        """A stop may have been asked for while the worker was pausing; then stopping wins."""
        if self._store.get(key).status is not Status.STOPPING:
            self._move(key, event, checkpoint)

    async def _dispose(self, key: str) -> None:
        """Frees a model that nobody knows of; what this is refused with concerns nobody."""
        with suppress(BackburnerError):
            await self._kitchens.ask(Dispose(), operation=key, timeout_s=None)

    def _move(self, key: str, event: Event, checkpoint: int | None = None) -> None:
        self._store.dispatch(Moved(id=key, event=event, at=self._now_s(), checkpoint=checkpoint))


def _model_words(report: ModelReady, *, trains: bool) -> str:
    if not trains:
        where = f", to go on after {report.step} characters" if report.step else ""
        length = f"{report.steps} characters to write"
        return f"model read{where}: {report.parameters} parameters, {length}"
    where = f"brought back at step {report.step}" if report.step else "built"
    return f"model {where}: {report.parameters} parameters, {report.steps} steps to do in all"


def _epoch_words(end: EpochEnd) -> str:
    words = f"epoch {end.epoch}: loss {end.loss:.4f}, accuracy {end.accuracy:.4f}"
    if end.validation is None:
        return words
    return (
        f"{words}, validation loss {end.validation.loss:.4f}, "
        f"accuracy {end.validation.accuracy:.4f}"
    )
