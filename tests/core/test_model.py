"""Models with layers inside of layers, of texts, and with weights that stay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backburner.core.errors import LayerError
from backburner.core.layers import MOST_LAYERS, MOST_NESTED, layers_from_wire
from backburner.core.model import ModelSpec
from backburner.core.placed_layer import Adapter
from backburner.core.recipe import Recipe
from tests.core.test_layers import conv, place, refusal

FLATTEN = {"type": "flatten"}
NORM = {"type": "batch_normalization"}
EMBEDDING = {"type": "embedding", "output_dim": 6}


def residual(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"type": "residual", "layers": list(layers)}


def same(filters: int, **options: Any) -> dict[str, Any]:
    return conv(filters, 3, padding="same", **options)


# --- residual --------------------------------------------------------------------------


def test_a_residual_counts_all_that_is_in_it_and_names_it_after_itself() -> None:
    spec = place(same(4), residual(same(8, activation="relu"), NORM, same(4), residual(NORM)))
    outer = spec.layers[1]
    assert (outer.name, outer.output_shape) == ("residual_1", (8, 8, 4))
    assert outer.parameter_count == 4 * 9 * 8 + 8 + 32 + 8 * 9 * 4 + 4 + 16
    assert outer.multiply_adds == 2 * 64 * 9 * 4 * 8
    assert [each.name for each in spec.walk()] == [
        "conv2d_1", "residual_1", "residual_1/conv2d_1", "residual_1/batch_normalization_1",
        "residual_1/conv2d_2", "residual_1/residual_1",
        "residual_1/residual_1/batch_normalization_1", "flatten_1", "dense_1",
    ]  # fmt: skip
    names = [name for name, _ in spec.parameters()]
    assert names[2] == "residual_1/conv2d_1/kernel"
    assert len(set(names)) == len(names)
    assert spec.parameter_count == sum(each.size for _, each in spec.parameters())


def test_a_second_residual_has_names_of_its_own() -> None:
    spec = place(same(4), residual(same(4)), residual(same(4)), same(4))
    assert [each.name for each in spec.walk()][:7] == [
        "conv2d_1", "residual_1", "residual_1/conv2d_1", "residual_2", "residual_2/conv2d_1",
        "conv2d_2", "flatten_1",
    ]  # fmt: skip


def test_a_sum_that_does_not_fit_is_refused_with_both_shapes_and_a_way_out() -> None:
    error = refusal(same(4), residual(same(5)))
    assert error.key == "model.layers[1]"
    assert "8×8×5" in error.message
    assert "8×8×4" in error.message
    assert "4 filters" in error.message
    assert '"padding": "same"' in refusal(residual(conv(1, 3))).message


def test_what_is_wrong_in_a_residual_is_named_by_its_place() -> None:
    assert refusal(residual(same(1), conv(2, 9))).key == "model.layers[0].layers[1]"
    error = refusal(FLATTEN, residual({"type": "dense"}))
    assert error.key == "model.layers[1].layers[0].units"
    assert refusal(residual(residual(conv(1, 0)))).key == (
        "model.layers[0].layers[0].layers[0].kernel_size"
    )
    error = refusal(FLATTEN, residual({"type": "dense", "units": 64, "activation": "softmax"}))
    assert error.key == "model.layers[1].layers[0].activation"
    assert refusal(residual()).key == "model.layers[0].layers"


def nested(depth: int) -> dict[str, Any]:
    return residual(nested(depth - 1)) if depth > 1 else residual(NORM)


def test_residuals_may_stand_in_each_other_but_not_without_end() -> None:
    assert place(nested(MOST_NESTED)).layers[0].output_shape == (8, 8, 1)
    for depth in (MOST_NESTED + 1, 300):
        error = refusal(nested(depth))
        assert error.key == "model.layers"
        assert "one after the other" in error.message
    endless: dict[str, Any] = {"type": "residual"}
    endless["layers"] = [endless]
    assert refusal(endless).key == "model.layers"


def test_layers_in_residuals_count_as_layers() -> None:
    block = residual(*[NORM] * 19)
    assert len(layers_from_wire([block] * (MOST_LAYERS // 20))) == MOST_LAYERS // 20
    error = refusal(*[block] * (MOST_LAYERS // 20), FLATTEN)
    assert error.key == "model.layers"
    assert f"{MOST_LAYERS + 1:,} layers" in error.message


def test_the_largest_size_is_that_of_all_together() -> None:
    wide = {"type": "dense", "units": 4096}
    error = refusal(FLATTEN, wide, residual(wide, wide))
    assert error.key == "model.layers[2]"
    assert "residual" in error.message


# --- reshape ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "shape"),
    [([4, 4, 4], (4, 4, 4)), ([-1], (64,)), ([16, -1], (16, 4)), ([-1, 2, 2], (16, 2, 2))],
    ids=str,
)
def test_a_reshape_keeps_all_numbers(target: list[int], shape: tuple[int, ...]) -> None:
    spec = place({"type": "reshape", "target_shape": target}, {"type": "dropout", "rate": 0})
    assert spec.layers[0].output_shape == shape
    assert spec.layers[0].parameter_count == 0


@pytest.mark.parametrize("target", [[5, 13], [-1, 5], [65], [-1, 128]], ids=str)
def test_a_reshape_that_does_not_fit_is_refused_with_both_counts(target: list[int]) -> None:
    error = refusal({"type": "reshape", "target_shape": target})
    assert error.key == "model.layers[0]"
    assert "8×8×1" in error.message
    assert "64 numbers" in error.message
    assert "-1" in error.message


@pytest.mark.parametrize(
    "value",
    [64, "64", [], [0], [-2], [-1, -1], [1, 1, 1, 64], [2.5], [True], [None], None],
    ids=str,
)
def test_what_is_no_shape_is_refused(value: object) -> None:
    error = refusal({"type": "reshape", "target_shape": value})
    assert error.key == "model.layers[0].target_shape"


@pytest.mark.parametrize(
    "layer", [{"type": "conv1d", "filters": 4, "kernel_size": 3}, {"type": "layer_normalization"}]
)
def test_a_picture_that_became_a_sequence_is_answered_once(layer: dict[str, Any]) -> None:
    spec = place({"type": "reshape", "target_shape": [8, 8]}, layer)
    assert [each.layer.type for each in spec.layers[-2:]] == ["flatten", "dense"]
    assert (spec.positions, spec.layers[-1].output_shape) == (None, (10,))


@pytest.mark.parametrize(
    "layer",
    [
        {"type": "dense", "units": 10, "activation": "softmax"},
        {"type": "conv1d", "filters": 10, "kernel_size": 3},
    ],
)
def test_an_output_at_each_position_of_a_picture_is_refused_with_what_it_lacks(
    layer: dict[str, Any],
) -> None:
    error = refusal({"type": "reshape", "target_shape": [8, 8]}, layer)
    assert error.key == "model.layers[1]"
    assert '{"type": "flatten"}' in error.message


# --- texts -----------------------------------------------------------------------------


def text_model(*layers: dict[str, Any], symbols: int | None = 40) -> ModelSpec:
    return ModelSpec.from_layers(
        layers_from_wire(list(layers)), input_shape=(12,), classes=40, symbols=symbols
    )


def text_refusal(*layers: dict[str, Any]) -> LayerError:
    with pytest.raises(LayerError) as caught:
        text_model(*layers)
    return caught.value


def test_an_embedding_is_as_large_as_the_text_has_symbols() -> None:
    spec = text_model(EMBEDDING, residual({"type": "dense", "units": 6, "activation": "gelu"}))
    embedding = spec.layers[0]
    assert embedding.output_shape == (12, 6)
    assert [(each.name, each.shape) for each in embedding.parameters] == [("embeddings", (40, 6))]
    assert embedding.parameter_count == 240
    assert (spec.positions, spec.layers[-1].output_shape) == (12, (12, 40))
    larger = text_model({**EMBEDDING, "input_dim": 50})
    assert larger.layers[0].parameter_count == 300


def test_an_embedding_that_is_too_small_for_the_text_is_refused() -> None:
    error = text_refusal({**EMBEDDING, "input_dim": 39})
    assert error.key == "model.layers[0]"
    assert "40" in error.message
    assert "Leave input_dim out" in error.message


def test_a_text_without_an_embedding_is_refused_with_the_layer_it_lacks() -> None:
    error = text_refusal({"type": "dense", "units": 6})
    assert error.key == "model.layers[0]"
    assert '"type": "embedding"' in error.message


def test_an_embedding_of_numbers_is_refused_wherever_it_stands() -> None:
    for layers in ((EMBEDDING,), (conv(), EMBEDDING), (FLATTEN, EMBEDDING)):
        error = refusal(*layers)
        assert error.key == f"model.layers[{len(layers) - 1}]"
        assert '"source": "text"' in error.message
    assert refusal(residual(EMBEDDING)).key == "model.layers[0].layers[0]"
    assert text_refusal(EMBEDDING, EMBEDDING).key == "model.layers[1]"


# --- weights that stay, and what is added to them --------------------------------------


def test_an_adapter_has_two_matrices_for_a_kernel_seen_as_one() -> None:
    spec = place(conv(8, 3))
    kernel = spec.layers[0].parameters[0]
    adapter = Adapter(rank=2, alpha=8)
    a, b = adapter.parameters(kernel)
    assert (a.shape, b.shape) == ((9, 2), (2, 8))
    assert (a.initializer, b.initializer) == ("glorot_uniform", "zeros")
    assert adapter.scale == 4


def test_what_is_frozen_is_not_counted_as_trained() -> None:
    spec = place(conv(8, 3), NORM)
    assert (spec.parameter_count, spec.trained_count) == (80 + 32 + 2890, 80 + 16 + 2890)
    first = spec.layers[0]
    still = tuple(replace(each, is_trained=False) for each in first.parameters)
    frozen = replace(first, parameters=still, is_frozen=True)
    spec = replace(spec, layers=(frozen, *spec.layers[1:]))
    assert (spec.parameter_count, spec.trained_count) == (80 + 32 + 2890, 16 + 2890)


# --- recipes ---------------------------------------------------------------------------


def test_a_recipe_of_nested_layers_reads_back_as_itself() -> None:
    layers = [same(4), residual(NORM, same(4, activation="gelu"), residual(same(4))),
              {"type": "separable_conv2d", "filters": 4, "kernel_size": [3, 2]},
              {"type": "reshape", "target_shape": [-1, 4]}, {"type": "layer_normalization"},
              FLATTEN]  # fmt: skip
    recipe = Recipe.from_wire({"recipe": 1, "model": {"layers": layers}})
    wire = recipe.to_wire()
    assert Recipe.from_wire(wire) == recipe
    assert Recipe.from_wire(wire).to_wire() == wire
    written = wire["model"]["layers"][1]["layers"]  # type: ignore[index]
    assert [each["type"] for each in written] == ["batch_normalization", "conv2d", "residual"]
