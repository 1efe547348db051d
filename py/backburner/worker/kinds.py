"""How an operation of each kind is made ready: new from its recipe, or from what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from backburner.core.errors import StorageError
from backburner.core.fine_tuning_recipe import FineTuneRecipe
from backburner.core.generation_recipe import GenerateRecipe
from backburner.core.messages import InitTraining
from backburner.core.recipe import Recipe
from backburner.core.recipe_head import kind_of
from backburner.worker.archive import Claimed
from backburner.worker.opening import Opened, Opening
from backburner.worker.training_opening import TrainingOpening
from backburner.worker.writing_opening import WritingOpening


class Way(Protocol):
    """Leaves nothing behind when it fails."""

    def __init__(self, opening: Opening, order: InitTraining) -> None: ...

    async def new(self, wire: dict[str, object]) -> Opened:
        """From the complete recipe. Raises ConfigurationError and ProcessError."""

    async def bring_back(self, claimed: Claimed) -> Opened:
        """From where it was kept last. Raises ConfigurationError and ProcessError."""


WAYS: Mapping[str, type[Way]] = {
    Recipe.kind: TrainingOpening,
    FineTuneRecipe.kind: TrainingOpening,
    GenerateRecipe.kind: WritingOpening,
}


async def open_operation(opening: Opening, order: InitTraining) -> Opened:
    """Carries an order out. Raises what the ways do."""
    recipe = order.recipe
    if recipe is None or await _is_kept(opening, recipe):
        claimed = await opening.archive.claim(opening.key)
        return await WAYS[claimed.run.kind](opening, order).bring_back(claimed)
    return await WAYS[kind_of(recipe)](opening, order).new(recipe)


async def _is_kept(opening: Opening, recipe: dict[str, object]) -> bool:
    """The page may not have heard of a checkpoint that was complete when the worker died."""
    try:
        return await opening.archive.holds(opening.key, recipe)
    except StorageError:
        return False  # which is said when the new run cannot be kept
