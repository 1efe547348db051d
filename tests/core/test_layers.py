from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backburner.core.convolutions import Conv1D, Conv2D, DepthwiseConv2D, SeparableConv2D
from backburner.core.errors import LayerError
from backburner.core.layers import (
    LAYER_TYPES,
    Dense,
    Flatten,
    Reshape,
    Residual,
    layer_from_wire,
    layers_from_wire,
)
from backburner.core.model import ModelSpec
from backburner.core.normalizations import BatchNormalization, LayerNormalization
from backburner.core.poolings import MaxPooling2D

IMAGE = (8, 8, 1)


def place(*layers: dict[str, Any], **options: Any) -> ModelSpec:
    return ModelSpec.from_layers(layers_from_wire(list(layers)), **options)


def refusal(*layers: dict[str, Any], **options: Any) -> LayerError:
    with pytest.raises(LayerError) as caught:
        place(*layers, **options)
    return caught.value


def conv(filters: int = 4, kernel_size: int = 3, **options: Any) -> dict[str, Any]:
    return {"type": "conv2d", "filters": filters, "kernel_size": kernel_size, **options}


def test_defaults_are_keras_defaults() -> None:
    assert layer_from_wire(conv()).to_wire() == {
        "type": "conv2d",
        "filters": 4,
        "kernel_size": [3, 3],
        "strides": [1, 1],
        "padding": "valid",
        "activation": "linear",
    }
    pool = layer_from_wire({"type": "max_pooling2d", "pool_size": [3, 2]})
    assert isinstance(pool, MaxPooling2D)
    assert pool.step == (3, 2)
    assert layer_from_wire({"type": "average_pooling2d"}).output_shape((8, 8, 3)) == (4, 4, 3)


@pytest.mark.parametrize(
    "wire",
    [
        conv(activation="relu", strides=[2, 1], padding="same"),
        conv(dilation_rate=[2, 3]),
        {"type": "conv1d", "filters": 4, "kernel_size": 3, "padding": "causal", "strides": 2},
        {"type": "max_pooling2d", "strides": None},
        {"type": "average_pooling2d", "pool_size": 3, "strides": 1, "padding": "same"},
        {"type": "global_average_pooling2d"},
        {"type": "dense", "units": 7, "activation": None},
        {"type": "dropout", "rate": 0.25},
        {"type": "flatten"},
        {"type": "depthwise_conv2d", "kernel_size": [3, 2], "depth_multiplier": 2},
        {"type": "separable_conv2d", "filters": 4, "kernel_size": 3, "dilation_rate": [1, 2]},
        {"type": "batch_normalization", "momentum": 0, "scale": False},
        {"type": "layer_normalization", "epsilon": 1e-5, "center": False},
        {"type": "embedding", "output_dim": 8},
        {"type": "embedding", "output_dim": 8, "input_dim": 100},
        {"type": "reshape", "target_shape": [4, -1]},
        {"type": "residual", "layers": [conv(activation="gelu"), {"type": "flatten"}]},
    ],
    ids=lambda wire: wire["type"],
)
def test_a_layer_written_out_reads_back_as_itself(wire: dict[str, Any]) -> None:
    layer = layer_from_wire(wire)
    assert layer_from_wire(layer.to_wire()) == layer


@pytest.mark.parametrize(
    ("size", "window", "stride", "valid", "same"),
    [(8, 3, 1, 6, 8), (8, 3, 2, 3, 4), (7, 2, 2, 3, 4), (5, 5, 3, 1, 2), (8, 1, 3, 3, 3)],
)
def test_windows_count_as_in_keras(
    size: int, window: int, stride: int, valid: int, same: int
) -> None:
    for padding, expected in (("valid", valid), ("same", same)):
        layer = layer_from_wire(conv(2, window, strides=stride, padding=padding))
        assert layer.output_shape((size, 8, 1))[0] == expected


@pytest.mark.parametrize(
    ("size", "window", "dilation", "valid"), [(8, 3, 2, 4), (8, 2, 7, 1), (9, 3, 3, 3)]
)
def test_a_dilated_window_reaches_as_far_as_in_keras(
    size: int, window: int, dilation: int, valid: int
) -> None:
    for padding, expected in (("valid", (valid, 9 - window)), ("same", (size, 8))):
        layer = layer_from_wire(conv(2, window, dilation_rate=[dilation, 1], padding=padding))
        assert layer.output_shape((size, 8, 1)) == (*expected, 2)
        assert layer.parameters((size, 8, 1))[0].shape == (window, window, 1, 2)
    error = refusal(conv(2, 3, dilation_rate=4))
    assert "9×9" in error.message, "what is said is how far it reaches"


