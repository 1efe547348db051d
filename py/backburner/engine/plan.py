"""The fast executor, for wasm: a step is a flat list of kernel calls over memory laid out before.

Owns one piece of the wasm backend's memory, with everything of a run in it: its data, parameters,
what the optimizer remembers, and every number in between. There is no tape, and no tensor of
TF.js's: engine/layout.py says what lies where, engine/lowering/ what is called on it, and this
file puts addresses to it and calls. Weights change where they lie. No call yields to the event
loop.

Every kernel call is one call from Python with (almost) nothing to convert, because its arguments
were bound when the list was made: about a microsecond each.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backburner.core.errors import LifecycleError
from backburner.core.messages import PlanCall
from backburner.engine.augmentation import coefficients, noise_key
from backburner.engine.executor import Answers, ExecutorName, LayerOutput, Stopwatch, Workload
from backburner.engine.layers import initial_parameters
from backburner.engine.layout import Memory
from backburner.engine.lowering.activations import ACTIVATIONS
from backburner.engine.lowering.calls import Argument, Call, Calls
from backburner.engine.lowering.layers import RULES
from backburner.engine.lowering.step import lower, lower_update
from backburner.engine.randomness import key
from backburner.engine.regions import Region
from backburner.engine.safetensors import Numbers

if TYPE_CHECKING:
    from backburner.engine.kernels import Kernel, Kernels
    from backburner.engine.tensors import Tensors


EXPLAINED_MS = 5.0
"""For how long a call is repeated, at least, to say what it takes."""


def can_plan(workload: Workload) -> bool:
    """Whether every layer, and the data, are such that can be lowered to kernels."""
    dataset = workload.dataset
    return (dataset.dtype == "uint8" or dataset.scale == 1) and all(
        type(placed.layer) in RULES and getattr(placed.layer, "activation", "linear") in ACTIVATIONS
        for placed in workload.spec.walk()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    calls: Calls
    examples: tuple[Kernel, ...]
    input: tuple[Kernel, ...]
    forward: tuple[Kernel, ...]
    loss: Kernel
    backward: tuple[Kernel, ...]
    infer: tuple[Kernel, ...]
    softmax: Kernel
    answers: Kernel


class Plan:
    """Implements engine/executor.py's Executor with our own kernels.

    Raises BackendError, and leaves nothing behind, when there is no room for the workload.
    """

    name: ExecutorName = "plan"

    def __init__(self, workload: Workload, tensors: Tensors, kernels: Kernels) -> None:
        self.watch: Stopwatch | None = None
        self._workload = workload
        self._kernels = kernels
        self._memory = Memory(workload)
        self._disposed = False
        self._bound: dict[int, _Bound] = {}
        self._seeds = [
            (name, kept["seed"]) for name, kept in self._memory.kept_once.items() if "seed" in kept
        ]
        self._update_calls = lower_update(self._memory, workload)
        # A smaller batch needs no more scratch space than a full one.
        full = self._lower(workload.batch_size)
        self._start = kernels.allocate(self._memory.size + full.scratch_bytes)
        try:
            self._update = tuple(map(self._bind, self._update_calls))
            self._upload()
            self._write_initial(tensors)
        except BaseException:
            self.dispose()
            raise

    def _upload(self) -> None:
        dataset, memory = self._workload.dataset, self._memory
        self._kernels.write(self._at(memory.table), dataset.inputs)
        self._kernels.write(self._at(memory.table_labels), array("i", dataset.labels))
        if memory.class_weights is not None and self._workload.class_weights is not None:
            weights = array("f", self._workload.class_weights)
            self._kernels.write(self._at(memory.class_weights), weights)

    def _write_initial(self, tensors: Tensors) -> None:
        """The same first numbers as the tape's, made by the same function."""
        workload = self._workload
        made = initial_parameters(tensors, workload.spec, workload.seed, workload.initial)
        try:
            for name, region in self._memory.parameters["variables"].items():
                self._kernels.write(self._at(region), tensors.read_now(made[name]))
        finally:
            tensors.dispose(*made.values())

    # --- training ----------------------------------------------------------------------

    async def train(
        self, batch: Sequence[int], step: int, factor: float = 1.0
    ) -> tuple[float, float]:
        """See Executor."""
        self._check_lives("training")
        bound, kernels, watch = self._for(len(batch)), self._kernels, self.watch
        if watch is not None:
            watch.start()
        kernels.write(self._at(self._memory.indexes), array("i", batch))
        for name, region in self._seeds:
            words = key(self._workload.seed, f"dropout/{name}", step).seed_words()
            kernels.write(self._at(region), words)
        self._write_augmentation(len(batch), step)
        with kernels.calling("training step"):
            for call in bound.examples:
                call()
            self._lap("input")
            for call in bound.forward:
                call()
            self._lap("forward")
            bound.loss()
            loss, share = kernels.read_floats(self._at(self._memory.figures), 2)
            self._lap("loss")
            if not math.isfinite(loss):
                return loss, share
            for call in bound.backward:
                call()
            self._lap("backward")
            *before, last = self._update
            for call in before:
                call()
            last(*self._workload.optimizer.step_arguments(step + 1, factor))
            self._lap("update")
        return loss, share

    def _write_augmentation(self, count: int, step: int) -> None:
        """How the step varies its examples: where each is taken from, and what seeds the noise."""
        memory, workload = self._memory, self._workload
        if workload.augmentation is None:
            return
        if memory.coefficients is not None:
            height, width, _ = workload.dataset.shape
            found = coefficients(workload.augmentation, workload.seed, step, count, height, width)
            self._kernels.write(self._at(memory.coefficients), found)
        if memory.noise_seed is not None:
            words = noise_key(workload.seed, step).seed_words()
            self._kernels.write(self._at(memory.noise_seed), words)

    def _lap(self, phase: str) -> None:
        if self.watch is not None:
            self.watch.lap(phase)

    def _check_lives(self, wanted: str) -> None:
        if self._disposed:
            raise LifecycleError.between("disposed", wanted, way_out="Start anew.")

    # --- evaluation and prediction -----------------------------------------------------

    async def evaluate(self, batch: Sequence[int]) -> Answers:
        """See Executor."""
        bound, kernels = self._inferred(batch), self._kernels
        with kernels.calling("evaluation"):
            bound.answers()
        rows = bound.calls.rows
        numbers = kernels.read_floats(self._at(self._memory.answers), 3 * rows)
        return Answers(
            errors=numbers[:rows],
            answers=[int(label) for label in numbers[rows : 2 * rows]],
            confidences=numbers[2 * rows :],
        )

    async def logits(self, batch: Sequence[int]) -> array[float]:
        """See Executor."""
        return array("f", self._read(self._inferred(batch).calls.logits))

    def _inferred(self, batch: Sequence[int]) -> _Bound:
        """What was called, now that the logits of a batch lie where they belong."""
        self._check_lives("evaluated")
        bound, kernels = self._for(len(batch)), self._kernels
        kernels.write(self._at(self._memory.indexes), array("i", batch))
        with kernels.calling("evaluation"):
            for call in bound.input:
                call()
            for call in bound.infer:
                call()
        return bound

    async def predict(self, inputs: Sequence[float]) -> array[float]:
        """See Executor."""
        self._check_lives("predicting")
        bound, kernels, memory = self._for(1), self._kernels, self._memory
        kernels.write(self._at(memory.inputs), array("f", inputs))
        with kernels.calling("prediction"):
            for call in bound.infer:
                call()
            bound.softmax()
        size = 4 * bound.calls.rows * self._workload.spec.classes
        return array("f", kernels.read(self._at(memory.probabilities), size))

    async def activations(self, inputs: Sequence[float]) -> list[LayerOutput]:
        """See Executor. An answer leaves every layer's output where it lies."""
        self._check_lives("looked into")
        bound, kernels, memory = self._for(1), self._kernels, self._memory
        kernels.write(self._at(memory.inputs), array("f", inputs))
        with kernels.calling("activations"):
            for call in bound.infer:
                call()
        found = []
        for placed in self._workload.spec.walk():
            output = memory.outputs[placed.name].seen_as(*placed.output_shape)
            numbers = array("f", self._read(output))
            found.append(LayerOutput(layer=placed.name, shape=output.shape, numbers=numbers))
        return found

    # --- weights -----------------------------------------------------------------------

    async def read(self) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
        """See Executor. (Nothing comes between: reading never gives way.)"""
        self._check_lives("read")
        memory = self._memory
        state: dict[str, Numbers] = {}
        shapes, order = self._workload.shapes()
        parameters = self._read_block(memory.weights, memory.parameters["variables"])
        for slot in self._workload.optimizer.slots:
            read = self._read_block(memory.blocks[slot], memory.parameters[slot])
            state |= {f"{name}/{slot}": numbers for name, numbers in read.items()}
        return {name: parameters[name] for name in shapes}, {name: state[name] for name in order}

    def _read_block(self, whole: Region, pieces: Mapping[str, Region]) -> dict[str, Numbers]:
        """The pieces of a region, which is read at once."""
        data, start = self._read(whole), whole.offset
        return {
            name: Numbers(
                shape=region.shape,
                data=data[region.offset - start : region.offset - start + region.size],
            )
            for name, region in pieces.items()
        }

    def _read(self, region: Region) -> bytes:
        return self._kernels.read(self._at(region), region.size)

    async def read_parameters(self, names: Sequence[str]) -> dict[str, Numbers]:
        """See Executor."""
        self._check_lives("read")
        regions = self._memory.parameters["variables"]
        return {
            name: Numbers(
                shape=regions[name].shape,
                data=self._kernels.read(self._at(regions[name]), regions[name].size),
            )
            for name in names
        }

    def write(self, parameters: Mapping[str, Numbers], state: Mapping[str, Numbers]) -> None:
        """See Executor. Room was made when the plan was, so this cannot fail half-way."""
        self._check_lives("restored")
        for block, pieces in self._memory.parameters.items():
            if block == "gradients":
                continue
            for name, region in pieces.items():
                stored = parameters[name] if block == "variables" else state[f"{name}/{block}"]
                self._kernels.write(self._at(region), stored.data)

    def dispose(self) -> None:
        """See Executor."""
        if not self._disposed:
            self._disposed = True
            self._bound.clear()
            self._update = ()
            self._kernels.free(self._start)

    # --- explaining --------------------------------------------------------------------

    def explain(self, clock_ms: Callable[[], float]) -> list[PlanCall]:
        """See Executor. Each call is repeated, beginning with the numbers of the last step.

        A call that works in place goes on from its own result, so the numbers in between mean
        nothing then; parameters and optimizer state are put back afterwards.
        """
        self._check_lives("explained")
        calls = self._lower(self._workload.batch_size)
        blocks = (self._memory.weights, *self._memory.blocks.values())
        kept = [(region, self._read(region)) for region in blocks]
        found = [
            PlanCall(
                phase=call.phase,
                layer=call.layer,
                kernel=call.kernel,
                regions=tuple(
                    f"{region.name} {'x'.join(map(str, region.shape))}" for region in call.regions
                ),
                bytes=sum(region.size for region in call.regions),
                ms=self._time(call, clock_ms),
            )
            for call in (*calls.step, *self._update_calls)
        ]
        for region, data in kept:
            self._kernels.write(self._at(region), data)
        return found

    def _time(self, call: Call, clock_ms: Callable[[], float]) -> float:
        bound = self._bind(call)
        of_the_step = self._workload.optimizer.step_arguments(1)
        last = of_the_step if call is self._update_calls[-1] else ()
        repeats, spent_ms = 1, 0.0
        with self._kernels.calling(call.kernel):
            while True:
                began_ms = clock_ms()
                for _ in range(repeats):
                    bound(*last)
                spent_ms = clock_ms() - began_ms
                if spent_ms >= EXPLAINED_MS:
                    return spent_ms / repeats
                repeats *= 2

    # --- addresses ---------------------------------------------------------------------

    def _lower(self, batch: int) -> Calls:
        return lower(self._workload, self._memory, batch, self._kernels.call)

    def _for(self, batch: int) -> _Bound:
        """The calls for a size of batch, bound once: there are two or three sizes in a run."""
        if batch not in self._bound:
            self._bound[batch] = self._bind_all(self._lower(batch))
        return self._bound[batch]

    def _bind_all(self, calls: Calls) -> _Bound:
        memory, rows, classes = self._memory, calls.rows, self._workload.spec.classes
        softmax = Call(
            phase="answer",
            layer="softmax",
            kernel="softmax",
            arguments=(calls.logits, memory.probabilities, rows, classes),
        )
        answers = Call(
            phase="answer",
            layer="answers",
            kernel="answers",
            arguments=(
                *(calls.logits, memory.labels, memory.probabilities, memory.answers),
                *(rows, classes),
            ),
        )

        def bind(those: Sequence[Call]) -> tuple[Kernel, ...]:
            return tuple(map(self._bind, those))

        return _Bound(
            calls=calls,
            examples=bind(calls.examples),
            input=bind(calls.input),
            forward=bind(calls.forward),
            loss=self._bind(calls.loss),
            backward=bind(calls.backward),
            infer=bind(calls.infer),
            softmax=self._bind(softmax),
            answers=self._bind(answers),
        )

    def _bind(self, call: Call) -> Kernel:
        return self._kernels.bind(call.kernel, *map(self._value, call.arguments))

    def _value(self, argument: Argument) -> float:
        if argument is None:
            return 0
        return self._at(argument) if isinstance(argument, Region) else argument

    def _at(self, region: Region) -> int:
        return self._start + region.offset
