"""Whatever fails, and whenever: what was called safe is there, and only one writes a run."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from backburner.core.curves import Curves
from backburner.core.messages import (
    ClearRun,
    DescribeWeights,
    Dispose,
    InitTraining,
    ListRuns,
    Pause,
    Predict,
    ReadCurves,
    Resume,
    StartTraining,
    StopTraining,
)
from backburner.engine.checkpoint import Checkpoint
from backburner.worker.storage import Row
from tests.loops import on_a_loop
from tests.worker.database import FAULTS, TORN, FakeDatabase
from tests.worker.makers import Talk, undisturbed

RECIPE: dict[str, object] = {"recipe": 1, "training": {"epochs": 5}}
STEPS = 20
MOST_CALLS = 24


async def a_life(talk: Talk) -> None:
    """A training that is paused, stopped, taken up, and stopped again shortly before its end."""
    await talk.ask(InitTraining(recipe=RECIPE))
    talk.send(StartTraining())
    for order in (Pause(), Resume(), StopTraining()):
        await asyncio.sleep(0)
        await talk.ask(order)
    step = talk.kitchen.trainings[0].step
    talk.send(StartTraining(checkpoint=step))
    while talk.kitchen.trainings[0].step < STEPS - 3:
        await asyncio.sleep(0)
    await talk.ask(StopTraining())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("failing", range(1, MOST_CALLS))
@on_a_loop
async def test_what_was_called_safe_is_there_whichever_call_fails(failing: int, fault: str) -> None:
    database = FakeDatabase(turns=1)
    database.faults[failing] = fault
    talk = Talk(database, step_ms=1_000.0)
    await a_life(talk)
    safe = [each.step for each in talk.said("CHECKPOINTED")]
    assert len(safe) >= 3
    named = [each.checkpoint for each in (*talk.said("PAUSED"), *talk.said("STOPPED"))]
    assert {each for each in named if each} <= set(safe), "none is named that is not safe"
    if fault == TORN:  # which no database notices: the one before it still stands
        safe = [step for step in safe if is_whole(database, step)]
    await talk.loop.close()

    database.faults.clear()
    other = Talk(database, step_ms=1_000.0)
    ready: Any = await other.ask(InitTraining())
    assert ready.tag == "MODEL_READY"
    assert ready.step >= max(safe)
    done: Any = await other.ask(StartTraining(checkpoint=ready.step))
    assert done.checkpoint == STEPS
    assert done.tag == "TRAINING_COMPLETE"
    described: Any = await other.ask(DescribeWeights())
    assert described.sha256 == undisturbed(STEPS)
    answer: Any = await other.ask(ReadCurves())
    curves = Curves.from_bytes(other.kitchen.buffers[-1][0], answer.epoch_ends)
    assert list(curves.step) == list(range(1, STEPS + 1))
    assert [end.epoch for end in curves.epochs] == [1, 2, 3, 4, 5]


@on_a_loop
async def test_every_call_of_that_life_was_made_to_fail_once() -> None:
    talk = Talk(FakeDatabase(turns=1), step_ms=1_000.0)
    await a_life(talk)
    assert 10 < talk.database.calls < MOST_CALLS


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("failing", range(1, 8))
@on_a_loop
async def test_a_failure_while_a_run_is_brought_back_loses_nothing(
    failing: int, fault: str
) -> None:
    database = FakeDatabase(turns=0)
    talk = Talk(database, step_ms=1_000.0)
    await a_life(talk)
    newest = talk.said("STOPPED")[-1].checkpoint
    await talk.loop.close()
    # The newest is damaged: bringing the run back has something to clear away, too.
    rows = database.stores["checkpoints"]
    whole = rows["op-1", newest]
    rows["op-1", newest] = Row(text=whole.text, data=b"", sha256=whole.sha256)
    older = sorted(rows)[-2][1]

    database.calls = 0
    database.faults[failing] = fault
    other = Talk(database, step_ms=1_000.0)
    answer: Any = await other.ask(InitTraining())
    if answer.tag == "REFUSED":
        assert answer.error.name in ("StorageError", "StorageFull")
        assert all(training.disposed for training in other.kitchen.trainings)
        answer = await other.ask(InitTraining())
    assert answer.step == older
    await other.ask(StartTraining(checkpoint=older))
    described: Any = await other.ask(DescribeWeights())
    assert described.sha256 == undisturbed(STEPS)


def is_whole(database: FakeDatabase, step: int) -> bool:
    """Whether a checkpoint is still kept as it was written. (The oldest ones are removed.)"""
    row = database.stores["checkpoints"].get(("op-1", step))
    return row is not None and Row.of(row.text, row.data) == row


@pytest.mark.parametrize("seed", range(60))
@on_a_loop
async def test_two_pages_never_both_write_a_run(seed: int) -> None:
    chance = random.Random(seed)
    database = FakeDatabase(turns=chance.choice([0, 1, 3]))
    first = Talk(database, step_ms=1_000.0)
    await first.ask(InitTraining(recipe={"recipe": 1, "training": {"epochs": 400}}))
    talks = [first, Talk(FakeDatabase(database, turns=chance.choice([0, 2, 5])), step_ms=700.0)]
    sent: list[tuple[Talk, str]] = []
    for _ in range(60):
        talk = chance.choice(talks)
        here = talk.kitchen.trainings[-1].step if talk.kitchen.trainings else None
        order = chance.choice(
            [
                InitTraining(), InitTraining(), StartTraining(checkpoint=here),
                StartTraining(checkpoint=here), StartTraining(checkpoint=here), Pause(), Resume(),
                StopTraining(), Dispose(), Predict(input=[[0.0], [1.0]]), ReadCurves(), ListRuns(),
            ]
        )  # fmt: skip
        request = talk.send(order)
        if not isinstance(order, StartTraining):
            sent.append((talk, request))
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
    for talk in talks:
        sent.append((talk, talk.send(StopTraining())))
    for talk, request in sent:
        assert (await talk.answer(request)).tag
    owners: dict[int, FakeDatabase] = {}
    fences = []
    for by, write in database.written:
        if write.store == "runs":
            fence = json.loads(write.row.text)["fence"]
            fences.append(fence)
            assert owners.setdefault(fence, by) is by, "one fence, one writer"
        if write.store == "checkpoints":
            assert fences, "a checkpoint is written by whoever has the run"
            checkpoint = Checkpoint.from_bytes(write.row.data)
            weight = checkpoint.parameters["dense_1/bias"].data.hex()
            assert weight == undisturbed(checkpoint.step)
    assert fences == sorted(fences)
    # What is left is one whole run, whoever wrote the parts of it.
    talk = Talk(FakeDatabase(database))
    ready: Any = await talk.ask(InitTraining())
    assert ready.tag == "MODEL_READY"
    assert list(Curves.from_bytes(talk.kitchen.buffers[-1][1]).step) == list(
        range(1, ready.step + 1)
    )
    for each in (*talks, talk):
        await each.loop.close()
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("seed", range(40))
@on_a_loop
async def test_every_order_is_answered_in_whatever_order_they_come(seed: int) -> None:
    chance = random.Random(seed)
    database = FakeDatabase(turns=chance.choice([0, 1, 4]))
    for _ in range(4):
        database.faults[chance.randrange(1, 40)] = chance.choice(FAULTS)
    talk = Talk(database, step_ms=chance.choice([30.0, 1_000.0]))
    sent = []
    for _ in range(80):
        order = chance.choice(
            [
                InitTraining(recipe=RECIPE), InitTraining(), StartTraining(), Pause(), Resume(),
                StartTraining(checkpoint=chance.randrange(STEPS)), StopTraining(), ClearRun(),
                StopTraining(abort=True), Dispose(), ReadCurves(), ListRuns(), DescribeWeights(),
            ]
        )  # fmt: skip
        request = talk.send(order, chance.choice(["op-1", "op-2"]))
        if not isinstance(order, StartTraining):
            sent.append(request)
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
    for name in ("op-1", "op-2"):
        sent.append(talk.send(StopTraining(), name))
    for request in sent:
        assert (await talk.answer(request)).tag
    await talk.loop.close()
    held = [training for training in talk.kitchen.trainings if not training.disposed]
    assert held == []
    assert len(asyncio.all_tasks()) == 1
