"""What a training is made of: its recipe, its data, and the network that it begins with.

For a new run and for one that goes on, the same comes out. A run goes on only with what it began
with, whatever was drawn, cleared or trained since: what cannot be had again is kept with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backburner.core.beginnings import Beginning, nothing_trained
from backburner.core.data_sources import DrawingsData
from backburner.core.drawing import Bitmap
from backburner.core.fine_tuning import Base
from backburner.core.fine_tuning_recipe import FineTuneRecipe
from backburner.core.kinds import TrainingRecipes, recipe_from_wire
from backburner.engine.data import Dataset
from backburner.engine.fine_tuning import fine_tuning
from backburner.engine.safetensors import Numbers
from backburner.engine.task import Start, Task
from backburner.worker.archive import Archive, Kept
from backburner.worker.drawings import Shelf
from backburner.worker.kitchen import Kitchen


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """`start` is None for a new network; `drawn` are the data where those are drawings."""

    recipe: TrainingRecipes
    data: Dataset
    start: Start | None
    drawn: Dataset | None

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """Those that have to be kept with the run."""
        tests = self.start.tests if self.start else None
        return tuple(each for each in (self.drawn, tests) if each is not None)


async def ingredients_of_new(
    wire: Mapping[str, Any], start: Start | None, *, shelf: Shelf, kitchen: Kitchen
) -> Ingredients:
    """For a new run, with the drawings that there are now. Raises ConfigurationError."""
    drawn: Dataset | None = None
    counts: dict[str, int] | None = None
    if _is_drawn(wire):
        read = await shelf.read()
        names = [each.name for each in read.classes]
        labels = {each.id: at for at, each in enumerate(read.classes)}
        examples = [
            (labels[each.class_id], Bitmap.from_text(each.ink))
            for each in read.drawings
            if each.class_id in labels
        ]
        found = Counter(label for label, _ in examples)
        counts = {name: found[at] for at, name in enumerate(names)}
    recipe = _read(wire, counts, start.network if start else None)
    if isinstance(recipe.data, DrawingsData):
        drawn = Dataset.from_drawings(examples, names, recipe.data.size)
    data = drawn or await kitchen.gather(recipe)
    return Ingredients(recipe=recipe, data=data, start=start, drawn=drawn)


async def recipe_of_kept(
    kept: Kept, weights: Mapping[str, Numbers] | None, *, archive: Archive
) -> tuple[TrainingRecipes, Start | None, Dataset | None]:
    """The recipe of a run that goes on, the network that it began with, its drawings if it has any.

    `weights` are needed only where no checkpoint holds them. Raises DataError where its data are
    gone.
    """
    origin, start, drawn = kept.origin, None, None
    counts: dict[str, int] | None = None
    if origin is not None:
        tests = await archive.dataset(origin.tests) if origin.tests else None
        network = Base.from_wire(origin.network)
        start = Start(network=network, weights=weights, sha256=origin.sha256, tests=tests)
    if _is_drawn(kept.recipe):
        drawn = await archive.dataset((origin and origin.drawn) or kept.run.data_sha256 or "")
        found = Counter(drawn.labels)
        counts = {name: found[at] for at, name in enumerate(drawn.classes)}
    return _read(kept.recipe, counts, start.network if start else None), start, drawn


async def ingredients_of_kept(
    kept: Kept, weights: Mapping[str, Numbers] | None, *, archive: Archive, kitchen: Kitchen
) -> Ingredients:
    """For a run that goes on, with all that it began with. Raises what `recipe_of_kept` does."""
    recipe, start, drawn = await recipe_of_kept(kept, weights, archive=archive)
    data = drawn or await kitchen.gather(recipe)
    return Ingredients(recipe=recipe, data=data, start=start, drawn=drawn)


def task_of(recipe: TrainingRecipes, data: Dataset, start: Start | None) -> Task:
    """What a recipe of either kind trains. Raises ConfigurationError."""
    if isinstance(recipe, FineTuneRecipe):
        assert start is not None
        return fine_tuning(recipe, data, start)
    return Task.from_recipe(recipe, data, start)


def _read(
    wire: Mapping[str, Any], drawings: Mapping[str, int] | None, network: Base | None
) -> TrainingRecipes:
    def the_one_there_is(key: str) -> Beginning:
        return nothing_trained(key) if network is None else Beginning(base=network, data=None)

    recipe = recipe_from_wire(wire, drawings=drawings, find=the_one_there_is)
    assert isinstance(recipe, TrainingRecipes)
    return recipe


def _is_drawn(wire: Mapping[str, Any]) -> bool:
    data = wire.get("data")
    return isinstance(data, Mapping) and data.get("source") == DrawingsData.source
