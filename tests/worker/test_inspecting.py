"""Questions about a model while it trains: answered between its steps, and nothing is disturbed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backburner.core.examination import Examination
from backburner.core.messages import (
    DescribeWeights,
    Dispose,
    ExaminePart,
    InitTraining,
    Message,
    Order,
    Pause,
    Ping,
    ReadActivations,
    ReadExamples,
    ReadFilters,
    Resume,
    StartTraining,
    StopTraining,
)
from tests.loops import on_a_loop
from tests.worker.makers import FakeSpec, Talk, undisturbed

LONG = {"recipe": 1, "training": {"epochs": 500}}


async def training(**kitchen: Any) -> Talk:
    """A conversation in which a long training is under way."""
    talk = Talk(**kitchen)
    await talk.ask(InitTraining(recipe=LONG))
    talk.send(StartTraining())
    await some_steps(talk)
    return talk


async def some_steps(talk: Talk) -> None:
    step = talk.kitchen.trainings[0].step
    while talk.kitchen.trainings[0].step < step + 3:
        await asyncio.sleep(0)


def buffer_of(talk: Talk, tag: str) -> bytes:
    """The buffer beside the last message of this tag."""
    found = [
        buffers
        for each, buffers in zip(talk.kitchen.posted, talk.kitchen.buffers, strict=True)
        if each.message.tag == tag
    ]
    (data,) = found[-1]
    return data


@on_a_loop
async def test_filters_and_activations_are_read_while_a_training_runs() -> None:
    talk = await training()
    filters: Any = await talk.ask(ReadFilters())
    assert [each.layer for each in filters.sheets] == ["conv2d_1"]
    assert list(buffer_of(talk, "FILTERS_READ")) == [192, 1]
    looked: Any = await talk.ask(ReadActivations(example=3))
    assert talk.kitchen.trainings[0].asked == [6 / 16, 7 / 16]
    assert list(buffer_of(talk, "ACTIVATIONS_READ")) == [255, 64]
    assert 0 < filters.step <= looked.step
    assert talk.said("TRAINING_COMPLETE") == []
    await talk.ask(StopTraining())


@on_a_loop
async def test_all_answers_about_a_part_are_of_one_step() -> None:
    talk = await training()
    talk.kitchen.evaluation_batches = 50
    before = len(talk.kitchen.trainings[0].evaluated_at)
    examined: Any = await talk.ask(ExaminePart(part="train"))
    at = talk.kitchen.trainings[0].evaluated_at[before:]
    # In between, an epoch's end may have evaluated the validation part.
    assert at.count(examined.step) >= 50
    assert examined.count == 8
    answers = Examination.from_bytes(buffer_of(talk, "PART_EXAMINED")).answers
    assert [each.index for each in answers] == list(range(8))
    await some_steps(talk)  # it goes on
    await talk.ask(StopTraining())


@on_a_loop
async def test_questions_change_nothing_of_a_training() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe={"recipe": 1, "training": {"epochs": 20}}))
    start = talk.send(StartTraining())
    asked = 0
    while not talk.said("TRAINING_COMPLETE"):
        for order in (ReadFilters(), ReadActivations(example=1), ExaminePart(part="validation")):
            assert (await talk.ask(order)).tag != "REFUSED"
            asked += 1
    assert (await talk.answer(start)).tag == "TRAINING_COMPLETE"
    assert asked > 6
    weights: Any = await talk.ask(DescribeWeights())
    assert weights.sha256 == undisturbed(80)


@on_a_loop
async def test_orders_are_heard_in_the_middle_of_an_examination() -> None:
    talk = await training()
    talk.kitchen.evaluation_batches = 10_000
    talk.send(ExaminePart())
    assert (await talk.ask(Ping(), None)).tag == "PONG"
    assert talk.said("PART_EXAMINED") == []
    assert (await talk.ask(Pause())).tag == "PAUSED"
    assert (await talk.ask(Resume())).tag == "RESUMED"
    assert (await talk.ask(StopTraining())).tag == "STOPPED"
    assert talk.said("PART_EXAMINED") == []


@on_a_loop
async def test_no_step_is_made_from_a_pause_to_the_end_of_an_examination() -> None:
    talk = await training()
    await talk.ask(Pause())
    talk.kitchen.evaluation_batches = 30
    step = talk.kitchen.trainings[0].step
    question = talk.send(ExaminePart())
    await asyncio.sleep(0)
    assert (await talk.ask(Resume())).tag == "RESUMED"
    examined: Any = await talk.answer(question)
    assert examined.step == step
    assert talk.kitchen.trainings[0].evaluated_at.count(step) == 30
    await some_steps(talk)
    await talk.ask(StopTraining())


@on_a_loop
async def test_a_training_that_begins_during_an_examination_waits_for_its_end() -> None:
    talk = Talk()
    talk.kitchen.evaluation_batches = 20
    await talk.ask(InitTraining(recipe=LONG))
    question = talk.send(ExaminePart())
    await asyncio.sleep(0)
    talk.send(StartTraining())
    examined: Any = await talk.answer(question)
    assert examined.step == 0
    assert talk.kitchen.trainings[0].evaluated_at[:20] == [0] * 20
    await some_steps(talk)
    await talk.ask(StopTraining())


@on_a_loop
async def test_examinations_that_are_asked_for_together_are_all_answered() -> None:
    talk = await training()
    talk.kitchen.evaluation_batches = 30
    questions = [talk.send(ExaminePart(part=part)) for part in ("train", "test", "test")]
    found: list[Any] = [await talk.answer(each) for each in questions]
    assert [(each.part, each.count) for each in found] == [("train", 8), ("test", 2), ("test", 2)]
    await some_steps(talk)
    await talk.ask(StopTraining())


@on_a_loop
async def test_an_examination_of_a_model_that_is_freed_ends_in_a_refusal() -> None:
    talk = await training()
    talk.kitchen.evaluation_batches = 10_000
    question = talk.send(ExaminePart())
    await asyncio.sleep(0)
    assert (await talk.ask(Dispose())).tag == "DISPOSED"
    assert (await talk.answer(question)).tag == "REFUSED"


@on_a_loop
async def test_what_is_examined_twice_at_once_in_two_models_is_answered_twice() -> None:
    talk = Talk()
    questions = []
    for name in ("op-1", "op-2"):
        await talk.ask(InitTraining(recipe=LONG), name)
        questions.append(talk.send(ExaminePart(), name))
    assert {(await talk.answer(each)).tag for each in questions} == {"PART_EXAMINED"}


@on_a_loop
async def test_examples_come_as_pixels_in_the_order_that_was_asked_for() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=LONG))
    read: Any = await talk.ask(ReadExamples(examples=(3, 0)))
    assert read.examples == (3, 0)
    # Two numbers each, of 16 at most.
    wanted = [round(number * 255 / 16) for number in (6, 7, 0, 1)]
    assert list(buffer_of(talk, "EXAMPLES_READ")) == wanted


@pytest.mark.parametrize(
    ("order", "key"),
    [
        (ExaminePart(part="exam"), "part"),
        (ReadFilters(form="poem"), None),
        (ReadActivations(example=12), "example"),
        (ReadExamples(examples=(0, -1)), "example"),
    ],
)
@on_a_loop
async def test_what_cannot_be_looked_at_is_refused(order: Order, key: str | None) -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=LONG))
    refused: Any = await talk.ask(order)
    assert (refused.tag, refused.error.key) == ("REFUSED", key)
    unknown: Message = await talk.ask(order, "op-9")
    assert unknown.tag == "REFUSED"


@on_a_loop
async def test_a_model_that_answers_at_each_position_has_no_confusion_matrix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FakeSpec, "positions", 64)
    talk = Talk()
    await talk.ask(InitTraining(recipe=LONG))
    refused: Any = await talk.ask(ExaminePart())
    assert (refused.tag, refused.error.name) == ("REFUSED", "DataError")
