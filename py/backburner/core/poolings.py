"""Layers that make a picture smaller, and learn nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from backburner.core.layer import PADDING, STEP, Layer, Padding, Shape, picture, windows
from backburner.core.options import pair, read_by

_POOL = pair(64, "2 halves the picture, which is the usual size.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling2D(Layer):
    """Keeps one number of each window. `strides` of None is the window's own size."""

    pool_size: tuple[int, int] = field(default=(2, 2), metadata=read_by(_POOL))
    strides: tuple[int, int] | None = field(default=None, metadata=read_by(STEP))
    padding: Padding = field(default="valid", metadata=read_by(PADDING))

    @property
    def step(self) -> tuple[int, int]:
        return self.strides or self.pool_size

    def output_shape(self, input_shape: Shape) -> Shape:
        down, across = windows(self, input_shape, self.pool_size, self.step, self.padding)
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
        return (picture(self, input_shape)[2],)
