"""The small records in localStorage, as the page keeps them."""

from __future__ import annotations

import json

import pytest

from backburner.core.lifecycle import Status
from backburner.core.messages import Checkpointed
from backburner.core.records import SCHEMA
from tests.app.makers import RECIPE, RUNNING, FakeLocks, FakeStorage, house, settled
from tests.core.makers import progressed
from tests.loops import on_a_loop


@on_a_loop
async def test_an_interrupted_visit_is_told_at_the_next_one() -> None:
    storage = FakeStorage()
    home = house(storage=storage, **RUNNING)
    home.operations.start(RECIPE)
    await settled()
    home.now_s += 2
    next_visit = house(storage=storage, starts=False, resumes_by_itself=False)
    (found,) = next_visit.store.state.operations.values()
    assert found.status is Status.INTERRUPTED


@on_a_loop
async def test_records_are_written_once_a_second_and_at_every_change_of_status() -> None:
    storage = FakeStorage()
    home = house(storage=storage, **RUNNING)
    operation = home.operations.start(RECIPE)
    await settled()
    writes = storage.writes
    (start,) = home.orders("START_TRAINING")
    for step in range(5, 25):
        home.now_s += 0.1
        home.worker.say(progressed(step), start)
        home.worker.say(Checkpointed(step=step, bytes=9, took_ms=0.1), start)
        await settled()
    assert storage.writes - writes <= 3
    await home.operations.stop(operation.id)
    await settled()
    (record,) = json.loads(storage.texts["records"])["runs"]
    assert (record["status"], record["checkpoint"]) == ("stopped", 24)


@on_a_loop
async def test_a_torn_record_is_put_aside_and_said() -> None:
    storage = FakeStorage(records='{"schema": 1, "operat')
    home = house(storage=storage)
    assert home.records.problem is not None
    assert storage.texts["records-unreadable"] == '{"schema": 1, "operat'
    home.operations.start(RECIPE)
    await settled()
    assert json.loads(storage.texts["records"])["schema"] == SCHEMA


@on_a_loop
async def test_two_tabs_keep_each_others_runs() -> None:
    storage = FakeStorage()
    here = house(storage=storage)
    there = house(storage=storage, locks=FakeLocks(), **RUNNING)
    there.operations._new_id = lambda: "op-there"
    there.operations.start(RECIPE)
    await settled()
    done = here.operations.start(RECIPE)
    await here.operations.wait(done.id, "completed")
    await settled()
    records = json.loads(storage.texts["records"])["runs"]
    found = {each["id"]: each["status"] for each in records}
    assert found == {"op-there": "running", done.id: "completed"}


@on_a_loop
async def test_a_record_of_a_newer_version_is_never_overwritten() -> None:
    newer = '{"schema": 99}'
    storage = FakeStorage(records=newer)
    home = house(storage=storage)
    home.operations.start(RECIPE)
    await settled()
    assert storage.texts == {"records": newer}
    assert "newer version" in (home.records.problem or "")


@pytest.mark.parametrize("failing", range(1, 6))
@on_a_loop
async def test_a_storage_that_fails_at_any_call_never_stops_a_training(failing: int) -> None:
    storage = FakeStorage()
    storage.fails_in = failing
    home = house(storage=storage)
    operation = home.operations.start(RECIPE)
    assert (await home.operations.wait(operation.id, "completed")).status is Status.COMPLETED
    await settled()
    assert storage.fails_in <= 0, "the fault was never met"
