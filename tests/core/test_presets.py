from __future__ import annotations

import pytest

from backburner.core.errors import RecipeError
from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec
from backburner.core.presets import DEFAULT_PRESET, PRESETS, preset_layers


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("input_shape", [(8, 8, 1), (28, 28, 1)], ids=["8x8", "28x28"])
def test_a_preset_works_on_small_and_on_larger_pictures(
    name: str, input_shape: tuple[int, int, int]
) -> None:
    assert ModelSpec.from_layers(PRESETS[name], input_shape=input_shape).parameter_count > 0


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_what_a_recipe_could_have_written(name: str) -> None:
    layers = preset_layers(name)
    assert layers_from_wire([layer.to_wire() for layer in layers]) == layers


def test_presets_grow_from_tiny_to_deeper() -> None:
    sizes = [ModelSpec.from_layers(layers).multiply_adds for layers in PRESETS.values()]
    assert list(PRESETS) == ["tiny", "small", "deeper"]
    assert sizes == sorted(sizes)
    assert DEFAULT_PRESET == "small"


@pytest.mark.parametrize("name", ["smal", "text", "", None, 3, ["small"]], ids=str)
def test_an_unknown_preset_is_refused_naming_the_known_ones(name: object) -> None:
    with pytest.raises(RecipeError) as caught:
        preset_layers(name)
    assert caught.value.key == "model.preset"
    assert "tiny, small and deeper" in caught.value.message
