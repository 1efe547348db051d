"""One way of a batch through a model: what a layer may ask for beside its input.

Owns nothing: the parameters are an executor's, and what layers gather on the way (statistics,
outputs) is handed to whoever asked for the pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from backburner.core.placed_layer import PlacedLayer
from backburner.engine.randomness import Key, key

if TYPE_CHECKING:
    from backburner.engine.tensors import Tensor, Tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardPass:
    """A pass with these parameters, each by its full name (`conv2d_1/kernel`).

    `seed` and `step` matter to layers that are random in training. `examples` is how many of the
    batch's examples are real, the first ones; the others fill it up, and no statistic must know of
    them. None: all are. `statistics` is where layers leave what they gathered in training, and
    `seen` where every layer's output goes by its name, if anybody wants to see them.
    """

    tensors: Tensors
    parameters: Mapping[str, Tensor]
    training: bool = False
    seed: int = 0
    step: int = 0
    examples: int | None = None
    statistics: dict[str, Tensor] = field(default_factory=dict)
    seen: dict[str, Tensor] | None = None

    def parameter(self, placed: PlacedLayer, name: str) -> Tensor:
        """A parameter of a layer by the name that the layer gave it."""
        return self.parameters[f"{placed.name}/{name}"]

    def kernel(self, placed: PlacedLayer, name: str = "kernel") -> Tensor:
        """A layer's kernel, with what its adapter adds to it (core/model.py's Adapter)."""
        kernel = self.parameter(placed, name)
        if placed.adapter is None:
            return kernel
        tensors = self.tensors
        added = tensors.matmul(self.parameter(placed, "lora_a"), self.parameter(placed, "lora_b"))
        added = tensors.reshape(added, tensors.shape(kernel))
        return tensors.add(kernel, tensors.multiply(added, placed.adapter.scale))

    def bits(self, placed: PlacedLayer) -> Key:
        """The random bits of a layer at this step."""
        return key(self.seed, f"{placed.layer.type}/{placed.name}", self.step)


Forward: TypeAlias = Callable[[ForwardPass, PlacedLayer, Any, "Tensor"], "Tensor"]
"""`(run, placed, layer, x)`: what the layer, which is `placed.layer`, makes of `x`.

`x` is [batch, *placed.input_shape], what comes back [batch, *placed.output_shape]. TF.js has to
know the gradient of every operation that is used.
"""
