"""How a recipe divides its examples: which share, and how many of each class, each part gets.

Owns the counting and its refusals, so that both sides come to the same numbers: the recipe's
check, before any worker is asked, and the engine, which draws the examples. It must not know
which examples those are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from backburner.core.errors import DataError, RecipeError
from backburner.core.options import as_number, listed, read_object, refusal

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRecipe:
    """Which share of each class goes to which part; together 1."""

    train: float = 0.8
    validation: float = 0.1
    test: float = 0.1

    @classmethod
    def from_wire(cls, wire: object, key: str = "data.split") -> SplitRecipe:
        given = read_object(wire, key, ("train", "validation", "test"))
        if not given:
            return cls()
        shares: dict[str, float] = {}
        for part, value in given.items():
            number = as_number(value)
            above = ", and above 0: something must be learned from" if part == "train" else ""
            if number is None or not 0 <= number <= 1 or (part == "train" and number == 0):
                raise refusal(
                    value,
                    f"{key}.{part}",
                    "it must be a share between 0 and 1" + above,
                    "For example 0.8 to train, 0.1 for validation and 0.1 to test.",
                )
            shares[part] = number
        others = shares.setdefault("validation", 0.0) + shares.setdefault("test", 0.0)
        total = shares.setdefault("train", 1 - others) + others
        if abs(total - 1) > 1e-6 or shares["train"] <= 0:
            raise RecipeError(
                f"{key}: train, validation and test are {shares['train']:g}, "
                f"{shares['validation']:g} and {shares['test']:g}, {total:g} in all, but in all "
                f"they must be 1, with something left to train on. For example 0.8, 0.1 and 0.1.",
                key=key,
            )
        return cls(**shares)

    def to_wire(self) -> dict[str, object]:
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def of(self, part: Part) -> float:
        match part:
            case "train":
                return self.train
            case "validation":
                return self.validation
            case "test":
                return self.test


def divide(
    counts: Sequence[int], classes: Sequence[str], split: SplitRecipe
) -> tuple[dict[Part, int], ...]:
    """For each class, of which there are `counts` examples, how many of them each part gets.

    Each class is divided in the same shares, and a part with a share above 0 gets at least
    one example of it. Raises DataError for fewer than two classes, and for a class that has
    too few examples.
    """
    if len(classes) < 2:
        raise DataError(
            f"data.classes: the number of classes is {len(classes)}, but a model tells at least 2 "
            f"apart. Label some of the examples differently.",
            key="data.classes",
        )
    return tuple(
        _divide_class(count, name, split) for count, name in zip(counts, classes, strict=True)
    )


def _divide_class(count: int, name: str, split: SplitRecipe) -> dict[Part, int]:
    needed = [part for part in PARTS if split.of(part) > 0]
    if count == 0:
        raise DataError(
            f'data.classes: the class "{name}" has 0 examples, so nothing can be learned about it. '
            f"Add examples of it, or take it out of the classes.",
            key="data.classes",
        )
    if count < len(needed):
        raise _too_few(count, name, split, needed)
    return share_out(count, split)


def share_out(count: int, split: SplitRecipe) -> dict[Part, int]:
    """How many of `count` examples each part gets: one at least, while there are enough."""
    counts: dict[Part, int] = {}
    for part in ("validation", "test"):
        share = split.of(part)
        counts[part] = max(1, math.floor(count * share + 0.5)) if share > 0 else 0
    while counts["validation"] + counts["test"] >= count:
        larger: Part = "validation" if counts["validation"] >= counts["test"] else "test"
        counts[larger] -= 1
    counts["train"] = count - counts["validation"] - counts["test"]
    return counts


def _too_few(count: int, name: str, split: SplitRecipe, needed: Sequence[Part]) -> DataError:
    without = needed[count:]
    examples = "1 example" if count == 1 else f"{count} examples"
    parts = f"the {listed(without)} {'part' if len(without) == 1 else 'parts'}"
    zeros = listed(f"data.split.{part} to 0" for part in without)
    train = split.train + sum(split.of(part) for part in without)
    return DataError(
        f'data.split: the class "{name}" has only {examples}, so {parts} would have none of it. '
        f"Add at least {len(without)} more, or set {zeros} and data.split.train to {train:g}.",
        key="data.split",
    )


def check_batch_size(batch_size: int, examples: int) -> None:
    """Raises DataError when there are fewer examples to train on than one batch needs."""
    if batch_size > examples:
        raise DataError(
            f"training.batch_size is {batch_size:,}, but there are only {examples:,} examples to "
            f"train on. Make the batch size {examples:,} or less, or give the training part more "
            f"examples.",
            key="training.batch_size",
        )
