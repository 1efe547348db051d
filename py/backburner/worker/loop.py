"""The worker's side of the conversation: takes orders from a port and keeps to its promises.

Every order that arrives gets an answer: the report that belongs to it, or Refused with the
reason. An order that cannot be understood or carried out changes nothing, and the loop lives
on. Works on any port: the worker's own, one end of a MessageChannel, a fake in a test.

Trainings run as tasks that give way after every batch, so that predictions, pings and wishes
to stop are heard at once. While nothing is to be done the loop has no task and no timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol, assert_never

from backburner.core.errors import (
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
from backburner.worker.training import TrainingRun, example_numbers, model_ready


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
    """One operation in the worker; `task` runs while it trains.

    The lists hold the requests that want something of the training, in order. Each is answered
    when the training gets there, or when it ends.
    """

    id: str
    training: Training
    task: asyncio.Task[None] | None = None
    stops: list[str | None] = field(default_factory=list)
    pauses: list[str | None] = field(default_factory=list)
    resumes: list[str | None] = field(default_factory=list)
    is_paused: bool = False
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
            self._send(Refused(error=Fault.from_error(error)), request, operation)
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
            self._answer(envelope, Refused(error=Fault.from_error(error)))

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
                training = self._job(envelope).training
                example = order.input
                if order.example is not None:
                    example = example_numbers(training, order.example)
                result = await training.predict(example)
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
            wanted = name in self._preparing
        finally:
            self._preparing.discard(name)
        try:
            if not wanted:
                raise InterfaceError(f"The operation {name} was disposed of before it was ready.")
            message, pixels = model_ready(training)
        except Exception:
            training.dispose()
            raise
        self._jobs[name] = Job(id=name, training=training)
        self._answer(envelope, message, (pixels,))

    def _start(self, envelope: Envelope, job: Job) -> None:
        if job.task is not None:
            raise LifecycleError.between("running", "running")
        if job.training.step >= job.training.steps:
            raise LifecycleError.between("completed", "running", way_out="Start a new operation.")
        job.task = self._hold(self._train(job, envelope.request))

    def _stop(self, envelope: Envelope, job: Job) -> None:
        if job.task is None:
            self._answer(envelope, Stopped(step=job.training.step))
            return
        job.stops.append(envelope.request)
        job.wake.set()

    def _pause(self, envelope: Envelope, job: Job) -> None:
        if job.task is None or job.stops:
            raise LifecycleError.between("not training", "paused")
        if job.pauses or job.is_paused:
            raise LifecycleError.between("paused", "paused")
        job.pauses.append(envelope.request)

    def _resume(self, envelope: Envelope, job: Job) -> None:
        if not job.is_paused:
            raise LifecycleError.between("not paused", "running")
        job.resumes.append(envelope.request)
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
        name = envelope.operation or ""
        # What is being prepared finds out when it is ready that nobody wants it any more.
        self._preparing.discard(name)
        job = self._jobs.get(name)
        if job is not None:
            if job.task is not None:
                job.stops.append(None)
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
            await self._train_until_told(job, request)
        except Exception as error:
            failed = TrainingFailed(error=Fault.from_error(error))
            self._send(failed, request=request, operation=job.id)
        finally:
            job.task = None
            job.is_paused = False
            self._log("debug", f"training {job.id} ended at step {job.training.step}")
        self._settle_wishes(job)

    async def _train_until_told(self, job: Job, request: str | None) -> None:
        """Trains to the end, or until a wish to stop is heard."""
        run = TrainingRun(job.training, self._kitchen.clock_ms)
        async with aclosing(run.events()) as events:
            async for report in events:
                if report is not None:
                    self._send(report, request=request, operation=job.id)
                if isinstance(report, TrainingCompleted):
                    return
                await self._kitchen.turn()
                if job.pauses and not job.stops:
                    await self._rest(job, run, request)
                if job.stops:
                    self._flush(job, run, request)
                    return

    async def _rest(self, job: Job, run: TrainingRun, request: str | None) -> None:
        self._flush(job, run, request)
        job.is_paused = True
        job.wake.clear()
        self._settle(job, job.pauses, Paused(step=job.training.step))
        await job.wake.wait()
        job.is_paused = False
        if not job.stops:
            self._settle(job, job.resumes, Resumed(step=job.training.step))

    def _flush(self, job: Job, run: TrainingRun, request: str | None) -> None:
        report = run.pending()
        if report is not None:
            self._send(report, request=request, operation=job.id)

    def _settle_wishes(self, job: Job) -> None:
        """The training is over, whatever was still wanted of it: every request hears so."""
        self._settle(job, job.stops, Stopped(step=job.training.step))
        late = Refused(error=Fault.from_error(LifecycleError.between("not training", "paused")))
        self._settle(job, job.pauses, late)
        self._settle(job, job.resumes, late)

    def _settle(self, job: Job, requests: list[str | None], answer: Message) -> None:
        for request in requests:
            self._send(answer, request, job.id)
        requests.clear()

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
