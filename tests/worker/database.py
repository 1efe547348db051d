"""A database in memory that fails when it is told to: worker/storage.py's Database in tests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from backburner.core.errors import StorageError, StorageFull
from backburner.worker.storage import STORES, Decide, Get, Key, Keys, Put, Read, Row

QUOTA, ABORT, UNKNOWN, TORN = "quota", "abort", "unknown", "torn"
FAULTS = (QUOTA, ABORT, UNKNOWN, TORN)


class FakeDatabase:
    """Several may share what is stored (`of`), as two tabs do.

    The `n`-th call (from 1) fails in the way that `faults[n]` says: "quota", "abort" (after the
    decision, as a browser undoes a transaction), "unknown" (before it), or "torn": it succeeds,
    but the bytes of what was written are not what was given. Each call gives way `turns` times.
    Without room (`has_room`) records can be written, and checkpoints cannot.
    """

    def __init__(self, of: FakeDatabase | None = None, *, turns: int = 2) -> None:
        self.stores: dict[str, dict[Key, Row]] = of.stores if of else {each: {} for each in STORES}
        self.written: list[tuple[FakeDatabase, Put]] = of.written if of else []
        self.faults: dict[int, str] = {}
        self.denied: StorageError | None = None
        self.has_room = True
        self.turns = turns
        self.calls = 0
        self.closed = 0
        self.running = 0
        self.most_at_once = 0

    async def read(self, *reads: Read) -> list[Any]:
        found: list[Any] = []

        def take(values: list[Any]) -> tuple[()]:
            found.extend(values)
            return ()

        await self.write(sorted({each.store for each in reads}), reads, take)
        return found

    async def write(self, stores: Sequence[str], reads: Sequence[Read], decide: Decide) -> None:
        self.calls += 1
        fault = self.faults.get(self.calls)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            await self._turns()
            if self.denied:
                raise self.denied
            if fault == UNKNOWN:
                raise StorageError("The browser's storage failed.", detail="UnknownError")
            self._transact(stores, reads, decide, fault)
            await self._turns()
        finally:
            self.running -= 1

    async def close(self) -> None:
        self.closed += 1

    async def _turns(self) -> None:
        for _ in range(self.turns):
            await asyncio.sleep(0)

    def _transact(
        self, stores: Sequence[str], reads: Sequence[Read], decide: Decide, fault: str | None
    ) -> None:
        assert {each.store for each in reads} <= set(stores) <= set(STORES)
        writes = decide([self._find(each) for each in reads])
        no_room = not self.has_room and any(
            isinstance(each, Put) and each.store == "checkpoints" for each in writes
        )
        if fault == QUOTA or no_room:
            raise StorageFull("There is no room left.", detail="QuotaExceededError")
        if fault == ABORT:
            raise StorageError("The browser's storage failed.", detail="AbortError")
        for write in writes:
            assert write.store in stores
            rows = self.stores[write.store]
            if isinstance(write, Put):
                torn = fault == TORN and write.store == "checkpoints"
                rows[write.key] = _torn(write.row) if torn else write.row
                self.written.append((self, write))
            else:
                rows.pop(write.key, None)

    def _find(self, read: Read) -> Any:
        rows = self.stores[read.store]
        if isinstance(read, Get):
            return rows.get(read.key)
        keys = sorted(
            key
            for key in rows
            if read.name is None or (isinstance(key, tuple) and key[0] == read.name)
        )
        return keys if isinstance(read, Keys) else [rows[key] for key in keys]


def _torn(row: Row) -> Row:
    """The row without the second half of its bytes, under the same seal."""
    return replace(row, data=row.data[: len(row.data) // 2])
