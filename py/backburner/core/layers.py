"""The layers a model is built from: their options, their shapes, their parameters.

Owns which types there are (`LAYER_TYPES`), what each makes of a shape, and which parameters it
needs; whether a list of them works as a whole is core/model.py's. It must not know how a layer
is computed: the page counts parameters with this module, and has no TF.js.

Types and options have Keras's names and defaults. Shapes are of one example, without the batch:
`(height, width, channels)` of a picture, `(positions, channels)` of a sequence, `(features,)` of a
row of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, Literal, Self, cast

from backburner.core.errors import LayerError, RecipeError
from backburner.core.options import (
    choice,
    closest,
    fraction,
    integer,
    listed,
    pair,
    read_by,
    read_object,
    show,
    sizes,
)

Shape = tuple[int, ...]
Padding = Literal["valid", "same"]
SequencePadding = Literal["valid", "same", "causal"]
Activation = Literal["linear", "relu", "tanh", "sigmoid", "softmax"]

ACTIVATIONS: tuple[Activation, ...] = ("relu", "tanh", "sigmoid", "softmax", "linear")
MOST_LAYERS = 200

CAME_LATER = "came_later"
"""Marks, in a field's metadata, an option that recipes of the first version did not have."""

LATER_TYPES = (
    "depthwise_conv2d",
    "separable_conv2d",
    "batch_normalization",
    "layer_normalization",
    "embedding",
    "reshape",
    "residual",
)

_FILTERS = integer(1, 4096, "Small models use 8 to 64.")
_UNITS = integer(1, 65536, "Small models use 10 to 128.")
_KERNEL = pair(64, "3 is the usual size.")
_STEP = pair(64, "1 looks at every place, 2 at every second one.")
_POOL = pair(64, "2 halves the picture, which is the usual size.")
_RATE = fraction("0.25 forgets a quarter of the numbers at each step, which is a good start.")
_DILATION = pair(64, "1 looks at neighbours, 2 at every second place, so the window reaches wider.")
_LENGTH = integer(1, 1024, "3 is the usual size.")
_HOP = integer(1, 1024, "1 looks at every position, 2 at every second one.")
_SPREAD = integer(
    1, 1024, "1 looks at neighbours, 2 at every second position, so the window reaches wider."
)
_PADDING = choice(("valid", "same"))
_SEQUENCE_PADDING = choice(("valid", "same", "causal"))
_ACTIVATION = choice(ACTIVATIONS, none_means="linear")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """One tensor that a layer learns, and how it starts.

    `fan_in` and `fan_out` are Keras's: the numbers that go into, and come out of, one unit.
    Glorot's uniform initializer draws from ±sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio
    2010, "Understanding the difficulty of training deep feedforward neural networks").
    """

    name: Literal["kernel", "bias"]
    shape: Shape
    initializer: Literal["glorot_uniform", "zeros"]
    fan_in: int
    fan_out: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class Layer:
    """What all layer types share: reading and writing themselves, by their fields."""

    __slots__ = ()
    type: ClassVar[str]

    @classmethod
    def options(cls) -> dict[str, Field[Any]]:
        """The fields of a recipe's layer of this type, in order; each has metadata `option`."""
        return {f.name: f for f in fields(cast(Any, cls))}

    @classmethod
    def from_wire(cls, wire: Mapping[str, object], where: str = "layer") -> Self:
        """Reads `{"type": …, option: …}`; `where` is its place, such as `model.layers[2]`.

        Raises LayerError, with the option's key where one option is at fault.
        """
        options = cls.options()
        try:
            given = read_object(wire, where, ("type", *options))
            given.pop("type", None)
            for name, option in options.items():
                if option.default is MISSING and name not in given:
                    raise RecipeError(
                        f"{where}: {cls.type} needs {name}. "
                        f'Write {{"type": "{cls.type}", "{name}": …}}.',
                        key=f"{where}.{name}",
                    )
            layer = cls(
                **{
                    name: options[name].metadata["option"].read(value, f"{where}.{name}")
                    for name, value in given.items()
                    if value is not None or options[name].default is not None
                }
            )
            layer.check_options(where)
            return layer
        except RecipeError as error:
            raise LayerError(error.message, key=error.key) from None

    def to_wire(self) -> dict[str, object]:
        """The layer with every option spelled out; sizes are `[height, width]`.

        An option that came later stands there only where it is not at its default: the hashes of
        recipes that do not use it stay what they were.
        """
        wire: dict[str, object] = {"type": self.type}
        for name, option in self.options().items():
            value = getattr(self, name)
            if option.metadata.get(CAME_LATER) and value == option.default:
                continue
            wire[name] = list(value) if isinstance(value, tuple) else value
        return wire

    def check_options(self, where: str) -> None:
        """Raises RecipeError for options that are right one by one, but not together."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """What becomes of one example's shape. Raises LayerError when nothing is left."""
        raise NotImplementedError

    def parameters(self, input_shape: Shape) -> tuple[ParameterSpec, ...]:
        """What is learned, in a fixed order. Layers that learn nothing have none."""
        return ()

    def multiply_adds(self, input_shape: Shape) -> int:
        """Multiplications with addition of one forward pass of one example (bias left out)."""
        return 0


