"""The document as the views use it: elements by id, texts, new elements.

Everything that users typed, or that came from a file, enters the page as text and never as
HTML. Elements that a view makes are built once and changed in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import js
from pyodide.ffi import create_proxy


def by_id(name: str) -> Any:
    """The element of the template. Raises LookupError when template and views disagree."""
    element = js.document.getElementById(name)
    if not element:
        raise LookupError(f"The page has no element #{name}; template and views disagree.")
    return element


def find(parent: Any, selector: str) -> Any | None:
    """The first element inside that fits, or None (JavaScript's null is an object of its own)."""
    element = parent.querySelector(selector)
    return element if element else None


def around(element: Any, selector: str) -> Any | None:
    """The element itself or the nearest one around it that fits, or None."""
    found = element.closest(selector)
    return found if found else None


def set_text(element: Any, text: str) -> None:
    """Sets a text, and leaves the document alone when it is there already.

    From then on the text is the view's: a change of language no longer renders the template's.
    """
    if element.textContent != text:
        element.textContent = text
        element.removeAttribute("data-t")


def set_shown(element: Any, shown: bool) -> None:
    if bool(element.hidden) is shown:
        element.hidden = not shown


def set_waiting(button: Any, waiting: bool) -> None:
    """A button whose wish is being carried out: it stays, keeps the focus, and does nothing."""
    button.setAttribute("aria-disabled", "true" if waiting else "false")


def is_waiting(button: Any) -> bool:
    return bool(button.getAttribute("aria-disabled") == "true")


def focused_id() -> str:
    """The id of the element that has the focus; empty when that has none."""
    return str(js.document.activeElement.id)


def is_focused(element: Any) -> bool:
    return bool(element.matches(":focus"))


def new(tag: str, text: str = "", **attributes: str) -> Any:
    """A new element with a text. `class_` is the class; `data_testid` is data-testid."""
    element = js.document.createElement(tag)
    if text:
        element.textContent = text
    for name, value in attributes.items():
        element.setAttribute(name.rstrip("_").replace("_", "-"), value)
    return element


def listen(element: Any, event: str, heard: Callable[[Any], object]) -> None:
    """Hears an event for as long as the page lives."""
    element.addEventListener(event, create_proxy(heard))


def hear_faults(heard: Callable[[str], None]) -> None:
    """Hears of every exception that nobody caught, as text: what a listener of ours threw, say."""

    def on_error(event: Any) -> None:
        # The browser's own complaints (a ResizeObserver that had too much to do) carry no error.
        if event.error:
            heard(str(event.error))

    listen(js.window, "error", on_error)
    listen(js.window, "unhandledrejection", lambda event: heard(str(event.reason)))


def as_number(text: Any) -> object:
    """What was typed, as a number if it is one; a recipe's own check names what is wrong."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None


class Frames:
    """Calls `draw` in the next frame, once, however often it is asked for before."""

    def __init__(self, draw: Callable[[], None]) -> None:
        self._draw = draw
        self._asked = False
        self._proxy = create_proxy(self._on_frame)

    def ask(self) -> None:
        if not self._asked:
            self._asked = True
            js.requestAnimationFrame(self._proxy)

    def _on_frame(self, _time: float) -> None:
        self._asked = False
        self._draw()
