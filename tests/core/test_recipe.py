from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backburner.core.data_sources import DigitsData
from backburner.core.errors import ConfigurationError, DataError, LayerError, RecipeError
from backburner.core.inline_data import InlineData
from backburner.core.recipe import Recipe
from backburner.core.training_settings import TrainingRecipe

NAN, INFINITY = float("nan"), float("inf")

INLINE: dict[str, Any] = {
    "source": "inline",
    "inputs": [[[0, 1], [1, 0]], [[1, 1], [0, 0]], [[0.5, 1], [1, 0]]],
    "labels": ["dog", "cat", "dog"],
    "split": {"train": 1},
}
THREE = {"batch_size": 3}


def recipe(**parts: Any) -> dict[str, Any]:
    return {"recipe": 1, **parts}


def refusal(wire: object) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        Recipe.from_wire(wire)
    return caught.value


def test_what_is_left_out_has_its_documented_default() -> None:
    assert Recipe.from_wire({"recipe": 1}).to_wire() == {
        "recipe": 1,
        "kind": "train",
        "seed": 0,
        "data": {"source": "digits", "split": {"train": 0.8, "validation": 0.1, "test": 0.1}},
        "model": {"preset": "small", "output": "auto"},
        "training": {
            "epochs": 5,
            "batch_size": 32,
            "optimizer": "adam",
            "learning_rate": 0.001,
        },
    }


def test_a_setting_of_one_optimizer_is_written_only_where_it_is_used() -> None:
    # The hash of a recipe is over this: a kept run of an older version must be able to go on.
    def written(**training: Any) -> dict[str, object]:
        wire = Recipe.from_wire(recipe(training=training)).to_wire()
        assert Recipe.from_wire(wire).to_wire() == wire
        added = wire["training"]
        assert isinstance(added, dict)
        return {name: added[name] for name in ("momentum", "weight_decay") if name in added}

    assert written() == written(optimizer="sgd") == written(optimizer="sgd", momentum=0) == {}
    assert written(optimizer="sgd", momentum=0.9) == {"momentum": 0.9}
    assert written(optimizer="adamw") == {"weight_decay": 0.004}
    assert written(optimizer="adamw", weight_decay=0) == {"weight_decay": 0}


def test_the_example_of_the_contract_is_read() -> None:
    text = """{"recipe": 1, "kind": "train", "seed": 7,
      "data": {"source": "digits", "split": {"train": 0.8, "validation": 0.1, "test": 0.1}},
      "model": {"preset": "small"},
      "training": {"epochs": 5, "batch_size": 32, "optimizer": "adam", "learning_rate": 0.001}}"""
    assert Recipe.from_wire(json.loads(text)).seed == 7


def test_layers_in_the_recipe_are_placed_on_its_data() -> None:
    layers = [{"type": "conv2d", "filters": 8, "kernel_size": 3, "activation": "relu"}]
    read = Recipe.from_wire(recipe(model={"layers": layers}))
    assert read.model.preset is None
    assert [layer.name for layer in read.spec().layers] == ["conv2d_1", "flatten_1", "dense_1"]


def test_inline_data_brings_its_shape_and_its_classes() -> None:
    layers = [{"type": "flatten"}]
    read = Recipe.from_wire(recipe(data=INLINE, model={"layers": layers}, training=THREE))
    assert isinstance(read.data, InlineData)
    assert read.data.input_shape == (2, 2, 1)
    assert read.data.classes == ("cat", "dog")
    assert read.data.labels == (1, 0, 1)
    assert read.data.inputs[:4] == (0, 1, 1, 0)
    assert read.spec().classes == 2


