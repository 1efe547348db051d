"""The figures of the dashboard, what runs are called, and which lines of the log are shown."""

from __future__ import annotations

import math

import pytest

from backburner.core.figure_words import figure_words, has_figures, layer_rows, memory, score_words
from backburner.core.lifecycle import Status
from backburner.core.logs import LogRecord, at_least
from backburner.core.messages import Baseline, LayerFacts, Score
from backburner.core.naming import name_of
from tests.core.makers import ENGLISH, model_ready, operation, progressed


def test_what_is_not_known_is_a_dash() -> None:
    words = figure_words(ENGLISH, operation())
    assert set(words.values()) == {"–"}
    assert not has_figures(operation())


def test_the_figures_of_a_run_under_way() -> None:
    running = operation(
        status=Status.RUNNING,
        progress=progressed(8, elapsed_s=12.0, eta_s=90.0, samples_per_s=1_234.0),
        epoch_ends=progressed(8).epoch_ends,
        parameters=810,
        promised_s=120.0,
        promised_bytes=1_000_000,
        checkpoint=4,
        backend="wasm",
        mode="main-thread",
    )
    assert has_figures(running)
    assert figure_words(ENGLISH, running) == {
        "epoch": "2 of 10",
        "step": "8 of 40",
        "loss": "0.1250",
        "accuracy": "50.0 %",
        "validation": "25.0 %",
        "elapsed": "12 s",
        "checkpoint": "step 4",
        "speed": "1,234",
        "ms-per-step": "10.0 ms",
        "left": "1 min 30 s",
        "promised": "2 min",
        "backend": "wasm",
        "thread": "this page",
        "parameters": "810",
        "memory": "3.2 kB",
        "needed": "1.0 MB",
    }


@pytest.mark.parametrize(
    ("kernels", "words"), [(None, "wasm"), ("stock", "wasm"), ("simd", "wasm (simd)")]
)
def test_kernels_of_ours_are_named_beside_the_backend(kernels: str | None, words: str) -> None:
    assert figure_words(ENGLISH, operation(backend="wasm", kernels=kernels))["backend"] == words


@pytest.mark.parametrize("status", [Status.PAUSED, Status.STOPPED, Status.COMPLETED])
def test_no_time_is_left_where_nothing_moves(status: Status) -> None:
    assert figure_words(ENGLISH, operation(status=status, progress=progressed()))["left"] == "–"


def test_memory_is_written_in_the_unit_that_fits() -> None:
    assert memory(ENGLISH, 999_949) == "999.9 kB"
    assert memory(ENGLISH, 12_345_678) == "12.3 MB"


def test_a_layer_is_named_with_its_shape_and_its_weights() -> None:
    layer = LayerFacts(name="conv2d_1", type="conv2d", shape=(6, 6, 8), parameters=1_200)
    assert layer_rows(ENGLISH, (layer,)) == [("conv2d_1", "6 × 6 × 8", "1,200")]


@pytest.mark.parametrize(
    ("name", "model", "called"),
    [
        ("<b>mine</b>", {"preset": "tiny"}, "<b>mine</b>"),
        ("", {"preset": "tiny"}, "Tiny"),
        ("", {"preset": "of a newer version"}, "of a newer version"),
        ("", {"layers": []}, "own layers"),
        ("", None, "own layers"),
    ],
)
def test_a_run_is_called_by_its_name_or_by_its_network(
    name: str, model: object, called: str
) -> None:
    assert name_of(ENGLISH, operation(name=name, recipe={"model": model})) == called


def test_the_log_shows_a_level_and_all_that_is_worse() -> None:
    records = [
        LogRecord(time=1.0, level=level, source="page", operation=None, message="…")
        for level in ("debug", "info", "warning", "error")
    ]
    assert at_least(records, "debug") == records
    assert [each.level for each in at_least(records, "warning")] == ["warning", "error"]


def test_a_test_on_text_is_told_in_bits_beside_those_who_only_count() -> None:
    run = operation(
        recipe={"recipe": 1, "data": {"source": "text"}},
        test=Score(loss=math.log(2) * 2.04, accuracy=0.6),
        baselines=(
            Baseline(part="validation", unigram=9.0, bigram=9.0),
            Baseline(part="test", unigram=4.56, bigram=3.689),
        ),
    )
    words = score_words(ENGLISH, run)
    assert words.startswith("2.04 bits for each character")
    assert "needs 3.69" in words
    assert "occurs 4.56" in words


def test_a_test_on_pictures_is_told_in_shares() -> None:
    run = operation(model=model_ready(), test=Score(loss=0.1, accuracy=0.5))
    assert score_words(ENGLISH, run) == "50.0 % of 2 test examples are right."
