"""Trainings that begin with the network of another run: in plain CPython."""

from __future__ import annotations

from typing import Any

import pytest

from backburner.core.messages import (
    ClearRun,
    DescribeWeights,
    InitTraining,
    ListRuns,
    ModelReady,
    Predict,
    Refused,
    StartTraining,
    StopTraining,
)
from tests.loops import on_a_loop
from tests.worker.database import FakeDatabase
from tests.worker.makers import Talk
from tests.worker.networks import talk

PICTURES = [[[at / 20, 1 - at / 20]] for at in range(20)]
OTHERS = [[[1 - at / 20, (at % 7) / 7]] for at in range(20)]
DATA = {"source": "inline", "inputs": PICTURES, "labels": ["no", "yes"] * 10}
NEW = {"source": "inline", "inputs": OTHERS, "labels": ["yes", "maybe"] * 10}
LAYERS = [{"type": "flatten"}, {"type": "dense", "units": 3, "activation": "relu"}]
TRAINING = {"epochs": 2, "batch_size": 4, "optimizer": "sgd"}
FIRST: dict[str, Any] = {
    "recipe": 1, "data": DATA, "model": {"layers": LAYERS}, "training": TRAINING,
}  # fmt: skip
ON: dict[str, Any] = {
    "recipe": 1, "data": DATA, "model": {"from": "first"}, "training": TRAINING, "seed": 3,
}  # fmt: skip
TUNED: dict[str, Any] = {
    "recipe": 1, "kind": "fine-tune", "data": NEW, "model": {"from": "first"},
    "method": {"name": "lora", "rank": 2}, "training": TRAINING, "seed": 5,
}  # fmt: skip
FURTHER: dict[str, Any] = {
    "recipe": 1, "kind": "fine-tune", "data": NEW, "model": {"from": "tuned"},
    "method": {"name": "head"}, "training": TRAINING,
}  # fmt: skip


async def trained(talk: Talk, name: str, recipe: dict[str, Any]) -> Any:
    ready = await talk.ask(InitTraining(recipe=recipe), name)
    assert isinstance(ready, ModelReady), ready
    return await talk.ask(StartTraining(), name)


async def sha256(talk: Talk, name: str) -> str:
    described: Any = await talk.ask(DescribeWeights(), name)
    return str(described.sha256)


async def record(talk: Talk, name: str) -> Any:
    listed: Any = await talk.ask(ListRuns(), None)
    return next(run for run in listed.runs if run.id == name)


def parameters(talk: Talk) -> dict[str, bytes]:
    made: Any = talk.kitchen.trainings[-1]
    return {name: each.data for name, each in made.executor.parameters.items()}


@on_a_loop
async def test_to_train_on_begins_with_the_weights_of_the_other_run() -> None:
    here = talk()
    await trained(here, "first", FIRST)
    before = parameters(here)
    ready: Any = await here.ask(InitTraining(recipe=ON), "on")
    assert parameters(here) == before
    assert (ready.step, ready.kept) == (0, 0)
    kept = await record(here, "on")
    assert (kept.base, kept.checkpoint, kept.network) == ("first", 0, ready.network)
    done: Any = await here.ask(StartTraining(), "on")
    assert (done.tag, done.checkpoint, done.comparison) == ("TRAINING_COMPLETE", 8, None)


@on_a_loop
async def test_a_fine_tuned_network_answers_with_the_joined_classes() -> None:
    here = talk()
    await trained(here, "first", FIRST)
    ready: Any = await here.ask(InitTraining(recipe=TUNED), "tuned")
    assert ready.classes == ("no", "yes", "maybe")
    # The output, which grows, and the adapter of the layer before it.
    assert ready.trained_parameters == (3 * 3 + 3) + (2 * 2 + 2 * 3)
    assert ready.trained_parameters < ready.parameters
    answer: Any = await here.ask(Predict(input=[[0.5, 0.5]]), "tuned")
    assert len(answer.probabilities) == 3


@on_a_loop
async def test_what_was_and_what_became_of_it_is_told_at_the_end_and_kept() -> None:
    here = talk()
    await trained(here, "first", FIRST)
    done = await trained(here, "tuned", TUNED)
    before, after = done.comparison.before, done.comparison.after
    assert (before.old.count, before.new.count) == (2, 2)
    # The fake network names another class where only those that its base had are heard.
    assert before.old.accuracy == 0.02
    assert after.old.accuracy == after.new.accuracy == 0.09
    assert (await record(here, "tuned")).comparison == done.comparison