def test_an_option_that_came_later_is_written_only_where_it_is_used() -> None:
    # The hash of a recipe decides whether a kept run may go on.
    assert "dilation_rate" not in layer_from_wire(conv(dilation_rate=1)).to_wire()
    assert layer_from_wire(conv(dilation_rate=2)).to_wire()["dilation_rate"] == [2, 2]


@pytest.mark.parametrize("layer", [conv(), {"type": "conv1d", "filters": 4, "kernel_size": 3}])
def test_strides_and_dilation_together_are_refused_as_in_keras(layer: dict[str, Any]) -> None:
    error = refusal({**layer, "strides": 2, "dilation_rate": 2})
    assert error.key == "model.layers[0].dilation_rate"


def causal(filters: int = 5, **options: Any) -> dict[str, Any]:
    defaults = {"type": "conv1d", "filters": filters, "kernel_size": 3, "padding": "causal"}
    return {**defaults, **options}


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({"padding": "valid"}, 10),
        ({"padding": "valid", "strides": 3}, 4),
        ({"padding": "valid", "dilation_rate": 4}, 4),
        ({"padding": "same"}, 12),
        ({"padding": "same", "strides": 5}, 3),
        ({"padding": "same", "kernel_size": 2, "strides": 5}, 3),
        ({"padding": "same", "kernel_size": 1, "strides": 5}, 3),
        ({"padding": "causal"}, 12),
        ({"padding": "causal", "strides": 5}, 3),
        ({"padding": "causal", "dilation_rate": 9}, 12),
    ],
    ids=str,
)
def test_a_sequence_has_as_many_places_as_in_keras(options: dict[str, Any], places: int) -> None:
    layer = layer_from_wire(causal(**options))
    assert layer.output_shape((12, 4)) == (places, 5)
    assert layer.multiply_adds((12, 4)) == places * 5 * 4 * options.get("kernel_size", 3)


def test_a_sequence_keeps_its_positions_and_dense_is_applied_at_each() -> None:
    spec = place(
        causal(8, activation="relu"), {"type": "dense", "units": 6, "activation": "tanh"},
        {"type": "dropout", "rate": 0.1}, input_shape=(12, 4), classes=3,
    )  # fmt: skip
    shapes = [placed.output_shape for placed in spec.layers]
    assert shapes == [(12, 8), (12, 6), (12, 6), (12, 3)]
    assert [placed.parameter_count for placed in spec.layers] == [104, 54, 0, 21]
    assert spec.layers[1].multiply_adds == 12 * 8 * 6
    kernel = spec.layers[0].parameters[0]
    assert (kernel.shape, kernel.fan_in, kernel.fan_out) == ((3, 4, 8), 12, 24)
    assert spec.positions == 12


def test_the_output_of_a_sequence_may_be_a_dense_or_a_conv1d() -> None:
    for head in (causal(3), causal(3, activation="softmax"), {"type": "dense", "units": 3}):
        spec = place(causal(), head, input_shape=(12, 4), classes=3, output="given")
        assert [len(spec.layers), spec.positions] == [2, 12]
    assert place({"type": "flatten"}, input_shape=(12, 4)).positions is None
    assert place({"type": "flatten"}).positions is None


@pytest.mark.parametrize(
    ("shape", "words"),
    [((8, 8, 1), "a picture of 8×8×1"), ((5,), "a row of 5 numbers")],
    ids=["picture", "row"],
)
def test_conv1d_is_refused_where_there_is_no_sequence(shape: tuple[int, ...], words: str) -> None:
    error = refusal(causal(), input_shape=shape)
    assert error.key == "model.layers[0]"
    assert words in error.message


def test_what_is_for_pictures_is_refused_on_a_sequence() -> None:
    for layer in (conv(), {"type": "max_pooling2d"}, {"type": "global_average_pooling2d"}):
        error = refusal(layer, input_shape=(12, 4))
        assert error.key == "model.layers[0]"
        assert "12 positions" in error.message


def test_a_window_that_is_longer_than_the_sequence_is_refused_with_both_lengths() -> None:
    error = refusal(causal(padding="valid", dilation_rate=6), input_shape=(12, 4))
    assert error.key == "model.layers[0]"
    assert "13 positions" in error.message
    assert "only 12" in error.message


