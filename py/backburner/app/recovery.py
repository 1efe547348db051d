"""What earlier pages left: found at the start, shown, and taken up again.

Two sources: the records of localStorage, there at once, and the worker's database, which has
the last word as soon as it can be asked. A run that was under way goes on by itself, unless
the user wants to be asked, or two tabs could not know of each other (no locks): then it waits
as interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from backburner.app.kitchens import Kitchens
from backburner.app.logs import Logs
from backburner.app.operations import Operations
from backburner.app.ownership import Ownership
from backburner.app.queue import Queue
from backburner.app.records import Records
from backburner.app.store import Store
from backburner.core.errors import BackburnerError
from backburner.core.lifecycle import RESUMABLE
from backburner.core.messages import ListRuns, RunsListed
from backburner.core.recovery import halted, interrupted_by_itself, recovered
from backburner.core.state import Marked, PartState, Recovered

LIST_TIMEOUT_S = 15.0


class Recovery:
    """`resumes_by_itself()` is the user's wish for what happens on reload."""

    def __init__(
        self,
        store: Store,
        kitchens: Kitchens,
        operations: Operations,
        queue: Queue,
        ownership: Ownership,
        records: Records,
        logs: Logs,
        *,
        resumes_by_itself: Callable[[], bool],
    ) -> None:
        self._store = store
        self._kitchens = kitchens
        self._operations = operations
        self._queue = queue
        self._ownership = ownership
        self._records = records
        self._logs = logs
        self._resumes_by_itself = resumes_by_itself
        self._seen: set[str] = set()
        self._halted: set[str] = set()
        queue.look_again = self.look_again

    def open(self) -> None:
        """Shows what the records say, before any worker can be asked."""
        mirrored = self._records.open()
        self._halted = halted(mirrored)
        self._take_up(interrupted_by_itself(mirrored))

    async def look_again(self) -> None:
        """Asks anew what is kept. What cannot be asked at the moment stays as it was known."""
        with suppress(BackburnerError):
            await self._kitchens.ready()
            self._learn(await self._ask())

    async def list_runs(self) -> None:
        """Asks the kitchen what is kept, and lets the queue begin. Never raises.

        Until then nothing is run: a run whose checkpoints are not known yet would begin anew.
        """
        self._store.move_part("runs", PartState.LOADING)
        try:
            self._learn(await self._ask())
        except Exception as error:
            # Foreseen or not: what is new can be trained all the same.
            self._logs.add("error", f"the kept runs cannot be listed: {error}")
            self._store.move_part("runs", PartState.FAILED, str(error))
        finally:
            self._queue.recovered.set()
        await self._mark_those_elsewhere()

    async def _ask(self) -> RunsListed:
        answer = await self._kitchens.ask(ListRuns(), timeout_s=LIST_TIMEOUT_S)
        assert isinstance(answer.message, RunsListed)
        return answer.message

    def _learn(self, found: RunsListed) -> None:
        kept = {run.id for run in found.runs}
        mirrored = [
            each
            for key, each in self._store.state.operations.items()
            # What could not be read may still be there: the mirror of it stays as it is.
            if key not in self._queue.own and (found.problem is None or key in kept)
        ]
        operations = recovered(found.runs, mirrored)
        self._store.dispatch(Recovered(operations=tuple(operations)))
        self._take_up(interrupted_by_itself(found.runs) - self._halted)
        if found.problem is None:
            self._store.move_part("runs", PartState.READY)
        else:
            self._logs.add("error", found.problem.message, source="worker")
            self._store.move_part("runs", PartState.FAILED, found.problem.message)

    def _take_up(self, keys: Iterable[str]) -> None:
        if not (self._resumes_by_itself() and self._ownership.is_certain):
            return
        for key in keys:
            operation = self._store.state.operations.get(key)
            if key in self._seen or operation is None or operation.status not in RESUMABLE:
                continue
            self._seen.add(key)
            if operation.error is None:
                self._operations.take_up(key)

    async def _mark_those_elsewhere(self) -> None:
        """Says of runs that wait here when another tab has them; again on every listing."""
        for key in await self._ownership.elsewhere():
            operation = self._store.state.operations.get(key)
            if operation is not None and operation.status in RESUMABLE:
                self._store.dispatch(Marked(id=key, elsewhere=True))
