from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backburner.core.data_sources import NoiseData
from backburner.core.errors import DataError
from backburner.core.inline_data import InlineData
from backburner.core.split import PARTS, SplitRecipe
from backburner.core.text_data import SHIPPED_LENGTH, SHIPPED_VOCABULARY, TextData
from backburner.engine.data import (
    Dataset,
    encode,
    one_example,
    shipped_text,
    split_at_random,
    split_dataset,
)

BINARY = bytes(range(16)) + bytes([16] * 16)


def description(**changes: Any) -> dict[str, Any]:
    return {
        "shape": [4, 4, 1],
        "maximum": 16,
        "classes": ["0", "1"],
        "labels": [0, 1],
        "count": 2,
        "sha256": hashlib.sha256(BINARY).hexdigest(),
        "source": "a test",
    } | changes


def test_the_digits_are_read_as_bytes_that_scale_to_0_to_1() -> None:
    data = Dataset.from_digits(BINARY, description())
    assert (data.dtype, data.shape, data.labels, len(data)) == ("uint8", (4, 4, 1), (0, 1), 2)
    assert max(data.inputs) * data.scale == 1


@pytest.mark.parametrize(
    ("binary", "changes", "name"),
    [
        (BINARY[:-1], {}, "digits.bin"),
        (BINARY[:-1] + b"\0", {}, "digits.bin"),
        (BINARY, {"sha256": "00"}, "digits.bin"),
        (BINARY, {"maximum": 15}, "digits.bin"),
        (BINARY, {"count": 3}, "digits.json"),
        (BINARY, {"labels": [0, 2]}, "digits.json"),
        (BINARY, {"shape": [16]}, "digits.json"),
        (BINARY, {"shape": None}, "digits.json"),
    ],
)
def test_digits_that_do_not_fit_their_description_are_refused_naming_the_file(
    binary: bytes, changes: dict[str, Any], name: str
) -> None:
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        Dataset.from_digits(binary, description(**changes))


def test_a_description_without_a_key_is_refused() -> None:
    with pytest.raises(DataError, match=r"digits\.json"):
        Dataset.from_digits(BINARY, {})


def test_inline_examples_become_float32_as_they_are_given() -> None:
    data = Dataset.from_inline(
        InlineData(inputs=(0.5, 2, -1, 0), input_shape=(1, 2, 1), labels=(1, 0), classes=("a", "b"))
    )
    assert array("f", data.inputs).tolist() == [0.5, 2, -1, 0]
    assert (data.scale, data.shape, data.labels) == (1.0, (1, 2, 1), (1, 0))


def test_the_digest_changes_with_anything_that_training_sees() -> None:
    first = Dataset.from_digits(BINARY, description())
    assert first.digest == Dataset.from_digits(BINARY, description()).digest
    others = [description(labels=[1, 1]), description(classes=["0", "2"]), description(maximum=17)]
    assert len({first.digest, *(Dataset.from_digits(BINARY, d).digest for d in others)}) == 4


LABELS = [i % 3 for i in range(300)]
CLASSES = ("a", "b", "c")


def test_every_part_has_every_class_in_the_same_share() -> None:
    split = split_dataset(LABELS, CLASSES, SplitRecipe(), seed=1)
    for part, each in (("train", 80), ("validation", 10), ("test", 10)):
        indexes = split.part(part)  # type: ignore[arg-type]
        assert Counter(LABELS[i] for i in indexes) == {0: each, 1: each, 2: each}


@given(
    st.lists(st.integers(0, 3), min_size=12, max_size=200).map(lambda x: [*x, *[0, 1, 2, 3] * 3]),
    st.integers(0, 99),
    st.sampled_from([(0.8, 0.1, 0.1), (0.34, 0.33, 0.33), (0.02, 0.49, 0.49), (1, 0, 0)]),
)
def test_a_split_has_every_example_once_and_every_class_in_every_part(
    labels: list[int], seed: int, shares: tuple[float, float, float]
) -> None:
    fractions = SplitRecipe(train=shares[0], validation=shares[1], test=shares[2])
    split = split_dataset(labels, "abcd", fractions, seed)
    assert sorted(split.train + split.validation + split.test) == list(range(len(labels)))
    for part, share in zip(PARTS, shares, strict=True):
        assert {labels[i] for i in split.part(part)} == (set(range(4)) if share else set())


def test_the_seed_decides_the_split() -> None:
    splits = [split_dataset(LABELS, CLASSES, SplitRecipe(), seed) for seed in (1, 1, 2)]
    assert splits[0] == splits[1] != splits[2]


def test_labels_with_too_few_of_a_class_are_refused() -> None:
    with pytest.raises(DataError, match='"dog" has only 2 examples, so the test part'):
        split_dataset([0, 0, 0, 1, 1], ("cat", "dog"), SplitRecipe(), seed=0)
    with pytest.raises(DataError, match='"bird" has 0 examples'):
        split_dataset([0, 0, 0, 1, 1, 1], ("cat", "dog", "bird"), SplitRecipe(), seed=0)


def test_one_class_is_too_few() -> None:
    with pytest.raises(DataError):
        split_dataset([0, 0, 0], ("cat",), SplitRecipe(), seed=0)


