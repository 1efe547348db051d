"""What a text model is held against is computed on exactly the characters that it is asked for."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from backburner.core.split import SplitRecipe
from backburner.core.text_data import TextData
from backburner.engine.baselines import baselines
from backburner.engine.data import Dataset, Split, split_at_random

TEXT = "".join(chr(97 + i * i * i % 7) for i in range(400)) + " the cat sat on the mat." * 20


def dataset_of(text: str, context: int = 10) -> Dataset:
    return Dataset.from_text(text, TextData.from_wire({"text": text, "context": context}))


def test_both_are_what_a_slow_count_says() -> None:
    data = dataset_of(TEXT)
    split = split_at_random(len(data), SplitRecipe(), 7)

    def pairs(windows: tuple[int, ...]) -> list[tuple[str, str]]:
        starts = [10 * window for window in windows]
        return [(TEXT[at], TEXT[at + 1]) for start in starts for at in range(start, start + 10)]

    trained = pairs(split.train)
    singles, both = Counter(after for _, after in trained), Counter(trained)
    befores = Counter(before for before, _ in trained)
    symbols = len(set(TEXT))

    def unigram(after: str) -> float:
        return (singles[after] + 1) / (len(trained) + symbols)

    def bigram(before: str, after: str) -> float:
        kinds = len({pair for pair in both if pair[0] == before})
        if not kinds:
            return unigram(after)
        return (both[before, after] + kinds * unigram(after)) / (befores[before] + kinds)

    found = baselines(data, split)
    assert [each.part for each in found] == ["validation", "test"]
    for each, windows in zip(found, (split.validation, split.test), strict=True):
        asked = pairs(windows)
        assert each.unigram == pytest.approx(
            -sum(math.log2(unigram(after)) for _, after in asked) / len(asked)
        )
        assert each.bigram == pytest.approx(
            -sum(math.log2(bigram(*pair)) for pair in asked) / len(asked)
        )


def test_a_text_of_chance_is_as_hard_for_both_and_one_of_rules_easy_for_the_bigram() -> None:
    ruled = dataset_of("abcdefgh" * 200)
    found = baselines(ruled, split_at_random(len(ruled), SplitRecipe(), 0))[0]
    assert found.unigram == pytest.approx(3, abs=0.01)
    assert found.bigram == pytest.approx(0, abs=0.05)


def test_characters_that_training_never_saw_cost_much_but_not_everything() -> None:
    data = dataset_of("a" * 25 + "b" * 25, context=8)
    split = Split(train=(0, 1), validation=(4, 5), test=())
    (found,) = baselines(data, split)
    assert found.part == "validation"
    assert math.isfinite(found.bigram)
    assert found.bigram > 3
