"""Keeps the small records of operations in the browser's local storage, and reads them back.

A mirror: it may lag, be full, be lost or be wrong, and nothing but the list of earlier runs
depends on it. Written at once when an operation's status changes, else at most once a second.
Nothing is written before the first reading has succeeded, and never over a newer schema.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from backburner.app.store import Store
from backburner.core.errors import StorageError
from backburner.core.messages import StoredRun
from backburner.core.records import (
    UnreadableRecord,
    operation_of,
    records_from_text,
    records_to_text,
)
from backburner.core.state import Recovered, State

WRITE_EVERY_S = 1.0


class Storage(Protocol):
    """Text by name (app/browser.py: localStorage). Raises StorageError."""

    def read(self, name: str) -> str | None:
        """The text, or None where there is none."""

    def write(self, name: str, text: str) -> None:
        """Replaces the text; when it raises, the old text is still there."""


class Records:
    """Reads at `open`, then follows the store.

    `is_own(id)` says whether this page may write an operation's record: what it only read,
    another tab may be writing. `cleared` holds the ids of those that are to go.
    """

    def __init__(
        self,
        store: Store,
        storage: Storage,
        *,
        now_s: Callable[[], float],
        is_own: Callable[[str], bool],
        cleared: Collection[str],
    ) -> None:
        self._store = store
        self._storage = storage
        self._now_s = now_s
        self._is_own = is_own
        self._cleared = cleared
        self._written_s = float("-inf")
        self._statuses: dict[str, str] = {}
        self._may_write = False
        self._read_problem: str | None = None
        self._write_problem: str | None = None

    @property
    def problem(self) -> str | None:
        """What the page should say about the records, or None."""
        return self._read_problem or self._write_problem

    def open(self) -> list[StoredRun]:
        """Reads what earlier visits left, shows it, and keeps it up to date from now on."""
        runs: list[StoredRun] = []
        try:
            text = self._storage.read("records")
            if text is not None:
                runs, _ = records_from_text(text)
                operations = tuple(operation_of(run) for run in runs)
                self._store.dispatch(Recovered(operations=operations))
            self._may_write = True
        except UnreadableRecord as error:
            self._read_problem = error.message
            self._put_aside(text or "")
        except StorageError as error:
            self._read_problem = error.message
        self._statuses = _statuses(self._store.state)
        self._store.subscribe(self._keep)
        return runs

    def _put_aside(self, text: str) -> None:
        # What cannot be saved elsewhere is not overwritten either.
        try:
            self._storage.write("records-unreadable", text)
            self._storage.write("records", records_to_text([]))
            self._may_write = True
        except StorageError as error:
            self._write_problem = error.message

    def _keep(self, state: State) -> None:
        statuses = _statuses(state)
        changed = statuses != self._statuses
        running = any(each.is_active for each in state.operations.values())
        late = running and self._now_s() - self._written_s >= WRITE_EVERY_S
        if not self._may_write or not (changed or late):
            return
        self._statuses = statuses
        self._written_s = self._now_s()
        own = [each for key, each in state.operations.items() if self._is_own(key)]
        try:
            # Read again: another tab of this site may have written since.
            stored = self._storage.read("records")
            self._storage.write("records", records_to_text(own, stored, cleared=self._cleared))
            self._write_problem = None
        except StorageError as error:
            self._write_problem = error.message


def _statuses(state: State) -> dict[str, str]:
    return {key: each.status.value for key, each in state.operations.items()}
