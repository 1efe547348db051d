"""A training that is interrupted and taken up ends exactly where it would have ended."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from tests.engine.laboratory import Laboratory
from tests.engine.test_training import BACKENDS, SHARED, TINY

pytestmark = pytest.mark.browser

# 42 examples in batches of 8: six steps an epoch, the last one of two examples.
RESUME = """
from backburner.engine.checkpoint import Checkpoint

async def to(training, step):
    while training.step < step:
        await training.train_step()

async def main(backend, layers, stops, **options):
    t, whole = await start(backend, layers, **options)
    await to(whole, whole.steps)
    expected = await whole.checkpoint()
    sha256 = (await whole.weights())["sha256"]
    same = []
    for stop in stops:
        _, first = await start(backend, layers, **options)
        await to(first, stop)
        file = await first.checkpoint()
        first.dispose()
        _, second = await start(backend, layers, **options)
        second.restore(Checkpoint.from_bytes(file))
        assert second.step == stop
        assert await second.checkpoint() == file, "bringing it back changes nothing"
        await to(second, second.steps)
        weights = await second.weights()
        same.append(weights["sha256"] == sha256 and await second.checkpoint() == expected)
        second.dispose()
    whole.dispose()
    return [whole.steps, same]
"""


@BACKENDS
@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "adam"},
        {"optimizer": "sgd"},
        {"optimizer": "sgd", "momentum": 0.9},
        {"optimizer": "adamw", "weight_decay": 0.05},
    ],
    ids=["adam", "sgd", "momentum", "adamw"],
)
def test_it_ends_with_the_same_weights_and_the_same_optimizer_state(
    laboratory: Laboratory, backend: str, settings: dict[str, Any]
) -> None:
    # Before the first step, in an epoch, at its end, right after it, before the last, at it.
    stops = [0, 1, 4, 6, 7, 11, 12]
    steps, same = laboratory.run(
        SHARED + dedent(RESUME), backend=backend, layers=TINY, stops=stops, **settings
    )
    assert steps == 12
    assert same == [True] * len(stops)


@BACKENDS
def test_the_same_recipe_and_step_give_the_same_bytes(laboratory: Laboratory, backend: str) -> None:
    code = """
    async def main(backend, layers):
        files = []
        for name in (None, "first"):
            t, training = await start(backend, layers, clip_norm=1.0)
            for _ in range(3):
                await training.train_step()
                await training.checkpoint()
            files.append(await training.checkpoint())
            training.dispose()
        return [files[0] == files[1], len(files[0])]
    """
    same, size = laboratory.run(SHARED + dedent(code), backend=backend, layers=TINY)
    assert same
    assert size > 1_000


@BACKENDS
def test_checkpoints_and_bringing_back_leave_no_tensor(
    laboratory: Laboratory, backend: str
) -> None:
    code = """
    from backburner.engine.checkpoint import Checkpoint
    from dataclasses import replace

    async def main(backend, layers):
        t, training = await start(backend, layers)
        await training.train_step()
        before = t.memory()
        file = await training.checkpoint()
        checkpoint = Checkpoint.from_bytes(file)
        for _ in range(3):
            training.restore(checkpoint)
            await training.checkpoint()
        wrong = [
            replace(checkpoint, data_sha256="00" * 32),
            replace(checkpoint, recipe_sha256="00" * 32),
            replace(checkpoint, state={}),
            replace(checkpoint, step=training.steps + 1),
        ]
        refused = []
        for each in wrong:
            try:
                training.restore(each)
            except BackburnerError as error:
                refused.append(error.name)
        unchanged = await training.checkpoint() == file
        after = t.memory()
        training.dispose()
        gone = None
        try:
            training.restore(checkpoint)
        except BackburnerError as error:
            gone = error.name
        return [before == after, refused, unchanged, gone]
    """
    same, refused, unchanged, gone = laboratory.run(
        SHARED + dedent(code), backend=backend, layers=TINY
    )
    assert same
    assert refused == ["DataError", "RecipeError", "Damaged", "Damaged"]
    assert unchanged
    assert gone == "LifecycleError"


@BACKENDS
def test_weights_that_are_no_numbers_are_never_kept(laboratory: Laboratory, backend: str) -> None:
    code = """
    from dataclasses import replace

    async def main(backend, layers):
        t, training = await start(backend, layers)
        parameters, state = await training.executor.read()
        name, weight = next(iter(parameters.items()))
        nan = array("f", [float("nan")]).tobytes()
        parameters[name] = replace(weight, data=weight.data[:-4] + nan)
        training.executor.write(parameters, state)
        before = t.memory()
        refused = await refusal_awaiting(training.checkpoint())
        same = t.memory() == before
        training.dispose()
        return [refused["name"], same]
    """
    assert laboratory.run(SHARED + dedent(code), backend=backend, layers=TINY) == [
        "TrainingDiverged",
        True,
    ]


@BACKENDS
def test_a_model_without_room_for_its_checkpoint_is_left_as_it_is(
    laboratory: Laboratory, backend: str
) -> None:
    code = """
    from backburner.engine.checkpoint import Checkpoint

    async def main(backend, layers):
        t, training = await start(backend, layers)
        await training.train_step()
        file = await training.checkpoint()
        checkpoint = Checkpoint.from_bytes(file)
        await training.train_step()
        expected = await training.checkpoint()
        before = t.memory()
        real = Tensors.from_bytes
        calls = 0
        def failing(self, *given):
            nonlocal calls
            calls += 1
            if calls == 4:
                raise BackendError("The memory is full.")
            return real(self, *given)
        Tensors.from_bytes = failing
        refused = None
        try:
            training.restore(checkpoint)
        except BackburnerError as error:
            refused = error.name
        finally:
            Tensors.from_bytes = real
        same = t.memory() == before and await training.checkpoint() == expected
        training.dispose()
        return [refused, same]
    """
    assert laboratory.run(SHARED + dedent(code), backend=backend, layers=TINY) == [
        "BackendError",
        True,
    ]
