"""A text model one character at a time: each step costs the same, however much was read before.

A causal convolution needs, of all that it has seen, the few positions that its window reaches;
these are kept in a ring, and every other layer looks at one position only. So a step computes
exactly what the model would put out for the last position of all that was read.

It computes with numpy, on weights that were read from an executor once: any backend's, and without
disturbing it. numpy is imported when a stream is made, never with this module: in the browser it
has to be loaded first, and most who come here never write a text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from backburner.core.convolutions import Conv1D
from backburner.core.errors import DataError
from backburner.core.layer import Activation
from backburner.core.layers import Dense, Dropout, Embedding, Residual
from backburner.core.model import ModelSpec
from backburner.core.normalizations import BatchNormalization, LayerNormalization
from backburner.core.placed_layer import PlacedLayer
from backburner.engine.safetensors import Numbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]
    """[channels] of one position; [rows, columns] of a kernel seen as a matrix."""

    Step = Callable[[Vector], Vector]


class Stream:
    """A text model that reads. `reach` is how many of the last characters have a say in what it
    puts out.
    """

    def __init__(self, spec: ModelSpec, parameters: Mapping[str, Numbers]) -> None:
        """Raises DataError for a model of anything but text, and for a layer that cannot stream."""
        first, *others = spec.layers
        if not isinstance(first.layer, Embedding):
            raise DataError(
                "This model was trained on pictures or numbers, and cannot write. Train one on "
                "text first, with the preset text.",
                key="model.from",
            )
        self.reach = 1 + sum(_looks_back(each) for each in spec.layers)
        self._rings: list[_Ring] = []
        self._table = _values(parameters[f"{first.name}/embeddings"])
        with _running_away():
            self._steps = [self._step_of(placed, parameters) for placed in others]

    def step(self, symbol: int) -> Vector:
        """Reads one character, given as its index: the logits of what comes next."""
        x: Vector = self._table[symbol]
        with _running_away():
            for step in self._steps:
                x = step(x)
        return x

    def forget(self) -> None:
        """It has read nothing."""
        for ring in self._rings:
            ring.clear()

    def _step_of(self, placed: PlacedLayer, parameters: Mapping[str, Numbers]) -> Step:
        match placed.layer:
            case Residual():
                inner = [self._step_of(each, parameters) for each in placed.inner]
                return _residual(inner)
            case Conv1D() as layer:
                ring = _Ring(layer, placed.input_shape[-1])
                self._rings.append(ring)
                return _weighted(placed, parameters, layer.activation, ring.push)
            case Dense(activation=activation):
                return _weighted(placed, parameters, activation, _as_it_is)
            case LayerNormalization() as layer:
                return _layer_normalization(placed, parameters, layer)
            case BatchNormalization() as layer:
                return _batch_normalization(placed, parameters, layer)
            case Dropout():
                return _as_it_is
        raise DataError(
            f"This model cannot write: how its layer {placed.name} is computed one character at a "
            "time is not known. Train one of conv1d, dense and normalizations, such as the preset "
            "text.",
            key="model.from",
            detail=placed.layer.type,
        )


class _Ring:
    """What a causal convolution has seen last: as many positions as its window spans."""

    def __init__(self, layer: Conv1D, channels: int) -> None:
        import numpy as np

        window, size, dilation = layer.window, layer.kernel_size, layer.dilation_rate
        self._seen = np.zeros((window, channels), np.float32)
        # Where the places of the kernel are, the oldest first, when the newest stands at [row].
        back = np.arange(size - 1, -1, -1) * dilation
        self._places = (np.arange(window)[:, None] - back) % window
        self._newest = -1

    def push(self, x: Vector) -> Vector:
        """Adds a position: what the kernel sees now, in one row."""
        self._newest = (self._newest + 1) % len(self._seen)
        self._seen[self._newest] = x
        seen: Vector = self._seen[self._places[self._newest]]
        return seen.reshape(-1)

    def clear(self) -> None:
        """Zeros, which is what a causal padding puts before the first position."""
        self._seen[:] = 0


def _running_away() -> AbstractContextManager[object]:
    """Weights that ran away come out as logits that are no numbers: whoever draws from them says
    so, and numpy need not warn on the way."""
    import numpy as np

    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


def _looks_back(placed: PlacedLayer) -> int:
    """How many positions before its own a layer sees."""
    return sum(each.layer.window - 1 for each in placed.walk() if isinstance(each.layer, Conv1D))


def _values(numbers: Numbers) -> Vector:
    import numpy as np

    return np.frombuffer(numbers.data, np.dtype("<f4")).reshape(numbers.shape)


def _own(placed: PlacedLayer, parameters: Mapping[str, Numbers]) -> Iterator[tuple[str, Vector]]:
    for parameter in placed.parameters:
        yield parameter.name, _values(parameters[f"{placed.name}/{parameter.name}"])


def _as_it_is(x: Vector) -> Vector:
    return x


def _residual(inner: list[Step]) -> Step:
    def step(x: Vector) -> Vector:
        y = x
        for each in inner:
            y = each(y)
        return x + y

    return step


def _weighted(
    placed: PlacedLayer,
    parameters: Mapping[str, Numbers],
    activation: Activation,
    see: Step,
) -> Step:
    """Sums of what the kernel sees, an adapter merged into it."""
    own = dict(_own(placed, parameters))
    bias = own["bias"]
    kernel = own["kernel"].reshape(-1, len(bias))
    if placed.adapter is not None:
        kernel = kernel + placed.adapter.scale * (own["lora_a"] @ own["lora_b"])
    activate = _activation(activation)

    def step(x: Vector) -> Vector:
        return activate(see(x) @ kernel + bias)

    return step


def _layer_normalization(
    placed: PlacedLayer, parameters: Mapping[str, Numbers], layer: LayerNormalization
) -> Step:
    own = dict(_own(placed, parameters))
    gamma: Any = own.get("gamma", 1.0)
    beta: Any = own.get("beta", 0.0)
    channels = placed.input_shape[-1]

    def step(x: Vector) -> Vector:
        apart = x - x.sum() / channels
        deviation = math.sqrt(float(apart @ apart) / channels + layer.epsilon)
        normalized: Vector = apart / deviation * gamma + beta
        return normalized

    return step


def _batch_normalization(
    placed: PlacedLayer, parameters: Mapping[str, Numbers], layer: BatchNormalization
) -> Step:
    """With the statistics that the training gathered, which makes it a scale and a shift."""
    own = dict(_own(placed, parameters))
    scale = own.get("gamma", 1.0) / (own["moving_variance"] + layer.epsilon) ** 0.5
    shift = own.get("beta", 0.0) - own["moving_mean"] * scale

    def step(x: Vector) -> Vector:
        return x * scale + shift

    return step


def _activation(activation: Activation) -> Step:
    import numpy as np

    def relu(x: Vector) -> Vector:
        positive: Vector = np.maximum(x, 0)
        return positive

    def gelu(x: Vector) -> Vector:
        cumulative = [0.5 * (1 + math.erf(each * math.sqrt(0.5))) for each in x.tolist()]
        return x * np.array(cumulative, np.float32)

    def tanh(x: Vector) -> Vector:
        bent: Vector = np.tanh(x)
        return bent

    def sigmoid(x: Vector) -> Vector:
        return 0.5 * (tanh(0.5 * x) + 1)  # without an overflow, however far x is from 0

    match activation:
        case "relu":
            return relu
        case "gelu":
            return gelu
        case "tanh":
            return tanh
        case "sigmoid":
            return sigmoid
        case "linear" | "softmax":  # a softmax on the output is left to whoever draws
            return _as_it_is
