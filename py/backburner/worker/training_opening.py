"""How a training gets its model: a new one from its recipe, a kept one from its newest checkpoint.

One that begins with the network of another run reads that once. From then on its own first
checkpoint holds the weights, and its recipe's row says what they are of: whatever becomes of the
other run, this one goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from backburner import __version__
from backburner.core.backends import Trial
from backburner.core.curves import Curves
from backburner.core.errors import StorageError
from backburner.core.fine_tuning_recipe import FineTuneRecipe
from backburner.core.lifecycle import Status
from backburner.core.messages import InitTraining, ModelReady, PreparationReported, StoredRun
from backburner.core.operation import brief_recipe
from backburner.core.promise import Work, available_bytes, promised_s
from backburner.core.recipe_head import read_from
from backburner.engine.task import Start, Task
from backburner.engine.training import Training
from backburner.worker.archive import Claimed, Provisions
from backburner.worker.bases import Trained, find_trained, tests_of
from backburner.worker.choosing import Choice
from backburner.worker.examples import model_ready
from backburner.worker.ingredients import Ingredients, ingredients_of_kept, ingredients_of_new
from backburner.worker.opening import Opened, Opening
from backburner.worker.records import KeptCheckpoint, KeptOrigin
from backburner.worker.restoring import Machinery, check_data, restored
from backburner.worker.storage import Row
from backburner.worker.training import TrainingRun
from backburner.worker.trials import Trials


class TrainingOpening:
    """One way in worker/kinds.py's table: for every kind of which a network comes."""

    def __init__(self, opening: Opening, order: InitTraining) -> None:
        self._opening = opening
        self._order = order

    async def new(self, wire: dict[str, object]) -> Opened:
        opening, order = self._opening, self._order
        start = await self._start(wire)
        kitchen = opening.kitchen
        found = await ingredients_of_new(wire, start, shelf=opening.shelf, kitchen=kitchen)
        task = kitchen.task(found.recipe, found.data, start)
        shape = opening.chooser.key_of(found.recipe, task.workload.dataset)
        trials = self._trials(task, order.backend or kitchen.backend)
        choice = await self._choose(shape, trials)
        opening.check_wanted()
        training = await self._prepared(task, choice.backend, trials)
        try:
            opening.check_wanted()
            run = TrainingRun(training, kitchen.clock_ms, choice.backend)
            beginning = await self._beginning(run) if start else None
            kernels = kitchen.kernels_on(choice.backend)
            message, pixels = model_ready(training, backend=choice.backend, kernels=kernels)
            message = replace(
                message,
                measured=choice.known.trials,
                promised_s=_promise_at(None, training, choice.trial),
                promised_bytes=kitchen.needed_bytes(task, backend=choice.backend),
                network=found.recipe.result.to_wire(),
                kept=None if beginning is None else 0,
            )
            record = StoredRun(
                id=opening.key,
                kind=found.recipe.kind,
                name=order.name,
                recipe=brief_recipe(wire),
                status=Status.INITIALIZING.value,
                created=order.created or kitchen.now_s(),
                epochs=training.epochs,
                mode=order.mode,
                dropped=order.without,
                base=found.recipe.base,
                after=order.after,
                checkpoint=message.kept,
                datasets=tuple(each.digest for each in found.datasets),
                **_shared(message),
            )
            provisions = Provisions(
                recipe=wire,
                origin=_origin(found),
                datasets=found.datasets,
                beginning=beginning,
            )
            fence: int | None = None
            try:
                fence = await opening.archive.begin(record, provisions)
            except StorageError as error:
                # It trains all the same; each checkpoint tries again.
                opening.warn(f"not kept: {error.message}")
                record, message = replace(record, checkpoint=None), replace(message, kept=None)
            opening.check_wanted()
        except BaseException:
            training.dispose()
            raise
        job = opening.job(run, record, provisions, fence, self._learning(run, shape))
        return job, message, (pixels,)

    async def bring_back(self, claimed: Claimed) -> Opened:
        opening, kitchen = self._opening, self._opening.kitchen
        weights = None
        if claimed.origin is not None and not await opening.archive.steps(opening.key):
            # Its beginning could not be kept; perhaps the run that it came from is still there.
            weights = (await self._trained(claimed.recipe)).weights
        found = await ingredients_of_kept(
            claimed, weights, archive=opening.archive, kitchen=kitchen
        )
        task = kitchen.task(found.recipe, found.data, found.start)
        shape = opening.chooser.key_of(found.recipe, task.workload.dataset)
        trials = self._trials(task, claimed.run.backend or kitchen.backend)
        backend, trial = await self._backend_of(claimed.run, shape, trials)
        training = await self._prepared(task, backend, trials)
        try:
            opening.check_wanted()
            check_data(claimed.run, training)
            kernels = kitchen.kernels_on(backend)
            here = Machinery(backend, kernels, training.executor.name, __version__)
            kept, inexact = await restored(
                claimed.run,
                training,
                here,
                needs_one=found.start is not None and weights is None,
                archive=opening.archive,
                warn=opening.warn,
            )
            curves, lost = await opening.archive.curves(opening.key, until=training.step)
            for error in lost:
                opening.warn(f"a part of the curves is lost: {error.message}")
            message, pixels = model_ready(training, backend=backend, kernels=kernels)
            message = replace(
                message,
                inexact=inexact,
                measured=claimed.run.measured,
                promised_s=_promise_at(kept, training, trial) or claimed.run.promised_s,
                promised_bytes=claimed.run.promised_bytes,
                network=found.recipe.result.to_wire(),
                kept=kept.step if kept else None,
            )
            record = self._record_at(claimed.run, kept, curves, message)
            if record.checkpoint != claimed.run.checkpoint:
                # What lies past it cannot be gone on from, and would look like the newest for
                # ever.
                await opening.archive.rewind(record, claimed.fence)
            opening.check_wanted()
        except BaseException:
            training.dispose()
            raise
        run = TrainingRun(training, kitchen.clock_ms, backend)
        run.take_up(record, curves)
        ends = tuple(curves.epochs)
        message = replace(message, step=training.step, progress=record.progress, epoch_ends=ends)
        provisions = Provisions(
            recipe=claimed.recipe, origin=claimed.origin, datasets=found.datasets
        )
        learning = self._learning(run, shape)
        job = opening.job(run, record, provisions, claimed.fence, learning)
        return job, message, (pixels, curves.to_bytes())

    # --- the network that it begins with -------------------------------------------------

    async def _start(self, wire: dict[str, object]) -> Start | None:
        model = wire.get("model")
        if not (isinstance(model, dict) and "from" in model):
            return None
        found = await self._trained(wire)
        tests = None
        if wire.get("kind") == FineTuneRecipe.kind:
            archive, kitchen = self._opening.archive, self._opening.kitchen
            tests = await tests_of(found, archive=archive, kitchen=kitchen)
        return Start(network=found.network, weights=found.weights, sha256=found.sha256, tests=tests)

    async def _trained(self, wire: dict[str, object]) -> Trained:
        opening = self._opening
        key = read_from(wire.get("model"))
        return await find_trained(key, archive=opening.archive, warn=opening.warn)

    async def _beginning(self, run: TrainingRun) -> Row | None:
        """The checkpoint of step 0."""
        return await run.checkpoint(self._opening.kitchen.kernels_on(run.backend))

    # --- the backend ---------------------------------------------------------------------

    def _trials(self, task: Task, likely: str) -> Trials:
        """The page hears what the run needs (on its likely backend), and each backend that is asked
        anything for it.
        """
        opening = self._opening
        needed = opening.kitchen.needed_bytes(task, backend=likely)
        available = available_bytes(opening.kitchen.device_gb())

        def say(backend: str | None) -> None:
            report = PreparationReported(
                backend=backend, needed_bytes=needed, available_bytes=available
            )
            opening.voice.send(report, operation=opening.key)

        say(None)
        if needed > available:
            opening.warn(f"needs some {needed:,} bytes of memory, and {available:,} can be had")
        return Trials(
            opening.kitchen,
            task,
            on_trying=say,
            is_hurried=lambda: opening.is_hurried or not opening.is_wanted,
        )

    async def _choose(self, shape: str, trials: Trials) -> Choice:
        return await self._opening.chooser.choose(
            shape,
            mode=self._order.mode,
            wanted=self._order.backend,
            out=self._order.without,
            trials=trials,
            log=self._opening.log,
        )

    async def _prepared(self, task: Task, backend: str, trials: Trials) -> Training:
        """The model. The page hears first which backend it is: the last one that was tried need
        not be the one that is to blame for what happens now.
        """
        trials.on_trying(backend)
        await self._opening.kitchen.turn()
        return await self._opening.kitchen.prepare(task, backend=backend)

    async def _backend_of(
        self, run: StoredRun, shape: str, trials: Trials
    ) -> tuple[str, Trial | None]:
        """That of its checkpoints, if it works here: only there it goes on exactly.

        Else another one, and how that did.
        """
        opening = self._opening
        kept = run.backend or opening.kitchen.backend
        is_out = kept in self._order.without
        if not is_out and await opening.chooser.can_use(kept, trials, opening.log):
            return kept, None
        choice = await self._choose(shape, trials)
        return choice.backend, choice.trial

    def _learning(self, run: TrainingRun, shape: str) -> Callable[[], Awaitable[None]]:
        """A whole run says more of its backend's pace than a trial did."""
        chooser = self._opening.chooser

        async def learn() -> None:
            if run.ms_per_step:
                await chooser.learn(shape, run.backend, run.ms_per_step)

        return learn

    # --- where it was --------------------------------------------------------------------

    def _record_at(
        self,
        before: StoredRun,
        found: KeptCheckpoint | None,
        curves: Curves,
        message: ModelReady,
    ) -> StoredRun:
        """The run's record as it stands at the checkpoint that was brought back."""
        reached = before.progress.step if before.progress else 0
        return replace(
            before,
            **_shared(message),
            dropped=tuple({**dict.fromkeys(before.dropped), **dict.fromkeys(self._order.without)}),
            mode=self._order.mode,
            checkpoint=found.step if found else None,
            progress=found.progress if found else None,
            last_epoch=curves.epochs[-1] if curves.epochs else None,
            redone=before.redone + max(0, reached - (found.step if found else 0)),
        )


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
    "baselines",
    "network",
    "trained_parameters",
)


def _shared(message: ModelReady) -> dict[str, Any]:
    """What a run's record holds of what the page is told about its model."""
    return {name: getattr(message, name) for name in _SHARED}


def _origin(found: Ingredients) -> KeptOrigin | None:
    start = found.start
    if start is None:
        return None
    return KeptOrigin(
        network=start.network.to_wire(),
        sha256=start.sha256,
        tests=start.tests.digest if start.tests else None,
        drawn=found.drawn.digest if found.drawn else None,
    )


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
