"""One operation kept safe: when a checkpoint is due, what goes into it, and whether it is safe.

What a checkpoint holds is copied between two steps; writing it goes on beside the next steps,
one write at a time. Nothing is said to be safe before its transaction is complete. A write that
fails is said and tried again when the next one is due: the work itself goes on in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from backburner.core.backends import GPU
from backburner.core.curves import Curves
from backburner.core.errors import BackburnerError, BackendError, Dispossessed, Expired
from backburner.core.messages import Checkpointed, CheckpointFailed, Fault, StoredRun
from backburner.worker.archive import Archive, Provisions
from backburner.worker.kitchen import Kitchen
from backburner.worker.storage import Row
from backburner.worker.trials import in_time
from backburner.worker.voice import Voice
from backburner.worker.work import Work

CHECKPOINT_EVERY_MS = 3_000.0
"""Whatever happens, no more than the work of this time is trained twice."""

Hold = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Keeper:
    """Keeps one run. `record` is how it stands; `fence` is None until the run is ours to write."""

    def __init__(
        self,
        record: StoredRun,
        provisions: Provisions,
        *,
        fence: int | None,
        work: Work,
        archive: Archive,
        kitchen: Kitchen,
        voice: Voice,
        hold: Hold,
    ) -> None:
        self.record = record
        self.lost: Dispossessed | None = None
        """Set once the run is found to belong to somebody else."""
        self._provisions = provisions
        self._fence = fence
        self._work = work
        self._archive = archive
        self._kitchen = kitchen
        self._voice = voice
        self._hold = hold
        self._writing: asyncio.Task[None] | None = None
        self._is_stale = False
        self._has_failed = False
        self._begun_ms = kitchen.clock_ms()
        self._begun_mark = work.mark

    @property
    def safe_step(self) -> int | None:
        """The step of the newest checkpoint that is safe."""
        return self.record.checkpoint

    def tell(self, **changes: Any) -> None:
        """Changes the record; it is written soon, with the next checkpoint or before."""
        self.record = replace(self.record, **changes)
        self._is_stale = True

    @property
    def is_writing(self) -> bool:
        """Whether something is on its way into the database."""
        return self._writing is not None

    async def begin_if_due(self) -> None:
        """To be called between two steps: begins a write if one is due and none is under way.

        Raises Dispossessed as soon as it is known, TrainingDiverged for weights that are no
        numbers any more, and BackendError for a graphics card that has failed.
        """
        if self.lost is not None:
            raise self.lost
        if self._writing is not None:
            return
        if self._is_checkpoint_due():
            await self._begin_checkpoint()
        elif self._is_stale:
            self._begin_record()

    async def settle(self, **changes: Any) -> int | None:
        """Keeps where the training stands now, with `changes` in its record, and waits for it.

        Gives the step of the newest checkpoint that is safe, be it this one or an older one.
        Raises Dispossessed.
        """
        await self.written()
        self.tell(**changes)
        piece = self._work.unkept()
        if piece.step or piece.epochs or self._work.step != (self.safe_step or 0):
            await self._begin_checkpoint()
        else:
            self._begin_record()
        await self.written()
        if self._is_stale and self.lost is None:
            # There was no room for the checkpoint; for the few words of the record there may be.
            self._begin_record()
            await self.written()
        if self.lost is not None:
            raise self.lost
        return self.safe_step

    async def note(self, **changes: Any) -> None:
        """Changes the record and waits until it is written, or could not be."""
        await self.written()
        self.tell(**changes)
        self._begin_record()
        await self.written()

    async def written(self) -> None:
        """Waits for the write under way, if there is one, however it ends."""
        while self._writing is not None:
            await asyncio.wait([self._writing])

    # --- inside ------------------------------------------------------------------------

    def _is_checkpoint_due(self) -> bool:
        work = self._work
        if not work.is_between_steps or work.step == (self.safe_step or 0):
            return False
        if self._kitchen.clock_ms() - self._begun_ms >= CHECKPOINT_EVERY_MS:
            return True
        # Epochs can be short: where writing fails, it is not tried at each one's end.
        return work.mark is not self._begun_mark and not self._has_failed

    async def _begin_checkpoint(self) -> None:
        began_ms = self._kitchen.clock_ms()
        self._begun_ms, self._begun_mark = began_ms, self._work.mark
        step, backend = self._work.step, self._work.backend
        if backend in GPU:
            # A card that has lost its memory goes on with zeros: nothing of it is to be kept.
            await in_time(self._kitchen.check_backend(backend), backend)
        try:
            row = await self._work.checkpoint(self._kitchen.kernels_on(backend))
        except BackendError as error:  # no room for the copies, say
            if backend in GPU:
                raise
            self._failed(step, error)
            return
        changes = {"checkpoint": step, **self._work.standing()}
        took_ms = self._kitchen.clock_ms() - began_ms
        self._writing = self._hold(self._write(step, row, self._work.unkept(), changes, took_ms))

    async def _write(
        self, step: int, row: Row | None, piece: Curves, changes: dict[str, Any], took_ms: float
    ) -> None:
        began_ms = self._kitchen.clock_ms()
        try:
            record = replace(self.record, **changes)
            self._is_stale = False
            try:
                await self._archive_all(record, step, row, piece)
            except Expired as error:
                self._begin_anew(error)
                await self._archive_all(record, step, row, piece)
        except Exception as error:
            self._is_stale = True
            self._failed(step, error)
        else:
            self._has_failed = False
            self._work.kept(piece)
            self.record = replace(self.record, **changes)
            size = len(row.data) if row else len(self.record.text.encode())
            done = Checkpointed(step=step, bytes=size, took_ms=took_ms)
            self._voice.send(done, operation=self.record.id)
            self._voice.log(
                "debug",
                f"checkpoint {step}: {size:,} bytes, copied in {took_ms:.1f} ms, "
                f"written in {self._kitchen.clock_ms() - began_ms:.1f} ms",
                self.record.id,
            )
        finally:
            self._writing = None

    async def _archive_all(
        self, record: StoredRun, step: int, row: Row | None, piece: Curves
    ) -> None:
        fence = await self._own()
        if row is None:
            await self._archive.note(record, fence)
        else:
            await self._archive.keep(record, fence, step=step, checkpoint=row, piece=piece)

    def _begin_record(self) -> None:
        self._is_stale = False
        self._writing = self._hold(self._write_record())

    async def _write_record(self) -> None:
        try:
            await self._archive.note(self.record, await self._own())
        except Dispossessed as error:
            self.lost = error
        except Expired as error:
            self._begin_anew(error)
        except BackburnerError as error:
            # Only words are lost: with the next checkpoint they are written again.
            self._voice.log("warning", f"not noted: {error.message}", self.record.id)
        finally:
            self._writing = None

    async def _own(self) -> int:
        """The fence. A run that could not be kept when it was new is kept as soon as it can be."""
        if self._fence is None:
            self._fence = await self._archive.begin(self.record, self._provisions)
        return self._fence

    def _failed(self, step: int, error: Exception) -> None:
        if isinstance(error, Dispossessed):
            self.lost = error
            return
        self._has_failed = True
        report = CheckpointFailed(step=step, error=Fault.from_error(error))
        self._voice.send(report, operation=self.record.id)

    def _begin_anew(self, error: Expired) -> None:
        """The browser has cleared the run under us: no checkpoint is left, and it is kept anew."""
        self._voice.log("warning", error.message, self.record.id)
        self._fence = None
        self.record = replace(self.record, checkpoint=None)
        self._is_stale = True
