"""Fine-tuning: what it begins with and on which data, in plain Python; and whole ones, in the
browser."""

from __future__ import annotations

import math
import random
import struct
from array import array
from dataclasses import replace
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backburner.core.errors import DataError
from backburner.core.fine_tuning import Base, tuned_spec
from backburner.core.fine_tuning_method import Method
from backburner.core.fine_tuning_recipe import FineTuneRecipe
from backburner.core.layers import layers_from_wire
from backburner.core.model import ModelSpec
from backburner.core.recipe import Recipe
from backburner.core.text_data import OTHER, TextData
from backburner.engine.checkpoint import recipe_sha256, weights_sha256
from backburner.engine.data import Dataset, Split
from backburner.engine.fine_tuning import (
    answers_among,
    drawn_numbers,
    fine_tuning,
    first_weights,
    fixed_test,
    joined,
    merged,
)
from backburner.engine.safetensors import Numbers
from backburner.engine.task import Start, Task
from tests.engine.laboratory import Laboratory
from tests.engine.test_training import SHARED

LAYERS = [
    {"type": "conv2d", "filters": 3, "kernel_size": 2},
    {"type": "residual", "layers": [{"type": "conv2d", "filters": 3, "kernel_size": 1}]},
    {"type": "flatten"},
    {"type": "dense", "units": 4, "activation": "relu"},
]
HEAD = "dense_2"


def base(classes: str = "ab") -> Base:
    return Base.of(
        ModelSpec.from_layers(layers_from_wire(LAYERS), (3, 3, 1), len(classes)), classes
    )


def random_weights(spec: ModelSpec, seed: int = 1) -> dict[str, Numbers]:
    draw = random.Random(seed)
    return {
        name: Numbers(
            shape=parameter.shape,
            data=array("f", [draw.uniform(-1, 1) for _ in range(parameter.size)]).tobytes(),
        )
        for name, parameter in spec.parameters()
    }


def pictures(classes: str, count: int = 12, seed: int = 0, **settings: Any) -> Recipe:
    """A recipe whose data are pictures of 3x3, no two of them alike."""
    draw = random.Random(seed)
    inputs = [[[draw.random() for _ in range(3)] for _ in range(3)] for _ in range(count)]
    labels = [classes[index % len(classes)] for index in range(count)]
    data = {"source": "inline", "inputs": inputs, "labels": labels}
    split = {"train": 0.5, "validation": 0.25, "test": 0.25}
    return Recipe.from_wire(
        {
            "recipe": 1,
            "seed": 3,
            "data": {**data, "classes": list(classes), "split": split},
            "model": {"layers": LAYERS},
            "training": {"batch_size": 2, **settings},
        }
    )


def data_of(recipe: Recipe) -> Dataset:
    return Dataset.from_inline(recipe.data)  # type: ignore[arg-type]


def tuned(
    data: Recipe, network: Base | None = None, method: Method | None = None, **changes: Any
) -> Task:
    """What a fine-tuning does with the data of a recipe; `changes` are of its start."""
    network = network or base()
    first = pictures("ab")
    trained = Task.from_recipe(first, data_of(first))
    values: dict[str, Any] = {
        "network": network,
        "weights": random_weights(network.spec()),
        "sha256": "00" * 32,
        "tests": fixed_test(trained.workload.dataset, trained.split),
    }
    recipe = FineTuneRecipe(
        base="before",
        network=network,
        data=network.adopt(data.data),
        method=method or Method(),
        training=data.training,
        seed=data.seed,
    )
    dataset = changes.pop("dataset", None) or data_of(data)
    return fine_tuning(recipe, dataset, Start(**{**values, **changes}))


# --- first weights ---------------------------------------------------------------------


def test_what_the_base_knows_is_copied_to_the_bit() -> None:
    weights = random_weights(base().spec())
    first = first_weights(tuned_spec(base(), Method(name="head"), "ab"), weights, seed=5)
    assert first == weights


