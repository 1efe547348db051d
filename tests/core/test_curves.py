"""Curves, pace and the words around them."""

from __future__ import annotations

from typing import Any

import pytest

from backburner.core.curves import Curves
from backburner.core.figures import Pace
from backburner.core.layers import layer_from_wire
from backburner.core.lifecycle import Status, WorkerStatus
from backburner.core.presets import PRESETS
from backburner.core.state import Worker
from backburner.core.wording import duration, layer_words, status_word, worker_line
from tests.core.makers import ENGLISH, progressed


def filled(steps: int) -> Curves:
    curves = Curves()
    for step in range(1, steps + 1):
        curves.extend(progressed(step))
    return curves


def test_points_are_kept_in_order_and_only_once() -> None:
    curves = filled(4)
    curves.extend(progressed(3, 4, 5))
    history = curves.as_dict()
    assert history["step"] == [1, 2, 3, 4, 5]
    assert len(history["loss"]) == len(history["accuracy"]) == 5  # type: ignore[arg-type]
    assert [end["epoch"] for end in history["epochs"]] == [1]  # type: ignore[attr-defined]


def test_a_short_curve_is_drawn_point_by_point() -> None:
    steps, training, validation = filled(4).sampled("loss", 100)
    assert steps == [1, 2, 3, 4]
    assert training == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    assert validation == [None, None, None, 0.5]


@pytest.mark.parametrize("count", [7, 8, 9, 100, 101])
def test_a_long_curve_is_drawn_as_means_and_keeps_its_end(count: int) -> None:
    steps, training, validation = filled(count).sampled("loss", 8)
    means = [value for value in training if value is not None]
    assert len(means) <= 8
    assert steps == sorted(steps)
    assert steps[-1] == count
    assert sum(value is not None for value in validation) == count // 4


def test_the_pace_knows_nothing_before_the_first_step() -> None:
    pace = Pace()
    assert (pace.ms_per_step, pace.samples_per_s, pace.time_left_s(10)) == (0, 0, 0)


def test_curves_that_were_kept_in_pieces_are_whole_again() -> None:
    whole, rejoined = Curves(), Curves()
    for report in (progressed(1, 2, 3, 4, 5), progressed(6, 7, 8)):
        piece = Curves()
        piece.extend(report)
        whole.extend(report)
        # A piece that comes twice, or overlaps the one before, adds nothing twice.
        for _ in range(2):
            rejoined.append(Curves.from_bytes(piece.to_bytes(), piece.epochs))
    assert rejoined.to_bytes() == whole.to_bytes()
    assert rejoined.epochs == whole.epochs


def test_the_pace_follows_the_last_seconds_of_work() -> None:
    pace = Pace(window_ms=100)
    for _ in range(50):
        pace.add(50.0, 32)
    for _ in range(50):
        pace.add(10.0, 32)
    assert pace.ms_per_step == pytest.approx(10.0)
    assert pace.samples_per_s == pytest.approx(3_200.0)
    assert pace.time_left_s(100) == pytest.approx(1.0)
    assert pace.total_ms == pytest.approx(3_000.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.85, "850 ms"),
        (12.2, "12 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (1_234, "20 min"),
        (7_500, "2 h 5 min"),
        (7_200, "2 h"),
    ],
)
def test_a_duration_reads_as_people_say_it(seconds: float, words: str) -> None:
    assert duration(ENGLISH, seconds) == words


def test_every_status_has_its_word() -> None:
    assert all(status_word(ENGLISH, status) for status in Status)
    for worker in WorkerStatus:
        assert worker_line(ENGLISH, Worker(status=worker, problem="it hangs"))


def test_every_layer_of_a_preset_has_its_words() -> None:
    assert all(layer_words(ENGLISH, layer) for layers in PRESETS.values() for layer in layers)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"type": "embedding", "output_dim": 32}, "32 numbers for each character"),
        ({"type": "conv1d", "filters": 1, "kernel_size": 3}, "1 filter over 3"),
        ({"type": "depthwise_conv2d", "kernel_size": 3}, "1 filter 3 × 3 for each channel"),
        (
            {"type": "separable_conv2d", "filters": 8, "kernel_size": [3, 5]},
            "8 separable filters 3 × 5",
        ),
        (
            {
                "type": "residual",
                "layers": [{"type": "batch_normalization"}, {"type": "dense", "units": 4}],
            },
            "added to its input: normalized over the batch, 4 units",
        ),
        ({"type": "reshape", "target_shape": [-1]}, "reshape"),
    ],
)
def test_a_layer_reads_as_people_say_it(layer: dict[str, Any], words: str) -> None:
    assert layer_words(ENGLISH, layer_from_wire(layer)) == words
