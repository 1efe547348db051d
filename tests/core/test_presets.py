from __future__ import annotations

import pytest

from backburner.core.convolutions import Conv1D
from backburner.core.errors import RecipeError
from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec
from backburner.core.presets import (
    DEFAULT_PRESET,
    PICTURE_PRESETS,
    PRESETS,
    TEXT_PRESET,
    check_preset,
    preset_layers,
)


@pytest.mark.parametrize("name", PICTURE_PRESETS)
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
    sizes = [ModelSpec.from_layers(PRESETS[name]).multiply_adds for name in PICTURE_PRESETS]
    assert list(PRESETS) == ["tiny", "small", "deeper", "text"]
    assert sizes == sorted(sizes)
    assert DEFAULT_PRESET == "small"


@pytest.mark.parametrize("name", ["smal", "texts", "", None, 3, ["small"]], ids=str)
def test_an_unknown_preset_is_refused_naming_the_known_ones(name: object) -> None:
    with pytest.raises(RecipeError) as caught:
        preset_layers(name)
    assert caught.value.key == "model.preset"
    assert "tiny, small, deeper and text" in caught.value.message


def test_the_text_preset_looks_back_over_some_words() -> None:
    spec = ModelSpec.from_layers(
        PRESETS[TEXT_PRESET], input_shape=(128,), classes=96, symbols=96, output="auto"
    )
    assert spec.positions == 128
    windows = [each.layer.window for each in spec.walk() if isinstance(each.layer, Conv1D)]
    assert 1 + sum(window - 1 for window in windows) == 63


def test_a_preset_for_other_data_is_refused_naming_those_that_fit() -> None:
    check_preset("text", is_text=True)
    check_preset("tiny", is_text=False)
    with pytest.raises(RecipeError, match="for texts is"):
        check_preset("tiny", is_text=True)
    with pytest.raises(RecipeError, match="tiny, small and deeper"):
        check_preset("text", is_text=False)
