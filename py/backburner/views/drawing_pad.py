"""A pad to draw on, by mouse, pen, touch or keyboard.

Owns one `.pad` of the template (templates/_pad.html): its canvas, its buttons, what is said about
it. What was drawn is a Sketch; whoever made the pad hears of each change, once a frame at most.
Events only add points. The canvas is drawn in the next frame, and only the ink that is new: a
hand moves several hundred times a second, and Python may be training in this very thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import js
from pyodide.ffi import create_proxy, to_js

from backburner.core.texts import Texts
from backburner.views.dom import Frames, by_id, is_waiting, listen, set_shown, set_text, set_waiting
from backburner.views.sketch import MOVES, Cursor, Sketch

PEN = 0.055
"""Width of the ink as a share of the pad's side; the preparation draws with a pen of its own."""

FAR = 4
"""Cells that the keyboard's cursor goes with Shift."""


class DrawingPad:
    """`name` is the id of the pad in the template; `changed` hears of each change."""

    def __init__(self, name: str, texts: Texts, changed: Callable[[], None]) -> None:
        self.sketch = Sketch()
        self._name = name
        self._texts = texts
        self._changed = changed
        self._cursor = Cursor()
        self._pointer: int | None = None
        self._drawn: tuple[int, int] = (0, 0)
        """How many strokes are on the canvas, and how many points of the last one."""
        self._told = 0
        self._frames = Frames(self._draw)

    def install(self) -> None:
        """Makes the pad usable; until now it could not be reached."""
        canvas = self._canvas
        for event, heard in {
            "pointerdown": self._pen_down,
            "pointermove": self._pen_moves,
            "pointerup": self._pen_up,
            "pointercancel": self._pen_up,
            "keydown": self._press,
            "focus": lambda _event: self._show_cursor(),
            "blur": lambda _event: self._leave(),
        }.items():
            listen(canvas, event, heard)
        listen(by_id(f"{self._name}-undo"), "click", self._undo)
        listen(by_id(f"{self._name}-clear"), "click", self._clear)
        again = create_proxy(self._draw_anew)
        js.ResizeObserver.new(again).observe(canvas)
        for media in ("(prefers-color-scheme: dark)", "(forced-colors: active)"):
            js.matchMedia(media).addEventListener("change", again)
        themes = to_js({"attributes": True, "attributeFilter": ["data-theme"]})
        js.MutationObserver.new(again).observe(js.document.documentElement, themes)
        canvas.tabIndex = 0
        self._show_buttons()

    def clear(self) -> None:
        """Empties the pad, as its button does."""
        self.sketch.clear()
        self._draw_anew()

    def say(self, text: str) -> None:
        """Lets a screen reader read something about the drawing, when it has the time."""
        set_text(by_id(f"{self._name}-said"), text)

    @property
    def _canvas(self) -> Any:
        return by_id(f"{self._name}-canvas")

    # --- a pen, a finger, a mouse --------------------------------------------------------

    def _pen_down(self, event: Any) -> None:
        if self._pointer is not None or event.button != 0:
            return
        event.preventDefault()
        self._canvas.focus(to_js({"preventScroll": True}))
        self.sketch.finish()
        set_shown(by_id(f"{self._name}-cursor"), False)
        self._pointer = int(event.pointerId)
        self._canvas.setPointerCapture(event.pointerId)
        self.sketch.begin(*self._place(event, self._canvas.getBoundingClientRect()))
        self._frames.ask()

    def _pen_moves(self, event: Any) -> None:
        # Another finger may have pressed Undo meanwhile: then this stroke is over.
        if event.pointerId != self._pointer or not self.sketch.is_drawing:
            return
        bounds = self._canvas.getBoundingClientRect()
        # One event a frame holds every place where the pen was meanwhile. Missing on plain http.
        between = getattr(event, "getCoalescedEvents", None)
        for each in (between() if between is not None else []) or [event]:
            self.sketch.extend(*self._place(each, bounds))
        self._frames.ask()

    def _pen_up(self, event: Any) -> None:
        if event.pointerId == self._pointer:
            self._pointer = None
            self.sketch.finish()

    def _place(self, event: Any, bounds: Any) -> tuple[float, float]:
        return (
            (event.clientX - bounds.left) / bounds.width,
            (event.clientY - bounds.top) / bounds.height,
        )

    # --- the keyboard --------------------------------------------------------------------

    def _press(self, event: Any) -> None:
        if self._pointer is not None:
            return
        key, undoing = str(event.key), event.ctrlKey or event.metaKey
        if (undoing and key.lower() == "z") or (not undoing and key == "Backspace"):
            self._undo(event)
        elif event.altKey or undoing:
            return
        elif key in MOVES:
            self._go(*MOVES[key], far=bool(event.shiftKey))
        elif key in (" ", "Enter"):
            self._turn_pen()
        elif key == "Escape" and self.sketch.is_drawing:
            self.sketch.finish()
        else:
            return
        event.preventDefault()
        self._show_cursor()
        self._say_place()

    def _go(self, down: int, right: int, *, far: bool) -> None:
        times = FAR if far else 1
        self._cursor.move(down * times, right * times)
        if self.sketch.is_drawing:
            self.sketch.extend(*self._cursor.point)
            self._frames.ask()

    def _turn_pen(self) -> None:
        if self.sketch.is_drawing:
            self.sketch.finish()
        else:
            self.sketch.begin(*self._cursor.point)
            self._frames.ask()

    def _leave(self) -> None:
        if self._pointer is None:
            self.sketch.finish()
        set_shown(by_id(f"{self._name}-cursor"), False)

    def _show_cursor(self) -> None:
        """Shows where the keyboard's pen is, unless another one has brought the focus here."""
        cursor = by_id(f"{self._name}-cursor")
        x, y = self._cursor.point
        cursor.style.setProperty("left", f"{100 * x}%")
        cursor.style.setProperty("top", f"{100 * y}%")
        cursor.classList.toggle("pen-down", self.sketch.is_drawing)
        set_shown(cursor, self._pointer is None and self._canvas.matches(":focus-visible"))

    def _say_place(self) -> None:
        row, column = self._cursor.row + 1, self._cursor.column + 1
        if self.sketch.is_drawing:
            self.say(self._texts("drawings.pad.drawing-at", row=row, column=column))
        else:
            self.say(self._texts("drawings.pad.lifted-at", row=row, column=column))

    # --- the buttons ---------------------------------------------------------------------

    def _undo(self, event: Any) -> None:
        if self.sketch.can_undo and not is_waiting(event.currentTarget):
            self.sketch.undo()
            self._draw_anew()
            self._say_strokes()

    def _clear(self, event: Any) -> None:
        if not is_waiting(event.currentTarget):
            self.clear()
            self._say_strokes()

    def _say_strokes(self) -> None:
        self.say(self._strokes())

    def _strokes(self) -> str:
        count = len(self.sketch.strokes)
        if not count:
            return self._texts("drawings.pad.empty")
        return self._texts("drawings.pad.strokes", count=count)

    def _show_buttons(self) -> None:
        # They stay where the keyboard left them: out of order, not out of reach.
        set_waiting(by_id(f"{self._name}-undo"), not self.sketch.can_undo)
        set_waiting(by_id(f"{self._name}-clear"), not self.sketch.strokes)
        self._canvas.setAttribute(
            "aria-label", self._texts("drawings.pad.label", strokes=self._strokes())
        )

    # --- the picture ---------------------------------------------------------------------

    def _draw_anew(self, *_changes: Any) -> None:
        """The canvas has another size, other colours, or ink that is no longer there."""
        self._drawn = (0, 0)
        self._frames.ask()

    def _draw(self) -> None:
        canvas, strokes = self._canvas, self.sketch.strokes
        side = round(canvas.clientWidth * js.devicePixelRatio)
        if self._drawn == (0, 0):
            # Setting the size also empties it.
            canvas.width = canvas.height = max(1, side)
        first, begun = self._drawn
        context = canvas.getContext("2d")
        context.strokeStyle = js.getComputedStyle(canvas).color
        context.lineCap = context.lineJoin = "round"
        context.lineWidth = PEN * canvas.width
        context.beginPath()
        for stroke in strokes[max(0, first - 1) :]:
            new = stroke[max(0, begun - 1) :]
            begun = 0
            context.moveTo(new[0][0] * canvas.width, new[0][1] * canvas.width)
            # A single point is a line to itself: a dot, thanks to the round caps.
            for x, y in new[1:] or new:
                context.lineTo(x * canvas.width, y * canvas.width)
        context.stroke()
        self._drawn = (len(strokes), len(strokes[-1])) if strokes else (0, 0)
        if self._told != self.sketch.version:
            self._told = self.sketch.version
            self._show_buttons()
            self._changed()
