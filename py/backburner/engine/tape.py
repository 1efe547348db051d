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
from backburner.engine.executor import Answers, ExecutorName, Stopwatch, Workload
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
        self._targets: Tensor = None
        self._disposed = False
        positions = workload.spec.positions
        self._places = () if positions is None else (positions,)
        try:
            self._upload()
            self.parameters = initial_parameters(tensors, workload.spec, workload.seed)
            self.state = initial_state(tensors, workload.optimizer, self.parameters)
        except BaseException:
            self.dispose()
            raise

    def _upload(self) -> None:
        tensors, dataset = self._tensors, self._workload.dataset
        classes = len(dataset.classes)
        targets = bytearray(len(dataset.labels) * classes)
        for index, label in enumerate(dataset.labels):
            targets[index * classes + label] = 1
        with tensors.scope():
            shape = (len(dataset), *dataset.shape)
            inputs = tensors.from_bytes(dataset.inputs, shape, dataset.dtype)
            if dataset.scale != 1:
                inputs = tensors.multiply(inputs, dataset.scale)
            self._inputs = tensors.keep(inputs)
            wanted = (len(dataset), *self._places, classes)
            self._targets = tensors.keep(tensors.from_bytes(targets, wanted, "uint8"))

    # --- training ----------------------------------------------------------------------

    async def train(self, batch: Sequence[int], step: int) -> tuple[float, float]:
        """See Executor."""
        self._check_lives("training")
        tensors, workload = self._tensors, self._workload
        names = list(self.parameters)
        figures: Tensor = None
        gradients: list[Tensor] = []
        if self.watch is not None:
            self.watch.start()
        try:
            with tensors.scope():
                x, targets, weights = self._examples(batch)

                def loss_of(values: list[Tensor]) -> Tensor:
                    nonlocal figures
                    parameters = dict(zip(names, values, strict=True))
                    logits = forward(
                        tensors,
                        workload.spec,
                        parameters,
                        x,
                        training=True,
                        seed=workload.seed,
                        step=step,
                    )
                    errors, correct = self._errors(self._rows(logits), targets)
                    loss = tensors.sum(tensors.multiply(errors, weights))
                    accuracy = tensors.sum(tensors.multiply(correct, weights))
                    figures = tensors.keep(tensors.stack([loss, accuracy]))
                    return loss

                values = [self.parameters[name] for name in names]
                _, found = tensors.value_and_gradients(loss_of, values)
                if workload.clip_norm is not None:
                    found = clip_by_global_norm(tensors, found, workload.clip_norm)
                gradients = [tensors.keep(gradient) for gradient in found]
            self._lap("forward and backward")
            loss, share = await tensors.read_floats(figures)
            self._lap("read")
            if math.isfinite(loss):
                self._check_lives("training")
                self._update(dict(zip(names, gradients, strict=True)), step + 1)
                self._lap("update")
        finally:
            tensors.dispose(*gradients, *([] if figures is None else [figures]))
        return loss, share

    def _update(self, gradients: dict[str, Tensor], count: int) -> None:
        """Replaces parameters and optimizer state by new tensors; `count` counts steps from 1."""
        tensors = self._tensors
        with tensors.scope():
            parameters, state = self._workload.optimizer.update(
                tensors, self.parameters, gradients, self.state, count
            )
            old = [*self.parameters.values(), *self.state.values()]
            for tensor in (*parameters.values(), *state.values()):
                tensors.keep(tensor)
        self.parameters, self.state = parameters, state
        tensors.dispose(*old)

    def _examples(self, batch: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs, one-hot targets and weights of a batch, always of `batch_size` examples.

        A short batch is filled up with its first example at weight 0, for TF.js's wasm memory
        grows with every new shape; the others' answers have weight 1 / their number.
        """
        tensors, size = self._tensors, self._workload.batch_size
        missing = size - len(batch)
        indexes = tensors.integers([*batch, *[batch[0]] * missing])
        answers, places = len(batch) * self._per_example, missing * self._per_example
        weights = tensors.floats([1 / answers] * answers + [0.0] * places, (answers + places,))
        inputs = tensors.gather(self._inputs, indexes)
        return inputs, self._rows(tensors.gather(self._targets, indexes)), weights

    @property
    def _per_example(self) -> int:
        """How many answers the model gives for an example."""
        return self._places[0] if self._places else 1

    def _rows(self, answers: Tensor) -> Tensor:
        """One row for each answer: [batch, positions, classes] as [batch x positions, classes]."""
        if not self._places:
            return answers
        return self._tensors.reshape(answers, (-1, self._workload.spec.classes))

    def _errors(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of each answer [rows], and 1 where it is right, else 0."""
        tensors = self._tensors
        likely = tensors.sum(tensors.multiply(tensors.log_softmax(logits), targets), 1)
        right = tensors.equal(tensors.arg_max(logits, 1), tensors.arg_max(targets, 1))
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
            x, targets, _ = self._examples(batch)
            logits = self._rows(forward(tensors, workload.spec, self.parameters, x))
            errors, _ = self._errors(logits, targets)
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

    # --- weights -----------------------------------------------------------------------

    async def read(self) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
        """See Executor. (On wasm and cpu nothing comes between: there reading never gives way.)"""
        self._check_lives("read")
        tensors = self._tensors
        named = {**self.parameters, **self.state}
        names = list(self.parameters)
        with tensors.scope():
            copies = {name: tensors.clone(tensor) for name, tensor in named.items()}
            for copy in copies.values():  # not before all are there: a failure leaves none
                tensors.keep(copy)
        try:
            read = {
                name: Numbers(shape=tensors.shape(copy), data=await tensors.read(copy))
                for name, copy in copies.items()
            }
        finally:
            tensors.dispose(*copies.values())
        return {name: read.pop(name) for name in names}, read

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
        held = [*self.parameters.values(), *self.state.values(), self._inputs, self._targets]
        self.parameters, self.state, self._inputs, self._targets = {}, {}, None, None
        self._tensors.dispose(*(tensor for tensor in held if tensor is not None))
