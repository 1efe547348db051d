"""The queue: one operation of a kind at a time, from its beginning to its end, whatever dies.

A run whose kitchen dies goes on in the next one from its last checkpoint; so does one whose
numbers' machinery failed in the worker, in the page's own thread. A graphics card that fails, or
takes its kitchen along, is dropped: the run goes on on another backend. All of this at most twice
in a row from one checkpoint: a fault that follows a run around ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from backburner.app.drawings import Drawings
from backburner.app.kitchens import Kitchens
from backburner.app.logs import Logs
from backburner.app.ownership import Ownership
from backburner.app.store import Store
from backburner.core.backends import ANSWER_S, GPU, MOST_ANSWERS
from backburner.core.errors import (
    BackburnerError,
    BackendError,
    Dispossessed,
    PredecessorLost,
    WorkerLost,
)
from backburner.core.kinds import TABLE
from backburner.core.lifecycle import ENDED, Event, Status
from backburner.core.messages import (
    Dispose,
    Fault,
    InitTraining,
    TrainingDispossessed,
    TrainingFailed,
)
from backburner.core.operation import Operation
from backburner.core.state import Dropped, Failed, Forgotten, Marked, Moved, State

ANSWER_TIMEOUT_S = 60.0
"""For answers that cost the worker some work: an example looked at, a model freed."""

PREPARED_WITHIN_S = 180.0 + MOST_ANSWERS * ANSWER_S
"""For a model: its data are fetched, wasm and cpu are tried, and every card may hang at each thing
that it is asked. A kitchen that falls silent meanwhile is noticed long before."""

KEPT_MODELS = 5
"""How many trained models the worker keeps at hand; the oldest is freed first."""

MOST_RESTARTS = 2
"""How often a run is restarted by itself from one checkpoint (SPEC A7)."""


class Queue:
    """Works through what waits in the store.

    `recovered` is waited for before the first run: what earlier visits left must be known by
    then. `look_again` asks anew what is kept, before a run is taken up that was not begun here.
    `wanted_backend()` is the one that new runs compute on; None leaves it to a measurement.
    """

    def __init__(
        self,
        store: Store,
        kitchens: Kitchens,
        ownership: Ownership,
        drawings: Drawings,
        logs: Logs,
        *,
        now_s: Callable[[], float],
        wanted_backend: Callable[[], str | None],
    ) -> None:
        self._store = store
        self._kitchens = kitchens
        self._ownership = ownership
        self._drawings = drawings
        self._logs = logs
        self._now_s = now_s
        self._wanted_backend = wanted_backend
        self._work: asyncio.Task[None] | None = None
        self.recovered = asyncio.Event()
        self.look_again: Callable[[], Awaitable[None]] = _nothing_to_see
        self.aborting: set[str] = set()
        """Those that end as aborted, and not as stopped, when their training has ended."""
        self.opening: set[str] = set()
        """Those that have ended, and whose model is brought back to be asked."""
        self.own: set[str] = set()
        """Those that this page has begun or changed: it keeps their records."""
        store.subscribe(self._give_up)

    def turn(self) -> None:
        """Works through the queue, unless that is under way already."""
        if self._work is None or self._work.done():
            self._work = asyncio.ensure_future(self._work_through())

    def _give_up(self, state: State) -> None:
        """Ends those that wait for an operation that will never be completed."""
        # Until it is known what earlier visits left, that one may only not be known yet.
        if not self.recovered.is_set():
            return
        for operation in state.hopeless():
            before = state.operations.get(operation.after or "")
            self._fail(operation.id, Event.FAIL, _lost(before))

    async def _work_through(self) -> None:
        await self.recovered.wait()
        self._give_up(self._store.state)
        while (operation := self._store.state.queued()) is not None:
            await self._run(operation.id)

    # --- one run -----------------------------------------------------------------------

    async def _run(self, key: str) -> None:
        if not await self._is_ours(key):
            return
        try:
            self._move(key, Event.BEGIN)
            while not await self._cook(key):
                pass
        except Exception as error:
            # Foreseen or not: it ends this operation, and those after it go on.
            self._fail(key, Event.FAIL, error)
        finally:
            self.aborting.discard(key)
            self._ownership.release(key)
            self._kitchens.is_busy(False)

    async def _is_ours(self, key: str) -> bool:
        """Takes the run for this page; ends it here when another page has it."""
        is_taken = await self._ownership.take(key)
        if is_taken and key not in self.own:
            # Another page may have had it until now, and have led it to its end.
            await self.look_again()
        operation = self._store.state.operations.get(key)
        if operation is None or operation.status is not Status.QUEUED:
            # Stopped or cleared, while the lock was asked for.
            self._ownership.release(key)
            return False
        if is_taken:
            self.own.add(key)
            return True
        taken = Dispossessed(
            "This run is under way in another tab or window of this browser. Watch it there, "
            "or close that one first and then go on here."
        )
        self._fail(key, Event.INTERRUPT, taken)
        self._store.dispatch(Marked(id=key, elsewhere=True))
        return False

    async def _cook(self, key: str) -> bool:
        """Leads a run to its end; False when it has to be tried once more."""
        try:
            if await self._ensured_before_a_stop(key):
                self._kitchens.is_busy(True)
                await self.bring_in(key)
                await self._carry_through(key)
            return True
        except WorkerLost as error:
            self._drop_the_card(key, error)
            return not self._restarts(key, error)
        except BackendError as error:
            if self._drop_the_card(key, error):
                await self._free(key)
                return not self._restarts(key, error)
            if not self._kitchens.is_worker:
                raise
            self._kitchens.fall_back(f"TensorFlow.js failed in the worker: {error.message}")
            return not self._restarts(key, error)
        except Dispossessed as error:
            self._fail(key, Event.INTERRUPT, error)
            self._store.dispatch(Marked(id=key, elsewhere=True))
            return True

    async def bring_in(self, key: str) -> None:
        """Has the model of an operation built, or brought back from its checkpoint.

        What the kitchen has already is left as it is.
        """
        operation = self._store.get(key)
        if operation.lives:
            if operation.status is Status.INITIALIZING:
                self._move(key, Event.MODEL_READY)
            return
        await self._make_room()
        is_new = operation.checkpoint is None and operation.can_be_run_again
        if is_new:
            # It may learn from what was drawn a moment ago.
            await self._drawings.hand_over()
        order = InitTraining(
            recipe=dict(operation.recipe) if is_new else None,
            name=operation.name,
            created=operation.created,
            mode=self._store.state.worker.mode,
            backend=operation.wanted or self._wanted_backend(),
            without=operation.dropped,
            after=operation.after,
        )
        await self._kitchens.ask(order, operation=key, timeout_s=PREPARED_WITHIN_S)

    async def _carry_through(self, key: str) -> None:
        if self._stopped_meanwhile(key):
            return
        operation = self._store.get(key)
        order = TABLE[operation.kind].start(checkpoint=operation.step or None)
        answer = await self._kitchens.ask(order, operation=key, timeout_s=None)
        match answer.message:
            case TrainingFailed(error=fault) | TrainingDispossessed(error=fault):
                raise fault.as_error()

    def _drop_the_card(self, key: str, error: BackendError | WorkerLost) -> bool:
        """Whether a graphics card is at fault; the run goes on without it then."""
        backend = self._store.get(key).computes_on
        if backend not in GPU:
            return False
        self._logs.add("warning", f"{backend} is dropped: {error}", operation=key)
        self._store.dispatch(Dropped(id=key, backend=backend))
        return True

    async def _free(self, key: str) -> None:
        """Frees a model whose backend failed; that this may fail as well is no news."""
        with suppress(BackburnerError):
            await self._kitchens.ask(Dispose(), operation=key, timeout_s=ANSWER_TIMEOUT_S)

    def _restarts(self, key: str, error: WorkerLost | BackendError) -> bool:
        """Whether the run goes on in another kitchen; ends it when it does not."""
        operation = self._store.get(key)
        match operation.status:
            case Status.INITIALIZING | Status.RUNNING if operation.restarts < MOST_RESTARTS:
                at = operation.checkpoint or 0
                self._logs.add("warning", f"goes on from step {at}: {error}", operation=key)
                self._move(key, Event.RESTART)
                return True
            case Status.INITIALIZING | Status.RUNNING:
                self._fail(key, Event.FAIL, error)
            case Status.STOPPING:
                # Nothing trains any more, as was wished.
                self._move(key, self.end_of_a_stop(key))
            case Status.PAUSING | Status.PAUSED:
                self._fail(key, Event.INTERRUPT, error)
        return False

    async def _ensured_before_a_stop(self, key: str) -> bool:
        """Waits for a live kitchen; False when a stop came first, which may be at any time."""
        kitchen = asyncio.ensure_future(self._kitchens.ensure())
        stop = asyncio.ensure_future(
            self._store.until(key, lambda each: each.status is Status.STOPPING)
        )
        try:
            await asyncio.wait({kitchen, stop}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopped_meanwhile(key):
                return False
            await kitchen
            return True
        finally:
            kitchen.cancel()
            stop.cancel()

    def _stopped_meanwhile(self, key: str) -> bool:
        """Ends an operation that was asked to stop before it began to train."""
        status = self._store.get(key).status
        if status is Status.STOPPING:
            self._move(key, self.end_of_a_stop(key))
        return status is Status.STOPPING or status in ENDED

    def end_of_a_stop(self, key: str) -> Event:
        """What a training ends as that was asked to stop."""
        return Event.ABORTED if key in self.aborting else Event.STOPPED

    # --- small things ------------------------------------------------------------------

    async def _make_room(self) -> None:
        """Frees the oldest models, so that many runs in a row don't fill the memory."""
        living = [
            each
            for each in self._store.state.operations.values()
            if each.lives and not each.is_active
        ]
        for old in living[: max(0, len(living) - KEPT_MODELS + 1)]:
            await self._kitchens.ask(Dispose(), operation=old.id, timeout_s=ANSWER_TIMEOUT_S)
            self._store.dispatch(Forgotten(id=old.id))

    def _move(self, key: str, event: Event) -> None:
        self._store.dispatch(Moved(id=key, event=event, at=self._now_s()))

    def _fail(self, key: str, event: Event, error: Exception) -> None:
        if self._store.get(key).status not in ENDED:
            self._logs.add("error", f"{event.value}: {error}", operation=key)
            fault = Fault.from_error(error)
            self._store.dispatch(Failed(id=key, event=event, error=fault, at=self._now_s()))


def _lost(before: Operation | None) -> PredecessorLost:
    if before is None:
        return PredecessorLost(
            "What this was to follow is gone: it was cleared. Start this again by itself."
        )
    called = f"{before.id} ({before.name})" if before.name else before.id
    reason = f": {before.error.message}" if before.error else "."
    return PredecessorLost(
        f"What this was to follow was not completed: {called} is {before.status}{reason} Start "
        "both again, or this one by itself.",
        detail=before.error.detail if before.error else None,
    )


async def _nothing_to_see() -> None:
    pass