@given(st.integers(1, 5), st.integers(0, 2**53 - 1))
def test_a_larger_output_has_the_old_columns_and_new_ones_as_a_new_model_would(
    more: int, seed: int
) -> None:
    weights = random_weights(base().spec())
    spec = tuned_spec(base(), Method(), "abcdefg"[: 2 + more])
    first = first_weights(spec, weights, seed)
    parameters = dict(spec.parameters())
    assert {name: numbers.shape for name, numbers in first.items()} == {
        name: parameter.shape for name, parameter in parameters.items()
    }
    for name in (f"{HEAD}/kernel", f"{HEAD}/bias"):
        drawn = drawn_numbers(name, parameters[name], seed)
        for row in range(parameters[name].size // (2 + more)):
            new = first[name].data[row * 4 * (2 + more) :][: 4 * (2 + more)]
            assert new[:8] == weights[name].data[8 * row :][:8]
            assert new[8:] == drawn[row * 4 * (2 + more) :][8 : 4 * (2 + more)]


def test_adapters_are_left_to_be_drawn() -> None:
    spec = tuned_spec(base(), Method(name="lora"), "ab")
    assert first_weights(spec, (old := random_weights(base().spec())), 5) == old


@pytest.mark.parametrize("change", ["missing", "shape"])
def test_weights_that_are_not_of_the_model_are_refused(change: str) -> None:
    weights = random_weights(base().spec())
    if change == "missing":
        del weights["conv2d_1/kernel"]
    else:
        weights["dense_1/kernel"] = Numbers(shape=(4, 4), data=bytes(64))
    with pytest.raises(DataError) as refusal:
        first_weights(base().spec(), weights, 5)
    assert refusal.value.key == "model.from"


# --- data ------------------------------------------------------------------------------


def test_the_fixed_test_set_is_what_was_tested_and_what_was_kept_before() -> None:
    data = data_of(pictures("ab"))
    split = Split(train=(0, 3), validation=(), test=(5, 6), kept=(11,))
    chosen = fixed_test(data, split)
    assert [chosen.example(i) for i in range(3)] == [data.example(i) for i in (5, 6, 11)]
    assert chosen.labels == tuple(data.labels[i] for i in (5, 6, 11))


def test_an_example_of_an_older_test_that_new_data_bring_back_is_tested_once() -> None:
    data = data_of(pictures("ab"))
    both = joined(data, data.chosen([5, 4]), "ab")
    split = Split(train=(0, 3), validation=(), test=(5, 6), kept=(12, 13))
    assert fixed_test(both, split).inputs == data.chosen([5, 6, 4]).inputs


def test_one_whose_label_was_another_is_tested_as_both() -> None:
    data = data_of(pictures("ab"))
    other = replace(data.chosen([5]), labels=(1 - data.labels[5],))
    split = Split(train=(0,), validation=(), test=(5,), kept=(12,))
    assert len(fixed_test(joined(data, other, "ab"), split)) == 2


def test_the_labels_of_both_index_the_joined_classes() -> None:
    new, old = data_of(pictures("cb")), data_of(pictures("ab", seed=1))
    both = joined(new, old, "abc")
    names = [both.classes[label] for label in both.labels]
    assert names == ["c", "b"] * 6 + ["a", "b"] * 6
    assert both.inputs == new.inputs + old.inputs
    assert len({both.digest, new.digest, old.digest, joined(new, old, "acb").digest}) == 4


def test_the_hash_of_the_data_is_over_what_was_kept_too() -> None:
    new, old = data_of(pictures("cb")), data_of(pictures("ab", seed=1))
    assert joined(new, old, "abc").digest != joined(new, old.chosen(range(6)), "abc").digest


@given(st.binary(min_size=4, max_size=64), st.sampled_from([1 / 16, 1 / 255, 1 / 3, 1.0]))
def test_numbers_of_another_scale_become_what_the_network_saw_of_them(
    numbers: bytes, scale: float
) -> None:
    def single(number: float) -> float:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])

    shape = (1, 1, 1)
    dtype: Any = "uint8"
    labels = [0] * len(numbers)
    bytes_ = Dataset.of(
        inputs=numbers, dtype=dtype, scale=scale, shape=shape, labels=labels, classes="ab"
    )
    floats = Dataset.of(
        inputs=array("f", [0.5]).tobytes(),
        dtype="float32",
        scale=1.0,
        shape=shape,
        labels=[1],
        classes="ab",
    )
    both = joined(bytes_, floats, "ab")
    assert (both.dtype, both.scale) == ("float32", 1.0)
    # A float32 times a float32, rounded once.
    assert list(array("f", both.inputs)) == [*(single(n * single(scale)) for n in numbers), 0.5]


