"""The curves of one operation: what it lost and how right it was, step by step.

Append-only, because a long training has many points and none of them ever changes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable

from backburner.core.errors import Damaged
from backburner.core.messages import EpochEnd, Point, TrainingProgressed


class Curves:
    """Per step: step number, loss, accuracy. Per epoch: what EpochEnd says."""

    def __init__(self) -> None:
        self.step = array("d")
        self.loss = array("d")
        self.accuracy = array("d")
        self.epochs: list[EpochEnd] = []

    def extend(self, report: TrainingProgressed) -> None:
        """Adds the points of a report; points already there are passed over."""
        for point in report.points:
            self.add(point)
        for end in report.epoch_ends:
            if not self.epochs or end.epoch > self.epochs[-1].epoch:
                self.epochs.append(end)

    def add(self, point: Point) -> None:
        """Adds a point, unless there is one of this step, or a later one, already."""
        if self.step and point.step <= self.step[-1]:
            return
        self.step.append(point.step)
        self.loss.append(point.loss)
        self.accuracy.append(point.accuracy)

    def append(self, piece: Curves) -> None:
        """Adds a piece that was kept; what is there already is passed over."""
        new = bisect_right(piece.step, self.step[-1]) if self.step else 0
        self.step += piece.step[new:]
        self.loss += piece.loss[new:]
        self.accuracy += piece.accuracy[new:]
        self.epochs += [
            end for end in piece.epochs if not self.epochs or end.epoch > self.epochs[-1].epoch
        ]

    def to_bytes(self) -> bytes:
        """All steps, then all losses, then all accuracies, as float64 of this machine.

        (Every machine that runs WebAssembly is little-endian.)
        """
        return b"".join(each.tobytes() for each in (self.step, self.loss, self.accuracy))

    @classmethod
    def from_bytes(cls, data: bytes, epoch_ends: Iterable[EpochEnd] = ()) -> Curves:
        """The curves that `to_bytes` was made from. Raises Damaged for another length."""
        curves = cls()
        third, rest = divmod(len(data), 3)
        if rest or third % curves.step.itemsize:
            raise Damaged(
                "The stored curves of a run are cut off, so they are not shown. Its checkpoints "
                "stand apart from them.",
                detail=f"{len(data)} bytes",
            )
        for at, values in enumerate((curves.step, curves.loss, curves.accuracy)):
            values.frombytes(data[at * third : (at + 1) * third])
        curves.epochs = list(epoch_ends)
        return curves

    def sampled(
        self, figure: str, most: int
    ) -> tuple[list[float], list[float | None], list[float | None]]:
        """`(steps, training, validation)` of "loss" or "accuracy", of equal length, to draw.

        Training holds means over equal stretches of steps, at most `most` of them; validation
        has a value at each epoch's end, None elsewhere.
        """
        values = self.loss if figure == "loss" else self.accuracy
        stretch = max(1, -(-len(self.step) // most))
        rows: dict[float, tuple[float | None, float | None]] = {}
        for start in range(0, len(self.step), stretch):
            part = values[start : start + stretch]
            rows[self.step[min(start + stretch, len(self.step)) - 1]] = (
                sum(part) / len(part),
                None,
            )
        for end in self.epochs:
            if end.validation is not None:
                mean, _ = rows.get(end.step, (None, None))
                rows[end.step] = (mean, getattr(end.validation, figure))
        steps = sorted(rows)
        return steps, [rows[at][0] for at in steps], [rows[at][1] for at in steps]

    def as_dict(self) -> dict[str, object]:
        """`{step, loss, accuracy, epochs}` as the automation hook gives it."""
        return {
            "step": [int(step) for step in self.step],
            "loss": list(self.loss),
            "accuracy": list(self.accuracy),
            "epochs": [epoch_as_dict(end) for end in self.epochs],
        }


def epoch_as_dict(end: EpochEnd) -> dict[str, object]:
    """One finished epoch as JSON; `validation` is null where nothing was held back for it."""
    return {
        "epoch": end.epoch,
        "step": end.step,
        "loss": end.loss,
        "accuracy": end.accuracy,
        "validation": end.validation and end.validation.as_dict(),
    }
