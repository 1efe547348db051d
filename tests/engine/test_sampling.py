"""What is written follows from the model, the settings, the seed and the place alone."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backburner.core.errors import DataError, TrainingDiverged
from backburner.core.generation import Generation
from backburner.core.text_data import OTHER
from backburner.engine.sampling import Sampler, choose
from backburner.engine.streaming import Stream
from backburner.engine.text_statistics import TextStatistics
from tests.engine.texts import SYMBOLS, drawn_weights, text_spec

SPEC = text_spec()
WEIGHTS = drawn_weights(SPEC)
LOGITS = np.log(np.array([0.1, 0.4, 0.2, 0.3], np.float32))


def sampler(seed: int = 7, **changes: Any) -> Sampler:
    return Sampler.from_weights(SPEC, WEIGHTS, SYMBOLS, **{"seed": seed, **changes})


def written(writer: Sampler, count: int, start: int = 0, **settings: Any) -> str:
    generation = Generation(**settings)
    return "".join(writer.next(generation, index)[0] for index in range(start, start + count))


def drawn(at: float, **settings: Any) -> int:
    return choose(LOGITS, Generation(**{"temperature": 1.0, **settings}), at)[0]


def test_the_same_seed_writes_the_same_text_and_another_another_one() -> None:
    assert written(sampler(), 60) == written(sampler(), 60)
    assert written(sampler(), 60) != written(sampler(seed=8), 60)


def test_a_text_that_is_taken_up_goes_on_as_it_would_have() -> None:
    first = sampler()
    first.read("abba ")
    whole = written(first, 50)
    again = sampler()
    again.read("abba " + whole[:20])
    assert whole[:20] + written(again, 30, start=20) == whole


def test_a_prompt_is_read_and_the_text_depends_on_it() -> None:
    one, other = sampler(), sampler()
    one.read("a")
    other.read("b")
    _, probable = one.next(Generation(temperature=0), 0)
    _, other_probable = other.next(Generation(temperature=0), 0)
    assert probable != other_probable


def test_without_a_prompt_a_text_begins_as_after_a_line_end() -> None:
    asked = sampler()
    asked.read("\n")
    assert written(sampler(), 20) == written(asked, 20)


def test_a_character_that_the_model_does_not_know_is_refused_and_nothing_is_read() -> None:
    writer = sampler()
    with pytest.raises(DataError) as caught:
        writer.read("abz")
    assert '"z"' in caught.value.message
    assert caught.value.key == "generation.prompt"
    assert written(writer, 20) == written(sampler(), 20)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_model_that_ran_away_writes_nothing_and_says_why(number: float) -> None:
    name = f"{SPEC.layers[-1].name}/bias"
    broken = np.full(len(SYMBOLS), number, np.float32).tobytes()
    weights = {**WEIGHTS, name: replace(WEIGHTS[name], data=broken)}
    with pytest.raises(TrainingDiverged, match="smaller learning rate"):
        Sampler.from_weights(SPEC, weights, SYMBOLS).next(Generation(), 0)


def test_of_a_long_prompt_only_what_the_model_can_see_costs_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer = sampler()
    steps: list[int] = []
    step = Stream.step
    monkeypatch.setattr(
        Stream, "step", lambda self, symbol: (steps.append(symbol), step(self, symbol))[1]
    )
    writer.read("ab" * 5_000)
    assert len(steps) == Stream(SPEC, WEIGHTS).reach
    steps.clear()
    written(writer, 25)
    assert len(steps) == 25


def test_at_temperature_0_the_likeliest_comes_whatever_is_drawn() -> None:
    assert {drawn(at / 10, temperature=0) for at in range(10)} == {1}
    assert choose(LOGITS, Generation(temperature=0), 0.99)[1] == pytest.approx(0.4)


def test_of_equally_likely_characters_the_first_is_the_likeliest() -> None:
    level = np.zeros(4, np.float32)
    assert choose(level, Generation(temperature=0), 0.5)[0] == 0
    assert choose(level, Generation(temperature=1, top_k=2), 0.99)[0] == 1


def test_characters_come_as_often_as_they_are_probable() -> None:
    found = Counter(drawn(at / 1000) for at in range(1000))
    assert [found[symbol] for symbol in range(4)] == pytest.approx([100, 400, 200, 300], abs=2)


@pytest.mark.parametrize(
    ("temperature", "share"), [(0.5, 0.4**2 / 0.3), (1.0, 0.4), (5.0, 0.4**0.2 / 3.0144)]
)
def test_temperature_sharpens_below_1_and_flattens_above(temperature: float, share: float) -> None:
    found = Counter(drawn(at / 1000, temperature=temperature) for at in range(1000))
    assert found[1] / 1000 == pytest.approx(share, abs=0.01)


def test_top_k_leaves_only_so_many() -> None:
    assert {drawn(at / 100, top_k=1) for at in range(100)} == {1}
    assert {drawn(at / 100, top_k=2) for at in range(100)} == {1, 3}
    assert {drawn(at / 100, top_k=200) for at in range(100)} == {0, 1, 2, 3}


def test_top_p_leaves_the_fewest_that_have_the_probability() -> None:
    assert {drawn(at / 100, top_p=0) for at in range(100)} == {1}
    assert {drawn(at / 100, top_p=0.39) for at in range(100)} == {1}
    assert {drawn(at / 100, top_p=0.69) for at in range(100)} == {1, 3}
    assert {drawn(at / 100, top_p=0.71) for at in range(100)} == {1, 3, 2}


def test_what_stands_for_unknown_characters_is_read_but_never_written() -> None:
    symbols = (*SYMBOLS[:-1], OTHER)
    writer = Sampler.from_weights(SPEC, WEIGHTS, symbols, seed=1)
    writer.read("xyz \N{SNOWMAN}")
    text = written(writer, 300, temperature=5)
    assert OTHER not in text
    assert set(text) == set(SYMBOLS[:-1])


@given(
    logits=st.lists(st.floats(-50, 50), min_size=2, max_size=12),
    at=st.floats(0, 1, exclude_max=True),
    temperature=st.floats(0, 5),
    top_k=st.integers(0, 256),
    top_p=st.floats(0, 1),
)
def test_whatever_is_asked_one_of_the_symbols_comes(
    logits: list[float], at: float, temperature: float, top_k: int, top_p: float
) -> None:
    settings = Generation(temperature=temperature, top_k=top_k, top_p=top_p)
    chosen, probability = choose(np.array(logits, np.float32), settings, at)
    assert 0 <= chosen < len(logits)
    assert 0 <= probability <= 1


def test_statistics_grow_with_the_text() -> None:
    found = TextStatistics()
    assert found.as_dict() == {
        "characters": 0, "distinct": 0, "entropy_bits": 0.0, "surprise_bits": 0.0,
    }  # fmt: skip
    for character, probability in zip("abca", (0.5, 0.25, 0.125, 1.0), strict=True):
        found.add(character, probability)
    assert (found.characters, found.distinct) == (4, 3)
    assert found.surprise_bits == pytest.approx((1 + 2 + 3 + 0) / 4)
    assert found.entropy_bits == pytest.approx(-(0.5 * math.log2(0.5) + 2 * 0.25 * math.log2(0.25)))


def test_one_character_over_and_over_has_no_entropy() -> None:
    found = TextStatistics()
    for _ in range(1000):
        found.add("e", 1.0)
    assert found.entropy_bits == 0
