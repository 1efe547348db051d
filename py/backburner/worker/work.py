"""What a job drives and a keeper keeps: the work of one operation, whatever its kind.

worker/training.py trains a network, worker/writing.py writes a text. Between two steps everything
stands still, so whoever drives may pause, answer, or stop there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Protocol

from backburner.core.curves import Curves
from backburner.core.messages import (
    GenerationCompleted,
    GenerationProgressed,
    TrainingCompleted,
    TrainingProgressed,
)
from backburner.worker.storage import Row

Progress = TrainingProgressed | GenerationProgressed
Completed = TrainingCompleted | GenerationCompleted


class Work(Protocol):
    """Goes on where it stands whenever its events are asked for."""

    backend: str
    """What it computes on; empty where that is no backend."""

    @property
    def step(self) -> int:
        """How many steps are done."""

    def events(self) -> AsyncGenerator[Progress | Completed | None, None]:
        """Yields after every step: a report when one is due, else None. The last is Completed.

        May be asked for again after it was closed.
        """

    def pending(self) -> Progress | None:
        """A report of all that happened since the last one; None when that is nothing."""

    def result(self, report: Completed) -> dict[str, Any]:
        """What the record holds of the end, beside where it stands."""

    # --- for keeping it ----------------------------------------------------------------

    @property
    def is_between_steps(self) -> bool:
        """Whether the last step is over with all that belongs to it."""

    @property
    def mark(self) -> object:
        """Another one as soon as something is done that is worth keeping at once."""

    def standing(self) -> dict[str, Any]:
        """What the record holds of where it stands now."""

    async def checkpoint(self, kernels: str) -> Row | None:
        """Where it stands, to go on from exactly; None where the record holds all of that.

        Raises TrainingDiverged or BackendError where nothing can be kept.
        """

    def unkept(self) -> Curves:
        """The curves since what `kept` was told of last."""

    def kept(self, piece: Curves) -> None:
        """What `unkept` gave is safe by now."""

    def dispose(self) -> None:
        """Frees all that it holds. May be called again."""
