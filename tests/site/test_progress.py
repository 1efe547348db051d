"""What is shown while something takes long."""

import io

import pytest

from backburner_site.progress import Progress, Step, duration_words, size_words, time_left_s


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.42, "0.4 s"), (9.96, "10 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_are_short(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


@pytest.mark.parametrize(
    ("count_bytes", "words"), [(812, "812 B"), (57523, "57.5 kB"), (106_300_000, "106.3 MB")]
)
def test_sizes_are_short(count_bytes: int, words: str) -> None:
    assert size_words(count_bytes) == words


def test_the_time_left_follows_from_the_pace_so_far() -> None:
    assert time_left_s(25, 100, 10) == 30
    assert time_left_s(0, 100, 10) is None
    assert time_left_s(120, 100, 10) == 0


def test_a_download_shows_bytes_and_time_left() -> None:
    step = Step("Fetching")
    step.started -= 10
    step.advance_bytes(1_000_000, 4_000_000)
    assert "1.0 MB of 4.0 MB" in step.line()
    assert "about 30 s left" in step.line()


def test_a_download_of_unknown_size_shows_bytes_only() -> None:
    step = Step("Fetching")
    step.advance_bytes(1_000_000, None)
    assert "1.0 MB" in step.line()
    assert "left" not in step.line()


def test_a_step_says_that_it_began_and_how_it_ended() -> None:
    shown = io.StringIO()
    with Progress(shown).step("Baking"):
        pass
    first, last = shown.getvalue().splitlines()
    assert first == "Baking …"
    assert last.startswith("Baking · ")
    assert last.endswith(" · done")


def test_a_step_that_raises_is_shown_as_failed() -> None:
    shown = io.StringIO()
    with pytest.raises(ValueError, match="burnt"), Progress(shown).step("Baking"):
        raise ValueError("burnt")
    assert shown.getvalue().endswith(" · failed\n")
