"""The recipe of a generation: a text model, and what it is to write.

What is left out stands in core/generation.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from backburner.core.beginnings import FROM, Find, nothing_trained
from backburner.core.errors import RecipeError
from backburner.core.fine_tuning import Base
from backburner.core.generation import Generation
from backburner.core.options import show
from backburner.core.recipe_head import head_to_wire, read_from, read_keys, read_name_and_seed
from backburner.core.text_data import OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRecipe:
    """One complete, checked recipe. `base` is the id of the operation that trained `network`."""

    kind: ClassVar[str] = "generate"
    epochs: ClassVar[int] = 0
    result: ClassVar[None] = None
    """No network comes of it."""
    base: str
    network: Base = field(repr=False)
    generation: Generation = field(default_factory=Generation)
    name: str | None = None
    seed: int = 0

    @classmethod
    def from_wire(
        cls,
        wire: object,
        *,
        drawings: Mapping[str, int] | None = None,
        find: Find = nothing_trained,
    ) -> GenerateRecipe:
        """Reads any JSON value. Raises RecipeError, with `key`. No drawing has a part in it."""
        given = read_keys(wire, cls.kind)
        key = read_from(given.get("model", {}))
        recipe = cls(
            base=key,
            network=find(key).base,
            generation=Generation.from_wire(given.get("generation", {})),
            **read_name_and_seed(given),
        )
        recipe.check_network()
        return recipe

    def check_network(self) -> None:
        """Raises RecipeError when the network cannot write, or does not know the prompt's letters.

        (One that has learned a sign for all rare characters knows every character as that.)
        """
        if not self.network.is_text:
            raise RecipeError(
                f"{FROM} is {show(self.base)}, but that network tells pictures apart, and cannot "
                'write. Choose one that was trained with "data": {"source": "text"}.',
                key=FROM,
            )
        known = set(self.network.classes)
        unknown = next((each for each in self.generation.prompt if each not in known), None)
        if unknown is not None and OTHER not in known:
            raise RecipeError(
                f"generation.prompt: the network does not know the character {show(unknown)}: it "
                "did not occur in the text that it was trained on. Leave it out of the prompt.",
                key="generation.prompt",
            )

    def beginning_with(self, key: str) -> GenerateRecipe:
        """The same, with another id in the place of `base`."""
        return replace(self, base=key)

    def to_wire(self) -> dict[str, object]:
        """The complete recipe, every default spelled out."""
        return head_to_wire(self.kind, self.name, self.seed) | {
            "model": {"from": self.base},
            "generation": self.generation.to_wire(),
        }
