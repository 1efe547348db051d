"""The JSON Schema (2020-12) of recipe 1, made from the tables that read recipes.

It describes what core/chain.py reads; what needs arithmetic (shares that add up to 1, shapes that
vanish, one label for each input), and what does not go together (a momentum with Adam), only the
reader can refuse.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING
from typing import Any

from backburner.core.chain import MOST_LINKS
from backburner.core.data_sources import DRAWING_SIZE
from backburner.core.fine_tuning_method import Method
from backburner.core.fine_tuning_recipe import FineTuneRecipe
from backburner.core.generation import Generation
from backburner.core.generation_recipe import GenerateRecipe
from backburner.core.images_data import CHANNELS, LONGEST_LABEL, MOST_IMAGES, SIZE
from backburner.core.inline_data import LONGEST_NAME, MOST_CLASSES
from backburner.core.layer import Layer
from backburner.core.layers import LAYER_TYPES, MOST_LAYERS
from backburner.core.options import option_schema, settings_schema
from backburner.core.presets import DEFAULT_PRESET, PRESETS
from backburner.core.recipe import OUTPUT, Recipe
from backburner.core.recipe_head import KINDS, SEED, VERSION
from backburner.core.shapes_data import COUNT, DIFFICULTY, ShapesData
from backburner.core.shapes_data import SEED as SHAPES_SEED
from backburner.core.text_data import CONTEXT, LONGEST
from backburner.core.training_settings import TrainingRecipe

Schema = dict[str, Any]


def recipe_schema() -> Schema:
    """A new, JSON-ready dict each time."""
    recipes = {"train": _train(), "fine-tune": _fine_tune(), "generate": _generate()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "recipe-1.json",
        "title": "Backburner recipe, version 1",
        **_any_of(recipes),
        "$defs": {
            **recipes,
            "layer": _any_of(LAYER_TYPES),
            **{name: _layer(layer) for name, layer in LAYER_TYPES.items()},
            "split": _object(
                {
                    part: {"type": "number", "minimum": 0, "maximum": 1}
                    for part in ("train", "validation", "test")
                },
                default={"train": 0.8, "validation": 0.1, "test": 0.1},
            ),
        },
    }


# --- one for each kind -----------------------------------------------------------------


def _train() -> Schema:
    return _recipe(
        Recipe.kind,
        {
            "model": {"anyOf": [_model(), _from()], "default": {"preset": DEFAULT_PRESET}},
            "data": _data(default={"source": "digits"}),
            "training": _options(TrainingRecipe),
        },
        required=["recipe"],
    )


def _fine_tune() -> Schema:
    return _recipe(
        FineTuneRecipe.kind,
        {
            "model": _from(),
            "data": _data(),
            "method": _options(Method),
            "training": _options(TrainingRecipe),
        },
        required=["recipe", "kind", "model"],
    )


def _generate() -> Schema:
    return _recipe(
        GenerateRecipe.kind,
        {"model": _from(), "generation": _options(Generation)},
        required=["recipe", "kind", "model"],
    )


def _recipe(kind: str, own: Schema, *, required: list[str]) -> Schema:
    return _object(
        {
            "recipe": {"const": VERSION},
            "kind": {"const": kind},
            "name": {"type": ["string", "null"], "maxLength": LONGEST_NAME},
            "seed": {**SEED.schema, "default": 0},
            **own,
            "then": {"type": "array", "items": _any_of(KINDS), "maxItems": MOST_LINKS - 1},
        },
        required=required,
    )


# --- parts -----------------------------------------------------------------------------


def _any_of(names: Iterable[str]) -> Schema:
    return {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in names]}


def _data(**more: object) -> Schema:
    return {"anyOf": [_digits(), _drawings(), _shapes(), _images(), _text(), _inline()]} | more


def _options(of: type[TrainingRecipe | Method | Generation]) -> Schema:
    return settings_schema(of) | {"default": {}}


def _from() -> Schema:
    return _object({"from": {"type": "string", "minLength": 1}}, required=["from"])


def _object(properties: Schema, required: list[str] | None = None, **more: object) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    return schema | more


def _array(items: Schema, **more: object) -> Schema:
    return {"type": "array", "items": items, "minItems": 1} | more


def _layer(layer: type[Layer]) -> Schema:
    options = layer.options()
    return _object(
        {
            "type": {"const": layer.type},
            **{name: option_schema(option) for name, option in options.items()},
        },
        required=["type", *(n for n, option in options.items() if option.default is MISSING)],
    )


def _model() -> Schema:
    model = _object(
        {
            "preset": {"enum": list(PRESETS)},
            "layers": _array({"$ref": "#/$defs/layer"}, maxItems=MOST_LAYERS),
            "output": {**OUTPUT.schema, "default": "auto"},
        }
    )
    return model | {"not": {"required": ["preset", "layers"]}}


def _digits() -> Schema:
    return _object({"source": {"const": "digits"}, "split": {"$ref": "#/$defs/split"}})


def _drawings() -> Schema:
    return _object(
        {
            "source": {"const": "drawings"},
            "size": {**DRAWING_SIZE.schema, "default": 16},
            "split": {"$ref": "#/$defs/split"},
        },
        required=["source"],
    )


def _shapes() -> Schema:
    defaults = ShapesData()
    return _object(
        {
            "source": {"const": "shapes"},
            "count": {**COUNT.schema, "default": defaults.count},
            "difficulty": {**DIFFICULTY.schema, "default": defaults.difficulty},
            "seed": {**SHAPES_SEED.schema, "default": defaults.seed},
            "split": {"$ref": "#/$defs/split"},
        },
        required=["source"],
    )


def _images() -> Schema:
    image = _object(
        {
            "data": {"type": "string", "minLength": 1},
            "label": {"type": "string", "minLength": 1, "maxLength": LONGEST_LABEL},
            "name": {"type": "string", "maxLength": LONGEST_LABEL},
        },
        required=["data", "label"],
    )
    return _object(
        {
            "source": {"const": "images"},
            "size": {**SIZE.schema, "default": 32},
            "channels": {**CHANNELS.schema, "default": 3},
            "images": _array(image, maxItems=MOST_IMAGES),
            "split": {"$ref": "#/$defs/split"},
        },
        required=["source", "images"],
    )


def _text() -> Schema:
    return _object(
        {
            "source": {"const": "text"},
            "text": {"type": ["string", "null"], "minLength": 1, "maxLength": LONGEST},
            "context": {**CONTEXT.schema, "default": 128},
            "split": {"$ref": "#/$defs/split"},
        },
        required=["source"],
    )


def _inline() -> Schema:
    row = _array({"anyOf": [{"type": "number"}, _array({"type": "number"})]})
    return _object(
        {
            "source": {"const": "inline"},
            "inputs": _array(_array(row)),
            "labels": {
                "anyOf": [
                    _array({"type": "integer", "minimum": 0}),
                    _array({"type": "string", "maxLength": LONGEST_NAME}),
                ]
            },
            "classes": {
                "anyOf": [
                    _array(
                        {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME},
                        minItems=2,
                        maxItems=MOST_CLASSES,
                        uniqueItems=True,
                    ),
                    {"type": "null"},
                ]
            },
            "split": {"$ref": "#/$defs/split"},
        },
        required=["source", "inputs", "labels"],
    )
