"""A kitchen and a training for the loop's tests: no browser, no numbers, every turn counted."""

from __future__ import annotations

import asyncio
import hashlib
from array import array
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

from backburner.core.convolutions import Conv2D
from backburner.core.errors import BackendError, DataError, LifecycleError, TrainingDiverged
from backburner.core.messages import Message, Order, Pong
from backburner.core.recipe import Recipe
from backburner.core.wire import Envelope, decode, encode
from backburner.engine.checkpoint import Checkpoint
from backburner.engine.data import Split
from backburner.engine.executor import LayerOutput, Stopwatch
from backburner.engine.results import Evaluation, Prediction, StepResult
from backburner.engine.safetensors import Numbers
from backburner.engine.task import Start, Task
from backburner.worker.loop import Loop
from tests.worker.database import FakeDatabase


class FakeDataset:
    classes = ("no", "yes")
    labels = (0, 1) * 6
    shape = (2, 1, 1)
    dtype = "uint8"
    scale = 1 / 16
    inputs = bytes(range(17)) + bytes(7)
    digest = "00" * 32
    is_text = False

    def __len__(self) -> int:
        return len(self.labels)


class FakePlaced:
    layer = Conv2D(filters=1, kernel_size=(2, 1))
    name = "conv2d_1"
    parameters = layer.parameters((2, 1, 1))
    output_shape = (2,)
    parameter_count = 6
    adapter = None


class FakeSpec:
    layers = (FakePlaced,)
    trained_count = 6
    parameter_count = 6
    input_shape = (2, 1, 1)
    positions: int | None = None

    @classmethod
    def walk(cls) -> tuple[type[FakePlaced], ...]:
        return cls.layers


class FakeExecutor:
    """What a measurement and a look inside ask of a training's executor."""

    name = "tape"
    watch: Stopwatch | None = None

    async def read_parameters(self, names: Sequence[str]) -> dict[str, Numbers]:
        data = array("f", [0.5, -1.0]).tobytes()
        return {name: Numbers(shape=(2, 1, 1, 1), data=data) for name in names}


class FakeTraining:
    """What the loop uses of engine.training.Training: `epochs` epochs of four steps.

    The weights after a step depend on all steps before, and the evaluations on the weights.
    """

    spec = FakeSpec
    steps_per_epoch = 4

    def __init__(self, task: Task, kitchen: FakeKitchen, backend: str) -> None:
        recipe = task.recipe
        self.recipe: Any = recipe
        self.task = task
        self.backend = backend
        self.trained = 0
        self.dataset = task.workload.dataset
        self.epochs = recipe.training.epochs
        self.steps = 4 * self.epochs
        self.step = 0
        self.weight = b"\0" * 8
        self.executor = FakeExecutor()
        self.split = Split(train=tuple(range(8)), validation=(8, 9), test=(10, 11))
        self.disposed = 0
        self.checkpoints = 0
        self.asked: object = None
        self.evaluated_at: list[int] = []
        self._kitchen = kitchen

    @property
    def epoch(self) -> int:
        return self.step // 4

    async def train_step(self) -> StepResult:
        if self._kitchen.hangs or self.backend in self._kitchen.silent:
            await asyncio.Event().wait()
        if self.step + 1 == self._kitchen.fails_at:
            raise self._kitchen.fault
        if self.step + 1 == self._kitchen.dies_at.get(self.backend):
            raise BackendError("The graphics processor was reset.")
        self.step += 1
        self.trained += 1
        self.weight = weight_after(self.weight, self.step)
        if self.executor.watch is not None:
            self.executor.watch.start()
        self._kitchen.now_ms += self._kitchen.paces_ms.get(self.backend, self._kitchen.step_ms)
        if self.executor.watch is not None:
            self.executor.watch.lap("everything")
        return StepResult(
            step=self.step, epoch=self.epoch, loss=1.0 / self.step, accuracy=0.5, samples=32
        )

    async def evaluation(self, part: str) -> AsyncIterator[Evaluation]:
        indexes = self.split.part(part)  # type: ignore[arg-type]
        for _ in range(self._kitchen.evaluation_batches - 1):
            self._evaluate()
            yield Evaluation(part=part, loss=1.0, accuracy=0.5, count=1, done=False)  # type: ignore[arg-type]
        self._evaluate()
        yield Evaluation(
            part=part,  # type: ignore[arg-type]
            loss=self.weight[0] / 256,
            accuracy=1.0,
            count=len(indexes),
            done=True,
            predictions=tuple(
                Prediction(index=at, label=at % 2, predicted=at % 2, confidence=0.75)
                for at in indexes
            ),
        )

    def _evaluate(self) -> None:
        if self.disposed:
            raise LifecycleError.between("disposed", "evaluated", way_out="Start anew.")
        self.evaluated_at.append(self.step)

    async def activations(self, inputs: object) -> list[LayerOutput]:
        self.asked = inputs
        return [LayerOutput(layer="conv2d_1", shape=(2,), numbers=array("f", [4.0, -2.0]))]

    async def predict(self, inputs: object) -> dict[str, Any]:
        if not isinstance(inputs, list):
            raise DataError("The example to predict has the wrong shape.")
        self.asked = inputs
        return {"label": "yes", "confidence": 0.75, "probabilities": [0.25, 0.75]}

    async def weights(self) -> dict[str, Any]:
        tensors = [{"name": "dense_1/bias", "shape": [2], "sha256": self.weight.hex()}]
        return {"sha256": self.weight.hex(), "tensors": tensors}

    async def checkpoint(self, *, kernels: str) -> bytes:
        self.checkpoints += 1
        return Checkpoint(
            step=self.step,
            optimizer="sgd",
            recipe_sha256="01" * 32,
            data_sha256=self.dataset.digest,
            backend=self.backend,
            kernels=kernels,
            parameters={"dense_1/bias": Numbers(shape=(2,), data=self.weight)},
            state={},
        ).to_bytes()

    def restore(self, checkpoint: Checkpoint) -> None:
        checkpoint.check_belongs_to(
            recipe_sha256="01" * 32, data_sha256=self.dataset.digest, data="digits"
        )
        self.step = checkpoint.step
        self.weight = checkpoint.parameters["dense_1/bias"].data

    def dispose(self) -> None:
        self.disposed += 1


