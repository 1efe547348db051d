"""Commands and the queue as the page leads them, in plain CPython."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backburner.app import operations as operations_module
from backburner.app import queue as queue_module
from backburner.core.errors import (
    BackburnerError,
    DataError,
    InterfaceError,
    LifecycleError,
    RecipeError,
    RequestTimeout,
)
from backburner.core.lifecycle import Status, WorkerStatus
from backburner.core.messages import (
    Fault,
    Message,
    Paused,
    PreparationReported,
    Refused,
    Stopped,
    TrainingFailed,
)
from tests.app.makers import DONE, RECIPE, RUNNING, house, settled
from tests.core.makers import model_ready, worker_ready
from tests.loops import on_a_loop


@on_a_loop
async def test_a_recipe_is_taken_up_at_once_and_ends_as_completed() -> None:
    home = house()
    operation = home.operations.start(RECIPE)
    assert operation.status is Status.QUEUED
    done = await home.operations.wait(operation.id, "completed")
    assert done.status is Status.COMPLETED
    assert home.store.curves[operation.id].as_dict()["step"] == [1, 2, 3, 4]
    await settled()
    assert home.store.state.worker.status is WorkerStatus.READY


@on_a_loop
async def test_every_run_of_a_page_uses_the_same_worker() -> None:
    home = house()
    for _ in range(8):
        operation = home.operations.start(RECIPE)
        await home.operations.wait(operation.id, "completed")
    assert home.kitchens.started == 1
    assert len(home.orders("DISPOSE")) == 3, "five models stay at hand"
    assert not home.store.state.operations["op-1"].lives


@on_a_loop
async def test_a_model_that_was_freed_is_brought_back_to_be_asked() -> None:
    home = house()
    for _ in range(6):
        operation = home.operations.start(RECIPE)
        await home.operations.wait(operation.id, "completed")
    await home.operations.predict("op-1", [[0.0]])
    again = home.orders("INIT_TRAINING")[-1]
    assert (again.operation, again.message.recipe) == ("op-1", None)  # type: ignore[union-attr]
    assert home.operations.get("op-1").status is Status.COMPLETED
    assert home.locks.ours == set()


@on_a_loop
async def test_a_second_training_waits_for_the_first() -> None:
    home = house(**RUNNING)
    first, second = home.operations.start(RECIPE), home.operations.start(RECIPE)
    await settled()
    assert home.operations.get(first.id).status is Status.RUNNING
    assert home.operations.get(second.id).status is Status.QUEUED
    await home.operations.stop(first.id)
    await settled()
    assert home.operations.get(second.id).status is Status.RUNNING


@on_a_loop
async def test_a_waiting_operation_is_stopped_without_the_worker() -> None:
    home = house(**RUNNING)
    first, second = home.operations.start(RECIPE), home.operations.start(RECIPE)
    await settled()
    stopped = await home.operations.stop(second.id)
    assert stopped.status is Status.STOPPED
    assert home.operations.get(first.id).status is Status.RUNNING


@on_a_loop
async def test_a_training_pressed_before_the_worker_is_there_starts_when_it_is() -> None:
    home = house(starts=False)
    operation = home.operations.start(RECIPE)
    await settled()
    assert home.operations.get(operation.id).status is Status.QUEUED
    home.worker.say(worker_ready())
    assert (await home.operations.wait(operation.id, "completed")).status is Status.COMPLETED


@on_a_loop
async def test_a_stop_before_the_worker_is_there_does_not_wait_for_it() -> None:
    home = house(starts=False)
    operation = home.operations.start(RECIPE)
    await settled()
    assert (await home.operations.stop(operation.id)).status is Status.STOPPED
    home.worker.say(worker_ready())
    second = home.operations.start(RECIPE)
    assert (await home.operations.wait(second.id, "completed")).status is Status.COMPLETED
    assert [each.operation for each in home.orders("INIT_TRAINING")] == [second.id]


@on_a_loop
async def test_a_stop_while_the_model_is_built_keeps_it_from_training() -> None:
    home = house(INIT_TRAINING=[])
    operation = home.operations.start(RECIPE)
    await settled()
    wish = asyncio.ensure_future(home.operations.stop(operation.id))
    await settled()
    assert home.operations.get(operation.id).status is Status.STOPPING
    init = next(each for each in home.worker.orders if each.message.tag == "INIT_TRAINING")
    home.worker.say(model_ready(), init)
    assert (await wish).status is Status.STOPPED
    assert all(each.message.tag != "START_TRAINING" for each in home.worker.orders)


@on_a_loop
async def test_a_stop_that_had_no_answer_can_be_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operations_module, "ANSWER_TIMEOUT_S", 0.01)
    home = house(STOP_TRAINING=[], **RUNNING)
    operation = home.operations.start(RECIPE)
    await settled()
    with pytest.raises(RequestTimeout):
        await home.operations.stop(operation.id)
    home.answer.by_tag["STOP_TRAINING"] = [Stopped(step=4)]  # type: ignore[attr-defined]
    assert (await home.operations.stop(operation.id)).status is Status.STOPPED


@on_a_loop
async def test_a_model_that_comes_too_late_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "PREPARED_WITHIN_S", 0.01)
    home = house(INIT_TRAINING=[])
    operation = home.operations.start(RECIPE)
    failed = await home.operations.wait(operation.id, "failed")
    assert failed.status is Status.FAILED
    assert failed.error is not None
    assert (failed.error.name, "INIT_TRAINING" in failed.error.message) == ("RequestTimeout", True)
    init = next(each for each in home.worker.orders if each.message.tag == "INIT_TRAINING")
    home.worker.say(model_ready(), init)
    await settled()
    assert home.worker.orders[-1].message.tag == "DISPOSE"
    assert home.worker.orders[-1].operation == operation.id


@on_a_loop
async def test_what_nobody_foresaw_fails_one_operation_and_the_queue_goes_on() -> None:
    home = house()

    def broken(order: Any) -> list[Message]:
        raise MemoryError("no room")

    answers, home.answer = home.answer, broken
    await home.kitchens.ready()
    first = home.operations.start(RECIPE)
    failed = await home.operations.wait(first.id, "completed")
    assert failed.status is Status.FAILED
    assert failed.error is not None
    assert failed.error.name == "MemoryError"
    home.answer = answers
    second = home.operations.start(RECIPE)
    assert (await home.operations.wait(second.id, "completed")).status is Status.COMPLETED


@on_a_loop
async def test_a_listener_that_fails_keeps_the_news_from_nobody() -> None:
    home = house()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)

    def broken(_state: object) -> None:
        raise RuntimeError("a view is broken")

    home.store.subscribe(broken)
    operation = home.operations.start(RECIPE)
    assert (await home.operations.wait(operation.id, "completed")).status is Status.COMPLETED


@on_a_loop
async def test_pause_and_go_on() -> None:
    home = house(**RUNNING)
    operation = home.operations.start(RECIPE)
    await settled()
    assert (await home.operations.pause(operation.id)).status is Status.PAUSED
    with pytest.raises(LifecycleError):
        await home.operations.pause(operation.id)
    assert (await home.operations.resume(operation.id)).status is Status.RUNNING
    with pytest.raises(LifecycleError):
        await home.operations.resume(operation.id)


@on_a_loop
async def test_a_pause_that_comes_too_late_finds_it_completed() -> None:
    late = Fault(name="LifecycleError", message="This is completed.")
    home = house(PAUSE=[DONE, Refused(error=late)], **RUNNING)
    operation = home.operations.start(RECIPE)
    await settled()
    home.worker.house.answer.by_tag["PAUSE"] = []  # type: ignore[attr-defined]
    wish = asyncio.ensure_future(home.operations.pause(operation.id))
    await settled()
    start, pause = (
        next(each for each in home.worker.orders if each.message.tag == tag)
        for tag in ("START_TRAINING", "PAUSE")
    )
    home.worker.say(DONE, start)
    home.worker.say(Refused(error=late), pause)
    assert (await wish).status is Status.COMPLETED


@on_a_loop
async def test_a_late_stop_after_completion_does_no_harm() -> None:
    home = house(STOP_TRAINING=[DONE, Stopped(step=40)], **RUNNING)
    operation = home.operations.start(RECIPE)
    await settled()
    assert (await home.operations.stop(operation.id)).status is Status.COMPLETED
    with pytest.raises(LifecycleError, match="completed"):
        await home.operations.stop(operation.id)


@on_a_loop
async def test_a_recipe_that_cannot_work_never_reaches_the_worker() -> None:
    home = house()
    with pytest.raises(RecipeError) as refused:
        home.operations.start({"recipe": 1, "training": {"learning_rate": 0}})
    assert refused.value.key == "training.learning_rate"
    assert home.orders("INIT_TRAINING") == []
    assert home.store.state.operations == {}


@on_a_loop
async def test_what_the_worker_refuses_fails_the_operation_and_nothing_else() -> None:
    fault = Fault(name="DataError", message="The class 3 is missing.", key="data.split")
    home = house(INIT_TRAINING=[Refused(error=fault)])
    operation = home.operations.start(RECIPE)
    failed = await home.operations.wait(operation.id, "completed")
    assert failed.status is Status.FAILED
    assert failed.error == fault
    assert home.worker.alive


@on_a_loop
async def test_a_training_that_fails_says_why() -> None:
    fault = Fault(name="TrainingDiverged", message="The loss is not a number any more.")
    home = house(START_TRAINING=[TrainingFailed(error=fault)])
    operation = home.operations.start(RECIPE)
    assert (await home.operations.wait(operation.id, "failed")).error == fault


@on_a_loop
async def test_a_prediction_of_something_that_is_no_number_is_refused_here() -> None:
    home = house(**RUNNING)
    operation = home.operations.start(RECIPE)
    await settled()
    with pytest.raises(DataError) as refused:
        await home.operations.predict(operation.id, [[float("nan")]])
    assert refused.value.key == "input"


@on_a_loop
async def test_unknown_ids_and_statuses_are_named() -> None:
    home = house()
    for call in (home.operations.stop, home.operations.pause, home.operations.weights):
        with pytest.raises(BackburnerError, match="op-9"):
            await call("op-9")
    operation = home.operations.start(RECIPE)
    with pytest.raises(InterfaceError, match="cooked"):
        await home.operations.wait(operation.id, "cooked")


@on_a_loop
async def test_a_pause_that_a_stop_overtakes_ends_as_stopped() -> None:
    home = house(PAUSE=[], STOP_TRAINING=[], **RUNNING)
    operation = home.operations.start(RECIPE)
    await settled()
    pause = asyncio.ensure_future(home.operations.pause(operation.id))
    await settled()
    stop = asyncio.ensure_future(home.operations.stop(operation.id))
    await settled()
    home.worker.say(Paused(step=4), home.orders("PAUSE")[0])
    await settled()
    assert not pause.done(), "what it is asked for is not so"
    home.worker.say(Stopped(step=4), home.orders("STOP_TRAINING")[0])
    assert (await pause).status is (await stop).status is Status.STOPPED


@on_a_loop
async def test_an_abort_before_the_model_stands_is_told_to_the_kitchen() -> None:
    home = house(INIT_TRAINING=[], STOP_TRAINING=[Stopped(step=0)])
    operation = home.operations.start(RECIPE)
    await settled()
    wish = asyncio.ensure_future(home.operations.abort(operation.id))
    await settled()
    home.worker.say(model_ready(), home.orders("INIT_TRAINING")[0])
    assert (await wish).status is Status.ABORTED
    await settled()
    (order,) = home.orders("STOP_TRAINING")
    assert order.message.abort  # type: ignore[union-attr]


@on_a_loop
async def test_a_run_that_is_run_again_has_its_recipe_its_seed_and_its_backend() -> None:
    home = house(INIT_TRAINING=[model_ready(backend="webgl")])
    first = home.operations.start({**RECIPE, "seed": 7})
    await home.operations.wait(first.id, "completed")
    again = home.operations.run_again(first.id)
    await home.operations.wait(again.id, "completed")
    orders = [each.message for each in home.orders("INIT_TRAINING")]
    assert orders[0].recipe == orders[1].recipe
    assert [order.backend for order in orders] == [None, "webgl"]


@on_a_loop
async def test_a_stop_cuts_a_measurement_short() -> None:
    trying = PreparationReported(backend="wasm", needed_bytes=1, available_bytes=2)
    home = house(INIT_TRAINING=[trying], STOP_TRAINING=[])
    key = home.operations.start(RECIPE).id
    await settled()
    assert home.store.get(key).trying == "wasm"
    stop = asyncio.ensure_future(home.operations.stop(key))
    await settled()
    assert home.orders("STOP_TRAINING")
    (init,), (asked,) = home.orders("INIT_TRAINING"), home.orders("STOP_TRAINING")
    home.worker.say(model_ready(), init)
    home.worker.say(Stopped(step=0), asked)
    assert (await stop).status is Status.STOPPED
