"""The question before something that cannot be undone.

A modal `<dialog>`: the browser keeps the focus inside, gives it back afterwards, and takes
Escape for no.
"""

from __future__ import annotations

import asyncio
from typing import Any

from backburner.views.dom import by_id, listen, set_text


class Confirm:
    """Asks one question at a time; a second one while the first stands is answered with no."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[bool] | None = None

    def install(self) -> None:
        listen(by_id("confirm-yes"), "click", lambda _event: self._close(yes=True))
        listen(by_id("confirm-no"), "click", lambda _event: self._close(yes=False))
        listen(by_id("confirm"), "close", self._closed)

    async def ask(self, title: str, text: str, yes: str) -> bool:
        """Whether the answer is yes."""
        if self._answer is not None:
            return False
        set_text(by_id("confirm-title"), title)
        set_text(by_id("confirm-text"), text)
        set_text(by_id("confirm-yes"), yes)
        self._answer = asyncio.get_running_loop().create_future()
        by_id("confirm").showModal()
        try:
            return await self._answer
        finally:
            self._answer = None

    def _close(self, *, yes: bool) -> None:
        self._settle(yes)
        by_id("confirm").close()

    def _closed(self, _event: Any) -> None:
        """However it was closed (Escape too): what was not answered with yes is a no."""
        self._settle(False)

    def _settle(self, yes: bool) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(yes)
