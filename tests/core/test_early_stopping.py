"""Early stopping: decided from the scores of the finished epochs, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from backburner.core.early_stopping import EarlyStopping
from backburner.core.errors import RecipeError
from backburner.core.messages import EpochEnd, Score


def ends(values: Sequence[float | None], monitor: str = "validation_loss") -> list[EpochEnd]:
    """Finished epochs with these scores; what is not watched gets better and better."""
    found = []
    for epoch, value in enumerate(values, 1):
        score = None
        if value is not None and monitor == "validation_loss":
            score = Score(loss=value, accuracy=epoch / 100)
        elif value is not None:
            score = Score(loss=1 / epoch, accuracy=value)
        found.append(EpochEnd(epoch=epoch, step=4 * epoch, loss=1, accuracy=0, validation=score))
    return found


# The options, the losses, and (the epoch that it ends with, the best one) or None.
LOSSES: list[tuple[dict[str, Any], list[float | None], tuple[int, int] | None]] = [
    ({"patience": 1}, [], None),
    ({"patience": 1}, [1.0], None),
    ({"patience": 1}, [1.0, 0.9], None),
    ({"patience": 1}, [1.0, 1.0], (2, 1)),
    ({"patience": 1}, [1.0, 1.1], (2, 1)),
    ({"patience": 2}, [1.0, 1.1], None),
    ({"patience": 2}, [1.0, 1.1, 1.05], (3, 1)),
    ({"patience": 2}, [1.0, 1.1, 0.9, 0.95], None),
    ({"patience": 2}, [1.0, 1.1, 0.9, 0.95, 0.91], (5, 3)),
    # What became better since counts from the best, not from the epoch before.
    ({"patience": 2}, [1.0, 1.2, 1.1], (3, 1)),
    ({"patience": 3}, [0.5, 0.6, 0.7, 0.8, 0.1], (4, 1)),
    # A small progress is none, and does not move the bar either.
    ({"patience": 2, "min_delta": 0.1}, [1.0, 0.95, 0.91], (3, 1)),
    ({"patience": 2, "min_delta": 0.1}, [1.0, 0.95, 0.85], None),
    ({"patience": 2}, [1.0, 0.95, 0.91], None),
    # An epoch without a score says nothing.
    ({"patience": 1}, [None, 1.0, None, 0.5], None),
    ({"patience": 1}, [None, 1.0, None, 1.5], (4, 2)),
]


@pytest.mark.parametrize(("options", "losses", "wanted"), LOSSES, ids=str)
def test_it_stops_when_the_loss_has_not_become_smaller_for_long_enough(
    options: dict[str, Any], losses: list[float | None], wanted: tuple[int, int] | None
) -> None:
    found = EarlyStopping.from_wire(options).judge(ends(losses))
    assert (found and (found.epoch, found.best_epoch)) == wanted
    if found:
        assert found.best == losses[found.best_epoch - 1]


def test_of_the_accuracy_more_is_better() -> None:
    rule = EarlyStopping.from_wire({"patience": 2, "monitor": "validation_accuracy"})
    shares: list[float | None] = [0.5, 0.6, 0.6, 0.55]
    found = rule.judge(ends(shares, "validation_accuracy"))
    assert found is not None
    assert found.as_dict() == {
        "epoch": 4,
        "best_epoch": 2,
        "monitor": "validation_accuracy",
        "best": 0.6,
    }
    assert rule.judge(ends([0.5, 0.6, 0.7, 0.8], "validation_accuracy")) is None


def test_it_decides_the_same_whether_it_is_asked_at_each_epoch_or_once_at_the_end() -> None:
    rule = EarlyStopping.from_wire({"patience": 2})
    losses: list[float | None] = [1.0, 0.8, 0.9, 0.7, 0.75, 0.8, 0.6, 0.5]
    asked = [rule.judge(ends(losses[:epoch])) for epoch in range(len(losses) + 1)]
    first = next(found for found in asked if found)
    assert (first.epoch, first.best_epoch) == (6, 4)
    assert asked[6:] == [first] * 3, "what comes after it changes nothing"


@pytest.mark.parametrize(
    ("wire", "key"),
    [
        (True, ""),
        ({"patience": 0}, ".patience"),
        ({"patience": 2.5}, ".patience"),
        ({"monitor": "loss"}, ".monitor"),
        ({"min_delta": -0.1}, ".min_delta"),
        ({"patient": 3}, ".patient"),
    ],
    ids=str,
)
def test_what_it_does_not_take_is_refused_by_its_key(wire: Any, key: str) -> None:
    with pytest.raises(RecipeError) as caught:
        EarlyStopping.from_wire(wire)
    assert caught.value.key == f"training.early_stopping{key}"
