"""A preset's size and layers are those that it has on the chosen data."""

from __future__ import annotations

from pathlib import Path

import pytest

from backburner.core.offered_data import OfferedData
from backburner.core.preset_words import preset_words
from backburner.core.recipe import Recipe
from backburner.core.texts import Texts
from backburner_site.locale import read_catalogues

TEXTS = Texts("en", read_catalogues(Path(__file__).parents[2] / "site/locale")["en"], strict=True)


def words(preset: str, data: OfferedData) -> dict[str, str]:
    return preset_words(TEXTS, preset, input_shape=data.input_shape, classes=len(data.classes))


@pytest.mark.parametrize(
    ("source", "preset"),
    [("digits", "tiny"), ("digits", "small"), ("shapes", "small"), ("shapes", "deeper"),
     ("drawings", "tiny"), ("text", "text")],
)  # fmt: skip
def test_the_size_is_that_of_the_network_that_is_trained(source: str, preset: str) -> None:
    data = OfferedData.of(source, drawn=("cat", "dog", "cow"))
    drawings = {"cat": 20, "dog": 20, "cow": 20}
    recipe = {"recipe": 1, "data": {"source": source}, "model": {"preset": preset}}
    spec = Recipe.from_wire(recipe, drawings=drawings).spec()
    assert words(preset, data)["weights"] == f"{spec.parameter_count:,} weights"


def test_the_last_layer_has_a_unit_for_each_class() -> None:
    assert words("tiny", OfferedData.of("shapes"))["layers"].endswith(" → 7 units")
    assert words("tiny", OfferedData.of("drawings", drawn="abc"))["layers"].endswith(" → 3 units")


def test_what_depends_on_classes_that_are_not_there_yet_is_not_said() -> None:
    said = words("tiny", OfferedData.of("drawings", drawn="a"))
    assert said["weights"] == ""
    assert "unit" not in said["layers"]
