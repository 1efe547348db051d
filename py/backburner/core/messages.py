"""Every message between page and worker, each defined once for both ends.

What goes to the worker is an order (`StartTraining`), what comes back is a report in the past
tense, or a thing (`TrainingProgressed`, `PredictionResult`). The tags are those of SPEC A2;
core/wire.py turns messages into text and back.

To add a message: define it here, add it to `Order` or `Report` (an order to `ANSWERS` too), give
it a sample in tests/core/test_messages.py, and handle it in worker/loop.py or app/operations.py.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import ClassVar, Self

from backburner.core.backends import Trial
from backburner.core.errors import BackburnerError

# --- parts of messages -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error on the wire: core/errors.py as fields."""

    name: str
    message: str
    key: str | None = None
    detail: str | None = None

    @classmethod
    def from_error(cls, error: Exception) -> Self:
        """An error as it travels. What nobody foresaw keeps its traceback as detail."""
        if isinstance(error, BackburnerError):
            return cls(name=error.name, message=error.message, key=error.key, detail=error.detail)
        return cls(
            name=type(error).__name__,
            message="Something failed that Backburner did not foresee. Nothing that was saved is "
            "lost; start again, and please report it with the details.",
            detail="".join(traceback.format_exception(error)),
        )

    def as_error(self) -> BackburnerError:
        """The error that it was made from, as the same class where that is one of ours."""
        return BackburnerError.from_dict(
            {"name": self.name, "message": self.message, "key": self.key, "detail": self.detail}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well a model did on one part of the data; accuracy from 0 to 1."""

    loss: float
    accuracy: float

    def as_dict(self) -> dict[str, float]:
        """As JSON, in snapshots, curves and records."""
        return {"loss": self.loss, "accuracy": self.accuracy}


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """How many bits a character of one part takes those who only count (engine/baselines.py)."""

    part: str
    unigram: float
    bigram: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One step on a curve: the loss and accuracy of that step's batch."""

    step: int
    loss: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnd:
    """One finished epoch: means over its steps, and the validation score if there is one."""

    epoch: int
    step: int
    loss: float
    accuracy: float
    validation: Score | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedEarly:
    """Why a training was over with `epoch`: it had not become better since `best_epoch`.

    `best` is what the `monitor` ("validation_loss" or "validation_accuracy") was then.
    """

    epoch: int
    best_epoch: int
    monitor: str
    best: float

    def as_dict(self) -> dict[str, object]:
        """As JSON, in snapshots."""
        return {
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "monitor": self.monitor,
            "best": self.best,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFacts:
    """One placed layer; the shape is what it puts out, without the batch."""

    name: str
    type: str
    shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What a model said about one example that it has not been trained on."""

    index: int
    label: str
    predicted: str
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How a network did on `count` examples; no loss where it lacks the classes of some."""

    accuracy: float
    loss: float | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OldAndNew:
    """Of a fine-tuned network: on the test examples of the one that it began with, and on those of
    its own data. None where there are no such examples.
    """

    old: Measured | None
    new: Measured | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A network before it was fine-tuned and after; None while that is not known."""

    before: OldAndNew | None = None
    after: OldAndNew | None = None

    @property
    def forgotten(self) -> float | None:
        """How much of its accuracy on the old examples is gone; below 0 it got better at them."""
        if self.before is None or self.after is None:
            return None
        if self.before.old is None or self.after.old is None:
            return None
        return self.before.old.accuracy - self.after.old.accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFigures:
    """What can be said of a text that was written (engine/text_statistics.py)."""

    characters: int
    distinct: int
    entropy_bits: float
    surprise_bits: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """One run as it is kept: what was asked for, how far it came, and how it stood last.

    The worker keeps it in its database beside the checkpoints, with the complete recipe; the
    page keeps a copy in localStorage, with a recipe whose examples are only counted. Absent
    figures are None; times are seconds since 1970. `progress` holds no points: the curves are
    kept apart. `checkpoint` is the step of the newest one, None where there is none; `redone`
    counts the steps that were trained twice because of interruptions. `inexact` says that parts
    of it were computed in different ways, so that its result cannot be had again bit by bit;
    `dropped` are the backends that failed under it. `promised_s` is how long it was to train;
    `stopped_early` says why not all epochs were needed.

    `base` is the run with whose network it began, and `after` the one that it waits for. `network`
    is what another can begin with (core/fine_tuning.py's Base), once it is trained. `datasets` are
    the sha256 of those that are kept with it. `writing` and `text` are of one that writes: how far
    it is, and all of its text.
    """

    id: str
    kind: str
    name: str
    recipe: dict[str, object]
    status: str
    created: float
    epochs: int
    started: float | None = None
    finished: float | None = None
    backend: str | None = None
    kernels: str | None = None
    mode: str | None = None
    progress: TrainingProgressed | None = None
    last_epoch: EpochEnd | None = None
    test: Score | None = None
    error: Fault | None = None
    checkpoint: int | None = None
    redone: int = 0
    data_sha256: str | None = None
    parameters: int | None = None
    executor: str | None = None
    recipe_sha256: str | None = None
    version: str | None = None
    inexact: bool = False
    dropped: tuple[str, ...] = ()
    measured: tuple[Trial, ...] = ()
    promised_s: float | None = None
    promised_bytes: int | None = None
    baselines: tuple[Baseline, ...] = ()
    stopped_early: StoppedEarly | None = None
    base: str | None = None
    after: str | None = None
    datasets: tuple[str, ...] = ()
    network: dict[str, object] | None = None
    trained_parameters: int | None = None
    comparison: Comparison | None = None
    writing: GenerationProgressed | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnClass:
    """A class of the visitor's drawings; its name may change, its id never does."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One drawing: `class_id` says of what, `ink` is its bitmap as core/drawing.py writes it.

    `created` is in seconds since 1970.
    """

    id: str
    class_id: str
    created: float
    ink: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFacts:
    """One parameter tensor, and the sha256 of its values as little-endian float32."""

    name: str
    shape: tuple[int, ...]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCall:
    """One kernel call of a plan (engine/lowering/).

    `regions` are what it reads and writes, by name and shape, in the kernel's order, and `bytes`
    how much that is; `ms` is the mean time of a call.
    """

    phase: str
    layer: str
    kernel: str
    regions: tuple[str, ...]
    bytes: int
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Numbers of one layer, in the buffer beside the message: one sheet after the other.

    Of its filters or channels `count` are there and `shown` are in the buffer, each `height` by
    `width` by `channels` numbers; of the larger ones only each `every`th row and column.
    `shape` is that of the whole: of the layer's weights, or of what it puts out.

    As "pictures", a number is a byte: 128 is 0, 255 the largest magnitude and 1 its opposite.
    That magnitude is each filter's own, and of what a layer puts out all channels', `most`.
    As "numbers" nothing is left out: the buffer holds all of `shape`, row by row, as float32.
    """

    layer: str
    shape: tuple[int, ...]
    count: int
    shown: int
    height: int
    width: int
    channels: int = 1
    every: int = 1
    most: float = 0.0


# --- to the worker ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class InitTraining:
    """Load the data and build the model. Answered by ModelReady.

    With a recipe: of a new run, which is kept from now on; `name`, `created` (seconds since 1970)
    and `after`, the operation that it waited for, are for its record. It trains also where nothing
    can be kept. Where a run of this id and recipe is kept with a checkpoint, that one is brought
    back: the sender may have missed it.

    Without one: of the kept run with this operation's id, whose newest good checkpoint is brought
    back; refused with a StorageError when nothing is kept of it, or no checkpoint of one that is
    over. Either way the run is the sender's from now on: whoever had it before can write no
    checkpoint of it any more.

    A new run computes on `backend`, if that works here; None leaves the choice to a measurement.
    A kept one goes on on the backend of its checkpoint. On those of `without` it does neither:
    they failed under this run, and are not chosen again for such a model.
    """

    tag: ClassVar[str] = "INIT_TRAINING"
    recipe: dict[str, object] | None = None
    name: str = ""
    created: float = 0.0
    mode: str = "worker"
    backend: str | None = None
    without: tuple[str, ...] = ()
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTraining:
    """Train the model that InitTraining built. Settled by TrainingCompleted or Stopped.

    `checkpoint` is the step from which a run is taken up again: where the model stands, or its
    newest checkpoint (ModelReady and Stopped name both); None for one that has not begun. The
    model goes on from where it stands; with any other step the order is refused.
    """

    tag: ClassVar[str] = "START_TRAINING"
    checkpoint: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartGeneration:
    """Write with the model that InitTraining brought. Settled by GenerationCompleted or Stopped.

    `checkpoint` is how many characters were written, as StartTraining's is a step.
    """

    tag: ClassVar[str] = "START_GENERATION"
    checkpoint: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTraining:
    """End the training after the step under way; the model stays. Answered by Stopped.

    What was reached is kept as a checkpoint first. With `abort` the run is kept as aborted, which
    is final; a kept run that is not under way can be aborted too.
    """

    tag: ClassVar[str] = "STOP_TRAINING"
    abort: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Wait after the step under way. Answered by Paused."""

    tag: ClassVar[str] = "PAUSE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Go on with a paused training. Answered by Resumed."""

    tag: ClassVar[str] = "RESUME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predict:
    """Ask the model, as it is at this moment, about one example.

    Either `example`, its index in the data, or `input`: nested lists `[height][width]` or
    `[height][width][channels]`. Answered by PredictionResult.
    """

    tag: ClassVar[str] = "PREDICT"
    input: object = None
    example: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeWeights:
    """Ask for the hashes of the weights as they are now. Answered by WeightsDescribed."""

    tag: ClassVar[str] = "DESCRIBE_WEIGHTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFilters:
    """Ask for the filters of all layers that have some. Answered by FiltersRead.

    `form` is "pictures" or "numbers" (Sheet).
    """

    tag: ClassVar[str] = "READ_FILTERS"
    form: str = "pictures"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadActivations:
    """Ask what every layer puts out for one example, named as in Predict; `form` as in Sheet.

    Answered by ActivationsRead.
    """

    tag: ClassVar[str] = "READ_ACTIVATIONS"
    input: object = None
    example: int | None = None
    form: str = "pictures"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminePart:
    """Ask the model about every example of a part: "train", "validation", "test", or "kept".

    A training under way waits for the end of it, so that all answers are of one moment. Answered
    by PartExamined.
    """

    tag: ClassVar[str] = "EXAMINE_PART"
    part: str = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadExamples:
    """Ask for examples of an operation's data by their indexes. Answered by ExamplesRead."""

    tag: ClassVar[str] = "READ_EXAMPLES"
    examples: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispose:
    """Free one operation's model (not the worker). Answered by Disposed."""

    tag: ClassVar[str] = "DISPOSE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Are you there? Answered by Pong, between two steps if a training is under way."""

    tag: ClassVar[str] = "PING"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRuns:
    """Ask for all kept runs, oldest first. Answered by RunsListed."""

    tag: ClassVar[str] = "LIST_RUNS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCurves:
    """Ask for the kept curves of a run; of one that is not kept they are empty.

    Answered by CurvesRead.
    """

    tag: ClassVar[str] = "READ_CURVES"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearRun:
    """Free a run's model and delete all that is kept of it. Answered by RunCleared."""

    tag: ClassVar[str] = "CLEAR_RUN"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadData:
    """Load the shipped data of a source now, so that a training need not wait for it.

    Answered by DataLoaded.
    """

    tag: ClassVar[str] = "LOAD_DATA"
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDrawings:
    """Ask for the visitor's drawings, as they are kept. Answered by DrawingsRead."""

    tag: ClassVar[str] = "READ_DRAWINGS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeDrawings:
    """Keep these classes as they are named here, and some drawings more or fewer.

    Classes that are not named stay behind those that are, unless `remove_classes` names them:
    another tab may have added them. Refused when it could not be stored; the worker then holds it
    for as long as it lives, so that a training can learn from it all the same. Answered by
    DrawingsChanged.
    """

    tag: ClassVar[str] = "CHANGE_DRAWINGS"
    classes: tuple[DrawnClass, ...]
    keep: tuple[Drawing, ...] = ()
    remove: tuple[str, ...] = ()
    remove_classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Measure how long steps of a workload take. Answered by BenchResult.

    `workload` and `options` are JSON as core/bench.py reads it. A training under way goes on
    meanwhile, step by step in turn; on another backend than the one in use nothing may be under
    way, and orders about models wait until it is over.
    """

    tag: ClassVar[str] = "BENCH"
    workload: dict[str, object]
    options: dict[str, object]


# --- to the page -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReported:
    """How a part of the worker's start is doing (also sent by workers/kitchen.js).

    `part` is "python" or "tensorflow"; `state` is "loading", "ready" or "failed".
    """

    tag: ClassVar[str] = "PART"
    part: str
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReady:
    """The worker can take orders. `stages` are milliseconds since the worker's own start.

    `start` is "snapshot" or "plain"; `reason` says why a plain start was needed.
    """

    tag: ClassVar[str] = "WORKER_READY"
    backend: str
    kernels: str
    start: str
    reason: str
    stages: dict[str, object]
    python: str
    tensorflow: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationReported:
    """How the preparation of a run is doing: how much memory it needs, what is being tried.

    `backend` is the one that is asked for something now: to start, to train the model for a
    moment, or, being the chosen one, to build it for good. None before the first.
    `available_bytes` is what a page can have here at most.
    """

    tag: ClassVar[str] = "PREPARING"
    backend: str | None
    needed_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReady:
    """The model stands and waits for StartTraining.

    `examples` are test examples for the page to show, by index, with their labels; the one
    buffer holds their pixels as bytes (0 is empty, 255 is full ink), examples one after the
    other, each as `[height, width, channels]`.

    `step` is where the model stands: above 0 for a kept run, brought back from its checkpoint of
    that step. Then `progress` and `epoch_ends` say what was known there, and a second buffer
    holds the curves up to there (as CurvesRead).

    `network` is what another run can begin with, once this one is completed, and
    `trained_parameters` how many of the `parameters` learn.

    Of a run that begins with another's network, its beginning is kept too, as the checkpoint of
    step 0: `kept` is the step of the newest one, None where there is none or `step` says it.
    `writing` is of one that writes, and holds all of its text so far.

    `backend`, `kernels` and `executor` compute it; with `recipe_sha256`, `data_sha256` and
    `version` they are its fingerprint. `measured` says how each backend did that was tried for
    it; `promised_s` and `promised_bytes` what the whole run takes.

    Of a text there are no examples to show, and `baselines` to hold the model against.
    """

    tag: ClassVar[str] = "MODEL_READY"
    layers: tuple[LayerFacts, ...]
    parameters: int
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    steps: int
    epochs: int
    sizes: dict[str, object]
    examples: tuple[int, ...]
    labels: tuple[str, ...]
    data_sha256: str
    step: int = 0
    progress: TrainingProgressed | None = None
    epoch_ends: tuple[EpochEnd, ...] = ()
    backend: str = ""
    kernels: str = ""
    executor: str = ""
    recipe_sha256: str = ""
    version: str = ""
    inexact: bool = False
    measured: tuple[Trial, ...] = ()
    promised_s: float | None = None
    promised_bytes: int | None = None
    baselines: tuple[Baseline, ...] = ()
    network: dict[str, object] | None = None
    trained_parameters: int | None = None
    kept: int | None = None
    writing: GenerationProgressed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingProgressed:
    """Where a training is; sent at most ten times a second, with all points since the last.

    `elapsed_s` and the speeds count the time spent on steps, not pauses and sleep.
    """

    tag: ClassVar[str] = "TRAINING_PROGRESS"
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    samples_per_s: float
    ms_per_step: float
    elapsed_s: float
    eta_s: float
    points: tuple[Point, ...]
    epoch_ends: tuple[EpochEnd, ...] = ()
    validation: Score | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCompleted:
    """The training is done. `test` is None when the split has no test part.

    `guesses` are about the examples that ModelReady showed. `checkpoint` is the step of the
    checkpoint that holds the result; None when it could not be kept. `stopped_early` of None: all
    epochs were trained.
    """

    tag: ClassVar[str] = "TRAINING_COMPLETE"
    test: Score | None
    guesses: tuple[Guess, ...]
    elapsed_s: float
    checkpoint: int | None = None
    stopped_early: StoppedEarly | None = None
    comparison: Comparison | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationProgressed:
    """How far a text is: `characters` of `length` are written. Sent at most ten times a second.

    `text` is what came since the last report, without the prompt. `elapsed_s` counts the time
    spent on writing, not pauses and sleep.
    """

    tag: ClassVar[str] = "GENERATION_PROGRESS"
    characters: int
    length: int
    characters_per_s: float
    elapsed_s: float
    eta_s: float
    statistics: TextFigures
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationCompleted:
    """All of the text is written: `text`, without the prompt, and figures about it.

    `checkpoint` is its length once it is safe; None when it could not be kept.
    """

    tag: ClassVar[str] = "GENERATION_COMPLETE"
    text: str
    statistics: TextFigures
    elapsed_s: float
    checkpoint: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFailed:
    """The training ended by an error; the worker lives on."""

    tag: ClassVar[str] = "TRAINING_ERROR"
    error: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingDispossessed:
    """The training ended because the run belongs to another page by now; nothing was lost."""

    tag: ClassVar[str] = "TRAINING_DISPOSSESSED"
    error: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpointed:
    """The state after `step` is safe: its transaction is complete.

    `bytes` is its size; `took_ms` what making it cost the training (copying and hashing; the
    writing goes on beside the next steps).
    """

    tag: ClassVar[str] = "CHECKPOINTED"
    step: int
    bytes: int
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFailed:
    """A checkpoint could not be kept; the training goes on, and the one before still stands."""

    tag: ClassVar[str] = "CHECKPOINT_FAILED"
    step: int
    error: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """It waits; `checkpoint` is the step of its newest checkpoint, None without one."""

    tag: ClassVar[str] = "PAUSED"
    step: int
    checkpoint: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    tag: ClassVar[str] = "RESUMED"
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """It ended as was asked; `checkpoint` is the step of its newest checkpoint, or None."""

    tag: ClassVar[str] = "STOPPED"
    step: int
    checkpoint: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposed:
    tag: ClassVar[str] = "DISPOSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    """The worker lives. `proxies` is None unless counting them was asked for (`?debug=1`)."""

    tag: ClassVar[str] = "PONG"
    backend: str
    tensors: int
    tensor_bytes: int
    python_bytes: int
    proxies: int | None
    models: int
    running: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionResult:
    """Probabilities stand in the order of the classes and add up to 1."""

    tag: ClassVar[str] = "PREDICTION_RESULT"
    label: str
    confidence: float
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsDescribed:
    tag: ClassVar[str] = "WEIGHTS_DESCRIBED"
    step: int
    sha256: str
    tensors: tuple[TensorFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FiltersRead:
    """The filters as they were at `step`; the one buffer holds what the sheets describe."""

    tag: ClassVar[str] = "FILTERS_READ"
    step: int
    sheets: tuple[Sheet, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationsRead:
    """What the layers put out at `step`; the one buffer holds what the sheets describe."""

    tag: ClassVar[str] = "ACTIVATIONS_READ"
    step: int
    sheets: tuple[Sheet, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartExamined:
    """What the model of `step` says of each of the part's `count` examples.

    The one buffer holds the answers as core/examination.py reads them. `loss` is None where the
    part is empty; `took_ms` is how long it took.
    """

    tag: ClassVar[str] = "PART_EXAMINED"
    part: str
    step: int
    count: int
    loss: float | None
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamplesRead:
    """The one buffer holds the examples' pixels, as in ModelReady, in the order asked for."""

    tag: ClassVar[str] = "EXAMPLES_READ"
    examples: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """How long a step took: the median, and the best, of each round, and how many it had.

    `phases` are milliseconds of a step by phase (mean), as the executor names them; `plan` is the
    plan's calls, if they were asked for and the executor has a plan.
    """

    tag: ClassVar[str] = "BENCH_RESULT"
    backend: str
    kernels: str
    executor: str
    ms_per_step: tuple[float, ...]
    best_ms: tuple[float, ...]
    steps: tuple[int, ...]
    phases: dict[str, object]
    plan: tuple[PlanCall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsListed:
    """Every kept run that can be read. `problem` says why none, or not all, can be.

    It names the newest version's run before a torn one, and the storage that does not open.
    """

    tag: ClassVar[str] = "RUNS_LISTED"
    runs: tuple[StoredRun, ...]
    problem: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvesRead:
    """The curves of a run up to its newest checkpoint.

    The one buffer holds little-endian float64: all steps, then all losses, then all accuracies.
    """

    tag: ClassVar[str] = "CURVES_READ"
    epoch_ends: tuple[EpochEnd, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCleared:
    tag: ClassVar[str] = "RUN_CLEARED"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLoaded:
    tag: ClassVar[str] = "DATA_LOADED"
    source: str
    examples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingsRead:
    """Every drawing that can be read, in the order in which they were drawn."""

    tag: ClassVar[str] = "DRAWINGS_READ"
    classes: tuple[DrawnClass, ...]
    drawings: tuple[Drawing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingsChanged:
    """The change is safe: its transaction is complete."""

    tag: ClassVar[str] = "DRAWINGS_CHANGED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The order named by the envelope's request was not carried out; nothing was changed."""

    tag: ClassVar[str] = "REFUSED"
    error: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFaulted:
    """Something outside any order failed in the worker (also sent by workers/kitchen.js)."""

    tag: ClassVar[str] = "FAULT"
    message: str
    starting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One line for the log; level is "debug", "info", "warning" or "error"."""

    tag: ClassVar[str] = "LOG"
    level: str
    text: str


Order = (
    InitTraining
    | StartTraining
    | StartGeneration
    | StopTraining
    | Pause
    | Resume
    | Predict
    | DescribeWeights
    | ReadFilters
    | ReadActivations
    | ExaminePart
    | ReadExamples
    | Dispose
    | Ping
    | ListRuns
    | ReadCurves
    | ClearRun
    | LoadData
    | ReadDrawings
    | ChangeDrawings
    | Bench
)
Report = (
    WorkerReady
    | PartReported
    | PreparationReported
    | ModelReady
    | TrainingProgressed
    | TrainingCompleted
    | GenerationProgressed
    | GenerationCompleted
    | TrainingFailed
    | TrainingDispossessed
    | Checkpointed
    | CheckpointFailed
    | Paused
    | Resumed
    | Stopped
    | Disposed
    | Pong
    | PredictionResult
    | WeightsDescribed
    | FiltersRead
    | ActivationsRead
    | PartExamined
    | ExamplesRead
    | BenchResult
    | RunsListed
    | CurvesRead
    | RunCleared
    | DataLoaded
    | DrawingsRead
    | DrawingsChanged
    | Refused
    | WorkerFaulted
    | Log
)
Message = Order | Report

TO_WORKER: tuple[type[Order], ...] = Order.__args__
TO_PAGE: tuple[type[Report], ...] = Report.__args__
BY_TAG: dict[str, type[Message]] = {kind.tag: kind for kind in (*TO_WORKER, *TO_PAGE)}

# What settles an order besides Refused. START_TRAINING has many reports and one end.
OPERATION_ENDS = (
    TrainingCompleted,
    GenerationCompleted,
    TrainingFailed,
    TrainingDispossessed,
    Stopped,
)
ANSWERS: dict[type[Order], tuple[type[Report], ...]] = {
    InitTraining: (ModelReady,),
    StartTraining: OPERATION_ENDS,
    StartGeneration: OPERATION_ENDS,
    StopTraining: (Stopped,),
    Pause: (Paused,),
    Resume: (Resumed,),
    Predict: (PredictionResult,),
    DescribeWeights: (WeightsDescribed,),
    ReadFilters: (FiltersRead,),
    ReadActivations: (ActivationsRead,),
    ExaminePart: (PartExamined,),
    ReadExamples: (ExamplesRead,),
    Dispose: (Disposed,),
    Ping: (Pong,),
    ListRuns: (RunsListed,),
    ReadCurves: (CurvesRead,),
    ClearRun: (RunCleared,),
    LoadData: (DataLoaded,),
    ReadDrawings: (DrawingsRead,),
    ChangeDrawings: (DrawingsChanged,),
    Bench: (BenchResult,),
}
