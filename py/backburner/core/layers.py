"""The layers a model is built from: their options, their shapes, their parameters.

Owns which types there are (`LAYER_TYPES`), what each makes of a shape, and which parameters it
needs; whether a list of them works as a whole is core/model.py's. It must not know how a layer
is computed: the page counts parameters with this module, and has no TF.js.

Types and options have Keras's names and defaults. Shapes are of one example, without the batch:
`(height, width, channels)` of an image, `(features,)` of a vector.
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
Activation = Literal["linear", "relu", "tanh", "sigmoid", "softmax"]

ACTIVATIONS: tuple[Activation, ...] = ("relu", "tanh", "sigmoid", "softmax", "linear")
MOST_LAYERS = 200

LATER_TYPES = (
    "depthwise_conv2d",
    "separable_conv2d",
    "conv1d",
    "batch_normalization",
    "layer_normalization",
    "embedding",
    "reshape",
    "residual",
)
LATER_OPTIONS = ("dilation_rate",)

_FILTERS = integer(1, 4096, "Small models use 8 to 64.")
_UNITS = integer(1, 65536, "Small models use 10 to 128.")
_KERNEL = pair(64, "3 is the usual size.")
_STEP = pair(64, "1 looks at every place, 2 at every second one.")
_POOL = pair(64, "2 halves the picture, which is the usual size.")
_RATE = fraction("0.25 forgets a quarter of the numbers at each step, which is a good start.")
_PADDING = choice(("valid", "same"))
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
            given = read_object(wire, where, ("type", *options), LATER_OPTIONS)
            given.pop("type", None)
            for name, option in options.items():
                if option.default is MISSING and name not in given:
                    raise RecipeError(
                        f"{where}: {cls.type} needs {name}. "
                        f'Write {{"type": "{cls.type}", "{name}": …}}.',
                        key=f"{where}.{name}",
                    )
            return cls(
                **{
                    name: options[name].metadata["option"].read(value, f"{where}.{name}")
                    for name, value in given.items()
                    if value is not None or options[name].default is not None
                }
            )
        except RecipeError as error:
            raise LayerError(error.message, key=error.key) from None

    def to_wire(self) -> dict[str, object]:
        """The layer with every option spelled out; sizes are `[height, width]`."""
        wire: dict[str, object] = {"type": self.type}
        for name in self.options():
            value = getattr(self, name)
            wire[name] = list(value) if isinstance(value, tuple) else value
        return wire

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
        raise LayerError(
            f"{layer.type} works on pictures (height, width, channels), but what reaches it is "
            f"a row of {shape[0]:,} numbers. Put it before the flatten, dense or global pooling."
        )
    return shape[0], shape[1], shape[2]


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

    def output_shape(self, input_shape: Shape) -> Shape:
        down, across = _windows(self, input_shape, self.kernel_size, self.strides, self.padding)
        return down, across, self.filters

    def parameters(self, input_shape: Shape) -> tuple[ParameterSpec, ...]:
        height, width = self.kernel_size
        channels = input_shape[2]
        fan_in, fan_out = height * width * channels, height * width * self.filters
        return _kernel_and_bias((height, width, channels, self.filters), fan_in, fan_out)

    def multiply_adds(self, input_shape: Shape) -> int:
        down, across, filters = self.output_shape(input_shape)
        return down * across * filters * math.prod(self.kernel_size) * input_shape[2]


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
    """Connects every number to each of `units` units."""

    type: ClassVar[str] = "dense"
    units: int = field(metadata=read_by(_UNITS))
    activation: Activation = field(default="linear", metadata=read_by(_ACTIVATION))

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 1:
            raise LayerError(
                f"dense takes a row of numbers, but a picture of {sizes(input_shape)} reaches it. "
                f'Add a flatten layer before it: {{"type": "flatten"}}.'
            )
        return (self.units,)

    def parameters(self, input_shape: Shape) -> tuple[ParameterSpec, ...]:
        return _kernel_and_bias((input_shape[0], self.units), input_shape[0], self.units)

    def multiply_adds(self, input_shape: Shape) -> int:
        return input_shape[0] * self.units


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout(Layer):
    """While training, sets a share `rate` of the numbers to 0 and enlarges the others."""

    type: ClassVar[str] = "dropout"
    rate: float = field(metadata=read_by(_RATE))

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(Layer):
    """Makes one row of numbers out of a picture."""

    type: ClassVar[str] = "flatten"

    def output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)


LAYER_TYPES: dict[str, type[Layer]] = {
    layer.type: layer
    for layer in (
        Conv2D,
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
