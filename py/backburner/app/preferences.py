"""Keeps what the visitor has chosen, and carries it out the moment it is chosen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from backburner.app.records import Storage
from backburner.core.errors import StorageError
from backburner.core.preferences import Preferences

NAME = "preferences"
"""site/scripts/shell.js reads the same entry before the first paint."""


class KeptPreferences:
    """`apply` makes the page look and speak as chosen; `listeners` hear of each change after it.

    `problem` says why a choice holds only until the page is closed, or is None.
    """

    def __init__(self, storage: Storage, apply: Callable[[Preferences], Awaitable[None]]) -> None:
        self._storage = storage
        self._apply = apply
        self.current = Preferences()
        self.problem: str | None = None
        self.listeners: list[Callable[[Preferences], None]] = []

    def open(self) -> None:
        """Reads what was chosen at earlier visits."""
        try:
            self.current = Preferences.from_text(self._storage.read(NAME))
        except StorageError as error:
            self.problem = error.message

    async def change(self, **chosen: str | bool) -> None:
        """Takes up a choice: `change(theme="dark")`. Raises InterfaceError if it cannot be so."""
        wanted = replace(self.current, **chosen)  # type: ignore[arg-type]
        await self._apply(wanted)
        self.current = wanted
        try:
            self._storage.write(NAME, wanted.as_text())
            self.problem = None
        except StorageError as error:
            self.problem = error.message
        for listener in self.listeners:
            listener(wanted)
