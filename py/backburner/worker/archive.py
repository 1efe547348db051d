"""What is kept of runs, and what is written together with what.

Owns the rows of worker/storage.py's database: a run's record and its complete recipe, its
newest checkpoints, and the pieces of its curves. A checkpoint, the points up to it and the
run's record are written in one transaction, so that they always agree.

A run belongs to whoever claimed it last: claiming raises the run's fence, a number in its
record, and each write compares fences inside its own transaction. So of two pages that both
think that they own a run (one of them was asleep, say) only one can write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backburner.core.curves import Curves
from backburner.core.errors import (
    Damaged,
    DataError,
    Dispossessed,
    Expired,
    InterfaceError,
    LifecycleError,
    NewerStorage,
    StorageError,
)
from backburner.core.lifecycle import FINAL, Status
from backburner.core.messages import Fault, StoredRun
from backburner.engine.data import Dataset
from backburner.worker.records import (
    KeptCheckpoint,
    KeptOrigin,
    KeptPiece,
    KeptRecipe,
    KeptRun,
    damaged,
    dataset_from,
    kept_dataset,
)
from backburner.worker.storage import (
    Database,
    Delete,
    Get,
    Keys,
    Put,
    Row,
    Rows,
    Write,
)

KEPT_CHECKPOINTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisions:
    """What is kept of a run from its first moment, so that it needs nothing else to go on.

    `origin` is the network that it began with, `datasets` are those that cannot be had again by
    the recipe alone, and `beginning` is the checkpoint of step 0, where its first weights do not
    follow from the seed.
    """

    recipe: Mapping[str, object]
    origin: KeptOrigin | None = None
    datasets: tuple[Dataset, ...] = ()
    beginning: Row | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A kept run, with its complete recipe and the network that it began with."""

    run: StoredRun
    recipe: dict[str, object]
    origin: KeptOrigin | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Kept):
    """The same, and it is the caller's from now on."""

    fence: int


