"""The operations: what the page and the automation hook can ask for, and the queue behind it.

Commands come in here and nowhere else; each either does its work through the worker and the
store, or raises an error with words for people. Operations of one kind wait for each other
in the order in which they were asked for. Views come and go; nothing here notices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from backburner.app.kitchens import Kitchens
from backburner.app.store import Store
from backburner.app.tasks import Tasks
from backburner.core.errors import (
    BackburnerError,
    DataError,
    InterfaceError,
    LifecycleError,
    LocalProtocolError,
    WorkerLost,
)
from backburner.core.lifecycle import ENDED, Event, Status, WorkerStatus
from backburner.core.messages import (
    DescribeWeights,
    Dispose,
    Fault,
    InitTraining,
    ModelReady,
    Pause,
    Paused,
    Predict,
    PredictionResult,
    Resume,
    Resumed,
    StartTraining,
    Stopped,
    StopTraining,
    TrainingCompleted,
    TrainingFailed,
    TrainingProgressed,
    WeightsDescribed,
)
from backburner.core.recipe import Recipe
from backburner.core.state import (
    Failed,
    Forgotten,
    Moved,
    Operation,
    Reported,
    Requested,
    State,
    WorkerMoved,
)
from backburner.core.wire import Envelope

ANSWER_TIMEOUT_S = 60.0
"""For answers that cost the worker some work: a model built, an example looked at."""

KEPT_MODELS = 5
"""How many trained models the worker keeps at hand; the oldest is freed first."""

Wanted = Callable[[Operation], bool]


class Operations:
    """`now_s` gives seconds since 1970, `new_id` a fresh id."""

    def __init__(
        self,
        store: Store,
        kitchens: Kitchens,
        *,
        now_s: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._kitchens = kitchens
        self._now_s = now_s
        self._new_id = new_id
        self._cook: asyncio.Task[None] | None = None
        self._tasks = Tasks()
        kitchens.on_report = self._hear

    # --- commands ----------------------------------------------------------------------

    def start(self, recipe: object) -> Operation:
        """Takes up a recipe (JSON): it runs at once, or waits for those before it.

        Raises ConfigurationError, naming the key, for a recipe that cannot work.
        """
        parsed = Recipe.from_wire(recipe)
        operation = Operation(
            id=self._new_id(),
            kind=parsed.kind,
            name=parsed.name or "",
            recipe=parsed.to_wire(),
            status=Status.QUEUED,
            created=self._now_s(),
            epochs=parsed.training.epochs,
        )
        self._store.dispatch(Requested(operation=operation))
        if self._cook is None or self._cook.done():
            self._cook = asyncio.ensure_future(self._work_through_the_queue())
        return operation

    async def stop(self, key: str) -> Operation:
        """Stops an operation, after the step under way; what was learned so far stays."""
        operation = self.get(key)
        if operation.status is Status.QUEUED:
            self._store.dispatch(Moved(id=key, event=Event.STOPPED, at=self._now_s()))
            return self.get(key)
        if operation.status is not Status.STOPPING:
            self._store.dispatch(Moved(id=key, event=Event.ASK_STOP, at=self._now_s()))
        if operation.lives:
            await self._kitchens.ask(StopTraining(), operation=key, timeout_s=ANSWER_TIMEOUT_S)
        return await self._until(key, lambda each: each.status in ENDED)

    async def pause(self, key: str) -> Operation:
        """Lets an operation wait after the step under way."""
        self.get(key)
        self._store.dispatch(Moved(id=key, event=Event.ASK_PAUSE, at=self._now_s()))
        try:
            await self._kitchens.ask(Pause(), operation=key, timeout_s=ANSWER_TIMEOUT_S)
        except LifecycleError:
            # The last step was over before the wish arrived: it is completed, not paused.
            if self.get(key).status not in ENDED:
                raise
        return self.get(key)

    async def resume(self, key: str) -> Operation:
        """Goes on with a paused operation."""
        operation = self.get(key)
        if operation.status is not Status.PAUSED:
            raise LifecycleError.between(operation.status, Status.RUNNING)
        await self._kitchens.ask(Resume(), operation=key, timeout_s=ANSWER_TIMEOUT_S)
        return self.get(key)

    async def predict_example(self, key: str, index: int) -> PredictionResult:
        """Asks the model as it is now about the example of its data with this index."""
        self._living(key)
        answer = await self._kitchens.ask(
            Predict(example=index), operation=key, timeout_s=ANSWER_TIMEOUT_S
        )
        assert isinstance(answer.message, PredictionResult)
        return answer.message

    async def predict(self, key: str, example: object) -> PredictionResult:
        """Asks the model as it is now about one example, in the scale of its data (0 to 1).

        Raises DataError for an example of the wrong shape, InterfaceError without a model.
        """
        self._living(key)
        try:
            answer = await self._kitchens.ask(
                Predict(input=example), operation=key, timeout_s=ANSWER_TIMEOUT_S
            )
        except LocalProtocolError as error:
            raise DataError(
                "The example to predict holds something that is not a finite number. Give "
                "nested lists of numbers, best between 0 and 1.",
                key="input",
                detail=error.detail,
            ) from error
        assert isinstance(answer.message, PredictionResult)
        return answer.message

    async def weights(self, key: str) -> WeightsDescribed:
        """The hashes of the latest weights."""
        self._living(key)
        answer = await self._kitchens.ask(
            DescribeWeights(), operation=key, timeout_s=ANSWER_TIMEOUT_S
        )
        assert isinstance(answer.message, WeightsDescribed)
        return answer.message

    async def wait(self, key: str, until: str) -> Operation:
        """Waits until an operation is in the status `until`.

        Raises InterfaceError for a status that does not exist; gives the operation as it
        ended when it ended otherwise (the caller compares).
        """
        try:
            wanted = Status(until)
        except ValueError:
            known = ", ".join(status.value for status in Status)
            raise InterfaceError(
                f"There is no status {until!r}. There are: {known}.", key="until"
            ) from None
        return await self._until(key, lambda each: each.status is wanted or each.status in ENDED)

    def get(self, key: str) -> Operation:
        """Raises InterfaceError for an id that nobody knows."""
        found = self._store.state.operations.get(key)
        if found is None:
            raise InterfaceError(
                f"There is no operation {key!r}. Ids come from start(); operations() lists them.",
                key="id",
            )
        return found

    # --- the queue ---------------------------------------------------------------------

    async def _work_through_the_queue(self) -> None:
        while (operation := self._store.state.queued()) is not None:
            await self._run(operation.id, operation.recipe)

    async def _run(self, key: str, recipe: Mapping[str, Any]) -> None:
        self._store.dispatch(Moved(id=key, event=Event.BEGIN, at=self._now_s()))
        try:
            if not await self._ensured_before_a_stop(key):
                return
            self._worker_is(WorkerStatus.BUSY)
            await self._make_room()
            await self._kitchens.ask(
                InitTraining(recipe=dict(recipe)), operation=key, timeout_s=ANSWER_TIMEOUT_S
            )
            if not self._stopped_meanwhile(key):
                await self._kitchens.ask(StartTraining(), operation=key, timeout_s=None)
        except WorkerLost as error:
            self._end(key, Event.INTERRUPT, Fault.from_error(error))
        except Exception as error:
            # Foreseen or not: it ends this operation, and those after it go on.
            self._end(key, Event.FAIL, Fault.from_error(error))
        finally:
            self._worker_is(WorkerStatus.READY)

    async def _ensured_before_a_stop(self, key: str) -> bool:
        """Waits for a live worker; False when a stop came first, which may be at any time."""
        worker = asyncio.ensure_future(self._kitchens.ensure())
        stop = asyncio.ensure_future(self._until(key, lambda each: each.status is Status.STOPPING))
        try:
            await asyncio.wait({worker, stop}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopped_meanwhile(key):
                return False
            await worker
            return True
        finally:
            worker.cancel()
            stop.cancel()

    def _stopped_meanwhile(self, key: str) -> bool:
        """Ends an operation that was asked to stop before it began to train."""
        status = self.get(key).status
        if status is Status.STOPPING:
            self._store.dispatch(Moved(id=key, event=Event.STOPPED, at=self._now_s()))
        return status is Status.STOPPING or status in ENDED

    def _end(self, key: str, event: Event, fault: Fault) -> None:
        if self.get(key).status not in ENDED:
            self._store.dispatch(Failed(id=key, event=event, error=fault, at=self._now_s()))

    def _worker_is(self, status: WorkerStatus) -> None:
        worker = self._store.state.worker
        if worker.status in (WorkerStatus.READY, WorkerStatus.BUSY):
            self._store.dispatch(WorkerMoved(status=status, generation=worker.generation))

    async def _make_room(self) -> None:
        """Frees the oldest models, so that many runs in a row don't fill the memory."""
        living = [each for each in self._store.state.operations.values() if each.lives]
        for old in living[: max(0, len(living) - KEPT_MODELS + 1)]:
            await self._kitchens.ask(Dispose(), operation=old.id, timeout_s=ANSWER_TIMEOUT_S)
            self._store.dispatch(Forgotten(id=old.id))

    # --- what the worker says ----------------------------------------------------------

    def _hear(self, envelope: Envelope) -> None:
        key = envelope.operation
        operation = self._store.state.operations.get(key or "")
        if key is None or operation is None:
            return
        if operation.status in ENDED:
            if isinstance(envelope.message, ModelReady):
                # Too late: the operation has ended meanwhile, and nobody would free it.
                self._tasks.start(self._dispose(key))
            return
        now = self._now_s()
        match envelope.message:
            case ModelReady() as report:
                if envelope.buffers:
                    self._store.pictures[key] = envelope.buffers[0]
                self._store.dispatch(Reported(id=key, report=report, at=now))
            case TrainingProgressed() | TrainingCompleted() as report:
                self._store.dispatch(Reported(id=key, report=report, at=now))
            case TrainingFailed(error=fault):
                self._end(key, Event.FAIL, fault)
            case Stopped():
                self._store.dispatch(Moved(id=key, event=Event.STOPPED, at=now))
            case Paused():
                self._move_if_possible(key, Event.PAUSED)
            case Resumed():
                self._move_if_possible(key, Event.RESUMED)
            case _:
                pass

    def _move_if_possible(self, key: str, event: Event) -> None:
        """A stop may have been asked for while the worker was pausing; then stopping wins."""
        if self.get(key).status is not Status.STOPPING:
            self._store.dispatch(Moved(id=key, event=event, at=self._now_s()))

    # --- small things ------------------------------------------------------------------

    async def _dispose(self, key: str) -> None:
        """Frees a model that nobody knows of; what this is refused with concerns nobody."""
        with suppress(BackburnerError):
            await self._kitchens.ask(Dispose(), operation=key, timeout_s=None)

    def _living(self, key: str) -> Operation:
        operation = self.get(key)
        if not operation.lives:
            raise InterfaceError(
                f"The model of {key} is not in the worker: it has not been built yet, was freed "
                "to make room, or went with an earlier page. Train it again.",
                key="id",
            )
        return operation

    async def _until(self, key: str, wanted: Wanted) -> Operation:
        if wanted(self.get(key)):
            return self.get(key)
        future: asyncio.Future[Operation] = asyncio.get_running_loop().create_future()

        def look(state: State) -> None:
            found = state.operations[key]
            if wanted(found) and not future.done():
                future.set_result(found)

        forget = self._store.subscribe(look)
        try:
            return await future
        finally:
            forget()
