"""One operation in the worker: its work, and the task that carries it on while one does.

Whoever wants something of a work under way (to pause it, to stop it) leaves a wish; each wish is
answered when the work gets there, or when it ends. What was reached is kept before the page is
told that it paused, stopped or completed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from backburner.core.backends import GPU
from backburner.core.errors import (
    BackendError,
    Dispossessed,
    InterfaceError,
    LifecycleError,
    TrainingDiverged,
)
from backburner.core.lifecycle import FINAL, Status
from backburner.core.messages import (
    Fault,
    Message,
    Paused,
    Refused,
    Resumed,
    Stopped,
    TrainingDispossessed,
    TrainingFailed,
)
from backburner.engine.training import Training
from backburner.worker.keeping import Hold, Keeper
from backburner.worker.kitchen import Kitchen
from backburner.worker.training import TrainingRun
from backburner.worker.trials import in_time
from backburner.worker.voice import Voice
from backburner.worker.work import Completed, Work

TURN_EVERY_MS = 4.0
"""Small steps are made several at a time: to give way takes longer than one of a twentieth of a
millisecond. Whoever waits, orders and the page's own frames, waits no longer than this and a step;
what is being written does not wait.
"""


class Job:
    """Owns one work; `task` carries it on. `learn` hears of a training's pace once it is done."""

    def __init__(
        self,
        key: str,
        work: Work,
        keeper: Keeper,
        *,
        learn: Callable[[], Awaitable[None]],
        kitchen: Kitchen,
        voice: Voice,
        hold: Hold,
    ) -> None:
        self.id = key
        self.work = work
        self.keeper = keeper
        self.task: asyncio.Task[None] | None = None
        self._learn = learn
        self._kitchen = kitchen
        self._voice = voice
        self._hold = hold
        self._stops: list[str | None] = []
        self._pauses: list[str | None] = []
        self._resumes: list[str | None] = []
        self._is_aborted = False
        self._is_paused = False
        self._wake = asyncio.Event()
        self._lookers = 0
        self._still = asyncio.Event()
        self._still.set()

    @property
    def backend(self) -> str:
        """What it computes on."""
        return self.work.backend

    @property
    def training(self) -> Training:
        """The network in it. Raises InterfaceError for a work that has none to be asked."""
        if isinstance(self.work, TrainingRun):
            return self.work.training
        raise InterfaceError(
            f"{self.id} writes a text, and has no network of its own to be asked. Ask the "
            "operation that has trained it.",
            key="id",
        )

    @asynccontextmanager
    async def looked_at(self) -> AsyncIterator[None]:
        """Inside, no step is made: a training under way waits after the one that it is at.

        It can be paused and stopped as ever, and goes on when nobody looks any more.
        """
        self._lookers += 1
        try:
            await self._still.wait()
            yield
        finally:
            self._lookers -= 1
            self._wake.set()

    # --- wishes ------------------------------------------------------------------------

    def start(self, request: str | None, checkpoint: int | None) -> None:
        """Begins to work, or goes on from where it stands.

        Raises LifecycleError when it works already, is over, or stands elsewhere; Dispossessed
        when the run is known to be another's.
        """
        if self.task is not None:
            raise LifecycleError.between("running", "running")
        if self.keeper.record.status in FINAL:
            raise LifecycleError.between(
                self.keeper.record.status, "running", way_out="Start a new operation."
            )
        if self.keeper.lost is not None:
            raise self.keeper.lost
        step = self.work.step
        if (checkpoint or 0) not in (step, self.keeper.safe_step):
            raise LifecycleError.between(
                f"at step {step:,}",
                f"a run from step {checkpoint or 0:,}",
                way_out="Bring back its checkpoint first.",
            )
        self._is_aborted = False
        started = self.keeper.record.started or self._kitchen.now_s()
        self.keeper.tell(status=Status.RUNNING.value, started=started, finished=None, error=None)
        self.task = self._hold(self._carry_on(request))

    async def stop(self, request: str | None, *, abort: bool) -> None:
        """Ends the work after the step under way. What is not under way is only marked."""
        self._is_aborted |= abort
        if self.task is not None:
            self._stops.append(request)
            self._wake.set()
            return
        if abort:
            if self.keeper.record.status in FINAL:
                raise LifecycleError.between(self.keeper.record.status, Status.ABORTED)
            await self.keeper.settle(status=Status.ABORTED.value, finished=self._kitchen.now_s())
        self._answer([request], self._stopped())

    def pause(self, request: str | None) -> None:
        if self.task is None or self._stops:
            raise LifecycleError.between("not under way", "paused")
        if self._pauses or self._is_paused:
            raise LifecycleError.between("paused", "paused")
        self._pauses.append(request)
        self._wake.set()

    def resume(self, request: str | None) -> None:
        if not self._is_paused:
            raise LifecycleError.between("not paused", "running")
        self._resumes.append(request)
        self._wake.set()

    async def end(self) -> None:
        """Ends the work, waits for it and for what is being written, and frees the model."""
        if self.task is not None:
            self._stops.append(None)
            self._wake.set()
            await asyncio.wait([self.task])
        await self.keeper.written()
        self.work.dispose()

    # --- the work under way ------------------------------------------------------------

    async def _carry_on(self, request: str | None) -> None:
        self._voice.log("debug", f"works from step {self.work.step}", self.id)
        try:
            end = await self._until_told(request)
        except Dispossessed as error:
            end = TrainingDispossessed(error=Fault.from_error(error))
        except Exception as error:
            end = await self._failed(error)
        finally:
            self.task = None
            self._is_paused = False
            self._still.set()
        if end is not None:
            self._voice.send(end, request, self.id)
        self._voice.log("debug", f"ended at step {self.work.step}", self.id)
        self._settle_wishes()

    async def _until_told(self, request: str | None) -> Message | None:
        """Works to the end, or until a wish to stop is heard; gives what is to be said then."""
        async with aclosing(self.work.events()) as events:
            if self._lookers and not await self._may_go_on(request):
                return None
            self._still.clear()
            turned_ms = self._kitchen.clock_ms()
            async for report in events:
                if isinstance(report, Completed):
                    await self._learn()
                    safe = await self.keeper.settle(
                        status=Status.COMPLETED.value,
                        finished=self._kitchen.now_s(),
                        **self.work.result(report),
                    )
                    kept = safe if safe == self.work.step else None
                    return replace(report, checkpoint=kept)
                if report is not None:
                    self._voice.send(report, request, self.id)
                await self.keeper.begin_if_due()
                took_ms = self._kitchen.clock_ms() - turned_ms
                if took_ms < TURN_EVERY_MS and not self.keeper.is_writing:
                    continue
                await self._kitchen.turn()
                if not await self._may_go_on(request):
                    return None
                turned_ms = self._kitchen.clock_ms()
        raise AssertionError("a run that ends without saying so")

    async def _may_go_on(self, request: str | None) -> bool:
        """Between two steps: waits while it is paused or looked at. False: it was stopped."""
        while self._stops or self._pauses or self._lookers:
            self._still.set()
            if self._stops:
                self._flush(request)
                await self._keep_stopped()
                return False
            if self._pauses:
                await self._rest(request)
            else:
                self._wake.clear()
                await self._wake.wait()
        self._still.clear()
        return True

    async def _rest(self, request: str | None) -> None:
        self._flush(request)
        self._is_paused = True
        safe = await self.keeper.settle(status=Status.PAUSED.value)
        self._answer(self._pauses, Paused(step=self.work.step, checkpoint=safe))
        while not self._stops and not self._resumes:
            self._wake.clear()
            await self._wake.wait()
        self._is_paused = False
        if not self._stops:
            self.keeper.tell(status=Status.RUNNING.value)
            self._answer(self._resumes, Resumed(step=self.work.step))

    async def _keep_stopped(self) -> None:
        now_s = self._kitchen.now_s()
        if not self._is_aborted:
            await self.keeper.settle(status=Status.STOPPED.value, finished=now_s)
        if self._is_aborted:  # which may have been asked for meanwhile
            await self.keeper.settle(status=Status.ABORTED.value, finished=now_s)

    async def _failed(self, error: Exception) -> Message:
        """Keeps how it ended. What failed by the machinery may go on on another."""
        backend = self.work.backend
        if isinstance(error, TrainingDiverged) and backend in GPU:
            error = await self._judged(error, backend)
        fault = Fault.from_error(error)
        elsewhere = self.keeper.record.mode == "worker" or backend in GPU
        may_go_on = isinstance(error, BackendError) and elsewhere
        status = Status.INTERRUPTED if may_go_on else Status.FAILED
        await self.keeper.note(status=status.value, error=fault, finished=self._kitchen.now_s())
        return TrainingFailed(error=fault)

    async def _judged(self, error: Exception, backend: str) -> Exception:
        """Whose fault it is that the numbers ran away: a card that lies has not trained at all."""
        try:
            await in_time(self._kitchen.check_backend(backend), backend)
        except BackendError as lie:
            return lie
        return error

    def _flush(self, request: str | None) -> None:
        report = self.work.pending()
        if report is not None:
            self._voice.send(report, request, self.id)

    def _settle_wishes(self) -> None:
        """The work is over, whatever was still wanted of it: every request hears so."""
        self._answer(self._stops, self._stopped())
        late = Refused(error=Fault.from_error(LifecycleError.between("not under way", "paused")))
        self._answer(self._pauses, late)
        self._answer(self._resumes, late)

    def _stopped(self) -> Stopped:
        return Stopped(step=self.work.step, checkpoint=self.keeper.safe_step)

    def _answer(self, requests: list[str | None], answer: Message) -> None:
        for request in requests:
            self._voice.send(answer, request, self.id)
        requests.clear()
