"""How much each class counts in the loss: a recipe's `training.class_weights`.

Owns how they are written, and what they come to for the classes of some data. Keras's meaning:
each example's loss is multiplied by its class's weight, and the sum divided by the number of
examples; figures other than the loss of a training step know nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from backburner.core.errors import RecipeError
from backburner.core.options import Option, as_number, closest, listed, refusal, show

ClassWeights = Literal["balanced"] | Mapping[str, float] | tuple[float, ...]
"""By the classes' names (those left out count 1), or one for each class in order."""

HEAVIEST = 1000.0

_WAY_OUT = (
    'Write "balanced", so that rare classes count as much as frequent ones, or a weight for a '
    'class by its name: {"cat": 2}.'
)


def _read(value: object, key: str) -> ClassWeights:
    if value == "balanced":
        return "balanced"
    if isinstance(value, Mapping) and value:
        return {str(name): _weight(each, _place(key, name)) for name, each in value.items()}
    if isinstance(value, list | tuple) and value:
        return tuple(_weight(each, f"{key}[{at}]") for at, each in enumerate(value))
    raise refusal(value, key, 'it must be "balanced", an object or a list', _WAY_OUT)


def _place(key: str, name: object) -> str:
    """The key of a class's weight; classes may have any name."""
    is_plain = isinstance(name, str) and name.isprintable() and len(name) <= 60
    return f"{key}.{name if is_plain else show(name)}"


def _weight(value: object, key: str) -> float:
    number = as_number(value)
    if number is None or not 0 <= number <= HEAVIEST:
        raise refusal(
            value,
            key,
            f"it must be a number from 0 to {HEAVIEST:g}",
            "1 counts as usual, 2 twice as much; nothing is learned from a class of 0.",
        )
    return number


_NUMBER = {"type": "number", "minimum": 0, "maximum": HEAVIEST}
CLASS_WEIGHTS = Option(
    read=_read,
    schema={
        "anyOf": [
            {"const": "balanced"},
            {"type": "object", "additionalProperties": _NUMBER, "minProperties": 1},
            {"type": "array", "items": _NUMBER, "minItems": 1},
        ]
    },
)


def check_class_weights(
    weights: ClassWeights, classes: Sequence[str], key: str = "training.class_weights"
) -> None:
    """Raises RecipeError for weights that are not of these classes."""
    match weights:
        case "balanced":
            return
        case Mapping():
            for name in weights:
                if name not in classes:
                    raise RecipeError(
                        f"{_place(key, name)}: there is no class {show(name)}. "
                        f"{closest(name, classes)}"
                        f"The classes are {listed(show(each) for each in classes[:20])}.",
                        key=_place(key, name),
                    )
        case _:
            if len(weights) != len(classes):
                raise RecipeError(
                    f"{key} has {len(weights):,} weights, and the data has {len(classes):,} "
                    "classes. Write one for each class, or an object with the classes' names.",
                    key=key,
                )
    if not any(weights_of(weights, classes, [1] * len(classes))):
        raise RecipeError(
            f"{key} are all 0, so nothing would be learned. Give at least one class a weight "
            "above 0.",
            key=key,
        )


def weights_of(
    weights: ClassWeights, classes: Sequence[str], counts: Sequence[int]
) -> tuple[float, ...]:
    """A weight for each class, of which there are `counts` examples to train on.

    Balanced, all classes that there are weigh the same together, and the mean over all examples is
    1: examples / (classes x examples of this class), as in scikit-learn. A class without examples
    weighs 1.
    """
    match weights:
        case "balanced":
            each = sum(counts) / sum(count > 0 for count in counts)
            return tuple(each / count if count else 1.0 for count in counts)
        case Mapping():
            return tuple(weights.get(name, 1.0) for name in classes)
        case _:
            return tuple(weights)
