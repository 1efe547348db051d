"""Drawn shapes: the same on every machine, as difficult as is wanted."""

from __future__ import annotations

import hashlib
import math
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backburner.core.errors import RecipeError
from backburner.core.recipe import Recipe
from backburner.core.shapes_data import SHAPES, ShapesData
from backburner.engine.data import Dataset
from backburner.engine.shapes import OUTLINES, SIDE, coverage, draw_shapes, inset


def pictures(count: int = 6, **options: object) -> list[tuple[int, bytes]]:
    return list(draw_shapes(ShapesData.from_wire({"count": count, **options})))


@pytest.mark.parametrize(
    ("difficulty", "sha256"),
    [
        (0.0, "f9c4e6c2a7af865a4093c8f91d5ebc7407eccf74bbf2bdf62e8f4002fc4ff598"),
        (0.5, "072fb78a4fa9fc2837c9ad7d496b63d9db8b4e93f987ac0117cb4ddacc5fc213"),
        (1.0, "49190bfcdcf9597cd1b00a635e39713c023163d2fe1feb9fae54945744e532e7"),
    ],
)
def test_the_pictures_are_the_same_on_every_machine(difficulty: float, sha256: str) -> None:
    # Whoever changes how they are drawn changes the data of every recipe that learns from them.
    digest = hashlib.sha256()
    for label, pixels in pictures(20, difficulty=difficulty):
        digest.update(bytes([label]) + pixels)
    assert digest.hexdigest() == sha256


def test_each_seed_draws_other_pictures_and_a_longer_row_begins_with_the_shorter() -> None:
    assert pictures(seed=1) != pictures(seed=2)
    assert pictures(9)[: 6 * len(SHAPES)] == pictures(6)


def test_the_classes_come_in_turn() -> None:
    labels = [label for label, _ in pictures(3)]
    assert labels == [0, 1, 2, 3, 4, 5, 6] * 3


def test_no_two_pictures_are_alike() -> None:
    drawn = [pixels for _, pixels in pictures(40)]
    assert len(set(drawn)) == len(drawn)


def test_without_difficulty_a_shape_is_clear_and_all_within_the_picture() -> None:
    for _, pixels in pictures(20, difficulty=0):
        rows = [pixels[at : at + SIDE] for at in range(0, len(pixels), SIDE)]
        assert max(pixels) == 255
        edge = [*rows[0], *rows[-1], *(row[0] for row in rows), *(row[-1] for row in rows)]
        assert max(edge) <= 128


def test_the_more_difficult_it_is_the_more_noise_lies_around_the_shapes() -> None:
    def around(difficulty: float) -> float:
        """How bright the corners are, where no shape is."""
        drawn = [pixels for _, pixels in pictures(20, difficulty=difficulty)]
        return sum(pixels[0] + pixels[SIDE - 1] + pixels[-1] for pixels in drawn)

    noise = [around(difficulty) for difficulty in (0, 0.25, 0.5, 0.75, 1)]
    assert noise[0] == 0
    assert all(before < after for before, after in pairwise(noise))


def test_drawing_can_give_way_between_any_two_pictures() -> None:
    assert len(list(islice(draw_shapes(ShapesData(count=10_000)), 3))) == 3


# --- geometry --------------------------------------------------------------------------


def area_of(ring: list[tuple[float, float]]) -> float:
    following = [*ring[1:], ring[0]]
    return (
        abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in zip(ring, following, strict=True))) / 2
    )


@given(
    radius=st.floats(1, 12),
    x=st.floats(13, 15),
    y=st.floats(13, 15),
    name=st.sampled_from(["circle", "square", "triangle", "star", "cross", "heart"]),
)
def test_what_is_covered_adds_up_to_the_area(radius: float, x: float, y: float, name: str) -> None:
    ring = [(x + radius * px, y + radius * py) for px, py in OUTLINES[name].ring]
    covered = coverage(ring)
    assert all(0 <= each <= 1 for each in covered)
    # Between two of the four lines through a row a level side may lie an eighth of it too high.
    assert sum(covered) == pytest.approx(area_of(ring), abs=0.6 * radius)


def test_what_lies_outside_of_the_picture_is_cut_off() -> None:
    square = [(-5.0, -5.0), (40.0, -5.0), (40.0, 14.0), (-5.0, 14.0)]
    covered = coverage(square)
    assert covered[: 14 * SIDE] == pytest.approx([1.0] * (14 * SIDE))
    assert covered[14 * SIDE :] == pytest.approx([0.0] * (14 * SIDE), abs=1e-6)


def test_a_ring_that_is_inset_keeps_its_distance_and_its_direction() -> None:
    square = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)]
    assert inset(square, 1) == [(1, 1), (3, 1), (3, 3), (1, 3)]
    assert inset(square[::-1], 1) == [(1, 3), (3, 3), (3, 1), (1, 1)]
    assert inset(square, -1) == [(-1, -1), (5, -1), (5, 5), (-1, 5)]


@pytest.mark.parametrize("name", SHAPES)
def test_every_outline_has_about_the_size_of_the_others(name: str) -> None:
    ring = list(OUTLINES[name].ring)
    assert max(math.hypot(x, y) for x, y in ring) <= 1.4
    assert 1.0 <= area_of(ring) <= 4.0


# --- the data source -------------------------------------------------------------------


def test_the_recipe_says_what_is_drawn() -> None:
    read = Recipe.from_wire({"recipe": 1, "seed": 9, "data": {"source": "shapes"}})
    assert read.data == ShapesData()
    assert read.data.to_wire() == {
        "source": "shapes",
        "count": 150,
        "difficulty": 0.3,
        "seed": 0,
        "split": {"train": 0.8, "validation": 0.1, "test": 0.1},
    }
    assert read.spec().classes == len(SHAPES)


def test_the_dataset_holds_the_pictures_as_they_were_drawn() -> None:
    data = ShapesData(count=2)
    dataset = Dataset.from_shapes(draw_shapes(data), data)
    assert dataset.shape == (28, 28, 1)
    assert dataset.labels == (0, 1, 2, 3, 4, 5, 6) * 2
    assert dataset.classes == SHAPES
    assert dataset.inputs[784 : 2 * 784] == pictures(2)[1][1]


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"count": 0}, "data.count"),
        ({"count": 10_001}, "data.count"),
        ({"difficulty": 1.1}, "data.difficulty"),
        ({"difficulty": "hard"}, "data.difficulty"),
        ({"seed": -1}, "data.seed"),
        ({"size": 32}, "data.size"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_its_key(options: dict[str, object], key: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_wire({"recipe": 1, "data": {"source": "shapes", **options}})
    assert caught.value.key == key
