"""Curves made ready for drawing: thinned, smoothed, and never gone over twice."""

from __future__ import annotations

from array import array
from dataclasses import replace
from itertools import pairwise

import pytest

from backburner.core.chart_data import (
    Drawing,
    Trace,
    means,
    moved,
    nearest,
    smoothed,
    trend,
    zoomed,
)
from backburner.core.curves import Curves
from tests.core.makers import progressed


class CountingValues(array):  # type: ignore[type-arg]
    """An array that counts how many of its values were read in slices."""

    read = 0

    def __getitem__(self, at):  # type: ignore[no-untyped-def]
        got = super().__getitem__(at)
        if isinstance(at, slice):
            type(self).read += len(got)
        return got


def grown(count: int, **options: float) -> tuple[Trace, array[float], array[float]]:
    """A trace that followed a curve of `count` points, ten at a time."""
    steps, values = array("d"), array("d")
    trace = Trace(steps, values, **options)  # type: ignore[arg-type]
    for step in range(1, count + 1):
        steps.append(step)
        values.append(1.0 / step)
        if step % 10 == 0:
            trace.follow()
    trace.follow()
    return trace, steps, values


def test_a_short_curve_is_drawn_point_by_point() -> None:
    trace, steps, values = grown(50, most=100)
    assert trace.all() == (steps, values)


@pytest.mark.parametrize("count", [99, 100, 101, 200, 201, 333, 1_000, 20_000])
def test_a_long_curve_keeps_its_end_its_order_and_its_mean(count: int) -> None:
    trace, steps, values = grown(count, most=100)
    x, y = trace.all()
    assert 50 <= len(x) == len(y) <= 101
    assert x[-1] == steps[-1]
    assert all(a < b for a, b in pairwise(x))
    stretches = [b - a for a, b in pairwise([0.0, *x])]
    assert sum(w * v for w, v in zip(stretches, y, strict=True)) == pytest.approx(sum(values))


def test_following_in_small_pieces_gives_what_one_piece_gives() -> None:
    slow, steps, values = grown(1_234, most=64, smoothing=0.9)
    fast = Trace(steps, values, most=64, smoothing=0.9)
    fast.follow()
    (x, y), (x_too, y_too) = slow.all(), fast.all()
    assert x == x_too
    assert list(y) == pytest.approx(list(y_too))


def test_a_report_costs_what_it_brings_and_not_the_whole_curve() -> None:
    steps, values = array("d"), CountingValues("d")
    trace = Trace(steps, values, most=100)
    for step in range(1, 20_001):
        steps.append(step)
        values.append(0.5)
    trace.follow()
    CountingValues.read = 0
    for step in range(20_001, 20_101):
        steps.append(step)
        values.append(0.5)
        if step % 10 == 0:
            trace.follow()
            trace.all()
    # Ten reports of ten points; the tail of an unfinished stretch is read once a report.
    assert CountingValues.read <= 100 + 10 * 256


def test_a_part_is_shown_as_finely_as_the_chart_can() -> None:
    trace, _, values = grown(20_000, most=100)
    x, y = trace.between(500, 560)
    assert (x[0], x[-1]) == (499, 561)
    assert list(y) == [values[int(step) - 1] for step in x]
    x, y = trace.between(5_000, 15_000)
    assert len(x) == len(y) <= 101
    assert x[-1] == 15_001
    assert trace.between(30_000, 40_000)[0] == array("d", [20_000])


def test_smoothing_follows_the_curve_and_starts_on_it() -> None:
    assert list(smoothed([4.0, 0.0, 0.0], 0.5)) == [4.0, 2.0, 1.0]
    assert list(smoothed([1.0, 2.0], 0.0)) == [1.0, 2.0]
    assert list(smoothed([], 0.5)) == []
    assert list(smoothed([0.0], 0.5, before=2.0)) == [1.0]
    level = smoothed([3.0] * 50, 0.99)
    assert list(level) == [3.0] * 50


def test_means_of_stretches() -> None:
    assert list(means([1.0, 3.0, 5.0, 7.0, 9.0], 0, 5, 2)) == [2.0, 6.0, 9.0]
    assert list(means([1.0, 3.0, 5.0], 1, 1, 2)) == []


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1.0, 0.5], None),
        ([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1], "falling"),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], "rising"),
        ([0.5] * 10, "level"),
        ([0.0] * 10, "level"),
    ],
)
def test_the_trend_is_said(values: list[float], found: str | None) -> None:
    assert trend(values) == found


LINE = (array("d", [2.0, 4.0, 8.0]), array("d", [0.2, 0.4, 0.8]))
NOTHING = (array("d"), array("d"))


@pytest.mark.parametrize(
    ("x", "found"),
    [(2.0, (2.0, 0.2)), (2.9, (2.0, 0.2)), (7.0, (8.0, 0.8)), (8.0, (8.0, 0.8)), (1.9, None)],
)
def test_the_cursor_reads_off_the_nearest_point_of_a_line(
    x: float, found: tuple[float, float] | None
) -> None:
    assert nearest(LINE, x) == found
    assert nearest(NOTHING, x) is None


@pytest.mark.parametrize(
    ("x", "by", "found"),
    [(None, -1, 8.0), (8.0, -1, 4.0), (4.1, 1, 8.0), (2.0, -1, 2.0), (9.0, 10, 8.0), (0.0, 0, 2.0)],
)
def test_the_keys_move_from_point_to_point_and_stop_at_the_ends(
    x: float | None, by: int, found: float
) -> None:
    assert moved(LINE, x, by) == found
    assert moved(NOTHING, x, by) is None


def test_zooming_narrows_around_the_cursor_or_the_newest_and_stays_inside() -> None:
    whole = (1.0, 101.0)
    assert zoomed(None, whole, 51.0, 0.5) == (26.0, 76.0)
    assert zoomed(None, whole, None, 0.5) == (51.0, 101.0)
    assert zoomed((26.0, 76.0), whole, 30.0, 0.5) == (17.5, 42.5)
    assert zoomed(None, whole, 2.0, 0.5) == (1.0, 51.0)
    assert zoomed((26.0, 76.0), whole, 51.0, 2.0) is None
    assert zoomed((50.0, 52.0), whole, 51.0, 0.5) == (50.0, 52.0)


def test_a_drawing_has_validation_at_the_ends_of_epochs_and_follows_the_curves() -> None:
    curves = Curves()
    drawing = Drawing(curves, "loss")
    assert drawing.lines("step") == (NOTHING, NOTHING)
    for step in range(1, 10):
        curves.extend(progressed(step))
        drawing.lines("step")
    (steps, losses), (ends, scores) = drawing.lines("step")
    assert (list(steps), list(losses)) == (list(curves.step), list(curves.loss))
    assert (list(ends), list(scores)) == ([4.0, 8.0], [0.5, 0.25])
    (epochs, _), (scored, _) = drawing.lines("epoch")
    assert list(epochs) == list(scored) == [1.0, 2.0]
    assert list(drawing.lines("step", (3.0, 5.0))[0][0]) == [2.0, 3.0, 4.0, 5.0, 6.0]


def test_an_epoch_without_validation_has_no_point_there() -> None:
    curves = Curves()
    ends = tuple(replace(end, validation=None) for end in progressed(4).epoch_ends)
    curves.extend(progressed(4, epoch_ends=ends))
    assert Drawing(curves, "accuracy").lines("step")[1] == NOTHING
    assert list(Drawing(curves, "accuracy").lines("epoch")[0][1]) == [0.5]
