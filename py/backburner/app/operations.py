"""The operations: what the page and the automation hook can ask for.

Commands come in here and nowhere else; each either does its work through the kitchen and the
store, or raises an error with words for people. Operations of one kind wait for each other
in the order in which they were asked for (app/queue.py). Views come and go; nothing here
notices.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from backburner.app.drawings import Drawings
from backburner.app.kitchens import Kitchens
from backburner.app.logs import Logs
from backburner.app.ownership import Ownership
from backburner.app.queue import ANSWER_TIMEOUT_S, Queue
from backburner.app.store import Store
from backburner.app.tasks import Tasks
from backburner.core.beginnings import PREVIOUS, Beginning
from backburner.core.chain import Link, chain_from_wire
from backburner.core.curves import Curves
from backburner.core.errors import (
    BackburnerError,
    DataError,
    Expired,
    InterfaceError,
    LifecycleError,
    LocalProtocolError,
)
from backburner.core.kinds import TABLE
from backburner.core.lifecycle import ENDED, RESUMABLE, Event, Status
from backburner.core.messages import (
    ClearRun,
    CurvesRead,
    DescribeWeights,
    Dispose,
    Order,
    Pause,
    Predict,
    PredictionResult,
    ReadCurves,
    Resume,
    StopTraining,
    WeightsDescribed,
)
from backburner.core.operation import Operation
from backburner.core.state import Cleared, Forgotten, Moved, Requested
from backburner.core.trained import find_in
from backburner.core.wire import Envelope

_ELSEWHERE = (
    "This run is under way in another tab or window of this browser. Watch it there, or close "
    "that one first."
)


class Operations:
    """`now_s` gives seconds since 1970, `new_id` a fresh id."""

    def __init__(
        self,
        store: Store,
        kitchens: Kitchens,
        queue: Queue,
        ownership: Ownership,
        drawings: Drawings,
        logs: Logs,
        *,
        now_s: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._kitchens = kitchens
        self._queue = queue
        self._ownership = ownership
        self._drawings = drawings
        self._logs = logs
        self._now_s = now_s
        self._new_id = new_id
        self._tasks = Tasks()
        self._clearing: set[str] = set()
        self.cleared: set[str] = set()

    # --- commands that lead an operation through its life --------------------------------

    def start(self, recipe: object, *, backend: str | None = None) -> Operation:
        """Takes up a recipe (JSON): it runs at once, or waits for those before it.

        With a `backend` it computes on that one, if that works here. Raises ConfigurationError,
        naming the key, for a recipe that cannot work.
        """
        first, *_ = self.start_chain(recipe, backend=backend)
        return first

    def start_chain(self, recipe: object, *, backend: str | None = None) -> tuple[Operation, ...]:
        """The same, and gives the operations of those that are to follow it, too.

        All of them are checked before anything starts.
        """
        links = chain_from_wire(recipe, drawings=self._drawings.counts, find=self._find)
        ids = [self._new_id() for _ in links]
        operations = tuple(
            self._requested(link, key, None if link.after is None else ids[link.after], backend)
            for key, link in zip(ids, links, strict=True)
        )
        for operation in operations:
            self._queue.own.add(operation.id)
            self._store.dispatch(Requested(operation=operation))
            called = TABLE[operation.kind].called
            self._logs.add("info", f"asked for {called}", operation=operation.id)
        self._queue.turn()
        return operations

    def _find(self, key: str) -> Beginning:
        return find_in(self._store.state.operations, key)

    def _requested(self, link: Link, key: str, after: str | None, backend: str | None) -> Operation:
        recipe = link.recipe
        if recipe.base == PREVIOUS and after is not None:
            recipe = recipe.beginning_with(after)
        return Operation(
            id=key,
            kind=recipe.kind,
            name=recipe.name or "",
            recipe=recipe.to_wire(),
            status=Status.QUEUED,
            created=self._now_s(),
            epochs=recipe.epochs,
            wanted=backend,
            base=recipe.base,
            after=after,
        )

    def run_again(self, key: str) -> Operation:
        """Starts a recipe once more, with its seed and on its backend: from the same weights.

        Raises InterfaceError where only a part of the recipe is known.
        """
        operation = self.get(key)
        if not operation.can_be_run_again:
            raise InterfaceError(
                "The examples of this run stood in its recipe, which is not here any more. Start "
                "the recipe itself again.",
                key="id",
            )
        return self.start(dict(operation.recipe), backend=operation.backend)

    async def pause(self, key: str) -> Operation:
        """Lets an operation wait after the step under way."""
        self.get(key)
        self._move(key, Event.ASK_PAUSE)
        try:
            await self._ask(key, Pause())
        except LifecycleError:
            # The last step was over before the wish arrived: it is completed, not paused.
            if self.get(key).status not in ENDED | {Status.STOPPING}:
                raise
        # A stop may have been asked for meanwhile; then stopping wins.
        return await self._store.until(
            key, lambda each: each.status not in (Status.PAUSING, Status.STOPPING)
        )

    async def resume(self, key: str) -> Operation:
        """Goes on with a paused operation, or takes up one that was stopped or interrupted."""
        operation = self.get(key)
        if operation.status in RESUMABLE:
            self.take_up(key)
            waits = (Status.QUEUED, Status.INITIALIZING)
            return await self._store.until(key, lambda each: each.status not in waits)
        if operation.status is not Status.PAUSED:
            raise LifecycleError.between(operation.status, Status.RUNNING)
        await self._ask(key, Resume())
        return self.get(key)

    def take_up(self, key: str) -> None:
        """Puts an operation into the queue that was stopped or interrupted.

        Raises Expired when nothing is there to go on from.
        """
        operation = self.get(key)
        if operation.error is not None and operation.error.name == Expired.__name__:
            raise operation.error.as_error()
        if key in self._clearing:
            raise InterfaceError(f"{key} is being cleared.", key="id")
        self._move(key, Event.TAKE_UP)
        self._queue.turn()

    async def stop(self, key: str) -> Operation:
        """Stops an operation, after the step under way; it can be taken up again later."""
        return await self._end(key, Event.STOPPED)

    async def abort(self, key: str) -> Operation:
        """Ends an operation for good; what it reached is kept."""
        operation = self.get(key)
        if operation.status not in RESUMABLE:
            return await self._end(key, Event.ABORTED)
        if not await self._ownership.take(key, patience_s=0):
            raise InterfaceError(_ELSEWHERE, key="id")
        self._ownership.release(key)
        self._queue.own.add(key)
        self._move(key, Event.ABORTED)
        self._tasks.start(self._keep_as_aborted(key))
        return self.get(key)

    async def _end(self, key: str, event: Event) -> Operation:
        operation = self.get(key)
        if operation.status is Status.QUEUED:
            self._move(key, event)
            if event is Event.ABORTED and operation.checkpoint is not None:
                self._tasks.start(self._keep_as_aborted(key))
            return self.get(key)
        if operation.status is not Status.STOPPING:
            self._move(key, Event.ASK_STOP)
        if event is Event.ABORTED:
            self._queue.aborting.add(key)
        if operation.lives:
            await self._ask(key, StopTraining(abort=event is Event.ABORTED))
        elif operation.trying is not None:
            # It need not be measured to the end any more; that it stops is heard from the queue.
            with suppress(BackburnerError):
                await self._ask(key, StopTraining(abort=event is Event.ABORTED))
        ended = await self._store.until(key, lambda each: each.status in ENDED)
        if ended.status is Status.ABORTED and not operation.lives:
            # It ended before its model stood, and the kitchen may have kept it all the same.
            self._tasks.start(self._keep_as_aborted(key))
        return ended

    async def _keep_as_aborted(self, key: str) -> None:
        """Tells the kitchen, for its record; the page's own record says it already."""
        with suppress(BackburnerError):
            await self._kitchens.ensure()
            await self._ask(key, StopTraining(abort=True))

    async def clear(self, key: str) -> None:
        """Removes an operation and all that was kept of it.

        Raises LifecycleError for one under way: it is stopped or aborted first.
        """
        operation = self.get(key)
        if operation.status not in ENDED:
            raise LifecycleError.between(
                operation.status, "cleared", way_out="Stop or abort it first."
            )
        self._clearing.add(key)
        try:
            if not await self._ownership.take(key, patience_s=0):
                raise InterfaceError(_ELSEWHERE, key="id")
            await self._kitchens.ensure()
            await self._ask(key, ClearRun())
        finally:
            self._clearing.discard(key)
            self._ownership.release(key)
        self.cleared.add(key)
        self._store.dispatch(Cleared(id=key))

    async def reset(self, key: str) -> None:
        """Frees what a run that ended badly has left: its model, its lock, its record.

        A run with a checkpoint keeps both: a saved model is never taken away by this.
        """
        operation = self.get(key)
        if operation.checkpoint is None:
            await self.clear(key)
            return
        self._ownership.release(key)
        if operation.lives:
            await self._ask(key, Dispose())
            self._store.dispatch(Forgotten(id=key))

    # --- commands that ask about it ------------------------------------------------------

    async def predict_example(self, key: str, index: int) -> PredictionResult:
        """Asks the model as it is now about the example of its data with this index."""
        answer = await self.ask_model(key, Predict(example=index))
        assert isinstance(answer.message, PredictionResult)
        return answer.message

    async def predict(self, key: str, example: object) -> PredictionResult:
        """Asks the model as it is now about one example, in the scale of its data (0 to 1).

        Raises DataError for an example of the wrong shape, InterfaceError without a model.
        """
        answer = await self.ask_model(key, Predict(input=example))
        assert isinstance(answer.message, PredictionResult)
        return answer.message

    async def weights(self, key: str) -> WeightsDescribed:
        """The hashes of the latest weights."""
        answer = await self.ask_model(key, DescribeWeights())
        assert isinstance(answer.message, WeightsDescribed)
        return answer.message

    async def ask_model(
        self, key: str, order: Order, *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> Envelope:
        """Asks the model of an operation, brought back for it where it is not at hand.

        Raises what it was refused with, and DataError for an example that cannot be sent.
        """
        await self.open(key)
        try:
            return await self._kitchens.ask(order, operation=key, timeout_s=timeout_s)
        except LocalProtocolError as error:
            raise DataError(
                "The example to predict holds something that is not a finite number. Give "
                "nested lists of numbers, best between 0 and 1.",
                key="input",
                detail=error.detail,
            ) from error

    async def curves(self, key: str) -> Curves:
        """The curves of an operation; those of a kept one are read when first asked for."""
        operation = self.get(key)
        known = self._store.curves.get(key)
        if known is not None and (known.step or operation.step == 0):
            return known
        await self._kitchens.ensure()
        answer = await self._ask(key, ReadCurves())
        assert isinstance(answer.message, CurvesRead)
        curves = Curves.from_bytes(answer.buffers[0], answer.message.epoch_ends)
        self._store.curves[key] = curves
        return curves

    async def open(self, key: str) -> None:
        """Has the model of an operation in the kitchen, brought back from its checkpoint.

        Raises InterfaceError when there is none: not built yet, or not kept.
        """
        operation = self.get(key)
        if not TABLE[operation.kind].trains:
            raise InterfaceError(
                f"{key} writes a text, and has no network of its own to be asked. Ask "
                f"{operation.base}, which has trained it.",
                key="id",
            )
        if operation.lives:
            return
        if operation.status not in ENDED:
            raise InterfaceError(
                f"The model of {key} is being built. Ask again when it is running.", key="id"
            )
        if operation.checkpoint is None:
            raise InterfaceError(
                f"There is no model of {key}: it was not trained far enough to be kept, or what "
                "was kept is gone. Train it again.",
                key="id",
            )
        # To bring a run back makes it this page's own; another's must not be taken from it.
        if operation.status in RESUMABLE and not await self._ownership.take(key, patience_s=0):
            raise InterfaceError(_ELSEWHERE, key="id")
        self._queue.opening.add(key)
        try:
            await self._kitchens.ensure()
            await self._queue.bring_in(key)
        finally:
            self._queue.opening.discard(key)
            if not self.get(key).is_active:
                self._ownership.release(key)

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
        return await self._store.until(
            key, lambda each: each.status is wanted or each.status in ENDED
        )

    def get(self, key: str) -> Operation:
        """Raises InterfaceError for an id that nobody knows."""
        return self._store.get(key)

    # --- small things ------------------------------------------------------------------

    async def _ask(self, key: str, order: Order) -> Envelope:
        return await self._kitchens.ask(order, operation=key, timeout_s=ANSWER_TIMEOUT_S)

    def _move(self, key: str, event: Event) -> None:
        self._store.dispatch(Moved(id=key, event=event, at=self._now_s()))
