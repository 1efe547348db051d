from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from backburner.core.chain import chain_from_wire
from backburner.core.data_sources import SOURCES
from backburner.core.errors import ConfigurationError
from backburner.core.fine_tuning_method import Method
from backburner.core.generation import Generation
from backburner.core.layers import LAYER_TYPES
from backburner.core.presets import PRESETS
from backburner.core.recipe import Recipe
from backburner.core.recipe_head import KIND_KEYS, SHARED_KEYS
from backburner.core.schema import recipe_schema
from backburner.core.training_settings import TrainingRecipe
from tests.core.images import images
from tests.core.test_beginnings import find

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
    {"recipe": 1, "data": {"source": "shapes", "difficulty": 0.2, "seed": 4}},
    {"recipe": 1, "data": {"source": "images", "size": 8, "channels": 1,
                           "images": images(6)}, "training": PAIR},
    {"recipe": 1, "data": {"source": "text"}},
    {"recipe": 1, "data": {"source": "text", "text": "abc " * 500, "context": 16,
                           "split": {"test": 0.2}}},
    {"recipe": 1, "training": {"optimizer": "sgd", "momentum": 0.9}},
    {"recipe": 1, "training": {"optimizer": "adamw", "weight_decay": 0.01}},
    {"recipe": 1, "model": {"layers": [
        {"type": "conv2d", "filters": 4, "kernel_size": 2, "dilation_rate": [1, 2]}]}},
    {"recipe": 1, "data": INLINE, "model": {"layers": [{"type": "flatten"}], "output": "auto"},
     "training": PAIR},
    {"recipe": 1, "kind": "train", "model": {"from": "op-1"}},
    {"recipe": 1, "kind": "fine-tune", "model": {"from": "op-1"}, "method": {"name": "lora"}},
    {"recipe": 1, "kind": "fine-tune", "model": {"from": "op-1"},
     "method": {"name": "last", "layers": 1}, "training": {"epochs": 2}},
    {"recipe": 1, "kind": "generate", "model": {"from": "text"},
     "generation": {"prompt": "to", "length": 9, "temperature": 0, "top_k": 3, "top_p": 0.5}},
    {"recipe": 1, "model": {"layers": [
        {"type": "conv2d", "filters": 4, "kernel_size": [3, 2], "activation": None},
        {"type": "max_pooling2d", "pool_size": 2, "strides": None},
        {"type": "global_average_pooling2d"}, {"type": "dropout", "rate": 0.5},
        {"type": "dense", "units": 10, "activation": "softmax"}]}},
    {"recipe": 1, "model": {"layers": [
        {"type": "separable_conv2d", "filters": 4, "kernel_size": 3, "activation": "gelu"},
        {"type": "residual", "layers": [
            {"type": "batch_normalization", "momentum": 0.9},
            {"type": "residual", "layers": [
                {"type": "depthwise_conv2d", "kernel_size": 3, "padding": "same"}]}]},
        {"type": "reshape", "target_shape": [6, -1]},
        {"type": "layer_normalization", "scale": False}, {"type": "flatten"}]}},
]  # fmt: skip
REFUSED: list[dict[str, Any]] = [
    {},
    {"recipe": 2},
    {"recipe": 1, "extra": 1},
    {"recipe": 1, "seed": -1},
    {"recipe": 1, "seed": True},
    {"recipe": 1, "training": {"learning_rate": 0}},
    {"recipe": 1, "training": {"l2": 2}},
    {"recipe": 1, "training": {"schedule": "cosine"}},
    {"recipe": 1, "training": {"schedule": {"name": "cosine", "warmup_steps": -1}}},
    {"recipe": 1, "training": {"early_stopping": {"monitor": "loss"}}},
    {"recipe": 1, "training": {"class_weights": {"3": -1}}},
    {"recipe": 1, "training": {"class_weights": "even"}},
    {"recipe": 1, "training": {"augmentation": {"rotation": 3}}},
    {"recipe": 1, "training": {"optimizer": "sgd", "momentum": 1}},
    {"recipe": 1, "training": {"optimizer": "adamw", "weight_decay": -0.1}},
    {"recipe": 1, "model": {"preset": "small", "layers": [{"type": "flatten"}]}},
    {"recipe": 1, "model": {"layers": [{"type": "conv2d", "filters": 4}]}},
    {"recipe": 1, "model": {"layers": [{"type": "conv3d"}]}},
    {"recipe": 1, "model": {"layers": [{"type": "reshape", "target_shape": 64}]}},
    {"recipe": 1, "model": {"layers": [{"type": "residual", "layers": []}]}},
    {"recipe": 1, "model": {"layers": [{"type": "residual", "layers": [{"type": "conv3d"}]}]}},
    {"recipe": 1, "model": {"layers": [{"type": "batch_normalization", "momentum": 1}]}},
    {"recipe": 1, "data": {"source": "shapes", "difficulty": 2}},
    {"recipe": 1, "data": {"source": "images", "images": []}},
    {"recipe": 1, "data": {"source": "images", "images": images(6), "channels": 2}},
    {"recipe": 1, "data": {"source": "text", "context": 4}},
    {"recipe": 1, "data": {"source": "text", "text": 7}},
    {"recipe": 1, "data": {"source": "text", "size": 8}},
    {"recipe": 1, "data": {"source": "drawings", "size": 12}},
    {"recipe": 1, "data": {"source": "drawings", "classes": ["cat"]}},
    {"recipe": 1, "model": {"from": ""}},
    {"recipe": 1, "model": {"from": "op-1", "preset": "tiny"}},
    {"recipe": 1, "method": {"name": "head"}},
    {"recipe": 1, "kind": "fine-tune"},
    {"recipe": 1, "kind": "fine-tune", "model": {"from": "op-1"}, "method": {"name": "none"}},
    {
        "recipe": 1,
        "kind": "fine-tune",
        "model": {"from": "op-1"},
        "method": {"name": "lora", "rank": None},
    },
    {"recipe": 1, "kind": "generate", "model": {"from": "text"}, "generation": {"top_k": -1}},
    {"recipe": 1, "kind": "generate", "model": {"from": "text"}, "data": {}},
    {"recipe": 1, "then": 3},
    {"recipe": 1, "then": [{"recipe": 1, "kind": "fine-tune"}]},
]
CHAINS: list[dict[str, Any]] = [
    {"recipe": 1, "then": []},
    {
        "recipe": 1,
        "then": [
            {
                "recipe": 1,
                "kind": "fine-tune",
                "model": {"from": "previous"},
                "then": [{"recipe": 1}],
            }
        ],
    },
]


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """The part of JSON Schema 2020-12 that our schema uses; an unknown keyword is an error."""
    kinds: dict[str, Any] = {
        "object": dict, "array": list, "string": str, "null": type(None), "number": (int, float),
        "integer": int, "boolean": bool,
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
                    isinstance(value, kinds[name])
                    and isinstance(value, bool) <= (name == "boolean")
                    for name in names
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
                known = schema.get("properties", {})
                others = [item for name, item in value.items() if name not in known]
                ok = not others if limit is False else all(fits(o, limit, root) for o in others)
            case "items":
                ok = all(fits(item, limit, root) for item in value)
            case "minItems" | "minLength" | "minProperties":
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


@pytest.mark.parametrize("sample", [*SAMPLES, *CHAINS], ids=lambda s: json.dumps(s)[:50])
def test_what_the_reader_takes_fits_the_schema(sample: dict[str, Any]) -> None:
    schema = recipe_schema()
    assert fits(sample, schema, schema)
    for link in chain_from_wire(sample, drawings=DRAWN, find=find):
        assert fits(json.loads(json.dumps(link.recipe.to_wire())), schema, schema)


@pytest.mark.parametrize("sample", REFUSED, ids=lambda s: json.dumps(s)[:50])
def test_what_does_not_fit_the_schema_the_reader_refuses_too(sample: dict[str, Any]) -> None:
    schema = recipe_schema()
    assert not fits(sample, schema, schema)
    with pytest.raises(ConfigurationError):
        chain_from_wire(sample, drawings=DRAWN, find=find)


def test_every_default_in_the_schema_is_the_readers_default() -> None:
    written = Recipe.from_wire({"recipe": 1}).to_wire()
    properties = recipe_schema()["$defs"]["train"]["properties"]
    assert properties["seed"]["default"] == written["seed"]
    for name, value in TrainingRecipe().to_wire().items():
        assert properties["training"]["properties"][name]["default"] == value


def test_schema_and_dataclasses_have_the_same_keys() -> None:
    schema = recipe_schema()
    for kind, own in KIND_KEYS.items():
        assert {*schema["$defs"][kind]["properties"]} == {*SHARED_KEYS, *own, "then"}
    for kind, part, options in (
        ("train", "training", TrainingRecipe),
        ("fine-tune", "training", TrainingRecipe),
        ("fine-tune", "method", Method),
        ("generate", "generation", Generation),
    ):
        found = schema["$defs"][kind]["properties"][part]["properties"]
        assert list(found) == [f.name for f in fields(options)]
    for name, layer in LAYER_TYPES.items():
        assert list(schema["$defs"][name]["properties"]) == ["type", *layer.options()]
    train = schema["$defs"]["train"]["properties"]
    assert train["model"]["anyOf"][0]["properties"]["preset"]["enum"] == list(PRESETS)
    sources = {
        each["properties"]["source"]["const"]: each["properties"] for each in train["data"]["anyOf"]
    }
    assert tuple(sources) == SOURCES
    inline = sources["inline"]
    wire = Recipe.from_wire({"recipe": 1, "data": INLINE, "training": PAIR, "model": {"layers": [
        {"type": "flatten"}]}}).data.to_wire()  # fmt: skip
    assert set(inline) == set(wire)
