from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backburner.core.data_sources import data_from_wire
from backburner.core.errors import DataError, RecipeError
from backburner.core.fine_tuning import Base, tuned_spec, without_adapters
from backburner.core.fine_tuning_method import METHOD_NAMES, Method
from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec
from backburner.core.recipe import Recipe
from backburner.core.text_data import OTHER

DIGITS = tuple("01234567")

LAYERS = [
    {"type": "conv2d", "filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu"},
    {"type": "batch_normalization"},
    {
        "type": "residual",
        "layers": [
            {"type": "conv2d", "filters": 4, "kernel_size": 3, "padding": "same"},
            {"type": "layer_normalization"},
            {"type": "depthwise_conv2d", "kernel_size": 3, "padding": "same"},
        ],
    },
    {"type": "max_pooling2d"},
    {"type": "dropout", "rate": 0.25},
    {"type": "flatten"},
    {"type": "dense", "units": 8, "activation": "relu"},
]
CONV, NORM, RESIDUAL, DENSE, HEAD = (
    "conv2d_1",
    "batch_normalization_1",
    "residual_1",
    "dense_1",
    "dense_2",
)


def base(layers: list[dict[str, Any]] = LAYERS, classes: tuple[str, ...] = DIGITS) -> Base:
    spec = ModelSpec.from_layers(layers_from_wire(layers), (8, 8, 1), len(classes))
    return Base.of(spec, classes)


def text_base(classes: str = "\nabc") -> Base:
    layers = layers_from_wire(
        [
            {"type": "embedding", "output_dim": 4},
            {"type": "conv1d", "filters": 8, "kernel_size": 3, "padding": "causal"},
        ]
    )
    count = len(classes)
    return Base.of(ModelSpec.from_layers(layers, (16,), count, symbols=count), tuple(classes))


def learning(spec: ModelSpec) -> set[str]:
    """The outermost layers in which every weight learns."""
    return {
        placed.name
        for placed in spec.layers
        if placed.parameter_count
        and all(p.is_trained or p.is_statistic for each in placed.walk() for p in each.parameters)
    }


# --- methods ---------------------------------------------------------------------------


METHODS = st.one_of(
    st.sampled_from([Method(), Method(name="head")]),
    st.builds(Method, name=st.just("last"), layers=st.integers(1, 1000)),
    st.builds(
        Method,
        name=st.just("lora"),
        rank=st.integers(1, 64),
        alpha=st.floats(0.01, 1000, allow_nan=False),
    ),
)


@given(METHODS)
def test_a_method_survives_the_wire(method: Method) -> None:
    assert Method.from_wire(method.to_wire()) == method


def test_what_a_recipe_leaves_out_has_a_default() -> None:
    assert Method.from_wire({}).to_wire() == {"name": "all"}
    assert Method.from_wire({"name": "last"}).to_wire() == {"name": "last", "layers": 2}
    lora = {"name": "lora", "rank": 4, "alpha": 8.0}
    assert Method.from_wire({"name": "lora"}).to_wire() == lora


