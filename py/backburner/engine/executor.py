"""What carries out the steps of a training, and what it has to know: the contract between
`Training`, which knows the recipe, the data's order and the step, and whoever owns the numbers.

An executor is made for one workload, makes its first parameters and its optimizer's state
itself, and counts no steps. A run never changes its executor: two of them agree within a
tolerance, one agrees with itself to the bit.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from backburner.core.augmentation import Augmentation
from backburner.core.class_weights import weights_of
from backburner.core.layer import Shape
from backburner.core.messages import PlanCall
from backburner.core.model import ModelSpec
from backburner.core.training_settings import TrainingRecipe
from backburner.engine.data import Dataset
from backburner.engine.optimizers import Optimizer, optimizer_from_recipe
from backburner.engine.safetensors import Numbers

ExecutorName = Literal["tape", "plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is trained. `clip_norm` of None clips nothing, `l2` regularizes nothing.

    `class_weights` say how much each class counts in the loss of a step, `augmentation` what
    happens to its examples; evaluations know neither.
    `initial` are the parameters, by name, that begin with given numbers; the others are drawn by
    the seed.
    """

    spec: ModelSpec
    dataset: Dataset
    optimizer: Optimizer
    batch_size: int
    seed: int
    clip_norm: float | None
    l2: float | None = None
    class_weights: tuple[float, ...] | None = None
    augmentation: Augmentation | None = None
    initial: Mapping[str, Numbers] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        spec: ModelSpec,
        dataset: Dataset,
        training: TrainingRecipe,
        seed: int,
        *,
        trained: Sequence[int],
        initial: Mapping[str, Numbers] | None = None,
    ) -> Workload:
        """A model on its data, and how a recipe trains it; `trained` are the examples that it
        learns from, which balanced class weights balance."""
        weights = training.class_weights
        found = Counter(dataset.labels[index] for index in trained)
        counts = [found[label] for label in range(len(dataset.classes))]
        return cls(
            spec=spec,
            dataset=dataset,
            optimizer=optimizer_from_recipe(training),
            batch_size=training.batch_size,
            seed=seed,
            clip_norm=training.clip_norm,
            l2=training.l2,
            class_weights=None if weights is None else weights_of(weights, dataset.classes, counts),
            augmentation=training.augmentation,
            initial=initial or {},
        )

    def regularized(self) -> tuple[str, ...]:
        """The parameters that `l2` keeps small."""
        if self.l2 is None:
            return ()
        return tuple(
            name
            for name, parameter in self.spec.parameters()
            if parameter.is_kernel and parameter.is_trained
        )

    def shapes(self) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
        """Of every parameter, and of everything that the optimizer remembers, by name.

        It remembers nothing of what it does not change.
        """
        parameters = {name: parameter.shape for name, parameter in self.spec.parameters()}
        state = {
            f"{name}/{slot}": parameter.shape
            for name, parameter in self.spec.parameters()
            if parameter.is_trained
            for slot in self.optimizer.slots
        }
        return parameters, state


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model says of a batch, a number each for every answer: its cross-entropy, the class
    that it names, and how sure it is of it (its largest probability).

    An answer is an example's, or a position's of an example, one example after the other.
    """

    errors: Sequence[float]
    answers: Sequence[int]
    confidences: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOutput:
    """What one layer puts out for one example, as numbers of `shape`, row by row."""

    layer: str
    shape: Shape
    numbers: array[float]


class Stopwatch:
    """Adds up how long each phase of a step takes, for whoever measures.

    What is computed later than it is called (on a GPU) counts where it is waited for.
    """

    def __init__(self, clock_ms: Callable[[], float]) -> None:
        self.spent_ms: dict[str, float] = {}
        self._clock_ms = clock_ms
        self._since_ms = 0.0

    def start(self) -> None:
        """A step begins."""
        self._since_ms = self._clock_ms()

    def lap(self, phase: str) -> None:
        """What was done since the last lap, or the start, was this phase."""
        now_ms = self._clock_ms()
        self.spent_ms[phase] = self.spent_ms.get(phase, 0.0) + now_ms - self._since_ms
        self._since_ms = now_ms


class Executor(Protocol):
    """A batch is given as indexes into the dataset, `batch_size` of them or fewer.

    Where the model answers at each position of a sequence, means and shares are over the
    positions of all examples alike.

    Every method raises BackendError when the backend fails, and then leaves what was there as
    it was; once disposed, LifecycleError.
    """

    name: ExecutorName
    watch: Stopwatch | None
    """While it is set, `train` laps the phases of each step."""

    async def train(
        self, batch: Sequence[int], step: int, factor: float = 1.0
    ) -> tuple[float, float]:
        """One step, the `step`th counted from 0: the batch's mean loss and the share it got right.

        Both are of before the update, and of the examples as they were augmented; of the loss, an
        L2 regularizer is no part. The learning rate is multiplied by `factor`. When the loss is no
        number, nothing is updated.
        """

    async def evaluate(self, batch: Sequence[int]) -> Answers:
        """What the model says of a batch; it learns nothing from it."""

    async def logits(self, batch: Sequence[int]) -> array[float]:
        """What the model puts out for a batch, before a softmax: `classes` numbers an answer."""

    async def predict(self, inputs: Sequence[float]) -> array[float]:
        """The probabilities of the classes for one example, in the scale that the model sees.

        Of a sequence: at each position, one after the other.
        """

    async def activations(self, inputs: Sequence[float]) -> list[LayerOutput]:
        """What every layer puts out for one example, given as for `predict`, in the order of
        `ModelSpec.walk`: a residual's sum before what is in it.

        As in `predict`, nothing is dropped and nothing learns. The last ones are the logits.
        """

    async def read(self) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
        """The parameters and the optimizer's state by name, in the model's order.

        They are of one moment, the one of the call, even if steps or a disposal come between.
        """

    async def read_parameters(self, names: Sequence[str]) -> dict[str, Numbers]:
        """Only these parameters, of one moment, as `read` gives them."""

    def write(self, parameters: Mapping[str, Numbers], state: Mapping[str, Numbers]) -> None:
        """Replaces parameters and state, whose names and shapes fit: all, or nothing."""

    def explain(self, clock_ms: Callable[[], float]) -> list[PlanCall]:
        """Every kernel call of a step, in order, and how long each takes by itself.

        Changes nothing that a later step would notice. Empty where there is no list of calls.
        """

    def dispose(self) -> None:
        """Frees everything. May be called again."""
