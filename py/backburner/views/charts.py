"""The curves of the shown run: two charts, what steers them, and the same in words.

Drawn at most once a frame, only while they can be seen, and only when a point, a choice or a
colour is new. core/chart_data.py makes sure that a report costs what it brings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import js
from pyodide.ffi import create_proxy, to_js

from backburner.core.chart_data import (
    Drawing,
    Figure,
    Per,
    Points,
    Window,
    moved,
    nearest,
    trend,
    zoomed,
)
from backburner.core.curves import Curves
from backburner.core.freshness import freshness
from backburner.core.headlines import milestone
from backburner.core.operation import Operation
from backburner.core.texts import Texts
from backburner.core.wording import Line
from backburner.views.chart import Chart, Style
from backburner.views.dom import by_id, find, listen, new, set_waiting
from backburner.views.written import Written

FIGURES: tuple[Figure, ...] = ("loss", "accuracy")
MOST_OVERLAYS = 3
FEWEST_POINTS = 200


class Charts:
    """`ask` asks for a redraw; `now_s` gives seconds."""

    def __init__(self, texts: Texts, ask: Callable[[], None], now_s: Callable[[], float]) -> None:
        self._texts = texts
        self._ask = ask
        self._now_s = now_s
        self._written = Written()
        self._charts = {
            "loss": Chart("chart-loss", None, self._zoom, self._point),
            "accuracy": Chart("chart-accuracy", 1.0, self._zoom, self._point),
        }
        self._per: Per = "step"
        self._smoothing = 0.0
        self._window: Window | None = None
        self._cursor: float | None = None
        self._is_visible = False
        self._colours = 0
        self._most = 0
        self._shown: str | None = None
        self._drawings: dict[Figure, Drawing] = {}
        self._overlays: dict[str, dict[Figure, Drawing]] = {}
        self._overlay_names: tuple[tuple[str, str], ...] = ()
        self._lines: dict[Figure, list[Points]] = {}
        self._drawn: tuple[object, ...] = ()
        self._points = 0
        self._grown_at: float | None = None
        self._said: tuple[object, ...] = ()
        self._rows = 0

    def install(self) -> None:
        for chart in self._charts.values():
            chart.install()
        listen(by_id("chart-per"), "change", self._choose_per)
        listen(by_id("chart-smoothing"), "input", self._smooth)
        listen(by_id("zoom-in"), "click", lambda _event: self._zoom_by(0.5))
        listen(by_id("zoom-reset"), "click", lambda _event: self._zoom(None))
        listen(by_id("epochs-more"), "toggle", lambda _event: self._ask())
        for figure in FIGURES:
            listen(by_id(f"chart-{figure}"), "keydown", self._press)
        self._watch()

    def draw(
        self,
        operation: Operation | None,
        curves: Curves | None,
        *,
        is_kept: bool,
        overlays: Mapping[str, tuple[str, Curves]],
    ) -> None:
        """Shows the curves of an operation, and those of others (id: name, curves) beside them.

        `is_kept` is whether they come from an earlier visit.
        """
        if operation is None or curves is None:
            self._change_run(None, None)
            fresh = freshness(operation, 0, None) if operation else Line("charts.fresh.empty")
            self._written.text("chart-fresh", fresh.in_words(self._texts))
            return
        if self._shown != operation.id or self._curves is not curves:
            self._change_run(operation.id, curves)
            self._grown_at = None if is_kept else self._now_s()
        elif len(curves.step) != self._points:
            self._grown_at = self._now_s()
        self._points = len(curves.step)
        age_s = None if self._grown_at is None else self._now_s() - self._grown_at
        fresh = freshness(operation, self._points, age_s)
        self._written.text("chart-fresh", fresh.in_words(self._texts))
        if not self._is_visible:
            return
        self._draw_lines(curves, overlays)
        self._draw_words(operation, curves)
        self._draw_table(curves)

    # --- lines -------------------------------------------------------------------------

    @property
    def _curves(self) -> Curves | None:
        return self._drawings["loss"].curves if self._drawings else None

    def _change_run(self, key: str | None, curves: Curves | None) -> None:
        if key is None and self._shown is None:
            return
        if key != self._shown:
            self._window = self._cursor = None
        self._shown = key
        self._drawings = {} if curves is None else self._drawings_of(curves)
        self._drawn = self._said = ()
        self._rows = 0
        by_id("epochs-table").replaceChildren()
        for figure in FIGURES:
            self._written.text(f"chart-{figure}-words", "")
            self._written.text(f"chart-{figure}-cursor", "")
            self._charts[figure].clear()

    def _drawings_of(self, curves: Curves) -> dict[Figure, Drawing]:
        most = max(FEWEST_POINTS, self._most)
        return {
            figure: Drawing(curves, figure, smoothing=self._smoothing, most=most)
            for figure in FIGURES
        }

    def _redo(self) -> None:
        """Makes the drawings anew, because they are to be smoother, or finer."""
        if self._curves is not None:
            self._drawings = self._drawings_of(self._curves)
        self._overlays.clear()
        self._drawn = ()
        self._ask()

    def _draw_lines(self, curves: Curves, overlays: Mapping[str, tuple[str, Curves]]) -> None:
        width = self._charts["loss"].width_px
        if not width or not curves.step:
            return
        if width != self._most:
            self._most = width
            self._drawings = self._drawings_of(curves)
            self._overlays.clear()
        newest = curves.step[-1]
        if self._window is not None and self._per == "step" and newest > self._window[1]:
            newest = self._window[1]  # what comes after it is not in the picture
        now = (
            *(newest, len(curves.epochs), self._per, self._smoothing, self._window, width),
            *(self._colours, tuple(overlays), self._texts.language),
        )
        if now != self._drawn:
            self._drawn = now
            self._draw_keys(overlays)
            self._draw_plots(overlays)
        self._draw_cursor()

    def _draw_plots(self, overlays: Mapping[str, tuple[str, Curves]]) -> None:
        dots = self._per == "epoch"
        styles = [
            Style(key="key-training", dots=dots),
            Style(key="key-validation", dashed=True, dots=True),
        ]
        shown = dict(list(overlays.items())[:MOST_OVERLAYS])
        self._overlays = {
            key: self._overlays.get(key) or self._drawings_of(theirs)
            for key, (_, theirs) in shown.items()
        }
        for at in range(len(shown)):
            key = f"key-overlay-{at}"
            styles += [Style(key=key, dots=dots), Style(key=key, dashed=True, dots=dots)]
        for figure in FIGURES:
            drawings = [self._drawings[figure], *(each[figure] for each in self._overlays.values())]
            lines = [
                line for drawing in drawings for line in drawing.lines(self._per, self._window)
            ]
            self._lines[figure] = lines
            self._charts[figure].draw(tuple(styles), lines, self._window, self._texts.language)
        set_waiting(by_id("zoom-reset"), self._window is None)

    def _draw_keys(self, overlays: Mapping[str, tuple[str, Curves]]) -> None:
        """The key of the charts: which line is which. The charts take their colours from it."""
        names = tuple((key, name) for key, (name, _) in overlays.items())[:MOST_OVERLAYS]
        if names == self._overlay_names:
            return
        self._overlay_names = names
        keys = by_id("chart-keys")
        while keys.children.length > 2:
            keys.lastElementChild.remove()
        for at, (_, name) in enumerate(names):
            item = new("li")
            item.append(new("span", class_=f"key key-overlay-{at}"), new("span", name))
            keys.append(item)

    # --- what is read off --------------------------------------------------------------

    def _draw_cursor(self) -> None:
        for figure in FIGURES:
            self._written.text(f"chart-{figure}-cursor", self._at_cursor(figure))

    def _at_cursor(self, figure: Figure) -> str:
        if self._cursor is None or figure not in self._lines:
            return ""
        texts = self._texts
        names = [texts("charts.training"), texts("charts.validation")]
        for _, name in self._overlay_names:
            names += [name, f"{name}, {texts('charts.validation')}"]
        found = [nearest(line, self._cursor) for line in self._lines[figure]]
        values = ", ".join(
            texts("charts.cursor.value", name=name, value=self._number(figure, point[1]))
            for name, point in zip(names, found, strict=True)
            if point is not None
        )
        if found[0] is None:
            return ""
        return texts(f"charts.cursor.{self._per}", at=round(found[0][0]), values=values)

    def _number(self, figure: Figure, value: float) -> str:
        return self._texts.percent(value) if figure == "accuracy" else self._texts.number(value, 4)

    def _draw_words(self, operation: Operation, curves: Curves) -> None:
        """The text alternative: renewed when there is something to say, not at every step."""
        now = (milestone(operation), len(curves.epochs), bool(curves.step), self._texts.language)
        if now == self._said or not curves.step:
            return
        self._said = now
        for figure in FIGURES:
            values = curves.loss if figure == "loss" else curves.accuracy
            self._written.text(f"chart-{figure}-words", self._words(figure, curves, values))

    def _words(self, figure: Figure, curves: Curves, values: Any) -> str:
        texts = self._texts
        named = {
            "figure": texts(f"charts.{figure}"),
            "value": self._number(figure, values[-1]),
            "step": int(curves.step[-1]),
        }
        going = trend(values)
        if going is None:
            words = texts("charts.words.short", **named)
        else:
            words = texts("charts.words", **named, trend=texts(f"charts.trend.{going}"))
        last = curves.epochs[-1] if curves.epochs else None
        if last is None or last.validation is None:
            return words
        score = self._number(figure, getattr(last.validation, figure))
        return f"{words} {texts('charts.words.validation', value=score, epoch=last.epoch)}"

    def _draw_table(self, curves: Curves) -> None:
        """A row for each epoch, appended as they end; nothing while the table is closed."""
        if not by_id("epochs-more").open:
            return
        body, none = by_id("epochs-table"), self._texts("common.none")
        for end in curves.epochs[self._rows :]:
            row = new("tr")
            score = end.validation
            row.append(
                new("th", self._texts.number(end.epoch), scope="row"),
                new("td", self._number("loss", end.loss)),
                new("td", self._number("accuracy", end.accuracy)),
                new("td", self._number("loss", score.loss) if score else none),
                new("td", self._number("accuracy", score.accuracy) if score else none),
            )
            body.append(row)
        self._rows = len(curves.epochs)

    # --- what is chosen ----------------------------------------------------------------

    def _choose_per(self, event: Any) -> None:
        self._per = "epoch" if event.target.value == "epoch" else "step"
        self._window = self._cursor = None
        self._ask()

    def _smooth(self, event: Any) -> None:
        strength = int(event.target.value)
        self._smoothing = strength / 100
        self._written.text("chart-smoothing-value", f"{strength} %")
        self._redo()

    def _zoom(self, window: Window | None) -> None:
        self._window = window
        self._ask()

    def _zoom_by(self, factor: float) -> None:
        if self._lines.get("loss") and self._curves is not None and self._curves.step:
            end = len(self._curves.epochs) if self._per == "epoch" else self._curves.step[-1]
            self._zoom(zoomed(self._window, (1.0, float(end)), self._cursor, factor))

    def _point(self, x: float | None) -> None:
        if x != self._cursor:
            self._cursor = x
            self._set_live("off")
            self._ask()

    def _press(self, event: Any) -> None:
        """Arrow keys read off values, plus and minus zoom, Home shows the whole run."""
        moves = {"ArrowLeft": -1, "ArrowRight": 1, "PageUp": -10, "PageDown": 10}
        key = str(event.key)
        if event.ctrlKey or event.metaKey or event.altKey:
            return
        if key in moves and self._lines.get("loss"):
            self._set_live("polite")
            self._cursor = moved(self._lines["loss"][0], self._cursor, moves[key])
            if self._cursor is not None:
                for chart in self._charts.values():
                    chart.point_at(self._cursor)
        elif key in ("+", "="):
            self._zoom_by(0.5)
        elif key == "-":
            self._zoom_by(2.0)
        elif key == "Home":
            self._zoom(None)
        else:
            return
        event.preventDefault()
        self._ask()

    def _set_live(self, live: Literal["polite", "off"]) -> None:
        """What the keys read off is read out; what a moving pointer passes is not."""
        for figure in FIGURES:
            element = self._written.element(f"chart-{figure}-cursor")
            if element.getAttribute("aria-live") != live:
                element.setAttribute("aria-live", live)

    # --- what happens around them ------------------------------------------------------

    def _watch(self) -> None:
        """Follows whether the charts can be seen, how wide they are, and the colours."""
        place = find(by_id("view-dashboard"), ".charts")
        js.IntersectionObserver.new(create_proxy(self._seen)).observe(place)
        js.ResizeObserver.new(create_proxy(lambda *_: self._ask())).observe(place)
        theme = to_js({"attributes": True, "attributeFilter": ["data-theme"]})
        changed = create_proxy(self._recolour)
        js.MutationObserver.new(changed).observe(js.document.documentElement, theme)
        for query in ("(prefers-color-scheme: dark)", "(forced-colors: active)"):
            listen(js.matchMedia(query), "change", self._recolour)

    def _seen(self, entries: Any, _observer: Any) -> None:
        self._is_visible = bool(entries[entries.length - 1].isIntersecting)
        self._ask()

    def _recolour(self, *_rest: Any) -> None:
        self._colours += 1
        for chart in self._charts.values():
            chart.clear()
        self._ask()
