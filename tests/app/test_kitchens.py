"""The kitchen's life: one worker, its replacement, and the page's own thread when there is none."""

from __future__ import annotations

import asyncio

import pytest

from backburner.app import kitchens as kitchens_module
from backburner.core.errors import RequestTimeout, WorkerLost
from backburner.core.lifecycle import Status, WorkerStatus
from backburner.core.messages import (
    DataLoaded,
    Fault,
    PartReported,
    Ping,
    Refused,
    TrainingFailed,
    WorkerFaulted,
)
from backburner.core.state import PartState
from tests.app.makers import DONE, RECIPE, RUNNING, SAVED, FakeHouse, house, settled
from tests.core.makers import model_ready, progressed, worker_ready
from tests.loops import on_a_loop


def modes(home: FakeHouse) -> list[str]:
    return [worker.mode for worker in home.workers]


@on_a_loop
async def test_asking_for_a_worker_when_one_is_alive_gives_the_live_one() -> None:
    home = house()
    for _ in range(3):
        home.kitchens.start()
        await home.kitchens.ensure()
    assert home.kitchens.started == 1


@on_a_loop
async def test_an_idle_worker_that_answers_no_ping_is_replaced_by_a_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kitchens_module, "PING_TIMEOUT_S", 0.01)
    home = house()
    await home.kitchens.ready()
    home.answer.by_tag["PING"] = []  # type: ignore[attr-defined]
    await home.kitchens.ensure()
    assert modes(home) == ["worker", "worker"]
    assert not home.workers[0].alive


@on_a_loop
async def test_a_page_without_workers_cooks_in_its_own_thread() -> None:
    home = house(without_worker="off")
    operation = home.operations.start(RECIPE)
    done = await home.operations.wait(operation.id, "completed")
    assert (done.status, done.mode) == (Status.COMPLETED, "main-thread")
    assert modes(home) == ["main-thread"]
    assert home.kitchens.started == 0
    assert home.store.state.worker.reason == "off"


@on_a_loop
async def test_a_worker_that_cannot_start_is_followed_by_the_main_thread_and_that_by_nothing() -> (
    None
):
    home = house(starts=False)
    waiting = asyncio.ensure_future(home.kitchens.ready())
    await settled()
    for _ in range(10):
        home.worker.say(WorkerFaulted(message="kitchen.js is missing", starting=True))
        await settled()
    assert modes(home) == ["worker", "main-thread"]
    with pytest.raises(WorkerLost, match=r"kitchen\.js is missing"):
        await waiting
    assert home.store.state.worker.status is WorkerStatus.LOST
    assert home.store.state.parts["runs"].state is PartState.FAILED


@on_a_loop
async def test_a_training_that_waits_for_a_kitchen_hears_that_none_will_come() -> None:
    home = house(starts=False)
    operation = home.operations.start(RECIPE)
    for _ in range(2):
        home.worker.say(WorkerFaulted(message="no network", starting=True))
        await settled()
    # Asked for by the run, the page's own thread is tried again, but not for ever.
    for _ in range(5):
        home.worker.say(WorkerFaulted(message="no network", starting=True))
        await settled()
    assert home.operations.get(operation.id).status is Status.FAILED
    assert len(home.workers) <= 5
    home.starts = True
    again = home.operations.start(RECIPE)
    assert (await home.operations.wait(again.id, "completed")).status is Status.COMPLETED


@on_a_loop
async def test_a_worker_that_dies_in_a_run_is_followed_by_the_main_thread() -> None:
    home = house(**SAVED)
    operation = home.operations.start(RECIPE)
    await settled()
    home.answer.by_tag |= {  # type: ignore[attr-defined]
        "INIT_TRAINING": [model_ready(step=3, progress=progressed(3, points=(), epoch_ends=()))],
        "START_TRAINING": [progressed(4, 5), DONE],
    }
    home.worker.failed("out of memory")
    done = await home.operations.wait(operation.id, "completed")
    assert modes(home) == ["worker", "main-thread"]
    assert (done.status, done.mode) == (Status.COMPLETED, "main-thread")
    # Step 4 was trained, not saved, and trained again.
    assert (done.resumed_at, done.redone) == (3, 1)
    first, second = home.orders("INIT_TRAINING")
    assert first.message.recipe is not None  # type: ignore[union-attr]
    assert second.message.recipe is None, "the kept run is taken up"  # type: ignore[union-attr]
    assert home.orders("START_TRAINING")[-1].message.checkpoint == 3  # type: ignore[union-attr]


@on_a_loop
async def test_a_run_without_a_checkpoint_begins_anew_after_its_worker_died() -> None:
    home = house(**RUNNING)
    operation = home.operations.start(RECIPE)
    await settled()
    home.answer.by_tag["START_TRAINING"] = [progressed(1, 2), DONE]  # type: ignore[attr-defined]
    home.worker.failed("gone")
    done = await home.operations.wait(operation.id, "completed")
    assert (done.status, done.redone) == (Status.COMPLETED, 4)
    assert home.orders("INIT_TRAINING")[-1].message.recipe is not None  # type: ignore[union-attr]
    assert home.store.curves[operation.id].as_dict()["step"] == [1, 2]


@on_a_loop
async def test_tensorflow_failing_in_the_worker_leads_to_the_main_thread() -> None:
    fault = Fault(name="BackendError", message="TF.js could not do conv2d.")
    home = house(START_TRAINING=[TrainingFailed(error=fault)])
    operation = home.operations.start(RECIPE)
    await settled()
    assert modes(home) == ["worker", "main-thread"]
    # The fault has followed: that is the end, and no loop.
    failed = home.operations.get(operation.id)
    assert (failed.status, failed.error) == (Status.FAILED, fault)


