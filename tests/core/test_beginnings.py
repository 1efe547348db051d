"""Recipes that begin with a trained network: to train on, to fine-tune, to write."""

from __future__ import annotations

from typing import Any

import pytest

from backburner.core.beginnings import Beginning, nothing_trained
from backburner.core.errors import ConfigurationError, DataError, RecipeError
from backburner.core.fine_tuning import Base
from backburner.core.fine_tuning_method import Method
from backburner.core.fine_tuning_recipe import FineTuneRecipe
from backburner.core.kinds import AnyRecipe, recipe_from_wire
from backburner.core.lifecycle import Status
from backburner.core.recipe import Recipe
from backburner.core.trained import find_in
from tests.core.makers import operation

TRAINED: dict[str, Any] = {"recipe": 1, "model": {"preset": "tiny"}, "training": {"epochs": 2}}
TEXT: dict[str, Any] = {
    "recipe": 1,
    "data": {"source": "text", "text": "to be or not to be " * 40, "context": 16},
    "model": {"layers": [
        {"type": "embedding", "output_dim": 8},
        {"type": "conv1d", "filters": 8, "kernel_size": 3, "padding": "causal"}]},
    "training": {"batch_size": 8},
}  # fmt: skip
DRAWN = {"0": 12, "cat": 12}
DRAWINGS = {"source": "drawings", "size": 8}
FROM: dict[str, Any] = {"recipe": 1, "model": {"from": "op-1"}}


def beginning(wire: dict[str, Any]) -> Beginning:
    recipe = Recipe.from_wire(wire)
    return Beginning(base=recipe.result, data=recipe.data.to_wire())


def find(key: str) -> Beginning:
    known = {"op-1": TRAINED, "text": TEXT}
    return beginning(known[key]) if key in known else nothing_trained(key)


def read(**parts: Any) -> AnyRecipe:
    return recipe_from_wire({**FROM, **parts}, drawings=DRAWN, find=find)


def refusal(**parts: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read(**parts)
    return caught.value


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"seed": 3, "name": "on and on", "data": {"source": "digits", "split": {"test": 0.5}}},
        {"kind": "fine-tune"},
        {"kind": "fine-tune", "method": {"name": "lora", "rank": 2}, "data": DRAWINGS,
         "training": {"batch_size": 4}},
        {"kind": "generate", "model": {"from": "text"}},
        {"kind": "generate", "model": {"from": "text"}, "generation": {"prompt": "to"}},
    ],
)  # fmt: skip
def test_what_is_read_is_written_complete_and_read_again(parts: dict[str, Any]) -> None:
    recipe = read(**parts)
    written = recipe.to_wire()
    again = recipe_from_wire(written, drawings=DRAWN, find=find)
    assert again == recipe
    assert again.to_wire() == written
    assert written["model"] == {"from": recipe.base}


def test_to_train_on_means_the_same_layers_on_the_same_data() -> None:
    recipe = read()
    assert isinstance(recipe, Recipe)
    first = Recipe.from_wire(TRAINED)
    assert recipe.data == first.data
    assert [*recipe.spec().parameters()] == [*first.spec().parameters()]
    assert recipe.result == first.result


def test_to_train_on_is_not_to_learn_new_classes() -> None:
    error = refusal(data=DRAWINGS, training={"batch_size": 4})
    assert isinstance(error, DataError)
    assert error.key == "data.classes"
    assert '"fine-tune"' in error.message


def test_fine_tuning_adds_the_classes_that_are_new() -> None:
    recipe = read(kind="fine-tune", data=DRAWINGS, training={"batch_size": 4})
    assert isinstance(recipe, FineTuneRecipe)
    assert recipe.classes == (*"0123456789", "cat")
    assert recipe.result == Base.of(recipe.spec(), recipe.classes)
    assert recipe.method == Method()


def test_drawings_take_the_size_of_the_network_where_the_recipe_names_none() -> None:
    data = {"source": "drawings"}
    recipe = read(kind="fine-tune", data=data, training={"batch_size": 4})
    assert isinstance(recipe, FineTuneRecipe)
    assert recipe.data.input_shape == (8, 8, 1)


