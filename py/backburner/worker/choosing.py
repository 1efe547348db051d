"""Which backend a run computes on, and what is remembered of it (SPEC A8).

worker/trials.py tries and times; core/backends.py judges. What was learned is kept for the next
run of the same shape, and so is which backend failed in the middle of one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from backburner import __version__
from backburner.core.backends import (
    Known,
    Trial,
    candidates,
    chosen,
    last_resort,
    shape_key,
)
from backburner.core.errors import BackendError, StorageError
from backburner.core.kinds import TrainingRecipes
from backburner.engine.data import Dataset
from backburner.worker.kitchen import Kitchen
from backburner.worker.records import KeptKnown
from backburner.worker.storage import Database, Get, Put, Write
from backburner.worker.trials import Trials

Log = Callable[[str, str], None]
"""`log(level, text)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The backend of a run, and how those did that were tried for such a model."""

    backend: str
    known: Known

    @property
    def trial(self) -> Trial | None:
        """How the chosen one did; None where it was not measured."""
        return self.known.trial(self.backend)


class Chooser:
    """Chooses for one run after the other; what it cannot remember it measures anew."""

    def __init__(self, kitchen: Kitchen, database: Database) -> None:
        self._kitchen = kitchen
        self._database = database

    async def choose(
        self,
        key: str,
        *,
        mode: str,
        wanted: str | None,
        out: Collection[str],
        trials: Trials,
        log: Log,
    ) -> Choice:
        """The backend for a new run: the wanted one if it works here, else the quickest.

        `key` is `key_of` the run; those of `out` failed under it. The backend is ready for use.
        Raises BackendError where nothing works: why the last resort does not.
        """
        known = await self._recall(key)
        if out:
            known = known.without(out)
            await self._remember(key, known)
        asked_for = wanted if wanted not in out else None
        found = asked_for or chosen(known, mode)
        if found and known.trial(found):
            if await self.can_use(found, trials, log):
                return Choice(backend=found, known=known)
            known = known.with_trials([Trial(backend=found, problem="cannot be used any more")])
        is_had = asked_for is not None and (await trials.put(asked_for)).ms_per_step is not None
        if not is_had:
            for backend in candidates(mode, {*known.dropped, asked_for or ""}):
                if trials.is_hurried():
                    break
                await trials.put(backend)
        log("info", f"measured: {', '.join(each.in_words() for each in trials.done)}")
        known = known.with_trials(trials.done)
        if not trials.is_hurried():
            await self._remember(key, known)
        found = asked_for if is_had else chosen(known, mode)
        is_tried = found in {each.backend for each in trials.done}
        if found and not is_tried and not await self.can_use(found, trials, log):
            found = None  # it was only remembered
        if found is None:
            found = last_resort(mode, known.dropped)
            await trials.make_ready(found)
        return Choice(backend=found, known=known)

    async def can_use(self, backend: str, trials: Trials, log: Log) -> bool:
        """Whether a backend can be had here, and knows its sums; has it ready for use then."""
        try:
            await trials.make_ready(backend)
        except BackendError as error:
            log("warning", f"{backend} cannot be used: {error.detail or error.message}")
            return False
        return True

    async def learn(self, key: str, backend: str, ms_per_step: float) -> None:
        """Remembers the pace of a whole run, which says more than a trial's."""
        known = await self._recall(key)
        trial = known.trial(backend)
        if trial is not None:
            paced = replace(trial, ms_per_step=ms_per_step)
            await self._remember(key, known.with_trials([paced]))

    # --- remembering -------------------------------------------------------------------

    def key_of(self, recipe: TrainingRecipes, data: Dataset) -> str:
        """What is remembered of a run stands under it. To be asked for once in a run: it names
        the kernels too, and which they are may turn out only when wasm is started.
        """
        return shape_key(
            layers=recipe.layers_to_wire(),
            input_shape=[*data.shape, len(data.classes)],
            batch_size=recipe.training.batch_size,
            optimizer=recipe.training.optimizer,
            version=__version__,
            kernels=self._kitchen.kernels_on("wasm"),
        )

    async def _recall(self, key: str) -> Known:
        """What is kept; nothing where it cannot be read: then it is measured anew."""
        try:
            (row,) = await self._database.read(Get("backends", key))
            return KeptKnown.from_row(row).known if row is not None else Known()
        except StorageError:
            return Known()

    async def _remember(self, key: str, known: Known) -> None:
        def decide(_found: list[Any]) -> list[Write]:
            return [Put("backends", key, KeptKnown(known=known).to_row())]

        # What cannot be kept costs only time: the next run measures again.
        with suppress(StorageError):
            await self._database.write(("backends",), (), decide)
