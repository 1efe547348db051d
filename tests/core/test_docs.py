"""docs/RECIPE.md says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from backburner.core.layers import LAYER_TYPES
from backburner.core.presets import PRESETS
from backburner.core.recipe import Recipe

TEXT = (Path(__file__).parents[2] / "docs" / "RECIPE.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_documented_layer_by_layer(name: str) -> None:
    found = re.search(rf"### {name}\n\n```json\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    assert json.loads(found[1]) == [layer.to_wire() for layer in PRESETS[name]]


def test_the_example_is_a_recipe() -> None:
    found = re.search(r"```json\n(\{.*?)```", TEXT, re.DOTALL)
    assert found is not None
    assert Recipe.from_json(found[1]).seed == 7


def test_every_layer_type_is_documented() -> None:
    for name in LAYER_TYPES:
        assert f"`{name}`" in TEXT
