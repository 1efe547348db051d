"""How a trained network is to learn on: a fine-tuning's `method`, its options, limits and refusals.

What each makes of a network stands in core/fine_tuning.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, cast

from backburner.core.errors import RecipeError
from backburner.core.options import choice, integer, positive, read_by, read_settings, show

MethodName = Literal["all", "last", "head", "lora"]
METHOD_NAMES: tuple[MethodName, ...] = ("all", "last", "head", "lora")

_NAME = choice(METHOD_NAMES)
_LAYERS = integer(1, 1000, "It is the number of layers that learn, counted from the output; try 2.")
_RANK = integer(1, 64, "It says how much an adapter can change; 4 is a good start.")
_ALPHA = positive(1000, "It says how strongly an adapter acts; twice the rank is a good start.")

ONLY_WITH: dict[str, MethodName] = {"layers": "last", "rank": "lora", "alpha": "lora"}
"""Options that one method takes, and no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What of a trained network learns on.

    - `all`: every weight.
    - `last`: the last `layers` of those that have parameters.
    - `head`: the output layer.
    - `lora`: none of its weights, but a small adapter beside each dense, conv1d and conv2d (Hu et
      al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models"), of `rank`, and scaled by
      `alpha` / `rank`. Depthwise and separable convolutions get none; they stay as they are.
    """

    name: MethodName = field(default="all", metadata=read_by(_NAME))
    layers: int = field(default=2, metadata=read_by(_LAYERS))
    rank: int = field(default=4, metadata=read_by(_RANK))
    alpha: float = field(default=8.0, metadata=read_by(_ALPHA))

    @classmethod
    def from_wire(cls, wire: object, key: str = "method") -> Method:
        """Reads `{"name": …}` with the options of that method. Raises RecipeError, with `key`."""
        read = read_settings(cls, wire, key)
        for option, value in cast("Mapping[str, object]", wire).items():
            method = ONLY_WITH.get(option, read.name)
            if read.name != method:
                raise RecipeError(
                    f"{key}.{option} is {show(value)}, but only the method {method} takes it, and "
                    f'this one is {read.name}. Leave it out, or write "name": "{method}".',
                    key=f"{key}.{option}",
                )
        return read

    def to_wire(self) -> dict[str, object]:
        """Every option that counts."""
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if ONLY_WITH.get(f.name, self.name) == self.name
        }
