"""The choice of a backend: measured, remembered, and corrected by what happens in a run."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from backburner.core.messages import (
    DescribeWeights,
    Dispose,
    InitTraining,
    ModelReady,
    StartTraining,
    StopTraining,
)
from backburner.engine.checkpoint import Checkpoint
from backburner.worker import trials
from backburner.worker.records import KeptCheckpoint
from tests.loops import on_a_loop
from tests.worker.database import FakeDatabase
from tests.worker.makers import Talk, undisturbed

RECIPE: dict[str, Any] = {"recipe": 1, "training": {"epochs": 3}}
LONG: dict[str, Any] = {"recipe": 1, "training": {"epochs": 500}}


def talk_with(database: FakeDatabase | None = None, **paces_ms: float) -> Talk:
    """A worker where these backends work, at these milliseconds a step."""
    talk = Talk(database)
    talk.kitchen.works = set(paces_ms)
    talk.kitchen.paces_ms = paces_ms
    return talk


def rewrite_checkpoints(database: FakeDatabase, **change: Any) -> None:
    """As if something else had computed them."""
    rows = database.stores["checkpoints"]
    for key, row in rows.items():
        kept = KeptCheckpoint.from_row(row)
        file = replace(Checkpoint.from_bytes(kept.file), **change).to_bytes()
        rows[key] = replace(kept, file=file).to_row()


async def prepared(talk: Talk, operation: str = "op-1", **order: Any) -> ModelReady:
    answer = await talk.ask(InitTraining(**{"recipe": RECIPE, **order}), operation)
    assert isinstance(answer, ModelReady), answer
    return answer


def heard(talk: Talk) -> list[str]:
    """The backends that the page heard of, in order: the chosen one is the last."""
    return [each.backend for each in talk.said("PREPARING") if each.backend]


@on_a_loop
async def test_the_fastest_backend_trains_and_the_page_hears_what_is_tried() -> None:
    talk = talk_with(wasm=30.0, webgl=20.0)
    ready = await prepared(talk)
    assert ready.backend == "webgl"
    assert heard(talk) == ["wasm", "webgpu", "webgl", "webgl"]
    times = {each.backend: each.ms_per_step for each in ready.measured}
    assert times == {"wasm": 30.0, "webgpu": None, "webgl": 20.0, "cpu": None}
    assert (await talk.ask(StartTraining())).tag == "TRAINING_COMPLETE"
    assert any("wasm 30.0 ms" in each.text for each in talk.said("LOG"))


@on_a_loop
async def test_a_choice_is_remembered_by_the_next_worker() -> None:
    first = talk_with(wasm=30.0, webgl=20.0)
    await prepared(first)
    second = talk_with(FakeDatabase(of=first.database), wasm=30.0, webgl=20.0)
    ready = await prepared(second, "op-2")
    assert (ready.backend, heard(second)) == ("webgl", ["webgl", "webgl"])
    assert second.kitchen.asked == ["webgl"], "it still has to know its sums"
    other = {**RECIPE, "training": {"epochs": 3, "batch_size": 16}}
    assert (await prepared(second, "op-3", recipe=other)).backend == "webgl"
    assert heard(second)[2:] == ["wasm", "webgpu", "webgl", "webgl"], (
        "another shape is another model"
    )


@on_a_loop
async def test_where_nothing_can_be_kept_it_is_measured_each_time() -> None:
    talk = talk_with(wasm=30.0, webgl=20.0)
    for name in ("op-1", "op-2"):
        talk.database.stores["backends"].clear()
        assert (await prepared(talk, name)).backend == "webgl"
    assert heard(talk) == ["wasm", "webgpu", "webgl", "webgl"] * 2


@on_a_loop
async def test_a_backend_that_lies_is_out_however_fast_it_is() -> None:
    talk = talk_with(wasm=30.0, webgl=5.0)
    talk.kitchen.lies = {"webgl"}
    ready = await prepared(talk)
    assert ready.backend == "wasm"
    assert {each.backend: each.problem for each in ready.measured}["webgl"] == "canary"


@on_a_loop
async def test_a_card_that_does_not_answer_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials.in_time, "__defaults__", (0.01,))
    talk = talk_with(wasm=30.0, webgl=5.0)
    talk.kitchen.silent = {"webgl"}
    ready = await talk.ask_patiently(InitTraining(recipe=RECIPE))
    assert ready.backend == "wasm"  # type: ignore[union-attr]


@on_a_loop
async def test_a_trial_leaves_nothing_behind_and_changes_nothing_in_the_run() -> None:
    talk = talk_with(wasm=30.0, webgl=29.0)
    ready = await prepared(talk)
    assert ready.step == 0
    await talk.ask(StartTraining())
    assert (await talk.ask(DescribeWeights())).sha256 == undisturbed(12)  # type: ignore[union-attr]
    assert [each.disposed for each in talk.kitchen.made] == [1, 1, 0]


@on_a_loop
async def test_the_backend_that_was_asked_for_is_the_only_one_that_is_tried() -> None:
    talk = talk_with(wasm=30.0, cpu=300.0)
    ready = await prepared(talk, backend="cpu")
    assert (ready.backend, heard(talk)) == ("cpu", ["cpu", "cpu"])
    assert ready.promised_s is not None


@on_a_loop
async def test_where_the_one_that_was_asked_for_cannot_be_had_the_others_are_measured() -> None:
    talk = talk_with(wasm=30.0)
    ready = await prepared(talk, backend="webgpu")
    assert ready.backend == "wasm"
    assert heard(talk) == ["webgpu", "wasm", "webgl", "wasm"]


@on_a_loop
async def test_a_stop_cuts_the_measurement_short() -> None:
    talk = talk_with(wasm=30.0, webgl=29.0)
    init = talk.send(InitTraining(recipe=LONG))
    while not heard(talk):
        await asyncio.sleep(0)
    stop = talk.send(StopTraining())
    assert (await talk.answer(init)).tag == "MODEL_READY"
    assert (await talk.answer(stop)).tag == "STOPPED"
    assert heard(talk) == ["wasm", "wasm"]
    assert talk.database.stores["backends"] == {}


@on_a_loop
async def test_a_run_is_promised_by_the_pace_of_its_trial_and_the_next_by_that_of_the_run() -> None:
    talk = talk_with(wasm=50.0)
    assert (await prepared(talk)).promised_s == pytest.approx(12 * 0.05)
    talk.kitchen.paces_ms["wasm"] = 80.0
    await talk.ask(StartTraining())
    assert (await prepared(talk, "op-2")).promised_s == pytest.approx(12 * 0.08)


@on_a_loop
async def test_the_memory_that_is_promised_is_that_on_the_backend_that_was_chosen() -> None:
    talk = talk_with(wasm=30.0, webgl=20.0)
    talk.kitchen.needed_on = {"wasm": 1_000, "webgl": 4_000}
    ready = await prepared(talk)
    assert talk.said("PREPARING")[0].needed_bytes == 1_000
    assert (ready.backend, ready.promised_bytes) == ("webgl", 4_000)


@on_a_loop
async def test_the_page_hears_of_the_chosen_backend_before_the_model_is_built_on_it() -> None:
    talk = talk_with(wasm=30.0, webgl=40.0)
    talk.kitchen.cannot_build = {"wasm": 2}
    refused = await talk.ask(InitTraining(recipe=RECIPE))
    assert refused.error.name == "BackendError"  # type: ignore[union-attr]
    assert heard(talk) == ["wasm", "webgpu", "webgl", "wasm"], "the card is innocent"


@on_a_loop
async def test_a_remembered_card_is_named_before_it_is_started() -> None:
    first = talk_with(wasm=30.0, webgl=20.0)
    await prepared(first, recipe=LONG)
    first.send(StartTraining())
    while first.kitchen.trainings[-1].step < 9:
        await asyncio.sleep(0)
    await first.ask(StopTraining())
    for name, recipe in (("op-2", LONG), ("op-1", None)):
        talk = talk_with(FakeDatabase(of=first.database), wasm=30.0, webgl=20.0)
        talk.kitchen.silent = {"webgl"}
        talk.send(InitTraining(recipe=recipe), name)
        while not talk.kitchen.asked:
            await asyncio.sleep(0)
        assert (talk.kitchen.asked, heard(talk)) == (["webgl"], ["webgl"])
        await talk.loop.close()


@on_a_loop
async def test_a_run_is_built_only_on_a_backend_that_was_started() -> None:
    first = talk_with(wasm=30.0, webgl=20.0)
    await prepared(first, recipe=LONG)
    for works, chosen in ((("wasm",), "wasm"), (("wasm", "webgl"), "webgl")):
        talk = talk_with(FakeDatabase(of=first.database), **dict.fromkeys(works, 30.0))
        init = talk.send(InitTraining(recipe=LONG, backend="webgpu"), "op-2")
        while not heard(talk):
            await asyncio.sleep(0)
        talk.send(StopTraining(), "op-2")
        ready = await talk.answer(init)
        assert ready.backend == chosen  # type: ignore[union-attr]
        assert talk.kitchen.started[-1] == chosen, "hurried, and still made ready"


@on_a_loop
async def test_where_nothing_works_the_last_resort_says_why() -> None:
    talk = talk_with()
    refused = await talk.ask(InitTraining(recipe=RECIPE))
    assert (refused.error.name, refused.error.detail) == ("BackendError", "no adapter")  # type: ignore[union-attr]
    assert (heard(talk)[-1], talk.kitchen.made) == ("wasm", [])


@on_a_loop
async def test_the_pace_of_a_run_is_kept_where_its_trial_was() -> None:
    talk = talk_with(wasm=50.0)
    await prepared(talk)
    talk.kitchen.kernels, talk.kitchen.paces_ms["wasm"] = "relaxed", 80.0
    await talk.ask(StartTraining())
    talk.kitchen.kernels = "stock"
    assert (await prepared(talk, "op-2")).promised_s == pytest.approx(12 * 0.08)


# --- in the middle of a run ------------------------------------------------------------


@on_a_loop
async def test_a_card_that_dies_in_a_run_is_followed_by_the_next_backend() -> None:
    talk = talk_with(wasm=30.0, webgl=20.0)
    await prepared(talk, recipe=LONG)
    talk.kitchen.dies_at = {"webgl": 30}
    failed = await talk.ask(StartTraining())
    assert failed.error.name == "BackendError"  # type: ignore[union-attr]
    await talk.ask(Dispose())
    ready = await prepared(talk, recipe=None, without=("webgl",))
    assert (ready.backend, ready.inexact) == ("wasm", True)
    assert ready.step == 28, "the last good checkpoint, at an epoch's end"
    assert (await prepared(talk, "op-2", recipe=LONG)).backend == "wasm", "it is not chosen again"
    asked_for = await prepared(talk, "op-3", recipe=LONG, backend="webgl")
    assert asked_for.backend == "webgl", "unless it is asked for"


@on_a_loop
async def test_nothing_is_kept_of_a_card_that_has_begun_to_lie() -> None:
    talk = talk_with(wasm=30.0, webgl=20.0)
    await prepared(talk, recipe=LONG)
    start = talk.send(StartTraining())
    while talk.kitchen.trainings[-1].step < 9:
        await asyncio.sleep(0)
    talk.kitchen.lies = {"webgl"}
    assert (await talk.answer(start)).error.name == "BackendError"  # type: ignore[union-attr]
    await talk.ask(Dispose())
    assert (await prepared(talk, recipe=None, without=("webgl",))).step == 8


@on_a_loop
async def test_numbers_that_run_away_on_a_card_that_lies_are_the_cards_fault() -> None:
    for lies, name in (({"webgl"}, "BackendError"), (set(), "TrainingDiverged")):
        talk = talk_with(wasm=30.0, webgl=20.0)
        await prepared(talk)
        talk.kitchen.fails_at, talk.kitchen.lies = 3, lies
        failed = await talk.ask(StartTraining())
        assert failed.error.name == name  # type: ignore[union-attr]


@on_a_loop
async def test_a_card_that_hangs_in_a_run_ends_it_as_a_fault_of_the_backend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talk = talk_with(wasm=30.0, webgl=20.0)
    await prepared(talk)
    monkeypatch.setattr(trials.in_time, "__defaults__", (0.01,))
    talk.kitchen.hangs = True
    failed = await talk.ask_patiently(StartTraining())
    assert failed.error.name == "BackendError"  # type: ignore[union-attr]


@on_a_loop
async def test_a_kept_run_goes_on_where_it_was_or_says_that_it_is_not_exact() -> None:
    first = talk_with(wasm=30.0, webgl=20.0)
    await prepared(first, recipe=LONG)
    first.send(StartTraining())
    while first.kitchen.trainings[-1].step < 9:
        await asyncio.sleep(0)
    await first.ask(StopTraining())
    for works, backend, inexact in (
        ({"wasm": 5.0, "webgl": 20.0}, "webgl", False),
        ({"wasm": 30.0}, "wasm", True),
    ):
        again = talk_with(FakeDatabase(of=first.database), **works)
        ready = await prepared(again, recipe=None)
        assert (ready.backend, ready.inexact) == (backend, inexact)


@pytest.mark.parametrize(
    ("change", "inexact"),
    [
        ({}, False),
        ({"kernels": "simd"}, True),
        ({"executor": "plan"}, True),
        ({"version": "0.0.9"}, True),
    ],
    ids=["the same", "kernels", "executor", "version"],
)
def test_a_run_goes_on_exactly_only_where_all_that_computes_is_what_wrote_its_checkpoint(
    change: dict[str, Any], inexact: bool
) -> None:
    @on_a_loop
    async def go_on() -> None:
        first = talk_with(wasm=30.0)
        await prepared(first, recipe=LONG)
        first.send(StartTraining())
        while first.kitchen.trainings[-1].step < 9:
            await asyncio.sleep(0)
        await first.ask(StopTraining())
        database = FakeDatabase(of=first.database)
        rewrite_checkpoints(database, **change)
        talk = talk_with(database, wasm=30.0)
        ready = await prepared(talk, recipe=None)
        assert ready.step >= 9
        assert ready.inexact is inexact
        assert any("not exact" in each.text for each in talk.said("LOG")) is inexact

    go_on()


@on_a_loop
async def test_a_run_that_goes_on_on_another_backend_is_promised_anew() -> None:
    talk = talk_with(wasm=30.0, webgl=20.0)
    await prepared(talk, recipe=LONG)
    talk.kitchen.dies_at = {"webgl": 30}
    await talk.ask(StartTraining())
    await talk.ask(Dispose())
    ready = await prepared(talk, recipe=None, without=("webgl",))
    assert ready.promised_s == pytest.approx(28 * 0.02 + (2_000 - 28) * 0.03)
