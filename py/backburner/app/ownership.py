"""Which page a run belongs to: a lock for each run, held while it is under way here.

The page holds it and not the worker: Chromium's freezer leaves a page alone that holds a lock,
and only the page's counts (facts of the browser, docs/EXPERIMENTS.md). Two tabs cannot both
hold one, so that neither takes up what the other trains. That two never both *write* one does
not hang on it: every write of the worker checks a number in its own transaction.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

PATIENCE_S = 4.0
"""A page that was reloaded while its worker was busy keeps its locks for about two seconds."""

TRY_AGAIN_S = 0.25


class Locks(Protocol):
    """Locks that all pages of this site share (app/locks.py: Web Locks)."""

    @property
    def available(self) -> bool:
        """False where the browser has none: on plain http, say."""

    async def take(self, name: str) -> bool:
        """Takes a lock if nobody has it; whether it did."""

    def release(self, name: str) -> None:
        """Gives a lock back that this page holds."""

    async def held_elsewhere(self) -> set[str]:
        """The names of the locks that other pages hold."""


class Ownership:
    """The runs that belong to this page."""

    def __init__(self, locks: Locks) -> None:
        self._locks = locks
        self._held: set[str] = set()

    @property
    def is_certain(self) -> bool:
        """Whether two pages can know of each other at all."""
        return self._locks.available

    async def take(self, key: str, *, patience_s: float = PATIENCE_S) -> bool:
        """Makes a run this page's own, for as long as until `release`.

        False when another page still has it after `patience_s`. Without locks always True.
        """
        if key in self._held or not self._locks.available:
            return True
        clock = asyncio.get_running_loop().time
        until_s = clock() + patience_s
        while not await self._locks.take(key):
            if clock() >= until_s:
                return False
            await asyncio.sleep(TRY_AGAIN_S)
        self._held.add(key)
        return True

    def release(self, key: str) -> None:
        """The run is nobody's again. Releasing what is not held is no fault."""
        if key in self._held:
            self._held.discard(key)
            self._locks.release(key)

    async def elsewhere(self) -> set[str]:
        """The runs that other pages have at this moment."""
        return await self._locks.held_elsewhere() if self._locks.available else set()