@pytest.mark.parametrize(
    ("labels", "classes", "expected", "names"),
    [
        ([5, 3, 5], None, (1, 0, 1), ("3", "5")),
        ([2, 0, 1], ["a", "b", "c"], (2, 0, 1), ("a", "b", "c")),
        (["b", "a", "b"], ["b", "a"], (0, 1, 0), ("b", "a")),
        ([10, 9, 10], None, (1, 0, 1), ("9", "10")),
    ],
)
def test_labels_are_numbers_or_names(
    labels: Any, classes: Any, expected: tuple[int, ...], names: tuple[str, ...]
) -> None:
    data = {**INLINE, "labels": labels, "classes": classes}
    model = {"layers": [{"type": "flatten"}]}
    read = Recipe.from_wire(recipe(data=data, model=model, training=THREE)).data
    assert isinstance(read, InlineData)
    assert (read.labels, read.classes) == (expected, names)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"inputs": []}, "data.inputs"),
        ({"inputs": [1, 2, 3]}, "data.inputs"),
        ({"inputs": [[[[[1]]]]] * 3}, "data.inputs"),
        ({"inputs": [[[0, 1], [1, 0]], [[1, 1]], [[0, 0], [0, 0]]]}, "data.inputs[1]"),
        ({"inputs": [[[0, 1], [1, NAN]]] * 3}, "data.inputs[0][1][1]"),
        ({"inputs": [[[0, 1], [1, "1"]]] * 3}, "data.inputs[0][1][1]"),
        ({"inputs": [[[0, 1], [1, True]]] * 3}, "data.inputs[0][1][1]"),
        ({"inputs": [[[0, 1], [1, 10**400]]] * 3}, "data.inputs[0][1][1]"),
        ({"labels": ["dog", "cat"]}, "data.labels"),
        ({"labels": ["dog", "cat", 1]}, "data.labels[0]"),
        ({"labels": [0, -1, 1]}, "data.labels[1]"),
        ({"labels": [0, True, 1]}, "data.labels[1]"),
        ({"labels": ["dog"] * 3}, "data.classes"),
        ({"classes": ["cat", "cat"]}, "data.classes"),
        ({"classes": ["cat", "bird"]}, "data.labels[0]"),
        ({"labels": [0, 1, 2], "classes": ["cat", "bird"]}, "data.labels[2]"),
    ],
)
def test_inline_examples_that_cannot_be_used_are_refused(change: dict[str, Any], key: str) -> None:
    error = refusal(recipe(data=INLINE | change))
    assert isinstance(error, DataError)
    assert error.key == key