@pytest.mark.parametrize(
    ("wire", "key"),
    [
        ("lora", "method"),
        ({"name": "qlora"}, "method.name"),
        ({"name": "lora", "rank": 0}, "method.rank"),
        ({"name": "lora", "rank": None}, "method.rank"),
        ({"name": "lora", "rank": 65}, "method.rank"),
        ({"name": "lora", "alpha": 0}, "method.alpha"),
        ({"name": "lora", "alpha": True}, "method.alpha"),
        ({"name": "last", "layers": 0}, "method.layers"),
        ({"name": "last", "rank": 4}, "method.rank"),
        ({"name": "head", "layers": 1}, "method.layers"),
        ({"rank": 4}, "method.rank"),
        ({"name": "all", "ranks": 4}, "method.ranks"),
    ],
)
def test_a_method_that_cannot_be_is_refused_by_its_key(wire: object, key: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        Method.from_wire(wire)
    assert refusal.value.key == key


# --- what learns -----------------------------------------------------------------------


def test_by_all_every_weight_learns() -> None:
    spec = tuned_spec(base(), Method(), DIGITS)
    assert spec == base().spec()
    assert spec.trained_count < spec.parameter_count  # the statistics are no weights


def test_of_the_head_nothing_else_learns() -> None:
    spec = tuned_spec(base(), Method(name="head"), DIGITS)
    assert learning(spec) == {HEAD}
    assert spec.trained_count == 8 * 8 + 8
    frozen = {placed.name for placed in spec.walk() if placed.is_frozen}
    inner = {
        f"{RESIDUAL}/{kind}_1" for kind in ("conv2d", "layer_normalization", "depthwise_conv2d")
    }
    assert frozen == {CONV, NORM, RESIDUAL, DENSE, *inner}


def test_the_last_layers_are_counted_from_the_output_and_a_residual_as_one() -> None:
    chain = [HEAD, DENSE, RESIDUAL, NORM, CONV]
    for layers in range(1, 6):
        spec = tuned_spec(base(), Method(name="last", layers=layers), DIGITS)
        assert learning(spec) == set(chain[:layers])
    assert tuned_spec(base(), Method(name="last", layers=5), DIGITS) == base().spec()


def test_more_layers_than_there_are_are_refused_naming_how_many_there_are() -> None:
    with pytest.raises(RecipeError, match="only 5 layers that learn") as refusal:
        tuned_spec(base(), Method(name="last", layers=6), DIGITS)
    assert refusal.value.key == "method.layers"
    one = base([{"type": "flatten"}])
    with pytest.raises(RecipeError, match="only 1 layer that learns"):
        tuned_spec(one, Method(name="last"), DIGITS)


@given(st.integers(1, 16))
def test_lora_trains_two_small_matrices_beside_each_kernel_and_nothing_else(rank: int) -> None:
    spec = tuned_spec(base(), Method(name="lora", rank=rank), DIGITS)
    kernels = {
        CONV: (9, 4),
        f"{RESIDUAL}/conv2d_1": (36, 4),
        DENSE: (64, 8),
        HEAD: (8, 8),
    }
    adapted = {placed.name: placed for placed in spec.walk() if placed.adapter}
    assert adapted.keys() == kernels.keys()
    for name, (inputs, sums) in kernels.items():
        trained = {p.name: p.shape for p in adapted[name].parameters if p.is_trained}
        assert trained == {"lora_a": (inputs, rank), "lora_b": (rank, sums)}
    assert spec.trained_count == sum(rank * sum(sides) for sides in kernels.values())
    others = spec.parameter_count - spec.trained_count
    assert others == base().spec().parameter_count


def test_lora_freezes_what_has_no_adapter_and_no_residual_around_one() -> None:
    spec = tuned_spec(base(), Method(name="lora"), DIGITS)
    frozen = {placed.name for placed in spec.walk() if placed.is_frozen}
    inner = {f"{RESIDUAL}/layer_normalization_1", f"{RESIDUAL}/depthwise_conv2d_1"}
    assert frozen == {NORM, *inner}


def test_an_adapter_is_scaled_by_alpha_over_rank() -> None:
    spec = tuned_spec(base(), Method(name="lora", rank=4, alpha=6), DIGITS)
    assert {placed.adapter.scale for placed in spec.walk() if placed.adapter} == {1.5}


# --- new classes -----------------------------------------------------------------------


def test_the_bases_classes_stay_first_and_in_order() -> None:
    known = base(classes=("cat", "dog"))
    assert known.joined(["mouse", "dog", "ant"]) == ("cat", "dog", "mouse", "ant")
    assert known.joined(["dog"]) == ("cat", "dog")


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_an_output_with_new_units_learns_by_every_method(name: Any) -> None:
    classes = (*DIGITS, "8", "9")
    spec = tuned_spec(base(), Method(name=name), classes)
    head = spec.layers[-1]
    assert (spec.classes, head.output_shape, head.name) == (10, (10,), HEAD)
    assert head.adapter is None
    assert all(parameter.is_trained for parameter in head.parameters)
    assert HEAD in learning(spec)


def test_a_model_that_grows_too_large_is_refused_by_what_makes_it_so() -> None:
    wide = [{"type": "flatten"}, {"type": "dense", "units": 65536}]
    large = base([*wide, {"type": "dense", "units": 120}])
    with pytest.raises(RecipeError) as refusal:
        tuned_spec(large, Method(name="lora", rank=64), DIGITS)
    assert refusal.value.key == "method.rank"
    large = base(wide)
    with pytest.raises(RecipeError) as refusal:
        tuned_spec(large, Method(), large.joined(map(str, range(300))))
    assert refusal.value.key == "data.classes"


# --- bases -----------------------------------------------------------------------------


@pytest.mark.parametrize("known", [base(), text_base()])
def test_a_base_survives_the_wire(known: Base) -> None:
    assert Base.from_wire(known.to_wire()) == known


def test_a_base_has_its_parameters_under_the_names_that_they_had_in_training() -> None:
    for preset in ("tiny", "small", "deeper"):
        recipe = Recipe.from_wire({"recipe": 1, "model": {"preset": preset}})
        trained = recipe.spec()
        again = Base.of(trained, recipe.data.classes).spec()
        assert list(again.parameters()) == list(trained.parameters())


def test_a_fine_tuned_model_is_a_base_without_its_adapters() -> None:
    classes = base().joined(["8"])
    tuned = tuned_spec(base(), Method(name="lora"), classes)
    plain = without_adapters(tuned)
    assert Base.of(tuned, classes).spec() == plain
    assert plain.parameter_count == base().spec().parameter_count + 9
    assert not any(placed.adapter or placed.is_frozen for placed in plain.walk())


@pytest.mark.parametrize(
    "wire",
    [
        None,
        {},
        {"layers": [{"type": "flatten"}], "input_shape": [8, 8, 1], "classes": [1, 2]},
        {"layers": [{"type": "flatten"}], "input_shape": "8x8", "classes": ["a", "b"]},
        {"layers": [], "input_shape": [8, 8, 1], "classes": ["a", "b"]},
    ],
)
def test_a_damaged_base_is_refused(wire: object) -> None:
    with pytest.raises(RecipeError):
        Base.from_wire(wire)


# --- data ------------------------------------------------------------------------------


DRAWN = {"cat": 20, "dog": 20}


def test_drawings_take_the_size_of_the_base_where_the_recipe_leaves_it_open() -> None:
    assert base().with_size({"source": "drawings"}) == {"source": "drawings", "size": 8}
    assert base().with_size({"source": "drawings", "size": 16})["size"] == 16
    assert base().with_size({"source": "digits"}) == {"source": "digits"}
    assert text_base().with_size({"source": "text"}) == {"source": "text", "context": 16}


def test_data_of_another_size_are_refused_with_the_size_to_write() -> None:
    drawings = data_from_wire({"source": "drawings", "size": 16}, DRAWN)
    with pytest.raises(DataError, match='Write "size": 8') as refusal:
        base().adopt(drawings)
    assert refusal.value.key == "data.size"
    fitting = data_from_wire(base().with_size({"source": "drawings"}), DRAWN)
    assert base().adopt(fitting) is fitting


def test_pictures_and_text_do_not_mix() -> None:
    with pytest.raises(DataError, match="trained on text"):
        text_base().adopt(data_from_wire({"source": "digits"}))
    with pytest.raises(DataError, match="trained on pictures"):
        base().adopt(data_from_wire({"source": "text", "text": "abc" * 200}))


def test_a_text_is_read_in_the_vocabulary_of_the_base() -> None:
    data = data_from_wire({"source": "text", "text": "cab" * 100, "context": 16})
    assert text_base().adopt(data).classes == tuple("\nabc")


def test_a_text_of_another_length_of_context_is_refused_with_the_one_to_write() -> None:
    data = data_from_wire({"source": "text", "text": "cab" * 100, "context": 32})
    with pytest.raises(DataError, match='"context": 16') as refusal:
        text_base().adopt(data)
    assert refusal.value.key == "data.context"


def test_a_character_that_the_base_does_not_know_is_refused_by_name() -> None:
    data = data_from_wire({"source": "text", "text": "cabé" * 100, "context": 16})
    with pytest.raises(DataError, match='"é"') as refusal:
        text_base().adopt(data)
    assert refusal.value.key == "data.text"
    assert text_base("abc" + OTHER).adopt(data).classes == (*"abc", OTHER)


def test_the_shipped_text_is_read_in_the_vocabulary_of_the_base_too() -> None:
    data = data_from_wire({"source": "text", "context": 16})
    with pytest.raises(DataError, match='the character " "'):
        text_base().adopt(data)


def test_every_count_is_known_before_there_is_a_number() -> None:
    spec = tuned_spec(base(), Method(name="lora", rank=2), DIGITS)
    assert spec.parameter_count == sum(math.prod(p.shape) for _, p in spec.parameters())