def _image(layer: Layer, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        if len(shape) == 2:
            raise LayerError(
                f"{layer.type} works on pictures (height, width, channels), but what reaches it "
                f"is {_sequence_words(shape)}. Use conv1d there."
            )
        raise LayerError(
            f"{layer.type} works on pictures (height, width, channels), but what reaches it is "
            f"a row of {shape[0]:,} numbers. Put it before the flatten, dense or global pooling."
        )
    return shape[0], shape[1], shape[2]


def _sequence_words(shape: Shape) -> str:
    return f"a sequence of {shape[0]:,} positions with {shape[1]:,} numbers each"


def _windows(
    layer: Layer,
    shape: Shape,
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: Padding,
) -> tuple[int, int]:
    """How many places a sliding window has, down and across."""
    height, width, _ = _image(layer, shape)
    if padding == "same":
        return -(-height // strides[0]), -(-width // strides[1])
    down = (height - window[0]) // strides[0] + 1
    across = (width - window[1]) // strides[1] + 1
    if down < 1 or across < 1:
        raise LayerError(
            f"{layer.type} looks through a window of {sizes(window)}, but the picture "
            f"that reaches it is only {sizes((height, width))}, so nothing would be left. Make the "
            'window smaller, write "padding": "same", or take away a pooling or stride before it.'
        )
    return down, across


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2D(Layer):
    """Slides `filters` small patterns over the picture."""

    type: ClassVar[str] = "conv2d"
    filters: int = field(metadata=read_by(_FILTERS))
    kernel_size: tuple[int, int] = field(metadata=read_by(_KERNEL))
    strides: tuple[int, int] = field(default=(1, 1), metadata=read_by(_STEP))
    padding: Padding = field(default="valid", metadata=read_by(_PADDING))
    activation: Activation = field(default="linear", metadata=read_by(_ACTIVATION))

    dilation_rate: tuple[int, int] = field(
        default=(1, 1), metadata=read_by(_DILATION) | {CAME_LATER: True}
    )

    def check_options(self, where: str) -> None:
        _check_dilation(self.strides, self.dilation_rate, where)

    @property
    def window(self) -> tuple[int, int]:
        """How far the kernel reaches, down and across, with the places that it leaves out."""
        (height, width), (down, across) = self.kernel_size, self.dilation_rate
        return down * (height - 1) + 1, across * (width - 1) + 1

    def output_shape(self, input_shape: Shape) -> Shape:
        down, across = _windows(self, input_shape, self.window, self.strides, self.padding)
        return down, across, self.filters

    def parameters(self, input_shape: Shape) -> tuple[ParameterSpec, ...]:
        height, width = self.kernel_size
        channels = input_shape[2]
        fan_in, fan_out = height * width * channels, height * width * self.filters
        return _kernel_and_bias((height, width, channels, self.filters), fan_in, fan_out)

    def multiply_adds(self, input_shape: Shape) -> int:
        down, across, filters = self.output_shape(input_shape)
        return down * across * filters * math.prod(self.kernel_size) * input_shape[2]


def _check_dilation(strides: tuple[int, ...], dilation: tuple[int, ...], where: str) -> None:
    """Keras's rule: a window either hops or reaches wider."""
    if max(strides) > 1 and max(dilation) > 1:
        raise RecipeError(
            f"{where}: strides and dilation_rate are both above 1, and a window can either hop or "
            "reach wider. Leave one of them at 1.",
            key=f"{where}.dilation_rate",
        )


def _kernel_and_bias(shape: Shape, fan_in: int, fan_out: int) -> tuple[ParameterSpec, ...]:
    return (
        ParameterSpec(
            name="kernel",
            shape=shape,
            initializer="glorot_uniform",
            fan_in=fan_in,
            fan_out=fan_out,
        ),
        ParameterSpec(
            name="bias", shape=shape[-1:], initializer="zeros", fan_in=fan_in, fan_out=fan_out
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv1D(Layer):
    """Slides `filters` small patterns along a sequence.

    `causal` padding lets a position see itself and earlier ones only.
    """

    type: ClassVar[str] = "conv1d"
    filters: int = field(metadata=read_by(_FILTERS))
    kernel_size: int = field(metadata=read_by(_LENGTH))
    strides: int = field(default=1, metadata=read_by(_HOP))
    padding: SequencePadding = field(default="valid", metadata=read_by(_SEQUENCE_PADDING))
    dilation_rate: int = field(default=1, metadata=read_by(_SPREAD))
    activation: Activation = field(default="linear", metadata=read_by(_ACTIVATION))

    def check_options(self, where: str) -> None:
        _check_dilation((self.strides,), (self.dilation_rate,), where)

    @property
    def window(self) -> int:
        """How far the kernel reaches, with the positions that it leaves out."""
        return self.dilation_rate * (self.kernel_size - 1) + 1

    def sides(self, positions: int) -> tuple[int, int]:
        """How many zeros stand before and after the sequence."""
        if self.padding == "valid":
            return 0, 0
        if self.padding == "causal":
            return self.window - 1, 0
        places = -(-positions // self.strides)
        missing = max(0, (places - 1) * self.strides + self.window - positions)
        return missing // 2, missing - missing // 2

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2:
            found = (
                f"a row of {input_shape[0]:,} numbers"
                if len(input_shape) == 1
                else f"a picture of {sizes(input_shape)}"
            )
            raise LayerError(
                f"conv1d works on sequences (positions, channels), but what reaches it is {found}. "
                "Use conv2d on pictures, and dense on rows."
            )
        positions, _ = input_shape
        places = (sum(self.sides(positions)) + positions - self.window) // self.strides + 1
        if places < 1:
            raise LayerError(
                f"conv1d looks through a window of {self.window:,} positions, but the sequence "
                f"that reaches it has only {positions:,}, so nothing would be left. Make the "
                'window smaller, or write "padding": "same" or "causal".'
            )
        return places, self.filters

    def parameters(self, input_shape: Shape) -> tuple[ParameterSpec, ...]:
        size, channels = self.kernel_size, input_shape[1]
        return _kernel_and_bias(
            (size, channels, self.filters), size * channels, size * self.filters
        )

    def multiply_adds(self, input_shape: Shape) -> int:
        places, filters = self.output_shape(input_shape)
        return places * filters * self.kernel_size * input_shape[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling2D(Layer):
    """Keeps one number of each window. `strides` of None is the window's own size."""

    pool_size: tuple[int, int] = field(default=(2, 2), metadata=read_by(_POOL))
    strides: tuple[int, int] | None = field(default=None, metadata=read_by(_STEP))
    padding: Padding = field(default="valid", metadata=read_by(_PADDING))

    @property
    def step(self) -> tuple[int, int]:
        return self.strides or self.pool_size

    def output_shape(self, input_shape: Shape) -> Shape:
        down, across = _windows(self, input_shape, self.pool_size, self.step, self.padding)
        return down, across, input_shape[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPooling2D(Pooling2D):
    """Keeps the largest number of each window."""

    type: ClassVar[str] = "max_pooling2d"


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragePooling2D(Pooling2D):
    """Keeps the mean of each window."""

    type: ClassVar[str] = "average_pooling2d"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalAveragePooling2D(Layer):
    """Keeps one number for each channel: its mean over the whole picture."""

    type: ClassVar[str] = "global_average_pooling2d"

    def output_shape(self, input_shape: Shape) -> Shape:
        return (_image(self, input_shape)[2],)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense(Layer):
    """Connects every number to each of `units` units; of a sequence, at each position alike."""

    type: ClassVar[str] = "dense"
    units: int = field(metadata=read_by(_UNITS))
    activation: Activation = field(default="linear", metadata=read_by(_ACTIVATION))

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) == 3:
            raise LayerError(
                f"dense takes a row of numbers, but a picture of {sizes(input_shape)} reaches it. "
                f'Add a flatten layer before it: {{"type": "flatten"}}.'
            )
        return (*input_shape[:-1], self.units)

    def parameters(self, input_shape: Shape) -> tuple[ParameterSpec, ...]:
        return _kernel_and_bias((input_shape[-1], self.units), input_shape[-1], self.units)

    def multiply_adds(self, input_shape: Shape) -> int:
        return math.prod(input_shape) * self.units


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout(Layer):
    """While training, sets a share `rate` of the numbers to 0 and enlarges the others."""

    type: ClassVar[str] = "dropout"
    rate: float = field(metadata=read_by(_RATE))

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(Layer):
    """Makes one row of numbers out of a picture or a sequence."""

    type: ClassVar[str] = "flatten"

    def output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)


LAYER_TYPES: dict[str, type[Layer]] = {
    layer.type: layer
    for layer in (
        Conv2D,
        Conv1D,
        MaxPooling2D,
        AveragePooling2D,
        GlobalAveragePooling2D,
        Dense,
        Dropout,
        Flatten,
    )
}


def layer_from_wire(wire: object, where: str = "layer") -> Layer:
    """Reads one layer of whatever type its `"type"` names. Raises LayerError."""
    known = listed(LAYER_TYPES)
    if not isinstance(wire, Mapping):
        raise LayerError(
            f'{where} is {show(wire)}, but a layer is an object like {{"type": "flatten"}}. '
            f"The types are {known}.",
            key=where,
        )
    name = wire.get("type")
    if isinstance(name, str) and name in LAYER_TYPES:
        return LAYER_TYPES[name].from_wire(wire, where)
    if name is None:
        raise LayerError(f"{where} does not say its type. The types are {known}.", key=where)
    if isinstance(name, str) and name in LATER_TYPES:
        raise LayerError(
            f'{where}: this version of Backburner has no "{name}" layer yet. '
            f"The types are {known}.",
            key=f"{where}.type",
        )
    near = closest(name, LAYER_TYPES) if isinstance(name, str) else ""
    raise LayerError(
        f"{where}: there is no layer type {show(name)}. {near}The types are {known}.",
        key=f"{where}.type",
    )


def layers_from_wire(wire: object, where: str = "model.layers") -> tuple[Layer, ...]:
    """Reads a recipe's layer list. Raises LayerError, its key naming the layer."""
    if not isinstance(wire, list | tuple) or not wire:
        raise LayerError(
            f"{where} is {show(wire)}, but it must be a list of at least one layer, "
            f'for example [{{"type": "flatten"}}].',
            key=where,
        )
    if len(wire) > MOST_LAYERS:
        raise LayerError(
            f"{where} has {len(wire):,} layers; {MOST_LAYERS} are the most that fit. "
            "Small models do well with 3 to 10.",
            key=where,
        )
    return tuple(layer_from_wire(item, f"{where}[{i}]") for i, item in enumerate(wire))
