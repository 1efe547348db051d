"""One INIT_TRAINING under way: what every kind of operation needs until its job stands.

How a kind gets what it works with stands in worker/training_opening.py and
worker/writing_opening.py; which kind has which, in worker/kinds.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from backburner.core.errors import InterfaceError
from backburner.core.messages import ModelReady, StoredRun
from backburner.worker.archive import Archive, Provisions
from backburner.worker.choosing import Chooser
from backburner.worker.drawings import Shelf
from backburner.worker.jobs import Job
from backburner.worker.keeping import Hold, Keeper
from backburner.worker.kitchen import Kitchen
from backburner.worker.voice import Voice
from backburner.worker.work import Work

Opened = tuple[Job, ModelReady, tuple[bytes, ...]]
"""The job, and what the page is told of it."""


class Opening:
    """`is_wanted` may be unset meanwhile; `over` is set at its end.

    With `is_hurried` set, nothing is measured to the end any more: the run is to be stopped as
    soon as it stands.
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
        self.key = key
        self.archive = archive
        self.shelf = shelf
        self.chooser = chooser
        self.kitchen = kitchen
        self.voice = voice
        self._hold = hold

    def job(
        self,
        work: Work,
        record: StoredRun,
        provisions: Provisions,
        fence: int | None,
        learn: Callable[[], Awaitable[None]],
    ) -> Job:
        """The job for what was made ready. `fence` is None until it could be kept."""
        keeper = Keeper(
            record,
            provisions,
            fence=fence,
            work=work,
            archive=self.archive,
            kitchen=self.kitchen,
            voice=self.voice,
            hold=self._hold,
        )
        return Job(
            self.key,
            work,
            keeper,
            learn=learn,
            kitchen=self.kitchen,
            voice=self.voice,
            hold=self._hold,
        )

    def check_wanted(self) -> None:
        """Raises InterfaceError once nobody wants it any more."""
        if not self.is_wanted:
            raise InterfaceError(f"The operation {self.key} was disposed of before it was ready.")

    def warn(self, text: str) -> None:
        self.log("warning", text)

    def log(self, level: str, text: str) -> None:
        self.voice.log(level, text, self.key)
