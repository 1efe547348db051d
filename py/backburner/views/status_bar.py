"""The status bar, on every view: what cooks and what waits, and the tab's title.

Nothing in it touches an operation by being shown, folded or left: it reads the store and sends
the same commands as the dashboard.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import js
from pyodide.ffi import create_proxy

from backburner.app.tasks import Tasks
from backburner.core.errors import BackburnerError
from backburner.core.headlines import (
    Milestone,
    announcement,
    listed,
    milestone,
    share_done,
    title_line,
)
from backburner.core.lifecycle import ENDED, Status
from backburner.core.naming import name_of
from backburner.core.operation import Operation
from backburner.core.panel import Action, panel_of
from backburner.core.state import State
from backburner.core.texts import Texts
from backburner.core.wording import duration, status_word
from backburner.views.dom import around, by_id, listen, new, set_shown, set_text, set_waiting
from backburner.views.notice import Said
from backburner.views.written import Written

Command = Callable[[str], Awaitable[object] | None]

MOST_SHOWN = 3
ACTIONS = (Action.PAUSE, Action.RESUME, Action.STOP)


class StatusBar:
    """`commands` pause, resume and stop by id; `show` shows an operation on the dashboard."""

    def __init__(
        self,
        texts: Texts,
        commands: Mapping[Action, Command],
        show: Callable[[str], None],
        tell: Callable[[Said], None],
    ) -> None:
        self._texts = texts
        self._commands = commands
        self._show = show
        self._tell = tell
        self._tasks = Tasks()
        self._written = Written()
        self._rows: dict[str, _Row] = {}
        self._is_folded: bool | None = None

    def install(self) -> None:
        listen(by_id("status-bar-list"), "click", self._press)
        listen(by_id("status-bar-fold"), "click", self._fold)
        observer = js.ResizeObserver.new(create_proxy(self._measure))
        observer.observe(by_id("status-bar"))

    def draw(self, state: State) -> None:
        operations, more = listed(state, MOST_SHOWN)
        had_focus = bool(by_id("status-bar").contains(js.document.activeElement))
        self._draw_rows(operations)
        self._written.shown("status-bar-more", more > 0)
        self._written.text("status-bar-more", self._texts("status.bar.more", count=more))
        if operations:
            percent = int(100 * share_done(operations[0]))
            self._written.text("status-bar-short", self._texts("status.bar.short", percent=percent))
        self._written.shown("status-bar", bool(operations))
        if had_focus and not operations:
            # What had the focus is gone: the keyboard goes on at the head of the view.
            by_id(f"{js.document.documentElement.dataset.view}-title").focus()

    def _draw_rows(self, operations: list[Operation]) -> None:
        wanted = {each.id: each for each in operations}
        for key in [key for key in self._rows if key not in wanted]:
            self._rows.pop(key).element.remove()
        place = self._written.element("status-bar-list")
        for at, operation in enumerate(operations):
            row = self._rows.get(operation.id)
            if row is None:
                row = self._rows[operation.id] = _Row(operation.id)
                place.append(row.element)
            row.draw(self._texts, operation, at)

    def _press(self, event: Any) -> None:
        button = around(event.target, "button")
        if button is None or button.getAttribute("aria-disabled") == "true":
            return
        key = str(around(button, "li").dataset.operation)  # type: ignore[union-attr]
        self._tell(None)
        if button.dataset.action == "show":
            self._show(key)
        else:
            self._tasks.start(self._carry_out(Action(str(button.dataset.action)), key))

    async def _carry_out(self, action: Action, key: str) -> None:
        try:
            answer = self._commands[action](key)
            if answer is not None:
                await answer
        except BackburnerError as error:
            self._tell(error)

    def _fold(self, event: Any) -> None:
        """On a small screen it begins folded (the style sheet says so until somebody chooses)."""
        is_open = bool(by_id("status-bar-body").clientHeight)
        event.currentTarget.setAttribute("aria-expanded", "false" if is_open else "true")
        by_id("status-bar").dataset.folded = "yes" if is_open else "no"

    def _measure(self, *_rest: Any) -> None:
        """Tells the style sheet how much of the window is covered: focus scrolls clear of it."""
        height = int(by_id("status-bar").offsetHeight)
        root = js.document.documentElement
        root.style.setProperty("--status-bar-height", f"{height}px")
        # Folded by the style sheet or by hand: the button says how it is.
        expanded = "true" if by_id("status-bar-body").clientHeight else "false"
        by_id("status-bar-fold").setAttribute("aria-expanded", expanded)


class _Row:
    """One operation of the bar; built once, changed in place."""

    def __init__(self, key: str) -> None:
        self.element = new("li", data_operation=key)
        self._name = new("button", type="button", class_="bar-name", data_action="show")
        self._words = new("span", class_="bar-words")
        self._progress = new("progress", max="1", value="0")
        self._buttons = {
            action: new("button", type="button", class_="bar-button", data_action=action.value)
            for action in ACTIONS
        }
        buttons = new("span", class_="bar-buttons")
        buttons.append(*self._buttons.values())
        self.element.append(self._name, buttons, self._progress, self._words)
        self._drawn: tuple[object, ...] = ()

    def draw(self, texts: Texts, operation: Operation, at: int) -> None:
        now = (operation, at, texts.language)
        if now == self._drawn:
            return
        self._drawn = now
        name = name_of(texts, operation)
        set_text(self._name, name)
        set_text(self._words, _words(texts, operation))
        self._progress.value = share_done(operation)
        self._progress.setAttribute("aria-label", texts("status.bar.progress", name=name))
        self._name.setAttribute("aria-label", texts("status.bar.show", name=name))
        self._name.setAttribute("data-testid", f"bar-show-{at}")
        panel = panel_of(operation)
        focused = js.document.activeElement
        left: Action | None = None
        for action, button in self._buttons.items():
            set_text(button, texts(f"dashboard.{action}"))
            button.setAttribute("aria-label", texts(f"status.bar.{action}", name=name))
            button.setAttribute("data-testid", f"bar-{action}-{at}")
            set_waiting(button, panel.waiting is action)
            if button.isSameNode(focused) and action not in panel.actions:
                left = action
            set_shown(button, action in panel.actions)
        if left is not None:
            self._counterpart(left, panel.actions).focus()

    def _counterpart(self, action: Action, actions: tuple[Action, ...]) -> Any:
        other = Action.RESUME if action is Action.PAUSE else Action.PAUSE
        return self._buttons[other] if other in actions else self._name


def _words(texts: Texts, operation: Operation) -> str:
    percent = int(100 * share_done(operation))
    at, text = operation.progress, operation.writing
    if operation.status is Status.RUNNING and text is not None:
        return texts(
            "status.bar.writing",
            percent=percent,
            speed=texts.number(text.characters_per_s),
            left=duration(texts, text.eta_s),
        )
    if operation.status is Status.RUNNING and at is not None:
        return texts(
            "status.bar.running",
            percent=percent,
            speed=texts.number(at.samples_per_s),
            left=duration(texts, at.eta_s),
        )
    return texts("status.bar.still", percent=percent, state=status_word(texts, operation.status))


class Herald:
    """Says now and then how far things are: in the tab's title, and to screen readers."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._written = Written()
        self._followed: str | None = None
        self._ended: Operation | None = None
        self._said: Milestone | None = None
        self._name = ""
        self._title = ""

    def install(self) -> None:
        """The end stands in the title until somebody comes back to the page, or uses it."""
        for event in ("focus", "pointerdown", "keydown"):
            listen(js.window, event, self._look)

    def draw(self, state: State) -> None:
        active = state.active()
        if active is not None:
            self._followed, self._ended = active.id, None
        elif self._followed is not None:
            operation = state.operations.get(self._followed)
            if operation is not None and operation.status in ENDED:
                self._followed, self._ended = None, operation
                self._announce(operation)
        if active is not None:
            self._announce(active)
        line = title_line(state, self._ended)
        self._set_title(line.in_words(self._texts) if line else None)

    def _announce(self, operation: Operation) -> None:
        now = milestone(operation)
        if now != self._said:
            self._said = now
            self._written.text("announcer", announcement(operation).in_words(self._texts))

    def _set_title(self, said: str | None) -> None:
        """Puts what is said before the name of the view, which site/scripts/shell.js writes."""
        current = str(js.document.title)
        if current != self._title:
            self._name = current
        title = f"{said} · {self._name}" if said else self._name
        if title != current:
            js.document.title = title
        self._title = title

    def _look(self, _event: Any) -> None:
        if self._ended is not None and js.document.hasFocus():
            self._ended = None
            self._set_title(None)