class Archive:
    """The runs that one database keeps. Every method raises StorageError when it fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def close(self) -> None:
        await self._database.close()

    # --- whose a run is ----------------------------------------------------------------

    async def begin(self, run: StoredRun, provisions: Provisions) -> int:
        """Keeps a new run; the fence for writing it.

        Raises InterfaceError for an id under which a run has been trained already.
        """
        fence = 0
        kept_recipe = KeptRecipe(recipe=dict(provisions.recipe), origin=provisions.origin)
        complete = kept_recipe.to_row()
        beginning = provisions.beginning

        def decide(found: list[Any]) -> list[Write]:
            nonlocal fence
            record, checkpoints = found
            if checkpoints:
                raise InterfaceError(
                    f"A run with the id {run.id} is kept already. Use a new id, or clear that run."
                )
            fence = (0 if record is None else KeptRun.from_row(record).fence) + 1
            return [
                Put("runs", run.id, KeptRun(run=run, fence=fence).to_row()),
                Put("recipes", run.id, complete),
                *(Put("datasets", each.digest, kept_dataset(each)) for each in provisions.datasets),
                *([Put("checkpoints", (run.id, 0), beginning)] if beginning else []),
            ]

        reads = (Get("runs", run.id), Keys("checkpoints", run.id))
        stores = ("runs", "recipes", "checkpoints", "datasets")
        await self._database.write(stores, reads, decide)
        return fence

    async def holds(self, key: str, recipe: Mapping[str, object]) -> bool:
        """Whether a run of this id and this recipe is kept, and had begun."""
        record, kept, checkpoints = await self._database.read(
            Get("runs", key), Get("recipes", key), Keys("checkpoints", key)
        )
        if record is None or kept is None:
            return False
        if not checkpoints and KeptRun.from_row(record).run.writing is None:
            return False
        return KeptRecipe.from_row(kept).recipe == dict(recipe)

    async def claim(self, key: str) -> Claimed:
        """Takes a kept run: whoever had it can write nothing of it any more.

        Raises StorageError when nothing is kept of it, Damaged or NewerStorage when it cannot be
        read.
        """
        claimed: list[Claimed] = []

        def decide(found: list[Any]) -> list[Write]:
            record, recipe = found
            if record is None or recipe is None:
                raise _nothing_kept(key)
            kept, complete = KeptRun.from_row(record), KeptRecipe.from_row(recipe)
            fence = kept.fence + 1
            claimed.append(
                Claimed(run=kept.run, recipe=complete.recipe, origin=complete.origin, fence=fence)
            )
            return [Put("runs", key, replace(kept, fence=fence).to_row())]

        reads = (Get("runs", key), Get("recipes", key))
        await self._database.write(("runs", "recipes"), reads, decide)
        return claimed[0]

    # --- writing a run -----------------------------------------------------------------

    async def note(self, run: StoredRun, fence: int) -> None:
        """Writes the run's record anew.

        Raises Dispossessed when the run is another's by now, Expired when nothing is kept of it.
        """

        def decide(found: list[Any]) -> list[Write]:
            _check_fence(found[0], fence)
            return [Put("runs", run.id, KeptRun(run=run, fence=fence).to_row())]

        await self._database.write(("runs",), (Get("runs", run.id),), decide)

    async def keep(
        self, run: StoredRun, fence: int, *, step: int, checkpoint: Row, piece: Curves
    ) -> None:
        """Writes the checkpoint of `step`, the piece of the curves since the one before, and
        the run's record.

        The newest three checkpoints stay. Raises Dispossessed like `note`.
        """
        place = (run.id, step)

        def decide(found: list[Any]) -> list[Write]:
            record, kept, before = found
            _check_fence(record, fence)
            older = [key for key in kept if key != place]
            return [
                *(Delete("checkpoints", key) for key in older[: 1 - KEPT_CHECKPOINTS]),
                Put("checkpoints", place, checkpoint),
                Put("curves", place, KeptPiece(step=step, curves=piece).after(before).to_row()),
                Put("runs", run.id, KeptRun(run=run, fence=fence).to_row()),
            ]

        reads = (Get("runs", run.id), Keys("checkpoints", run.id), Get("curves", place))
        await self._database.write(("runs", "checkpoints", "curves"), reads, decide)

    async def rewind(self, run: StoredRun, fence: int) -> None:
        """Removes all that lies past `run.checkpoint`, which is the run's newest one now."""
        step = run.checkpoint or 0

        def decide(found: list[Any]) -> list[Write]:
            record, checkpoints, curves = found
            _check_fence(record, fence)
            return [
                *(Delete("checkpoints", key) for key in checkpoints if key[1] > step),
                *(Delete("curves", key) for key in curves if key[1] > step),
                Put("runs", run.id, KeptRun(run=run, fence=fence).to_row()),
            ]

        reads = (Get("runs", run.id), Keys("checkpoints", run.id), Keys("curves", run.id))
        await self._database.write(("runs", "checkpoints", "curves"), reads, decide)

    async def abort(self, key: str, *, at: float) -> StoredRun:
        """Ends a kept run as aborted, whoever has it. Gives its record.

        Raises LifecycleError for a run that has ended for good, StorageError for one that is not
        kept.
        """
        aborted: list[StoredRun] = []

        def decide(found: list[Any]) -> list[Write]:
            if found[0] is None:
                raise _nothing_kept(key)
            kept = KeptRun.from_row(found[0])
            if kept.run.status in FINAL:
                raise LifecycleError.between(kept.run.status, Status.ABORTED)
            aborted.append(replace(kept.run, status=Status.ABORTED.value, finished=at))
            return [Put("runs", key, KeptRun(run=aborted[0], fence=kept.fence + 1).to_row())]

        await self._database.write(("runs",), (Get("runs", key),), decide)
        return aborted[0]

    async def clear(self, key: str) -> None:
        """Removes all that is kept of a run; what is not there is no fault."""

        def decide(found: list[Any]) -> list[Write]:
            run, runs, checkpoints, curves = found
            return [
                *_data_of_no_other(run, runs),
                Delete("runs", key),
                Delete("recipes", key),
                *(Delete("checkpoints", each) for each in checkpoints),
                *(Delete("curves", each) for each in curves),
            ]

        reads = (Get("runs", key), Rows("runs"), Keys("checkpoints", key), Keys("curves", key))
        stores = ("runs", "recipes", "checkpoints", "curves", "datasets")
        await self._database.write(stores, reads, decide)

    # --- reading -----------------------------------------------------------------------

    async def look_up(self, key: str) -> Kept | None:
        """A kept run, which stays whose it is; None where nothing is kept of it.

        Raises Damaged or NewerStorage when it cannot be read.
        """
        record, recipe = await self._database.read(Get("runs", key), Get("recipes", key))
        if record is None or recipe is None:
            return None
        complete = KeptRecipe.from_row(recipe)
        run = KeptRun.from_row(record).run
        return Kept(run=run, recipe=complete.recipe, origin=complete.origin)

    async def runs(self) -> tuple[tuple[StoredRun, ...], Fault | None]:
        """Every run that can be read, oldest first, and why others cannot."""
        (rows,) = await self._database.read(Rows("runs"))
        runs: list[StoredRun] = []
        problems: list[StorageError] = []
        for row in rows:
            try:
                runs.append(KeptRun.from_row(row).run)
            except StorageError as error:
                problems.append(error)
        runs.sort(key=lambda run: run.created)
        return tuple(runs), _summed_up(problems)

    async def steps(self, key: str) -> list[int]:
        """The steps of a run's checkpoints, newest first."""
        (places,) = await self._database.read(Keys("checkpoints", key))
        return [step for _, step in reversed(places)]

    async def checkpoint(self, key: str, step: int) -> KeptCheckpoint:
        """One of them. Raises Damaged for one that is not what was written."""
        (row,) = await self._database.read(Get("checkpoints", (key, step)))
        if row is None:
            raise damaged(f"the checkpoint of step {step} is gone")
        return KeptCheckpoint.from_row(row)

    async def dataset(self, sha256: str) -> Dataset:
        """What a run learned from. Raises DataError when it is not kept, Damaged like others."""
        (row,) = await self._database.read(Get("datasets", sha256))
        if row is None:
            raise DataError(
                f"The drawings that this run learned from (data {sha256[:8]}) are not kept any "
                "more, so it cannot go on. Its recipe can be run again with the drawings that "
                "there are now.",
                key="data",
            )
        return dataset_from(row)

    async def curves(self, key: str, *, until: int | None = None) -> tuple[Curves, list[Damaged]]:
        """The kept curves of a run, up to step `until`, and what of them could not be read."""
        (rows,) = await self._database.read(Rows("curves", key))
        curves = Curves()
        lost: list[Damaged] = []
        for row in rows:
            try:
                piece = KeptPiece.from_row(row)
            except Damaged as error:
                lost.append(error)
                continue
            if until is None or piece.step <= until:
                curves.append(piece.curves)
        return curves, lost


