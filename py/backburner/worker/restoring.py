"""How a training gets to where it was: from its newest checkpoint that is whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from backburner.core.beginnings import FROM
from backburner.core.errors import Damaged, DataError, StorageError
from backburner.core.lifecycle import FINAL
from backburner.core.messages import StoredRun
from backburner.engine.checkpoint import Checkpoint
from backburner.engine.training import Training
from backburner.worker.archive import Archive
from backburner.worker.records import KeptCheckpoint


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


async def restored(
    run: StoredRun,
    training: Training,
    here: Machinery,
    *,
    needs_one: bool,
    archive: Archive,
    warn: Callable[[str], None],
) -> tuple[KeptCheckpoint | None, bool]:
    """Brings the training to its newest good checkpoint; whether it goes on inexactly.

    None where there is none: then the run begins at step 0, and only one that is over is
    refused, and one that began with weights that are nowhere else (`needs_one`). `here` is
    what it goes on with.
    """
    key = run.id
    for step in await archive.steps(key):
        try:
            stored = await archive.checkpoint(key, step)
            checkpoint = Checkpoint.from_bytes(stored.file)
            training.restore(checkpoint)
        except Damaged as error:
            detail = f" ({error.detail})" if error.detail else ""
            warn(f"the checkpoint of step {step} was passed over: {error}{detail}")
            continue
        there = Machinery.of(checkpoint)
        if there != here:
            warn(f"trained on {there} until here: to go on on {here} is not exact")
        return stored, run.inexact or (there != here and run.status not in FINAL)
    if run.status in FINAL:
        raise StorageError(
            f"The run is {run.status}, but no checkpoint of it was found: the browser has "
            "removed it, or it is damaged. Its recipe can be run again from the start."
        )
    if needs_one:
        raise StorageError(
            "The run cannot go on: it began with another run's network, and no checkpoint of "
            "it is whole. Its recipe can be run again, if that network is still there.",
            key=FROM,
        )
    return None, False


def check_data(run: StoredRun, training: Training) -> None:
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
