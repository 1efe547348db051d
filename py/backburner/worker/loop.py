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
from contextlib import suppress
from typing import Any, assert_never

from backburner.core.errors import (
    BackburnerError,
    InterfaceError,
    ProtocolError,
    StorageError,
    UnknownTag,
)
from backburner.core.kinds import TABLE
from backburner.core.messages import (
    TO_WORKER,
    Bench,
    ChangeDrawings,
    ClearRun,
    CurvesRead,
    DataLoaded,
    DescribeWeights,
    Dispose,
    Disposed,
    DrawingsChanged,
    ExaminePart,
    Fault,
    InitTraining,
    ListRuns,
    LoadData,
    Message,
    Order,
    Pause,
    Ping,
    Pong,
    Predict,
    PredictionResult,
    ReadActivations,
    ReadCurves,
    ReadDrawings,
    ReadExamples,
    ReadFilters,
    Refused,
    Resume,
    RunCleared,
    RunsListed,
    StartGeneration,
    StartTraining,
    Stopped,
    StopTraining,
    TensorFacts,
    WeightsDescribed,
)
from backburner.core.wire import Envelope, decode, request_of
from backburner.worker.archive import Archive
from backburner.worker.bench import Workbench
from backburner.worker.choosing import Chooser
from backburner.worker.drawings import Shelf
from backburner.worker.examples import example_numbers
from backburner.worker.inspecting import Inspector
from backburner.worker.jobs import Job
from backburner.worker.kinds import open_operation
from backburner.worker.kitchen import Kitchen
from backburner.worker.opening import Opening
from backburner.worker.storage import Database
from backburner.worker.voice import Voice

CLOSING_TURNS = 20
"""How long tasks that were cancelled may take to end: a few turns, for they wait for each other.

Counted in turns: a timer of asyncio's would hold a proxy to its end, also when nobody waits.
"""


