"""How a recipe trains: epochs, batches, the optimizer and what tames it.

Owns the settings, their defaults and limits. It must not know the model, and of the data only what
`check_on` is told. Settings with options of their own have a file each: core/schedule.py,
core/early_stopping.py, core/class_weights.py, core/augmentation.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal, cast

from backburner.core.augmentation import Augmentation
from backburner.core.class_weights import CLASS_WEIGHTS, ClassWeights, check_class_weights
from backburner.core.early_stopping import EarlyStopping
from backburner.core.errors import RecipeError
from backburner.core.layer import Shape
from backburner.core.options import (
    Option,
    choice,
    fraction,
    integer,
    positive,
    read_by,
    read_settings,
    settings_schema,
    show,
)
from backburner.core.schedule import Schedule

_EPOCHS = integer(1, 100_000, "5 is a good start.")
BATCH_SIZE = integer(1, 65_536, "32 is the usual size.")
OPTIMIZER = choice(("adam", "sgd", "adamw"))
_LEARNING_RATE = positive(
    1000, "It says how far each step goes; 0.001 is a good start with adam, 0.1 with sgd."
)
_MOMENTUM = fraction("It keeps that share of the last step's direction; 0.9 is usual.")
_WEIGHT_DECAY = fraction(
    "It makes all weights smaller by this, times the learning rate, at each step; 0.004 is usual."
)
_CLIP_NORM = positive(
    1e6, "It limits the length of a step's gradient; 1 is usual, or leave it out."
)
_L2 = positive(
    1, "It keeps weights small: it times the sum of their squares is to be small, too. Try 0.001."
)
_SCHEDULE = Option(read=Schedule.from_wire, schema=settings_schema(Schedule))
_EARLY_STOPPING = Option(read=EarlyStopping.from_wire, schema=settings_schema(EarlyStopping))
_AUGMENTATION = Option(read=Augmentation.from_wire, schema=settings_schema(Augmentation))

Optimizer = Literal["adam", "sgd", "adamw"]

ONLY_WITH: dict[str, Optimizer] = {"momentum": "sgd", "weight_decay": "adamw"}
"""Settings that one optimizer takes, and no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecipe:
    """How it is trained. What is None is not done.

    `momentum` counts with SGD only, and `weight_decay` with AdamW. `l2` is Keras's regularizer on
    the kernels of all layers: `l2` times the sum of their squares is added to what the steps make
    smaller, though not to the loss that is shown.
    """

    epochs: int = field(default=5, metadata=read_by(_EPOCHS))
    batch_size: int = field(default=32, metadata=read_by(BATCH_SIZE))
    optimizer: Optimizer = field(default="adam", metadata=read_by(OPTIMIZER))
    learning_rate: float = field(default=0.001, metadata=read_by(_LEARNING_RATE))
    clip_norm: float | None = field(default=None, metadata=read_by(_CLIP_NORM))
    momentum: float = field(default=0.0, metadata=read_by(_MOMENTUM))
    weight_decay: float = field(default=0.004, metadata=read_by(_WEIGHT_DECAY))
    l2: float | None = field(default=None, metadata=read_by(_L2))
    schedule: Schedule | None = field(default=None, metadata=read_by(_SCHEDULE))
    early_stopping: EarlyStopping | None = field(default=None, metadata=read_by(_EARLY_STOPPING))
    class_weights: ClassWeights | None = field(default=None, metadata=read_by(CLASS_WEIGHTS))
    augmentation: Augmentation | None = field(default=None, metadata=read_by(_AUGMENTATION))

    @classmethod
    def from_wire(cls, wire: object, key: str = "training") -> TrainingRecipe:
        read = read_settings(cls, wire, key)
        given = cast("Mapping[str, object]", wire)
        for name, optimizer in ONLY_WITH.items():
            if name in given and read.optimizer != optimizer:
                raise RecipeError(
                    f"{key}.{name} is {show(given[name])}, but only {optimizer} takes it, and the "
                    f'optimizer is {read.optimizer}. Leave it out, or write "optimizer": '
                    f'"{optimizer}".',
                    key=f"{key}.{name}",
                )
        return read

    def check_on(
        self,
        *,
        input_shape: Shape,
        classes: Sequence[str],
        is_text: bool,
        train: int,
        validation: int,
    ) -> None:
        """Raises RecipeError for settings that do not go with the data.

        `train` and `validation` are how many examples these parts have.
        """
        if self.augmentation is not None and (is_text or len(input_shape) != 3):
            raise _not_with(
                "augmentation", "moves and turns pictures, and these data are no pictures"
            )
        if self.class_weights is not None:
            if is_text:
                raise _not_with("class_weights", "counts classes, and a text has none")
            check_class_weights(self.class_weights, classes)
        if self.early_stopping is not None and validation == 0:
            raise RecipeError(
                "training.early_stopping watches the validation, and there is no validation part. "
                "Leave it out, or give data.split.validation a share, for example 0.1.",
                key="training.early_stopping",
            )
        steps = self.epochs * -(-train // self.batch_size)
        if self.schedule is not None and self.schedule.warmup_steps >= steps:
            few = min(max(1, steps // 20), steps - 1)
            raise RecipeError(
                f"training.schedule.warmup_steps is {self.schedule.warmup_steps:,}, but the whole "
                f"training has {steps:,} steps. Make it smaller: about {few:,}, or "
                "train for more epochs.",
                key="training.schedule.warmup_steps",
            )

    def to_wire(self) -> dict[str, object]:
        """Every setting that counts. The hash of a recipe is over this, and decides whether a
        kept run may go on: a setting that came later stands here only where it is used.
        """
        wire = {f.name: _as_json(getattr(self, f.name)) for f in fields(self)}
        if self.optimizer != "sgd" or self.momentum == 0:
            del wire["momentum"]
        if self.optimizer != "adamw":
            del wire["weight_decay"]
        return {name: value for name, value in wire.items() if value is not None}


def _as_json(value: object) -> object:
    match value:
        case Schedule() | EarlyStopping() | Augmentation():
            return value.to_wire()
        case Mapping():
            return dict(value)
        case tuple():
            return list(value)
        case _:
            return value


def _not_with(name: str, problem: str) -> RecipeError:
    return RecipeError(f"training.{name} {problem}. Leave it out.", key=f"training.{name}")
