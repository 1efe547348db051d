"""Texts that are written with a trained network: in plain CPython."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backburner.core.messages import (
    ClearRun,
    InitTraining,
    ListRuns,
    ModelReady,
    Pause,
    Ping,
    Predict,
    Refused,
    Resume,
    StartGeneration,
    StartTraining,
    StopTraining,
)
from tests.loops import on_a_loop
from tests.worker.database import FakeDatabase
from tests.worker.makers import Talk
from tests.worker.networks import talk

TEXT: dict[str, Any] = {
    "recipe": 1,
    "data": {"source": "text", "text": "to be or not to be\n" * 40, "context": 16},
    "model": {"layers": [
        {"type": "embedding", "output_dim": 4},
        {"type": "conv1d", "filters": 4, "kernel_size": 3, "padding": "causal"}]},
    "training": {"epochs": 1, "batch_size": 8, "optimizer": "sgd"},
}  # fmt: skip
WRITE: dict[str, Any] = {
    "recipe": 1, "kind": "generate", "model": {"from": "reader"}, "seed": 7,
    "generation": {"prompt": "to", "length": 200},
}  # fmt: skip


async def reader(database: FakeDatabase | None = None, **options: Any) -> Talk:
    """A worker in which a network has learned to read."""
    here = talk(database, **options)
    await here.ask(InitTraining(recipe=TEXT), "reader")
    done: Any = await here.ask(StartTraining(), "reader")
    assert done.tag == "TRAINING_COMPLETE", done
    return here


async def written(recipe: dict[str, Any] = WRITE) -> str:
    """The whole text, in one go."""
    here = await reader()
    await here.ask(InitTraining(recipe=recipe), "text")
    done: Any = await here.ask(StartGeneration(), "text")
    return str(done.text)


async def until(talk: Talk, characters: int) -> None:
    while len(talk.kitchen.writers[-1].asked) < characters:  # type: ignore[attr-defined]
        await asyncio.sleep(0)


async def record(talk: Talk) -> Any:
    listed: Any = await talk.ask(ListRuns(), None)
    return next(run for run in listed.runs if run.id == "text")


@on_a_loop
async def test_a_text_streams_and_is_whole_at_the_end() -> None:
    here = await reader(step_ms=30.0)
    ready: Any = await here.ask(InitTraining(recipe=WRITE), "text")
    assert (ready.steps, ready.backend, ready.executor) == (200, "", "stream")
    done: Any = await here.ask(StartGeneration(), "text")
    reports = here.said("GENERATION_PROGRESS")
    assert "".join(each.text for each in reports) == done.text
    assert len(done.text) == done.checkpoint == done.statistics.characters == 200
    assert done.statistics.surprise_bits == 1.0
    assert [each.characters for each in reports] == sorted({each.characters for each in reports})
    # Thirty milliseconds a character, and ten reports a second at most.
    assert 40 <= len(reports) <= 62
    assert reports[-1].characters_per_s == pytest.approx(1000 / 30)
    kept = await record(here)
    assert (kept.status, kept.text, kept.base) == ("completed", done.text, "reader")
    assert kept.writing.text == ""


@on_a_loop
async def test_the_same_seed_writes_the_same_and_another_another() -> None:
    assert await written() == await written()
    assert await written({**WRITE, "seed": 8}) != await written()


@on_a_loop
async def test_a_paused_text_waits_and_goes_on() -> None:
    here = await reader()
    await here.ask(InitTraining(recipe=WRITE), "text")
    start = here.send(StartGeneration(), "text")
    await until(here, 50)
    paused: Any = await here.ask(Pause(), "text")
    reported = "".join(each.text for each in here.said("GENERATION_PROGRESS"))
    assert len(reported) == paused.step == paused.checkpoint
    assert (await record(here)).text == reported
    await here.ask(Resume(), "text")
    done: Any = await here.answer(start)
    assert done.text == await written()


@pytest.mark.parametrize("at", [1, 120])
@on_a_loop
async def test_a_stopped_text_is_taken_up_in_the_same_worker_or_after_a_reload(at: int) -> None:
    database = FakeDatabase()
    here = await reader(database)
    await here.ask(InitTraining(recipe=WRITE), "text")
    here.send(StartGeneration(), "text")
    await until(here, at)
    stopped: Any = await here.ask(StopTraining(), "text")
    assert stopped.step == stopped.checkpoint
    assert (await record(here)).status == "stopped"
    await here.loop.close()

    again = talk(database)
    ready: Any = await again.ask(InitTraining(), "text")
    assert (ready.step, ready.kept) == (stopped.step, stopped.step)
    assert len(ready.writing.text) == stopped.step
    done: Any = await again.ask(StartGeneration(checkpoint=ready.step), "text")
    assert done.text == await written()
    assert again.kitchen.writers[-1].asked[0] == stopped.step  # type: ignore[attr-defined]
    assert done.statistics.surprise_bits == pytest.approx(1.0)


@on_a_loop
async def test_a_killed_worker_costs_at_most_the_last_seconds() -> None:
    database = FakeDatabase()
    here = await reader(database, step_ms=100.0)
    await here.ask(InitTraining(recipe=WRITE), "text")
    here.send(StartGeneration(), "text")
    await until(here, 150)
    await here.loop.close()

    again = talk(database)
    ready: Any = await again.ask(InitTraining(recipe=WRITE), "text")
    assert 90 <= ready.step <= 150, "three seconds are thirty characters here"
    done: Any = await again.ask(StartGeneration(checkpoint=ready.step), "text")
    assert done.text == await written()


@on_a_loop
async def test_whoever_asks_meanwhile_is_heard() -> None:
    here = await reader()
    await here.ask(InitTraining(recipe=WRITE), "text")
    here.send(StartGeneration(), "text")
    await until(here, 20)
    assert (await here.ask(Ping(), None)).tag == "PONG"
    answer: Any = await here.ask(Predict(input=[0] * 16), "reader")
    assert answer.tag == "PREDICTION_RESULT"
    assert len(here.kitchen.writers[-1].asked) < 200  # type: ignore[attr-defined]
    refused: Any = await here.ask(Predict(input=[0]), "text")
    assert isinstance(refused, Refused)
    assert "writes a text" in refused.error.message


@on_a_loop
async def test_a_text_is_aborted_for_good_and_keeps_what_it_has() -> None:
    here = await reader()
    await here.ask(InitTraining(recipe=WRITE), "text")
    here.send(StartGeneration(), "text")
    await until(here, 20)
    stopped: Any = await here.ask(StopTraining(abort=True), "text")
    kept = await record(here)
    assert (kept.status, len(kept.text)) == ("aborted", stopped.step)
    refused: Any = await here.ask(StartGeneration(checkpoint=stopped.step), "text")
    assert refused.error.name == "LifecycleError"


@on_a_loop
async def test_when_the_network_is_cleared_a_text_under_way_is_written_to_its_end() -> None:
    here = await reader()
    await here.ask(InitTraining(recipe=WRITE), "text")
    start = here.send(StartGeneration(), "text")
    await until(here, 20)
    await here.ask(ClearRun(), "reader")
    assert (await here.answer(start)).tag == "GENERATION_COMPLETE"


@on_a_loop
async def test_a_text_whose_network_is_gone_says_so_and_can_be_read_still() -> None:
    database = FakeDatabase()
    here = await reader(database)
    await here.ask(InitTraining(recipe=WRITE), "text")
    here.send(StartGeneration(), "text")
    await until(here, 20)
    stopped: Any = await here.ask(StopTraining(), "text")
    await here.ask(ClearRun(), "reader")
    await here.loop.close()
    again = talk(database)
    refused: Any = await again.ask(InitTraining(), "text")
    assert (refused.error.name, refused.error.key) == ("RecipeError", "model.from")
    assert "reader" in refused.error.message
    assert len((await record(again)).text) == stopped.step


@on_a_loop
async def test_each_kind_begins_with_its_own_order() -> None:
    here = await reader()
    await here.ask(InitTraining(recipe=WRITE), "text")
    refused: Any = await here.ask(StartTraining(), "text")
    assert "START_GENERATION" in refused.error.message
    ready = await here.ask(InitTraining(recipe=TEXT), "other")
    assert isinstance(ready, ModelReady)
    refused = await here.ask(StartGeneration(), "other")
    assert "START_TRAINING" in refused.error.message
