"""Operations that wait for each other: a recipe with others that follow it."""

from __future__ import annotations

from typing import Any

import pytest

from backburner.core.errors import RecipeError
from backburner.core.lifecycle import Status
from backburner.core.messages import Fault, Stopped, TrainingFailed
from backburner.core.records import records_from_text, records_to_text
from backburner.core.state import Requested
from tests.app.makers import DONE, RUNNING, SAVED, Answers, FakeHouse, FakeStorage, house, settled
from tests.core.makers import model_ready, operation, progressed
from tests.loops import on_a_loop

TUNED: dict[str, Any] = {"recipe": 1, "kind": "fine-tune", "model": {"from": "previous"}}
CHAIN: dict[str, Any] = {"recipe": 1, "then": [{**TUNED, "then": [TUNED]}]}
FAULT = Fault(name="TrainingDiverged", message="The loss is no number any more.")
FAILED: dict[str, list[Any]] = {"START_TRAINING": [TrainingFailed(error=FAULT)]}


def statuses(home: FakeHouse) -> list[Status]:
    return [each.status for each in home.store.state.operations.values()]


@on_a_loop
async def test_each_begins_when_the_one_before_is_completed() -> None:
    home = house()
    operations = home.operations.start_chain(CHAIN)
    assert statuses(home) == [Status.QUEUED] * 3
    assert [each.after for each in operations] == [None, "op-1", "op-2"]
    assert [each.base for each in operations] == [None, "op-1", "op-2"]
    await home.operations.wait("op-3", "completed")
    assert statuses(home) == [Status.COMPLETED] * 3
    recipes = [each.message.recipe for each in home.orders("INIT_TRAINING")]  # type: ignore[union-attr]
    assert [recipe["model"] for recipe in recipes[1:]] == [{"from": "op-1"}, {"from": "op-2"}]
    assert all("then" not in recipe for recipe in recipes)


@on_a_loop
async def test_nothing_of_a_chain_starts_when_one_of_it_cannot_work() -> None:
    home = house()
    wrong = {**TUNED, "method": {"name": "lora", "rank": 0}}
    with pytest.raises(RecipeError) as refused:
        home.operations.start_chain({"recipe": 1, "then": [wrong]})
    assert refused.value.key == "then[0].method.rank"
    assert statuses(home) == []


@on_a_loop
async def test_what_follows_a_failed_one_fails_and_says_why() -> None:
    home = house(**FAILED)
    home.operations.start_chain({**CHAIN, "name": "my first"})
    await settled()
    assert statuses(home) == [Status.FAILED] * 3
    error = home.operations.get("op-2").error
    assert error is not None
    assert error.name == "PredecessorLost"
    for words in ("my first", "failed", FAULT.message):
        assert words in error.message
    assert len(home.orders("INIT_TRAINING")) == 1


@on_a_loop
async def test_what_follows_an_aborted_one_fails_though_others_are_under_way() -> None:
    home = house(**RUNNING)
    home.operations.start({"recipe": 1})
    home.operations.start_chain(CHAIN)
    await settled()
    await home.operations.abort("op-2")
    await settled()
    assert statuses(home) == [Status.RUNNING, Status.ABORTED, Status.FAILED, Status.FAILED]


@on_a_loop
async def test_what_follows_a_stopped_one_waits_until_that_goes_on() -> None:
    home = house(**SAVED)
    home.operations.start_chain({"recipe": 1, "then": [TUNED]})
    await settled()
    home.answer.by_tag["STOP_TRAINING"] = [Stopped(step=4, checkpoint=4)]  # type: ignore[attr-defined]
    await home.operations.stop("op-1")
    await settled()
    assert statuses(home) == [Status.STOPPED, Status.QUEUED]
    home.answer.by_tag["START_TRAINING"] = [DONE]  # type: ignore[attr-defined]
    home.operations.take_up("op-1")
    await home.operations.wait("op-2", "completed")


@on_a_loop
async def test_what_follows_one_that_was_cleared_fails() -> None:
    home = house()
    await home.operations.wait(home.operations.start({"recipe": 1}).id, "completed")
    home.answer.by_tag["START_TRAINING"] = [progressed(1)]  # type: ignore[attr-defined]
    home.operations.start({"recipe": 1})
    home.operations.start({"recipe": 1})
    await settled()
    waiting = operation("op-9", after="op-1", status=Status.QUEUED)
    home.store.dispatch(Requested(operation=waiting))
    await settled()
    await home.operations.clear("op-1")
    await settled()
    error = home.operations.get("op-9").error
    assert error is not None
    assert "was cleared" in error.message


@on_a_loop
async def test_after_a_reload_what_waited_still_waits_and_then_begins() -> None:
    storage = FakeStorage()
    before = house(storage=storage, **RUNNING)
    before.operations.start_chain(CHAIN)
    await settled()
    assert statuses(before) == [Status.RUNNING, Status.QUEUED, Status.QUEUED]
    runs, _ = records_from_text(storage.texts["records"])
    kept = (runs[0],)
    home = house(storage=storage, kept=kept, INIT_TRAINING=[model_ready()], **RUNNING)
    await settled()
    assert statuses(home) == [Status.RUNNING, Status.QUEUED, Status.QUEUED]
    answers = home.answer
    assert isinstance(answers, Answers)
    answers.by_tag["START_TRAINING"] = [DONE]
    (start,) = home.orders("START_TRAINING")
    home.worker.say(DONE, start)
    await home.operations.wait("op-3", "completed")
    assert statuses(home) == [Status.COMPLETED] * 3


def test_however_many_have_ended_since_what_waits_is_remembered() -> None:
    waiting = [operation(f"w-{at}", created=at) for at in range(30)]
    ended = [operation(f"e-{at}", created=50 + at, status=Status.ABORTED) for at in range(30)]
    runs, _ = records_from_text(records_to_text([*waiting, *ended]))
    assert [run.id for run in runs] == [
        *(each.id for each in waiting),
        *(each.id for each in ended[-20:]),
    ]
