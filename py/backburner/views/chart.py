"""One live chart of uPlot: a curve per step, and the validation's points per epoch."""

from __future__ import annotations

from typing import Any

import js
from pyodide.ffi import create_proxy, to_js

from backburner.core.curves import Curves
from backburner.views.dom import by_id

HEIGHT_PX = 230
MOST_POINTS = 600
"""More points than a chart has pixels cost time and show nothing more."""


class Chart:
    """Shows `figure` ("loss" or "accuracy") in the element `place`; `top` ends the scale."""

    def __init__(self, place: str, figure: str, top: float | None) -> None:
        self._place = place
        self._figure = figure
        self._top = top
        self._plot: Any = None
        self._drawn: tuple[int, int, int] | None = None

    def draw(self, curves: Curves) -> None:
        """Brings the chart up to date; does nothing when it is."""
        state = (id(curves), len(curves.step), len(curves.epochs))
        if state == self._drawn or not curves.step:
            return
        self._drawn = state
        data = to_js(list(curves.sampled(self._figure, MOST_POINTS)))
        if self._plot is None:
            self._make(data)
        else:
            self._plot.setData(data)

    def clear(self) -> None:
        """Empties the chart: what is shown from now on has no curve yet."""
        self._drawn = None
        if self._plot is not None:
            self._plot.setData(to_js([[], [], []]))

    def _make(self, data: Any) -> None:
        element = by_id(self._place)
        element.replaceChildren()
        options = to_js(
            {
                "width": element.clientWidth,
                "height": HEIGHT_PX,
                "scales": {"x": {"time": False}},
                "series": [
                    {"label": "Step"},
                    {"label": "Training", "width": 2, "points": {"show": False}},
                    {"label": "Validation", "width": 2, "spanGaps": True},
                ],
                "axes": [{}, {"size": 56}],
            }
        )
        for series, colour in ((1, "--ember"), (2, "--second")):
            options.series[series].stroke = _colour(colour)
        for axis in (0, 1):
            options.axes[axis].stroke = _colour("--ink-soft")
            options.axes[axis].grid = to_js({"stroke": None})
            options.axes[axis].grid.stroke = _colour("--line")
        if self._top is not None:
            options.scales.y = to_js({"range": [0, self._top]})
        self._plot = js.uPlot.new(options, data, element)
        observer = js.ResizeObserver.new(create_proxy(self._resize))
        observer.observe(element)

    def _resize(self, _entries: Any, _observer: Any) -> None:
        width = by_id(self._place).clientWidth
        if width and width != self._plot.width:
            self._plot.setSize(to_js({"width": width, "height": HEIGHT_PX}))


def _colour(token: str) -> Any:
    """A function that uPlot asks at each drawing, so that light and dark are followed."""

    def now(*_plot: Any) -> str:
        return str(js.getComputedStyle(by_id("main")).getPropertyValue(token))

    return create_proxy(now)
