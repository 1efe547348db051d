"""What a layer is: options, a shape made of a shape, parameters.

Owns what all layer types share; each family of them has a file of its own (core/convolutions.py,
core/poolings.py, core/normalizations.py, core/layers.py), and core/layers.py the table of all. It
must not know how a layer is computed: the page counts parameters with it, and has no TF.js.

Types and options have Keras's names and defaults. Shapes are of one example, without the batch:
`(height, width, channels)` of a picture, `(positions, channels)` of a sequence, `(features,)` of a
row of numbers, `(positions,)` of a text, which is a row of symbols.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar, Literal, Self, cast

from backburner.core.errors import LayerError, RecipeError
from backburner.core.options import choice, pair, read_object, sizes

Shape = tuple[int, ...]
Padding = Literal["valid", "same"]
Activation = Literal["linear", "relu", "gelu", "tanh", "sigmoid", "softmax"]

ACTIVATIONS: tuple[Activation, ...] = ("relu", "gelu", "tanh", "sigmoid", "softmax", "linear")

CAME_LATER = "came_later"
"""Marks, in a field's metadata, an option that recipes of the first version did not have."""

KERNEL = pair(64, "3 is the usual size.")
STEP = pair(64, "1 looks at every place, 2 at every second one.")
PADDING = choice(("valid", "same"))
ACTIVATION = choice(ACTIVATIONS, none_means="linear")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """One tensor that belongs to a layer, how it starts, and how it changes.

    `fan_in` and `fan_out` are Keras's: the numbers that go into, and come out of, one unit.
    Glorot's uniform initializer draws from ±sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio
    2010, "Understanding the difficulty of training deep feedforward neural networks"), and
    "uniform" from ±0.05.

    A statistic is no weight: a training gathers it beside the steps, without a gradient. What
    `is_trained` is changed by gradients; the rest of a layer that is fine-tuned stays as it is.
    """

    name: str
    shape: Shape
    initializer: Literal["glorot_uniform", "uniform", "zeros", "ones"]
    fan_in: int = 1
    fan_out: int = 1
    is_statistic: bool = False
    is_trained: bool = True

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def is_kernel(self) -> bool:
        """Whether its numbers are factors of a weighted sum: what an L2 regularizer keeps small.

        Biases, embeddings and what a normalization learns are none.
        """
        return self.name.endswith("kernel") or self.name in ("lora_a", "lora_b")


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
            wire[name] = _as_json(value)
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


def _as_json(value: object) -> object:
    match value:
        case Layer():
            return value.to_wire()
        case tuple():
            return [_as_json(each) for each in value]
        case _:
            return value


def picture(layer: Layer, shape: Shape) -> tuple[int, int, int]:
    """A picture's shape. Raises LayerError for any other."""
    if len(shape) != 3:
        if len(shape) == 2:
            raise LayerError(
                f"{layer.type} works on pictures (height, width, channels), but what reaches it "
                f"is {sequence_words(shape)}. Use conv1d there."
            )
        raise LayerError(
            f"{layer.type} works on pictures (height, width, channels), but what reaches it is "
            f"a row of {shape[0]:,} numbers. Put it before the flatten, dense or global pooling."
        )
    return shape[0], shape[1], shape[2]


def shape_words(shape: Shape) -> str:
    """What reaches a layer, in words."""
    match len(shape):
        case 1:
            return f"a row of {shape[0]:,} numbers"
        case 2:
            return sequence_words(shape)
        case _:
            return f"a picture of {sizes(shape)}"


def sequence_words(shape: Shape) -> str:
    return f"a sequence of {shape[0]:,} positions with {shape[1]:,} numbers each"


def windows(
    layer: Layer,
    shape: Shape,
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: Padding,
) -> tuple[int, int]:
    """How many places a sliding window has, down and across."""
    height, width, _ = picture(layer, shape)
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


def kernel_and_bias(shape: Shape, fan_in: int, fan_out: int) -> tuple[ParameterSpec, ...]:
    """The parameters of a weighted sum; the kernel's last side is the number of sums."""
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
