"""Measuring in the worker, in plain CPython: the clock moves only by steps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backburner.core.messages import (
    Bench,
    BenchResult,
    DescribeWeights,
    InitTraining,
    Ping,
    Refused,
    StartTraining,
    WeightsDescribed,
)
from backburner.worker import trials
from tests.loops import on_a_loop
from tests.worker.makers import Talk, undisturbed

WORKLOAD: dict[str, Any] = {
    "input": [6],
    "layers": [{"type": "dense", "units": 3}],
    "batch_size": 4,
}
RECIPE = {"recipe": 1, "training": {"epochs": 3}}


def bench(workload: dict[str, Any] = WORKLOAD, **options: Any) -> Bench:
    return Bench(workload=workload, options=options)


async def measured(talk: Talk, **options: Any) -> BenchResult:
    answer = await talk.ask(bench(**options), None)
    assert isinstance(answer, BenchResult), answer
    return answer


async def refusal(talk: Talk, order: Bench) -> tuple[str, str | None]:
    answer = await talk.ask(order, None)
    assert isinstance(answer, Refused)
    return answer.error.name, answer.error.key


@on_a_loop
async def test_each_round_gives_a_median_over_enough_steps() -> None:
    talk = Talk(step_ms=30.0)
    result = await measured(talk, warmup_ms=100, round_ms=300, rounds=4)
    assert (result.backend, result.kernels, result.executor) == ("wasm", "stock", "tape")
    assert result.ms_per_step == result.best_ms == (30.0,) * 4
    assert result.steps == (10,) * 4
    assert result.phases == {"everything": 30.0}
    (training,) = talk.kitchen.made
    assert training.disposed == 1
    assert training.step == 4 + 4 * 10 + 10
    assert talk.kitchen.turns == training.step


@on_a_loop
async def test_steps_shorter_than_the_clock_can_tell_are_timed_in_groups() -> None:
    talk = Talk(step_ms=0.25)
    result = await measured(talk, warmup_ms=0, round_ms=20, rounds=1)
    assert result.ms_per_step == (0.25,)
    assert result.steps == (80,)
    warmed_up, phases = 1 + 2 + 4 + 8, 80
    assert talk.kitchen.made[0].step == warmed_up + 80 + phases
    assert talk.kitchen.turns == 4 + 10 + phases


@on_a_loop
async def test_a_training_under_way_goes_on_undisturbed_and_orders_are_heard() -> None:
    talk = Talk(step_ms=30.0)
    await talk.ask(InitTraining(recipe=RECIPE))
    training = talk.send(StartTraining())
    measuring = talk.send(bench(round_ms=3_000, rounds=3), None)
    assert (await talk.ask(Ping(), None)).tag == "PONG"
    assert (await talk.answer(training)).tag == "TRAINING_COMPLETE"
    described = await talk.ask(DescribeWeights())
    assert isinstance(described, WeightsDescribed)
    assert described.sha256 == undisturbed(12)
    assert (await talk.answer(measuring)).tag == "BENCH_RESULT"
    assert talk.said("TRAINING_COMPLETE")


@on_a_loop
async def test_another_backend_is_measured_beside_a_training_on_the_first() -> None:
    talk = Talk()
    talk.kitchen.works = {"wasm", "cpu"}
    await talk.ask(InitTraining(recipe=RECIPE))
    training = talk.send(StartTraining())
    assert (await measured(talk, backend="cpu", rounds=1)).backend == "cpu"
    assert (await talk.answer(training)).tag == "TRAINING_COMPLETE"
    assert (await measured(talk, rounds=1)).backend == "wasm"


@on_a_loop
async def test_a_backend_that_cannot_be_had_is_refused() -> None:
    talk = Talk()
    assert (await refusal(talk, bench(backend="webgpu")))[0] == "BackendError"
    assert talk.kitchen.made == []
    await measured(talk, rounds=1)


@on_a_loop
async def test_a_card_that_hangs_is_given_up_and_the_next_measurement_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trials.in_time, "__defaults__", (0.01,))
    talk = Talk()
    talk.kitchen.works = {"wasm", "webgl"}
    talk.kitchen.silent = {"webgl"}
    refused = await talk.ask_patiently(bench(backend="webgl"), None)
    assert refused.error.name == "BackendError"  # type: ignore[union-attr]
    (training,) = talk.kitchen.made
    assert training.disposed == 1
    assert (await measured(talk, rounds=1)).backend == "wasm"


@pytest.mark.parametrize(
    ("order", "key"),
    [
        (bench({**WORKLOAD, "input": []}), "input"),
        (bench({**WORKLOAD, "layers": [{"type": "flatten"}, {"type": "conv2d"}]}), "layers[1]"),
        (bench(warmup_ms=-5), "warmup_ms"),
        (bench(backend="abacus"), "backend"),
    ],
    ids=["input", "layers", "time", "backend"],
)
def test_what_cannot_be_measured_is_refused_naming_the_key(order: Bench, key: str) -> None:
    @on_a_loop
    async def ask() -> None:
        talk = Talk()
        _, named = await refusal(talk, order)
        assert named is not None
        assert named.startswith(key)
        assert talk.kitchen.made == []

    ask()


@on_a_loop
async def test_a_measurement_that_fails_frees_its_model() -> None:
    talk = Talk(fails_at=5)
    assert (await refusal(talk, bench()))[0] == "TrainingDiverged"
    assert talk.kitchen.made[0].disposed == 1


@on_a_loop
async def test_closing_ends_a_measurement_and_frees_its_model() -> None:
    talk = Talk()
    talk.send(bench(round_ms=600_000, rounds=1_000), None)
    while not talk.kitchen.made:
        await asyncio.sleep(0)
    await talk.loop.close()
    assert talk.kitchen.made[0].disposed == 1
