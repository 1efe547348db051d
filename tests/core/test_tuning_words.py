"""What a fine-tuning trains, told before it begins; and what came of it, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backburner.core.fine_tuning import Base
from backburner.core.layers import Dense, Embedding
from backburner.core.messages import Comparison, Measured, OldAndNew
from backburner.core.tuning_words import comparison_rows, forgotten_words, trainable_words
from tests.core.makers import ENGLISH
from tests.core.test_beginnings import TRAINED, beginning

NETWORK = beginning(TRAINED).base
KNOWN = Measured(accuracy=0.95, loss=0.2, count=179)
COMPARISON = Comparison(
    before=OldAndNew(old=KNOWN, new=Measured(accuracy=0.0, loss=None, count=1)),
    after=OldAndNew(
        old=replace(KNOWN, accuracy=0.75), new=Measured(accuracy=1.0, loss=0.1, count=1)
    ),
)


@pytest.mark.parametrize(
    ("method", "classes", "words"),
    [
        ({"name": "all"}, "01", "810 of 810 weights learn. It will answer with 10 classes."),
        ({"name": "head"}, "01", "730 of 810 weights learn. It will answer with 10 classes."),
        ({"name": "head"}, "0x", "803 of 883 weights learn. It will answer with 11 classes."),
    ],
)
def test_how_many_weights_learn_is_known_before(
    method: dict[str, object], classes: str, words: str
) -> None:
    network = beginning({**TRAINED, "model": {"layers": [
        {"type": "conv2d", "filters": 8, "kernel_size": 3}, {"type": "max_pooling2d"},
        {"type": "flatten"}]}}).base  # fmt: skip
    assert trainable_words(ENGLISH, network, method, classes) == words


def test_what_cannot_be_is_said_in_its_place() -> None:
    words = trainable_words(ENGLISH, NETWORK, {"name": "last", "layers": 99}, "01")
    assert words.startswith("method.layers is 99")
    assert "method.rank" in trainable_words(ENGLISH, NETWORK, {"name": "lora", "rank": "x"}, "01")


def test_before_and_after_stand_side_by_side() -> None:
    rows = comparison_rows(ENGLISH, COMPARISON)
    assert rows["old"] == ("179 of what it knew", "95.0 %", "75.0 %")
    assert rows["new"] == ("1 of the new data", "0.0 %", "100.0 %")
    without = replace(COMPARISON, before=None, after=OldAndNew(old=None, new=None))
    assert comparison_rows(ENGLISH, without) == {}
    early = replace(COMPARISON, before=None)
    assert comparison_rows(ENGLISH, early)["old"][1:] == ("–", "75.0 %")


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [(0.75, "it forgot 20.0 %"), (0.95, "forgot nothing"), (1.0, "better at what it knew, by 5.0")],
)
def test_what_was_forgotten_is_said_whichever_way_it_went(accuracy: float, words: str) -> None:
    after = OldAndNew(old=replace(KNOWN, accuracy=accuracy), new=None)
    assert words in forgotten_words(ENGLISH, replace(COMPARISON, after=after))
    assert forgotten_words(ENGLISH, replace(COMPARISON, before=None)) == ""


def test_a_network_that_reads_keeps_its_characters_whatever_the_text() -> None:
    base = Base(
        layers=(Embedding(output_dim=2), Dense(units=2)), input_shape=(4,), classes=("a", "b")
    )
    assert (
        trainable_words(ENGLISH, base, {"name": "head"}, ("x", "y", "z"))
        == "6 of 10 weights learn."
    )
