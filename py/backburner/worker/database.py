"""IndexedDB, as worker/storage.py's Database: opening it, and opening it again when it is lost.

Names of `js` are looked up when they are needed, never at import: this module is part of the
memory snapshot that Node makes. worker/transactions.py does the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import js
from pyodide.ffi import JsException, create_proxy, to_js

from backburner.worker.storage import SCHEMA, STORES, Decide, Read, Write
from backburner.worker.transactions import carry_out, denied, error_from, within

OPENING_S = 8.0
"""How long an opening may take: another tab that does not let go blocks it for ever."""


class IndexedDatabase:
    """One database of this origin, by name. `on_opened` hears how many milliseconds it took."""

    def __init__(
        self,
        name: str,
        *,
        on_opened: Callable[[float], None] = lambda _: None,
        opening_s: float = OPENING_S,
    ) -> None:
        self.name = name
        self._on_opened = on_opened
        self._opening_s = opening_s
        self._database: Any = None
        self._lost: Any = None
        self._opening = asyncio.Lock()

    async def read(self, *reads: Read) -> list[Any]:
        found: list[Any] = []

        def take(values: list[Any]) -> Sequence[Write]:
            found.extend(values)
            return ()

        stores = sorted({each.store for each in reads})
        await self._transact("readonly", stores, reads, take)
        return found

    async def write(self, stores: Sequence[str], reads: Sequence[Read], decide: Decide) -> None:
        await self._transact("readwrite", stores, reads, decide)

    async def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.onversionchange = database.onclose = None
            database.close()
        if self._lost is not None:
            self._lost.destroy()
            self._lost = None

    # --- opening -----------------------------------------------------------------------

    async def _opened(self) -> Any:
        async with self._opening:  # two at once would open it twice
            if self._database is None:
                await self.close()
                began_ms = js.performance.now()
                self._database = await self._open()
                self._on_opened(js.performance.now() - began_ms)
                self._lost = create_proxy(self._let_go)
                # A newer version elsewhere wants to change the stores: it need not wait for us.
                self._database.onversionchange = self._lost
                self._database.onclose = self._lost
            return self._database

    def _let_go(self, _event: Any) -> None:
        # The proxy is called at this moment: the next opening or closing destroys it.
        if self._database is not None:
            self._database.close()
            self._database = None

    async def _open(self) -> Any:
        factory = getattr(js, "indexedDB", None)
        if not factory:  # undefined or null
            raise denied("this browser has no IndexedDB here")
        try:
            request = factory.open(self.name, SCHEMA)
        except JsException as error:
            raise error_from(error) from None
        is_late = False

        def on_success() -> None:
            if is_late:
                request.result.close()

        def on_upgrade() -> None:
            # What an older version kept stays as it is.
            there = request.result.objectStoreNames
            for name in STORES:
                if not there.contains(name):
                    request.result.createObjectStore(name)

        settled, take_away = _settled_by(request, on_success, on_upgrade)
        try:
            await within(settled, self._opening_s)
        except BaseException:
            is_late = True
            # Its end may still come, and then has to close what nobody waits for any more.
            settled.add_done_callback(lambda _: take_away())
            raise
        take_away()
        if request.error:
            raise error_from(request.error)
        return request.result

    # --- transactions ------------------------------------------------------------------

    async def _transact(
        self, mode: str, stores: Sequence[str], reads: Sequence[Read], decide: Decide
    ) -> None:
        for attempt in (1, 2):
            database = await self._opened()
            try:
                transaction = database.transaction(
                    to_js(list(stores)), mode, to_js({"durability": "strict"})
                )
            except JsException as error:
                # The connection was lost without a word (site data cleared, WebKit's background):
                # a new one does.
                await self.close()
                if attempt == 2 or error.name != "InvalidStateError":
                    raise error_from(error) from None
            else:
                await carry_out(transaction, reads, decide)
                return


def _settled_by(
    request: Any, on_success: Callable[[], None], on_upgrade: Callable[[], None]
) -> tuple[asyncio.Future[None], Callable[[], None]]:
    """A future for the end of an opening, and what takes its listeners away again."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle(event: Any) -> None:
        if event.type == "success":
            on_success()
        if not future.done():
            future.set_result(None)

    settled, upgraded = create_proxy(settle), create_proxy(lambda _event: on_upgrade())
    request.onsuccess = request.onerror = settled
    request.onupgradeneeded = upgraded

    def take_away() -> None:
        request.onsuccess = request.onerror = request.onupgradeneeded = None
        settled.destroy()
        upgraded.destroy()

    return future, take_away