def test_no_example_that_the_base_was_tested_on_is_learned_from() -> None:
    """The same data under another seed: most of the old test examples are in the new train part."""
    recipe = pictures("ab", count=40)
    other = Recipe.from_wire({**recipe.to_wire(), "seed": 4})
    trained = Task.from_recipe(recipe, data_of(recipe))
    kept = fixed_test(trained.workload.dataset, trained.split)
    task = tuned(other, tests=kept, weights=None)
    data, split = task.workload.dataset, task.split
    tested = {data.example(index) for index in split.kept}
    assert len(tested) == len(split.kept) == len(kept) == 10
    learned = (*split.train, *split.validation)
    assert not tested & {data.example(index) for index in learned}
    drawn = Task.from_recipe(other, data_of(other)).split
    assert 0 < len(split.train) < len(drawn.train)
    assert split.test == drawn.test


def test_data_that_were_all_tested_on_are_refused() -> None:
    recipe = pictures("ab")
    with pytest.raises(DataError, match="tested on every one"):
        tuned(recipe, tests=data_of(recipe))


def test_early_stopping_is_refused_where_all_of_the_validation_was_tested_on() -> None:
    """It would never stop anything, and say nothing."""
    stopping = pictures("ab", early_stopping={"patience": 1})
    data = data_of(stopping)
    drawn = Task.from_recipe(stopping, data).split
    kept = data.chosen(drawn.validation)
    with pytest.raises(DataError, match="Leave it out") as refusal:
        tuned(stopping, tests=kept, weights=None)
    assert refusal.value.key == "training.early_stopping"
    assert tuned(pictures("ab"), tests=kept, weights=None).split.validation == ()


def test_data_of_another_shape_are_refused_naming_both() -> None:
    other = Dataset.of(
        inputs=bytes(8), dtype="uint8", scale=1.0, shape=(2, 2, 1), labels=[0, 1], classes="ab"
    )
    with pytest.raises(DataError, match=r"2×2×1.*3×3×1"):
        tuned(pictures("ab"), dataset=other)


def test_a_base_without_a_test_part_can_be_tuned_all_the_same() -> None:
    data = data_of(pictures("ab"))
    assert tuned(pictures("bc", seed=1), tests=data.chosen(())).split.kept == ()


# --- tasks -----------------------------------------------------------------------------


def test_a_task_says_how_many_classes_could_be_named_before() -> None:
    task = tuned(pictures("bc", seed=1))
    assert (task.answers, task.workload.spec.classes) == (2, 3)
    assert task.workload.dataset.classes == ("a", "b", "c")


def test_its_fingerprint_is_of_the_weights_and_not_of_their_operation() -> None:
    recipe = pictures("bc", seed=1)
    found = tuned(recipe).recipe_sha256
    other = replace(tuned(recipe).recipe, base="another", name="the same again")
    assert recipe_sha256(other, "00" * 32) == found
    assert tuned(recipe, sha256="11" * 32).recipe_sha256 != found


def test_the_optimizer_remembers_what_learns_only() -> None:
    task = tuned(pictures("ab", seed=1), method=Method(name="lora", rank=2))
    _, state = task.workload.shapes()
    assert {name.split("/")[-2] for name in state} == {"lora_a", "lora_b"}


