"""The panel that looks inside a network: its layers, and what it takes for what.

Owns whether there is a network to look into and whether anybody looks. Nothing is asked while the
panel's parts are folded, out of sight, or in a view or tab that is not shown, so that a training
pays for them only where somebody sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import js
from pyodide.ffi import create_proxy, to_js

from backburner.app.inspection import Inspection
from backburner.core.errors import BackburnerError
from backburner.core.kinds import TABLE
from backburner.core.lifecycle import ENDED
from backburner.core.operation import Operation
from backburner.core.texts import Texts
from backburner.views.answers import Answers
from backburner.views.asking import Asker
from backburner.views.dom import by_id, is_waiting, listen, set_waiting
from backburner.views.layer_pictures import LayerPictures
from backburner.views.notice import Said
from backburner.views.subjects import Drawing, Subjects
from backburner.views.written import Written

PARTS = ("inside-layers", "inside-answers")


class Inside:
    """`load` brings the model of an operation back, `ask` asks for a redraw, `tell` shows what was
    refused, `now_s` gives seconds.
    """

    def __init__(
        self,
        texts: Texts,
        inspection: Inspection,
        drawing: Drawing,
        load: Callable[[str], Awaitable[None]],
        *,
        ask: Callable[[], None],
        tell: Callable[[Said], None],
        now_s: Callable[[], float],
    ) -> None:
        self._texts = texts
        self._load = load
        self._ask = ask
        self._tell = tell
        self._written = Written()
        subjects = Subjects(texts, drawing, ask)
        self._layers = LayerPictures(texts, inspection, subjects, Asker(now_s, ask), tell)
        self._answers = Answers(texts, inspection, Asker(now_s, ask), subjects.look, tell, ask)
        self._operation: Operation | None = None
        self._unfolded = dict.fromkeys(PARTS, False)
        self._visible = dict.fromkeys(PARTS, False)
        self._loading: asyncio.Task[None] | None = None

    def install(self) -> None:
        self._layers.install()
        self._answers.install()
        listen(by_id("inside-load"), "click", self._press_load)
        seen = js.IntersectionObserver.new(create_proxy(self._see))
        for part in PARTS:
            listen(by_id(part), "toggle", self._fold)
            seen.observe(by_id(part))
        theme = to_js({"attributes": True, "attributeFilter": ["data-theme"]})
        changed = create_proxy(self._recolour)
        js.MutationObserver.new(changed).observe(js.document.documentElement, theme)
        for query in ("(prefers-color-scheme: dark)", "(forced-colors: active)"):
            listen(js.matchMedia(query), "change", self._recolour)

    def draw(self, operation: Operation | None, pixels: bytes | None) -> None:
        """Shows what is inside an operation's model."""
        self._operation = operation
        # Of a text that is written no network comes.
        self._written.shown("inside", operation is None or TABLE[operation.kind].trains)
        has_model = operation is not None and operation.lives and operation.model is not None
        self._written.text("inside-state", self._state(operation, has_model=has_model))
        can_load = operation is not None and not has_model and _is_kept(operation)
        self._written.shown("inside-load", can_load)
        for part in PARTS:
            self._written.shown(part, has_model)
        if operation is None or not has_model:
            return
        if self._unfolded["inside-layers"]:
            self._layers.draw(operation, pixels, may_ask=self._visible["inside-layers"])
        if self._unfolded["inside-answers"]:
            self._answers.draw(operation, may_ask=self._visible["inside-answers"])

    def _state(self, operation: Operation | None, *, has_model: bool) -> str:
        if has_model:
            return self._texts("inside.hint")
        if operation is None or operation.status not in ENDED:
            return self._texts("inside.nothing")
        return self._texts("inside.away" if _is_kept(operation) else "inside.gone")

    def _press_load(self, event: Any) -> None:
        operation, button = self._operation, event.currentTarget
        if operation is not None and not is_waiting(button):
            set_waiting(button, True)
            self._loading = asyncio.ensure_future(self._bring_back(operation.id, button))

    async def _bring_back(self, key: str, button: Any) -> None:
        try:
            await self._load(key)
        except BackburnerError as error:
            self._tell(error)
        finally:
            set_waiting(button, False)
            self._ask()

    def _fold(self, event: Any) -> None:
        self._unfolded[str(event.target.id)] = bool(event.target.open)
        self._ask()

    def _see(self, entries: Any, _observer: Any) -> None:
        for entry in entries:
            self._visible[str(entry.target.id)] = bool(entry.isIntersecting)
        self._ask()

    def _recolour(self, *_rest: Any) -> None:
        self._layers.recolour()
        self._ask()


def _is_kept(operation: Operation) -> bool:
    return operation.status in ENDED and operation.checkpoint is not None
