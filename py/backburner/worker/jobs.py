"""One operation in the worker: its model, and the task that trains it while one does.

Whoever wants something of a training under way (to pause it, to stop it) leaves a wish; each
wish is answered when the training gets there, or when it ends. What was reached is kept before
the page is told that it paused, stopped or completed.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

from backburner.core.backends import GPU
from backburner.core.errors import (
    BackendError,
    Dispossessed,
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
    TrainingCompleted,
    TrainingDispossessed,
    TrainingFailed,
)
from backburner.engine.training import Training
from backburner.worker.choosing import Chooser
from backburner.worker.keeping import Hold, Keeper
from backburner.worker.kitchen import Kitchen
from backburner.worker.training import TrainingRun
from backburner.worker.trials import in_time
from backburner.worker.voice import Voice

TURN_EVERY_MS = 4.0
"""Small steps are made several at a time: to give way takes longer than one of a twentieth of a
millisecond. Whoever waits, orders and the page's own frames, waits no longer than this and a step;
what is being written does not wait.
"""


class Job:
    """Owns one model and its run; `task` trains it. `shape` is what its pace is kept under."""

    def __init__(
        self,
        key: str,
        training: Training,
        run: TrainingRun,
        keeper: Keeper,
        *,
        shape: str,
        chooser: Chooser,
        kitchen: Kitchen,
        voice: Voice,
        hold: Hold,
    ) -> None:
        self.id = key
        self.training = training
        self.keeper = keeper
        self.task: asyncio.Task[None] | None = None
        self._run = run
        self._shape = shape
        self._chooser = chooser
        self._kitchen = kitchen
        self._voice = voice
        self._hold = hold
        self._stops: list[str | None] = []
        self._pauses: list[str | None] = []
        self._resumes: list[str | None] = []
        self._is_aborted = False
        self._is_paused = False
        self._wake = asyncio.Event()

    # --- wishes ------------------------------------------------------------------------

    def start(self, request: str | None, checkpoint: int | None) -> None:
        """Begins to train, or goes on from where the model stands.

        Raises LifecycleError when it trains already, is over, or stands elsewhere; Dispossessed
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
        step = self.training.step
        if (checkpoint or 0) not in (step, self.keeper.safe_step):
            raise LifecycleError.between(
                f"at step {step:,}",
                f"a run from step {checkpoint or 0:,}",
                way_out="Bring back its checkpoint first.",
            )
        self._is_aborted = False
        started = self.keeper.record.started or self._kitchen.now_s()
        self.keeper.tell(status=Status.RUNNING.value, started=started, finished=None, error=None)
        self.task = self._hold(self._train(request))

    async def stop(self, request: str | None, *, abort: bool) -> None:
        """Ends the training after the step under way. What does not train is only marked."""
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
            raise LifecycleError.between("not training", "paused")
        if self._pauses or self._is_paused:
            raise LifecycleError.between("paused", "paused")
        self._pauses.append(request)

    def resume(self, request: str | None) -> None:
        if not self._is_paused:
            raise LifecycleError.between("not paused", "running")
        self._resumes.append(request)
        self._wake.set()

    async def end(self) -> None:
        """Ends the training, waits for it and for what is being written, and frees the model."""
        if self.task is not None:
            self._stops.append(None)
            self._wake.set()
            await asyncio.wait([self.task])
        await self.keeper.written()
        self.training.dispose()

    # --- the training under way --------------------------------------------------------

    async def _train(self, request: str | None) -> None:
        self._voice.log("debug", f"training from step {self.training.step}", self.id)
        try:
            end = await self._train_until_told(request)
        except Dispossessed as error:
            end = TrainingDispossessed(error=Fault.from_error(error))
        except Exception as error:
            end = await self._failed(error)
        finally:
            self.task = None
            self._is_paused = False
        if end is not None:
            self._voice.send(end, request, self.id)
        self._voice.log("debug", f"training ended at step {self.training.step}", self.id)
        self._settle_wishes()

    async def _train_until_told(self, request: str | None) -> Message | None:
        """Trains to the end, or until a wish to stop is heard; gives what is to be said then."""
        turned_ms = self._kitchen.clock_ms()
        async with aclosing(self._run.events()) as events:
            async for report in events:
                if isinstance(report, TrainingCompleted):
                    await self._learn()
                    safe = await self.keeper.settle(
                        status=Status.COMPLETED.value,
                        finished=self._kitchen.now_s(),
                        test=report.test,
                    )
                    kept = safe if safe == self.training.step else None
                    return replace(report, checkpoint=kept)
                if report is not None:
                    self._voice.send(report, request, self.id)
                await self.keeper.begin_if_due()
                took_ms = self._kitchen.clock_ms() - turned_ms
                if took_ms < TURN_EVERY_MS and not self.keeper.is_writing:
                    continue
                await self._kitchen.turn()
                turned_ms = self._kitchen.clock_ms()
                if self._pauses and not self._stops:
                    await self._rest(request)
                if self._stops:
                    self._flush(request)
                    await self._keep_stopped()
                    return None
        raise AssertionError("a run that ends without saying so")

    async def _rest(self, request: str | None) -> None:
        self._flush(request)
        self._is_paused = True
        self._wake.clear()
        safe = await self.keeper.settle(status=Status.PAUSED.value)
        self._answer(self._pauses, Paused(step=self.training.step, checkpoint=safe))
        if not self._stops:
            await self._wake.wait()
        self._is_paused = False
        if not self._stops:
            self.keeper.tell(status=Status.RUNNING.value)
            self._answer(self._resumes, Resumed(step=self.training.step))

    async def _keep_stopped(self) -> None:
        now_s = self._kitchen.now_s()
        if not self._is_aborted:
            await self.keeper.settle(status=Status.STOPPED.value, finished=now_s)
        if self._is_aborted:  # which may have been asked for meanwhile
            await self.keeper.settle(status=Status.ABORTED.value, finished=now_s)

    async def _failed(self, error: Exception) -> Message:
        """Keeps how it ended. What failed by the machinery may go on on another."""
        backend = self._run.backend
        if isinstance(error, TrainingDiverged) and backend in GPU:
            error = await self._judged(error, backend)
        fault = Fault.from_error(error)
        elsewhere = self.keeper.record.mode == "worker" or backend in GPU
        may_go_on = isinstance(error, BackendError) and elsewhere
        status = Status.INTERRUPTED if may_go_on else Status.FAILED
        await self.keeper.note(status=status.value, error=fault, finished=self._kitchen.now_s())
        return TrainingFailed(error=fault)

    async def _learn(self) -> None:
        """A whole run says more of its backend's pace than a trial did."""
        if self._run.ms_per_step:
            await self._chooser.learn(self._shape, self._run.backend, self._run.ms_per_step)

    async def _judged(self, error: Exception, backend: str) -> Exception:
        """Whose fault it is that the numbers ran away: a card that lies has not trained at all."""
        try:
            await in_time(self._kitchen.check_backend(backend), backend)
        except BackendError as lie:
            return lie
        return error

    def _flush(self, request: str | None) -> None:
        report = self._run.pending()
        if report is not None:
            self._voice.send(report, request, self.id)

    def _settle_wishes(self) -> None:
        """The training is over, whatever was still wanted of it: every request hears so."""
        self._answer(self._stops, self._stopped())
        late = Refused(error=Fault.from_error(LifecycleError.between("not training", "paused")))
        self._answer(self._pauses, late)
        self._answer(self._resumes, late)

    def _stopped(self) -> Stopped:
        return Stopped(step=self.training.step, checkpoint=self.keeper.safe_step)

    def _answer(self, requests: list[str | None], answer: Message) -> None:
        for request in requests:
            self._voice.send(answer, request, self.id)
        requests.clear()
