"""The JSON Schema (2020-12) of recipe 1, made from the tables that read recipes.

It describes what `Recipe.from_wire` takes; what needs arithmetic (shares that add up to 1,
shapes that vanish, one label for each input), and what does not go together (a momentum with
Adam), only the reader can refuse.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any

from backburner.core.layers import LAYER_TYPES, MOST_LAYERS, Layer
from backburner.core.presets import DEFAULT_PRESET, PRESETS
from backburner.core.recipe import (
    DRAWING_SIZE,
    KINDS,
    LONGEST_NAME,
    MOST_CLASSES,
    OUTPUT,
    SEED,
    VERSION,
    TrainingRecipe,
)

Schema = dict[str, Any]


def recipe_schema() -> Schema:
    """A new, JSON-ready dict each time."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "recipe-1.json",
        "title": "Backburner recipe, version 1",
        **_object(
            {
                "recipe": {"const": VERSION},
                "kind": {"enum": list(KINDS), "default": KINDS[0]},
                "name": {"type": ["string", "null"], "maxLength": LONGEST_NAME},
                "seed": {**SEED.schema, "default": 0},
                "data": {
                    "anyOf": [_digits(), _drawings(), _inline()],
                    "default": {"source": "digits"},
                },
                "model": _model(),
                "training": _object(
                    {f.name: _option_schema(f) for f in fields(TrainingRecipe)}, default={}
                ),
            },
            required=["recipe"],
        ),
        "$defs": {
            "layer": {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in LAYER_TYPES]},
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


def _object(properties: Schema, required: list[str] | None = None, **more: object) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    return schema | more


def _array(items: Schema, **more: object) -> Schema:
    return {"type": "array", "items": items, "minItems": 1} | more


def _option_schema(option: Field[Any]) -> Schema:
    schema: Schema = dict(option.metadata["option"].schema)
    if option.default is None:
        return {"anyOf": [schema, {"type": "null"}], "default": None}
    if option.default is not MISSING:
        default = option.default
        schema["default"] = list(default) if isinstance(default, tuple) else default
    return schema


def _layer(layer: type[Layer]) -> Schema:
    options = layer.options()
    return _object(
        {
            "type": {"const": layer.type},
            **{name: _option_schema(option) for name, option in options.items()},
        },
        required=["type", *(n for n, option in options.items() if option.default is MISSING)],
    )


def _model() -> Schema:
    model = _object(
        {
            "preset": {"enum": list(PRESETS)},
            "layers": _array({"$ref": "#/$defs/layer"}, maxItems=MOST_LAYERS),
            "output": {**OUTPUT.schema, "default": "auto"},
        },
        default={"preset": DEFAULT_PRESET},
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