def test_a_text_is_learned_in_the_vocabulary_of_the_base() -> None:
    layers = layers_from_wire([{"type": "embedding", "output_dim": 2}])
    classes = ("a", "b", OTHER)
    known = Base.of(ModelSpec.from_layers(layers, (8,), 3, symbols=3), classes)
    recipe = Recipe.from_wire(
        {
            "recipe": 1,
            "data": {"source": "text", "text": "abc" * 30, "context": 8},
            "model": {"layers": [{"type": "embedding", "output_dim": 2}]},
            "training": {"batch_size": 2},
        }
    )
    data = known.adopt(recipe.data)
    assert isinstance(data, TextData)
    dataset = Dataset.from_text("abc" * 30, data)
    assert dataset.inputs[:4] == bytes([0, 1, 2, 0])
    head = Method(name="head")
    task = tuned(recipe, known, head, dataset=dataset, tests=dataset.chosen([0]))
    assert task.workload.spec == tuned_spec(known, head, classes)
    assert len(task.split.kept) == 1


# --- before it -------------------------------------------------------------------------


def test_of_the_classes_that_a_base_does_not_have_none_is_heard() -> None:
    logits = [0.0, 1.0, 9.0, 3.0, -1.0, 30.0, 0.5, 0.5, 0.0]
    said = answers_among(2, logits, [1, 1, 2])
    assert list(said.answers) == [1, 0, 0]
    assert said.errors[:2] == pytest.approx(
        [math.log(1 + math.e) - 1, math.log1p(math.exp(-4)) + 4]
    )
    assert said.errors[2] == 1e30
    assert said.confidences == pytest.approx([1 / (1 + 1 / math.e), 1 / (1 + math.exp(-4)), 0.5])


def test_weights_that_ran_away_are_no_number_among_the_known_classes_either() -> None:
    for row in ([math.nan, 1.0, 0.0], [1.0, math.nan, 0.0], [math.inf, 1.0, 0.0]):
        assert math.isnan(answers_among(2, array("f", row), [0]).errors[0])


# --- merging ---------------------------------------------------------------------------


