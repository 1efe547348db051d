"""Layers that bring numbers to a common scale: each channel's to mean 0 and deviation 1, and then
to a scale and a shift that are learned.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from backburner.core.layer import Layer, ParameterSpec, Shape
from backburner.core.options import boolean, fraction, positive, read_by

_EPSILON = positive(1, "It keeps from dividing by 0; 0.001 is usual.")
_MOMENTUM = fraction(
    "It is the share of the statistics that a step keeps; 0.99 is usual, 0.9 in short trainings."
)
_SWITCH = boolean("true learns it, false leaves it out.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNormalization(Layer):
    """Normalizes each channel over all examples of a batch, and all places of each.

    (Ioffe & Szegedy 2015.) An answer must not depend on the examples beside it: outside of steps it
    normalizes with a mean and a variance that the steps have gathered,
    kept = momentum kept + (1 - momentum) found, the variance divided by the count, as in Keras.
    """

    type: ClassVar[str] = "batch_normalization"
    momentum: float = field(default=0.99, metadata=read_by(_MOMENTUM))
    epsilon: float = field(default=0.001, metadata=read_by(_EPSILON))
    center: bool = field(default=True, metadata=read_by(_SWITCH))
    scale: bool = field(default=True, metadata=read_by(_SWITCH))

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def parameters(self, input_shape: Shape) -> tuple[ParameterSpec, ...]:
        shape = input_shape[-1:]
        return (
            *_scale_and_shift(shape, scale=self.scale, center=self.center),
            ParameterSpec(
                name="moving_mean",
                shape=shape,
                initializer="zeros",
                is_statistic=True,
                is_trained=False,
            ),
            ParameterSpec(
                name="moving_variance",
                shape=shape,
                initializer="ones",
                is_statistic=True,
                is_trained=False,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNormalization(Layer):
    """Normalizes the channels of each place, of each example by itself (Ba et al. 2016)."""

    type: ClassVar[str] = "layer_normalization"
    epsilon: float = field(default=0.001, metadata=read_by(_EPSILON))
    center: bool = field(default=True, metadata=read_by(_SWITCH))
    scale: bool = field(default=True, metadata=read_by(_SWITCH))

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def parameters(self, input_shape: Shape) -> tuple[ParameterSpec, ...]:
        return _scale_and_shift(input_shape[-1:], scale=self.scale, center=self.center)


def _scale_and_shift(shape: Shape, *, scale: bool, center: bool) -> tuple[ParameterSpec, ...]:
    gamma = ParameterSpec(name="gamma", shape=shape, initializer="ones")
    beta = ParameterSpec(name="beta", shape=shape, initializer="zeros")
    return (*((gamma,) if scale else ()), *((beta,) if center else ()))