@pytest.mark.parametrize("recipe", [ON, TUNED], ids=["train on", "fine-tune"])
@pytest.mark.parametrize("killed_at", [0, 1, 3, 7])
@on_a_loop
async def test_it_goes_on_without_the_run_that_it_began_with(
    killed_at: int, recipe: dict[str, Any]
) -> None:
    whole = talk()
    await trained(whole, "first", FIRST)
    expected = await trained(whole, "second", recipe)

    database = FakeDatabase()
    here = talk(database)
    await trained(here, "first", FIRST)
    await here.ask(InitTraining(recipe=recipe), "second")
    if killed_at:
        here.send(StartTraining(), "second")
        while here.kitchen.trainings[-1].step < killed_at:
            await here.kitchen.turn()
    await here.loop.close()

    again = talk(database)
    await again.ask(ClearRun(), "first")
    ready: Any = await again.ask(InitTraining(), "second")
    assert isinstance(ready, ModelReady), ready
    done: Any = await again.ask(StartTraining(checkpoint=ready.step), "second")
    assert await sha256(again, "second") == await sha256(whole, "second")
    assert done.comparison == expected.comparison


@on_a_loop
async def test_a_fine_tuned_network_can_be_begun_with_in_its_turn() -> None:
    here = talk()
    await trained(here, "first", FIRST)
    await trained(here, "tuned", TUNED)
    ready: Any = await here.ask(InitTraining(recipe=FURTHER), "further")
    assert isinstance(ready, ModelReady), ready
    assert not any("lora" in name for name in parameters(here)), "its adapters are merged"
    done: Any = await here.ask(StartTraining(), "further")
    # Both fixed test sets: the first run's, and the one of the fine-tuning.
    assert done.comparison.before.old.count == 4


@on_a_loop
async def test_what_it_is_tested_on_is_kept_as_long_as_it_and_no_longer() -> None:
    database = FakeDatabase()
    here = talk(database)
    await trained(here, "first", FIRST)
    await trained(here, "tuned", TUNED)
    await trained(here, "twin", {**TUNED, "seed": 6})
    assert len(database.stores["datasets"]) == 1
    await here.ask(ClearRun(), "tuned")
    assert len(database.stores["datasets"]) == 1, "the other one needs it"
    await here.ask(ClearRun(), "twin")
    assert database.stores["datasets"] == {}


@on_a_loop
async def test_the_fingerprint_names_the_weights_that_it_began_with_and_not_the_run() -> None:
    here = talk()
    await trained(here, "first", FIRST)
    await trained(here, "same", FIRST)
    of_first: Any = await here.ask(InitTraining(recipe=TUNED), "a")
    of_same: Any = await here.ask(InitTraining(recipe={**TUNED, "model": {"from": "same"}}), "b")
    assert of_first.recipe_sha256 == of_same.recipe_sha256


@on_a_loop
async def test_a_base_that_cannot_be_had_is_refused_by_name_with_the_way_out() -> None:
    here = talk()
    await here.ask(InitTraining(recipe=FIRST), "begun")
    await here.ask(InitTraining(recipe=FIRST), "over")
    await here.ask(StopTraining(abort=True), "over")
    for name, words in (("gone", "cleared"), ("begun", "Wait until"), ("over", "aborted")):
        refused: Any = await here.ask(InitTraining(recipe={**TUNED, "model": {"from": name}}), "x")
        assert isinstance(refused, Refused)
        assert (refused.error.name, refused.error.key) == ("RecipeError", "model.from")
        assert name in refused.error.message
        assert words in refused.error.message


@on_a_loop
async def test_a_damaged_checkpoint_of_the_base_is_passed_over_and_no_other_is_an_error() -> None:
    database = FakeDatabase()
    here = talk(database)
    await trained(here, "first", FIRST)
    checkpoints = database.stores["checkpoints"]
    for place in sorted(checkpoints, reverse=True):
        ready = await here.ask(InitTraining(recipe=ON), f"on-{place[1]}")
        assert isinstance(ready, ModelReady), ready
        for each in [each for each in checkpoints if each[0] == "first" and each >= place]:
            row = checkpoints[each]
            checkpoints[each] = type(row)(text=row.text, data=row.data[:-1], sha256=row.sha256)
        if place[0] != "first":
            break
    refused: Any = await here.ask(InitTraining(recipe=ON), "late")
    assert refused.error.name == "StorageError", refused
    assert "first" in refused.error.message


@on_a_loop
async def test_where_nothing_can_be_kept_it_says_so_for_the_beginning_too() -> None:
    database = FakeDatabase()
    here = talk(database)
    await trained(here, "first", FIRST)
    database.has_room = False
    ready: Any = await here.ask(InitTraining(recipe=ON), "on")
    assert isinstance(ready, ModelReady), ready
    assert ready.kept is None
    database.has_room = True
    done: Any = await here.ask(StartTraining(), "on")
    assert done.checkpoint == 8
