"""A kitchen and a training for the loop's tests: no browser, no numbers, every turn counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from backburner.core.errors import DataError, TrainingDiverged
from backburner.core.messages import Message, Order, Pong
from backburner.core.recipe import Recipe
from backburner.core.wire import Envelope, decode, encode
from backburner.engine.data import Split
from backburner.engine.training import Evaluation, Prediction, StepResult
from backburner.worker.loop import Loop


class FakeDataset:
    classes = ("no", "yes")
    labels = (0, 1) * 6
    shape = (2, 1, 1)
    dtype = "uint8"
    scale = 1 / 16
    inputs = bytes(range(17)) + bytes(7)
    digest = "00" * 32


class FakePlaced:
    class layer:  # noqa: N801 - stands where an instance would
        type = "dense"

    name = "dense_1"
    output_shape = (2,)
    parameter_count = 6


class FakeSpec:
    layers = (FakePlaced,)
    parameter_count = 6
    input_shape = (2, 1, 1)


class FakeTraining:
    """What the loop uses of engine.training.Training: `epochs` epochs of four steps."""

    dataset = FakeDataset
    spec = FakeSpec
    steps_per_epoch = 4

    def __init__(self, epochs: int, kitchen: FakeKitchen) -> None:
        self.epochs = epochs
        self.steps = 4 * epochs
        self.step = 0
        self.split = Split(train=tuple(range(8)), validation=(8, 9), test=(10, 11))
        self.disposed = 0
        self.asked: object = None
        self._kitchen = kitchen

    @property
    def epoch(self) -> int:
        return self.step // 4

    async def train_step(self) -> StepResult:
        if self.step + 1 == self._kitchen.fails_at:
            raise TrainingDiverged("After 3 steps the loss is not a number any more.")
        self.step += 1
        self._kitchen.now_ms += self._kitchen.step_ms
        return StepResult(
            step=self.step, epoch=self.epoch, loss=1.0 / self.step, accuracy=0.5, samples=32
        )

    async def evaluation(self, part: str) -> AsyncIterator[Evaluation]:
        indexes = self.split.part(part)  # type: ignore[arg-type]
        yield Evaluation(part=part, loss=1.0, accuracy=0.5, count=1, done=False)  # type: ignore[arg-type]
        yield Evaluation(
            part=part,  # type: ignore[arg-type]
            loss=0.5,
            accuracy=1.0,
            count=len(indexes),
            done=True,
            predictions=tuple(
                Prediction(index=at, label=at % 2, predicted=at % 2, confidence=0.75)
                for at in indexes
            ),
        )

    async def predict(self, inputs: object) -> dict[str, Any]:
        if not isinstance(inputs, list):
            raise DataError("The example to predict has the wrong shape.")
        self.asked = inputs
        return {"label": "yes", "confidence": 0.75, "probabilities": [0.25, 0.75]}

    async def weights(self) -> dict[str, Any]:
        tensors = [{"name": "dense_1/bias", "shape": [2], "sha256": f"{self.step}"}]
        return {"sha256": f"{self.step:064}", "tensors": tensors}

    def dispose(self) -> None:
        self.disposed += 1


class FakeKitchen:
    """Implements worker/loop.py's Kitchen; the clock moves only by steps."""

    def __init__(self, *, epochs: int = 3, step_ms: float = 30.0, fails_at: int = 0) -> None:
        self.epochs = epochs
        self.step_ms = step_ms
        self.fails_at = fails_at
        self.now_ms = 0.0
        self.turns = 0
        self.posted: list[Envelope] = []
        self.times_ms: list[float] = []
        self.buffers: list[tuple[bytes, ...]] = []
        self.trainings: list[FakeTraining] = []

    def post(self, text: str, buffers: tuple[bytes, ...]) -> None:
        self.posted.append(decode(text))
        self.times_ms.append(self.now_ms)
        self.buffers.append(buffers)

    def clock_ms(self) -> float:
        return self.now_ms

    async def turn(self) -> None:
        self.turns += 1
        await asyncio.sleep(0)

    async def prepare(self, recipe: Recipe) -> FakeTraining:
        await asyncio.sleep(0)
        self.trainings.append(FakeTraining(recipe.training.epochs, self))
        return self.trainings[-1]

    def vitals(self, *, models: int, running: int) -> Pong:
        return Pong(
            backend="wasm",
            tensors=0,
            tensor_bytes=0,
            python_bytes=0,
            proxies=None,
            models=models,
            running=running,
        )


class Talk:
    """A conversation with a loop, as the page would lead it."""

    def __init__(self, **kitchen: Any) -> None:
        self.kitchen = FakeKitchen(**kitchen)
        self.loop = Loop(self.kitchen, generation=1)  # type: ignore[arg-type]
        self._count = 0

    def send(self, order: Order, operation: str | None = "op-1") -> str:
        """Sends without waiting; gives the request's id."""
        self._count += 1
        request = f"r{self._count}"
        envelope = Envelope(message=order, generation=1, request=request, operation=operation)
        self.loop.receive(encode(envelope))
        return request

    async def ask(self, order: Order, operation: str | None = "op-1") -> Message:
        """Sends, and waits for the answer to this very request."""
        return await self.answer(self.send(order, operation))

    async def answer(self, request: str) -> Message:
        for _ in range(1_000):
            for envelope in self.kitchen.posted:
                if envelope.request == request and envelope.message.tag != "TRAINING_PROGRESS":
                    return envelope.message
            await asyncio.sleep(0)
        raise AssertionError(f"no answer to {request}")

    def said(self, tag: str) -> list[Any]:
        """All messages with this tag, in order."""
        return [each.message for each in self.kitchen.posted if each.message.tag == tag]