@pytest.mark.parametrize(
    ("wire", "key"),
    [
        (recipe(seed=-1), "seed"),
        (recipe(seed=2**53), "seed"),
        (recipe(seed=True), "seed"),
        (recipe(seed="7"), "seed"),
        (recipe(seed=1.5), "seed"),
        (recipe(name=3), "name"),
        (recipe(name="x" * 201), "name"),
        (recipe(training={"epochs": 0}), "training.epochs"),
        (recipe(training={"epochs": 100_001}), "training.epochs"),
        (recipe(training={"epochs": None}), "training.epochs"),
        (recipe(training={"batch_size": 0}), "training.batch_size"),
        (recipe(training={"batch_size": 0.5}), "training.batch_size"),
        (recipe(training={"learning_rate": 0}), "training.learning_rate"),
        (recipe(training={"learning_rate": -0.1}), "training.learning_rate"),
        (recipe(training={"learning_rate": NAN}), "training.learning_rate"),
        (recipe(training={"learning_rate": INFINITY}), "training.learning_rate"),
        (recipe(training={"learning_rate": "0.1"}), "training.learning_rate"),
        (recipe(training={"clip_norm": 0}), "training.clip_norm"),
        (recipe(training={"l2": 0}), "training.l2"),
        (recipe(training={"l2": 1.5}), "training.l2"),
        (recipe(training={"schedule": {"name": "cosine", "decay_steps": 5}}),
         "training.schedule.decay_steps"),
        (recipe(training={"schedule": {"warmup_steps": 225}}), "training.schedule.warmup_steps"),
        (recipe(training={"early_stopping": {"patience": 0}}), "training.early_stopping.patience"),
        (recipe(data={"split": {"test": 0.1}}, training={"early_stopping": {}}),
         "training.early_stopping"),
        (recipe(training={"class_weights": {"ten": 1}}), "training.class_weights.ten"),
        (recipe(training={"class_weights": [1, 1]}), "training.class_weights"),
        (recipe(training={"augmentation": {"shift": 1}}), "training.augmentation.shift"),
        (recipe(training={"optimizer": "Adam"}), "training.optimizer"),
        (recipe(training={"optimizer": ["adam"]}), "training.optimizer"),
        (recipe(training={"optimizer": "sgd", "momentum": 1}), "training.momentum"),
        (recipe(training={"optimizer": "sgd", "momentum": -0.1}), "training.momentum"),
        (recipe(training={"optimizer": "sgd", "momentum": None}), "training.momentum"),
        (recipe(training={"optimizer": "adamw", "weight_decay": 1}), "training.weight_decay"),
        (recipe(training={"optimizer": "adamw", "weight_decay": "x"}), "training.weight_decay"),
        (recipe(training={"momentum": 0.9}), "training.momentum"),
        (recipe(training={"momentum": 0}), "training.momentum"),
        (recipe(training={"optimizer": "adamw", "momentum": 0.9}), "training.momentum"),
        (recipe(training={"weight_decay": 0.1}), "training.weight_decay"),
        (recipe(training={"optimizer": "sgd", "weight_decay": 0}), "training.weight_decay"),
        (recipe(training=[]), "training"),
        (recipe(data="digits"), "data"),
        (recipe(data={"source": "digit"}), "data.source"),
        (recipe(data={"source": ["digits"]}), "data.source"),
        (recipe(data={"split": {"train": 0.5, "validation": 0.1, "test": 0.1}}), "data.split"),
        (recipe(data={"split": {"train": 0}}), "data.split.train"),
        (recipe(data={"split": {"test": 1}}), "data.split"),
        (recipe(data={"split": {"test": -0.1}}), "data.split.test"),
        (recipe(data={"split": {"test": NAN}}), "data.split.test"),
        (recipe(data={"split": None}), "data.split"),
        (recipe(model={"preset": "small", "layers": [{"type": "flatten"}]}), "model"),
        (recipe(model={"output": "none"}), "model.output"),
        (recipe(model={"layers": []}), "model.layers"),
        (recipe(model={"preset": "huge"}), "model.preset"),
    ],
    ids=lambda item: json.dumps(item)[:60],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_naming_its_key(wire: object, key: str) -> None:
    error = refusal(wire)
    assert isinstance(error, RecipeError)
    assert error.key == key
    assert key in error.message


@pytest.mark.parametrize(
    ("wire", "key"),
    [
        (recipe(kind="export", model={"from": "abc"}), "kind"),
        (recipe(priority=1), "priority"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_what_a_later_version_will_have_is_refused_as_such(wire: object, key: str) -> None:
    error = refusal(wire)
    assert error.key == key
    assert "this version of Backburner" in error.message
    assert "yet" in error.message


def test_an_unknown_key_is_refused_with_the_closest_known_one() -> None:
    error = refusal(recipe(training={"learning_rat": 1}))
    assert error.key == "training.learning_rat"
    assert 'Did you mean "learning_rate"?' in error.message
    assert refusal(recipe(trainig={})).key == "trainig"


@pytest.mark.parametrize("version", [None, 0, "1", True, 2, 1e99, [1], {}], ids=str)
def test_another_version_is_refused_saying_which_is_known(version: object) -> None:
    error = refusal({"recipe": version})
    assert error.key == "recipe"
    assert "1" in error.message
    assert ("newer" in error.message) == (version == 2)


def test_a_recipe_without_a_version_is_refused() -> None:
    assert refusal({"kind": "train"}).key == "recipe"


def test_a_layer_that_cannot_stand_there_is_refused_before_anything_starts() -> None:
    layers = [{"type": "max_pooling2d"}] * 4
    error = refusal(recipe(model={"layers": layers}))
    assert isinstance(error, LayerError)
    assert error.key == "model.layers[3]"


TAMED: dict[str, Any] = {
    "l2": 0.001,
    "schedule": {"name": "cosine", "warmup_steps": 50, "end_factor": 0.0},
    "early_stopping": {"patience": 3, "monitor": "validation_loss", "min_delta": 0.0},
    "class_weights": {"3": 2.0},
    "augmentation": {"shift": 0.1, "rotate": 10.0, "flip": False, "noise": 0.05},
}


def test_settings_that_came_later_stand_in_a_recipe_only_where_they_are_used() -> None:
    """The hash of a recipe that knows nothing of them stays what it was."""
    plain = Recipe.from_wire({"recipe": 1}).to_wire()["training"]
    assert not TAMED.keys() & plain.keys()  # type: ignore[attr-defined]
    nothing = Recipe.from_wire(recipe(training=dict.fromkeys(TAMED))).to_wire()["training"]
    assert nothing == plain
    read = Recipe.from_wire(recipe(training=TAMED))
    written = read.to_wire()["training"]
    assert written == {**plain, **TAMED}  # type: ignore[dict-item]
    assert Recipe.from_wire(recipe(training=written)) == read


@pytest.mark.parametrize("name", ["class_weights", "augmentation"])
def test_what_is_for_pictures_is_refused_on_a_text(name: str) -> None:
    text = {"source": "text", "text": "to be or not to be " * 40, "context": 16}
    layers = [
        {"type": "embedding", "output_dim": 8},
        {"type": "conv1d", "filters": 8, "kernel_size": 3, "padding": "causal"},
    ]
    given = recipe(data=text, model={"layers": layers}, training={"batch_size": 8})
    assert Recipe.from_wire(given)
    given["training"][name] = TAMED[name]
    assert refusal(given).key == f"training.{name}"


def test_a_split_that_names_some_parts_leaves_the_others_empty_and_trains_on_the_rest() -> None:
    data = Recipe.from_wire(recipe(data={"split": {"test": 0.25}})).data
    assert data.split.to_wire() == {"train": 0.75, "validation": 0.0, "test": 0.25}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from(
    sorted(
        {*Recipe.from_wire({"recipe": 1}).to_wire(), *TrainingRecipe().to_wire(), "clip_norm"}
        | {"l2", "schedule", "name", "cosine", "step", "warmup_steps", "decay_rate", "patience"}
        | {"early_stopping", "class_weights", "balanced", "augmentation", "shift", "flip", "noise"}
        | {"name", "source", "split", "inputs", "labels", "classes", "preset", "layers", "output"}
        | {"type", "filters", "kernel_size", "strides", "padding", "activation", "units", "rate"}
        | {"pool_size", "train", "test", "validation", "digits", "inline", "small", "dense"}
        | {"conv2d", "flatten", "dropout", "max_pooling2d", "relu", "softmax", "same", "given"}
    )
)
LIKELY = st.recursive(
    WORDS | st.sampled_from([0, 1, 2, 3, 0.5, 1.5, -1, True, None, NAN, 10**30, 1e308]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=40,
)


def either_returns_or_refuses(wire: object) -> None:
    try:
        read = Recipe.from_wire(wire)
    except ConfigurationError as error:
        assert json.loads(json.dumps(error.as_dict()))["message"].strip()  # noqa: PT017
        return
    written = json.loads(json.dumps(read.to_wire(), allow_nan=False))
    assert Recipe.from_wire(written) == read
    assert Recipe.from_wire(written).to_wire() == read.to_wire()


@given(JSON)
def test_any_json_is_either_a_recipe_or_refused(wire: object) -> None:
    either_returns_or_refuses(wire)


@settings(max_examples=300)
@given(st.fixed_dictionaries({"recipe": st.just(1)}, optional={
    "seed": LIKELY, "name": LIKELY, "data": LIKELY, "model": LIKELY, "training": LIKELY,
    "kind": LIKELY}))  # fmt: skip
def test_anything_that_looks_like_a_recipe_is_either_one_or_refused(wire: object) -> None:
    either_returns_or_refuses(wire)


LAYER = st.fixed_dictionaries(
    {"type": st.sampled_from(["conv2d", "dense", "dropout", "flatten", "max_pooling2d"])},
    optional={
        "filters": st.integers(0, 9), "kernel_size": LIKELY | st.integers(1, 4),
        "units": st.integers(1, 12), "rate": st.floats(-0.5, 1.5), "padding": WORDS,
    },
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(LAYER, max_size=4), st.floats(1e-6, 10), st.integers(1, 9))
def test_a_recipe_that_is_read_round_trips(layers: Any, rate: float, epochs: int) -> None:
    either_returns_or_refuses(
        recipe(
            model={"layers": layers},
            data=INLINE if epochs % 2 else {"source": "digits"},
            training={"learning_rate": rate, "epochs": epochs} | THREE,
        )
    )


def test_the_digits_are_described_without_loading_them() -> None:
    assert DigitsData().classes == tuple("0123456789")
    assert sum(DigitsData().counts) == 1797


def labelled(*labels: object, **more: Any) -> dict[str, Any]:
    """Inline examples with these labels, and a model that takes any of them."""
    pictures = [[[float(n)]] for n in range(len(labels))]
    return recipe(
        data={"source": "inline", "inputs": pictures, "labels": list(labels)} | more,
        model={"layers": [{"type": "flatten"}]},
        training={"batch_size": 2},
    )


@pytest.mark.parametrize(
    ("wire", "key", "words"),
    [
        (recipe(training={"batch_size": 5_000}), "training.batch_size", ["5,000", "1,439"]),
        (recipe(training={"batch_size": 1_440}), "training.batch_size", ["1,439"]),
        (
            recipe(data={"split": {"train": 0.001, "test": 0.999}}),
            "training.batch_size",
            ["32", "only 10 examples"],
        ),
        (labelled(*"ab", split={"train": 1}) | {"training": {}}, "training.batch_size", ["32"]),
        (labelled(*"aaaaab"), "data.split", ['"b"', "only 1 example,", "validation and test"]),
        (
            labelled(*"aaaaabb"),
            "data.split",
            ["only 2 examples", "data.split.test to 0 and data.split.train to 0.9."],
        ),
        (labelled(*"abb", split={"test": 0.5}), "data.split", ['"a"', "data.split.train to 1."]),
        (labelled(0, 0, 0, classes=["x", "y"]), "data.classes", ['"y"', "0 examples"]),
        (labelled(*"aaaa"), "data.classes", ["is 1, ", "at least 2"]),
    ],
    ids=[
        "a batch larger than the data",
        "a batch one too large",
        "a small training part",
        "a batch by default",
        "one example",
        "two examples",
        "two parts",
        "no example",
        "one class",
    ],
)
def test_data_that_cannot_work_is_refused_with_key_and_numbers(
    wire: object, key: str, words: list[str]
) -> None:
    error = refusal(wire)
    assert isinstance(error, DataError)
    assert error.key == key
    for each in (key, *words):
        assert each in error.message


@pytest.mark.parametrize(
    "wire",
    [
        recipe(training={"batch_size": 1_439}),
        recipe(data={"split": {"train": 1}}, training={"batch_size": 1_797}),
        labelled(*"aaabbb"),
        labelled(*"ab", split={"train": 1}),
    ],
    ids=["digits to the last", "digits undivided", "one each", "all to train"],
)
def test_data_that_is_just_enough_is_taken(wire: object) -> None:
    Recipe.from_wire(wire)


DRAWN = {"cat": 12, "dog": 3}


def test_a_recipe_for_drawings_is_checked_against_those_that_there_are() -> None:
    wire = recipe(data={"source": "drawings", "size": 8}, training={"batch_size": 4})
    parsed = Recipe.from_wire(wire, drawings=DRAWN)
    assert parsed.data.classes == ("cat", "dog")
    assert parsed.data.input_shape == (8, 8, 1)
    assert Recipe.from_wire(parsed.to_wire(), drawings=DRAWN) == parsed
    assert Recipe.from_wire(recipe(data={"source": "drawings"}, training={"batch_size": 1}),
                            drawings=DRAWN).data.input_shape == (16, 16, 1)  # fmt: skip


@pytest.mark.parametrize(
    ("drawings", "key", "words"),
    [
        (None, "data.source", "nobody draws"),
        ({}, "data.source", "no drawings yet"),
        ({"cat": 9}, "data.source", 'only one class of drawings, "cat"'),
        ({"cat": 9, "dog": 0}, "data.classes", '"dog" has 0 examples'),
        ({"cat": 9, "dog": 2}, "data.split", '"dog" has only 2 examples'),
        ({"cat": 3, "dog": 3}, "training.batch_size", "only 2 examples"),
    ],
)
def test_drawings_that_will_not_do_are_refused_with_the_way_out(
    drawings: dict[str, int] | None, key: str, words: str
) -> None:
    with pytest.raises(DataError, match=words) as refused:
        Recipe.from_wire(recipe(data={"source": "drawings"}), drawings=drawings)
    assert refused.value.key == key


@pytest.mark.parametrize("size", [0, 7, 64, "8", True, None, 16.5])
def test_drawings_come_in_three_sizes(size: object) -> None:
    with pytest.raises(RecipeError) as refused:
        Recipe.from_wire(recipe(data={"source": "drawings", "size": size}), drawings=DRAWN)
    assert refused.value.key == "data.size"
