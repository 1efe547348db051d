"""Commands, the queue and the worker's life as the page leads them, in plain CPython."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from backburner.app import kitchens as kitchens_module
from backburner.app import operations as operations_module
from backburner.app.records import Records
from backburner.core.errors import (
    BackburnerError,
    DataError,
    InterfaceError,
    LifecycleError,
    RecipeError,
    RequestTimeout,
    WorkerLost,
)
from backburner.core.lifecycle import Status, WorkerStatus
from backburner.core.messages import (
    Disposed,
    Fault,
    Message,
    Paused,
    Pong,
    PredictionResult,
    Refused,
    Resumed,
    Score,
    Stopped,
    TrainingCompleted,
    TrainingFailed,
    WorkerFaulted,
)
from tests.app.makers import FakeHouse, FakeStorage, settled
from tests.core.makers import model_ready, progressed, worker_ready
from tests.loops import on_a_loop

RECIPE = {"recipe": 1, "training": {"epochs": 10}}
DONE = TrainingCompleted(test=Score(loss=0.5, accuracy=0.9), guesses=(), elapsed_s=1.0)
PONG = Pong(
    backend="wasm",
    tensors=3,
    tensor_bytes=9,
    python_bytes=9,
    proxies=None,
    models=1,
    running=0,
)


class Answers:
    """What the fake worker says to each order; a test changes what it needs."""

    def __init__(self, **changes: list[Message]) -> None:
        self.by_tag: dict[str, list[Message]] = {
            "PING": [PONG],
            "INIT_TRAINING": [model_ready()],
            "START_TRAINING": [progressed(1, 2, 3, 4), DONE],
            "STOP_TRAINING": [Stopped(step=4)],
            "PAUSE": [Paused(step=4)],
            "RESUME": [Resumed(step=4)],
            "PREDICT": [PredictionResult(label="yes", confidence=0.75, probabilities=(0.25, 0.75))],
            "DISPOSE": [Disposed()],
            **changes,
        }

    def __call__(self, order: Any) -> list[Message]:
        return self.by_tag[order.tag]


def house(*, starts: bool = True, **changes: list[Message]) -> FakeHouse:
    return FakeHouse(Answers(**changes), starts=starts)


RUNNING: dict[str, list[Message]] = {"START_TRAINING": [progressed(1, 2, 3, 4)]}


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
    disposed = [each for each in home.worker.orders if each.message.tag == "DISPOSE"]
    assert len(disposed) == 3, "five models stay at hand"
    assert not home.store.state.operations["op-1"].lives
    with pytest.raises(InterfaceError, match="Train it again"):
        await home.operations.predict("op-1", [[0.0]])


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
    home.kitchens.start()
    operation = home.operations.start(RECIPE)
    await settled()
    assert home.operations.get(operation.id).status is Status.INITIALIZING
    home.worker.say(worker_ready())
    assert (await home.operations.wait(operation.id, "completed")).status is Status.COMPLETED


@on_a_loop
async def test_a_stop_before_the_worker_is_there_does_not_wait_for_it() -> None:
    home = house(starts=False)
    home.kitchens.start()
    operation = home.operations.start(RECIPE)
    await settled()
    assert (await home.operations.stop(operation.id)).status is Status.STOPPED
    home.worker.say(worker_ready())
    second = home.operations.start(RECIPE)
    assert (await home.operations.wait(second.id, "completed")).status is Status.COMPLETED
    built = [each for each in home.worker.orders if each.message.tag == "INIT_TRAINING"]
    assert [each.operation for each in built] == [second.id]


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
    monkeypatch.setattr(operations_module, "ANSWER_TIMEOUT_S", 0.01)
    home = house(INIT_TRAINING=[])
    operation = home.operations.start(RECIPE)
    assert (await home.operations.wait(operation.id, "failed")).status is Status.FAILED
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
    assert home.workers == []
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
async def test_a_dead_worker_interrupts_its_training_and_a_new_one_comes() -> None:
    home = house(**RUNNING)
    operation = home.operations.start(RECIPE)
    await settled()
    home.worker.failed("out of memory")
    interrupted = await home.operations.wait(operation.id, "interrupted")
    assert interrupted.status is Status.INTERRUPTED
    assert not interrupted.lives
    await settled()
    assert home.kitchens.started == 2
    assert [each.alive for each in home.workers] == [False, True]
    assert home.store.state.worker.status is WorkerStatus.READY


@on_a_loop
async def test_a_late_message_of_a_replaced_worker_is_dropped() -> None:
    home = house(**RUNNING)
    operation = home.operations.start(RECIPE)
    await settled()
    old = home.worker
    start = next(each for each in old.orders if each.message.tag == "START_TRAINING")
    old.failed("gone")
    await settled()
    old.say(progressed(5, 6), start)
    old.say(DONE, start)
    await settled()
    found = home.operations.get(operation.id)
    assert (found.status, found.step) == (Status.INTERRUPTED, 4)


@on_a_loop
async def test_a_worker_that_answers_no_ping_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kitchens_module, "PING_TIMEOUT_S", 0.01)
    home = house()
    await home.kitchens.ready()
    home.answer.by_tag["PING"] = []  # type: ignore[attr-defined]
    asking = asyncio.ensure_future(home.kitchens.ensure())
    await asking
    assert home.kitchens.started == 2
    assert not home.workers[0].alive


@on_a_loop
async def test_a_worker_that_falls_silent_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kitchens_module, "PING_TIMEOUT_S", 0.01)
    monkeypatch.setattr(kitchens_module, "SILENCE_S", 0.01)
    home = house(**RUNNING)
    operation = home.operations.start(RECIPE)
    await settled()
    home.answer.by_tag["PING"] = []  # type: ignore[attr-defined]
    assert (await home.operations.wait(operation.id, "interrupted")).error is not None
    assert home.kitchens.started == 2


@on_a_loop
async def test_asking_for_a_worker_when_one_is_alive_gives_the_live_one() -> None:
    home = house()
    for _ in range(3):
        home.kitchens.start()
        await home.kitchens.ensure()
    assert home.kitchens.started == 1


@on_a_loop
async def test_a_worker_that_cannot_start_is_not_restarted_for_ever() -> None:
    home = house(starts=False)
    waiting = asyncio.ensure_future(home.kitchens.ready())
    await settled()
    for _ in range(10):
        home.worker.say(WorkerFaulted(message="kitchen.js is missing", starting=True))
        await settled()
    assert home.kitchens.started == 3
    with pytest.raises(WorkerLost, match=r"kitchen\.js is missing"):
        await waiting
    assert home.store.state.worker.status is WorkerStatus.LOST
    # Asked for again, it is tried again.
    home.starts = True
    operation = home.operations.start(RECIPE)
    assert (await home.operations.wait(operation.id, "completed")).status is Status.COMPLETED


@on_a_loop
async def test_every_request_settles_when_the_worker_dies() -> None:
    home = house(PREDICT=[], **RUNNING)
    operation = home.operations.start(RECIPE)
    await settled()
    asked = [asyncio.ensure_future(home.operations.predict(operation.id, [])) for _ in range(3)]
    await settled()
    home.worker.failed("gone")
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(result, WorkerLost) for result in results)


@on_a_loop
async def test_a_request_without_an_answer_times_out() -> None:
    home = house(PING=[])
    await home.kitchens.ready()
    from backburner.core.messages import Ping

    with pytest.raises(RequestTimeout, match="PING"):
        await home.kitchens.ask(Ping(), timeout_s=0.01)


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


# --- records ---------------------------------------------------------------------------


def with_records(home: FakeHouse, storage: FakeStorage) -> Records:
    records = Records(home.store, storage, now_s=lambda: home.now_s)
    records.open()
    return records


@on_a_loop
async def test_an_interrupted_visit_is_told_at_the_next_one() -> None:
    storage = FakeStorage()
    home = house(**RUNNING)
    with_records(home, storage)
    home.operations.start(RECIPE)
    await settled()
    home.now_s += 2
    next_visit = house()
    with_records(next_visit, storage)
    (found,) = next_visit.store.state.operations.values()
    assert found.status is Status.INTERRUPTED


@on_a_loop
async def test_records_are_written_once_a_second_and_at_every_change_of_status() -> None:
    storage = FakeStorage()
    home = house(**RUNNING)
    with_records(home, storage)
    operation = home.operations.start(RECIPE)
    await settled()
    writes = storage.writes
    start = next(each for each in home.worker.orders if each.message.tag == "START_TRAINING")
    for step in range(5, 25):
        home.now_s += 0.1
        home.worker.say(progressed(step), start)
        await settled()
    assert storage.writes - writes <= 3
    await home.operations.stop(operation.id)
    await settled()
    assert json.loads(storage.texts["records"])["operations"][0]["status"] == "stopped"


@on_a_loop
async def test_a_torn_record_is_put_aside_and_said() -> None:
    storage = FakeStorage(records='{"schema": 1, "operat')
    home = house()
    records = with_records(home, storage)
    assert records.problem is not None
    assert storage.texts["records-unreadable"] == '{"schema": 1, "operat'
    home.operations.start(RECIPE)
    await settled()
    assert json.loads(storage.texts["records"])["schema"] == 1


@on_a_loop
async def test_two_tabs_keep_each_others_runs() -> None:
    storage = FakeStorage()
    here, there = house(), house(**RUNNING)
    with_records(here, storage)
    with_records(there, storage)
    there.operations._new_id = lambda: "op-there"
    there.operations.start(RECIPE)
    await settled()
    done = here.operations.start(RECIPE)
    await here.operations.wait(done.id, "completed")
    await settled()
    records = json.loads(storage.texts["records"])["operations"]
    found = {each["id"]: each["status"] for each in records}
    assert found == {"op-there": "running", done.id: "completed"}


@on_a_loop
async def test_a_record_of_a_newer_version_is_never_overwritten() -> None:
    newer = '{"schema": 99}'
    storage = FakeStorage(records=newer)
    home = house()
    records = with_records(home, storage)
    home.operations.start(RECIPE)
    await settled()
    assert storage.texts == {"records": newer}
    assert "newer version" in (records.problem or "")


@pytest.mark.parametrize("failing", range(1, 6))
@on_a_loop
async def test_a_storage_that_fails_at_any_call_never_stops_a_training(failing: int) -> None:
    storage = FakeStorage()
    storage.fails_in = failing
    home = house()
    with_records(home, storage)
    operation = home.operations.start(RECIPE)
    assert (await home.operations.wait(operation.id, "completed")).status is Status.COMPLETED
    await settled()
    assert storage.fails_in <= 0, "the fault was never met"
