"""The layers a model is built from: those that are neither windows nor normalizations, and the
table of all.

Owns which types there are (`LAYER_TYPES`); whether a list of them works as a whole is
core/model.py's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from backburner.core.convolutions import Conv1D, Conv2D, DepthwiseConv2D, SeparableConv2D
from backburner.core.errors import LayerError
from backburner.core.layer import (
    ACTIVATION,
    Activation,
    Layer,
    ParameterSpec,
    Shape,
    kernel_and_bias,
    shape_words,
)
from backburner.core.normalizations import BatchNormalization, LayerNormalization
from backburner.core.options import (
    Option,
    as_integer,
    closest,
    fraction,
    integer,
    listed,
    read_by,
    refusal,
    show,
    sizes,
)
from backburner.core.poolings import AveragePooling2D, GlobalAveragePooling2D, MaxPooling2D

MOST_LAYERS = 200
MOST_NESTED = 4
_LONGEST_SIDE = 65_536

_UNITS = integer(1, 65536, "Small models use 10 to 128.")
_RATE = fraction("0.25 forgets a quarter of the numbers at each step, which is a good start.")


def _read_target(value: object, key: str) -> tuple[int, ...]:
    sides = value if isinstance(value, list | tuple) else ()
    numbers = [as_integer(side) for side in sides]
    if not (
        1 <= len(numbers) <= 3
        and all(n is not None and (n == -1 or 1 <= n <= _LONGEST_SIDE) for n in numbers)
        and numbers.count(-1) <= 1
    ):
        raise refusal(
            value,
            key,
            f"it must be a list of one to three sides from 1 to {_LONGEST_SIDE:,}, of which one "
            "may be -1",
            "For example [8, 8, 4] for a picture, or [-1, 16] for a sequence.",
        )
    return tuple(n for n in numbers if n is not None)


_SIDE = {"anyOf": [{"const": -1}, {"type": "integer", "minimum": 1, "maximum": _LONGEST_SIDE}]}
_TARGET = Option(
    read=_read_target, schema={"type": "array", "items": _SIDE, "minItems": 1, "maxItems": 3}
)


_INNER = Option(
    read=lambda value, key: _read_list(value, key),  # of layers, of which there is a table below
    schema={
        "type": "array",
        "items": {"$ref": "#/$defs/layer"},
        "minItems": 1,
        "maxItems": MOST_LAYERS,
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense(Layer):
    """Connects every number to each of `units` units; of a sequence, at each position alike."""

    type: ClassVar[str] = "dense"
    units: int = field(metadata=read_by(_UNITS))
    activation: Activation = field(default="linear", metadata=read_by(ACTIVATION))

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) == 3:
            raise LayerError(
                f"dense takes a row of numbers, but a picture of {sizes(input_shape)} reaches it. "
                f'Add a flatten layer before it: {{"type": "flatten"}}.'
            )
        return (*input_shape[:-1], self.units)

    def parameters(self, input_shape: Shape) -> tuple[ParameterSpec, ...]:
        return kernel_and_bias((input_shape[-1], self.units), input_shape[-1], self.units)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape(Layer):
    """Gives the same numbers another shape; one side of it may be -1, for what is left."""

    type: ClassVar[str] = "reshape"
    target_shape: tuple[int, ...] = field(metadata=read_by(_TARGET))

    def output_shape(self, input_shape: Shape) -> Shape:
        count = math.prod(input_shape)
        known = math.prod(side for side in self.target_shape if side != -1)
        if count % known or (-1 not in self.target_shape and count != known):
            raise LayerError(
                f"reshape cannot make {sizes(self.target_shape)} of what reaches it, which is "
                f"{shape_words(input_shape)}: {count:,} numbers in all. Choose sides whose product "
                "is that, or write -1 for one of them."
            )
        return tuple(count // known if side == -1 else side for side in self.target_shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding(Layer):
    """Looks up `output_dim` numbers for each symbol of a text, which it learns.

    `input_dim` is how many symbols there are; left out, it is what the data have.
    """

    type: ClassVar[str] = "embedding"
    output_dim: int = field(metadata=read_by(_UNITS))
    input_dim: int | None = field(default=None, metadata=read_by(_UNITS))

    def of_symbols(self, symbols: int | None) -> Embedding:
        """The same layer on data of so many symbols; None: the data are no text.

        Raises LayerError where it cannot stand.
        """
        if symbols is None:
            raise LayerError(
                "embedding looks up the symbols of a text, but what reaches it are numbers. It "
                'comes first in a model of text, with "data": {"source": "text"}. Take it away '
                "here."
            )
        if self.input_dim is not None and self.input_dim < symbols:
            raise LayerError(
                f"embedding has an input_dim of {self.input_dim:,}, but the text has {symbols:,} "
                "different characters. Leave input_dim out, and it is chosen for you."
            )
        return replace(self, input_dim=self.input_dim or symbols)

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.output_dim)

    def parameters(self, input_shape: Shape) -> tuple[ParameterSpec, ...]:
        shape = (self.input_dim or 0, self.output_dim)
        return (ParameterSpec(name="embeddings", shape=shape, initializer="uniform"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual(Layer):
    """Adds what reaches it to what its layers make of it (He et al. 2016)."""

    type: ClassVar[str] = "residual"
    layers: tuple[Layer, ...] = field(metadata=read_by(_INNER))

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def check_sum(self, input_shape: Shape, inner_shape: Shape) -> None:
        """Raises LayerError unless the two can be added."""
        if input_shape != inner_shape:
            raise LayerError(
                f"residual adds what its layers put out, {shape_words(inner_shape)}, to what "
                f"reaches it, {shape_words(input_shape)}, and both must have the same shape. Give "
                f"its last layer {input_shape[-1]:,} filters or units, and use "
                '"padding": "same" (on text "causal") and no strides or pooling in it.'
            )


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
        DepthwiseConv2D,
        SeparableConv2D,
        BatchNormalization,
        LayerNormalization,
        Embedding,
        Reshape,
        Residual,
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
    near = closest(name, LAYER_TYPES) if isinstance(name, str) else ""
    raise LayerError(
        f"{where}: there is no layer type {show(name)}. {near}The types are {known}.",
        key=f"{where}.type",
    )


def layers_from_wire(wire: object, where: str = "model.layers") -> tuple[Layer, ...]:
    """Reads a recipe's layer list. Raises LayerError, its key naming the layer."""
    _check_extent(wire, where)
    return _read_list(wire, where)


