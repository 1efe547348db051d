from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from backburner.core.errors import RecipeError
from backburner.core.layers import LAYER_TYPES
from backburner.core.presets import PRESETS
from backburner.core.recipe import RECIPE_KEYS, InlineData, Recipe, TrainingRecipe
from backburner.core.schema import recipe_schema

INLINE = {
    "source": "inline",
    "inputs": [[[0, 1], [1, 0]], [[1, 1], [0, 0]]],
    "labels": [0, 1],
    "classes": ["a", "b"],
    "split": {"train": 1},
}
PAIR = {"batch_size": 2}
DRAWN = {"cat": 40, "dog": 40}
SAMPLES: list[dict[str, Any]] = [
    {"recipe": 1},
    {"recipe": 1, "kind": "train", "name": "first", "seed": 7, "training": {"epochs": 3}},
    {"recipe": 1, "model": {"preset": "tiny"}, "data": {"source": "digits", "split": {"test": 0}}},
    {"recipe": 1, "data": {"source": "drawings", "size": 8, "split": {"test": 0}}},
    {"recipe": 1, "training": {"optimizer": "sgd", "momentum": 0.9}},
    {"recipe": 1, "training": {"optimizer": "adamw", "weight_decay": 0.01}},
    {"recipe": 1, "model": {"layers": [
        {"type": "conv2d", "filters": 4, "kernel_size": 2, "dilation_rate": [1, 2]}]}},
    {"recipe": 1, "data": INLINE, "model": {"layers": [{"type": "flatten"}], "output": "auto"},
     "training": PAIR},
    {"recipe": 1, "model": {"layers": [
        {"type": "conv2d", "filters": 4, "kernel_size": [3, 2], "activation": None},
        {"type": "max_pooling2d", "pool_size": 2, "strides": None},
        {"type": "global_average_pooling2d"}, {"type": "dropout", "rate": 0.5},
        {"type": "dense", "units": 10, "activation": "softmax"}]}},
]  # fmt: skip
REFUSED: list[dict[str, Any]] = [
    {},
    {"recipe": 2},
    {"recipe": 1, "extra": 1},
    {"recipe": 1, "seed": -1},
    {"recipe": 1, "seed": True},
    {"recipe": 1, "training": {"learning_rate": 0}},
    {"recipe": 1, "training": {"l2": 0.1}},
    {"recipe": 1, "training": {"optimizer": "sgd", "momentum": 1}},
    {"recipe": 1, "training": {"optimizer": "adamw", "weight_decay": -0.1}},
    {"recipe": 1, "model": {"preset": "small", "layers": [{"type": "flatten"}]}},
    {"recipe": 1, "model": {"layers": [{"type": "conv2d", "filters": 4}]}},
    {"recipe": 1, "model": {"layers": [{"type": "conv3d"}]}},
    {"recipe": 1, "data": {"source": "text"}},
    {"recipe": 1, "data": {"source": "drawings", "size": 12}},
    {"recipe": 1, "data": {"source": "drawings", "classes": ["cat"]}},
]


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """The part of JSON Schema 2020-12 that our schema uses; an unknown keyword is an error."""
    kinds: dict[str, Any] = {
        "object": dict, "array": list, "string": str, "null": type(None), "number": (int, float),
        "integer": int,
    }  # fmt: skip
    for keyword, limit in schema.items():
        match keyword:
            case "$schema" | "$id" | "title" | "$defs" | "default":
                ok = True
            case "$ref":
                ok = fits(value, root["$defs"][limit.removeprefix("#/$defs/")], root)
            case "type":
                names = [limit] if isinstance(limit, str) else limit
                ok = any(
                    isinstance(value, kinds[name]) and not isinstance(value, bool) for name in names
                )
            case "const":
                ok = value == limit
            case "enum":
                ok = value in limit
            case "anyOf":
                ok = any(fits(value, option, root) for option in limit)
            case "not":
                ok = not fits(value, limit, root)
            case "properties":
                ok = all(fits(value[n], s, root) for n, s in limit.items() if n in value)
            case "required":
                ok = all(name in value for name in limit)
            case "additionalProperties":
                ok = set(value) <= set(schema["properties"])
            case "items":
                ok = all(fits(item, limit, root) for item in value)
            case "minItems" | "minLength":
                ok = len(value) >= limit
            case "maxItems" | "maxLength":
                ok = value is None or len(value) <= limit
            case "uniqueItems":
                ok = len(set(value)) == len(value)
            case "minimum":
                ok = value >= limit
            case "maximum":
                ok = value <= limit
            case "exclusiveMinimum":
                ok = value > limit
            case "exclusiveMaximum":
                ok = value < limit
            case _:
                raise AssertionError(f"a keyword this test does not know: {keyword}")
        if not ok:
            return False
    return True


def test_the_schema_is_json() -> None:
    assert json.loads(json.dumps(recipe_schema())) == recipe_schema()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: json.dumps(s)[:50])
def test_what_the_reader_takes_fits_the_schema(sample: dict[str, Any]) -> None:
    schema = recipe_schema()
    written = Recipe.from_wire(sample, drawings=DRAWN).to_wire()
    assert fits(sample, schema, schema)
    assert fits(json.loads(json.dumps(written)), schema, schema)


@pytest.mark.parametrize("sample", REFUSED, ids=lambda s: json.dumps(s)[:50])
def test_what_does_not_fit_the_schema_the_reader_refuses_too(sample: dict[str, Any]) -> None:
    schema = recipe_schema()
    assert not fits(sample, schema, schema)
    with pytest.raises(RecipeError):
        Recipe.from_wire(sample, drawings=DRAWN)


def test_every_default_in_the_schema_is_the_readers_default() -> None:
    written = Recipe.from_wire({"recipe": 1}).to_wire()
    properties = recipe_schema()["properties"]
    assert properties["seed"]["default"] == written["seed"]
    for name, value in TrainingRecipe().to_wire().items():
        assert properties["training"]["properties"][name]["default"] == value


def test_schema_and_dataclasses_have_the_same_keys() -> None:
    schema = recipe_schema()
    assert tuple(schema["properties"]) == RECIPE_KEYS
    assert list(schema["properties"]["training"]["properties"]) == [
        f.name for f in fields(TrainingRecipe)
    ]
    for name, layer in LAYER_TYPES.items():
        assert list(schema["$defs"][name]["properties"]) == ["type", *layer.options()]
    assert schema["properties"]["model"]["properties"]["preset"]["enum"] == list(PRESETS)
    inline = schema["properties"]["data"]["anyOf"][2]["properties"]
    wire = Recipe.from_wire({"recipe": 1, "data": INLINE, "training": PAIR, "model": {"layers": [
        {"type": "flatten"}]}}).data.to_wire()  # fmt: skip
    assert set(inline) == set(wire)
    assert InlineData.source == inline["source"]["const"]