@on_a_loop
async def test_a_run_is_restarted_at_most_twice_from_one_checkpoint() -> None:
    home = house(**SAVED)
    operation = home.operations.start(RECIPE)
    await settled()
    home.answer.by_tag |= {  # type: ignore[attr-defined]
        "INIT_TRAINING": [model_ready(step=3, progress=progressed(3, points=(), epoch_ends=()))],
        "START_TRAINING": [progressed(4)],
    }
    for _ in range(6):
        home.worker.failed("crashed")
        await settled()
    failed = home.operations.get(operation.id)
    assert (failed.status, failed.restarts, failed.checkpoint) == (Status.FAILED, 2, 3)
    assert len(home.orders("START_TRAINING")) == 3


@on_a_loop
async def test_a_run_that_gets_further_may_be_restarted_again() -> None:
    home = house(**SAVED)
    operation = home.operations.start(RECIPE)
    await settled()
    home.answer.by_tag["INIT_TRAINING"] = [  # type: ignore[attr-defined]
        model_ready(step=3, progress=progressed(3, points=(), epoch_ends=()))
    ]
    home.worker.failed("crashed")
    await settled()
    # The second kitchen saved a checkpoint: the count begins anew.
    assert home.operations.get(operation.id).restarts == 0


@on_a_loop
async def test_another_try_at_a_worker_is_made_when_it_is_asked_for() -> None:
    home = house(without_worker="This browser has no workers.")
    await home.kitchens.ready()
    home.startup.retry("python")
    await home.kitchens.ready()
    assert modes(home) == ["main-thread", "worker"]
    assert home.store.state.worker.reason is None


@on_a_loop
async def test_a_late_message_of_a_replaced_worker_is_dropped() -> None:
    home = house(**SAVED)
    operation = home.operations.start(RECIPE)
    await settled()
    old = home.worker
    start = home.orders("START_TRAINING")[0]
    home.starts = False
    old.failed("gone")
    await settled()
    old.say(progressed(5, 6), start)
    old.say(DONE, start)
    await settled()
    found = home.operations.get(operation.id)
    assert (found.status, found.step) == (Status.INITIALIZING, 4)


@on_a_loop
async def test_a_worker_that_falls_silent_in_a_run_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kitchens_module, "PING_TIMEOUT_S", 0.01)
    monkeypatch.setattr(kitchens_module, "SILENCE_S", 0.01)
    home = house(**SAVED)
    operation = home.operations.start(RECIPE)
    await settled()
    home.workers[0].house = house_that_says_nothing()
    home.answer.by_tag["START_TRAINING"] = [DONE]  # type: ignore[attr-defined]
    done = await home.operations.wait(operation.id, "completed")
    assert done.status is Status.COMPLETED
    assert modes(home) == ["worker", "main-thread"]


def house_that_says_nothing() -> FakeHouse:
    return FakeHouse(lambda _order: [])


@on_a_loop
async def test_a_thread_that_slept_does_not_take_the_worker_for_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # After a sleep the time-out fires first, although the answer lies ready.
    monkeypatch.setattr(kitchens_module, "PING_TIMEOUT_S", 0.01)
    monkeypatch.setattr(kitchens_module, "SLEPT_S", -1.0)
    home = house()
    await home.kitchens.ready()
    asked = 0

    def second_time(_order: object) -> list[object]:
        nonlocal asked
        asked += 1
        return [] if asked == 1 else home.answer.by_tag["PING"]  # type: ignore[attr-defined]

    answers = home.answer
    home.answer = lambda order: second_time(order) if order.tag == "PING" else answers(order)  # type: ignore[assignment,return-value]
    home.answer.by_tag = answers.by_tag  # type: ignore[attr-defined]
    await home.kitchens.ensure()
    assert home.kitchens.started == 1


@on_a_loop
async def test_a_worker_that_makes_long_steps_is_given_their_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kitchens_module, "PING_TIMEOUT_S", 0.01)
    monkeypatch.setattr(kitchens_module, "SILENCE_S", 0.01)
    slow = progressed(1, ms_per_step=10_000.0)
    home = house(START_TRAINING=[slow])
    home.operations.start(RECIPE)
    await settled()
    home.workers[0].house = house_that_says_nothing()
    await asyncio.sleep(0.1)
    assert home.workers[0].alive


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
    with pytest.raises(RequestTimeout, match="PING"):
        await home.kitchens.ask(Ping(), timeout_s=0.01)


@on_a_loop
async def test_each_part_of_the_start_has_a_state_and_another_try() -> None:
    fault = Fault(name="DataError", message="data/digits.bin could not be loaded.")
    home = house(starts=False, LOAD_DATA=[Refused(error=fault)])
    home.worker.say(PartReported(part="python", state="ready"))
    await settled()
    parts = {name: part.state.value for name, part in home.store.state.parts.items()}
    assert parts == {
        "python": "ready",
        "tensorflow": "loading",
        "runs": "waiting",
        "data": "waiting",
    }
    home.worker.say(worker_ready())
    await settled()
    assert home.store.state.parts["data"].state is PartState.FAILED
    assert "digits.bin" in home.store.state.parts["data"].detail
    assert home.store.state.parts["runs"].state is PartState.READY
    home.answer.by_tag["LOAD_DATA"] = [DataLoaded(source="digits", examples=3)]  # type: ignore[attr-defined]
    home.startup.retry("data")
    await settled()
    assert home.store.state.parts["data"].state is PartState.READY
    assert len(home.orders("LIST_RUNS")) == 1, "the other parts were left alone"