def test_the_model_has_unique_names_and_keras_parameter_counts() -> None:
    spec = place(
        conv(8, 3, activation="relu"), {"type": "max_pooling2d"}, conv(16, 3), {"type": "flatten"},
        {"type": "dense", "units": 64, "activation": "relu"}, input_shape=(28, 28, 1),
    )  # fmt: skip
    assert [layer.name for layer in spec.layers] == [
        "conv2d_1", "max_pooling2d_1", "conv2d_2", "flatten_1", "dense_1", "dense_2",
    ]  # fmt: skip
    assert [layer.parameter_count for layer in spec.layers] == [80, 0, 1168, 0, 123968, 650]
    assert spec.parameter_count == 125866
    assert [name for name, _ in spec.parameters()][:2] == ["conv2d_1/kernel", "conv2d_1/bias"]
    kernel = spec.layers[2].parameters[0]
    assert (kernel.shape, kernel.fan_in, kernel.fan_out) == ((3, 3, 8, 16), 72, 144)
    assert spec.layers[0].multiply_adds == 26 * 26 * 9 * 8


def test_an_output_layer_is_added_after_a_flatten_where_one_is_missing() -> None:
    assert [p.layer.type for p in place(conv()).layers] == ["conv2d", "flatten", "dense"]
    added = place({"type": "flatten"}, classes=3).layers[-1]
    assert (added.index, added.output_shape) == (None, (3,))


def test_a_last_dense_with_a_unit_for_each_class_is_the_output() -> None:
    for activation in ("softmax", "linear", None):
        spec = place({"type": "flatten"}, {"type": "dense", "units": 10, "activation": activation})
        assert len(spec.layers) == 2
        assert spec.layers[-1].layer == Dense(units=10)


def test_a_hidden_layer_that_happens_to_have_as_many_units_is_no_output() -> None:
    spec = place({"type": "flatten"}, {"type": "dense", "units": 10, "activation": "relu"})
    assert len(spec.layers) == 3


def test_a_given_output_must_be_one() -> None:
    flatten, dense = {"type": "flatten"}, {"type": "dense", "units": 10}
    assert len(place(flatten, dense, output="given").layers) == 2
    error = refusal(flatten, {"type": "dense", "units": 9}, output="given")
    assert error.key == "model.layers[1]"
    assert "10 units" in error.message
    assert refusal(flatten, output="given").key == "model.layers[0]"


@pytest.mark.parametrize(
    "layer", [conv(4, 9), {"type": "max_pooling2d", "pool_size": [2, 9]}], ids=["conv", "pool"]
)
def test_a_shape_that_vanishes_is_refused_with_its_sizes_and_a_way_out(
    layer: dict[str, Any],
) -> None:
    error = refusal(conv(4, 3, padding="same"), layer)
    assert error.key == "model.layers[1]"
    assert "8×8" in error.message
    assert '"padding": "same"' in error.message


def test_a_dense_layer_on_a_picture_is_refused_with_the_flatten_it_lacks() -> None:
    error = refusal(conv(), {"type": "dense", "units": 5})
    assert error.key == "model.layers[1]"
    assert "Add a flatten layer before it" in error.message


def test_a_convolution_after_a_flatten_is_refused() -> None:
    assert refusal({"type": "flatten"}, conv()).key == "model.layers[1]"


def test_softmax_stands_only_on_the_last_dense_layer_that_matches_the_classes() -> None:
    assert refusal(conv(activation="softmax")).key == "model.layers[0].activation"
    error = refusal({"type": "flatten"}, {"type": "dense", "units": 9, "activation": "softmax"})
    assert error.key == "model.layers[1].activation"
    assert "9 units" in error.message
    assert "10 classes" in error.message


def test_a_model_with_too_many_parameters_is_refused_at_the_layer_that_is_too_much() -> None:
    error = refusal({"type": "flatten"}, *[{"type": "dense", "units": 65536}] * 2)
    assert error.key == "model.layers[2]"


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(LayerError) as caught:
        layers_from_wire([])
    assert caught.value.key == "model.layers"
    with pytest.raises(LayerError):
        ModelSpec.from_layers([])


def test_an_unknown_type_is_refused_by_name_with_the_closest_and_the_known_ones() -> None:
    error = refusal(conv(), {"type": "max_pool2d"})
    assert error.key == "model.layers[1].type"
    assert 'Did you mean "max_pooling2d"?' in error.message
    assert all(name in error.message for name in LAYER_TYPES)


