"""One training: the model, its data on the backend, and the step `gradients, clip, optimizer`.

Owns the tensors of a run from the first to the last. It must not know when it is asked for
the next step, by whom, or what becomes of the figures: between two calls everything stands
still, so a caller may pause, predict, or stop there. On wasm and cpu no call yields to the
event loop by itself; the caller does, between calls.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backburner.core.errors import Damaged, LifecycleError, TrainingDiverged
from backburner.core.model import ModelSpec
from backburner.core.recipe import Recipe
from backburner.core.split import check_batch_size
from backburner.engine.checkpoint import Checkpoint, describe_weights, recipe_sha256
from backburner.engine.data import Dataset, Part, Split, one_example, split_dataset
from backburner.engine.gradients import register_missing_kernels
from backburner.engine.layers import forward, initial_parameters
from backburner.engine.optimizers import (
    Optimizer,
    clip_by_global_norm,
    initial_state,
    optimizer_from_recipe,
)
from backburner.engine.randomness import key
from backburner.engine.results import Evaluation, Prediction, StepResult
from backburner.engine.safetensors import Numbers

if TYPE_CHECKING:
    from backburner.engine.tensors import Tensor, Tensors


class Training:
    """A model in training, and what it needs. Make it with `from_recipe`, end it with `dispose`."""

    def __init__(
        self,
        *,
        recipe: Recipe,
        dataset: Dataset,
        spec: ModelSpec,
        split: Split,
        optimizer: Optimizer,
        tensors: Tensors,
    ) -> None:
        self.recipe = recipe
        self.dataset = dataset
        self.spec = spec
        self.split = split
        self.optimizer = optimizer
        self.batch_size = recipe.training.batch_size
        self.step = 0
        self.epochs = recipe.training.epochs
        self.steps_per_epoch = -(-len(split.train) // self.batch_size)
        self.steps = self.epochs * self.steps_per_epoch
        self._tensors = tensors
        self._order: tuple[int, list[int]] = (-1, [])
        self._recipe_sha256 = recipe_sha256(recipe)
        self.parameters: dict[str, Tensor] = {}
        self.state: dict[str, Tensor] = {}
        self._inputs: Tensor = None
        self._targets: Tensor = None
        self._disposed = False

    @classmethod
    def from_recipe(cls, recipe: Recipe, dataset: Dataset, tensors: Tensors) -> Training:
        """A training at step 0, its data uploaded to the backend in use.

        Raises LayerError, DataError or BackendError, and leaves no tensor behind when it does.
        """
        spec = ModelSpec.from_layers(
            recipe.model.layers,
            input_shape=dataset.shape,
            classes=len(dataset.classes),
            output=recipe.model.output,
        )
        split = split_dataset(dataset.labels, dataset.classes, recipe.data.split, recipe.seed)
        # The recipe was checked with the counts it promises; a file of digits may hold others.
        check_batch_size(recipe.training.batch_size, len(split.train))
        register_missing_kernels(tensors)
        training = cls(
            recipe=recipe,
            dataset=dataset,
            spec=spec,
            split=split,
            optimizer=optimizer_from_recipe(recipe.training),
            tensors=tensors,
        )
        try:
            training._upload()
            training.parameters = initial_parameters(tensors, spec, recipe.seed)
            training.state = initial_state(tensors, training.optimizer, training.parameters)
        except BaseException:
            training.dispose()
            raise
        return training

    def _upload(self) -> None:
        tensors, dataset = self._tensors, self.dataset
        classes = len(dataset.classes)
        targets = bytearray(len(dataset) * classes)
        for index, label in enumerate(dataset.labels):
            targets[index * classes + label] = 1
        with tensors.scope():
            shape = (len(dataset), *dataset.shape)
            inputs = tensors.from_bytes(dataset.inputs, shape, dataset.dtype)
            if dataset.scale != 1:
                inputs = tensors.multiply(inputs, dataset.scale)
            self._inputs = tensors.keep(inputs)
            self._targets = tensors.keep(
                tensors.from_bytes(targets, (len(dataset), classes), "uint8")
            )

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
        tensors, step = self._tensors, self.step
        batch = self._batch(step)
        names = list(self.parameters)
        figures: Tensor = None
        gradients: list[Tensor] = []
        try:
            with tensors.scope():
                x, targets, weights = self._examples(batch)

                def loss_of(values: list[Tensor]) -> Tensor:
                    nonlocal figures
                    parameters = dict(zip(names, values, strict=True))
                    logits = forward(
                        tensors,
                        self.spec,
                        parameters,
                        x,
                        training=True,
                        seed=self.recipe.seed,
                        step=step,
                    )
                    errors, correct = self._errors(logits, targets)
                    loss = tensors.sum(tensors.multiply(errors, weights))
                    accuracy = tensors.sum(tensors.multiply(correct, weights))
                    figures = tensors.keep(tensors.stack([loss, accuracy]))
                    return loss

                values = [self.parameters[name] for name in names]
                _, found = tensors.value_and_gradients(loss_of, values)
                if self.recipe.training.clip_norm is not None:
                    found = clip_by_global_norm(tensors, found, self.recipe.training.clip_norm)
                gradients = [tensors.keep(gradient) for gradient in found]
            loss, share = await tensors.read_floats(figures)
            if not math.isfinite(loss):
                raise _diverged(self.recipe, step)
            if self._disposed:
                raise LifecycleError.between("disposed", "training", way_out="Start anew.")
            self._update(dict(zip(names, gradients, strict=True)))
        finally:
            tensors.dispose(*gradients, *([] if figures is None else [figures]))
        right = round(share * len(batch))  # float32 of a share is a little off
        return StepResult(
            step=self.step,
            epoch=self.epoch,
            loss=loss,
            accuracy=right / len(batch),
            samples=len(batch),
        )

    def _update(self, gradients: dict[str, Tensor]) -> None:
        """Replaces parameters and optimizer state by new tensors, and counts the step."""
        tensors = self._tensors
        with tensors.scope():
            parameters, state = self.optimizer.update(
                tensors, self.parameters, gradients, self.state, self.step + 1
            )
            old = [*self.parameters.values(), *self.state.values()]
            for tensor in (*parameters.values(), *state.values()):
                tensors.keep(tensor)
        self.parameters, self.state = parameters, state
        self.step += 1
        tensors.dispose(*old)

    def _batch(self, step: int) -> list[int]:
        """The examples of a step, as indexes into the dataset; an epoch's last may be short."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            order = key(self.recipe.seed, "order", epoch).permutation(len(self.split.train))
            self._order = (epoch, [self.split.train[i] for i in order])
        start = place * self.batch_size
        return self._order[1][start : start + self.batch_size]

    def _examples(self, batch: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs, one-hot targets and weights of a batch, always `batch_size` of them.

        A short batch is filled up with its first example at weight 0, for TF.js's wasm memory
        grows with every new shape; the others have weight 1 / their number.
        """
        tensors = self._tensors
        missing = self.batch_size - len(batch)
        indexes = tensors.integers([*batch, *[batch[0]] * missing])
        weights = tensors.floats(
            [1 / len(batch)] * len(batch) + [0.0] * missing, (self.batch_size,)
        )
        inputs = tensors.gather(self._inputs, indexes)
        return inputs, tensors.gather(self._targets, indexes), weights

    def _errors(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of each example [batch], and 1 where the answer is right, else 0."""
        tensors = self._tensors
        likely = tensors.sum(tensors.multiply(tensors.log_softmax(logits), targets), 1)
        right = tensors.equal(tensors.arg_max(logits, 1), tensors.arg_max(targets, 1))
        return tensors.multiply(likely, -1.0), tensors.as_float(right)

    # --- evaluation and prediction -----------------------------------------------------

    async def evaluation(self, part: Part) -> AsyncIterator[Evaluation]:
        """Goes through a part in batches, and yields the figures so far after each.

        Raises TrainingDiverged when the model's answers are no numbers any more.
        """
        tensors = self._tensors
        indexes = self.split.part(part)
        predictions: list[Prediction] = []
        loss = right = 0.0
        if not indexes:
            yield Evaluation(part=part, loss=None, accuracy=None, count=0, done=True)
        for start in range(0, len(indexes), self.batch_size):
            batch = indexes[start : start + self.batch_size]
            if self._disposed:
                raise LifecycleError.between("disposed", "evaluated", way_out="Start anew.")
            with tensors.scope():
                x, targets, _ = self._examples(batch)
                logits = forward(tensors, self.spec, self.parameters, x)
                errors, _ = self._errors(logits, targets)
                answers = tensors.as_float(tensors.arg_max(logits, 1))
                surest = tensors.max(tensors.softmax(logits), 1)
                figures = tensors.keep(tensors.stack([errors, answers, surest]))
            try:
                numbers = await tensors.read_floats(figures)
            finally:
                tensors.dispose(figures)
            size = self.batch_size
            for i, index in enumerate(batch):
                label, predicted = self.dataset.labels[index], int(numbers[size + i])
                loss += numbers[i]
                right += predicted == label
                predictions.append(
                    Prediction(
                        index=index,
                        label=label,
                        predicted=predicted,
                        confidence=numbers[2 * size + i],
                    )
                )
            if not math.isfinite(loss):
                raise _diverged(self.recipe, self.step)
            count = start + len(batch)
            done = count == len(indexes)
            yield Evaluation(
                part=part,
                loss=loss / count,
                accuracy=right / count,
                count=count,
                done=done,
                predictions=tuple(predictions) if done else (),
            )

    async def predict(self, inputs: object) -> dict[str, Any]:
        """`{"label", "confidence", "probabilities"}` of one example, on the weights of now.

        `inputs` are the numbers that the model sees (0 to 1 for digits), in one row or
        nested as rows of columns, with or without a list of channels. Raises DataError.
        """
        numbers = one_example(inputs, self.dataset.shape)
        if self._disposed:
            raise LifecycleError.between("disposed", "predicting", way_out="Start anew.")
        tensors = self._tensors
        with tensors.scope():
            x = tensors.floats(numbers, (1, *self.dataset.shape))
            logits = forward(tensors, self.spec, self.parameters, x)
            figures = tensors.keep(tensors.softmax(logits))
        try:
            probabilities = list(await tensors.read_floats(figures))
        finally:
            tensors.dispose(figures)
        confidence = max(probabilities)
        if not all(map(math.isfinite, probabilities)):
            raise _diverged(self.recipe, self.step)
        return {
            "label": self.dataset.classes[probabilities.index(confidence)],
            "confidence": confidence,
            "probabilities": probabilities,
        }

    # --- weights and checkpoints -------------------------------------------------------

    async def weights(self) -> dict[str, Any]:
        """`{"sha256", "tensors": [{"name", "shape", "sha256"}, ...]}` of the weights of now."""
        return describe_weights(await self._read(self.parameters))

    async def checkpoint(self, *, kernels: str = "stock") -> bytes:
        """All that is needed to go on exactly from here, as one file.

        It is of one moment, whatever happens while it is read. To be asked for between two
        steps. Raises TrainingDiverged for weights that are no numbers any more: those are never
        kept.
        """
        tensors, step, names = self._tensors, self.step, list(self.parameters)
        with tensors.scope():
            totals = [tensors.sum(tensor) for tensor in self.parameters.values()]
            total = tensors.keep(tensors.stack(totals))
        try:
            read = await self._read({**self.parameters, **self.state})
            sums = await tensors.read_floats(total)
        finally:
            tensors.dispose(total)
        if not all(map(math.isfinite, sums)):
            raise _diverged(self.recipe, step)
        return Checkpoint(
            step=step,
            optimizer=self.recipe.training.optimizer,
            recipe_sha256=self._recipe_sha256,
            data_sha256=self.dataset.digest,
            backend=tensors.backend,
            kernels=kernels,
            parameters={name: read.pop(name) for name in names},
            state=read,
        ).to_bytes()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes to where the checkpoint was made, wherever this training stands.

        All or nothing. Raises DataError, RecipeError or Damaged for a checkpoint that is not of
        this training, BackendError when there is no room for it.
        """
        if self._disposed:
            raise LifecycleError.between("disposed", "restored", way_out="Start anew.")
        checkpoint.check_belongs_to(
            recipe_sha256=self._recipe_sha256,
            data_sha256=self.dataset.digest,
            data=self.recipe.data.source,
        )
        shapes = {name: parameter.shape for name, parameter in self.spec.parameters()}
        slots = [f"{name}/{slot}" for name in shapes for slot in self.optimizer.slots]
        checkpoint.check_fits(
            parameters=shapes, state={name: shapes[name.rpartition("/")[0]] for name in slots}
        )
        if checkpoint.step > self.steps:
            raise Damaged(
                "A checkpoint cannot be used: it is of a step after the last one. An older one "
                "may still be good.",
                detail=f"step {checkpoint.step} of {self.steps}",
            )
        tensors = self._tensors
        with tensors.scope():
            parameters, state = (
                {
                    name: tensors.from_bytes(stored[name].data, stored[name].shape, "float32")
                    for name in names
                }
                for stored, names in ((checkpoint.parameters, shapes), (checkpoint.state, slots))
            )
            for tensor in (*parameters.values(), *state.values()):
                tensors.keep(tensor)
        old = [*self.parameters.values(), *self.state.values()]
        self.parameters, self.state, self.step = parameters, state, checkpoint.step
        tensors.dispose(*old)

    async def _read(self, named: Mapping[str, Tensor]) -> dict[str, Numbers]:
        """The numbers of tensors as they are now, even if a step or a disposal comes between.

        (On wasm and cpu nothing does: there reading never gives way.)
        """
        tensors = self._tensors
        with tensors.scope():
            copies = {name: tensors.clone(tensor) for name, tensor in named.items()}
            for copy in copies.values():  # not before all are there: a failure leaves none
                tensors.keep(copy)
        try:
            return {
                name: Numbers(shape=tensors.shape(copy), data=await tensors.read(copy))
                for name, copy in copies.items()
            }
        finally:
            tensors.dispose(*copies.values())

    def dispose(self) -> None:
        """Frees every tensor of this training. May be called again."""
        self._disposed = True
        held = [*self.parameters.values(), *self.state.values(), self._inputs, self._targets]
        self.parameters, self.state, self._inputs, self._targets = {}, {}, None, None
        self._tensors.dispose(*(tensor for tensor in held if tensor is not None))


def _diverged(recipe: Recipe, step: int) -> TrainingDiverged:
    rate = recipe.training.learning_rate
    return TrainingDiverged(
        f"After {step:,} steps the loss is not a number any more: the steps were too large, and "
        f"the weights ran away. Try a smaller learning rate, {rate / 10:g} instead of {rate:g}.",
        key="training.learning_rate",
    )
