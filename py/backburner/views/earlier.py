"""All runs, newest first: which one is shown, which ones are drawn beside it, and the ways out.

A row is built once and changed in place, so that the keyboard stays where it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import js

from backburner.app.tasks import Tasks
from backburner.core.errors import BackburnerError
from backburner.core.lifecycle import Status
from backburner.core.naming import name_of
from backburner.core.operation import Operation
from backburner.core.panel import Action, panel_of
from backburner.core.state import State
from backburner.core.texts import Texts
from backburner.core.wording import status_word
from backburner.views.dom import around, by_id, is_focused, listen, new, set_shown, set_text
from backburner.views.notice import Said

Command = Callable[[str], Awaitable[object] | None]


class Earlier:
    """`commands` are stop and resume by id. `show` shows a run, `compare` draws it beside it.

    `tell` shows what one was refused with.
    """

    def __init__(
        self,
        texts: Texts,
        commands: Mapping[Action, Command],
        show: Callable[[str], None],
        compare: Callable[[str, bool], None],
        tell: Callable[[Said], None],
    ) -> None:
        self._texts = texts
        self._commands = commands
        self._show = show
        self._compare = compare
        self._tell = tell
        self._rows: dict[str, _Row] = {}
        self._order: list[str] = []
        self._tasks = Tasks()

    def install(self) -> None:
        listen(by_id("earlier"), "click", self._press)
        listen(by_id("earlier"), "change", self._choose)

    def draw(self, state: State, shown: str | None) -> None:
        operations = list(reversed(list(state.operations.values())))
        order = [each.id for each in operations]
        if order != self._order:
            self._arrange(order)
        for at, operation in enumerate(operations):
            self._rows[operation.id].draw(self._texts, operation, at, operation.id == shown)

    def _arrange(self, order: list[str]) -> None:
        """New rows come in above, those of cleared runs go; the others are not touched."""
        body = by_id("earlier")
        gone = [key for key in self._rows if key not in order]
        if any(self._rows[key].has_focus() for key in gone):
            by_id("earlier-title").focus()
        for key in gone:
            self._rows.pop(key).element.remove()
        for at, key in enumerate(order):
            if key not in self._rows:
                self._rows[key] = _Row(key)
            element, there = self._rows[key].element, body.children.item(at)
            if not there or not element.isSameNode(there):
                body.insertBefore(element, there)
        self._order = order
        set_shown(by_id("earlier-table"), bool(order))
        set_shown(by_id("earlier-empty"), not order)

    def _press(self, event: Any) -> None:
        button = around(event.target, "button")
        if button is None:
            return
        key, action = str(around(button, "tr").dataset.operation), str(button.dataset.action)  # type: ignore[union-attr]
        self._tell(None)
        if action == "show":
            self._show(key)
        else:
            self._tasks.start(self._carry_out(Action(action), key))

    def _choose(self, event: Any) -> None:
        row = around(event.target, "tr")
        if row is not None:
            self._compare(str(row.dataset.operation), bool(event.target.checked))

    async def _carry_out(self, action: Action, key: str) -> None:
        try:
            answer = self._commands[action](key)
            if answer is not None:
                await answer
        except BackburnerError as error:
            # It may have begun, or ended, in the same moment.
            self._tell(error)


class _Row:
    """One run of the list."""

    def __init__(self, key: str) -> None:
        self.element = new("tr", data_operation=key)
        self._show = new("button", type="button", class_="link", data_action="show")
        self._cells = [new("td") for _ in range(5)]
        self._compare = new("input", type="checkbox")
        self._resume = new("button", type="button", data_action=Action.RESUME.value)
        self._cancel = new("button", type="button", data_action=Action.STOP.value)
        name, compare, ways = new("th", scope="row"), new("td"), new("td", class_="run-ways")
        name.append(self._show)
        compare.append(self._compare)
        ways.append(self._resume, self._cancel)
        self.element.append(name, *self._cells, compare, ways)
        self._seen: tuple[object, ...] = ()
        self._drawn: tuple[object, ...] = ()

    def has_focus(self) -> bool:
        return bool(self.element.contains(js.document.activeElement))

    def draw(self, texts: Texts, operation: Operation, at: int, shown: bool) -> None:
        seen = (operation, at, shown, texts.language)
        if seen == self._seen:
            return
        self._seen = seen
        name, cells = name_of(texts, operation), _cells(texts, operation)
        actions = panel_of(operation).actions
        may_resume = Action.RESUME in actions and not operation.is_active
        is_waiting = operation.status is Status.QUEUED
        now = (name, cells, at, shown, may_resume, is_waiting, texts.language)
        if now == self._drawn:
            return
        self._drawn = now
        set_text(self._show, name)
        for cell, text in zip(self._cells, cells, strict=True):
            set_text(cell, text)
        self._show.setAttribute("aria-label", texts("dashboard.earlier.show", name=name))
        self._show.setAttribute("aria-pressed", "true" if shown else "false")
        label = texts("dashboard.earlier.compare-with", name=name, when=cells[0])
        self._compare.setAttribute("aria-label", label)
        set_text(self._resume, texts("dashboard.earlier.resume"))
        set_text(self._cancel, texts("dashboard.earlier.cancel"))
        if (is_focused(self._resume) and not may_resume) or (
            is_focused(self._cancel) and not is_waiting
        ):
            self._show.focus()
        set_shown(self._resume, may_resume)
        set_shown(self._cancel, is_waiting)
        for test_id, element in (
            ("show", self._show),
            ("compare", self._compare),
            ("resume", self._resume),
            ("cancel", self._cancel),
        ):
            element.setAttribute("data-testid", f"{test_id}-{at}")


def _cells(texts: Texts, operation: Operation) -> tuple[str, ...]:
    when = js.Date.new(operation.created * 1000).toLocaleString(texts.language)
    return (
        str(when),
        str(operation.recipe.get("seed")),
        str(operation.epochs) if operation.epochs else texts("common.none"),
        status_word(texts, operation.status),
        texts.percent(operation.test.accuracy) if operation.test else texts("common.none"),
    )
