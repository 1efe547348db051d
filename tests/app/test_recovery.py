"""Runs that outlive their page: stopped, interrupted, aborted, cleared, taken up again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from backburner.core.errors import Expired, InterfaceError, LifecycleError
from backburner.core.lifecycle import Status
from backburner.core.messages import Fault, RunsListed, Stopped, StoredRun, TrainingDispossessed
from backburner.core.records import records_to_text, run_of
from backburner.core.state import Cleared, PartState
from tests.app.makers import DONE, RECIPE, RUNNING, SAVED, FakeLocks, FakeStorage, house, settled
from tests.core.makers import model_ready, operation, progressed
from tests.loops import on_a_loop

FULL = {"recipe": 1, "kind": "train", "seed": 7, "data": {"source": "digits"}}


def kept(key: str = "op-old", **changes: object) -> StoredRun:
    """A run that was under way at step 8 when its page went, with a checkpoint there."""
    at = progressed(8, points=(), epoch_ends=())
    old = operation(key, status=Status.RUNNING, progress=at, checkpoint=8, recipe=FULL)
    return replace(run_of(old), **changes)  # type: ignore[arg-type]


BACK = [model_ready(step=8, progress=progressed(8, points=(), epoch_ends=()))]


@on_a_loop
async def test_a_run_that_was_under_way_goes_on_by_itself() -> None:
    home = house(kept=(kept(),), INIT_TRAINING=BACK, START_TRAINING=[progressed(9, 10), DONE])
    await settled()
    done = home.operations.get("op-old")
    assert (done.status, done.resumed_at, done.step) == (Status.COMPLETED, 8, 10)
    (init,) = home.orders("INIT_TRAINING")
    assert init.message.recipe is None  # type: ignore[union-attr]
    assert home.locks.ours == set(), "the lock is given back at the end"


@on_a_loop
async def test_steps_seen_after_the_checkpoint_count_as_redone() -> None:
    seen = operation("op-old", status=Status.RUNNING, progress=progressed(11, points=()))
    storage = FakeStorage(records=records_to_text([seen]))
    home = house(kept=(kept(),), storage=storage, INIT_TRAINING=BACK, **RUNNING)
    await settled()
    found = home.operations.get("op-old")
    assert (found.status, found.resumed_at, found.redone) == (Status.RUNNING, 8, 3)


@on_a_loop
async def test_whoever_wants_to_be_asked_is_asked() -> None:
    home = house(kept=(kept(),), resumes_by_itself=False, INIT_TRAINING=BACK, **RUNNING)
    await settled()
    assert home.operations.get("op-old").status is Status.INTERRUPTED
    assert (await home.operations.resume("op-old")).status is Status.RUNNING


@on_a_loop
async def test_where_tabs_cannot_know_of_each_other_nothing_goes_on_by_itself() -> None:
    locks = FakeLocks(available=False)
    home = house(kept=(kept(),), locks=locks, INIT_TRAINING=BACK, **RUNNING)
    await settled()
    assert home.operations.get("op-old").status is Status.INTERRUPTED


@pytest.mark.parametrize("status", ["paused", "pausing", "stopping", "stopped"])
@on_a_loop
async def test_what_the_user_had_halted_stays_halted(status: str) -> None:
    home = house(kept=(kept(status=status),), INIT_TRAINING=BACK, **RUNNING)
    await settled()
    assert home.operations.get("op-old").status in (Status.INTERRUPTED, Status.STOPPED)
    assert home.orders("INIT_TRAINING") == []


@pytest.mark.parametrize("status", [Status.PAUSING, Status.STOPPING, Status.STOPPED])
@on_a_loop
async def test_a_wish_that_the_worker_had_no_time_to_note_is_kept(status: Status) -> None:
    seen = operation("op-old", status=status)
    storage = FakeStorage(records=records_to_text([seen]))
    home = house(kept=(kept(),), storage=storage, INIT_TRAINING=BACK, **RUNNING)
    await settled()
    assert home.operations.get("op-old").status in (Status.INTERRUPTED, Status.STOPPED)
    assert home.orders("INIT_TRAINING") == []
    assert (await home.operations.resume("op-old")).status is Status.RUNNING


@on_a_loop
async def test_what_is_being_cleared_is_not_taken_up() -> None:
    home = house(STOP_TRAINING=[Stopped(step=4, checkpoint=4)], **SAVED)
    running = home.operations.start(RECIPE)
    await settled()
    await home.operations.stop(running.id)
    clearing = asyncio.ensure_future(home.operations.clear(running.id))
    await asyncio.sleep(0)
    with pytest.raises(InterfaceError, match="being cleared"):
        await home.operations.resume(running.id)
    await clearing
    assert home.store.state.operations == {}


@on_a_loop
async def test_a_run_that_is_cleared_while_its_lock_is_asked_for_holds_up_no_other() -> None:
    home = house(**RUNNING)
    first, second = home.operations.start(RECIPE), home.operations.start(RECIPE)
    granted = asyncio.Event()
    take = home.locks.take

    async def take_slowly(name: str) -> bool:
        if name == first.id:
            await granted.wait()
        return await take(name)

    home.locks.take = take_slowly  # type: ignore[method-assign]
    await settled()
    await home.operations.stop(first.id)
    home.store.dispatch(Cleared(id=first.id))
    granted.set()
    await settled()
    assert home.operations.get(second.id).status is Status.RUNNING


@on_a_loop
async def test_a_run_of_another_tab_is_left_alone_and_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backburner.app.ownership.TRY_AGAIN_S", 0.001)
    monkeypatch.setattr("backburner.app.ownership.Ownership.take.__kwdefaults__", {"patience_s": 0})
    locks = FakeLocks()
    locks.theirs.add("op-old")
    home = house(kept=(kept(),), locks=locks, INIT_TRAINING=BACK, **RUNNING)
    await settled()
    found = home.operations.get("op-old")
    assert (found.status, found.elsewhere) == (Status.INTERRUPTED, True)
    assert home.orders("INIT_TRAINING") == []
    for command in (home.operations.abort, home.operations.clear):
        with pytest.raises(InterfaceError, match="another tab"):
            await command("op-old")
    with pytest.raises(InterfaceError, match="another tab"):
        await home.operations.predict("op-old", [])
    # The other tab is closed.
    locks.theirs.clear()
    assert (await home.operations.resume("op-old")).status is Status.RUNNING
    assert not home.operations.get("op-old").elsewhere


@on_a_loop
async def test_a_run_that_another_tab_ended_meanwhile_is_not_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backburner.app.ownership.TRY_AGAIN_S", 0.001)
    locks = FakeLocks()
    locks.theirs.add("op-old")
    home = house(kept=(kept(),), locks=locks, INIT_TRAINING=BACK, **RUNNING)
    await settled()
    assert home.operations.get("op-old").status is Status.QUEUED
    done = kept(status="completed")
    home.answer.by_tag["LIST_RUNS"] = [RunsListed(runs=(done,))]  # type: ignore[attr-defined]
    locks.theirs.clear()
    assert (await home.operations.wait("op-old", "completed")).status is Status.COMPLETED
    await settled()
    assert home.orders("INIT_TRAINING") == []
    assert locks.ours == set()


@on_a_loop
async def test_a_run_that_was_taken_over_is_said_to_be() -> None:
    fault = Fault(name="Dispossessed", message="It belongs to another page by now.")
    home = house(START_TRAINING=[progressed(1, 2), TrainingDispossessed(error=fault)])
    running = home.operations.start(RECIPE)
    await settled()
    found = home.operations.get(running.id)
    assert (found.status, found.elsewhere, found.error) == (Status.INTERRUPTED, True, fault)


@on_a_loop
async def test_a_stopped_run_is_taken_up_where_it_stands() -> None:
    home = house(STOP_TRAINING=[Stopped(step=4, checkpoint=4)], **SAVED)
    running = home.operations.start(RECIPE)
    await settled()
    stopped = await home.operations.stop(running.id)
    assert (stopped.status, stopped.checkpoint) == (Status.STOPPED, 4)
    assert (await home.operations.resume(running.id)).status is Status.RUNNING
    assert len(home.orders("INIT_TRAINING")) == 1, "its model is in the worker still"
    assert home.orders("START_TRAINING")[-1].message.checkpoint == 4  # type: ignore[union-attr]


@on_a_loop
async def test_a_run_that_is_aborted_is_final_and_keeps_what_it_reached() -> None:
    home = house(STOP_TRAINING=[Stopped(step=4, checkpoint=4)], **SAVED)
    running = home.operations.start(RECIPE)
    await settled()
    aborted = await home.operations.abort(running.id)
    assert (aborted.status, aborted.checkpoint) == (Status.ABORTED, 4)
    (order,) = home.orders("STOP_TRAINING")
    assert order.message.abort  # type: ignore[union-attr]
    with pytest.raises(LifecycleError, match="aborted"):
        await home.operations.resume(running.id)
    await home.operations.predict(running.id, [])


@on_a_loop
async def test_a_run_that_waits_interrupted_can_be_aborted() -> None:
    home = house(kept=(kept(),), resumes_by_itself=False, STOP_TRAINING=[Stopped(step=8)])
    await settled()
    assert (await home.operations.abort("op-old")).status is Status.ABORTED
    await settled()
    assert home.orders("STOP_TRAINING")[0].message.abort  # type: ignore[union-attr]


@on_a_loop
async def test_a_waiting_operation_is_aborted_without_the_worker() -> None:
    home = house(**RUNNING)
    _, second = home.operations.start(RECIPE), home.operations.start(RECIPE)
    await settled()
    assert (await home.operations.abort(second.id)).status is Status.ABORTED


@on_a_loop
async def test_a_stop_whose_worker_dies_is_a_stop_all_the_same() -> None:
    home = house(STOP_TRAINING=[], **SAVED)
    running = home.operations.start(RECIPE)
    await settled()
    wish = asyncio.ensure_future(home.operations.abort(running.id))
    await settled()
    home.worker.failed("gone")
    await asyncio.gather(wish, return_exceptions=True)
    assert home.operations.get(running.id).status is Status.ABORTED


@on_a_loop
async def test_clear_removes_a_run_and_its_data() -> None:
    storage = FakeStorage()
    home = house(storage=storage)
    running = home.operations.start(RECIPE)
    with pytest.raises(LifecycleError, match="Stop or abort it first"):
        await home.operations.clear(running.id)
    await home.operations.wait(running.id, "completed")
    await home.operations.clear(running.id)
    await settled()
    assert running.id not in home.store.state.operations
    assert running.id not in home.store.curves
    assert [each.operation for each in home.orders("CLEAR_RUN")] == [running.id]
    assert running.id not in storage.texts["records"]


@on_a_loop
async def test_reset_never_takes_a_saved_model_away() -> None:
    home = house()
    saved, lost = home.operations.start(RECIPE), home.operations.start(RECIPE)
    await home.operations.wait(lost.id, "completed")
    await home.operations.reset(saved.id)
    found = home.operations.get(saved.id)
    assert (found.lives, found.checkpoint) == (False, 40)
    assert home.orders("CLEAR_RUN") == []
    home.answer.by_tag["START_TRAINING"] = [replace(DONE, checkpoint=None)]  # type: ignore[attr-defined]
    unsaved = home.operations.start(RECIPE)
    await home.operations.wait(unsaved.id, "completed")
    await home.operations.reset(unsaved.id)
    assert unsaved.id not in home.store.state.operations


@on_a_loop
async def test_a_run_whose_data_is_gone_says_so_and_cannot_go_on() -> None:
    seen = operation("op-old", status=Status.RUNNING, progress=progressed(11, points=()))
    home = house(storage=FakeStorage(records=records_to_text([seen])), resumes_by_itself=False)
    await settled()
    found = home.operations.get("op-old")
    assert found.error is not None
    assert found.error.name == "Expired"
    with pytest.raises(Expired):
        await home.operations.resume("op-old")


@pytest.mark.parametrize(
    ("by_itself", "status"),
    [(False, Status.INTERRUPTED), (True, Status.FAILED)],
    ids=["asked", "by itself"],
)
@on_a_loop
async def test_what_waited_with_examples_in_its_recipe_says_that_they_are_gone(
    by_itself: bool, status: Status
) -> None:
    examples = {"source": "inline", "inputs": [[[0]], [[1]]], "labels": [0, 1]}
    waited = operation("op-old", status=Status.QUEUED, recipe={**FULL, "data": examples})
    after = operation("op-new", status=Status.QUEUED, recipe=FULL, created=2.0)
    storage = FakeStorage(records=records_to_text([waited, after]))
    home = house(storage=storage, resumes_by_itself=by_itself)
    await settled()
    found = home.operations.get("op-old")
    assert found.status is status
    assert found.error is not None
    assert "start the recipe itself again" in found.error.message
    asked_for = {each.operation for each in home.orders("INIT_TRAINING")}
    assert asked_for == ({"op-new"} if by_itself else set())
    with pytest.raises((Expired, LifecycleError)):
        await home.operations.resume("op-old")


@on_a_loop
async def test_a_database_that_cannot_be_read_takes_no_run_off_the_list() -> None:
    seen = operation("op-old", status=Status.STOPPED, checkpoint=8)
    fault = Fault(name="NewerStorage", message="It was written by a newer Backburner.")
    home = house(storage=FakeStorage(records=records_to_text([seen])))
    home.answer.by_tag["LIST_RUNS"] = [RunsListed(runs=(), problem=fault)]  # type: ignore[attr-defined]
    await settled()
    assert home.operations.get("op-old").checkpoint == 8
    assert home.store.state.parts["runs"].state is PartState.FAILED
    assert "newer" in home.store.state.parts["runs"].detail
    done = home.operations.start(RECIPE)
    assert (await home.operations.wait(done.id, "completed")).status is Status.COMPLETED


@on_a_loop
async def test_one_run_that_cannot_be_read_keeps_no_other_from_going_on() -> None:
    torn = operation("op-torn", status=Status.STOPPED, checkpoint=8)
    fault = Fault(name="Damaged", message="A stored run is torn.")
    home = house(
        storage=FakeStorage(records=records_to_text([torn])),
        INIT_TRAINING=BACK,
        START_TRAINING=[progressed(9, 10), DONE],
    )
    listed = RunsListed(runs=(kept(),), problem=fault)
    home.answer.by_tag["LIST_RUNS"] = [listed]  # type: ignore[attr-defined]
    assert (await home.operations.wait("op-torn", "stopped")).checkpoint == 8
    await settled()
    assert home.operations.get("op-old").status is Status.COMPLETED
    assert home.operations.get("op-torn").error is None, "it is not said to be gone"
    assert home.store.state.parts["runs"].state is PartState.FAILED


@on_a_loop
async def test_nothing_runs_before_the_kept_runs_are_known() -> None:
    # The mirror may not know of a checkpoint that is there: the run would begin anew.
    seen = operation("op-old", status=Status.RUNNING, recipe=FULL)
    storage = FakeStorage(records=records_to_text([seen]))
    home = house(storage=storage, INIT_TRAINING=BACK, **RUNNING)
    home.answer.by_tag["LIST_RUNS"] = []  # type: ignore[attr-defined]
    await settled()
    assert home.operations.get("op-old").status is Status.QUEUED
    assert home.orders("INIT_TRAINING") == []
    listed = RunsListed(runs=(kept(),))
    home.answer.by_tag["LIST_RUNS"] = [listed]  # type: ignore[attr-defined]
    home.worker.say(listed, home.orders("LIST_RUNS")[0])
    await settled()
    (init,) = home.orders("INIT_TRAINING")
    assert init.message.recipe is None  # type: ignore[union-attr]