def test_an_unknown_option_is_refused_by_name_with_the_closest_and_the_known_ones() -> None:
    error = refusal(conv(stride=2))
    assert error.key == "model.layers[0].stride"
    assert 'Did you mean "strides"?' in error.message
    assert "kernel_size" in error.message


def test_a_missing_option_is_named() -> None:
    assert refusal({"type": "conv2d", "filters": 3}).key == "model.layers[0].kernel_size"


BAD_COUNTS = [0, -1, True, "3", None, 2.5, float("nan"), float("inf"), 10**400, [], {}]


@pytest.mark.parametrize("value", BAD_COUNTS, ids=lambda v: str(v)[:8])
@pytest.mark.parametrize("option", ["filters", "kernel_size", "strides"])
def test_what_is_no_size_is_refused_naming_the_option(option: str, value: object) -> None:
    error = refusal({**conv(), option: value})
    assert error.key == f"model.layers[0].{option}"


@pytest.mark.parametrize("value", [[3], [3, 3, 3], [3, 0], [3, True], ["3", 3]], ids=str)
def test_what_is_no_pair_is_refused(value: object) -> None:
    assert refusal({**conv(), "kernel_size": value}).key == "model.layers[0].kernel_size"


@pytest.mark.parametrize("rate", [1, 1.0, -0.1, True, "0.5", float("nan"), None], ids=str)
def test_a_dropout_rate_outside_0_to_1_is_refused(rate: object) -> None:
    assert refusal({"type": "dropout", "rate": rate}).key == "model.layers[0].rate"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["type", "units", "layers", "filters", "x"]), JSON) | JSON
    )
)
def test_any_json_is_either_a_layer_list_or_refused(wire: object) -> None:
    try:
        layers = layers_from_wire(wire)
    except LayerError as error:
        assert error.key  # noqa: PT017 - a refusal is one of two right answers
    else:
        assert layers_from_wire([layer.to_wire() for layer in layers]) == layers


SIZES = st.integers(1, 5)
SOME_LAYER = st.one_of(
    st.builds(
        Conv2D,
        filters=st.integers(1, 9),
        kernel_size=st.tuples(SIZES, SIZES),
        strides=st.tuples(SIZES, SIZES),
        padding=st.sampled_from(["same", "valid"]),
    ),
    st.builds(
        Conv1D,
        filters=st.integers(1, 9),
        kernel_size=SIZES,
        strides=SIZES,
        padding=st.sampled_from(["same", "valid", "causal"]),
    ),
    st.builds(
        SeparableConv2D,
        filters=st.integers(1, 9),
        kernel_size=st.tuples(SIZES, SIZES),
        dilation_rate=st.tuples(SIZES, SIZES),
        padding=st.sampled_from(["same", "valid"]),
    ),
    st.builds(
        DepthwiseConv2D,
        kernel_size=st.tuples(SIZES, SIZES),
        strides=st.tuples(SIZES, SIZES),
        depth_multiplier=SIZES,
    ),
    st.builds(MaxPooling2D, pool_size=st.tuples(SIZES, SIZES)),
    st.builds(Reshape, target_shape=st.permutations([-1, 1, 2, 4]).map(lambda sides: sides[:3])),
    st.builds(BatchNormalization),
    st.builds(LayerNormalization, center=st.booleans()),
    st.just(Flatten()),
    st.builds(Dense, units=st.integers(1, 99)),
)
SOME_LAYERS = st.recursive(
    SOME_LAYER,
    lambda inner: st.builds(Residual, layers=st.lists(inner, min_size=1, max_size=3).map(tuple)),
    max_leaves=4,
)


@given(
    st.lists(SOME_LAYERS, min_size=1, max_size=6),
    st.integers(2, 12),
    st.sampled_from([IMAGE, (16, 3), (7,)]),
)
def test_whatever_is_not_refused_ends_in_one_logit_for_each_class(
    layers: list[Any], classes: int, shape: tuple[int, ...]
) -> None:
    try:
        spec = ModelSpec.from_layers(layers, input_shape=shape, classes=classes)
    except LayerError as error:
        assert (error.key or "").startswith("model.layers")  # noqa: PT017
        return
    where = () if spec.positions is None else (spec.positions,)
    assert spec.layers[-1].output_shape == (*where, classes)
    walked = list(spec.walk())
    assert len({layer.name for layer in walked}) == len(walked)
    assert len({name for name, _ in spec.parameters()}) == len(list(spec.parameters()))
    for before, after in zip(spec.layers, spec.layers[1:], strict=False):
        assert before.output_shape == after.input_shape
        assert all(side >= 1 for side in after.output_shape)
