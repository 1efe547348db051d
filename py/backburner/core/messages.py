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
class TensorFacts:
    """One parameter tensor, and the sha256 of its values as little-endian float32."""

    name: str
    shape: tuple[int, ...]
    sha256: str


# --- to the worker ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class InitTraining:
    """Load the data and build the model of a recipe. Answered by ModelReady."""

    tag: ClassVar[str] = "INIT_TRAINING"
    recipe: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTraining:
    """Train the model that InitTraining built. Settled by TrainingCompleted or Stopped."""

    tag: ClassVar[str] = "START_TRAINING"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTraining:
    """End the training after the step under way; the model stays. Answered by Stopped."""

    tag: ClassVar[str] = "STOP_TRAINING"


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
class Dispose:
    """Free one operation's model (not the worker). Answered by Disposed."""

    tag: ClassVar[str] = "DISPOSE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Are you there? Answered by Pong, between two steps if a training is under way."""

    tag: ClassVar[str] = "PING"


# --- to the page -----------------------------------------------------------------------


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
class ModelReady:
    """The model stands and waits for StartTraining.

    `examples` are test examples for the page to show, by index, with their labels; the one
    buffer holds their pixels as bytes (0 is empty, 255 is full ink), examples one after the
    other, each as `[height, width, channels]`.
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
    """All epochs are done. `test` is None when the split has no test part.

    `guesses` are about the examples that ModelReady showed.
    """

    tag: ClassVar[str] = "TRAINING_COMPLETE"
    test: Score | None
    guesses: tuple[Guess, ...]
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFailed:
    """The training ended by an error; the worker lives on."""

    tag: ClassVar[str] = "TRAINING_ERROR"
    error: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    tag: ClassVar[str] = "PAUSED"
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    tag: ClassVar[str] = "RESUMED"
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    tag: ClassVar[str] = "STOPPED"
    step: int


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
    | StopTraining
    | Pause
    | Resume
    | Predict
    | DescribeWeights
    | Dispose
    | Ping
)
Report = (
    WorkerReady
    | ModelReady
    | TrainingProgressed
    | TrainingCompleted
    | TrainingFailed
    | Paused
    | Resumed
    | Stopped
    | Disposed
    | Pong
    | PredictionResult
    | WeightsDescribed
    | Refused
    | WorkerFaulted
    | Log
)
Message = Order | Report

TO_WORKER: tuple[type[Order], ...] = Order.__args__
TO_PAGE: tuple[type[Report], ...] = Report.__args__
BY_TAG: dict[str, type[Message]] = {kind.tag: kind for kind in (*TO_WORKER, *TO_PAGE)}

# What settles an order besides Refused. START_TRAINING has many reports and one end.
OPERATION_ENDS = (TrainingCompleted, TrainingFailed, Stopped)
ANSWERS: dict[type[Order], tuple[type[Report], ...]] = {
    InitTraining: (ModelReady,),
    StartTraining: OPERATION_ENDS,
    StopTraining: (Stopped,),
    Pause: (Paused,),
    Resume: (Resumed,),
    Predict: (PredictionResult,),
    DescribeWeights: (WeightsDescribed,),
    Dispose: (Disposed,),
    Ping: (Pong,),
}
