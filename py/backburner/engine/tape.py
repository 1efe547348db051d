"""The executor that works everywhere: each step is recorded on TF.js's tape and differentiated.

Owns the tensors of a run: its data on the backend, its parameters, what the optimizer remembers.
Parameters are values: a step makes new tensors and disposes of the old ones (why: see
engine/optimizers.py). On wasm and cpu no call yields to the event loop by itself.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from backburner.core.errors import LifecycleError
from backburner.core.messages import PlanCall
from backburner.engine.augmentation import augmented
from backburner.engine.executor import Answers, ExecutorName, LayerOutput, Stopwatch, Workload
from backburner.engine.gradients import register_missing_kernels
from backburner.engine.layers import forward, initial_parameters
from backburner.engine.optimizers import clip_by_global_norm, initial_state
from backburner.engine.safetensors import Numbers

if TYPE_CHECKING:
    from backburner.engine.tensors import Tensor, Tensors


class Tape:
    """Implements engine/executor.py's Executor on whatever backend is in use.

    Raises BackendError, and leaves no tensor behind, when there is no room for the workload.
    """

    name: ExecutorName = "tape"

    def __init__(self, workload: Workload, tensors: Tensors) -> None:
        register_missing_kernels(tensors)
        self.watch: Stopwatch | None = None
        self.parameters: dict[str, Tensor] = {}
        self.state: dict[str, Tensor] = {}
        self._workload = workload
        self._tensors = tensors
        self._inputs: Tensor = None
        self._labels: Tensor = None
        self._disposed = False
        positions = workload.spec.positions
        self._places = () if positions is None else (positions,)
        self._trained = [name for name, each in workload.spec.parameters() if each.is_trained]
        try:
            self._upload()
            self.parameters = initial_parameters(
                tensors, workload.spec, workload.seed, workload.initial
            )
            trained = {name: self.parameters[name] for name in self._trained}
            self.state = initial_state(tensors, workload.optimizer, trained)
        except BaseException:
            self.dispose()
            raise

    def _upload(self) -> None:
        tensors, dataset = self._tensors, self._workload.dataset
        with tensors.scope():
            shape = (len(dataset), *dataset.shape)
            inputs = tensors.from_bytes(dataset.inputs, shape, dataset.dtype)
            if dataset.scale != 1:
                inputs = tensors.multiply(inputs, dataset.scale)
            labels = array("i", dataset.labels)
            wanted = (len(dataset), *self._places)
            self._inputs = tensors.keep(inputs)
            self._labels = tensors.keep(tensors.from_bytes(labels, wanted, "int32"))

    # --- training ----------------------------------------------------------------------

    async def train(
        self, batch: Sequence[int], step: int, factor: float = 1.0
    ) -> tuple[float, float]:
        """See Executor."""
        self._check_lives("training")
        tensors, workload, names = self._tensors, self._workload, self._trained
        figures: Tensor = None
        gradients: list[Tensor] = []
        statistics: dict[str, Tensor] = {}
        if self.watch is not None:
            self.watch.start()
        try:
            with tensors.scope():
                x, labels, weights = self._examples(batch)
                x = self._augmented(x, len(batch), step)
                counted = self._by_class(batch, weights)

                def loss_of(values: list[Tensor]) -> Tensor:
                    nonlocal figures
                    gathered: dict[str, Tensor] = {}
                    logits = forward(
                        tensors,
                        workload.spec,
                        {**self.parameters, **dict(zip(names, values, strict=True))},
                        x,
                        training=True,
                        seed=workload.seed,
                        step=step,
                        examples=len(batch),
                        statistics=gathered,
                    )
                    errors, correct = self._errors(self._rows(logits), labels)
                    loss = tensors.sum(tensors.multiply(errors, counted))
                    accuracy = tensors.sum(tensors.multiply(correct, weights))
                    figures = tensors.keep(tensors.stack([loss, accuracy]))
                    for name, moved in gathered.items():
                        statistics[name] = tensors.keep(moved)
                    return loss

                values = [self.parameters[name] for name in names]
                _, found = tensors.value_and_gradients(loss_of, values)
                found = self._regularized(dict(zip(names, found, strict=True)))
                if workload.clip_norm is not None:
                    found = clip_by_global_norm(tensors, found, workload.clip_norm)
                gradients = [tensors.keep(gradient) for gradient in found]
            self._lap("forward and backward")
            loss, share = await tensors.read_floats(figures)
            self._lap("read")
            if math.isfinite(loss):
                self._check_lives("training")
                found_by_name = dict(zip(names, gradients, strict=True))
                self._update(found_by_name, statistics, step + 1, factor)
                statistics = {}  # they are parameters now
                self._lap("update")
        finally:
            left = [] if figures is None else [figures]
            tensors.dispose(*gradients, *statistics.values(), *left)
        return loss, share

    def _augmented(self, x: Tensor, count: int, step: int) -> Tensor:
        workload = self._workload
        if workload.augmentation is None:
            return x
        return augmented(
            self._tensors, workload.augmentation, x, seed=workload.seed, step=step, count=count
        )

    def _by_class(self, batch: Sequence[int], weights: Tensor) -> Tensor:
        """How much each answer counts in the loss: its `weights`, times its class's weight."""
        of_class, labels = self._workload.class_weights, self._workload.dataset.labels
        if of_class is None:
            return weights
        missing = self._workload.batch_size - len(batch)
        found = [of_class[labels[index]] for index in batch] + [0.0] * missing
        return self._tensors.multiply(weights, self._tensors.floats(found, (len(found),)))

    def _regularized(self, gradients: dict[str, Tensor]) -> list[Tensor]:
        """The gradients of the loss with the regularizer: that of `l2` w^2 is 2 `l2` w."""
        tensors = self._tensors
        for name in self._workload.regularized():
            pull = tensors.multiply(self.parameters[name], 2 * (self._workload.l2 or 0.0))
            gradients[name] = tensors.add(gradients[name], pull)
        return list(gradients.values())

    def _update(
        self,
        gradients: dict[str, Tensor],
        statistics: dict[str, Tensor],
        count: int,
        factor: float,
    ) -> None:
        """Replaces what learns, and the optimizer's state, by new tensors, and the statistics by
        these, which are kept; `count` counts steps from 1."""
        tensors = self._tensors
        trained = {name: self.parameters[name] for name in gradients}
        with tensors.scope():
            updated, state = self._workload.optimizer.update(
                tensors, trained, gradients, self.state, count, factor
            )
            for tensor in (*updated.values(), *state.values()):
                tensors.keep(tensor)
        new = {**updated, **statistics}
        old = [*(self.parameters[name] for name in new), *self.state.values()]
        self.parameters, self.state = {**self.parameters, **new}, state
        tensors.dispose(*old)

    def _examples(self, batch: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs of a batch, always `batch_size` examples, and labels and weights of all answers.

        A short batch is filled up with its first example at weight 0, for TF.js's wasm memory
        grows with every new shape; the others' answers have weight 1 / their number.
        """
        tensors, size = self._tensors, self._workload.batch_size
        missing = size - len(batch)
        indexes = tensors.integers([*batch, *[batch[0]] * missing])
        answers, places = len(batch) * self._per_example, missing * self._per_example
        weights = tensors.floats([1 / answers] * answers + [0.0] * places, (answers + places,))
        labels = tensors.reshape(tensors.gather(self._labels, indexes), (-1,))
        return tensors.gather(self._inputs, indexes), labels, weights

    @property
    def _per_example(self) -> int:
        """How many answers the model gives for an example."""
        return self._places[0] if self._places else 1

    def _rows(self, answers: Tensor) -> Tensor:
        """One row for each answer: [batch, positions, classes] as [batch x positions, classes]."""
        if not self._places:
            return answers
        return self._tensors.reshape(answers, (-1, self._workload.spec.classes))

    def _errors(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of each answer [rows], and 1 where it is right, else 0."""
        tensors = self._tensors
        targets = tensors.one_hot(labels, self._workload.spec.classes)
        likely = tensors.sum(tensors.multiply(tensors.log_softmax(logits), targets), 1)
        right = tensors.equal(tensors.arg_max(logits, 1), labels)
        return tensors.multiply(likely, -1.0), tensors.as_float(right)

    def _lap(self, phase: str) -> None:
        if self.watch is not None:
            self.watch.lap(phase)

    def _check_lives(self, wanted: str) -> None:
        if self._disposed:
            raise LifecycleError.between("disposed", wanted, way_out="Start anew.")

    # --- evaluation and prediction -----------------------------------------------------

    async def evaluate(self, batch: Sequence[int]) -> Answers:
        """See Executor."""
        self._check_lives("evaluated")
        tensors, workload = self._tensors, self._workload
        with tensors.scope():
            x, labels, _ = self._examples(batch)
            logits = self._rows(forward(tensors, workload.spec, self.parameters, x))
            errors, _ = self._errors(logits, labels)
            answers = tensors.as_float(tensors.arg_max(logits, 1))
            surest = tensors.max(tensors.softmax(logits), 1)
            figures = tensors.keep(tensors.stack([errors, answers, surest]))
        try:
            numbers = await tensors.read_floats(figures)
        finally:
            tensors.dispose(figures)
        rows, count = (each * self._per_example for each in (workload.batch_size, len(batch)))
        return Answers(
            errors=numbers[:count],
            answers=[int(label) for label in numbers[rows : rows + count]],
            confidences=numbers[2 * rows : 2 * rows + count],
        )

    async def logits(self, batch: Sequence[int]) -> array[float]:
        """See Executor."""
        self._check_lives("evaluated")
        tensors, workload = self._tensors, self._workload
        with tensors.scope():
            x, _, _ = self._examples(batch)
            logits = tensors.keep(forward(tensors, workload.spec, self.parameters, x))
        try:
            numbers = await tensors.read_floats(logits)
        finally:
            tensors.dispose(logits)
        return numbers[: len(batch) * self._per_example * workload.spec.classes]

    async def predict(self, inputs: Sequence[float]) -> array[float]:
        """See Executor."""
        self._check_lives("predicting")
        tensors, workload = self._tensors, self._workload
        with tensors.scope():
            x = tensors.floats(inputs, (1, *workload.dataset.shape))
            logits = forward(tensors, workload.spec, self.parameters, x)
            figures = tensors.keep(tensors.softmax(logits))
        try:
            return await tensors.read_floats(figures)
        finally:
            tensors.dispose(figures)

    async def activations(self, inputs: Sequence[float]) -> list[LayerOutput]:
        """See Executor. All numbers are read as one tensor: a GPU has to be asked only once."""
        self._check_lives("looked into")
        tensors, workload = self._tensors, self._workload
        seen: dict[str, Tensor] = {}
        with tensors.scope():
            x = tensors.floats(inputs, (1, *workload.dataset.shape))
            forward(tensors, workload.spec, self.parameters, x, seen=seen)
            rows = [tensors.reshape(seen[placed.name], (-1,)) for placed in workload.spec.walk()]
            everything = tensors.keep(tensors.concat(rows))
        try:
            numbers = await tensors.read_floats(everything)
        finally:
            tensors.dispose(everything)
        found, start = [], 0
        for placed in workload.spec.walk():
            shape = placed.output_shape
            end = start + math.prod(shape)
            found.append(LayerOutput(layer=placed.name, shape=shape, numbers=numbers[start:end]))
            start = end
        return found

    # --- weights -----------------------------------------------------------------------

    async def read(self) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
        """See Executor. (On wasm and cpu nothing comes between: there reading never gives way.)"""
        self._check_lives("read")
        names = list(self.parameters)
        read = await self._read({**self.parameters, **self.state})
        return {name: read.pop(name) for name in names}, read

    async def read_parameters(self, names: Sequence[str]) -> dict[str, Numbers]:
        """See Executor."""
        self._check_lives("read")
        return await self._read({name: self.parameters[name] for name in names})

    async def _read(self, named: Mapping[str, Tensor]) -> dict[str, Numbers]:
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

    def write(self, parameters: Mapping[str, Numbers], state: Mapping[str, Numbers]) -> None:
        """See Executor."""
        self._check_lives("restored")
        tensors = self._tensors
        with tensors.scope():
            new_parameters, new_state = (
                {
                    name: tensors.from_bytes(stored[name].data, stored[name].shape, "float32")
                    for name in names
                }
                for stored, names in zip((parameters, state), self._workload.shapes(), strict=True)
            )
            for tensor in (*new_parameters.values(), *new_state.values()):
                tensors.keep(tensor)
        old = [*self.parameters.values(), *self.state.values()]
        self.parameters, self.state = new_parameters, new_state
        tensors.dispose(*old)

    def explain(self, clock_ms: Callable[[], float]) -> list[PlanCall]:
        """See Executor: what is on the tape is TF.js's."""
        return []

    def dispose(self) -> None:
        """See Executor."""
        self._disposed = True
        held = [*self.parameters.values(), *self.state.values(), self._inputs, self._labels]
        self.parameters, self.state, self._inputs, self._labels = {}, {}, None, None
        self._tensors.dispose(*(tensor for tensor in held if tensor is not None))
