"""The control panel: what the shown operation is doing, what can be done, what is to be known.

core/panel.py decides; this draws it and carries out what is pressed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from backburner.app.tasks import Tasks
from backburner.core.errors import BackburnerError
from backburner.core.explanations import explanation
from backburner.core.headlines import share_done
from backburner.core.operation import Operation
from backburner.core.panel import (
    ASKED_FIRST,
    Action,
    Panel,
    may_retry_worker,
    panel_of,
)
from backburner.core.state import Worker
from backburner.core.texts import Texts
from backburner.views.dialog import Confirm
from backburner.views.dom import by_id, focused_id, is_waiting, listen, new, set_waiting
from backburner.views.notice import Said
from backburner.views.written import Written

Command = Callable[[str], Awaitable[object] | None]

_COUNTERPARTS = {Action.PAUSE: Action.RESUME, Action.RESUME: Action.PAUSE}


class ControlPanel:
    """`commands` are what the buttons do with an operation's id; Retry goes to `retry_worker`.

    `tell` shows what one was refused with; told None, it forgets what it showed.
    """

    def __init__(
        self,
        texts: Texts,
        commands: Mapping[Action, Command],
        retry_worker: Callable[[], Awaitable[object] | None],
        tell: Callable[[Said], None],
    ) -> None:
        self._texts = texts
        self._commands = commands
        self._retry_worker = retry_worker
        self._tell = tell
        self._confirm = Confirm()
        self._tasks = Tasks()
        self._written = Written()
        self._shown: str | None = None
        self._notes: list[str] = []
        self._waiting: Action | None = None

    def install(self) -> None:
        self._confirm.install()
        for action in Action:
            listen(by_id(action), "click", partial(self._press, action))
        listen(by_id("retry-worker"), "click", self._press_retry)

    def draw(self, operation: Operation | None, worker: Worker) -> None:
        """Shows an operation, or that there is none. Cheap to call for every frame."""
        self._written.shown("retry-worker", may_retry_worker(worker))
        self._shown = operation.id if operation else None
        if operation is None:
            self._draw_buttons((Action.NEW_MODEL,), None)
            self._written.text("status", self._texts("dashboard.nothing"))
            self._written.element("progress").value = 0
            self._draw_notes([])
            self._written.shown("fault", False)
            return
        panel = panel_of(operation)
        self._written.text("status", panel.status.in_words(self._texts))
        self._written.element("progress").value = share_done(operation)
        self._draw_buttons(panel.actions, panel.waiting)
        self._draw_notes([note.in_words(self._texts) for note in panel.notes])
        self._draw_fault(panel)

    def _draw_buttons(self, actions: tuple[Action, ...], waiting: Action | None) -> None:
        """Shows what can be done now. The keyboard stays where it was, or goes where it helps."""
        focused = focused_id()
        for action in Action:
            self._written.shown(action, action in actions)
        if waiting is not self._waiting:
            self._waiting = waiting
            for action in (Action.PAUSE, Action.STOP):
                set_waiting(by_id(action), action is waiting)
        if focused in tuple(Action) and focused not in actions:
            other = _COUNTERPARTS.get(Action(focused))
            by_id(other if other in actions else "dashboard-title").focus()

    def _draw_notes(self, notes: list[str]) -> None:
        if notes == self._notes:
            return
        self._notes = notes
        by_id("panel-notes").replaceChildren(*(new("li", note) for note in notes))
        self._written.shown("panel-notes", bool(notes))

    def _draw_fault(self, panel: Panel) -> None:
        self._written.shown("fault", panel.fault is not None)
        if panel.fault is None:
            return
        fault = panel.fault
        words = explanation(self._texts, fault.name, fault.message, fault.detail or "")
        self._written.text("fault-family", words.title)
        self._written.text("fault-message", words.message)
        self._written.text("fault-way-out", words.way_out)
        self._written.text("fault-technical", words.technical)
        self._written.shown("fault-more", bool(words.detail))
        self._written.text("fault-detail", words.detail)

    def _press(self, action: Action, event: Any) -> None:
        if is_waiting(event.currentTarget):
            return
        self._tell(None)
        self._tasks.start(self._carry_out(action, self._shown or ""))

    async def _carry_out(self, action: Action, key: str) -> None:
        if action in ASKED_FIRST and not await self._is_meant(action):
            return
        await self._do(lambda: self._commands[action](key))

    async def _is_meant(self, action: Action) -> bool:
        texts = self._texts
        return await self._confirm.ask(
            texts(f"dashboard.confirm.{action}.title"),
            texts(f"dashboard.confirm.{action}.text"),
            texts(f"dashboard.confirm.{action}.yes"),
        )

    def _press_retry(self, _event: Any) -> None:
        self._tell(None)
        self._tasks.start(self._do(self._retry_worker))

    async def _do(self, command: Callable[[], Awaitable[object] | None]) -> None:
        try:
            answer = command()
            if answer is not None:
                await answer
        except BackburnerError as error:
            self._tell(error)