def _check_extent(wire: object, where: str) -> None:
    """Raises LayerError for more layers, or deeper ones, than anything may be that is read.

    Without recursion: a list that is nested too deeply must not end in Python's stack.
    """
    count = 0
    waiting = [(wire, 0)]
    while waiting:
        level, depth = waiting.pop()
        if not isinstance(level, list | tuple):
            continue  # is refused where it is read
        count += len(level)
        if depth > MOST_NESTED:
            raise LayerError(
                f"{where} is nested too deeply: residual layers may stand {MOST_NESTED} in each "
                "other. Put them one after the other.",
                key=where,
            )
        inner = (layer.get("layers") for layer in level if isinstance(layer, Mapping))
        waiting += [(each, depth + 1) for each in inner]
    if count > MOST_LAYERS:
        raise LayerError(
            f"{where} has {count:,} layers; {MOST_LAYERS} are the most that fit, those in "
            "residual layers counted. Small models do well with 3 to 10.",
            key=where,
        )


def _read_list(wire: object, where: str) -> tuple[Layer, ...]:
    if not isinstance(wire, list | tuple) or not wire:
        raise LayerError(
            f"{where} is {show(wire)}, but it must be a list of at least one layer, "
            f'for example [{{"type": "flatten"}}].',
            key=where,
        )
    return tuple(layer_from_wire(item, f"{where}[{i}]") for i, item in enumerate(wire))
