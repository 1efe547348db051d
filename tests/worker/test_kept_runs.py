"""What the worker keeps of runs, and how it goes on with them: in plain CPython."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backburner.core.curves import Curves
from backburner.core.errors import BackendError, StorageDenied, StorageFull
from backburner.core.messages import (
    ClearRun,
    DescribeWeights,
    Dispose,
    InitTraining,
    ListRuns,
    LoadData,
    Pause,
    Ping,
    Predict,
    ReadCurves,
    Resume,
    StartTraining,
    StopTraining,
)
from backburner.worker.storage import Row
from tests.loops import on_a_loop
from tests.worker.database import FakeDatabase
from tests.worker.makers import FakeDataset, Talk, undisturbed

RECIPE: dict[str, object] = {"recipe": 1, "training": {"epochs": 3}}
LONG: dict[str, object] = {"recipe": 1, "training": {"epochs": 500}}


async def sha256(talk: Talk) -> str:
    described: Any = await talk.ask(DescribeWeights())
    return str(described.sha256)


async def runs(talk: Talk) -> Any:
    listed: Any = await talk.ask(ListRuns(), None)
    assert listed.problem is None
    return listed.runs


async def until_step(talk: Talk, step: int) -> None:
    for _ in range(10_000):
        if talk.kitchen.trainings[-1].step >= step:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"step {step} never came")


async def train_until_killed(
    database: FakeDatabase, step: int, recipe: dict[str, object] = RECIPE, **kitchen: Any
) -> Talk:
    """A worker that trains and dies without a word, at that step or a little later."""
    talk = Talk(database, **kitchen)
    await talk.ask(InitTraining(recipe=recipe, name="first", created=5.0))
    talk.send(StartTraining())
    await until_step(talk, step)
    await talk.loop.close()
    return talk


@pytest.mark.parametrize("killed_at", range(13))
@on_a_loop
async def test_a_run_whose_worker_died_ends_as_if_nothing_had_happened(killed_at: int) -> None:
    whole = Talk()
    await whole.ask(InitTraining(recipe=RECIPE))
    await whole.ask(StartTraining())
    expected = [end for report in whole.said("TRAINING_PROGRESS") for end in report.epoch_ends]

    database = FakeDatabase()
    await train_until_killed(database, killed_at)
    talk = Talk(database)
    ready: Any = await talk.ask(InitTraining())
    assert ready.step <= 12
    told: Any = await talk.ask(StartTraining(checkpoint=ready.step))
    assert told.tag == "TRAINING_COMPLETE"
    assert told.checkpoint == 12
    assert await sha256(talk) == undisturbed(12)
    ends = [end for report in talk.said("TRAINING_PROGRESS") for end in report.epoch_ends]
    assert [*ready.epoch_ends, *ends] == expected
    # The curves that are kept are whole, however often they were interrupted.
    answer: Any = await talk.ask(ReadCurves())
    curves = Curves.from_bytes(talk.kitchen.buffers[-1][0], answer.epoch_ends)
    assert list(curves.step) == list(range(1, 13))
    assert list(curves.loss) == [1 / step for step in range(1, 13)]
    assert curves.epochs == expected


IMPATIENT: dict[str, object] = {
    "recipe": 1,
    "training": {"epochs": 50, "early_stopping": {"patience": 2}},
}


@on_a_loop
async def test_a_run_that_gets_no_better_is_done_early_and_its_record_says_why() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=IMPATIENT))
    done: Any = await talk.ask(StartTraining())
    losses = [
        end.validation.loss
        for report in talk.said("TRAINING_PROGRESS")
        for end in report.epoch_ends
    ]
    early = done.stopped_early
    assert 2 < early.epoch < 50
    assert len(losses) == early.epoch
    assert early.best == min(losses) == losses[early.best_epoch - 1]
    assert early.epoch == early.best_epoch + 2
    assert done.checkpoint == talk.kitchen.trainings[0].step == 4 * early.epoch
    assert talk.said("TRAINING_PROGRESS")[-1].eta_s == 0
    (kept,) = await runs(talk)
    assert (kept.status, kept.stopped_early) == ("completed", early)
    other = Talk(talk.database)
    ready: Any = await other.ask(InitTraining())
    assert ready.step == done.checkpoint, "it is asked as it was when it stopped"


@pytest.mark.parametrize("killed_at", [3, 4, 8, 11, 12, 15, 16])
@on_a_loop
async def test_a_run_that_was_interrupted_stops_early_where_it_would_have(killed_at: int) -> None:
    whole = Talk()
    await whole.ask(InitTraining(recipe=IMPATIENT))
    expected: Any = await whole.ask(StartTraining())

    database = FakeDatabase()
    await train_until_killed(database, killed_at, IMPATIENT)
    talk = Talk(database)
    ready: Any = await talk.ask(InitTraining())
    done: Any = await talk.ask(StartTraining(checkpoint=ready.step))
    assert done.stopped_early == expected.stopped_early
    assert done.checkpoint == expected.checkpoint
    assert await sha256(talk) == undisturbed(expected.checkpoint)


@on_a_loop
async def test_a_model_that_is_brought_back_comes_with_all_that_was_known() -> None:
    database = FakeDatabase(turns=0)
    await train_until_killed(database, 9)
    talk = Talk(database)
    ready: Any = await talk.ask(InitTraining(mode="main-thread"))
    assert ready.step == 8
    assert (ready.progress.step, ready.progress.epoch, ready.progress.points) == (8, 2, ())
    assert [end.epoch for end in ready.epoch_ends] == [1, 2]
    pixels, curves = talk.kitchen.buffers[-1]
    assert pixels == bytes(4)
    assert list(Curves.from_bytes(curves).step) == list(range(1, 9))
    (kept,) = await runs(talk)
    assert (kept.id, kept.name, kept.created, kept.status) == ("op-1", "first", 5.0, "running")
    assert kept.checkpoint == kept.progress.step == kept.last_epoch.step == 8


@on_a_loop
async def test_the_time_of_a_run_goes_on_where_it_was() -> None:
    database = FakeDatabase(turns=0)
    await train_until_killed(database, 9, step_ms=1_000.0)
    talk = Talk(database, step_ms=1_000.0)
    ready: Any = await talk.ask(InitTraining())
    assert ready.progress.elapsed_s == pytest.approx(8.0)
    done: Any = await talk.ask(StartTraining(checkpoint=8))
    assert done.elapsed_s == pytest.approx(12.0)


@on_a_loop
async def test_checkpoints_come_every_three_seconds_and_at_each_epochs_end() -> None:
    talk = Talk(FakeDatabase(turns=0), step_ms=1_000.0)
    await talk.ask(InitTraining(recipe=RECIPE))
    await talk.ask(StartTraining())
    # Steps 1, 2 … take a second each; an epoch has four.
    assert [each.step for each in talk.said("CHECKPOINTED")] == [3, 4, 7, 8, 11, 12]
    assert sorted(talk.database.stores["checkpoints"]) == [("op-1", 8), ("op-1", 11), ("op-1", 12)]
    assert {each.bytes > 0 for each in talk.said("CHECKPOINTED")} == {True}


@on_a_loop
async def test_a_slow_database_has_one_write_at_a_time_and_the_training_goes_on() -> None:
    talk = Talk(FakeDatabase(turns=20), step_ms=1_000.0)
    await talk.ask(InitTraining(recipe=LONG))
    talk.send(StartTraining())
    await until_step(talk, 100)
    assert talk.database.most_at_once == 1
    steps = [each.step for each in talk.said("CHECKPOINTED")]
    assert steps
    assert steps[-1] < 100
    await talk.ask(StopTraining())


@on_a_loop
async def test_nothing_is_called_safe_before_its_transaction_is_complete() -> None:
    talk = Talk(FakeDatabase(turns=50))
    await talk.ask(InitTraining(recipe=LONG))
    talk.send(StartTraining())
    await until_step(talk, 200)
    seen = 0
    for _ in range(2_000):
        said = talk.said("CHECKPOINTED")
        for each in said[seen:]:
            assert ("op-1", each.step) in talk.database.stores["checkpoints"]
        seen = len(said)
        await asyncio.sleep(0)
    assert seen > 3
    await talk.ask(StopTraining())


@on_a_loop
async def test_what_was_reached_is_safe_before_pause_and_stop_are_answered() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=LONG))
    talk.send(StartTraining())
    await until_step(talk, 6)
    paused: Any = await talk.ask(Pause())
    assert paused.checkpoint == paused.step == talk.kitchen.trainings[0].step
    assert (await runs(talk))[0].status == "paused"
    assert ("op-1", paused.step) in talk.database.stores["checkpoints"]
    await talk.ask(Resume())
    stopped: Any = await talk.ask(StopTraining())
    assert stopped.checkpoint == stopped.step > paused.step
    (kept,) = await runs(talk)
    assert (kept.status, kept.checkpoint) == ("stopped", stopped.step)


@on_a_loop
async def test_a_stopped_run_whose_model_is_still_here_goes_on_with_it() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=RECIPE))
    talk.send(StartTraining())
    await until_step(talk, 6)
    stopped: Any = await talk.ask(StopTraining())
    refused: Any = await talk.ask(StartTraining(checkpoint=stopped.step + 1))
    assert refused.error.name == "LifecycleError"
    assert (await talk.ask(StartTraining())).tag == "REFUSED"
    done = await talk.ask(StartTraining(checkpoint=stopped.step))
    assert done.tag == "TRAINING_COMPLETE"
    assert await sha256(talk) == undisturbed(12)
    reports = talk.said("TRAINING_PROGRESS")
    assert [point.step for report in reports for point in report.points] == list(range(1, 13))
    ends = [end for report in reports for end in report.epoch_ends]
    assert [end.loss for end in ends] == [
        pytest.approx(sum(1 / step for step in range(first, first + 4)) / 4) for first in (1, 5, 9)
    ]
    assert len(talk.kitchen.trainings) == 1


@pytest.mark.parametrize("turns", range(40))
@on_a_loop
async def test_a_stop_at_any_moment_is_taken_up_exactly(turns: int) -> None:
    # Also in the middle of a validation, or of the test at the end.
    whole = Talk()
    await whole.ask(InitTraining(recipe=RECIPE))
    done: Any = await whole.ask(StartTraining())
    expected = [end for report in whole.said("TRAINING_PROGRESS") for end in report.epoch_ends]

    talk = Talk()
    await talk.ask(InitTraining(recipe=RECIPE))
    talk.send(StartTraining())
    for _ in range(turns):
        await asyncio.sleep(0)
    stopped: Any = await talk.ask(StopTraining())
    if talk.said("TRAINING_COMPLETE"):
        return
    other = Talk(talk.database)
    ready: Any = await other.ask(InitTraining())
    assert ready.step == stopped.step
    again: Any = await other.ask(StartTraining(checkpoint=ready.step))
    assert (again.test, again.guesses) == (done.test, done.guesses)
    ends = [end for report in other.said("TRAINING_PROGRESS") for end in report.epoch_ends]
    assert [*ready.epoch_ends, *ends] == expected
    assert await sha256(other) == undisturbed(12)
    answer: Any = await other.ask(ReadCurves())
    curves = Curves.from_bytes(other.kitchen.buffers[-1][0], answer.epoch_ends)
    assert list(curves.step) == list(range(1, 13))
    assert curves.epochs == expected


@on_a_loop
async def test_a_completed_run_is_brought_back_to_be_asked_and_stays_completed() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=RECIPE))
    await talk.ask(StartTraining())
    other = Talk(talk.database)
    ready: Any = await other.ask(InitTraining())
    assert ready.step == ready.steps == 12
    assert await sha256(other) == undisturbed(12)
    assert (await other.ask(Predict(input=[[0.0], [1.0]]))).tag == "PREDICTION_RESULT"
    refused: Any = await other.ask(StartTraining(checkpoint=12))
    assert refused.error.name == "LifecycleError"
    (kept,) = await runs(other)
    assert kept.status == "completed"
    assert kept.test.accuracy == 1.0


@on_a_loop
async def test_a_completed_run_without_a_checkpoint_says_so() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=RECIPE))
    await talk.ask(StartTraining())
    talk.database.stores["checkpoints"].clear()
    other = Talk(talk.database)
    refused: Any = await other.ask(InitTraining())
    assert refused.error.name == "StorageError"
    assert "no checkpoint" in refused.error.message
    assert other.kitchen.trainings[0].disposed == 1


@on_a_loop
async def test_a_run_that_got_no_checkpoint_begins_at_its_first_step() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=RECIPE))
    await talk.loop.close()
    other = Talk(talk.database)
    ready: Any = await other.ask(InitTraining())
    assert (ready.step, ready.progress, ready.epoch_ends) == (0, None, ())
    assert (await other.ask(StartTraining())).tag == "TRAINING_COMPLETE"
    assert await sha256(other) == undisturbed(12)


@pytest.mark.parametrize("damaged", [1, 2, 3])
@on_a_loop
async def test_damaged_checkpoints_are_passed_over_and_said(damaged: int) -> None:
    database = FakeDatabase(turns=0)
    await train_until_killed(database, 9, step_ms=1_000.0)
    rows = database.stores["checkpoints"]
    kept = sorted(rows)
    for key in kept[-damaged:]:
        row = rows[key]
        rows[key] = Row(text=row.text, data=row.data[:-1] + b"\x01", sha256=row.sha256)
    talk = Talk(database, step_ms=1_000.0)
    ready: Any = await talk.ask(InitTraining())
    expected = kept[-damaged - 1][1] if damaged < len(kept) else 0
    assert ready.step == expected
    warnings = [each.text for each in talk.said("LOG") if each.level == "warning"]
    assert len(warnings) == damaged
    assert all("passed over" in text for text in warnings)
    # What lay past it is gone: it can neither be mixed into the curves nor look newest.
    assert all(step <= expected for _, step in (*rows, *database.stores["curves"]))
    assert (await runs(talk))[0].redone == 8 - expected
    await talk.ask(StartTraining(checkpoint=ready.step))
    assert await sha256(talk) == undisturbed(12)
    answer: Any = await talk.ask(ReadCurves())
    curves = Curves.from_bytes(talk.kitchen.buffers[-1][0], answer.epoch_ends)
    assert list(curves.step) == list(range(1, 13))


@on_a_loop
async def test_other_data_is_refused_by_name() -> None:
    class OtherData(FakeDataset):
        digest = "ff" * 32

    database = FakeDatabase(turns=0)
    await train_until_killed(database, 6)
    talk = Talk(database)
    talk.kitchen.dataset = OtherData
    refused: Any = await talk.ask(InitTraining())
    assert refused.error.name == "DataError"
    assert "00000000" in refused.error.message
    assert "ffffffff" in refused.error.message
    assert talk.kitchen.trainings[0].disposed == 1
    assert len(database.stores["checkpoints"]) > 0, "and nothing of it is lost"


@on_a_loop
async def test_whoever_claims_a_run_takes_it_from_the_other() -> None:
    first = Talk(step_ms=1_000.0)
    await first.ask(InitTraining(recipe=LONG))
    start = first.send(StartTraining())
    await until_step(first, 10)
    second = Talk(FakeDatabase(first.database), step_ms=1_000.0)
    ready: Any = await second.ask(InitTraining())
    ended: Any = await first.answer(start)
    assert ended.tag == "TRAINING_DISPOSSESSED"
    assert ended.error.name == "Dispossessed"
    assert first.said("CHECKPOINT_FAILED") == []
    refused: Any = await first.ask(StartTraining(checkpoint=first.kitchen.trainings[0].step))
    assert refused.error.name == "Dispossessed"
    before = {each.step for each in first.said("CHECKPOINTED")}
    assert ready.step in before
    second.send(StartTraining(checkpoint=ready.step))
    await until_step(second, ready.step + 10)
    stopped: Any = await second.ask(StopTraining())
    assert await sha256(second) == undisturbed(stopped.step)


@on_a_loop
async def test_a_new_run_takes_the_place_of_none_that_was_trained() -> None:
    database = FakeDatabase(turns=0)
    await train_until_killed(database, 1)
    talk = Talk(database)
    assert (await talk.ask(InitTraining(recipe=RECIPE))).tag == "MODEL_READY"
    await talk.ask(StartTraining())
    other = Talk(database)
    refused: Any = await other.ask(InitTraining(recipe=LONG))
    assert refused.error.name == "InterfaceError"
    assert other.kitchen.trainings[0].disposed == 1
    assert (await other.ask(InitTraining())).step == 12  # type: ignore[union-attr]


@on_a_loop
async def test_a_run_whose_checkpoint_the_page_never_heard_of_is_brought_back() -> None:
    database = FakeDatabase(turns=0)
    await train_until_killed(database, 9)
    talk = Talk(database)
    ready: Any = await talk.ask(InitTraining(recipe=RECIPE))
    assert ready.step == 8
    await talk.ask(StartTraining(checkpoint=8))
    assert await sha256(talk) == undisturbed(12)


@on_a_loop
async def test_an_aborted_run_keeps_what_it_reached_and_is_final() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=LONG))
    talk.send(StartTraining())
    await until_step(talk, 6)
    stopped: Any = await talk.ask(StopTraining(abort=True))
    assert stopped.checkpoint == stopped.step > 0
    assert (await runs(talk))[0].status == "aborted"
    refused: Any = await talk.ask(StartTraining(checkpoint=stopped.step))
    assert refused.error.name == "LifecycleError"
    assert (await talk.ask(StopTraining(abort=True))).tag == "REFUSED"


@on_a_loop
async def test_a_run_that_is_not_here_can_be_aborted_too() -> None:
    database = FakeDatabase(turns=0)
    await train_until_killed(database, 6)
    talk = Talk(database)
    stopped: Any = await talk.ask(StopTraining(abort=True))
    assert (stopped.tag, stopped.step, stopped.checkpoint) == ("STOPPED", 4, 4)
    assert (await runs(talk))[0].status == "aborted"
    again: Any = await talk.ask(StopTraining(abort=True))
    assert again.error.name == "LifecycleError"
    unknown: Any = await talk.ask(StopTraining(abort=True), "never")
    assert unknown.error.name == "StorageError"


@on_a_loop
async def test_a_stopped_run_that_is_here_is_aborted_where_it_stands() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=LONG))
    talk.send(StartTraining())
    await until_step(talk, 6)
    stopped: Any = await talk.ask(StopTraining())
    aborted: Any = await talk.ask(StopTraining(abort=True))
    assert (aborted.step, aborted.checkpoint) == (stopped.step, stopped.step)
    assert (await runs(talk))[0].status == "aborted"


def of_runs(talk: Talk) -> list[dict[Any, Row]]:
    """All that is kept but what was learned of the backends, which is of no single run."""
    return [rows for name, rows in talk.database.stores.items() if name != "backends"]


@on_a_loop
async def test_a_cleared_run_leaves_nothing_even_while_it_trains() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=LONG))
    await talk.ask(InitTraining(recipe=RECIPE), "op-2")
    await talk.ask(StartTraining(), "op-2")
    talk.send(StartTraining())
    await until_step(talk, 1)
    assert (await talk.ask(ClearRun())).tag == "RUN_CLEARED"
    assert talk.kitchen.trainings[0].disposed == 1
    left = {key for rows in of_runs(talk) for key in rows}
    assert {key if isinstance(key, str) else key[0] for key in left} == {"op-2"}
    assert (await talk.ask(ClearRun(), "op-2")).tag == "RUN_CLEARED"
    assert not any(of_runs(talk))
    assert (await talk.ask(ClearRun(), "never")).tag == "RUN_CLEARED"


@on_a_loop
async def test_a_run_that_is_cleared_while_it_is_made_leaves_nothing() -> None:
    talk = Talk()
    init, clear = talk.send(InitTraining(recipe=RECIPE)), talk.send(ClearRun())
    assert (await talk.answer(init)).tag == "REFUSED"
    assert (await talk.answer(clear)).tag == "RUN_CLEARED"
    assert all(not rows for rows in talk.database.stores.values())
    assert all(each.disposed == 1 for each in talk.kitchen.made)


@on_a_loop
async def test_runs_are_listed_oldest_first_with_a_recipe_that_counts_its_examples() -> None:
    talk = Talk()
    rows = [[[0.0, 1.0], [1.0, 0.0]]] * 12
    inline = {"source": "inline", "inputs": rows, "labels": [0, 1] * 6}
    recipe: dict[str, object] = {"recipe": 1, "data": inline, "training": {"batch_size": 2}}
    small = [{"type": "flatten"}]
    await talk.ask(InitTraining(recipe={**recipe, "model": {"layers": small}}, created=9.0), "b")
    await talk.ask(InitTraining(recipe=RECIPE, created=3.0), "a")
    listed = await runs(talk)
    assert [(each.id, each.status) for each in listed] == [
        ("a", "initializing"),
        ("b", "initializing"),
    ]
    assert listed[1].recipe["data"] == {"source": "inline", "examples": 12}


@on_a_loop
async def test_a_record_that_cannot_be_read_is_said_and_the_others_are_listed() -> None:
    talk = Talk()
    for name in ("a", "b", "c"):
        await talk.ask(InitTraining(recipe=RECIPE), name)
    stored = talk.database.stores["runs"]
    stored["a"] = Row(text=stored["a"].text[:-2], sha256=stored["a"].sha256)
    stored["b"] = Row.of('{"schema": 2, "cakes": []}')
    listed: Any = await talk.ask(ListRuns(), None)
    assert [each.id for each in listed.runs] == ["c"]
    assert listed.problem.name == "NewerStorage"
    stored["b"] = Row.of('{"schema": 1, "run": {"id": 5}}')
    listed = await talk.ask(ListRuns(), None)
    assert listed.problem.name == "Damaged"
    # Such a run can be removed, like any other.
    await talk.ask(ClearRun(), "a")
    await talk.ask(ClearRun(), "b")
    assert [each.id for each in await runs(talk)] == ["c"]


@on_a_loop
async def test_a_run_of_a_newer_version_is_left_as_it_is() -> None:
    talk = Talk()
    row = Row.of('{"schema": 2, "cakes": []}')
    talk.database.stores["runs"]["op-1"] = talk.database.stores["recipes"]["op-1"] = row
    for order in (InitTraining(), InitTraining(recipe=RECIPE), StopTraining(abort=True)):
        refused: Any = await talk.ask(order)
        if refused.tag == "MODEL_READY":  # it trains in memory, and keeps nothing of it
            assert (await talk.ask(StartTraining())).checkpoint is None  # type: ignore[union-attr]
            await talk.ask(Dispose())
        else:
            assert refused.error.name == "NewerStorage"
    assert talk.database.stores["runs"]["op-1"] == row
    assert not talk.database.stores["checkpoints"]


@on_a_loop
async def test_without_any_storage_a_training_works_in_memory() -> None:
    database = FakeDatabase()
    database.denied = StorageDenied("The browser does not let this page store anything.")
    talk = Talk(database)
    assert (await talk.ask(InitTraining(recipe=RECIPE))).tag == "MODEL_READY"
    done: Any = await talk.ask(StartTraining())
    assert (done.tag, done.checkpoint) == ("TRAINING_COMPLETE", None)
    assert {each.error.name for each in talk.said("CHECKPOINT_FAILED")} == {"StorageDenied"}
    assert talk.said("CHECKPOINTED") == []
    listed: Any = await talk.ask(ListRuns(), None)
    assert (listed.runs, listed.problem.name) == ((), "StorageDenied")
    assert (await talk.ask(InitTraining(), "op-2")).error.name == "StorageDenied"  # type: ignore[union-attr]


@on_a_loop
async def test_a_run_is_kept_from_the_moment_that_there_is_room() -> None:
    database = FakeDatabase()
    database.denied = StorageFull("There is no room left.")
    talk = Talk(database)
    await talk.ask(InitTraining(recipe=LONG))
    talk.send(StartTraining())
    await until_step(talk, 5)
    paused: Any = await talk.ask(Pause())
    assert paused.checkpoint is None
    database.denied = None
    await talk.ask(Resume())
    stopped: Any = await talk.ask(StopTraining())
    assert stopped.checkpoint == stopped.step
    other = Talk(database)
    ready: Any = await other.ask(InitTraining())
    assert ready.step == stopped.step
    assert list(Curves.from_bytes(other.kitchen.buffers[-1][1]).step) == list(
        range(1, stopped.step + 1)
    )


@on_a_loop
async def test_a_failing_write_names_the_checkpoint_that_still_stands() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=LONG))
    talk.send(StartTraining())
    await until_step(talk, 6)
    paused: Any = await talk.ask(Pause())
    await talk.ask(Resume())
    await until_step(talk, paused.step + 2)
    talk.database.denied = StorageFull("There is no room left.")
    stopped: Any = await talk.ask(StopTraining())
    assert stopped.step > stopped.checkpoint >= paused.step
    assert talk.said("CHECKPOINT_FAILED")[-1].error.name == "StorageFull"
    # The model stands further than its checkpoint, and goes on from where it stands.
    talk.database.denied = None
    talk.send(StartTraining(checkpoint=stopped.checkpoint))
    again: Any = await talk.ask(StopTraining())
    assert again.checkpoint == again.step >= stopped.step
    assert await sha256(talk) == undisturbed(again.step)


@on_a_loop
async def test_an_abort_without_room_for_its_checkpoint_is_kept_all_the_same() -> None:
    talk = Talk()
    talk.database.has_room = False
    await talk.ask(InitTraining(recipe=LONG))
    talk.send(StartTraining())
    await until_step(talk, 40)
    stopped: Any = await talk.ask(StopTraining(abort=True))
    assert stopped.checkpoint is None
    assert (await runs(talk))[0].status == "aborted"
    # Ten epochs ended by then, and it was not tried at each of them.
    assert len(talk.said("CHECKPOINT_FAILED")) == 2


@on_a_loop
async def test_a_run_whose_storage_is_cleared_under_it_is_kept_anew() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=LONG))
    talk.send(StartTraining())
    await until_step(talk, 20)
    for store in talk.database.stores.values():
        store.clear()
    await until_step(talk, 40)
    stopped: Any = await talk.ask(StopTraining())
    assert stopped.checkpoint == stopped.step
    (kept,) = await runs(talk)
    assert (kept.status, kept.checkpoint) == ("stopped", stopped.step)
    again = Talk(talk.database)
    back: Any = await again.ask(InitTraining())
    assert back.step == stopped.step


@on_a_loop
async def test_a_training_that_fails_is_kept_as_failed_with_its_reason() -> None:
    talk = Talk(fails_at=7)
    await talk.ask(InitTraining(recipe=RECIPE))
    await talk.ask(StartTraining())
    (kept,) = await runs(talk)
    assert (kept.status, kept.error.name, kept.checkpoint) == ("failed", "TrainingDiverged", 4)
    assert kept.finished is not None


@pytest.mark.parametrize(("mode", "status"), [("worker", "interrupted"), ("main-thread", "failed")])
@on_a_loop
async def test_a_run_that_the_worker_s_machinery_failed_may_go_on_in_the_page(
    mode: str, status: str
) -> None:
    talk = Talk(fails_at=7, fault=BackendError("TF.js could not do conv2d."))
    await talk.ask(InitTraining(recipe=RECIPE, mode=mode))
    failed: Any = await talk.ask(StartTraining())
    assert failed.error.name == "BackendError"
    (kept,) = await runs(talk)
    assert (kept.status, kept.error.name) == (status, "BackendError")


@on_a_loop
async def test_data_is_loaded_ahead_and_only_what_is_shipped() -> None:
    talk = Talk()
    loaded: Any = await talk.ask(LoadData(source="digits"), None)
    assert (loaded.source, loaded.examples) == ("digits", 12)
    refused: Any = await talk.ask(LoadData(source="cakes"), None)
    assert refused.error.name == "DataError"


@on_a_loop
async def test_closing_does_not_wait_for_a_device_that_hangs() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=LONG))
    talk.send(StartTraining())
    await until_step(talk, 6)
    talk.kitchen.hangs = True
    for _ in range(20):
        await asyncio.sleep(0)
    await asyncio.wait_for(talk.loop.close(), timeout=0.5)
    await talk.loop.close()
    assert talk.kitchen.trainings[0].disposed == 1
    assert talk.database.closed >= 1
    assert talk.kitchen.closed >= 1
    assert len(asyncio.all_tasks()) == 1
    said = len(talk.kitchen.posted)
    talk.send(Ping(), None)
    await asyncio.sleep(0)
    assert len(talk.kitchen.posted) == said, "what is closed says nothing"


@on_a_loop
async def test_every_message_is_logged_only_when_that_was_asked_for() -> None:
    for debug in (False, True):
        talk = Talk(debug=debug)
        await talk.ask(InitTraining(recipe=RECIPE))
        await talk.ask(StartTraining())
        texts = {each.text for each in talk.said("LOG")}
        assert ("received START_TRAINING" in texts) is debug
        assert ("sent TRAINING_COMPLETE" in texts) is debug
        assert not any("LOG" in text for text in texts)
