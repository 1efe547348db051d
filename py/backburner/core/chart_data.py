"""What a chart draws of a curve that keeps growing: as many points as it has pixels, no more.

A training of 20,000 steps reports ten times a second. Nothing here goes over all its points for
a report: what was averaged or smoothed once stays so, and a report costs what it brings.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Literal

from backburner.core.curves import Curves

STRONGEST_SMOOTHING = 0.99

Points = tuple["array[float]", "array[float]"]
"""x and y, of equal length."""


def smoothed(
    values: Iterable[float], smoothing: float, before: float | None = None
) -> array[float]:
    """The exponential moving average: each value counts `1 - smoothing`, all before the rest.

    `before` is the average so far, where `values` go on with a curve. The first value of all
    stands for itself, so that the average starts on the curve and not at zero.
    """
    weight = 1.0 - min(max(smoothing, 0.0), STRONGEST_SMOOTHING)
    averages = accumulate(
        values, lambda average, value: average + weight * (value - average), initial=before
    )
    if before is not None:
        next(averages)
    return array("d", averages)


def means(values: Sequence[float], first: int, last: int, stretch: int) -> array[float]:
    """The means of `values[first:last]` over stretches; the last one may be shorter."""
    parts = (values[at : min(at + stretch, last)] for at in range(first, last, stretch))
    return array("d", (sum(part) / len(part) for part in parts))


class Trace:
    """One figure of a growing curve, smoothed and thinned for drawing.

    `steps` and `values` are the curve's own arrays, which only ever grow at their end; `follow`
    takes over what they have gained. `most` is how many points are drawn at most.
    """

    def __init__(
        self, steps: array[float], values: array[float], *, smoothing: float = 0.0, most: int = 800
    ) -> None:
        self._steps = steps
        self._values = values
        self._smoothing = smoothing
        self._most = most
        self._smooth = values if smoothing <= 0 else array("d")
        self._stretch = 1
        self._thin_steps = array("d")
        self._thin_values = array("d")

    def follow(self) -> None:
        """Takes over the points that came since; costs as much as there are of them."""
        if self._smooth is not self._values:
            done = len(self._smooth)
            before = self._smooth[-1] if done else None
            self._smooth.extend(smoothed(self._values[done:], self._smoothing, before))
        stretch = self._stretch
        done = len(self._thin_steps) * stretch
        full = (len(self._smooth) - done) // stretch
        if full:
            end = done + full * stretch
            self._thin_values.extend(means(self._smooth, done, end, stretch))
            self._thin_steps.extend(self._steps[done + stretch - 1 : end : stretch])
        while len(self._thin_steps) > self._most:
            self._halve()

    def all(self) -> Points:
        """The whole curve. The last point stands for what does not fill a stretch yet."""
        done = len(self._thin_steps) * self._stretch
        x, y = self._thin_steps[:], self._thin_values[:]
        if done < len(self._smooth):
            x.append(self._steps[len(self._smooth) - 1])
            y.extend(means(self._smooth, done, len(self._smooth), self._stretch))
        return x, y

    def between(self, low: float, high: float) -> Points:
        """The part from step `low` to `high`, as finely as the chart can show it.

        One point more on each side, so that the line runs out of the picture and does not end
        in it.
        """
        first = max(0, bisect_left(self._steps, low) - 1)
        last = min(len(self._smooth), bisect_right(self._steps, high) + 1)
        stretch = max(1, -(-(last - first) // self._most))
        ends = range(first + stretch - 1, last, stretch)
        x = array("d", (self._steps[at] for at in ends))
        if (last - first) % stretch:
            x.append(self._steps[last - 1])
        return x, means(self._smooth, first, last, stretch)

    def _halve(self) -> None:
        """Makes one point of two, for twice the stretch; an odd last one is averaged again."""
        pairs = len(self._thin_steps) // 2
        even, odd = self._thin_values[0 : 2 * pairs : 2], self._thin_values[1 : 2 * pairs : 2]
        self._thin_values = array("d", ((a + b) / 2 for a, b in zip(even, odd, strict=True)))
        self._thin_steps = self._thin_steps[1 : 2 * pairs : 2]
        self._stretch *= 2


Trend = Literal["falling", "rising", "level"]

_LEVEL = 0.02
"""A change of less than a fiftieth is none that the eye would see."""


def trend(values: Sequence[float]) -> Trend | None:
    """Where a curve is going: its last fifth against the fifth before. None for too few points."""
    part = len(values) // 5
    if not part:
        return None
    now = sum(values[-part:]) / part
    before = sum(values[-2 * part : -part]) / part
    if abs(now - before) <= _LEVEL * max(abs(now), abs(before)):
        return "level"
    return "rising" if now > before else "falling"


def nearest(points: Points, x: float) -> tuple[float, float] | None:
    """The point closest to `x`; None beyond the line's ends, and where there is none at all."""
    steps, values = points
    if not steps or not steps[0] <= x <= steps[-1]:
        return None
    after = bisect_left(steps, x)
    candidates = [at for at in (after - 1, after) if 0 <= at < len(steps)]
    at = min(candidates, key=lambda each: abs(steps[each] - x))
    return steps[at], values[at]


