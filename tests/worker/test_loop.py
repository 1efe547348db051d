"""The worker's side of the conversation, in plain CPython."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from backburner.core.messages import (
    DescribeWeights,
    Dispose,
    InitTraining,
    Pause,
    Ping,
    Predict,
    Resume,
    StartTraining,
    StopTraining,
)
from tests.loops import on_a_loop
from tests.worker.makers import Talk

RECIPE = {"recipe": 1, "training": {"epochs": 3}}


@on_a_loop
async def test_a_training_goes_from_order_to_completion() -> None:
    talk = Talk()
    ready = await talk.ask(InitTraining(recipe=RECIPE))
    assert ready.tag == "MODEL_READY"
    assert (await talk.ask(StartTraining())).tag == "TRAINING_COMPLETE"
    (done,) = talk.said("TRAINING_COMPLETE")
    assert done.test.accuracy == 1.0
    assert [(guess.index, guess.label) for guess in done.guesses] == [(10, "no"), (11, "yes")]
    points = [point.step for report in talk.said("TRAINING_PROGRESS") for point in report.points]
    assert points == list(range(1, 13))
    ends = [end.epoch for report in talk.said("TRAINING_PROGRESS") for end in report.epoch_ends]
    assert ends == [1, 2, 3]


@on_a_loop
async def test_the_model_comes_with_the_pixels_of_its_test_examples() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=RECIPE))
    (ready,) = talk.said("MODEL_READY")
    assert ready.examples == (10, 11)
    assert ready.labels == ("no", "yes")
    # Examples 10 and 11 are the last four of 24 numbers; 16 of 16 would be 255.
    assert [each for each in talk.kitchen.buffers if each] == [(bytes(4),)]


@on_a_loop
async def test_progress_is_told_at_most_ten_times_a_second() -> None:
    talk = Talk(step_ms=7.0)
    await talk.ask(InitTraining(recipe={"recipe": 1, "training": {"epochs": 100}}))
    await talk.ask(StartTraining())
    times = [
        at
        for at, each in zip(talk.kitchen.times_ms, talk.kitchen.posted, strict=True)
        if each.message.tag == "TRAINING_PROGRESS"
    ]
    # The last one goes out with the completion, however soon that is.
    gaps = [after - before for before, after in pairwise(times[:-1])]
    assert len(times) > 10
    assert min(gaps) >= 100.0


@on_a_loop
async def test_the_loop_gives_way_after_every_batch() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=RECIPE))
    await talk.ask(StartTraining())
    # 12 steps, 3 validations and a test of two batches each.
    assert talk.kitchen.turns >= 12 + 3 * 2 + 2


@on_a_loop
async def test_a_prediction_is_answered_while_a_training_runs() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe={"recipe": 1, "training": {"epochs": 500}}))
    talk.send(StartTraining())
    answer = await talk.ask(Predict(input=[[0.0], [1.0]]))
    assert answer.tag == "PREDICTION_RESULT"
    assert talk.said("TRAINING_COMPLETE") == []
    await talk.ask(StopTraining())


@on_a_loop
async def test_stop_ends_the_training_and_keeps_the_model() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe={"recipe": 1, "training": {"epochs": 500}}))
    talk.send(StartTraining())
    stopped = await talk.ask(StopTraining())
    assert stopped.tag == "STOPPED"
    step = talk.kitchen.trainings[0].step
    assert 0 < step < 2_000
    told = talk.said("TRAINING_PROGRESS")
    assert told[-1].points[-1].step == step, "the last steps are told before the end"
    assert (await talk.ask(Predict(input=[[0.0], [1.0]]))).tag == "PREDICTION_RESULT"
    assert (await talk.ask(DescribeWeights())).tag == "WEIGHTS_DESCRIBED"
    assert talk.kitchen.trainings[0].step == step


@on_a_loop
async def test_a_paused_training_waits_and_goes_on() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe={"recipe": 1, "training": {"epochs": 500}}))
    talk.send(StartTraining())
    assert (await talk.ask(Pause())).tag == "PAUSED"
    step = talk.kitchen.trainings[0].step
    for _ in range(50):
        await asyncio.sleep(0)
    assert talk.kitchen.trainings[0].step == step
    assert (await talk.ask(Resume())).tag == "RESUMED"
    assert (await talk.ask(Pause())).tag == "PAUSED"
    assert talk.kitchen.trainings[0].step > step
    assert (await talk.ask(StopTraining())).tag == "STOPPED"
    assert (await talk.ask(Resume())).tag == "REFUSED"


@on_a_loop
async def test_wishes_that_overlap_are_all_answered() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe={"recipe": 1, "training": {"epochs": 500}}))
    start = talk.send(StartTraining())
    await asyncio.sleep(0)
    pause, stop, again = talk.send(Pause()), talk.send(StopTraining()), talk.send(StopTraining())
    dispose = talk.send(Dispose())
    tags = [(await talk.answer(each)).tag for each in (stop, again, pause, dispose)]
    assert tags == ["STOPPED", "STOPPED", "REFUSED", "DISPOSED"]
    said = [each.message.tag for each in talk.kitchen.posted if each.request in (stop, pause)]
    assert said == ["STOPPED", "REFUSED"], "the end is told before what it made impossible"
    assert start not in (pause, stop)


@on_a_loop
async def test_a_stop_overtakes_a_resume_and_both_are_answered() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe={"recipe": 1, "training": {"epochs": 500}}))
    talk.send(StartTraining())
    await talk.ask(Pause())
    resume, stop = talk.send(Resume()), talk.send(StopTraining())
    assert (await talk.answer(stop)).tag == "STOPPED"
    assert (await talk.answer(resume)).tag in ("RESUMED", "REFUSED")


@on_a_loop
async def test_a_model_that_is_disposed_of_while_it_is_made_is_freed() -> None:
    talk = Talk()
    init = talk.send(InitTraining(recipe=RECIPE))
    dispose = talk.send(Dispose())
    assert (await talk.answer(dispose)).tag == "DISPOSED"
    assert (await talk.answer(init)).tag == "REFUSED"
    assert all(each.disposed == 1 for each in talk.kitchen.made)
    assert (await talk.ask(Ping(), None)).models == 0  # type: ignore[union-attr]


@on_a_loop
async def test_an_example_of_the_data_is_asked_about_by_its_index() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe=RECIPE))
    assert (await talk.ask(Predict(example=3))).tag == "PREDICTION_RESULT"
    assert talk.kitchen.trainings[0].asked == [6 / 16, 7 / 16]
    for index in (-1, 12):
        refused = await talk.ask(Predict(example=index))
        assert refused.error.key == "example"  # type: ignore[union-attr]


@on_a_loop
async def test_wishes_after_the_last_batch_are_answered_too() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe={"recipe": 1, "training": {"epochs": 1}}))
    await talk.ask(StartTraining())
    assert (await talk.ask(StopTraining())).tag == "STOPPED"
    assert (await talk.ask(Pause())).tag == "REFUSED"
    assert (await talk.ask(StartTraining())).tag == "REFUSED"


@on_a_loop
async def test_a_training_that_fails_leaves_the_loop_alive() -> None:
    talk = Talk(fails_at=3)
    await talk.ask(InitTraining(recipe=RECIPE))
    failed = await talk.ask(StartTraining())
    assert failed.tag == "TRAINING_ERROR"
    assert failed.error.name == "TrainingDiverged"  # type: ignore[union-attr]
    assert (await talk.ask(Ping(), None)).tag == "PONG"
    assert (await talk.ask(InitTraining(recipe=RECIPE), "op-2")).tag == "MODEL_READY"


@on_a_loop
async def test_one_training_after_another_uses_the_same_loop() -> None:
    talk = Talk()
    for name in ("op-1", "op-2", "op-3"):
        await talk.ask(InitTraining(recipe=RECIPE), name)
        assert (await talk.ask(StartTraining(), name)).tag == "TRAINING_COMPLETE"
    pong = await talk.ask(Ping(), None)
    assert (pong.models, pong.running) == (3, 0)  # type: ignore[union-attr]


@on_a_loop
async def test_disposing_frees_a_model_even_while_it_trains() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe={"recipe": 1, "training": {"epochs": 500}}))
    talk.send(StartTraining())
    assert (await talk.ask(Dispose())).tag == "DISPOSED"
    assert talk.kitchen.trainings[0].disposed == 1
    assert (await talk.ask(Predict(input=[[0.0], [1.0]]))).tag == "REFUSED"
    assert (await talk.ask(Dispose())).tag == "DISPOSED"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("not json", "NotJson"),
        (None, "NotJson"),
        ('{"v": 1, "tag": "BAKE", "generation": 1, "request": "r7", "body": {}}', "UnknownTag"),
        (
            '{"v": 1, "tag": "PAUSED", "generation": 1, "request": "r7", "body": {"step": 1}}',
            "UnknownTag",
        ),
        (
            '{"v": 1, "tag": "LOAD_DATA", "generation": 1, "request": "r7", "body": {}}',
            "BadField",
        ),
        ('{"v": 1, "tag": "PING", "generation": 1' + "0" * 400 + ', "body": {}}', "BadField"),
    ],
)
@on_a_loop
async def test_what_does_not_fit_is_refused_and_the_loop_lives(text: object, name: str) -> None:
    talk = Talk()
    talk.loop.receive(text)
    (refused,) = talk.said("REFUSED")
    assert refused.error.name == name
    assert (await talk.ask(Ping(), None)).tag == "PONG"


@pytest.mark.parametrize(
    ("order", "name"),
    [
        (StartTraining(), "InterfaceError"),
        (StopTraining(), "InterfaceError"),
        (Predict(input=[1.0]), "InterfaceError"),
        (InitTraining(recipe={"recipe": 2}), "RecipeError"),
    ],
)
@on_a_loop
async def test_an_order_that_cannot_be_carried_out_says_why(order: Any, name: str) -> None:
    talk = Talk()
    refused = await talk.ask(order)
    assert refused.tag == "REFUSED"
    assert refused.error.name == name  # type: ignore[union-attr]


@on_a_loop
async def test_an_operation_is_built_and_started_only_once() -> None:
    talk = Talk()
    first, second = talk.send(InitTraining(recipe=RECIPE)), talk.send(InitTraining(recipe=RECIPE))
    tags = {(await talk.answer(first)).tag, (await talk.answer(second)).tag}
    assert tags == {"MODEL_READY", "REFUSED"}
    start, again = talk.send(StartTraining()), talk.send(StartTraining())
    assert (await talk.answer(again)).tag == "REFUSED"
    assert (await talk.answer(start)).tag == "TRAINING_COMPLETE"


@on_a_loop
async def test_closing_twice_is_as_good_as_once() -> None:
    talk = Talk()
    await talk.ask(InitTraining(recipe={"recipe": 1, "training": {"epochs": 500}}))
    talk.send(StartTraining())
    await asyncio.sleep(0)
    await talk.loop.close()
    await talk.loop.close()
    assert talk.kitchen.trainings[0].disposed == 1
    assert len(asyncio.all_tasks()) == 1