def _check_fence(row: Row | None, fence: int) -> None:
    if row is None:
        raise Expired(
            "What was stored of this run is gone: the browser has cleared it, or somebody did. "
            "The training goes on, and is kept anew with its next checkpoint."
        )
    found = KeptRun.from_row(row).fence
    if found != fence:
        raise Dispossessed(
            "This run goes on in another tab or window. Here it has ended; nothing that was saved "
            "is lost.",
            detail=f"fence {found}, ours {fence}",
        )


def _data_of_no_other(row: Row | None, rows: Sequence[Row]) -> list[Write]:
    """Removes a run's data along with it, unless another run has the same."""
    try:
        if row is None:
            return []
        own = _datasets(KeptRun.from_row(row).run)
        users = Counter(sha256 for each in rows for sha256 in _datasets(KeptRun.from_row(each).run))
    except StorageError:
        # A record that cannot be read may need it.
        return []
    return [Delete("datasets", sha256) for sha256 in own if users[sha256] == 1]


def _datasets(run: StoredRun) -> set[str]:
    """All that may be kept for it: what it learned from, and what a fine-tuning is measured on."""
    return {each for each in (run.data_sha256, *run.datasets) if each}


def _nothing_kept(key: str) -> StorageError:
    return StorageError(
        "Nothing is kept of this run any more: it was cleared, or the browser has removed it. Its "
        "recipe can be run again from the start.",
        detail=f"no record of {key}",
    )


def _summed_up(problems: Sequence[StorageError]) -> Fault | None:
    if not problems:
        return None
    worst = next((each for each in problems if isinstance(each, NewerStorage)), problems[0])
    if len(problems) == 1:
        return Fault.from_error(worst)
    more = type(worst)(f"{worst.message} ({len(problems)} runs.)", detail=worst.detail)
    return Fault.from_error(more)
