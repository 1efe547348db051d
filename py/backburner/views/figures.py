"""The figures panel: the model, how far it is, how fast it goes."""

from __future__ import annotations

from backburner.core.figure_words import figure_words, has_figures, layer_rows
from backburner.core.messages import LayerFacts
from backburner.core.operation import Operation
from backburner.core.texts import Texts
from backburner.views.dom import by_id, new
from backburner.views.written import Written


class Figures:
    """Says that it waits until the first figures are there."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._written = Written()
        self._rows: list[tuple[str, str, str]] = []

    def draw(self, operation: Operation | None) -> None:
        is_there = operation is not None and has_figures(operation)
        self._written.shown("figures-waiting", not is_there)
        self._written.shown("figures", is_there)
        if operation is None or not is_there:
            return
        for name, words in figure_words(self._texts, operation).items():
            self._written.text(f"figure-{name}", words)
        self._draw_layers(operation.model.layers if operation.model else ())

    def _draw_layers(self, layers: tuple[LayerFacts, ...]) -> None:
        self._written.shown("layers-more", bool(layers))
        rows = layer_rows(self._texts, layers)
        if rows == self._rows:
            return
        self._rows = rows
        body = by_id("layers")
        body.replaceChildren()
        for name, shape, weights in rows:
            row = new("tr")
            row.append(new("th", name, scope="row"), new("td", shape), new("td", weights))
            body.append(row)