def weight_after(weight: bytes, step: int) -> bytes:
    return hashlib.sha256(weight + bytes([step % 256])).digest()[:8]


def undisturbed(steps: int) -> str:
    """The sha256 that a FakeTraining describes after so many steps."""
    weight = b"\0" * 8
    for step in range(1, steps + 1):
        weight = weight_after(weight, step)
    return weight.hex()


class FakeKitchen:
    """Implements worker/kitchen.py's Kitchen; the clock moves only by steps.

    `works` are the backends that can be started; `paces_ms` says how long a step takes on each.
    Those of `lies` know their sums no more, those of `silent` answer nothing, `dies_at` names the
    step at which one fails, and `cannot_build` the how-manieth model that one cannot build.
    """

    backend = "wasm"
    kernels = "stock"
    needed = 1_000

    def __init__(
        self, *, step_ms: float = 30.0, fails_at: int = 0, fault: Exception | None = None
    ) -> None:
        diverged = TrainingDiverged("After 3 steps the loss is not a number any more.")
        self.fault = fault or diverged
        self.step_ms = step_ms
        self.fails_at = fails_at
        self.hangs = False
        self.evaluation_batches = 2
        self.dataset: Any = FakeDataset()
        self.now_ms = 0.0
        self.turns = 0
        self.closed = 0
        self.works = {"wasm"}
        self.paces_ms: dict[str, float] = {}
        self.needed_on: dict[str, int] = {}
        self.lies: set[str] = set()
        self.silent: set[str] = set()
        self.dies_at: dict[str, int] = {}
        self.asked: list[str] = []
        self.started: list[str] = []
        self.cannot_build: dict[str, int] = {}
        self.posted: list[Envelope] = []
        self.times_ms: list[float] = []
        self.buffers: list[tuple[bytes, ...]] = []
        self.made: list[FakeTraining] = []

    @property
    def trainings(self) -> list[FakeTraining]:
        """Those of runs; what only a backend was tried with is over before it is kept."""
        return [
            each
            for each in self.made
            if not (each.disposed and each.trained and not each.checkpoints)
        ]

    def post(self, text: str, buffers: tuple[bytes, ...]) -> None:
        self.posted.append(decode(text))
        self.times_ms.append(self.now_ms)
        self.buffers.append(buffers)

    def clock_ms(self) -> float:
        return self.now_ms

    def now_s(self) -> float:
        return 1_000.0 + self.now_ms / 1_000.0

    async def turn(self) -> None:
        self.turns += 1
        await asyncio.sleep(0)

    async def gather(self, recipe: Recipe) -> Any:
        return self.dataset

    def task(self, recipe: Recipe, data: Any, start: Start | None) -> Any:
        return SimpleNamespace(
            recipe=recipe, recipe_sha256="01" * 32, workload=SimpleNamespace(dataset=data)
        )

    def kernels_on(self, backend: str) -> str:
        return self.kernels

    async def start_backend(self, backend: str) -> None:
        self.started.append(backend)
        if backend not in self.works:
            raise BackendError(f"The backend {backend} could not be started.", detail="no adapter")

    async def check_backend(self, backend: str) -> None:
        self.asked.append(backend)
        if backend in self.silent:
            await asyncio.Event().wait()
        if backend in self.lies:
            raise BackendError("A sum with a known answer came out wrong.", detail="canary")

    async def prepare(self, task: Task, *, backend: str) -> FakeTraining:
        await asyncio.sleep(0)
        if backend in self.cannot_build:
            self.cannot_build[backend] -= 1
            if not self.cannot_build[backend]:
                raise BackendError("There is no room for the model.")
        self.made.append(FakeTraining(task, self, backend))
        return self.made[-1]

    def needed_bytes(self, task: Task, *, backend: str) -> int:
        return self.needed_on.get(backend, self.needed)

    def device_gb(self) -> float | None:
        return None

    async def load(self, source: str) -> int:
        await asyncio.sleep(0)
        if source != "digits":
            raise DataError(f"The site ships no data called {source!r}.", key="data.source")
        return len(self.dataset.labels)

    def close(self) -> None:
        self.closed += 1

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

    def __init__(
        self,
        database: FakeDatabase | None = None,
        *,
        debug: bool = False,
        kitchen: FakeKitchen | None = None,
        **options: Any,
    ) -> None:
        self.kitchen = kitchen or FakeKitchen(**options)
        self.database = database or FakeDatabase()
        self.loop = Loop(self.kitchen, self.database, generation=1, debug=debug)  # type: ignore[arg-type]
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
                if envelope.request == request and not envelope.message.tag.endswith("_PROGRESS"):
                    return envelope.message
            await asyncio.sleep(0)
        raise AssertionError(f"no answer to {request}")

    async def ask_patiently(self, order: Order, operation: str | None = "op-1") -> Message:
        """The same, where the answer comes only after a time-out."""
        request = self.send(order, operation)
        while not any(each.request == request for each in self.kitchen.posted):
            await asyncio.sleep(0.005)
        return await self.answer(request)

    def said(self, tag: str) -> list[Any]:
        """All messages with this tag, in order."""
        return [each.message for each in self.kitchen.posted if each.message.tag == tag]
