"""Layers that slide learned patterns over a picture or along a sequence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from backburner.core.errors import LayerError, RecipeError
from backburner.core.layer import (
    ACTIVATION,
    CAME_LATER,
    KERNEL,
    PADDING,
    STEP,
    Activation,
    Layer,
    Padding,
    ParameterSpec,
    Shape,
    kernel_and_bias,
    shape_words,
    windows,
)
from backburner.core.options import choice, integer, pair, read_by

SequencePadding = Literal["valid", "same", "causal"]

_FILTERS = integer(1, 4096, "Small models use 8 to 64.")
_DILATION = pair(64, "1 looks at neighbours, 2 at every second place, so the window reaches wider.")
_LENGTH = integer(1, 1024, "3 is the usual size.")
_HOP = integer(1, 1024, "1 looks at every position, 2 at every second one.")
_SPREAD = integer(
    1, 1024, "1 looks at neighbours, 2 at every second position, so the window reaches wider."
)
_SEQUENCE_PADDING = choice(("valid", "same", "causal"))
_MULTIPLIER = integer(1, 64, "It says how many patterns each channel gets; 1 is usual.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2D(Layer):
    """Slides `filters` small patterns over the picture."""

    type: ClassVar[str] = "conv2d"
    filters: int = field(metadata=read_by(_FILTERS))
    kernel_size: tuple[int, int] = field(metadata=read_by(KERNEL))
    strides: tuple[int, int] = field(default=(1, 1), metadata=read_by(STEP))
    padding: Padding = field(default="valid", metadata=read_by(PADDING))
    activation: Activation = field(default="linear", metadata=read_by(ACTIVATION))
    dilation_rate: tuple[int, int] = field(
        default=(1, 1), metadata=read_by(_DILATION) | {CAME_LATER: True}
    )

    def check_options(self, where: str) -> None:
        _check_dilation(self.strides, self.dilation_rate, where)

    @property
    def window(self) -> tuple[int, int]:
        """How far the kernel reaches, down and across, with the places that it leaves out."""
        return _reach(self.kernel_size, self.dilation_rate)

    def output_shape(self, input_shape: Shape) -> Shape:
        down, across = windows(self, input_shape, self.window, self.strides, self.padding)
        return down, across, self.filters

    def parameters(self, input_shape: Shape) -> tuple[ParameterSpec, ...]:
        height, width = self.kernel_size
        channels = input_shape[2]
        fan_in, fan_out = height * width * channels, height * width * self.filters
        return kernel_and_bias((height, width, channels, self.filters), fan_in, fan_out)

    def multiply_adds(self, input_shape: Shape) -> int:
        down, across, filters = self.output_shape(input_shape)
        return down * across * filters * math.prod(self.kernel_size) * input_shape[2]


def _reach(kernel_size: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    """How far a kernel reaches, down and across, with the places that it leaves out."""
    (height, width), (down, across) = kernel_size, dilation
    return down * (height - 1) + 1, across * (width - 1) + 1


def _check_dilation(strides: tuple[int, ...], dilation: tuple[int, ...], where: str) -> None:
    """Keras's rule: a window either hops or reaches wider."""
    if max(strides) > 1 and max(dilation) > 1:
        raise RecipeError(
            f"{where}: strides and dilation_rate are both above 1, and a window can either hop or "
            "reach wider. Leave one of them at 1.",
            key=f"{where}.dilation_rate",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Depthwise(Layer):
    """Slides patterns over each channel by itself, `depth_multiplier` over each.

    What comes of it are channels x depth_multiplier channels; those of one channel stand together.
    """

    kernel_size: tuple[int, int] = field(metadata=read_by(KERNEL))
    strides: tuple[int, int] = field(default=(1, 1), metadata=read_by(STEP))
    padding: Padding = field(default="valid", metadata=read_by(PADDING))
    depth_multiplier: int = field(default=1, metadata=read_by(_MULTIPLIER))
    dilation_rate: tuple[int, int] = field(default=(1, 1), metadata=read_by(_DILATION))
    activation: Activation = field(default="linear", metadata=read_by(ACTIVATION))

    def check_options(self, where: str) -> None:
        _check_dilation(self.strides, self.dilation_rate, where)

    @property
    def window(self) -> tuple[int, int]:
        """As Conv2D's."""
        return _reach(self.kernel_size, self.dilation_rate)

    def depthwise_shape(self, input_shape: Shape) -> tuple[int, int, int]:
        """What comes of the patterns."""
        down, across = windows(self, input_shape, self.window, self.strides, self.padding)
        return down, across, input_shape[2] * self.depth_multiplier

    def depthwise_kernel(self, name: str, input_shape: Shape) -> ParameterSpec:
        """The patterns, [height, width, channels, depth_multiplier]."""
        places, channels = math.prod(self.kernel_size), input_shape[2]
        return ParameterSpec(
            name=name,
            shape=(*self.kernel_size, channels, self.depth_multiplier),
            initializer="glorot_uniform",
            # As Keras counts them, although each output sees one channel only.
            fan_in=places * channels,
            fan_out=places * self.depth_multiplier,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseConv2D(Depthwise):
    """The patterns, with a bias and an activation."""

    type: ClassVar[str] = "depthwise_conv2d"

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.depthwise_shape(input_shape)

    def parameters(self, input_shape: Shape) -> tuple[ParameterSpec, ...]:
        outputs = input_shape[2] * self.depth_multiplier
        bias = ParameterSpec(name="bias", shape=(outputs,), initializer="zeros")
        return self.depthwise_kernel("kernel", input_shape), bias

    def multiply_adds(self, input_shape: Shape) -> int:
        return math.prod(self.output_shape(input_shape)) * math.prod(self.kernel_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparableConv2D(Depthwise):
    """The patterns, and a convolution of one place that mixes their channels.

    (Sifre & Mallat 2014; Chollet 2017, "Xception".) The mixture has the bias and the activation.
    """

    type: ClassVar[str] = "separable_conv2d"
    filters: int = field(metadata=read_by(_FILTERS))

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*self.depthwise_shape(input_shape)[:2], self.filters)

    def parameters(self, input_shape: Shape) -> tuple[ParameterSpec, ...]:
        first = self.depthwise_kernel("depthwise_kernel", input_shape)
        mixed = input_shape[2] * self.depth_multiplier
        second, bias = kernel_and_bias((1, 1, mixed, self.filters), mixed, self.filters)
        return first, replace(second, name="pointwise_kernel"), bias

    def multiply_adds(self, input_shape: Shape) -> int:
        first = self.depthwise_shape(input_shape)
        return math.prod(first) * (math.prod(self.kernel_size) + self.filters)


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
    activation: Activation = field(default="linear", metadata=read_by(ACTIVATION))

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
            raise LayerError(
                "conv1d works on sequences (positions, channels), but what reaches it is "
                f"{shape_words(input_shape)}. Use conv2d on pictures, and dense on rows."
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
        return kernel_and_bias((size, channels, self.filters), size * channels, size * self.filters)

    def multiply_adds(self, input_shape: Shape) -> int:
        places, filters = self.output_shape(input_shape)
        return places * filters * self.kernel_size * input_shape[1]
