"""The recipe of a fine-tuning: a trained network, what of it learns, and on what.

What is left out: `data` are those of the network's own recipe, `method` is "all", and `training`
is as for a new network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from backburner.core.beginnings import Find, nothing_trained
from backburner.core.data_sources import Data
from backburner.core.fine_tuning import Base, tuned_spec
from backburner.core.fine_tuning_method import Method
from backburner.core.model import ModelSpec
from backburner.core.recipe import check_training
from backburner.core.recipe_head import head_to_wire, read_from, read_keys, read_name_and_seed
from backburner.core.training_settings import TrainingRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneRecipe:
    """One complete, checked recipe. `base` is the id of the operation that trained `network`."""

    kind: ClassVar[str] = "fine-tune"
    base: str
    network: Base = field(repr=False)
    data: Data
    method: Method = field(default_factory=Method)
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    name: str | None = None
    seed: int = 0

    @classmethod
    def from_wire(
        cls,
        wire: object,
        *,
        drawings: Mapping[str, int] | None = None,
        find: Find = nothing_trained,
    ) -> FineTuneRecipe:
        """Reads any JSON value. Raises what `Recipe.from_wire` does."""
        given = read_keys(wire, cls.kind)
        key = read_from(given.get("model", {}))
        beginning = find(key)
        recipe = cls(
            base=key,
            network=beginning.base,
            data=beginning.read_data(given, drawings),
            method=Method.from_wire(given.get("method", {})),
            training=TrainingRecipe.from_wire(given.get("training", {})),
            **read_name_and_seed(given),
        )
        recipe.spec()
        check_training(recipe.training, recipe.data, recipe.classes)
        return recipe

    @property
    def classes(self) -> tuple[str, ...]:
        """What it will answer with: the network's own, and those of the data that are new."""
        return self.network.joined(self.data.classes)

    def spec(self) -> ModelSpec:
        """The model as it trains. Raises RecipeError, its key naming the method's option."""
        return tuned_spec(self.network, self.method, self.classes)

    @property
    def epochs(self) -> int:
        return self.training.epochs

    @property
    def result(self) -> Base:
        """The network that comes of it, its adapters merged."""
        return Base.of(self.spec(), self.classes)

    def layers_to_wire(self) -> list[dict[str, object]]:
        """What of the recipe the time of a step depends on, besides its data and its training."""
        return [*(layer.to_wire() for layer in self.network.layers), self.method.to_wire()]

    def beginning_with(self, key: str) -> FineTuneRecipe:
        """The same, with another id in the place of `base`."""
        return replace(self, base=key)

    def to_wire(self) -> dict[str, object]:
        """The complete recipe, every default spelled out."""
        return head_to_wire(self.kind, self.name, self.seed) | {
            "data": self.data.to_wire(),
            "model": {"from": self.base},
            "method": self.method.to_wire(),
            "training": self.training.to_wire(),
        }
