"""The choice of what the layers look at: a test example, any other one, or what is drawn."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Protocol

from pyodide.ffi import to_js

from backburner.core.errors import BackburnerError
from backburner.core.messages import ModelReady
from backburner.core.operation import Operation
from backburner.core.texts import Texts
from backburner.views.dom import around, by_id, find, listen, new
from backburner.views.pictures import example
from backburner.views.written import Written

OFFERED = 12
"""Test examples to choose from. Others come from the tables of what it takes for what."""

DRAWING = -1
"""Stands for the drawing where else there is the index of an example."""

Picture = list[list[float]]


class Drawing(Protocol):
    """What is drawn in the Playground."""

    @property
    def version(self) -> int:
        """Another one for each change."""

    def picture(self, operation: Operation) -> Picture | None:
        """As the operation's network sees it; None when nothing is drawn.

        Raises DataError for a network that no drawing can be shown to.
        """


class Subjects:
    """`ask` asks for a redraw. `example` is the index of the one that was chosen, None for none,
    and when it is the drawing's turn.
    """

    def __init__(self, texts: Texts, drawing: Drawing, ask: Callable[[], None]) -> None:
        self._texts = texts
        self._drawing = drawing
        self._ask = ask
        self._written = Written()
        self._operation: Operation | None = None
        self._offered: tuple[str, str] | None = None
        self._chosen: int | None = None
        self._label = ""

    def install(self) -> None:
        listen(by_id("inside-subjects"), "click", self._press)

    @property
    def example(self) -> int | None:
        return None if self._chosen == DRAWING else self._chosen

    @property
    def key(self) -> tuple[int | None, int]:
        """All that the layers' outputs depend on, but the weights."""
        return self._chosen, self._drawing.version if self._chosen == DRAWING else 0

    def picture(self) -> Picture | None:
        """The drawing, where that was chosen and can be looked at."""
        return self._picture()[0] if self._chosen == DRAWING else None

    def look(self, index: int, label: str) -> None:
        """Chooses an example that was pressed elsewhere, and leads to what is seen of it."""
        by_id("inside-layers").open = True
        self._choose(index, label)
        by_id("inside-looking").scrollIntoView(to_js({"block": "nearest"}))

    def draw(self, operation: Operation, model: ModelReady, pixels: bytes | None) -> None:
        """Offers the examples that are there, and says which one is looked at."""
        if self._operation is None or self._operation.id != operation.id:
            self._chosen = None
        self._operation = operation
        looks_at_pictures = len(model.input_shape) == 3
        self._written.shown("inside-subjects", looks_at_pictures)
        self._written.shown("inside-no-picture", not looks_at_pictures)
        if looks_at_pictures and pixels is not None:
            self._offer(operation, model, pixels)
        words, is_missing = self._words()
        self._written.text("inside-looking", words)
        self._written.shown("inside-draw", is_missing)

    # --- inside --------------------------------------------------------------------------

    def _offer(self, operation: Operation, model: ModelReady, pixels: bytes) -> None:
        offered = operation.id, self._texts.language
        if offered == self._offered:
            return
        self._offered = offered
        size = prod(model.input_shape)
        shown = list(zip(model.examples, model.labels, strict=True))[:OFFERED]
        if self._chosen is None and shown:
            self._chosen, self._label = shown[0]
        buttons = []
        for at, (index, label) in enumerate(shown):
            button = new(
                "button",
                class_="example",
                type="button",
                aria_label=self._texts("inside.subject.example", index=index, label=label),
                aria_pressed="false",
                data_index=str(index),
                data_label=label,
                data_testid=f"inside-subject-{at}",
            )
            picture = pixels[at * size : (at + 1) * size]
            button.append(example(picture, model.input_shape), new("span", label))
            buttons.append(button)
        drawing = new(
            "button",
            self._texts("inside.subject.drawing"),
            type="button",
            aria_pressed="false",
            data_index=str(DRAWING),
            data_label="",
            data_testid="inside-drawing",
        )
        by_id("inside-subjects").replaceChildren(*buttons, drawing)
        self._mark()

    def _press(self, event: Any) -> None:
        button = around(event.target, "button")
        if button is not None:
            self._choose(int(button.dataset.index), str(button.dataset.label))

    def _choose(self, index: int, label: str) -> None:
        self._chosen, self._label = index, label
        self._mark()
        self._ask()

    def _mark(self) -> None:
        """Shows which button stands for what is looked at, if one does."""
        place = by_id("inside-subjects")
        before = find(place, "[aria-pressed=true]")
        if before is not None:
            before.setAttribute("aria-pressed", "false")
        now = find(place, f"[data-index='{self._chosen}']")
        if now is not None:
            now.setAttribute("aria-pressed", "true")

    def _words(self) -> tuple[str, bool]:
        """What is looked at, and whether it still has to be drawn."""
        if self._chosen is None:
            return "", False
        if self._chosen != DRAWING:
            words = self._texts("inside.looking.example", index=self._chosen, label=self._label)
            return words, False
        picture, problem = self._picture()
        if picture is not None:
            return self._texts("inside.looking.drawing"), False
        return problem or self._texts("inside.looking.nothing-drawn"), problem is None

    def _picture(self) -> tuple[Picture | None, str | None]:
        """The drawing for the network, or why there can be none for it."""
        assert self._operation is not None
        try:
            return self._drawing.picture(self._operation), None
        except BackburnerError as error:
            return None, error.message
