"""Probabilities as bars: one row for each class, in the classes' order, so that nothing jumps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backburner.core.texts import Texts
from backburner.views.dom import by_id, new, set_text


class Bars:
    """Fills the list with the id `place`. The largest is marked by weight and sign, not by colour.

    Values move often and are not read out by themselves; each bar can be asked for its own.
    """

    def __init__(self, place: str, texts: Texts) -> None:
        self._place = place
        self._texts = texts
        self._labelled: tuple[str, ...] = ()

    def draw(self, classes: Sequence[str], probabilities: Sequence[float]) -> None:
        """Brings the bars to these values; with no probabilities they are all empty."""
        place = by_id(self._place)
        labelled = (self._texts.language, *classes)
        if self._labelled != labelled:
            self._labelled = labelled
            place.replaceChildren(*(self._row(name) for name in classes))
        top = max(probabilities, default=0.0)
        for share, row in zip(probabilities or [0.0] * len(classes), place.children, strict=True):
            row.className = "top-guess" if probabilities and share == top else ""
            _name, bar, figure = row.children
            text = self._texts.percent(share) if probabilities else self._texts("common.none")
            if figure.textContent == text:
                continue
            set_text(figure, text)
            bar.setAttribute("aria-valuenow", f"{100 * share:.1f}")
            bar.setAttribute("aria-valuetext", text)
            bar.firstChild.style.setProperty("--share", f"{share:.4f}")

    def _row(self, name: str) -> Any:
        row = new("li")
        bar = new(
            "span",
            class_="bar",
            role="meter",
            aria_label=self._texts("playground.probability", label=name),
            aria_valuemin="0",
            aria_valuemax="100",
            aria_valuenow="0",
        )
        bar.append(new("span"))
        row.append(new("span", name, class_="name"), bar, new("span", class_="share"))
        return row
