"""A kitchen whose trainings are of real networks, with numbers that are made up.

What they are trained on, how it is divided, which parameters there are and how they are called is
all as in the engine; a step only moves every weight that learns by a number that depends on it.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Mapping
from typing import Any

from backburner.core.fine_tuning import Base
from backburner.core.generation import Generation
from backburner.core.recipe import Recipe
from backburner.core.text_data import TextData
from backburner.engine.checkpoint import Checkpoint, weights_sha256
from backburner.engine.data import Dataset
from backburner.engine.executor import Answers
from backburner.engine.randomness import key
from backburner.engine.results import Evaluation, StepResult
from backburner.engine.safetensors import Numbers
from backburner.engine.task import Start, Task
from backburner.worker.ingredients import task_of
from tests.worker.database import FakeDatabase
from tests.worker.makers import FakeKitchen, Talk


class NetworkExecutor:
    """Answers that follow from the weights alone."""

    name = "tape"

    def __init__(self, task: Task) -> None:
        self.task = task
        initial = task.workload.initial
        self.parameters = {
            name: initial.get(name) or Numbers(shape=spec.shape, data=bytes(4 * spec.size))
            for name, spec in task.workload.spec.parameters()
        }

    async def read(self) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
        return dict(self.parameters), {}

    def write(self, parameters: Mapping[str, Numbers], state: Mapping[str, Numbers]) -> None:
        self.parameters = dict(parameters)

    async def evaluate(self, batch: Any) -> Answers:
        count = len(batch)
        return Answers(errors=[0.5] * count, answers=[0] * count, confidences=[0.5] * count)

    async def logits(self, batch: Any) -> array[float]:
        """The second class is the likeliest of those that were known before."""
        classes = self.task.workload.spec.classes
        return array("f", [0, 1, *range(2, classes)] * len(batch))


class NetworkTraining:
    """What the worker uses of engine.training.Training."""

    def __init__(self, task: Task, kitchen: FakeKitchen, backend: str) -> None:
        self.task, self.recipe, self.split = task, task.recipe, task.split
        self.workload, self.dataset, self.spec = task.workload, task.workload.dataset, None
        self.spec = task.workload.spec
        self.backend = backend
        self.executor = NetworkExecutor(task)
        self.epochs = task.recipe.training.epochs
        self.steps_per_epoch = 4
        self.steps = 4 * self.epochs
        self.step = 0
        self.batch_size = task.workload.batch_size
        self.disposed = 0
        self.checkpoints = 0
        self.trained = 0
        self._kitchen = kitchen

    @property
    def epoch(self) -> int:
        return self.step // 4

    async def train_step(self) -> StepResult:
        self.step += 1
        self.trained += 1
        moved = dict(self.executor.parameters)
        for name, spec in self.spec.parameters():
            if spec.is_trained:
                by = (key(self.recipe.seed, name, self.step).words(1)[0] % 1000) / 1000
                numbers = array("f", [each + by for each in array("f", moved[name].data)])
                moved[name] = Numbers(shape=spec.shape, data=numbers.tobytes())
        self.executor.parameters = moved
        self._kitchen.now_ms += self._kitchen.step_ms
        return StepResult(
            step=self.step, epoch=self.epoch, loss=1.0 / self.step, accuracy=0.5, samples=8
        )

    async def evaluation(self, part: Any, ask: Any = None) -> AsyncIterator[Evaluation]:
        indexes = self.split.part(part)
        if not indexes:
            yield Evaluation(part=part, loss=None, accuracy=None, count=0, done=True)
            return
        said = await (ask or self.executor.evaluate)(indexes)
        yield Evaluation(
            part=part,
            loss=sum(said.errors) / len(indexes),
            accuracy=(1 + said.answers[0] + self.step) / 100,
            count=len(indexes),
            done=True,
        )

    async def predict(self, inputs: object) -> dict[str, Any]:
        count = len(self.dataset.classes)
        probabilities = [1.0 / count] * count
        return {
            "label": self.dataset.classes[-1],
            "confidence": 1.0 / count,
            "probabilities": probabilities,
        }

    async def weights(self) -> dict[str, Any]:
        return {"sha256": weights_sha256(self.executor.parameters), "tensors": []}

    async def checkpoint(self, *, kernels: str) -> bytes:
        self.checkpoints += 1
        return Checkpoint(
            step=self.step,
            optimizer="sgd",
            recipe_sha256=self.task.recipe_sha256,
            data_sha256=self.dataset.digest,
            backend=self.backend,
            kernels=kernels,
            parameters=self.executor.parameters,
            state={},
        ).to_bytes()

    def restore(self, checkpoint: Checkpoint) -> None:
        checkpoint.check_belongs_to(
            recipe_sha256=self.task.recipe_sha256, data_sha256=self.dataset.digest, data="inline"
        )
        self.step = checkpoint.step
        self.executor.parameters = dict(checkpoint.parameters)

    def dispose(self) -> None:
        self.disposed += 1


class FakeWriter:
    """Writes the alphabet of its network by the last character read, the seed and the place."""

    start = "\n"

    def __init__(self, symbols: tuple[str, ...], seed: int, kitchen: NetworkKitchen) -> None:
        self.symbols = symbols
        self.seed = seed
        self.last = ""
        self.asked: list[int] = []
        self._kitchen = kitchen

    def read(self, text: str) -> None:
        self.last = text[-1]

    def next(self, settings: Generation, index: int) -> tuple[str, float]:
        self.asked.append(index)
        place = key(self.seed, "sample", index).words(1)[0] + ord(self.last)
        self.last = self.symbols[place % len(self.symbols)]
        self._kitchen.now_ms += self._kitchen.step_ms
        return self.last, 0.5


class NetworkKitchen(FakeKitchen):
    """Builds what recipes say, from data that stand in them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.writers: list[FakeWriter] = []

    async def gather(self, recipe: Recipe) -> Dataset:
        if isinstance(recipe.data, TextData):
            assert recipe.data.text is not None
            return Dataset.from_text(recipe.data.text, recipe.data)
        return Dataset.from_inline(recipe.data)  # type: ignore[arg-type]

    def task(self, recipe: Any, data: Dataset, start: Start | None) -> Task:
        return task_of(recipe, data, start)

    async def prepare(self, task: Task, *, backend: str) -> Any:
        self.made.append(NetworkTraining(task, self, backend))  # type: ignore[arg-type]
        return self.made[-1]

    async def sampler(self, network: Base, weights: Mapping[str, Numbers], seed: int) -> FakeWriter:
        assert {name for name, _ in network.spec().parameters()} == set(weights)
        self.writers.append(FakeWriter(network.classes, seed, self))
        return self.writers[-1]


def talk(database: FakeDatabase | None = None, **options: Any) -> Talk:
    """A conversation with a worker that has such a kitchen."""
    return Talk(database, kitchen=NetworkKitchen(**options))
