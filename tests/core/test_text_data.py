"""Texts in recipes: their characters, their windows, and what cannot be learned from."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backburner.core.errors import DataError, LayerError, RecipeError
from backburner.core.messages import Baseline, EpochEnd, Score
from backburner.core.operation import brief_recipe
from backburner.core.recipe import Recipe
from backburner.core.text_data import (
    LONGEST,
    MOST_SYMBOLS,
    OTHER,
    SHIPPED_LENGTH,
    SHIPPED_VOCABULARY,
    TextData,
    decode_text,
    normalized,
    vocabulary_of,
)
from tests.core.makers import operation
from tests.engine.texts import LAYERS, causal

STORY = "Once upon a time there was a small network. " * 200


def recipe(model: object = None, **data: Any) -> Recipe:
    wire: dict[str, Any] = {"recipe": 1, "data": {"source": "text", **data}}
    if model is not None:
        wire["model"] = model
    return Recipe.from_wire(wire)


def text_of(text: str, **options: Any) -> TextData:
    return TextData.from_wire({"source": "text", "text": text, **options})


def refusal(*args: Any, **options: Any) -> Any:
    with pytest.raises((DataError, RecipeError)) as caught:
        recipe(*args, **options)
    return caught.value


# --- characters ------------------------------------------------------------------------


def test_line_ends_and_accents_are_one_character_each() -> None:
    assert normalized("a\r\nb\rc\n") == "a\nb\nc\n"
    assert normalized("e\u0301a") == "\u00e9a"
    assert normalized("x\ud800y") == f"x{OTHER}y"
    assert normalized("\U0001f600") == "\U0001f600"


@given(st.text(st.characters(exclude_categories=[])))
def test_a_normalized_text_stays_as_it_is_and_can_be_stored(text: str) -> None:
    once = normalized(text)
    assert normalized(once) == once
    once.encode("utf-8")


def test_the_vocabulary_is_sorted_and_the_same_whatever_the_order_of_the_text() -> None:
    assert vocabulary_of("banana\n") == ("\n", "a", "b", "n")
    assert vocabulary_of("\nananab") == vocabulary_of("banana\n")


def test_of_too_many_characters_the_rarest_share_one_symbol() -> None:
    common = "".join(map(chr, range(0x4E00, 0x4E00 + 255))) * 3
    rare = "".join(map(chr, range(0x5E00, 0x5E00 + 40))) + OTHER * 9
    found = vocabulary_of(common + rare)
    assert len(found) == MOST_SYMBOLS
    assert set(found) == {*common, OTHER}
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    "content",
    [
        "Grüße…".encode(),
        b"\xef\xbb\xbf" + "Grüße…".encode(),
        b"\xff\xfe" + "Grüße…".encode("utf-16-le"),
        b"\xfe\xff" + "Grüße…".encode("utf-16-be"),
    ],
    ids=["utf-8", "utf-8 with a mark", "utf-16-le", "utf-16-be"],
)
def test_a_file_is_read_in_the_encodings_that_editors_write(content: bytes) -> None:
    assert decode_text(content) == "Grüße…"


@pytest.mark.parametrize(
    ("content", "at"),
    [
        (b"\x89PNG\r\n\x1a\n", "byte 0 (0x89)"),
        ("Grüße".encode("latin-1"), "byte 2 (0xfc)"),
        (b"\xef\xbb\xbfab\xff", "byte 5 (0xff)"),
        (b"\xff\xfea", "byte 2 (0x61)"),
    ],
)
def test_a_file_that_is_no_text_is_refused_by_its_byte(content: bytes, at: str) -> None:
    with pytest.raises(DataError) as caught:
        decode_text(content, "story.txt")
    assert caught.value.message.startswith("story.txt cannot be read as text")
    assert at in caught.value.message
    assert "UTF-8" in caught.value.message


# --- windows ---------------------------------------------------------------------------


def test_the_shipped_text_is_known_before_it_is_loaded() -> None:
    data = recipe().data
    assert isinstance(data, TextData)
    assert data.text is None
    assert (data.length, "".join(data.classes)) == (SHIPPED_LENGTH, SHIPPED_VOCABULARY)
    assert data.input_shape == (128,)
    assert data.windows == (SHIPPED_LENGTH - 1) // 128
    assert sum(data.part_sizes().values()) == data.windows


@pytest.mark.parametrize(("length", "windows"), [(16, 1), (17, 2), (24, 2), (25, 3)])
def test_the_last_character_is_only_ever_an_answer(length: int, windows: int) -> None:
    data = text_of(("ab" * length)[:length], context=8, split={"train": 1})
    assert data.windows == windows


def test_the_model_answers_at_each_position() -> None:
    read = recipe(text=STORY, context=32)
    spec = read.spec()
    assert read.model.preset == "text"
    assert spec.positions == 32
    assert spec.classes == len(set(STORY))


def test_a_recipe_writes_its_text_only_where_it_has_one() -> None:
    assert "text" not in recipe().data.to_wire()
    read = recipe(text="a\r\nb " * 2000)
    assert read.data.to_wire()["text"] == "a\nb " * 2000
    assert Recipe.from_wire(read.to_wire()) == read
    assert Recipe.from_wire(json.loads(json.dumps(read.to_wire()))) == read


def test_snapshots_and_records_only_count_a_text() -> None:
    brief = brief_recipe(recipe(text=STORY).to_wire())
    assert brief["data"] == {
        "source": "text",
        "context": 128,
        "split": {"train": 0.8, "validation": 0.1, "test": 0.1},
        "characters": len(STORY),
    }
    shipped = recipe().to_wire()
    assert brief_recipe(shipped) == shipped


# --- refusals --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (7, "must be a text"),
        (["a"], "must be a text"),
        ("z" * 5_000, 'has only one character, "z"'),
        ("\r\n" * 5_000, "has only one character"),
        ("ab" * (LONGEST // 2 + 1), "5,000,002 characters, and 5,000,000 are the most"),
        # One character that Unicode's form NFC takes apart: what was read must be readable again.
        ("\N{DEVANAGARI LETTER QA}" * (LONGEST // 2 + 1), "5,000,002 characters, and 5,000,000"),
    ],
    ids=["empty", "number", "list", "one character", "one character twice", "too long",
         "too long in the end"],
)  # fmt: skip
def test_a_text_that_teaches_nothing_is_refused_with_a_way_out(text: object, words: str) -> None:
    error = refusal(text=text)
    assert isinstance(error, DataError)
    assert error.key == "data.text"
    assert words in error.message
    assert "Paste a text" in error.message


def test_a_text_that_is_too_short_says_how_long_or_how_small() -> None:
    error = refusal(text="abc" * 100)
    assert error.key == "data.text"
    assert "only 300 characters" in error.message
    assert "at least 385 characters" in error.message
    assert "data.context to 99 or less" in error.message
    data = text_of("abc" * 100, context=99)
    assert data.part_sizes() == {"train": 1, "validation": 1, "test": 1}


def test_a_text_that_no_context_would_help_only_needs_more_characters() -> None:
    error = refusal(text="abc" * 7)
    assert "at least 385 characters." in error.message


def test_a_text_without_enough_for_a_batch_is_refused_by_the_batch_size() -> None:
    assert refusal(text="abc" * 300).key == "training.batch_size"


@pytest.mark.parametrize("context", [7, 1025, 0, 12.5, "128"])
def test_a_context_out_of_range_is_refused(context: object) -> None:
    assert refusal(context=context).key == "data.context"


def test_a_preset_for_pictures_is_refused_for_a_text_and_the_other_way_round() -> None:
    error = refusal({"preset": "small"})
    assert error.key == "model.preset"
    assert '"text"' in error.message
    with pytest.raises(RecipeError) as caught:
        Recipe.from_wire({"recipe": 1, "model": {"preset": "text"}})
    assert caught.value.key == "model.preset"
    assert "tiny, small and deeper" in caught.value.message


@pytest.mark.parametrize(
    ("layers", "key", "words"),
    [
        ([causal()], "model.layers[0]", "begins with an embedding"),
        ([LAYERS[0], causal(padding="same")], "model.layers[1].padding", "must not look ahead"),
        ([LAYERS[0], causal(padding="valid")], "model.layers[1].padding", '"causal"'),
        ([LAYERS[0], causal(strides=2)], "model.layers[1].strides", "dilation_rate"),
        ([LAYERS[0], causal(filters=12, activation="softmax")], "model.layers[1].activation",
         "it has 12 filters"),
        ([LAYERS[0], {"type": "flatten"}], "model.layers[1]", "at each of them"),
        (
            [LAYERS[0], {"type": "reshape", "target_shape": [-1]}],
            "model.layers[1]",
            "at each of them",
        ),
        ([LAYERS[0], {"type": "max_pooling2d"}], "model.layers[1]", "at each of them"),
        ([LAYERS[0], {"type": "global_average_pooling2d"}], "model.layers[1]", "at each of them"),
        (
            [LAYERS[0], {"type": "residual", "layers": [causal(padding="same")]}],
            "model.layers[1].layers[0].padding",
            "must not look ahead",
        ),
        ([LAYERS[0], {"type": "conv2d", "filters": 2, "kernel_size": 3}], "model.layers[1]",
         "Use conv1d"),
    ],
)  # fmt: skip
def test_a_layer_that_looks_ahead_or_loses_positions_is_refused(
    layers: list[dict[str, Any]], key: str, words: str
) -> None:
    error = refusal({"layers": layers})
    assert isinstance(error, LayerError)
    assert error.key == key
    assert words in error.message
    assert error.message.startswith(key.removesuffix(".padding").removesuffix(".strides"))


def test_pictures_may_still_be_flattened_and_pooled() -> None:
    layers = [{"type": "max_pooling2d"}, {"type": "flatten"}]
    assert Recipe.from_wire({"recipe": 1, "model": {"layers": layers}}).spec().positions is None


# --- what is told of a run -------------------------------------------------------------


def test_a_run_on_text_is_told_in_bits_beside_its_baselines() -> None:
    score = Score(loss=math.log(2) * 2.5, accuracy=0.5)
    run = operation(
        recipe=recipe().to_wire(),
        test=score,
        epoch_ends=(EpochEnd(epoch=1, step=4, loss=2.0, accuracy=0.4, validation=score),),
        baselines=(Baseline(part="test", unigram=4.5, bigram=3.5),),
    )
    snapshot = run.snapshot()
    told = {"loss": score.loss, "accuracy": 0.5, "bits_per_character": pytest.approx(2.5)}
    assert snapshot["test"] == told
    assert snapshot["validation"] == told
    assert snapshot["baselines"] == {"test": {"unigram": 4.5, "bigram": 3.5}}


def test_a_run_on_pictures_knows_no_bits() -> None:
    snapshot = operation(test=Score(loss=1.0, accuracy=0.5)).snapshot()
    assert snapshot["test"] == {"loss": 1.0, "accuracy": 0.5}
    assert "baselines" not in snapshot


def test_a_text_that_is_only_counted_cannot_be_run_again() -> None:
    pasted = recipe(text=STORY).to_wire()
    assert operation(recipe=pasted).can_be_run_again
    assert not operation(recipe=brief_recipe(pasted)).can_be_run_again
    assert operation(recipe=brief_recipe(recipe().to_wire())).can_be_run_again
