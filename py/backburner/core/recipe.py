"""Recipes: everything that decides what is trained, on what, and how.

Owns the JSON of recipe 1 (see docs): its defaults, its limits, and the words of every
refusal. It must not know where a recipe came from or what happens to it. `Recipe.from_wire`
either returns a recipe that can work or raises a ConfigurationError that names the key;
this includes the model's shapes and the sizes of the parts, since data, model and batch size
stand in the same recipe.

What is left out has its default here, and only here: `kind` "train", `seed` 0, `data` the
digits split 80/10/10, `model` the preset "small" (for a text "text") with `output` "auto", and
`training` 5 epochs of batches of 32 with Adam at a learning rate of 0.001, without clipping. In a
`split` that names some parts, the parts left out are: `train`, what remains; the others, nothing.
SGD has no momentum, and AdamW a weight decay of 0.004, as in Keras.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

from backburner.core.beginnings import Find, nothing_trained
from backburner.core.data_sources import Data, DigitsData, data_from_wire, part_sizes
from backburner.core.errors import DataError, RecipeError
from backburner.core.fine_tuning import Base
from backburner.core.layer import Layer
from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec, Output
from backburner.core.options import (
    choice,
    listed,
    read_object,
    show,
)
from backburner.core.presets import DEFAULT_PRESET, TEXT_PRESET, check_preset, preset_layers
from backburner.core.recipe_head import head_to_wire, read_from, read_keys, read_name_and_seed
from backburner.core.split import check_batch_size
from backburner.core.text_data import TextData
from backburner.core.training_settings import TrainingRecipe

OUTPUT = choice(("auto", "given"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecipe:
    """The layers, and where they came from: the preset of this name, the operation with the id
    `base`, whose weights it begins with, or (both None) the recipe itself.
    """

    layers: tuple[Layer, ...]
    preset: str | None = None
    output: Output = "auto"
    base: str | None = None

    @classmethod
    def from_wire(cls, wire: object, key: str = "model", *, is_text: bool = False) -> ModelRecipe:
        """Reads a new model; one that begins with another's weights is `ModelRecipe.of_base`.

        `is_text` says what the data are: presets are made for texts or for pictures.
        """
        given = read_object(wire, key, ("preset", "layers", "output"))
        output = cast(Output, OUTPUT.read(given.get("output", "auto"), f"{key}.output"))
        if "preset" in given and "layers" in given:
            raise RecipeError(
                f"{key} has both a preset and layers, and only one of them can be the model. "
                f"Take one away.",
                key=key,
            )
        if "layers" in given:
            return cls(layers=layers_from_wire(given["layers"], f"{key}.layers"), output=output)
        preset = given.get("preset", TEXT_PRESET if is_text else DEFAULT_PRESET)
        layers = preset_layers(preset, f"{key}.preset")
        check_preset(cast(str, preset), is_text=is_text, key=f"{key}.preset")
        return cls(layers=layers, preset=cast(str, preset), output=output)

    @classmethod
    def of_base(cls, key: str, base: Base) -> ModelRecipe:
        """The network of the operation `key`, to go on from its weights."""
        return cls(layers=base.layers, output="given", base=key)

    def to_wire(self) -> dict[str, object]:
        if self.base is not None:
            return {"from": self.base}
        if self.preset is not None:
            return {"preset": self.preset, "output": self.output}
        return {"layers": [layer.to_wire() for layer in self.layers], "output": self.output}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One complete, checked recipe of a training. `name` of None: the recipe gives none."""

    kind: ClassVar[str] = "train"
    data: Data = field(default_factory=DigitsData)
    model: ModelRecipe
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
    ) -> Recipe:
        """Reads any JSON value. Raises RecipeError, LayerError or DataError, with `key`.

        `drawings` says how many drawings of each class there are here, for a recipe that learns
        from them; None where nobody can draw. `find` knows the networks to begin with.
        """
        given = read_keys(wire, cls.kind)
        model = given.get("model", {})
        if isinstance(model, Mapping) and "from" in model:
            recipe = cls._going_on(given, drawings, find)
        else:
            data = data_from_wire(given.get("data", {}), drawings)
            recipe = cls(
                data=data,
                model=ModelRecipe.from_wire(model, is_text=isinstance(data, TextData)),
                training=TrainingRecipe.from_wire(given.get("training", {})),
                **read_name_and_seed(given),
            )
        recipe.spec()
        check_training(recipe.training, recipe.data, recipe.data.classes)
        return recipe

    @classmethod
    def _going_on(
        cls, given: Mapping[str, object], drawings: Mapping[str, int] | None, find: Find
    ) -> Recipe:
        key = read_from(given["model"])
        beginning = find(key)
        data = beginning.read_data(given, drawings)
        if data.classes != beginning.base.classes:
            raise DataError(
                "data.classes: to train on, the data must have the classes that the network "
                f"answers with: {listed(map(show, beginning.base.classes[:20]))}. These have "
                f"{listed(map(show, data.classes[:20]))}. Fine-tuning gives a network new classes: "
                'write "kind": "fine-tune".',
                key="data.classes",
            )
        return cls(
            data=data,
            model=ModelRecipe.of_base(key, beginning.base),
            training=TrainingRecipe.from_wire(given.get("training", {})),
            **read_name_and_seed(given),
        )

    @property
    def base(self) -> str | None:
        """The id of the operation whose network it begins with; None for a new one."""
        return self.model.base

    @property
    def epochs(self) -> int:
        return self.training.epochs

    @property
    def result(self) -> Base:
        """The network that comes of it."""
        return Base.of(self.spec(), self.data.classes)

    def layers_to_wire(self) -> list[dict[str, object]]:
        """What of the recipe the time of a step depends on, besides its data and its training."""
        return [layer.to_wire() for layer in self.model.layers]

    def beginning_with(self, key: str) -> Recipe:
        """The same, with another id in the place of `base`."""
        return replace(self, model=replace(self.model, base=key))

    def spec(self) -> ModelSpec:
        """The model, every layer placed on this recipe's data."""
        return ModelSpec.from_layers(
            self.model.layers,
            input_shape=self.data.input_shape,
            classes=len(self.data.classes),
            output=self.model.output,
            symbols=len(self.data.classes) if isinstance(self.data, TextData) else None,
        )

    def to_wire(self) -> dict[str, object]:
        """The complete recipe, every default spelled out. `from_wire` gives it back."""
        return head_to_wire(self.kind, self.name, self.seed) | {
            "data": self.data.to_wire(),
            "model": self.model.to_wire(),
            "training": self.training.to_wire(),
        }


def check_training(training: TrainingRecipe, data: Data, classes: Sequence[str]) -> None:
    """Raises DataError when the parts cannot have what they need, or a batch cannot be filled.

    Raises RecipeError for settings of the training that do not go with the data. The key is
    `data.classes`, `data.text`, `data.split`, or a key of `training`. `classes` are those that the
    model answers with.
    """
    sizes = part_sizes(data)
    check_batch_size(training.batch_size, sizes["train"])
    training.check_on(
        input_shape=data.input_shape,
        classes=classes,
        is_text=data.source == "text",
        train=sizes["train"],
        validation=sizes["validation"],
    )