Per = Literal["step", "epoch"]
Figure = Literal["loss", "accuracy"]
Window = tuple[float, float]


class Drawing:
    """One figure of a run's curves as its chart draws it: training, and validation.

    Follows the curves as they grow. Validation has a point for each epoch, drawn at the epoch's
    last step where the chart counts steps.
    """

    def __init__(
        self, curves: Curves, figure: Figure, *, smoothing: float = 0.0, most: int = 800
    ) -> None:
        self.curves = curves
        self._figure = figure
        values = curves.loss if figure == "loss" else curves.accuracy
        self._trace = Trace(curves.step, values, smoothing=smoothing, most=most)
        self._epochs = array("d")
        self._means = array("d")
        self._scored_epochs = array("d")
        self._scored_steps = array("d")
        self._scores = array("d")
        self._seen = 0

    def lines(self, per: Per, window: Window | None = None) -> tuple[Points, Points]:
        """The two lines, up to the newest point; of a part only where there is a window."""
        self._trace.follow()
        self._follow_epochs()
        if per == "epoch":
            return (self._epochs[:], self._means[:]), (self._scored_epochs[:], self._scores[:])
        training = self._trace.between(*window) if window else self._trace.all()
        return training, (self._scored_steps[:], self._scores[:])

    def _follow_epochs(self) -> None:
        for end in self.curves.epochs[self._seen :]:
            self._epochs.append(end.epoch)
            self._means.append(getattr(end, self._figure))
            if end.validation is not None:
                self._scored_epochs.append(end.epoch)
                self._scored_steps.append(end.step)
                self._scores.append(getattr(end.validation, self._figure))
        self._seen = len(self.curves.epochs)


def moved(points: Points, x: float | None, by: int) -> float | None:
    """The x that lies `by` points after the one nearest to `x`, or before it; within the line.

    With no `x` yet it is the newest point. None where there is none at all.
    """
    steps, _ = points
    if not steps:
        return None
    if x is None:
        return steps[-1]
    found = nearest(points, min(max(x, steps[0]), steps[-1]))
    assert found is not None
    at = bisect_left(steps, found[0]) + by
    return steps[min(max(at, 0), len(steps) - 1)]


def zoomed(
    window: Window | None, whole: Window, around: float | None, factor: float
) -> Window | None:
    """The window narrowed (or, with a factor above 1, widened) around a point, or the newest.

    None is the whole; a window narrower than two steps shows nothing and is not given.
    """
    low, high = window or whole
    width = (high - low) * factor
    if width >= whole[1] - whole[0]:
        return None
    width = max(width, 2.0)
    middle = high if around is None else around
    low = min(max(middle - width / 2, whole[0]), whole[1] - width)
    return (low, low + width)
