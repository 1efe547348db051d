"""Schedules: what becomes of the learning rate at each step."""

from __future__ import annotations

import math
from typing import Any

import pytest

from backburner.core.errors import RecipeError
from backburner.core.recipe import Recipe
from backburner.core.schedule import NAMES, Schedule


def factors(steps: int = 10, **options: Any) -> list[float]:
    schedule = Schedule.from_wire(options)
    return [schedule.factor(step, steps) for step in range(steps)]


def test_without_a_name_only_the_warmup_changes_anything() -> None:
    assert factors(3) == [1, 1, 1]
    assert factors(6, warmup_steps=4) == [0.25, 0.5, 0.75, 1, 1, 1]


def test_a_warmup_ends_at_the_full_rate_and_no_step_of_it_is_lost() -> None:
    for name in NAMES:
        found = factors(20, name=name, warmup_steps=5)
        assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1])
        assert found[5] == 1, "the schedule itself begins at the full rate"


def test_linear_falls_evenly_towards_its_end() -> None:
    assert factors(4, name="linear") == [1, 0.75, 0.5, 0.25]
    assert factors(4, name="linear", end_factor=0.2) == pytest.approx([1, 0.8, 0.6, 0.4])


def test_cosine_falls_along_half_a_wave() -> None:
    found = factors(8, name="cosine")
    assert found[4] == pytest.approx(0.5)
    assert found == pytest.approx([(1 + math.cos(math.pi * t / 8)) / 2 for t in range(8)])
    assert factors(1000, name="cosine", end_factor=0.1)[-1] == pytest.approx(0.1, abs=1e-5)


def test_exponential_falls_by_the_same_share_at_each_step_and_step_in_stairs() -> None:
    options = {"decay_rate": 0.25, "decay_steps": 2}
    assert factors(5, name="exponential", **options) == pytest.approx([1, 0.5, 0.25, 0.125, 0.0625])
    assert factors(5, name="step", **options) == [1, 1, 0.25, 0.25, 0.0625]


@pytest.mark.parametrize("name", NAMES)
def test_a_factor_is_never_above_1_and_never_below_0(name: str) -> None:
    for warmup in (0, 3):
        found = factors(50, name=name, warmup_steps=warmup)
        assert all(0 < each <= 1 for each in found)
        assert found[warmup:] == sorted(found[warmup:], reverse=True)


@pytest.mark.parametrize(
    ("wire", "key"),
    [
        ("cosine", ""),
        ({"name": "cosinus"}, ".name"),
        ({"name": None}, ".name"),
        ({"warmup": 3}, ".warmup"),
        ({"warmup_steps": -1}, ".warmup_steps"),
        ({"warmup_steps": 1.5}, ".warmup_steps"),
        ({"name": "cosine", "end_factor": 1.1}, ".end_factor"),
        ({"name": "step", "decay_rate": 0}, ".decay_rate"),
        ({"name": "step", "decay_steps": 0}, ".decay_steps"),
        ({"name": "step", "end_factor": 0}, ".end_factor"),
        ({"name": "linear", "decay_rate": 0.5}, ".decay_rate"),
        ({"decay_steps": 5}, ".decay_steps"),
    ],
    ids=str,
)
def test_what_a_schedule_does_not_take_is_refused_by_its_key(wire: Any, key: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Schedule.from_wire(wire, "training.schedule")
    assert caught.value.key == f"training.schedule{key}"


@pytest.mark.parametrize("name", NAMES)
def test_it_is_written_with_the_options_that_it_takes(name: str) -> None:
    schedule = Schedule.from_wire({"name": name, "warmup_steps": 2})
    written = schedule.to_wire()
    assert Schedule.from_wire(written) == schedule
    assert ("end_factor" in written) == (name in ("linear", "cosine"))
    assert ("decay_rate" in written) == (name in ("exponential", "step"))


@pytest.mark.parametrize(("batch_size", "steps", "few"), [(1439, 1, 0), (32, 45, 2), (720, 2, 1)])
def test_a_warmup_that_never_ends_is_refused_with_one_that_does(
    batch_size: int, steps: int, few: int
) -> None:
    def training(warmup: int) -> dict[str, object]:
        settings = {"epochs": 1, "batch_size": batch_size, "schedule": {"warmup_steps": warmup}}
        return {"recipe": 1, "training": settings}

    with pytest.raises(RecipeError, match=f"has {steps} steps. Make it smaller: about {few},"):
        Recipe.from_wire(training(steps))
    assert Recipe.from_wire(training(few)).training.schedule is not None
