"""The kinds of operations, one row for each: what differs between them, in one place.

Their life, their queue, their records and their controls are the same. What the worker does for
each stands in worker/kinds.py, which this room cannot see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backburner.core.beginnings import FROM, Find, nothing_trained
from backburner.core.errors import RecipeError
from backburner.core.fine_tuning_recipe import FineTuneRecipe
from backburner.core.generation_recipe import GenerateRecipe
from backburner.core.messages import StartGeneration, StartTraining
from backburner.core.options import show
from backburner.core.recipe import Recipe
from backburner.core.recipe_head import KINDS, kind_of

AnyRecipe = Recipe | FineTuneRecipe | GenerateRecipe
TrainingRecipes = Recipe | FineTuneRecipe
"""Those of which a network comes, step by step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is particular to a kind: its recipe, and the order that begins its work.

    `trains` says that a network comes of it, and curves; else a text does. `called` is what the
    log calls one.
    """

    recipe: type[AnyRecipe]
    start: type[StartTraining | StartGeneration]
    trains: bool
    called: str


TABLE: dict[str, Kind] = {
    Recipe.kind: Kind(recipe=Recipe, start=StartTraining, trains=True, called="a training"),
    FineTuneRecipe.kind: Kind(
        recipe=FineTuneRecipe, start=StartTraining, trains=True, called="a fine-tuning"
    ),
    GenerateRecipe.kind: Kind(
        recipe=GenerateRecipe, start=StartGeneration, trains=False, called="a text"
    ),
}
assert tuple(TABLE) == KINDS


def recipe_from_wire(
    wire: object,
    *,
    drawings: Mapping[str, int] | None = None,
    find: Find = nothing_trained,
) -> AnyRecipe:
    """Reads any JSON value as the recipe of the kind that it names; of a chain, one link.

    Raises RecipeError, LayerError or DataError, with `key`. What is given beside it stands at
    `Recipe.from_wire`.
    """
    kind = kind_of(wire) if isinstance(wire, Mapping) else KINDS[0]
    return TABLE[kind].recipe.from_wire(wire, drawings=drawings, find=find)


def no_network(kind: str, key: str) -> RecipeError:
    """The refusal of an operation of which no network comes, named as `key`, as a beginning."""
    return RecipeError(
        f"{FROM} is {show(key)}, but no network comes of that: it is of the kind {show(kind)}. "
        "Choose an operation that has trained one.",
        key=FROM,
    )
