"""The worker's side of the conversation: takes orders from a port and keeps to its promises.

Every order that arrives gets an answer: the report that belongs to it, or Refused with the
reason. An order that cannot be understood or carried out changes nothing, and the loop lives
on. Works on any port: the worker's own, one end of a MessageChannel, a fake in a test.

Trainings run as tasks that give way after every batch, so that predictions, pings and wishes
to stop are heard at once. While nothing is to be done the loop has no task and no timer.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol, assert_never

from backburner.core.errors import (
    BackburnerError,
    InterfaceError,
    LifecycleError,
    ProtocolError,
    UnknownTag,
)
from backburner.core.messages import (
    TO_WORKER,
    DescribeWeights,
    Dispose,
    Disposed,
    Fault,
    InitTraining,
    Log,
    Message,
    Order,
    Pause,
    Paused,
    Ping,
    Pong,
    Predict,
    PredictionResult,
    Refused,
    Resume,
    Resumed,
    StartTraining,
    Stopped,
    StopTraining,
    TensorFacts,
    TrainingCompleted,
    TrainingFailed,
    WeightsDescribed,
)
from backburner.core.recipe import Recipe
from backburner.core.wire import Envelope, decode, encode, request_of
from backburner.engine.training import Training
from backburner.worker.training import TrainingRun, model_ready


class Kitchen(Protocol):
    """What the loop needs from around it (worker/browser.py; a fake in tests)."""

    def post(self, text: str, buffers: tuple[bytes, ...]) -> None:
        """Sends a text with copies of the buffers; nothing posted is kept."""

    def clock_ms(self) -> float:
        """Milliseconds that never go back."""

    async def turn(self) -> None:
        """Lets everything else that waits have its turn, messages included."""

    async def prepare(self, recipe: Recipe) -> Training:
        """Loads the data and builds the model. Raises ConfigurationError or ProcessError."""

    def vitals(self, *, models: int, running: int) -> Pong:
        """How the worker is doing."""


@dataclass(slots=True)
class Job:
    """One operation in the worker; `task` runs while it trains."""

    id: str
    training: Training
    task: asyncio.Task[None] | None = None
    stop: str | None = None
    """The request that wants it stopped; empty text for a wish without a request."""
    pause: str | None = None
    resume: str | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Loop:
    """Serves one port. `receive` is the only way in; `close` ends everything, twice if need be."""

    def __init__(self, kitchen: Kitchen, *, generation: int) -> None:
        self._kitchen = kitchen
        self._generation = generation
        self._jobs: dict[str, Job] = {}
        self._preparing: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # --- the way in --------------------------------------------------------------------

    def receive(self, text: object, buffers: tuple[Any, ...] = ()) -> None:
        """Takes one message. Never raises: what does not fit is answered with Refused."""
        try:
            envelope = decode(text, buffers)
            if not isinstance(envelope.message, TO_WORKER):
                raise UnknownTag(
                    f"{envelope.message.tag} is a report and not an order; reports go from the "
                    "worker to the page.",
                    key="tag",
                )
        except ProtocolError as error:
            request, operation = request_of(text)
            self._log("warning", f"refused a message: {error.message}")
            self._send(Refused(error=as_fault(error)), request=request, operation=operation)
            return
        self._hold(self._carry_out(envelope, envelope.message))

    async def close(self) -> None:
        """Stops every training, waits for it, and frees every model."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for job in self._jobs.values():
            job.training.dispose()
        self._jobs.clear()

    # --- orders ------------------------------------------------------------------------

    async def _carry_out(self, envelope: Envelope, order: Order) -> None:
        try:
            await self._dispatch(envelope, order)
        except Exception as error:
            self._answer(envelope, Refused(error=as_fault(error)))

    async def _dispatch(self, envelope: Envelope, order: Order) -> None:
        match order:
            case Ping():
                self._answer(envelope, self._vitals())
            case InitTraining():
                await self._init(envelope, order)
            case StartTraining():
                self._start(envelope, self._job(envelope))
            case StopTraining():
                self._stop(envelope, self._job(envelope))
            case Pause():
                self._pause(envelope, self._job(envelope))
            case Resume():
                self._resume(envelope, self._job(envelope))
            case Predict():
                result = await self._job(envelope).training.predict(order.input)
                self._answer(
                    envelope,
                    PredictionResult(
                        label=result["label"],
                        confidence=result["confidence"],
                        probabilities=tuple(result["probabilities"]),
                    ),
                )
            case DescribeWeights():
                await self._describe(envelope, self._job(envelope))
            case Dispose():
                await self._dispose(envelope)
            case _:
                assert_never(order)

    async def _init(self, envelope: Envelope, order: InitTraining) -> None:
        name = envelope.operation
        if not name:
            raise InterfaceError("INIT_TRAINING names no operation. Give it an id of its own.")
        if name in self._jobs or name in self._preparing:
            raise InterfaceError(
                f"The operation {name} has a model already. Use a new id, or dispose of it first."
            )
        self._preparing.add(name)
        try:
            training = await self._kitchen.prepare(Recipe.from_wire(order.recipe))
        finally:
            self._preparing.discard(name)
        self._jobs[name] = Job(id=name, training=training)
        message, pixels = model_ready(training)
        self._answer(envelope, message, (pixels,))

    def _start(self, envelope: Envelope, job: Job) -> None:
        if job.task is not None:
            raise LifecycleError.between("running", "running")
        if job.training.step >= job.training.steps:
            raise LifecycleError.between("completed", "running", way_out="Start a new operation.")
        job.stop = job.pause = None
        job.task = self._hold(self._train(job, envelope.request))

    def _stop(self, envelope: Envelope, job: Job) -> None:
        if job.task is None:
            self._answer(envelope, Stopped(step=job.training.step))
            return
        job.stop = envelope.request or ""
        job.wake.set()

    def _pause(self, envelope: Envelope, job: Job) -> None:
        if job.task is None or job.stop is not None:
            raise LifecycleError.between("not training", "paused")
        if job.pause is not None:
            raise LifecycleError.between("paused", "paused")
        job.wake.clear()
        job.pause = envelope.request or ""

    def _resume(self, envelope: Envelope, job: Job) -> None:
        if job.task is None or job.pause is None:
            raise LifecycleError.between("not paused", "running")
        job.resume = envelope.request or ""
        job.wake.set()

    async def _describe(self, envelope: Envelope, job: Job) -> None:
        step = job.training.step
        weights = await job.training.weights()
        tensors = tuple(
            TensorFacts(name=each["name"], shape=tuple(each["shape"]), sha256=each["sha256"])
            for each in weights["tensors"]
        )
        described = WeightsDescribed(step=step, sha256=weights["sha256"], tensors=tensors)
        self._answer(envelope, described)

    async def _dispose(self, envelope: Envelope) -> None:
        job = self._jobs.get(envelope.operation or "")
        if job is not None:
            if job.task is not None:
                job.stop = ""
                job.wake.set()
                await asyncio.wait([job.task])
            self._jobs.pop(job.id, None)
            job.training.dispose()
        # Freeing what is not there is no fault: it is gone, as was wanted.
        self._answer(envelope, Disposed())

    # --- a training under way ----------------------------------------------------------

    async def _train(self, job: Job, request: str | None) -> None:
        self._log("debug", f"training {job.id} from step {job.training.step}")
        try:
            if await self._train_until_told(job, request):
                return
        except Exception as error:
            self._send(TrainingFailed(error=as_fault(error)), request=request, operation=job.id)
        finally:
            job.task = None
            self._log("debug", f"training {job.id} ended at step {job.training.step}")
        self._settle_late_wishes(job)

    async def _train_until_told(self, job: Job, request: str | None) -> bool:
        """Trains; True if it was stopped by a wish, False if it came to its end."""
        run = TrainingRun(job.training, self._kitchen.clock_ms)
        async with aclosing(run.events()) as events:
            async for report in events:
                if report is not None:
                    self._send(report, request=request, operation=job.id)
                if isinstance(report, TrainingCompleted):
                    return False
                await self._kitchen.turn()
                if job.pause is not None and job.stop is None:
                    await self._rest(job, run, request)
                if job.stop is not None:
                    self._flush(job, run, request)
                    self._send(Stopped(step=job.training.step), job.stop or None, job.id)
                    return True
        return False

    async def _rest(self, job: Job, run: TrainingRun, request: str | None) -> None:
        self._flush(job, run, request)
        self._send(Paused(step=job.training.step), job.pause or None, job.id)
        await job.wake.wait()
        job.pause = None
        if job.stop is None:
            self._send(Resumed(step=job.training.step), job.resume or None, job.id)
            job.resume = None

    def _flush(self, job: Job, run: TrainingRun, request: str | None) -> None:
        report = run.pending()
        if report is not None:
            self._send(report, request=request, operation=job.id)

    def _settle_late_wishes(self, job: Job) -> None:
        """Wishes that came after the last batch: the training is over, and they hear so."""
        if job.stop is not None:
            self._send(Stopped(step=job.training.step), job.stop or None, job.id)
        elif job.pause is not None:
            late = LifecycleError.between("completed", "paused")
            self._send(Refused(error=as_fault(late)), job.pause or None, job.id)

    # --- small things ------------------------------------------------------------------

    def report(self, message: Message) -> None:
        """Tells the page something that answers no order."""
        self._send(message)

    def _log(self, level: str, text: str) -> None:
        self._send(Log(level=level, text=text))

    def _vitals(self) -> Pong:
        running = sum(job.task is not None for job in self._jobs.values())
        return self._kitchen.vitals(models=len(self._jobs), running=running)

    def _job(self, envelope: Envelope) -> Job:
        job = self._jobs.get(envelope.operation or "")
        if job is None:
            raise InterfaceError(
                f"The worker has no operation {envelope.operation!r}: it was disposed of, or "
                "the worker was replaced since. Train it again.",
            )
        return job

    def _hold(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _answer(
        self, envelope: Envelope, message: Message, buffers: tuple[bytes, ...] = ()
    ) -> None:
        self._send(message, envelope.request, envelope.operation, buffers)

    def _send(
        self,
        message: Message,
        request: str | None = None,
        operation: str | None = None,
        buffers: tuple[bytes, ...] = (),
    ) -> None:
        envelope = Envelope(
            message=message, generation=self._generation, request=request, operation=operation
        )
        self._kitchen.post(encode(envelope), buffers)


def as_fault(error: Exception) -> Fault:
    """An error as it travels. What nobody foresaw keeps its traceback as detail."""
    if isinstance(error, BackburnerError):
        return Fault(name=error.name, message=error.message, key=error.key, detail=error.detail)
    return Fault(
        name=type(error).__name__,
        message="Something failed in the worker that Backburner did not foresee. Nothing that "
        "was saved is lost; start again, and please report it with the details.",
        detail="".join(traceback.format_exception(error)),
    )
