"""What an examined part of the data says of a model: whom it takes for whom, and how surely.

Owns the figures: the confusion matrix with the examples behind each of its cells, precision and
recall of each class, the worst mistakes. They all follow from one list of answers, an example
each, which is all that the worker sends; so page and automation hook count in the same way. Pure:
pixels, names of classes and how any of it looks are others' business.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backburner.core.errors import Damaged

WORST = 12
"""How many mistakes are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model says of one example: `label` and `predicted` are places in the classes."""

    index: int
    label: int
    predicted: int
    confidence: float

    @property
    def is_right(self) -> bool:
        return self.label == self.predicted


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """How one class fares. `count` examples are of it, `predicted` were said to be of it.

    `precision` is the share of those said to be of it that are (None when none was), `recall`
    the share of its examples that were found (None when it has none).
    """

    count: int
    predicted: int
    right: int

    @property
    def precision(self) -> float | None:
        return self.right / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        return self.right / self.count if self.count else None


@dataclass(frozen=True, slots=True)
class Examination:
    """The answers about one part of the data, in the order in which they were given."""

    answers: tuple[Answer, ...]

    def cells(self) -> dict[tuple[int, int], tuple[Answer, ...]]:
        """The confusion matrix: the answers by (label, predicted). Empty cells are left out."""
        found: dict[tuple[int, int], list[Answer]] = {}
        for answer in self.answers:
            found.setdefault((answer.label, answer.predicted), []).append(answer)
        return {place: tuple(answers) for place, answers in sorted(found.items())}

    def counts(self, classes: int) -> list[list[int]]:
        """The confusion matrix as numbers, `[label][predicted]`."""
        rows = [[0] * classes for _ in range(classes)]
        for answer in self.answers:
            rows[answer.label][answer.predicted] += 1
        return rows

    def per_class(self, classes: int) -> list[ClassFigures]:
        """The figures of each class, in the classes' order."""
        rows = self.counts(classes)
        return [
            ClassFigures(
                count=sum(rows[at]), predicted=sum(row[at] for row in rows), right=rows[at][at]
            )
            for at in range(classes)
        ]

    def worst(self, most: int = WORST) -> tuple[Answer, ...]:
        """The wrong answers that were given most confidently, the surest first."""
        wrong = (answer for answer in self.answers if not answer.is_right)
        return tuple(sorted(wrong, key=lambda each: (-each.confidence, each.index))[:most])

    @property
    def accuracy(self) -> float | None:
        """The share of right answers; None where nothing was asked."""
        if not self.answers:
            return None
        return sum(answer.is_right for answer in self.answers) / len(self.answers)

    # --- there and back -----------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """All indexes, then all labels, then all predicted (int32), then all confidences (float32).

        (Every machine that runs WebAssembly is little-endian.)
        """
        columns = (
            array("i", (each.index for each in self.answers)),
            array("i", (each.label for each in self.answers)),
            array("i", (each.predicted for each in self.answers)),
            array("f", (each.confidence for each in self.answers)),
        )
        return b"".join(column.tobytes() for column in columns)

    @classmethod
    def from_bytes(cls, data: bytes) -> Examination:
        """The examination that `to_bytes` was made from. Raises Damaged for another length."""
        count, rest = divmod(len(data), 16)
        if rest:
            raise Damaged(
                "What the worker found out about the examples is cut off. Ask again.",
                detail=f"{len(data)} bytes",
            )
        columns: list[array[int] | array[float]] = [array(kind) for kind in "iiif"]
        for at, column in enumerate(columns):
            column.frombytes(data[at * 4 * count : (at + 1) * 4 * count])
        return cls(
            tuple(
                Answer(index=index, label=label, predicted=predicted, confidence=confidence)
                for index, label, predicted, confidence in zip(*columns, strict=True)
            )
        )

    def as_dict(self, classes: Sequence[str]) -> dict[str, object]:
        """`{accuracy, classes, confusion, cells, per_class, worst}` as JSON, classes by name."""
        return {
            "accuracy": self.accuracy,
            "classes": list(classes),
            "confusion": self.counts(len(classes)),
            "cells": [
                {
                    "label": classes[label],
                    "predicted": classes[predicted],
                    "examples": [answer.index for answer in answers],
                }
                for (label, predicted), answers in self.cells().items()
            ],
            "per_class": [
                {
                    "class": name,
                    "count": each.count,
                    "predicted": each.predicted,
                    "right": each.right,
                    "precision": each.precision,
                    "recall": each.recall,
                }
                for name, each in zip(classes, self.per_class(len(classes)), strict=True)
            ],
            "worst": list(_as_dicts(self.worst(), classes)),
        }


def _as_dicts(answers: Iterable[Answer], classes: Sequence[str]) -> Iterable[dict[str, object]]:
    for answer in answers:
        yield {
            "index": answer.index,
            "label": classes[answer.label],
            "predicted": classes[answer.predicted],
            "confidence": answer.confidence,
        }
