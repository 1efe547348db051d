"""A notice: what kind of trouble it is, what happened, what to do, and the detail on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backburner.core.errors import BackburnerError
from backburner.core.explanations import Explanation, explanation
from backburner.core.texts import Texts
from backburner.views.dom import listen, new, set_shown

Said = BackburnerError | Explanation | str | None
"""What a view has to say: an error, a sentence, or (None) that what it said no longer holds."""


class Notice:
    """Fills `place`, an element of the template, and shows it; screen readers hear its role.

    Its button closes it and calls `on_close`, or, where there is an `again`, calls that. One
    that goes by itself, when what it speaks of is mended, has no button: `stays`.
    """

    def __init__(
        self,
        place: Any,
        texts: Texts,
        *,
        again: Callable[[], None] | None = None,
        on_close: Callable[[], None] | None = None,
        stays: bool = False,
    ) -> None:
        self._place = place
        self._texts = texts
        self._again = again
        self._on_close = on_close
        self._shown: Explanation | None = None
        self._title = new("p", class_="notice-title")
        self._message = new("p")
        self._way_out = new("p")
        self._technical = new("p", class_="notice-technical", lang="en")
        self._detail = new("p", class_="detail", lang="en")
        self._summary = new("summary")
        self._details = new("details")
        self._details.append(self._summary, self._detail)
        self._button = new("button", class_="small", type="button")
        actions = new("div", class_="notice-actions")
        actions.append(self._button)
        words = (self._title, self._message, self._way_out, self._technical)
        place.append(*words, self._details)
        if not stays:
            place.append(actions)
        listen(self._button, "click", self._press)

    def say(self, said: Said) -> None:
        """Shows what a view has to say; None takes away what is shown."""
        if said is None:
            self.close()
        elif isinstance(said, Explanation):
            self.show(said)
        elif isinstance(said, str):
            self.show(Explanation(message=said))
        else:
            self.show(explanation(self._texts, said.name, said.message, said.detail or ""))

    def show(self, wanted: Explanation) -> None:
        if wanted == self._shown:
            return
        self._shown = wanted
        texts = self._texts
        for element, text in (
            (self._title, wanted.title),
            (self._message, wanted.message),
            (self._way_out, wanted.way_out),
            (self._technical, wanted.technical),
            (self._detail, wanted.detail),
            (self._summary, texts("common.details")),
            (self._button, texts("common.draw-again" if self._again else "common.close")),
        ):
            element.textContent = text
            set_shown(element, bool(text))
        set_shown(self._details, bool(wanted.detail))
        set_shown(self._place, True)

    def close(self) -> None:
        self._shown = None
        set_shown(self._place, False)

    def _press(self, _event: Any) -> None:
        if self._again is not None:
            self._again()
            return
        self.close()
        if self._on_close is not None:
            self._on_close()
