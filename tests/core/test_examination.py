"""The figures of an examined part, against others counted by hand or in another way."""

from __future__ import annotations

import json
import random

import pytest

from backburner.core.errors import Damaged
from backburner.core.examination import Answer, Examination


def answers(*triples: tuple[int, int, float]) -> Examination:
    """(label, predicted, confidence) of examples 10, 11, 12 …"""
    return Examination(
        tuple(
            Answer(index=10 + at, label=label, predicted=predicted, confidence=confidence)
            for at, (label, predicted, confidence) in enumerate(triples)
        )
    )


FIVE = answers((0, 0, 0.9), (0, 1, 0.5), (1, 1, 0.75), (1, 0, 1.0), (2, 0, 0.5))


def test_every_cell_knows_the_examples_behind_it() -> None:
    assert FIVE.counts(3) == [[1, 1, 0], [1, 1, 0], [1, 0, 0]]
    behind = {place: [each.index for each in found] for place, found in FIVE.cells().items()}
    assert behind == {(0, 0): [10], (0, 1): [11], (1, 0): [13], (1, 1): [12], (2, 0): [14]}


def test_precision_and_recall_are_shares_and_none_where_there_is_nothing_to_share() -> None:
    first, second, third = FIVE.per_class(3)
    assert (first.count, first.predicted, first.right) == (2, 3, 1)
    assert (first.precision, first.recall) == (1 / 3, 1 / 2)
    assert (second.precision, second.recall) == (1 / 2, 1 / 2)
    assert (third.precision, third.recall) == (None, 0.0)
    assert answers((0, 0, 1.0)).per_class(2)[1].recall is None


def test_the_worst_mistakes_are_the_surest_and_ties_keep_the_order_of_the_data() -> None:
    assert [each.index for each in FIVE.worst()] == [13, 11, 14]
    assert [each.index for each in FIVE.worst(1)] == [13]
    assert answers((0, 0, 1.0)).worst() == ()


def test_an_empty_part_has_no_accuracy_and_no_mistakes() -> None:
    empty = Examination(())
    assert empty.accuracy is None
    assert empty.as_dict(("a", "b"))["confusion"] == [[0, 0], [0, 0]]
    assert Examination.from_bytes(empty.to_bytes()) == empty


@pytest.mark.parametrize("seed", range(5))
def test_the_figures_agree_with_each_other(seed: int) -> None:
    r = random.Random(seed)
    classes, count = r.randint(2, 12), r.randint(1, 300)
    found = answers(*((r.randrange(classes), r.randrange(classes), r.random())
                      for _ in range(count)))  # fmt: skip
    rows, figures = found.counts(classes), found.per_class(classes)
    assert sum(map(sum, rows)) == count == sum(len(each) for each in found.cells().values())
    right = sum(rows[at][at] for at in range(classes))
    assert found.accuracy == right / count
    assert sum(each.count for each in figures) == sum(each.predicted for each in figures) == count
    assert len(found.worst(count)) == count - right
    confidences = [each.confidence for each in found.worst(count)]
    assert confidences == sorted(confidences, reverse=True)


def test_answers_come_back_from_bytes_as_they_went_in() -> None:
    # Every confidence here is a float32 as it is.
    found = answers((0, 0, 0.5), (2, 1, 0.75), (1, 1, 1.0))
    data = found.to_bytes()
    assert len(data) == 16 * 3
    assert Examination.from_bytes(data) == found
    with pytest.raises(Damaged):
        Examination.from_bytes(data[:-1])


def test_as_json_classes_have_their_names() -> None:
    wire = json.loads(json.dumps(FIVE.as_dict(("cat", "dog", "owl"))))
    assert wire["classes"] == ["cat", "dog", "owl"]
    assert wire["cells"][1] == {"label": "cat", "predicted": "dog", "examples": [11]}
    assert wire["per_class"][2] == {
        "class": "owl", "count": 1, "predicted": 0, "right": 0, "precision": None, "recall": 0.0,
    }  # fmt: skip
    assert wire["worst"][0] == {"index": 13, "label": "dog", "predicted": "cat", "confidence": 1.0}
