"""A text model that reads one character at a time says what it would say of all of them at once."""

from __future__ import annotations

import math
import warnings
from array import array
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backburner.core.errors import DataError
from backburner.core.layers import Flatten, layers_from_wire
from backburner.core.model import ModelSpec
from backburner.core.placed_layer import Adapter, PlacedLayer
from backburner.core.presets import PRESETS
from backburner.engine.safetensors import Numbers
from backburner.engine.streaming import Stream
from tests.engine.texts import LAYERS, SYMBOLS, causal, drawn_weights, text_spec

Array = NDArray[np.float64]

ACTIVATIONS: dict[str, Any] = {
    "linear": lambda x: x,
    "relu": lambda x: x * (x > 0),
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / 2**0.5)),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def at_once(spec: ModelSpec, weights: Mapping[str, Numbers], symbols: list[int]) -> Array:
    """The logits [positions, classes], all positions together, in double precision."""
    first, *others = spec.layers
    x: Array = of(weights, f"{first.name}/embeddings")[symbols]
    for placed in others:
        x = layer_at_once(placed, weights, x)
    return x


def of(weights: Mapping[str, Numbers], name: str) -> Array:
    found = weights[name]
    return np.frombuffer(found.data, np.float32).reshape(found.shape).astype(np.float64)


def layer_at_once(placed: PlacedLayer, weights: Mapping[str, Numbers], x: Array) -> Array:
    layer: Any = placed.layer

    def own(name: str) -> Array:
        return of(weights, f"{placed.name}/{name}")

    match layer.type:
        case "residual":
            y = x
            for inner in placed.inner:
                y = layer_at_once(inner, weights, y)
            return x + y
        case "conv1d":
            before = (layer.kernel_size - 1) * layer.dilation_rate
            padded = np.pad(x, ((before, 0), (0, 0)))
            total = np.zeros((len(x), layer.filters)) + own("bias")
            for place in range(layer.kernel_size):
                start = place * layer.dilation_rate
                total += padded[start : start + len(x)] @ own("kernel")[place]
            return np.asarray(ACTIVATIONS[layer.activation](total))
        case "dense":
            return np.asarray(ACTIVATIONS[layer.activation](x @ own("kernel") + own("bias")))
        case "layer_normalization":
            apart = x - x.mean(1, keepdims=True)
            variance = (apart**2).mean(1, keepdims=True)
            return apart / np.sqrt(variance + layer.epsilon) * own("gamma") + own("beta")
        case "batch_normalization":
            apart = x - own("moving_mean")
            scale = own("gamma") / np.sqrt(own("moving_variance") + layer.epsilon)
            return apart * scale + own("beta")
    assert layer.type == "dropout"
    return x


def streamed(stream: Stream, symbols: list[int]) -> Array:
    return np.array([stream.step(symbol) for symbol in symbols], np.float64)


TEXT = [(7 * i * i + 3 * i) % len(SYMBOLS) for i in range(40)]


def test_each_step_is_the_last_position_of_the_whole() -> None:
    spec = text_spec()
    weights = drawn_weights(spec)
    expected = at_once(spec, weights, TEXT)
    np.testing.assert_allclose(streamed(Stream(spec, weights), TEXT), expected, atol=2e-5)


def test_the_preset_streams_too() -> None:
    layers = [layer.to_wire() for layer in PRESETS["text"]]
    spec = text_spec(layers, context=128)
    weights = drawn_weights(spec)
    found = streamed(Stream(spec, weights), TEXT)
    expected = at_once(spec, weights, TEXT)
    np.testing.assert_allclose(
        found / np.abs(expected).max(), expected / np.abs(expected).max(), atol=1e-4
    )


def test_what_is_further_back_than_the_reach_has_no_say() -> None:
    spec = text_spec()
    weights = drawn_weights(spec)
    stream = Stream(spec, weights)
    # Two convolutions of 3 (one of them every third place) and one of 2.
    assert stream.reach == 1 + 2 + 6 + 1
    all_of_it = streamed(stream, TEXT)[-1]
    stream.forget()
    np.testing.assert_array_equal(streamed(stream, TEXT[-stream.reach :])[-1], all_of_it)
    stream.forget()
    assert not np.array_equal(streamed(stream, TEXT[-stream.reach + 1 :])[-1], all_of_it)


def test_what_is_forgotten_was_never_read() -> None:
    spec = text_spec()
    weights = drawn_weights(spec)
    used, fresh = Stream(spec, weights), Stream(spec, weights)
    streamed(used, TEXT)
    used.forget()
    np.testing.assert_array_equal(streamed(used, TEXT), streamed(fresh, TEXT))


def test_an_adapter_is_merged_into_its_kernel() -> None:
    spec = text_spec([LAYERS[0], causal(5), {"type": "dense", "units": len(SYMBOLS)}])
    adapter = Adapter(rank=2, alpha=6)
    adapted = replace(
        spec,
        layers=tuple(
            replace(
                placed,
                adapter=adapter,
                parameters=(*placed.parameters, *adapter.parameters(placed.parameters[0])),
            )
            if placed.layer.type in ("conv1d", "dense")
            else placed
            for placed in spec.layers
        ),
    )
    weights = drawn_weights(adapted)
    merged = dict(weights)
    for name in ("conv1d_1", "dense_1"):
        kernel = of(weights, f"{name}/kernel")
        change = of(weights, f"{name}/lora_a") @ of(weights, f"{name}/lora_b")
        kernel += 3 * change.reshape(kernel.shape)
        merged[f"{name}/kernel"] = Numbers(
            shape=kernel.shape, data=kernel.astype(np.float32).tobytes()
        )
    found = streamed(Stream(adapted, weights), TEXT)
    np.testing.assert_allclose(found, at_once(spec, merged, TEXT), atol=1e-5)


def test_a_model_of_pictures_cannot_write() -> None:
    spec = ModelSpec.from_layers(layers_from_wire([{"type": "flatten"}]))
    with pytest.raises(DataError, match="cannot write"):
        Stream(spec, drawn_weights(spec))


def test_a_layer_that_is_not_known_here_is_refused_by_name_with_the_way_out() -> None:
    spec = text_spec(LAYERS[:2])
    first, second, *others = spec.layers
    unknown = replace(spec, layers=(first, replace(second, layer=Flatten()), *others))
    with pytest.raises(DataError, match=r"cannot write.*conv1d_1.*preset text") as refusal:
        Stream(unknown, drawn_weights(spec))
    assert refusal.value.key == "model.from"


@pytest.mark.parametrize("factor", [1e20, 1e38])
def test_weights_that_ran_away_are_no_numbers_in_the_end_and_no_warnings(factor: float) -> None:
    spec = text_spec()
    weights = {
        name: Numbers(
            shape=numbers.shape,
            data=array("f", [factor * each for each in array("f", numbers.data)]).tobytes(),
        )
        for name, numbers in drawn_weights(spec).items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream = Stream(spec, weights)
        assert not all(map(math.isfinite, [*stream.step(1), *stream.step(2)]))