def test_a_split_once_drawn_stays_so() -> None:
    # Recipes promise the same weights for ever, and they begin with this.
    split = split_dataset([0, 1] * 6, ("a", "b"), SplitRecipe(), seed=7)
    assert (split.validation, split.test) == ((0, 1), (2, 11))


def test_noise_is_the_same_for_the_same_seed_and_as_much_as_was_asked_for() -> None:
    data = NoiseData(input_shape=(6, 4), classes=("a", "b", "c"), examples=5, positions=6)
    noise = Dataset.from_noise(data, 3)
    assert noise == Dataset.from_noise(data, 3)
    assert noise.digest != Dataset.from_noise(data, 4).digest
    assert len(noise) == 5
    assert (len(noise.inputs), len(noise.labels)) == (5 * 24, 5 * 6)
    assert set(noise.labels) == {0, 1, 2}


def test_the_digest_of_data_with_one_label_each_does_not_know_of_positions() -> None:
    given: dict[str, Any] = {
        "inputs": bytes(4), "dtype": "uint8", "scale": 1.0, "shape": (1, 1, 1),
        "labels": [0, 1, 1, 0], "classes": ["a", "b"],
    }  # fmt: skip
    # As it was before there were positions: it stands in checkpoints.
    assert Dataset.of(**given).digest == (
        "0c2c7c68b191f9fc99a9f034ef722744d837cab231b3369187d3d9e844d2acd9"
    )
    assert Dataset.of(**given, positions=2).digest != Dataset.of(**given).digest


def test_sequences_are_divided_whatever_their_labels_are() -> None:
    split = split_at_random(20, SplitRecipe(), seed=1)
    assert sorted(split.train + split.validation + split.test) == list(range(20))
    assert (len(split.validation), len(split.test)) == (2, 2)
    assert split == split_at_random(20, SplitRecipe(), seed=1)
    assert split != split_at_random(20, SplitRecipe(), seed=2)


# --- text ------------------------------------------------------------------------------


def text_data(text: str, **options: object) -> TextData:
    return TextData.from_wire({"source": "text", "text": text, **options})


def test_windows_of_a_text_follow_each_other_and_are_asked_for_the_next_character() -> None:
    data = text_data("abcabcab" * 4 + "dXY", context=8)
    dataset = Dataset.from_text(data.text or "", data)
    assert len(dataset) == 4
    assert dataset.shape == (8,)
    assert dataset.positions == 8
    assert dataset.classes == ("X", "Y", "a", "b", "c", "d")
    assert dataset.symbols == 6
    read = "".join(dataset.classes[symbol] for symbol in dataset.inputs)
    said = "".join(dataset.classes[symbol] for symbol in dataset.labels)
    assert read == "abcabcab" * 4
    assert said == ("abcabcab" * 4 + "d")[1:]


def test_the_data_hash_depends_on_the_text_and_its_windows_alone() -> None:
    def digest(text: str, **options: object) -> str:
        data = text_data(text, **options)
        return Dataset.from_text(data.text or "", data).digest

    assert digest("abc" * 200) == digest("abc" * 200, split={"train": 1})
    assert digest("abc" * 200) != digest("acb" * 200)
    assert digest("abc" * 200, context=16) != digest("abc" * 200, context=32)


def test_rare_characters_of_a_large_alphabet_become_the_one_for_others() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300))) + "".join(
        map(chr, range(0x4E00, 0x4E00 + 255))
    )
    data = text_data(text, context=50)
    dataset = Dataset.from_text(text, data)
    assert len(dataset.classes) == 256
    assert dataset.classes[dataset.inputs[260]] == "\N{REPLACEMENT CHARACTER}"


def test_a_character_that_is_none_of_the_symbols_is_refused() -> None:
    with pytest.raises(DataError, match='"z"'):
        encode("abz", ("a", "b"))


def test_the_shipped_text_must_be_whole_and_the_one_that_was_meant() -> None:
    whole = (SHIPPED_VOCABULARY * (SHIPPED_LENGTH // 96 + 1))[:SHIPPED_LENGTH].encode()
    described = {"sha256": hashlib.sha256(whole).hexdigest()}
    assert shipped_text(whole, described).encode() == whole
    with pytest.raises(DataError, match="checksum"):
        shipped_text(whole[:-1], described)
    short = {"sha256": hashlib.sha256(whole[:-1]).hexdigest()}
    with pytest.raises(DataError, match="not the text"):
        shipped_text(whole[:-1], short)


def test_an_example_of_a_text_is_the_indexes_of_its_characters() -> None:
    assert one_example([0, 4, 2.0], (3,), symbols=5) == array("f", [0, 4, 2])


@pytest.mark.parametrize("index", [5, -1, 1.5, 1e30])
def test_a_symbol_that_the_model_has_no_row_for_is_refused_by_its_place(index: float) -> None:
    # The kernels trust what they are given: they would read beyond the table.
    with pytest.raises(DataError, match=r"Number 1 .* from 0 to 4"):
        one_example([0, index, 2], (3,), symbols=5)
    assert list(one_example([0, index, 2], (3,)))[1] == pytest.approx(index)
