"""One training: a recipe's model on its data, from the first step to the last.

Owns where the run stands, which examples come when, what is said of a step, and what goes into
a checkpoint; the numbers are its executor's (engine/executor.py). It must not know when it is
asked for the next step, by whom, or what becomes of the figures: between two calls everything
stands still, so a caller may pause, predict, or stop there. On wasm and cpu no call yields to
the event loop by itself; the caller does, between calls.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from backburner.core.errors import Damaged, DataError, LifecycleError, TrainingDiverged
from backburner.core.kinds import TrainingRecipes
from backburner.core.promise import tape_bytes
from backburner.core.recipe import Recipe
from backburner.engine.checkpoint import Checkpoint, describe_weights
from backburner.engine.data import Dataset, Part, one_example
from backburner.engine.executor import Answers, Executor, LayerOutput, Workload
from backburner.engine.plan import Plan, can_plan
from backburner.engine.randomness import key
from backburner.engine.results import Evaluation, Prediction, StepResult
from backburner.engine.scratch import plan_bytes
from backburner.engine.tape import Tape
from backburner.engine.task import Task

if TYPE_CHECKING:
    from backburner.engine.kernels import Kernels
    from backburner.engine.tensors import Tensors

Ask = Callable[[Sequence[int]], Coroutine[Any, Any, Answers]]
"""As Executor.evaluate."""


def executor_for(workload: Workload, tensors: Tensors, kernels: Kernels | None) -> Executor:
    """The executor that trains this workload on the backend in use.

    It depends on the workload, the backend and the kernels alone, so a run that is taken up gets
    the one that it had.
    """
    if will_plan(workload, backend=tensors.backend, has_kernels=kernels is not None):
        assert kernels is not None
        return Plan(workload, tensors, kernels)
    return Tape(workload, tensors)


def will_plan(workload: Workload, *, backend: str, has_kernels: bool) -> bool:
    """Whether this workload is trained by a plan there, or else on the tape."""
    return has_kernels and backend == "wasm" and can_plan(workload)


def needed_bytes(workload: Workload, *, backend: str, has_kernels: bool) -> int:
    """The memory that a training holds at its fullest: little more than its numbers where it is
    a plan, several times that on the tape."""
    if will_plan(workload, backend=backend, has_kernels=has_kernels):
        return plan_bytes(workload)
    return tape_bytes(
        workload.spec,
        batch_size=workload.batch_size,
        slots=len(workload.optimizer.slots),
        examples=len(workload.dataset),
    )


class Training:
    """A model in training, and what it needs. Make it with `of`, end it with `dispose`."""

    def __init__(self, task: Task, *, executor: Executor, backend: str) -> None:
        recipe, workload, split = task.recipe, task.workload, task.split
        self.task = task
        self.recipe = recipe
        self.workload = workload
        self.dataset = workload.dataset
        self.spec = workload.spec
        self.split = split
        self.executor = executor
        self.batch_size = workload.batch_size
        self.step = 0
        self.epochs = recipe.training.epochs
        self.steps_per_epoch = -(-len(split.train) // self.batch_size)
        self.steps = self.epochs * self.steps_per_epoch
        self._backend = backend
        self._order: tuple[int, list[int]] = (-1, [])
        self._disposed = False

    @classmethod
    def of(cls, task: Task, tensors: Tensors, kernels: Kernels | None = None) -> Training:
        """A training at step 0, its data uploaded to the backend in use.

        Raises BackendError, and leaves no tensor behind when it does.
        """
        executor = executor_for(task.workload, tensors, kernels)
        return cls(task, executor=executor, backend=tensors.backend)

    @classmethod
    def from_recipe(
        cls, recipe: Recipe, dataset: Dataset, tensors: Tensors, kernels: Kernels | None = None
    ) -> Training:
        """A training from the start. Raises LayerError, DataError or BackendError, as `of`."""
        return cls.of(Task.from_recipe(recipe, dataset), tensors, kernels)

    @property
    def epoch(self) -> int:
        """How many epochs are finished."""
        return self.step // self.steps_per_epoch

    # --- training ----------------------------------------------------------------------

    async def train_step(self) -> StepResult:
        """Trains on the next batch.

        Raises TrainingDiverged, and changes nothing, when the loss is no number any more;
        LifecycleError after the last step.
        """
        if self._disposed or self.step >= self.steps:
            raise LifecycleError.between(
                "disposed" if self._disposed else "completed", "training", way_out="Start anew."
            )
        batch = self._batch(self.step)
        schedule = self.recipe.training.schedule
        factor = schedule.factor(self.step, self.steps) if schedule else 1.0
        loss, share = await self.executor.train(batch, self.step, factor)
        if not math.isfinite(loss):
            raise _diverged(self.recipe, self.step)
        self.step += 1
        answers = len(batch) * (self.spec.positions or 1)
        right = round(share * answers)  # float32 of a share is a little off
        return StepResult(
            step=self.step,
            epoch=self.epoch,
            loss=loss,
            accuracy=right / answers,
            samples=len(batch),
        )

    def _batch(self, step: int) -> list[int]:
        """The examples of a step, as indexes into the dataset; an epoch's last may be short."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            order = key(self.recipe.seed, "order", epoch).permutation(len(self.split.train))
            self._order = (epoch, [self.split.train[i] for i in order])
        start = place * self.batch_size
        return self._order[1][start : start + self.batch_size]

    # --- evaluation and prediction -----------------------------------------------------

    async def evaluation(
        self, part: Part, ask: Ask | None = None
    ) -> AsyncGenerator[Evaluation, None]:
        """Goes through a part in batches, and yields the figures so far after each.

        `ask` gives the answers instead of the model as it is. Raises TrainingDiverged when the
        answers are no numbers any more.
        """
        ask = ask or self.executor.evaluate
        indexes = self.split.part(part)
        predictions: list[Prediction] = []
        loss = right = 0.0
        places = self.spec.positions or 1
        if not indexes:
            yield Evaluation(part=part, loss=None, accuracy=None, count=0, done=True)
        for start in range(0, len(indexes), self.batch_size):
            batch = indexes[start : start + self.batch_size]
            said = await ask(batch)
            asked = [index * places + place for index in batch for place in range(places)]
            for index, error, predicted, confidence in zip(
                asked, said.errors, said.answers, said.confidences, strict=True
            ):
                label = self.dataset.labels[index]
                loss += error
                right += predicted == label
                if self.spec.positions is None:
                    predictions.append(
                        Prediction(
                            index=index, label=label, predicted=predicted, confidence=confidence
                        )
                    )
            if not math.isfinite(loss):
                raise _diverged(self.recipe, self.step)
            count = start + len(batch)
            done = count == len(indexes)
            yield Evaluation(
                part=part,
                loss=loss / (count * places),
                accuracy=right / (count * places),
                count=count,
                done=done,
                predictions=tuple(predictions) if done else (),
            )

    async def predict(self, inputs: object) -> dict[str, Any]:
        """`{"label", "confidence", "probabilities"}` of one example, on the weights of now.

        `inputs` are the numbers that the model sees (0 to 1 for digits), in one row or
        nested as rows of columns, with or without a list of channels. Raises DataError, also
        for a model that answers at each position of a sequence: its answer is not one label.
        """
        if self.spec.positions is not None:
            raise DataError(
                "This model answers at each position of a sequence, and cannot be asked for one "
                "answer about all of it."
            )
        numbers = one_example(inputs, self.dataset.shape)
        probabilities = list(await self.executor.predict(numbers))
        confidence = max(probabilities)
        if not all(map(math.isfinite, probabilities)):
            raise _diverged(self.recipe, self.step)
        return {
            "label": self.dataset.classes[probabilities.index(confidence)],
            "confidence": confidence,
            "probabilities": probabilities,
        }

    async def activations(self, inputs: object) -> list[LayerOutput]:
        """What every layer puts out for one example, on the weights of now.

        `inputs` are given as for `predict`; of a text, the indexes of its characters. Raises
        DataError.
        """
        numbers = one_example(inputs, self.dataset.shape, self.dataset.symbols)
        outputs = await self.executor.activations(numbers)
        if not all(math.isfinite(number) for output in outputs for number in output.numbers):
            raise _diverged(self.recipe, self.step)
        return outputs

    # --- weights and checkpoints -------------------------------------------------------

    async def weights(self) -> dict[str, Any]:
        """`{"sha256", "tensors": [{"name", "shape", "sha256"}, ...]}` of the weights of now."""
        parameters, _ = await self.executor.read()
        return describe_weights(parameters)

    async def checkpoint(self, *, kernels: str = "stock") -> bytes:
        """All that is needed to go on exactly from here, as one file.

        It is of one moment, whatever happens while it is read. To be asked for between two
        steps. Raises TrainingDiverged for weights that are no numbers any more: those are never
        kept.
        """
        step = self.step
        parameters, state = await self.executor.read()
        if not all(numbers.are_finite() for numbers in parameters.values()):
            raise _diverged(self.recipe, step)
        return Checkpoint(
            step=step,
            optimizer=self.recipe.training.optimizer,
            recipe_sha256=self.task.recipe_sha256,
            data_sha256=self.dataset.digest,
            backend=self._backend,
            kernels=kernels,
            executor=self.executor.name,
            parameters=parameters,
            state=state,
        ).to_bytes()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes to where the checkpoint was made, wherever this training stands.

        All or nothing. Raises DataError, RecipeError or Damaged for a checkpoint that is not of
        this training, BackendError when there is no room for it.
        """
        if self._disposed:
            raise LifecycleError.between("disposed", "restored", way_out="Start anew.")
        checkpoint.check_belongs_to(
            recipe_sha256=self.task.recipe_sha256,
            data_sha256=self.dataset.digest,
            data=self.recipe.data.source,
        )
        parameters, state = self.workload.shapes()
        checkpoint.check_fits(parameters=parameters, state=state)
        if checkpoint.step > self.steps:
            raise Damaged(
                "A checkpoint cannot be used: it is of a step after the last one. An older one "
                "may still be good.",
                detail=f"step {checkpoint.step} of {self.steps}",
            )
        self.executor.write(checkpoint.parameters, checkpoint.state)
        self.step = checkpoint.step

    def dispose(self) -> None:
        """Frees all that this training holds. May be called again."""
        self._disposed = True
        self.executor.dispose()


def _diverged(recipe: TrainingRecipes, step: int) -> TrainingDiverged:
    rate = recipe.training.learning_rate
    return TrainingDiverged(
        f"After {step:,} steps the loss is not a number any more: the steps were too large, and "
        f"the weights ran away. Try a smaller learning rate, {rate / 10:g} instead of {rate:g}.",
        key="training.learning_rate",
    )
