"""A graphics card that goes under a run is dropped, and the run goes on without it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backburner.app import kitchens as kitchens_module
from backburner.core.errors import BackendError
from backburner.core.lifecycle import Status
from backburner.core.messages import (
    Checkpointed,
    Fault,
    Message,
    PreparationReported,
    Refused,
    TrainingFailed,
)
from tests.app.makers import DONE, RECIPE, FakeHouse, house, settled
from tests.core.makers import model_ready, progressed
from tests.loops import on_a_loop

LOST = TrainingFailed(error=Fault.from_error(BackendError("The graphics processor was reset.")))
SAFE = Checkpointed(step=3, bytes=900, took_ms=1.0)


def answers(home: FakeHouse, *runs: list[Message]) -> None:
    """What START_TRAINING is answered with, one time after the other."""
    waiting = list(runs)
    told = home.answer

    def answer(order: Any) -> list[Message]:
        if order.tag == "START_TRAINING":
            return waiting.pop(0)
        if order.tag == "INIT_TRAINING":
            free = [each for each in ("webgpu", "webgl", "wasm") if each not in order.without]
            return [model_ready(backend=free[0])]
        return told(order)

    home.answer = answer


@on_a_loop
async def test_a_card_that_fails_is_followed_by_the_next_backend_in_the_same_worker() -> None:
    home = house()
    answers(home, [progressed(1, 2, 3, 4), SAFE, LOST], [progressed(5), DONE])
    key = home.operations.start(RECIPE).id
    done = await home.operations.wait(key, "completed")
    assert (done.status, done.backend, done.dropped) == (Status.COMPLETED, "webgl", ("webgpu",))
    assert [each.message.without for each in home.orders("INIT_TRAINING")] == [(), ("webgpu",)]
    assert len(home.orders("DISPOSE")) == 1
    assert len(home.workers) == 1
    assert home.store.state.backend == "webgl"


@on_a_loop
async def test_backends_are_dropped_twice_from_one_checkpoint_and_no_more() -> None:
    home = house()
    answers(home, [progressed(1), SAFE, LOST], [LOST], [LOST])
    key = home.operations.start(RECIPE).id
    ended = await home.operations.wait(key, "completed")
    assert ended.status is Status.FAILED
    assert ended.dropped == ("webgpu", "webgl")
    assert len(home.orders("START_TRAINING")) == 3


@on_a_loop
async def test_what_wasm_cannot_do_in_the_worker_is_done_by_the_page_as_ever() -> None:
    home = house(START_TRAINING=[LOST])
    key = home.operations.start(RECIPE).id
    await settled()
    home.answer.by_tag["START_TRAINING"] = [DONE]  # type: ignore[attr-defined]
    ended = await home.operations.wait(key, "completed")
    assert (ended.mode, ended.dropped) == ("main-thread", ())


@on_a_loop
async def test_a_card_that_was_only_tried_is_not_blamed_for_the_backend_that_was_chosen() -> None:
    def at_work(backend: str) -> PreparationReported:
        return PreparationReported(backend=backend, needed_bytes=1, available_bytes=2)

    no_room = Refused(error=Fault.from_error(BackendError("There is no room for the model.")))
    home = house(INIT_TRAINING=[at_work("wasm"), at_work("webgl"), at_work("wasm"), no_room])
    key = home.operations.start(RECIPE).id
    while len(home.workers) < 2:
        await settled()
    home.answer.by_tag["INIT_TRAINING"] = [model_ready(backend="wasm")]  # type: ignore[attr-defined]
    await settled()
    assert (home.worker.mode, home.store.get(key).dropped) == ("main-thread", ())


@pytest.mark.parametrize(("backend", "mode"), [("webgl", "worker"), ("wasm", "main-thread")])
@on_a_loop
async def test_a_worker_lost_on_a_card_is_replaced_and_one_lost_on_wasm_is_given_up(
    backend: str, mode: str
) -> None:
    home = house(INIT_TRAINING=[model_ready(backend=backend)], START_TRAINING=[progressed(1), SAFE])
    key = home.operations.start(RECIPE).id
    await settled()
    home.answer.by_tag["INIT_TRAINING"] = [model_ready(backend="wasm")]  # type: ignore[attr-defined]
    home.answer.by_tag["START_TRAINING"] = [DONE]  # type: ignore[attr-defined]
    home.worker.failed("It is gone.")
    done = await home.operations.wait(key, "completed")
    assert (done.mode, done.dropped) == (mode, ("webgl",) if backend == "webgl" else ())


@on_a_loop
async def test_a_preparation_that_falls_silent_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SILENCE_S", "PING_TIMEOUT_S"):
        monkeypatch.setattr(kitchens_module, name, 0.01)
    home = house(INIT_TRAINING=[])
    key = home.operations.start(RECIPE).id
    await settled()
    home.answer.by_tag["PING"] = []  # type: ignore[attr-defined]
    while len(home.workers) < 2:
        await settled()
        await asyncio.sleep(0.01)
    assert home.worker.mode == "main-thread"
    assert home.store.get(key).status is Status.INITIALIZING
