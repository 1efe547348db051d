from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backburner.core.data_sources import DigitsData
from backburner.core.errors import DataError
from backburner.core.split import PARTS, SplitRecipe, check_batch_size, divide

SHARES = [(0.8, 0.1, 0.1), (0.34, 0.33, 0.33), (0.02, 0.49, 0.49), (0.5, 0.0, 0.5), (1.0, 0.0, 0.0)]


def shares(train: float, validation: float, test: float) -> SplitRecipe:
    return SplitRecipe(train=train, validation=validation, test=test)


def test_the_digits_are_divided_into_1439_179_and_179() -> None:
    parts = divide(DigitsData.counts, DigitsData.classes, SplitRecipe())
    assert [sum(counts[part] for counts in parts) for part in PARTS] == [1439, 179, 179]


@given(st.lists(st.integers(3, 500), min_size=2, max_size=9), st.sampled_from(SHARES))
def test_every_example_is_counted_once_and_no_part_lacks_a_class(
    counts: list[int], wanted: tuple[float, float, float]
) -> None:
    parts = divide(counts, "abcdefghi"[: len(counts)], shares(*wanted))
    assert [sum(each.values()) for each in parts] == counts
    for part, share in zip(PARTS, wanted, strict=True):
        assert all((each[part] > 0) == (share > 0) for each in parts)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (2, "only 2 examples, so the test part would have none of it. Add at least 1 more, "),
        (1, "only 1 example, so the validation and test parts would have none of it. Add at "),
        (1, "data.split.validation to 0 and data.split.test to 0 and data.split.train to 1."),
    ],
)
def test_a_class_missing_from_a_part_is_named_with_numbers_and_a_way_out(
    count: int, words: str
) -> None:
    with pytest.raises(DataError) as caught:
        divide([9, count], ("cat", "dog"), SplitRecipe())
    assert caught.value.key == "data.split"
    assert 'data.split: the class "dog" has' in caught.value.message
    assert words in caught.value.message


def test_a_class_without_examples_and_a_single_class_are_refused_by_the_classes_key() -> None:
    for counts, classes in (([9, 0], ("cat", "dog")), ([9], ("cat",)), ([], ())):
        with pytest.raises(DataError) as caught:
            divide(counts, classes, SplitRecipe())
        assert caught.value.key == "data.classes"


def test_a_batch_larger_than_the_training_part_is_refused_with_both_numbers() -> None:
    check_batch_size(7, 7)
    with pytest.raises(DataError) as caught:
        check_batch_size(32, 7)
    assert caught.value.key == "training.batch_size"
    assert "training.batch_size is 32" in caught.value.message
    assert "7 examples" in caught.value.message
