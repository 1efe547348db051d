"""How a run gets its model: a new one from its recipe, a kept one from its newest checkpoint."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, NamedTuple

from backburner import __version__
from backburner.core.backends import Trial
from backburner.core.curves import Curves
from backburner.core.errors import Damaged, DataError, InterfaceError, StorageError
from backburner.core.lifecycle import FINAL, Status
from backburner.core.messages import InitTraining, ModelReady, PreparationReported, StoredRun
from backburner.core.operation import brief_recipe
from backburner.core.promise import Work, available_bytes, promised_s
from backburner.core.recipe import Recipe
from backburner.engine.checkpoint import Checkpoint
from backburner.engine.data import Dataset
from backburner.engine.training import Training
from backburner.worker.archive import Archive
from backburner.worker.choosing import Choice, Chooser
from backburner.worker.drawings import Ingredients, Shelf
from backburner.worker.examples import model_ready
from backburner.worker.jobs import Job
from backburner.worker.keeping import Hold, Keeper
from backburner.worker.kitchen import Kitchen
from backburner.worker.records import KeptCheckpoint
from backburner.worker.training import TrainingRun
from backburner.worker.trials import Trials
from backburner.worker.voice import Voice

Opened = tuple[Job, ModelReady, tuple[bytes, ...]]


class Machinery(NamedTuple):
    """All that computes. What differs in any of it may differ in the last bit of a number."""

    backend: str
    kernels: str
    executor: str
    version: str

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Machinery:
        """What wrote a checkpoint."""
        return cls(checkpoint.backend, checkpoint.kernels, checkpoint.executor, checkpoint.version)

    def __str__(self) -> str:
        return f"{self.backend} ({self.kernels}, {self.executor}, version {self.version})"


class Opening:
    """One INIT_TRAINING under way. `is_wanted` may be unset meanwhile; `over` is set at its end.

    With `is_hurried` set, it takes the next best backend instead of measuring to the end: the run
    is to be stopped as soon as it stands.
    """

    def __init__(
        self,
        key: str,
        *,
        archive: Archive,
        shelf: Shelf,
        chooser: Chooser,
        kitchen: Kitchen,
        voice: Voice,
        hold: Hold,
    ) -> None:
        self.is_wanted = True
        self.is_hurried = False
        self.over = asyncio.Event()
        self._key = key
        self._archive = archive
        self._shelf = shelf
        self._chooser = chooser
        self._kitchen = kitchen
        self._voice = voice
        self._hold = hold

    async def open(self, order: InitTraining) -> Opened:
        """The job, and what the page is told of it. Leaves nothing behind when it fails."""
        if order.recipe is None or await self._is_kept(order.recipe):
            return await self._bring_back(order)
        return await self._new(order, order.recipe)

    async def _is_kept(self, recipe: dict[str, object]) -> bool:
        """The page may not have heard of a checkpoint that was complete when the worker died."""
        try:
            return await self._archive.holds(self._key, recipe)
        except StorageError:
            return False  # which is said when the new run cannot be kept

    async def _new(self, order: InitTraining, wire: dict[str, object]) -> Opened:
        found = await Ingredients.of_new(wire, self._shelf)
        recipe = found.recipe
        data = found.data or await self._kitchen.gather(recipe)
        shape = self._chooser.key_of(recipe, data)
        trials = self._trials(recipe, data, order.backend or self._kitchen.backend)
        choice = await self._choose(order, shape, trials)
        self._check_wanted()
        training = await self._prepared(recipe, data, choice.backend, trials)
        try:
            self._check_wanted()
            kernels = self._kitchen.kernels_on(choice.backend)
            message, pixels = model_ready(training, backend=choice.backend, kernels=kernels)
            message = replace(
                message,
                measured=choice.known.trials,
                promised_s=_promise_at(None, training, choice.trial),
                promised_bytes=self._kitchen.needed_bytes(recipe, data, backend=choice.backend),
            )
            record = StoredRun(
                id=self._key,
                kind=recipe.kind,
                name=order.name,
                recipe=brief_recipe(wire),
                status=Status.INITIALIZING.value,
                created=order.created or self._kitchen.now_s(),
                epochs=training.epochs,
                mode=order.mode,
                dropped=order.without,
                **_shared(message),
            )
            try:
                fence = await self._archive.begin(record, wire, found.data)
            except StorageError as error:
                # It trains all the same; each checkpoint tries again.
                self._warn(f"not kept: {error.message}")
                fence = None
            self._check_wanted()
        except BaseException:
            training.dispose()
            raise
        run = TrainingRun(training, self._kitchen.clock_ms, choice.backend)
        return self._job(record, wire, fence, training, run, shape), message, (pixels,)

    async def _bring_back(self, order: InitTraining) -> Opened:
        claimed = await self._archive.claim(self._key)
        sha256 = claimed.run.data_sha256
        ingredients = await Ingredients.of_kept(claimed.recipe, self._archive, sha256)
        recipe = ingredients.recipe
        data = ingredients.data or await self._kitchen.gather(recipe)
        shape = self._chooser.key_of(recipe, data)
        trials = self._trials(recipe, data, claimed.run.backend or self._kitchen.backend)
        backend, trial = await self._backend_of(claimed.run, order, shape, trials)
        training = await self._prepared(recipe, data, backend, trials)
        try:
            self._check_wanted()
            _check_data(claimed.run, training)
            kernels = self._kitchen.kernels_on(backend)
            here = Machinery(backend, kernels, training.executor.name, __version__)
            found, inexact = await self._restored(claimed.run, training, here)
            curves, lost = await self._archive.curves(self._key, until=training.step)
            for error in lost:
                self._warn(f"a part of the curves is lost: {error.message}")
            message, pixels = model_ready(training, backend=backend, kernels=kernels)
            message = replace(
                message,
                inexact=inexact,
                measured=claimed.run.measured,
                promised_s=_promise_at(found, training, trial) or claimed.run.promised_s,
                promised_bytes=claimed.run.promised_bytes,
            )
            record = self._record_at(claimed.run, found, curves, order, message)
            if record.checkpoint != claimed.run.checkpoint:
                # What lies past it cannot be gone on from, and would look like the newest for
                # ever.
                await self._archive.rewind(record, claimed.fence)
            self._check_wanted()
        except BaseException:
            training.dispose()
            raise
        run = TrainingRun(training, self._kitchen.clock_ms, backend)
        run.take_up(record.progress, curves)
        ends = tuple(curves.epochs)
        message = replace(message, step=training.step, progress=record.progress, epoch_ends=ends)
        job = self._job(record, claimed.recipe, claimed.fence, training, run, shape)
        return job, message, (pixels, curves.to_bytes())

    def _trials(self, recipe: Recipe, data: Dataset, likely: str) -> Trials:
        """The page hears what the run needs (on its likely backend), and each backend that is asked
        anything for it.
        """
        needed = self._kitchen.needed_bytes(recipe, data, backend=likely)
        available = available_bytes(self._kitchen.device_gb())

        def say(backend: str | None) -> None:
            report = PreparationReported(
                backend=backend, needed_bytes=needed, available_bytes=available
            )
            self._voice.send(report, operation=self._key)

        say(None)
        if needed > available:
            self._warn(f"needs some {needed:,} bytes of memory, and {available:,} can be had")
        return Trials(
            self._kitchen,
            recipe,
            data,
            on_trying=say,
            is_hurried=lambda: self.is_hurried or not self.is_wanted,
        )

    async def _choose(self, order: InitTraining, shape: str, trials: Trials) -> Choice:
        return await self._chooser.choose(
            shape,
            mode=order.mode,
            wanted=order.backend,
            out=order.without,
            trials=trials,
            log=self._log,
        )

    async def _prepared(
        self, recipe: Recipe, data: Dataset, backend: str, trials: Trials
    ) -> Training:
        """The model. The page hears first which backend it is: the last one that was tried need
        not be the one that is to blame for what happens now.
        """
        trials.on_trying(backend)
        await self._kitchen.turn()
        return await self._kitchen.prepare(recipe, data, backend=backend)

    async def _backend_of(
        self, run: StoredRun, order: InitTraining, shape: str, trials: Trials
    ) -> tuple[str, Trial | None]:
        """That of its checkpoints, if it works here: only there it goes on exactly.

        Else another one, and how that did.
        """
        kept = run.backend or self._kitchen.backend
        if kept not in order.without and await self._chooser.can_use(kept, trials, self._log):
            return kept, None
        choice = await self._choose(order, shape, trials)
        return choice.backend, choice.trial

    async def _restored(
        self, run: StoredRun, training: Training, here: Machinery
    ) -> tuple[KeptCheckpoint | None, bool]:
        """Brings the training to its newest good checkpoint; whether it goes on inexactly.

        None where there is none: then the run begins at step 0, and only one that is over is
        refused. `here` is what it goes on with.
        """
        for step in await self._archive.steps(self._key):
            try:
                stored = await self._archive.checkpoint(self._key, step)
                checkpoint = Checkpoint.from_bytes(stored.file)
                training.restore(checkpoint)
            except Damaged as error:
                detail = f" ({error.detail})" if error.detail else ""
                self._warn(f"the checkpoint of step {step} was passed over: {error}{detail}")
                continue
            there = Machinery.of(checkpoint)
            if there != here:
                self._warn(f"trained on {there} until here: to go on on {here} is not exact")
            return stored, run.inexact or (there != here and run.status not in FINAL)
        if run.status in FINAL:
            raise StorageError(
                f"The run is {run.status}, but no checkpoint of it was found: the browser has "
                "removed it, or it is damaged. Its recipe can be run again from the start."
            )
        return None, False

    def _record_at(
        self,
        before: StoredRun,
        found: KeptCheckpoint | None,
        curves: Curves,
        order: InitTraining,
        message: ModelReady,
    ) -> StoredRun:
        """The run's record as it stands at the checkpoint that was brought back."""
        reached = before.progress.step if before.progress else 0
        return replace(
            before,
            **_shared(message),
            dropped=tuple({**dict.fromkeys(before.dropped), **dict.fromkeys(order.without)}),
            mode=order.mode,
            checkpoint=found.step if found else None,
            progress=found.progress if found else None,
            last_epoch=curves.epochs[-1] if curves.epochs else None,
            redone=before.redone + max(0, reached - (found.step if found else 0)),
        )

    def _warn(self, text: str) -> None:
        self._log("warning", text)

    def _log(self, level: str, text: str) -> None:
        self._voice.log(level, text, self._key)

    def _job(
        self,
        record: StoredRun,
        recipe: dict[str, object],
        fence: int | None,
        training: Training,
        run: TrainingRun,
        shape: str,
    ) -> Job:
        keeper = Keeper(
            record,
            recipe,
            fence=fence,
            training=training,
            run=run,
            archive=self._archive,
            kitchen=self._kitchen,
            voice=self._voice,
            hold=self._hold,
        )

        return Job(
            self._key,
            training,
            run,
            keeper,
            shape=shape,
            chooser=self._chooser,
            kitchen=self._kitchen,
            voice=self._voice,
            hold=self._hold,
        )

    def _check_wanted(self) -> None:
        if not self.is_wanted:
            raise InterfaceError(f"The operation {self._key} was disposed of before it was ready.")


