"""A generation as the page leads it: its text, its snapshot, its way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backburner.core.errors import RecipeError
from backburner.core.lifecycle import Status
from backburner.core.messages import (
    Checkpointed,
    GenerationCompleted,
    GenerationProgressed,
    Stopped,
    TextFigures,
)
from backburner.core.recipe import Recipe
from backburner.core.records import records_from_text, run_of
from tests.app.makers import DONE, FakeHouse, FakeStorage, house, settled
from tests.core.makers import model_ready
from tests.core.test_beginnings import TEXT
from tests.loops import on_a_loop

WRITE: dict[str, Any] = {"recipe": 1, "kind": "generate", "model": {"from": "op-1"}}
NETWORK = Recipe.from_wire(TEXT).result.to_wire()
FIGURES = TextFigures(characters=5, distinct=4, entropy_bits=1.9, surprise_bits=2.5)
BEGUN = GenerationProgressed(
    characters=3,
    length=200,
    characters_per_s=900.0,
    elapsed_s=0.125,
    eta_s=0.0625,
    statistics=FIGURES,
    text="to ",
)
FURTHER = replace(BEGUN, characters=5, text="be")
WHOLE = GenerationCompleted(text="to be", statistics=FIGURES, elapsed_s=1.0, checkpoint=5)
PEN = model_ready(steps=200, epochs=0, examples=(), labels=(), executor="stream")


async def reader(**changes: Any) -> FakeHouse:
    """A page on which a text model was trained."""
    home = house(INIT_TRAINING=[model_ready(network=NETWORK)], **changes)
    home.operations.start(TEXT)
    await home.operations.wait("op-1", "completed")
    home.answer.by_tag["INIT_TRAINING"] = [PEN]  # type: ignore[attr-defined]
    return home


@on_a_loop
async def test_what_is_written_can_be_read_as_it_grows() -> None:
    home = await reader(START_GENERATION=[BEGUN, FURTHER])
    key = home.operations.start(WRITE).id
    await settled()
    snapshot = home.operations.get(key).snapshot()
    assert (snapshot["text"], snapshot["characters"], snapshot["characters_per_s"]) == (
        "to be", 5, 900.0,
    )  # fmt: skip
    assert (snapshot["step"], snapshot["steps"], snapshot["eta_s"]) == (5, 200, 0.0625)
    assert (snapshot["base"], snapshot["backend"], snapshot["status"]) == ("op-1", None, "running")
    (start,) = home.orders("START_GENERATION")
    home.worker.say(WHOLE, start)
    done = await home.operations.wait(key, "completed")
    assert (done.status, done.text, done.checkpoint) == (Status.COMPLETED, "to be", 5)


@on_a_loop
async def test_the_log_speaks_of_a_text_and_not_of_a_training() -> None:
    home = await reader(START_GENERATION=[BEGUN])
    key = home.operations.start(WRITE).id
    await settled()
    said = [each.message for each in home.logs.records if each.operation == key]
    assert said[0] == "asked for a text"
    assert "model read: 6 parameters, 200 characters to write" in said
    assert "asked for a training" in [each.message for each in home.logs.records]


@on_a_loop
async def test_only_a_model_of_text_can_write() -> None:
    home = house()
    home.operations.start({"recipe": 1})
    await home.operations.wait("op-1", "completed")
    with pytest.raises(RecipeError, match="pictures"):
        home.operations.start(WRITE)


@on_a_loop
async def test_a_text_goes_on_where_it_was_when_its_worker_dies() -> None:
    saved = Checkpointed(step=5, bytes=5, took_ms=0.1)
    home = await reader(START_GENERATION=[BEGUN, FURTHER, saved])
    key = home.operations.start(WRITE).id
    await settled()
    back = replace(PEN, step=5, kept=5, writing=replace(FURTHER, text="to be"))
    home.answer.by_tag["INIT_TRAINING"] = [back]  # type: ignore[attr-defined]
    home.answer.by_tag["START_GENERATION"] = []  # type: ignore[attr-defined]
    home.worker.failed("out of memory")
    await settled()
    found = home.operations.get(key)
    assert (found.text, found.step, found.resumed_at) == ("to be", 5, 5)
    (*_, again) = home.orders("START_GENERATION")
    assert again.message.checkpoint == 5  # type: ignore[union-attr]


@on_a_loop
async def test_a_stopped_text_is_in_the_records_by_its_figures_and_in_the_list_whole() -> None:
    storage = FakeStorage()
    stopped = [Stopped(step=5, checkpoint=5)]
    home = await reader(storage=storage, START_GENERATION=[BEGUN, FURTHER], STOP_TRAINING=stopped)
    key = home.operations.start(WRITE).id
    await settled()
    await home.operations.stop(key)
    await settled()
    runs, _ = records_from_text(storage.texts["records"])
    found = next(run for run in runs if run.id == key)
    assert (found.status, found.text, found.writing and found.writing.characters) == (
        "stopped", "", 5,
    )  # fmt: skip
    kept = replace(run_of(home.operations.get(key)), text="to be")
    there = house(storage=storage, kept=(kept,), START_GENERATION=[DONE])
    await settled()
    assert there.operations.get(key).snapshot()["text"] == "to be"
