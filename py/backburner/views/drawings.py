"""Your drawings, in Create: classes with names, and examples of them that are drawn here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import js
from pyodide.ffi import to_js

from backburner.app.drawings import Drawings
from backburner.core.data_sources import DrawingsData
from backburner.core.drawing import DRAWINGS, SIDE, Bitmap, draw
from backburner.core.errors import DataError
from backburner.core.messages import Drawing, DrawnClass
from backburner.core.split import PARTS
from backburner.core.texts import Texts
from backburner.views.dom import around, by_id, find, listen, new, set_shown, set_text
from backburner.views.drawing_pad import DrawingPad

ENOUGH = len(PARTS)
"""Drawings that a class needs, so that each part of the split has one."""


class DrawingsCard:
    """Shows the drawings and changes them. One row for each class, made once and kept."""

    def __init__(self, texts: Texts, drawings: Drawings) -> None:
        self._texts = texts
        self._drawings = drawings
        self._pad = DrawingPad("drawing-pad", texts, lambda: None)
        self._rows: dict[str, Any] = {}
        self._language = ""

    def install(self) -> None:
        self._pad.install()
        listen(by_id("recipe"), "change", lambda _event: self._show_card())
        listen(by_id("add-class"), "click", lambda _event: self._add())
        listen(by_id("bring-back"), "click", lambda _event: self._bring_back())
        listen(by_id("drawings"), "keydown", self._press_key)
        listen(by_id("drawn-classes"), "click", self._press)
        listen(by_id("drawn-classes"), "change", self._rename)
        self._drawings.listeners.append(self.draw)
        self._show_card()
        self.draw()

    def draw(self) -> None:
        """Brings the card up to date."""
        if self._language != self._texts.language:
            self._language = self._texts.language
            self._rows.clear()
        place, classes = by_id("drawn-classes"), self._drawings.classes
        wanted = [each.id for each in classes]
        for each in classes:
            if each.id not in self._rows:
                self._rows[each.id] = self._row(each)
        if [str(row.dataset.drawnClass) for row in place.children] != wanted:
            place.replaceChildren(*(self._rows[key] for key in wanted))
        for at, each in enumerate(classes):
            self._fill(self._rows[each.id], each, at)
        set_text(by_id("drawings-missing"), self._missing())
        problem = self._drawings.problem
        set_text(by_id("drawings-problem"), problem or "")
        set_shown(by_id("drawings-problem"), problem is not None)
        set_shown(by_id("removed"), self._drawings.removed is not None)

    def _show_card(self) -> None:
        chosen = find(by_id("recipe"), "[name=source]:checked")
        is_chosen = chosen is not None and chosen.value == DrawingsData.source
        set_shown(by_id("drawings"), is_chosen)

    # --- what there is -------------------------------------------------------------------

    def _row(self, drawn: DrawnClass) -> Any:
        row = new("li", data_drawn_class=drawn.id)
        name = new("input", type="text", maxlength="200", autocomplete="off", class_="class-name")
        keep = new("button", type="button", class_="keep")
        remove = new("button", self._texts("drawings.remove-class"), type="button", class_="remove")
        count = new("span", class_="count")
        row.append(name, count, keep, remove, new("ul", class_="thumbs"))
        return row

    def _fill(self, row: Any, drawn: DrawnClass, at: int) -> None:
        name, count, keep, remove, thumbs = row.children
        drawings = self._drawings.of(drawn)
        if name.value != drawn.name and name != js.document.activeElement:
            name.value = drawn.name
        name.setAttribute("aria-label", self._texts("drawings.class-name", name=drawn.name))
        set_text(count, self._texts("drawings.count", count=len(drawings)))
        set_text(keep, self._texts("drawings.keep", name=drawn.name))
        remove.setAttribute("aria-label", self._texts("drawings.remove-class-of", name=drawn.name))
        for element, kind in ((name, "class-name"), (keep, "keep"), (remove, "remove-class")):
            element.setAttribute("data-testid", f"{kind}-{at}")
        shown = {str(each.dataset.drawing): each for each in thumbs.children}
        if list(shown) != [each.id for each in drawings]:
            thumbs.replaceChildren(
                *(shown[each.id] if each.id in shown else _thumb(each) for each in drawings)
            )
        for number, each in enumerate(thumbs.children, start=1):
            label = self._texts("drawings.remove-drawing", number=number, name=drawn.name)
            each.firstChild.setAttribute("aria-label", label)

    def _missing(self) -> str:
        counts = self._drawings.counts
        if len(counts) < 2:
            return self._texts("drawings.missing.classes")
        short = [
            self._texts("drawings.missing.of", count=ENOUGH - count, name=name)
            for name, count in counts.items()
            if count < ENOUGH
        ]
        if short:
            return self._texts("drawings.missing", list=", ".join(short))
        return self._texts("drawings.enough", count=sum(counts.values()))

    # --- changes -------------------------------------------------------------------------

    def _press_key(self, event: Any) -> None:
        """Enter in a name is about the name; it would start the training otherwise."""
        if event.key == "Enter" and event.target.matches("input"):
            event.preventDefault()
            if event.target.id == "new-class":
                self._add()
            else:
                event.target.blur()

    def _add(self) -> None:
        field = by_id("new-class")
        if self._tried(lambda: self._drawings.add_class(str(field.value))):
            field.value = ""
        field.focus()

    def _rename(self, event: Any) -> None:
        key = _class_around(event.target)
        if not self._tried(lambda: self._drawings.rename(key, str(event.target.value))):
            name = next(each.name for each in self._drawings.classes if each.id == key)
            event.target.value = name

    def _press(self, event: Any) -> None:
        button = around(event.target, "button")
        if button is None:
            return
        key = _class_around(button)
        drawn = next(each for each in self._drawings.classes if each.id == key)
        if button.className == "keep":
            self._keep(drawn)
        elif button.className == "remove":
            self._drawings.remove_class(key)
            self._offer_back(self._texts("drawings.removed-class", name=drawn.name))
        else:
            self._drawings.remove(str(button.parentElement.dataset.drawing))
            self._offer_back(self._texts("drawings.removed-drawing", name=drawn.name))

    def _keep(self, drawn: DrawnClass) -> None:
        ink = draw(self._pad.sketch.strokes, DRAWINGS)
        if ink is None:
            self._tell(self._texts("drawings.nothing"))
            return
        self._tell(None)
        self._drawings.keep(drawn.id, ink)
        self._pad.clear()
        count = len(self._drawings.of(drawn))
        self._pad.say(self._texts("drawings.kept", name=drawn.name, count=count))

    def _offer_back(self, text: str) -> None:
        self._tell(None)
        set_text(by_id("removed-text"), text)
        by_id("bring-back").focus()

    def _bring_back(self) -> None:
        self._drawings.bring_back()
        by_id("drawings-title").focus()

    def _tried(self, change: Callable[[], object]) -> bool:
        try:
            change()
        except DataError as error:
            self._tell(error.message)
            return False
        self._tell(None)
        return True

    def _tell(self, problem: str | None) -> None:
        set_text(by_id("class-problem"), problem or "")
        set_shown(by_id("class-problem"), problem is not None)


def _class_around(element: Any) -> str:
    row = around(element, "[data-drawn-class]")
    assert row is not None
    return str(row.dataset.drawnClass)


def _thumb(drawing: Drawing) -> Any:
    """A drawing as a picture that is pressed to remove it."""
    item = new("li", data_drawing=drawing.id)
    button = new("button", type="button", class_="thumb")
    canvas = new("canvas", width=str(SIDE), height=str(SIDE))
    ink = Bitmap.from_text(drawing.ink)
    # Black ink on nothing: the paper of the button shows through.
    pixels = b"".join(
        bytes((0, 0, 0, 255 * (row >> x & 1))) for row in ink.rows for x in range(SIDE)
    )
    image = js.ImageData.new(js.Uint8ClampedArray.new(to_js(pixels)), SIDE, SIDE)
    canvas.getContext("2d").putImageData(image, 0, 0)
    button.append(canvas)
    item.append(button)
    return item
