"""How a run gets its model: a new one from its recipe, a kept one from its newest checkpoint."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from backburner.core.curves import Curves
from backburner.core.errors import Damaged, DataError, InterfaceError, StorageError
from backburner.core.lifecycle import FINAL, Status
from backburner.core.messages import InitTraining, ModelReady, StoredRun
from backburner.core.operation import brief_recipe
from backburner.engine.checkpoint import Checkpoint
from backburner.engine.training import Training
from backburner.worker.archive import Archive
from backburner.worker.drawings import Ingredients, Shelf
from backburner.worker.examples import model_ready
from backburner.worker.jobs import Job
from backburner.worker.keeping import Hold, Keeper
from backburner.worker.kitchen import Kitchen
from backburner.worker.records import KeptCheckpoint
from backburner.worker.training import TrainingRun
from backburner.worker.voice import Voice

Opened = tuple[Job, ModelReady, tuple[bytes, ...]]


class Opening:
    """One INIT_TRAINING under way. `is_wanted` may be unset meanwhile; `over` is set at its end."""

    def __init__(
        self,
        key: str,
        *,
        archive: Archive,
        shelf: Shelf,
        kitchen: Kitchen,
        voice: Voice,
        hold: Hold,
    ) -> None:
        self.is_wanted = True
        self.over = asyncio.Event()
        self._key = key
        self._archive = archive
        self._shelf = shelf
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
        training = await self._kitchen.prepare(recipe, found.data)
        try:
            self._check_wanted()
            message, pixels = model_ready(training)
            record = StoredRun(
                id=self._key,
                kind=recipe.kind,
                name=order.name,
                recipe=brief_recipe(wire),
                status=Status.INITIALIZING.value,
                created=order.created or self._kitchen.now_s(),
                epochs=training.epochs,
                backend=self._kitchen.backend,
                kernels=self._kitchen.kernels,
                mode=order.mode,
                data_sha256=message.data_sha256,
                parameters=message.parameters,
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
        run = TrainingRun(training, self._kitchen.clock_ms)
        return self._job(record, wire, fence, training, run), message, (pixels,)

    async def _bring_back(self, order: InitTraining) -> Opened:
        claimed = await self._archive.claim(self._key)
        sha256 = claimed.run.data_sha256
        ingredients = await Ingredients.of_kept(claimed.recipe, self._archive, sha256)
        training = await self._kitchen.prepare(ingredients.recipe, ingredients.data)
        try:
            self._check_wanted()
            _check_data(claimed.run, training)
            found = await self._restored(claimed.run, training)
            curves, lost = await self._archive.curves(self._key, until=training.step)
            for error in lost:
                self._warn(f"a part of the curves is lost: {error.message}")
            record = self._record_at(claimed.run, found, curves, order)
            if record.checkpoint != claimed.run.checkpoint:
                # What lies past it cannot be gone on from, and would look like the newest for
                # ever.
                await self._archive.rewind(record, claimed.fence)
            self._check_wanted()
            message, pixels = model_ready(training)
        except BaseException:
            training.dispose()
            raise
        run = TrainingRun(training, self._kitchen.clock_ms)
        run.take_up(record.progress, curves)
        ends = tuple(curves.epochs)
        message = replace(message, step=training.step, progress=record.progress, epoch_ends=ends)
        job = self._job(record, claimed.recipe, claimed.fence, training, run)
        return job, message, (pixels, curves.to_bytes())

    async def _restored(self, run: StoredRun, training: Training) -> KeptCheckpoint | None:
        """Brings the training to its newest good checkpoint.

        None where there is none: then the run begins at step 0, and only one that is over is
        refused.
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
            here = (self._kitchen.backend, self._kitchen.kernels)
            if (checkpoint.backend, checkpoint.kernels) != here:
                there = f"{checkpoint.backend} ({checkpoint.kernels})"
                self._warn(f"trained on {there} until here: going on elsewhere is not exact")
            return stored
        if run.status in FINAL:
            raise StorageError(
                f"The run is {run.status}, but no checkpoint of it was found: the browser has "
                "removed it, or it is damaged. Its recipe can be run again from the start."
            )
        return None

    def _record_at(
        self,
        before: StoredRun,
        found: KeptCheckpoint | None,
        curves: Curves,
        order: InitTraining,
    ) -> StoredRun:
        """The run's record as it stands at the checkpoint that was brought back."""
        reached = before.progress.step if before.progress else 0
        return replace(
            before,
            backend=self._kitchen.backend,
            kernels=self._kitchen.kernels,
            mode=order.mode,
            checkpoint=found.step if found else None,
            progress=found.progress if found else None,
            last_epoch=curves.epochs[-1] if curves.epochs else None,
            redone=before.redone + max(0, reached - (found.step if found else 0)),
        )

    def _warn(self, text: str) -> None:
        self._voice.log("warning", text, self._key)

    def _job(
        self,
        record: StoredRun,
        recipe: dict[str, object],
        fence: int | None,
        training: Training,
        run: TrainingRun,
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
            kitchen=self._kitchen,
            voice=self._voice,
            hold=self._hold,
        )

    def _check_wanted(self) -> None:
        if not self.is_wanted:
            raise InterfaceError(f"The operation {self._key} was disposed of before it was ready.")


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
