"""The view Settings: each choice is carried out and kept the moment it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backburner.app.preferences import KeptPreferences
from backburner.app.tasks import Tasks
from backburner.core.errors import InterfaceError, StorageError
from backburner.core.preferences import CHOICES, Preferences
from backburner.core.state import State
from backburner.core.texts import Texts
from backburner.views.dom import by_id, listen
from backburner.views.notice import Notice, Said


class Settings:
    """Shows the preferences as they are, and changes them; `tell` shows what was refused."""

    def __init__(
        self, texts: Texts, preferences: KeptPreferences, tell: Callable[[Said], None]
    ) -> None:
        self._texts = texts
        self._preferences = preferences
        self._tell = tell
        self._shown: Preferences | None = None
        self._tasks = Tasks()

    def install(self) -> None:
        self._problem = Notice(by_id("settings-problem"), self._texts, stays=True)
        listen(by_id("settings"), "change", self._choose)

    def draw(self, _state: State) -> None:
        problem = self._preferences.problem
        self._problem.say(StorageError(problem) if problem else None)
        chosen = self._preferences.current
        if chosen == self._shown:
            return
        self._shown = chosen
        fields = by_id("settings").elements
        for name in CHOICES:
            fields.namedItem(name).value = getattr(chosen, name)
        fields.namedItem("debug").checked = chosen.debug

    def _choose(self, event: Any) -> None:
        field = event.target
        value = bool(field.checked) if field.type == "checkbox" else str(field.value)
        self._tasks.start(self._change({str(field.name): value}))

    async def _change(self, chosen: dict[str, str | bool]) -> None:
        try:
            await self._preferences.change(**chosen)
        except InterfaceError as error:
            self._shown = None  # the field shows what was not to be had
            self._tell(error)