class Loop:
    """Serves one port. `receive` is the only way in; `close` ends everything, twice if need be."""

    def __init__(
        self, kitchen: Kitchen, database: Database, *, generation: int, debug: bool = False
    ) -> None:
        self._kitchen = kitchen
        self._archive = Archive(database)
        self._shelf = Shelf(database)
        self._chooser = Chooser(kitchen, database)
        self._voice = Voice(kitchen.post, generation=generation, debug=debug)
        self._jobs: dict[str, Job] = {}
        self._openings: dict[str, Opening] = {}
        self._inspector = Inspector(kitchen)
        self._workbench = Workbench(kitchen)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    # --- the way in --------------------------------------------------------------------

    def receive(self, text: object, buffers: tuple[Any, ...] = ()) -> None:
        """Takes one message. Never raises: what does not fit is answered with Refused."""
        if self._is_closed:
            return
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
            self._voice.log("warning", f"refused a message: {error.message}")
            self._voice.send(Refused(error=Fault.from_error(error)), request, operation)
            return
        self._voice.trace("received", envelope.message, envelope.operation)
        self._hold(self._carry_out(envelope, envelope.message))

    def report(self, message: Message) -> None:
        """Tells the page something that answers no order."""
        self._voice.send(message)

    async def close(self) -> None:
        """Ends every training where it stands, frees every model and lets go of the database.

        It waits for nothing that may never come: a device that hangs, another tab. What was
        reported as safe stays so.
        """
        self._is_closed = True
        self._voice.close()
        for task in list(self._tasks):
            task.cancel()
        for _ in range(CLOSING_TURNS):
            if not self._tasks:
                break
            await asyncio.sleep(0)
        for job in self._jobs.values():
            # One that cannot be freed (its device is gone) must not keep the others.
            with suppress(BackburnerError):
                job.work.dispose()
        self._jobs.clear()
        await self._archive.close()
        self._kitchen.close()

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
            case LoadData():
                count = await self._kitchen.load(order.source)
                self._answer(envelope, DataLoaded(source=order.source, examples=count))
            case InitTraining():
                await self._init(envelope, order)
            case StartTraining() | StartGeneration():
                job = self._job(envelope)
                _check_start(job, order)
                job.start(envelope.request, order.checkpoint)
            case StopTraining():
                await self._stop(envelope, order)
            case Pause():
                self._job(envelope).pause(envelope.request)
            case Resume():
                self._job(envelope).resume(envelope.request)
            case Predict():
                await self._predict(envelope, order)
            case DescribeWeights():
                await self._describe(envelope)
            case ReadFilters():
                found, data = await self._inspector.filters(self._job(envelope), order)
                self._answer(envelope, found, (data,))
            case ReadActivations():
                looked, data = await self._inspector.activations(self._job(envelope), order)
                self._answer(envelope, looked, (data,))
            case ExaminePart():
                examined, data = await self._inspector.examine(self._job(envelope), order)
                self._answer(envelope, examined, (data,))
            case ReadExamples():
                read, data = self._inspector.examples(self._job(envelope), order)
                self._answer(envelope, read, (data,))
            case Dispose():
                await self._dispose(envelope)
            case ListRuns():
                await self._list(envelope)
            case ReadCurves():
                await self._read_curves(envelope)
            case ClearRun():
                await self._clear(envelope)
            case Bench():
                self._answer(envelope, await self._workbench.measure(order))
            case ReadDrawings():
                self._answer(envelope, await self._shelf.read())
            case ChangeDrawings():
                await self._shelf.change(order)
                self._answer(envelope, DrawingsChanged())
            case _:
                assert_never(order)

    async def _init(self, envelope: Envelope, order: InitTraining) -> None:
        name = _name(envelope)
        if name in self._jobs or name in self._openings:
            raise InterfaceError(
                f"The operation {name} has a model already. Use a new id, or dispose of it first."
            )
        opening = self._openings[name] = Opening(
            name,
            archive=self._archive,
            shelf=self._shelf,
            chooser=self._chooser,
            kitchen=self._kitchen,
            voice=self._voice,
            hold=self._hold,
        )
        try:
            job, message, buffers = await open_operation(opening, order)
            self._jobs[name] = job
            self._answer(envelope, message, buffers)
        finally:
            del self._openings[name]
            opening.over.set()

    async def _stop(self, envelope: Envelope, order: StopTraining) -> None:
        opening = self._openings.get(envelope.operation or "")
        if opening is not None:
            opening.is_hurried = True
            await opening.over.wait()
        job = self._jobs.get(envelope.operation or "")
        if job is None and order.abort and envelope.operation:
            # It is not here, but what is kept of it must not come back as a run to go on with.
            run = await self._archive.abort(envelope.operation, at=self._kitchen.now_s())
            step = run.checkpoint or 0
            self._answer(envelope, Stopped(step=step, checkpoint=run.checkpoint))
            return
        await self._job(envelope).stop(envelope.request, abort=order.abort)

    async def _predict(self, envelope: Envelope, order: Predict) -> None:
        training = self._job(envelope).training
        example = order.input
        if order.example is not None:
            example = example_numbers(training, order.example)
        result = await training.predict(example)
        message = PredictionResult(
            label=result["label"],
            confidence=result["confidence"],
            probabilities=tuple(result["probabilities"]),
        )
        self._answer(envelope, message)

    async def _describe(self, envelope: Envelope) -> None:
        training = self._job(envelope).training
        step = training.step
        weights = await training.weights()
        tensors = tuple(
            TensorFacts(name=each["name"], shape=tuple(each["shape"]), sha256=each["sha256"])
            for each in weights["tensors"]
        )
        described = WeightsDescribed(step=step, sha256=weights["sha256"], tensors=tensors)
        self._answer(envelope, described)

    async def _dispose(self, envelope: Envelope) -> None:
        name = envelope.operation or ""
        opening = self._openings.get(name)
        if opening is not None:
            opening.is_wanted = False
        await self._free(name)
        # Freeing what is not there is no fault: it is gone, as was wanted.
        self._answer(envelope, Disposed())

    async def _clear(self, envelope: Envelope) -> None:
        name = _name(envelope)
        opening = self._openings.get(name)
        if opening is not None:
            opening.is_wanted = False
            await opening.over.wait()
        await self._free(name)
        await self._archive.clear(name)
        self._answer(envelope, RunCleared())

    async def _list(self, envelope: Envelope) -> None:
        try:
            runs, problem = await self._archive.runs()
        except StorageError as error:
            runs, problem = (), Fault.from_error(error)
        self._answer(envelope, RunsListed(runs=runs, problem=problem))

    async def _read_curves(self, envelope: Envelope) -> None:
        curves, lost = await self._archive.curves(_name(envelope))
        for error in lost:
            self._voice.log("warning", f"a part of the curves: {error.message}", envelope.operation)
        message = CurvesRead(epoch_ends=tuple(curves.epochs))
        self._answer(envelope, message, (curves.to_bytes(),))

    # --- small things ------------------------------------------------------------------

    async def _free(self, name: str) -> None:
        job = self._jobs.get(name)
        if job is not None:
            try:
                await job.end()
            finally:
                # One that cannot be freed (its device is gone) is gone all the same.
                self._jobs.pop(name, None)

    def _vitals(self) -> Pong:
        running = sum(job.task is not None for job in self._jobs.values())
        return self._kitchen.vitals(models=len(self._jobs), running=running)

    def _job(self, envelope: Envelope) -> Job:
        job = self._jobs.get(envelope.operation or "")
        if job is None:
            raise InterfaceError(
                f"The worker has no operation {envelope.operation!r}: it was disposed of, or "
                "the worker was replaced since. Bring it back, or train it again.",
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
        self._voice.send(message, envelope.request, envelope.operation, buffers)


def _name(envelope: Envelope) -> str:
    if not envelope.operation:
        raise InterfaceError(
            f"{envelope.message.tag} names no operation. Give it the id of the one it is about."
        )
    return envelope.operation


def _check_start(job: Job, order: StartTraining | StartGeneration) -> None:
    kind = job.keeper.record.kind
    wanted = TABLE[kind].start
    if not isinstance(order, wanted):
        raise InterfaceError(
            f"{order.tag} is no order for an operation of the kind {kind}: that begins with "
            f"{wanted.tag}."
        )