def test_only_what_counts_of_a_method_is_written() -> None:
    assert read(kind="fine-tune").to_wire()["method"] == {"name": "all"}


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        ({"model": {"from": "gone"}}, "model.from"),
        ({"model": {"from": 3}}, "model.from"),
        ({"model": {"from": ""}}, "model.from"),
        ({"model": {"from": "previous"}}, "model.from"),
        ({"model": {"from": "op-1", "preset": "tiny"}}, "model.preset"),
        ({"kind": "fine-tune", "model": {}}, "model.from"),
        ({"kind": "fine-tune", "model": {"preset": "tiny"}}, "model.preset"),
        ({"kind": "fine-tune", "method": {"name": "last", "layers": 9}}, "method.layers"),
        ({"kind": "fine-tune", "method": {"name": "last", "rank": 9}}, "method.rank"),
        ({"kind": "fine-tune", "data": {"source": "text"}}, "data.source"),
        ({"kind": "fine-tune", "training": {"batch_size": 5000}}, "training.batch_size"),
        ({"kind": "fine-tune", "training": {"class_weights": {"eleven": 2}}},
         "training.class_weights.eleven"),
        ({"kind": "fine-tune", "data": {"source": "digits", "split": {"test": 0.1}},
          "training": {"early_stopping": {}}}, "training.early_stopping"),
        ({"kind": "generate"}, "model.from"),
        ({"kind": "generate", "model": {"from": "text"}, "generation": {"length": 0}},
         "generation.length"),
        ({"kind": "generate", "model": {"from": "text"}, "generation": {"prompt": "x"}},
         "generation.prompt"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_naming_the_key(parts: dict[str, Any], key: str) -> None:
    error = refusal(**parts)
    assert error.key == key
    assert key in error.message


@pytest.mark.parametrize(
    ("parts", "key", "owner"),
    [
        ({"method": {"name": "head"}}, "method", "fine-tune"),
        ({"generation": {}}, "generation", "generate"),
        ({"kind": "fine-tune", "generation": {}}, "generation", "generate"),
        ({"kind": "generate", "training": {}}, "training", "train"),
        ({"kind": "generate", "data": {}}, "data", "train"),
    ],
)
def test_a_key_of_another_kind_is_refused_saying_whose_it_is(
    parts: dict[str, Any], key: str, owner: str
) -> None:
    error = refusal(**parts)
    assert isinstance(error, RecipeError)
    assert error.key == key
    assert f'"{owner}"' in error.message


def test_examples_that_are_not_here_any_more_have_to_be_given_anew() -> None:
    without = Beginning(base=Recipe.from_wire(TRAINED).result, data=None)
    with pytest.raises(DataError, match="not here any more"):
        FineTuneRecipe.from_wire({**FROM, "kind": "fine-tune"}, find=lambda _: without)


# --- among the operations of a page -----------------------------------------------------


def done(**changes: Any) -> Any:
    recipe = Recipe.from_wire(TRAINED)
    values: dict[str, Any] = {
        "status": Status.COMPLETED,
        "checkpoint": 40,
        "recipe": recipe.to_wire(),
        "network": recipe.result.to_wire(),
    }
    return operation("op-1", **{**values, **changes})


def test_a_completed_training_can_be_begun_with() -> None:
    assert find_in({"op-1": done()}, "op-1") == find("op-1")


def test_a_run_of_an_older_version_is_known_by_its_recipe() -> None:
    assert find_in({"op-1": done(network=None)}, "op-1") == find("op-1")
    with pytest.raises(RecipeError, match="older version"):
        find_in({"op-1": done(network=None, recipe={"recipe": 1, "data": {"examples": 3}})}, "op-1")


@pytest.mark.parametrize("kind", ["train", "fine-tune"])
def test_data_of_null_are_no_data_and_not_those_of_the_network(kind: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe_from_wire({**FROM, "kind": kind, "data": None}, find=find)
    assert caught.value.key == "data"


def test_examples_of_which_only_a_summary_is_left_are_not_taken_for_data() -> None:
    brief = {"recipe": 1, "data": {"source": "inline", "classes": ["a", "b"], "examples": 3}}
    assert find_in({"op-1": done(recipe=brief)}, "op-1").data is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": Status.RUNNING}, "is running, .* Wait until"),
        ({"status": Status.QUEUED}, "is queued, .* Wait until"),
        ({"status": Status.STOPPED}, "is stopped, .* Resume it"),
        ({"status": Status.INTERRUPTED}, "is interrupted, .* Resume it"),
        ({"status": Status.FAILED}, "is failed, .* again"),
        ({"status": Status.ABORTED}, "is aborted, .* again"),
        ({"checkpoint": None}, "could not be kept"),
        ({"kind": "generate"}, "no network comes of that"),
    ],
)
def test_a_run_that_cannot_be_begun_with_is_refused_by_name(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecipeError, match=words) as refused:
        find_in({"op-1": done(name="my first", **changes)}, "op-1")
    assert refused.value.key == "model.from"
    assert "op-1" in refused.value.message