_SHARED = (
    "backend",
    "kernels",
    "executor",
    "recipe_sha256",
    "data_sha256",
    "version",
    "parameters",
    "inexact",
    "measured",
    "promised_s",
    "promised_bytes",
)


def _shared(message: ModelReady) -> dict[str, Any]:
    """What a run's record holds of what the page is told about its model."""
    return {name: getattr(message, name) for name in _SHARED}


def _promise_at(
    found: KeptCheckpoint | None, training: Training, trial: Trial | None
) -> float | None:
    """How long a run will have trained in all: up to its checkpoint, and from there at a pace."""
    if trial is None:
        return None
    work = Work.of(
        epochs=training.epochs - training.epoch,
        steps=training.steps - training.step,
        batch_size=training.recipe.training.batch_size,
        validation=len(training.split.validation),
        test=len(training.split.test),
    )
    ahead = promised_s(work, trial)
    done = found.progress.elapsed_s if found and found.progress else 0.0
    return None if ahead is None else done + ahead


def _check_data(run: StoredRun, training: Training) -> None:
    """A run without a checkpoint has no other witness of the data that it began with."""
    found = training.dataset.digest
    if run.data_sha256 is not None and run.data_sha256 != found:
        raise DataError(
            f"This run began on other data: it had data {run.data_sha256[:8]}, and this is "
            f"{training.recipe.data.source} {found[:8]}. It cannot go on exactly; start it as a "
            "new run.",
            key="data",
            detail=f"{run.data_sha256} is not {found}",
        )