def test_a_merged_kernel_is_its_sum_with_the_adapters_product() -> None:
    spec = tuned_spec(base(), Method(name="lora", rank=2, alpha=3), "ab")
    weights = random_weights(spec)
    plain, numbers = merged(spec, weights)
    assert list(numbers) == [name for name, _ in plain.parameters()]
    for placed in spec.walk():
        if placed.adapter is None:
            continue
        kernel, a, b = (
            array("f", weights[f"{placed.name}/{name}"].data)
            for name in ("kernel", "lora_a", "lora_b")
        )
        columns = placed.output_shape[-1]
        expected = [
            number
            + 1.5
            * sum(
                a[2 * (at // columns) + rank] * b[columns * rank + at % columns]
                for rank in range(2)
            )
            for at, number in enumerate(kernel)
        ]
        found = array("f", numbers[f"{placed.name}/kernel"].data)
        assert list(found) == pytest.approx(expected, rel=1e-6, abs=1e-7)
        assert numbers[f"{placed.name}/bias"] == weights[f"{placed.name}/bias"]


def test_nothing_changes_where_there_is_no_adapter() -> None:
    spec = tuned_spec(base(), Method(name="last", layers=2), "ab")
    weights = random_weights(spec)
    plain, numbers = merged(spec, weights)
    assert numbers == weights
    assert plain.trained_count == plain.parameter_count


def test_an_adapter_that_has_learned_nothing_merges_to_the_same_weights() -> None:
    spec = tuned_spec(base(), Method(name="lora"), "ab")
    weights = random_weights(spec)
    for name, numbers in weights.items():
        if name.endswith("lora_b"):
            weights[name] = Numbers(shape=numbers.shape, data=bytes(len(numbers.data)))
    _, plain = merged(spec, weights)
    old = {name: weights[name] for name, _ in base().spec().parameters()}
    assert weights_sha256(plain) == weights_sha256(old)
    assert math.prod(plain["conv2d_1/kernel"].shape) == 12


# --- whole ones, in the browser --------------------------------------------------------

TRAINED: list[dict[str, Any]] = [
    {"type": "conv2d", "filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu"},
    {"type": "batch_normalization", "momentum": 0.8},
    {
        "type": "residual",
        "layers": [{"type": "conv2d", "filters": 4, "kernel_size": 3, "padding": "same"}],
    },
    {"type": "max_pooling2d"},
    {"type": "dropout", "rate": 0.2},
    {"type": "flatten"},
    {"type": "dense", "units": 8, "activation": "relu"},
]

TUNING = (
    SHARED
    + """
from backburner.core.fine_tuning import Base, tuned_spec
from backburner.core.fine_tuning_method import Method
from backburner.core.fine_tuning_recipe import FineTuneRecipe
from backburner.engine.task import Start
from backburner.engine.checkpoint import Checkpoint
from backburner.engine.executor import Workload
from backburner.engine.fine_tuning import before, drawn_numbers, fine_tuning, fixed_test, merged
from backburner.engine.safetensors import Numbers
from backburner.engine.training import executor_for

async def trained(t, found, layers, classes=3, count=60, epochs=12):
    # A network that knows some classes: what is known of it, its weights, its tests.
    r = recipe(seed=1, data=pictures(count, classes), model={"layers": layers},
               training={"epochs": epochs, "batch_size": 8, "learning_rate": 0.01})
    training = Training.from_recipe(r, Dataset.from_inline(r.data), t, found)
    while training.step < training.steps:
        await training.train_step()
    weights, _ = await training.executor.read()
    *_, tested = [each async for each in training.evaluation("test")]
    base = Base.of(training.spec, training.dataset.classes)
    kept = fixed_test(training.dataset, training.split)
    training.dispose()
    return base, weights, kept, tested

def tuning(base, method, kept, weights, classes, seed=2, epochs=4, **settings):
    r = recipe(seed=seed, data=pictures(60, classes, seed=9),
               model={"layers": [{"type": "flatten"}]},
               training={"epochs": epochs, "batch_size": 8, "learning_rate": 0.01, **settings})
    r = FineTuneRecipe(base="before", network=base, data=r.data, method=Method.from_wire(method),
                       training=r.training, seed=r.seed)
    start = Start(network=base, weights=weights, sha256="00" * 32, tests=kept)
    return fine_tuning(r, Dataset.from_inline(r.data), start)

async def figures(evaluations):
    *_, last = [each async for each in evaluations]
    return [last.accuracy, last.loss]
"""
)

ON_WASM = pytest.mark.parametrize("kernels", ["stock", "simd"])


@pytest.mark.browser
@ON_WASM
@pytest.mark.parametrize(
    ("method", "learns"),
    [
        ({"name": "all"}, {"conv2d_1", "batch_normalization_1", "residual_1", "dense_1", HEAD}),
        ({"name": "last", "layers": 2}, {"dense_1", HEAD}),
        ({"name": "head"}, {HEAD}),
        ({"name": "lora", "rank": 2}, {"conv2d_1", "residual_1", "dense_1", HEAD}),
    ],
    ids=["all", "last", "head", "lora"],
)
def test_it_learns_a_new_class_and_what_is_frozen_stays_to_the_bit(
    laboratory: Laboratory, kernels: str, method: dict[str, Any], learns: set[str]
) -> None:
    told = laboratory.run(
        TUNING
        + dedent(
            """
            async def main(layers, method, kernels):
                t = await use("wasm")
                found = await kernels_of(kernels)
                base, weights, kept, tested = await trained(t, found, layers)
                # AdamW makes all that learns smaller, whatever its gradient.
                task = tuning(base, method, kept, weights, classes=4, epochs=12,
                              optimizer="adamw", l2=0.001)
                training = Training.of(task, t, found)
                first, _ = await training.executor.read()
                writes, write = [], training.executor.write
                training.executor.write = lambda *given: (writes.append(given), write(*given))
                was = [await figures(before(training, part)) for part in ("kept", "test")]
                assert not writes, "to ask writes nothing"
                while training.step < training.steps:
                    await training.train_step()
                last, _ = await training.executor.read()
                now = [await figures(training.evaluation(part)) for part in ("kept", "test")]
                training.dispose()
                return {
                    "executor": training.executor.name,
                    "copied": [name for name in weights if first[name] == weights[name]],
                    "changed": [name for name in last if last[name] != first[name]],
                    "parameters": list(last),
                    "tested": [tested.accuracy, tested.loss],
                    "before": was, "after": now,
                }
            """
        ),
        layers=TRAINED,
        method=method,
        kernels=kernels,
    )
    assert told["executor"] == {"stock": "tape", "simd": "plan"}[kernels]
    assert {name for name in told["parameters"] if "lora" not in name} == {
        *told["copied"],
        f"{HEAD}/kernel",
        f"{HEAD}/bias",
    }
    changed = {name.split("/")[0] for name in told["changed"]}
    assert changed == learns
    if method["name"] == "lora":
        assert all("lora" in name or HEAD in name for name in told["changed"])
    # What it was before is what its base was, to the digit; and the new class it could not name.
    (old_accuracy, old_loss), (new_accuracy, new_loss) = told["before"]
    assert old_accuracy == told["tested"][0]
    assert old_loss == pytest.approx(told["tested"][1], rel=1e-6, abs=1e-6)
    assert (new_loss, new_accuracy < 1) == (None, True)
    assert told["after"][1][0] > new_accuracy
    assert None not in told["after"][1]


@pytest.mark.browser
@ON_WASM
def test_it_goes_on_exactly_from_a_checkpoint_without_the_weights_of_its_base(
    laboratory: Laboratory, kernels: str
) -> None:
    assert laboratory.run(
        TUNING
        + dedent(
            """
            async def main(layers, kernels):
                t = await use("wasm")
                found = await kernels_of(kernels)
                base, weights, kept, _ = await trained(t, found, layers, epochs=1)
                method = {"name": "lora", "rank": 2}
                begun = Training.of(tuning(base, method, kept, weights, classes=4), t, found)
                files = [await begun.checkpoint()]
                while begun.step < begun.steps:
                    await begun.train_step()
                    files.append(await begun.checkpoint())
                begun.dispose()
                told = []
                for step in (0, 5):
                    taken_up = Training.of(tuning(base, method, kept, None, classes=4), t, found)
                    taken_up.restore(Checkpoint.from_bytes(files[step]))
                    while taken_up.step < taken_up.steps:
                        await taken_up.train_step()
                    told.append(await taken_up.checkpoint() == files[-1])
                    taken_up.dispose()
                return told
            """
        ),
        layers=TRAINED,
        kernels=kernels,
    ) == [True, True]


@pytest.mark.browser
@pytest.mark.parametrize("method", [{"name": "last"}, {"name": "lora", "rank": 3}], ids=str)
def test_plan_and_tape_agree_about_what_learns(
    laboratory: Laboratory, method: dict[str, Any]
) -> None:
    """The plan's gradients are worked out by hand, the tape's by TensorFlow.js."""
    told = laboratory.run(
        TUNING
        + dedent(
            """
            async def main(layers, method):
                t = await use("wasm")
                simd = await kernels_of("simd")
                base, weights, kept, _ = await trained(t, simd, layers, epochs=1)
                ends = []
                for kernels in (None, simd):
                    training = Training.of(tuning(base, method, kept, weights, classes=3,
                                                  optimizer="sgd", clip_norm=1.0), t, kernels)
                    losses = [(await training.train_step()).loss for _ in range(12)]
                    parameters, _ = await training.executor.read()
                    ends.append([training.executor.name, losses,
                                 {name: list(array("f", numbers.data))
                                  for name, numbers in parameters.items()
                                  if numbers != weights.get(name)}])
                    training.dispose()
                return ends
            """
        ),
        layers=TRAINED,
        method=method,
    )
    (tape, losses, ends), (plan, losses_of_plan, ends_of_plan) = told
    assert (tape, plan) == ("tape", "plan")
    assert losses_of_plan == pytest.approx(losses, rel=1e-4)
    assert ends.keys() == ends_of_plan.keys()
    for name, numbers in ends.items():
        assert ends_of_plan[name] == pytest.approx(numbers, rel=1e-3, abs=1e-5), name


MERGED: dict[str, dict[str, Any]] = {
    "pictures": {"layers": TRAINED, "shape": [6, 6, 1]},
    "text": {
        "layers": [
            {"type": "embedding", "output_dim": 4},
            {
                "type": "residual",
                "layers": [
                    {"type": "conv1d", "filters": 4, "kernel_size": 3, "padding": "causal"},
                ],
            },
            {"type": "conv1d", "filters": 6, "kernel_size": 2, "padding": "causal"},
            {"type": "dense", "units": 6, "activation": "relu"},
        ],
        "shape": [8],
    },
}


@pytest.mark.browser
@ON_WASM
@pytest.mark.parametrize("kind", MERGED)
def test_merged_adapters_answer_like_unmerged_ones(
    laboratory: Laboratory, kernels: str, kind: str
) -> None:
    """On dense, conv2d and conv1d, and in residuals; as far apart as float32 rounds."""
    told = laboratory.run(
        TUNING
        + dedent(
            """
            def drawn(spec, r):
                # Far from what a training begins with, where adapters do nothing yet.
                return {name: Numbers(shape=p.shape, data=array("f", [
                            r.uniform(0.5, 1) if name.endswith("variance") else r.uniform(-0.7, 0.7)
                            for _ in range(p.size)]).tobytes())
                        for name, p in spec.parameters()}

            async def main(layers, shape, kernels):
                from backburner.core.layers import layers_from_wire
                from backburner.core.model import ModelSpec
                from backburner.core.training_settings import TrainingRecipe
                t = await use("wasm")
                found = await kernels_of(kernels)
                symbols = 5 if len(shape) == 1 else None
                plain = ModelSpec.from_layers(layers_from_wire(layers), tuple(shape), 5,
                                              symbols=symbols)
                base = Base.of(plain, "abcde")
                spec = tuned_spec(base, Method(name="lora", rank=3, alpha=4), "abcde")
                r = random.Random(3)
                size = 1
                for side in shape:
                    size *= side
                positions = shape[0] if symbols else None
                data = Dataset.of(
                    inputs=bytes(r.randrange(5) for _ in range(4 * size)), dtype="uint8", scale=1.0,
                    shape=tuple(shape), labels=[0] * 4 * (positions or 1), classes="abcde",
                    positions=positions, is_text=symbols is not None)
                weights = drawn(spec, r)
                answers = []
                for model, numbers in ((spec, weights), merged(spec, weights)):
                    workload = Workload.of(model, data, TrainingRecipe(batch_size=4), 0, trained=(),
                                           initial=numbers)
                    executor = executor_for(workload, t, found)
                    said = await executor.evaluate([0, 1, 2, 3])
                    answers.append([list(said.errors), list(said.answers), list(said.confidences)])
                    executor.dispose()
                return answers
            """
        ),
        kernels=kernels,
        **MERGED[kind],
    )
    unmerged, plain = told
    assert unmerged[1] == plain[1]
    assert plain[0] == pytest.approx(unmerged[0], rel=1e-5, abs=1e-5)
    assert plain[2] == pytest.approx(unmerged[2], rel=1e-5, abs=1e-5)


@pytest.mark.browser
def test_new_units_begin_as_the_executor_would_have_drawn_them(laboratory: Laboratory) -> None:
    assert (
        laboratory.run(
            TUNING
            + dedent(
                """
            async def main(layers):
                t, training = await start("wasm", layers, seed=2**40 + 1)
                weights, _ = await training.executor.read()
                training.dispose()
                return [name for name, parameter in training.spec.parameters()
                        if drawn_numbers(name, parameter, 2**40 + 1) != weights[name].data]
            """
            ),
            layers=TRAINED,
        )
        == []
    )
