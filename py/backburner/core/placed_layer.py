"""A layer at its place in a model: its name, its shapes there, and what fine-tuning makes of it.

It must not know how layers come to stand one after the other: that is core/model.py's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backburner.core.layer import Layer, ParameterSpec, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """What fine-tuning adds to a kernel that stays as it is (LoRA, Hu et al. 2021).

    The layer computes with kernel + scale lora_a lora_b, the kernel seen as a matrix with a column
    for each of its sums. lora_b begins with zeros: at first nothing is changed.
    """

    rank: int
    alpha: float

    @property
    def scale(self) -> float:
        return self.alpha / self.rank

    def parameters(self, kernel: ParameterSpec) -> tuple[ParameterSpec, ...]:
        """Its two matrices, [inputs of a sum, rank] and [rank, sums]."""
        *_, sums = kernel.shape
        inputs = kernel.size // sums
        return (
            ParameterSpec(
                name="lora_a",
                shape=(inputs, self.rank),
                initializer="glorot_uniform",
                fan_in=inputs,
                fan_out=self.rank,
            ),
            ParameterSpec(name="lora_b", shape=(self.rank, sums), initializer="zeros"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedLayer:
    """A layer at its place: named, and with the shapes that it has there.

    `index` is its place in the recipe's list; None for a layer that was added as output, and for
    the layers in a residual, which are `inner`. `parameters` are its own, an adapter's included.
    One that is frozen learns nothing, and gathers no statistics either.
    """

    name: str
    index: int | None
    layer: Layer
    input_shape: Shape
    output_shape: Shape
    parameters: tuple[ParameterSpec, ...]
    inner: tuple[PlacedLayer, ...] = ()
    adapter: Adapter | None = None
    is_frozen: bool = False

    def walk(self) -> Iterator[PlacedLayer]:
        """Itself, and then all that is in it."""
        yield self
        for each in self.inner:
            yield from each.walk()

    @property
    def parameter_count(self) -> int:
        """Of all that is in it."""
        return sum(parameter.size for each in self.walk() for parameter in each.parameters)

    @property
    def multiply_adds(self) -> int:
        return sum(each.layer.multiply_adds(each.input_shape) for each in self.walk())
