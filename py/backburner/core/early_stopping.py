"""When a training is over before its time: a recipe's `training.early_stopping`.

Owns the options, and the decision, which follows from the scores of the finished epochs alone: a
run that was interrupted and taken up decides as it would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

from backburner.core.messages import EpochEnd, StoppedEarly
from backburner.core.options import between, choice, integer, read_by, read_settings

Monitor = Literal["validation_loss", "validation_accuracy"]

_PATIENCE = integer(1, 10_000, "After so many epochs without progress it stops; 3 is usual.")
_MONITOR = choice(("validation_loss", "validation_accuracy"))
_MIN_DELTA = between(0, 1000, "What changes by less is no progress; 0 takes any.")


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStopping:
    """Stops when the validation has not become better for `patience` epochs (Keras's rules).

    Better is what is better than the best so far by more than `min_delta`. The weights stay those
    of the last epoch.
    """

    patience: int = field(default=3, metadata=read_by(_PATIENCE))
    monitor: Monitor = field(default="validation_loss", metadata=read_by(_MONITOR))
    min_delta: float = field(default=0.0, metadata=read_by(_MIN_DELTA))

    @classmethod
    def from_wire(cls, wire: object, key: str = "training.early_stopping") -> EarlyStopping:
        """Reads any JSON value. Raises RecipeError, naming the key."""
        return read_settings(cls, wire, key)

    def to_wire(self) -> dict[str, object]:
        """Every option spelled out."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def judge(self, ends: Sequence[EpochEnd]) -> StoppedEarly | None:
        """Whether it is over with the last of these epochs, or was with one before it.

        `ends` are finished epochs in order; one without a validation score says nothing.
        """
        best: EpochEnd | None = None
        best_value, waited = 0.0, 0
        for end in ends:
            if end.validation is None:
                continue
            is_loss = self.monitor == "validation_loss"
            value = -end.validation.loss if is_loss else end.validation.accuracy
            if best is None or value > best_value + self.min_delta:
                best, best_value, waited = end, value, 0
                continue
            waited += 1
            if waited >= self.patience:
                return StoppedEarly(
                    epoch=end.epoch,
                    best_epoch=best.epoch,
                    monitor=self.monitor,
                    best=abs(best_value),
                )
        return None
