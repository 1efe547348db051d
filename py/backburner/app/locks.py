"""Web Locks as app/ownership.py wants them, named after the site's folder.

A lock is held for as long as the promise is open that its callback gave; the browser gives it
back when the page goes. https://w3c.github.io/web-locks/
"""

from __future__ import annotations

import asyncio
from typing import Any

import js
from pyodide.ffi import create_proxy, jsnull, to_js

from backburner.app.browser import site_prefix


class WebLocks:
    """Implements Locks. Without `navigator.locks` (plain http) nothing is available."""

    def __init__(self) -> None:
        self._prefix = f"{site_prefix()}run:"
        self._let_go: dict[str, asyncio.Future[None]] = {}
        self._asked: dict[str, asyncio.Future[bool]] = {}
        self._requests: dict[str, asyncio.Future[Any]] = {}
        manager = getattr(js.navigator, "locks", None)
        self._manager: Any = manager if manager else None

    @property
    def available(self) -> bool:
        return self._manager is not None

    async def take(self, name: str) -> bool:
        # A lock that this page asks for or gives back at this moment is not another page's.
        while name not in self._let_go:
            if name in self._asked:
                return await asyncio.shield(self._asked[name])
            if name not in self._requests:
                return await self._request(name)
            await asyncio.wait([self._requests[name]])
        return True

    async def _request(self, name: str) -> bool:
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked[name] = answer
        let_go: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def hold(lock: Any) -> None:
            is_ours = lock is not jsnull and lock is not None
            if is_ours:
                self._let_go[name] = let_go
            if not answer.done():
                answer.set_result(is_ours)
            if is_ours:
                await let_go

        proxy = create_proxy(hold)
        options = to_js({"ifAvailable": True})
        request = asyncio.ensure_future(self._manager.request(self._prefix + name, options, proxy))

        def ended(_request: asyncio.Future[Any]) -> None:
            proxy.destroy()
            self._requests.pop(name, None)
            if not request.cancelled() and request.exception() is not None and not answer.done():
                answer.set_result(False)

        request.add_done_callback(ended)
        self._requests[name] = request
        try:
            return await asyncio.shield(answer)
        finally:
            self._asked.pop(name, None)

    def release(self, name: str) -> None:
        let_go = self._let_go.pop(name, None)
        if let_go is not None and not let_go.done():
            let_go.set_result(None)

    async def held_elsewhere(self) -> set[str]:
        found = await self._manager.query()
        names = {str(lock.name) for lock in found.held}
        ours = {self._prefix + name for name in self._let_go}
        start = len(self._prefix)
        return {name[start:] for name in names - ours if name.startswith(self._prefix)}
