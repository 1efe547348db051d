"""One chart of uPlot: draws the lines that it is given, and says what the pointer does to it.

Colours are those of the key above the charts, as the browser computed them: theme, forced
colours and contrast are followed without knowing of them. A plot is made anew when its lines or
its colours change, which only people do; points that come are handed to the plot that is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import js
from pyodide.ffi import create_proxy, to_js

from backburner.core.chart_data import Points, Window
from backburner.views.dom import by_id, find, listen, set_shown

HEIGHT_PX = 230


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a line looks: `key` is the class of the colour's sample in the key of the charts."""

    key: str
    dashed: bool = False
    dots: bool = False


class Chart:
    """Draws in the element `place`; `top` ends its scale, where there is an end.

    `on_zoom` hears the part that was chosen with the pointer (None: all of it), `on_cursor` where
    it points (None: nowhere).
    """

    def __init__(
        self,
        place: str,
        top: float | None,
        on_zoom: Callable[[Window | None], None],
        on_cursor: Callable[[float | None], None],
    ) -> None:
        self._place = place
        self._top = top
        self._on_zoom = on_zoom
        self._on_cursor = on_cursor
        self._plot: Any = None
        self._styles: tuple[Style, ...] = ()
        self._proxies: list[Any] = []

    def install(self) -> None:
        listen(by_id(self._place), "dblclick", lambda _event: self._on_zoom(None))

    @property
    def width_px(self) -> int:
        """How wide it can draw; 0 while it is not shown."""
        return int(by_id(self._place).clientWidth)

    def draw(
        self, styles: tuple[Style, ...], lines: list[Points], window: Window | None, language: str
    ) -> None:
        """Brings the chart up to date."""
        tables = js.Array.new()
        for x, y in lines:
            tables.push(to_js([x, y]))
        data = js.uPlot.join(tables)
        if self._plot is None or styles != self._styles:
            self.clear()
            self._make(styles, data, language)
        elif self._plot.width != self.width_px:
            self._plot.setSize(to_js({"width": self.width_px, "height": HEIGHT_PX}))
        if window is None:
            self._plot.setData(data)
        else:
            self._plot.setData(data, False)
            self._plot.setScale("x", to_js({"min": window[0], "max": window[1]}))

    def point_at(self, x: float) -> None:
        """Shows the cursor at `x`, as if the pointer were there."""
        if self._plot is not None:
            left = self._plot.valToPos(x, "x")
            self._plot.setCursor(to_js({"left": left, "top": HEIGHT_PX / 3}), False)

    def clear(self) -> None:
        """Takes the plot away: there is nothing to draw, or it has to be made anew."""
        if self._plot is not None:
            self._plot.destroy()
            self._plot = None
        for proxy in self._proxies:
            proxy.destroy()
        self._proxies.clear()
        self._show_empty(True)

    def _show_empty(self, shown: bool) -> None:
        empty = find(by_id(self._place), ".empty")
        if empty is not None:
            set_shown(empty, shown)

    def _make(self, styles: tuple[Style, ...], data: Any, language: str) -> None:
        element = by_id(self._place)
        self._show_empty(False)
        self._styles = styles
        look = js.getComputedStyle(element)
        ink, line = str(look.color), str(look.borderTopColor)
        formatter = js.Intl.NumberFormat.new(language).format
        numbers = self._kept(lambda _plot, splits, *_rest: splits.map(formatter))
        axis = {"stroke": ink, "grid": {"stroke": line}, "ticks": {"stroke": line}}
        options = {
            "width": self.width_px,
            "height": HEIGHT_PX,
            "legend": {"show": False},
            "scales": {"x": {"time": False}, "y": _range(self._top)},
            "axes": [{**axis, "values": numbers}, {**axis, "values": numbers, "size": 56}],
            "series": [{}, *(_series(style) for style in styles)],
            "cursor": {
                "drag": {"x": True, "y": False, "setScale": False},
                "bind": {"dblclick": self._kept(lambda *_: None)},
            },
            "hooks": {
                "setSelect": [self._kept(self._selected)],
                "setCursor": [self._kept(self._pointed)],
            },
        }
        self._plot = js.uPlot.new(to_js(options), data, element)

    def _kept(self, heard: Callable[..., object]) -> Any:
        """A proxy that lives as long as the plot."""
        self._proxies.append(create_proxy(heard))
        return self._proxies[-1]

    def _selected(self, plot: Any, *_rest: Any) -> None:
        left, width = plot.select.left, plot.select.width
        if width > 0:
            window = (plot.posToVal(left, "x"), plot.posToVal(left + width, "x"))
            plot.setSelect(to_js({"left": 0, "top": 0, "width": 0, "height": 0}), False)
            self._on_zoom(window)

    def _pointed(self, plot: Any, *_rest: Any) -> None:
        left = plot.cursor.left
        on_it = isinstance(left, int | float) and left >= 0
        self._on_cursor(plot.posToVal(left, "x") if on_it else None)


def _series(style: Style) -> dict[str, Any]:
    sample = js.document.querySelector(f".{style.key}")
    series: dict[str, Any] = {
        "stroke": str(js.getComputedStyle(sample).color),
        "width": 2,
        "spanGaps": True,
    }
    if style.dashed:
        series["dash"] = [6, 4]
    if not style.dots:
        series["points"] = {"show": False}
    return series


def _range(top: float | None) -> dict[str, Any]:
    if top is not None:
        return {"range": [0, top]}
    end = {"pad": 0.1, "soft": 0, "mode": 2}
    return {"range": {"min": end, "max": end}}
