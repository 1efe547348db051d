"""What a training does, worked out of its recipe before anything is computed.

Owns the division of the data into parts, and what is checked against the data as they are. It must
not know a backend: the same task is measured on several, and trained on one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backburner.core.data_sources import Data, NoiseData
from backburner.core.errors import DataError
from backburner.core.fine_tuning import Base
from backburner.core.kinds import TrainingRecipes
from backburner.core.model import ModelSpec
from backburner.core.recipe import Recipe
from backburner.core.split import check_batch_size
from backburner.engine.checkpoint import recipe_sha256
from backburner.engine.data import Dataset, Split, split_at_random, split_dataset
from backburner.engine.executor import Workload
from backburner.engine.safetensors import Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A trained network that a training begins with, and the sha256 of its weights.

    `weights` of None: a checkpoint will be restored, which holds all of them. `tests` are the
    `fixed_test` of the run that trained it, where what is forgotten is to be measured.
    """

    network: Base
    weights: Mapping[str, Numbers] | None = field(repr=False)
    sha256: str
    tests: Dataset | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """All that decides what a training does, whatever it computes on.

    `answers` is how many of the classes the network could name before it began: all, where it is
    trained from the start; fewer, where it was trained before and learns new ones.
    """

    recipe: TrainingRecipes
    recipe_sha256: str
    workload: Workload
    split: Split
    answers: int

    @classmethod
    def from_recipe(cls, recipe: Recipe, dataset: Dataset, start: Start | None = None) -> Task:
        """A training from the start: with drawn weights, or with those of a trained network.

        Raises LayerError or DataError.
        """
        spec = ModelSpec.from_layers(
            recipe.model.layers,
            input_shape=dataset.shape,
            classes=len(dataset.classes),
            output=recipe.model.output,
            symbols=dataset.symbols,
        )
        check_answers(spec, dataset)
        split = split_for(recipe.data, dataset, recipe.seed)
        # The recipe was checked with the counts it promises; a file of digits may hold others.
        check_batch_size(recipe.training.batch_size, len(split.train))
        return cls(
            recipe=recipe,
            recipe_sha256=recipe_sha256(recipe, start.sha256 if start else None),
            workload=Workload.of(
                spec,
                dataset,
                recipe.training,
                recipe.seed,
                trained=split.train,
                initial=start.weights if start else None,
            ),
            split=split,
            answers=len(dataset.classes),
        )


def split_for(data: Data, dataset: Dataset, seed: int) -> Split:
    """The parts of a recipe's data: class by class where an example has one class."""
    if dataset.positions is None and not isinstance(data, NoiseData):
        return split_dataset(dataset.labels, dataset.classes, data.split, seed)
    return split_at_random(len(dataset), data.split, seed)  # of noise, not every class is there


def check_answers(spec: ModelSpec, dataset: Dataset) -> None:
    """Raises DataError unless there is a label for each answer of the model's."""
    if spec.positions != dataset.positions:
        wanted, given = (
            "one for each example" if each is None else f"{each:,} for each example"
            for each in (spec.positions, dataset.positions)
        )
        way_out = (
            "End the model with a dense layer that has a unit for each class, a flatten before it."
            if dataset.positions is None
            else "Leave out what makes one answer of a whole sequence, such as a flatten."
        )
        raise DataError(
            f"The model's answers are {wanted}, but the data's labels are {given}, and "
            f"both must be the same. {way_out}",
            key="data.labels",
        )
