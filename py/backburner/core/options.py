"""One option of a recipe: how it is read, how it is refused, how the JSON Schema shows it.

Recipes come from people, links and other people's programs, so every value is checked
here, once, and trusted afterwards. JSON's traps are closed in one place: `true` is not 1,
`"3"` is not 3, `NaN` and `Infinity` are not numbers, `5.0` is the integer 5 (as in JSON
Schema), and an integer of four thousand digits is refused rather than converted.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, TypeVar, cast

from backburner.core.errors import RecipeError

T = TypeVar("T")

LARGEST_SAFE_INTEGER = 2**53 - 1
"""JavaScript's largest exact integer: beyond it a number changes on its way to the worker."""

LARGEST_FLOAT32 = 3.4028234663852886e38


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A reader `(value, key) -> checked value`, and the JSON Schema of what it takes."""

    read: Callable[[object, str], Any]
    schema: Mapping[str, object]


def read_by(option: Option) -> dict[str, Option]:
    """The metadata of a dataclass field that `option` reads."""
    return {"option": option}


# --- words -----------------------------------------------------------------------------


def show(value: object) -> str:
    """A value in a message: short, and never a crash, whatever JSON (or Python) gave us."""
    if isinstance(value, list | tuple):
        return "an empty list" if not value else f"a list of {len(value)}"
    if isinstance(value, Mapping):
        return "an empty object" if not value else f"an object of {len(value)} keys"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**40:
        return "a number of more than 40 digits"
    if value is None or isinstance(value, bool | int | float | str):
        text = json.dumps(value, ensure_ascii=not isinstance(value, str) or not value.isprintable())
        return text if len(text) <= 60 else text[:57] + "…"
    return f"a {type(value).__name__}"


def closest(word: str, known: Iterable[str]) -> str:
    """`"Did you mean …? "`, or nothing when no known word is near."""
    by_lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word[:80].lower(), list(by_lower), n=1, cutoff=0.6)
    return f'Did you mean "{by_lower[near[0]]}"? ' if near else ""


def listed(words: Iterable[str]) -> str:
    """`a, b and c`."""
    *most, last = list(words)
    return f"{', '.join(most)} and {last}" if most else last


def sizes(shape: Iterable[int]) -> str:
    """A shape as people write it, with multiplication signs."""
    return "\N{MULTIPLICATION SIGN}".join(str(side) for side in shape)


def joined(key: str, name: str) -> str:
    """`training` and `epochs` to `training.epochs`; the outermost key is empty."""
    return f"{key}.{name}" if key else name


def refusal(value: object, key: str, expected: str, way_out: str) -> RecipeError:
    return RecipeError(f"{key} is {show(value)}, but {expected}. {way_out}", key=key)


def unknown_word(
    value: object, key: str, noun: str, known: tuple[str, ...], later: tuple[str, ...] = ()
) -> RecipeError:
    """The refusal of a word that is none of the `known` ones, or that is of a `later` version."""
    here = f"This version knows {listed(show(word) for word in known)}."
    if isinstance(value, str) and value in later:
        return RecipeError(
            f"{key}: the {noun} {show(value)} is not in this version of Backburner yet. {here}",
            key=key,
        )
    near = closest(value, known) if isinstance(value, str) else ""
    return RecipeError(f"{key}: {show(value)} is not a known {noun}. {near}{here}", key=key)


# --- objects and lists -----------------------------------------------------------------


def read_object(
    value: object, key: str, known: Sequence[str], later: Iterable[str] = ()
) -> dict[str, object]:
    """A JSON object with no key but the `known` ones; those of `later` are refused as such."""
    place = key or "The recipe"
    if not isinstance(value, Mapping):
        raise RecipeError(
            f"{place} is {show(value)}, but it must be a JSON object, "
            f"written in braces. Its keys can be {listed(known)}.",
            key=key or None,
        )
    for name in value:
        if name in known:
            continue
        plain = isinstance(name, str) and name.isprintable() and len(name) <= 60
        full = joined(key, name if plain else show(name))
        if name in later:
            raise RecipeError(
                f'{full}: this version of Backburner does not know "{name}" yet. '
                f"Leave it out; what can be set here is {listed(known)}.",
                key=full,
            )
        raise RecipeError(
            f"{full}: there is no such setting. {closest(str(name), known)}"
            f"What can be set here is {listed(known)}.",
            key=full,
        )
    return {str(name): item for name, item in value.items()}


def read_settings(cls: type[T], value: object, key: str) -> T:
    """A dataclass whose fields are all options with defaults (see `read_by`), from an object.

    `null` is as good as leaving an option out where that is its default, and nowhere else.
    """
    options = {f.name: f for f in fields(cast(Any, cls))}
    given = read_object(value, key, tuple(options))
    return cls(
        **{
            name: options[name].metadata["option"].read(each, joined(key, name))
            for name, each in given.items()
            if each is not None or options[name].default is not None
        }
    )


def settings_schema(cls: type) -> dict[str, object]:
    """The JSON Schema of what `read_settings` takes."""
    properties = {f.name: option_schema(f) for f in fields(cls)}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def option_schema(option: Field[Any]) -> dict[str, object]:
    """Of one option that `option` reads, with its default, if it has one."""
    schema = dict(option.metadata["option"].schema)
    if option.default is None:
        return {"anyOf": [schema, {"type": "null"}], "default": None}
    if option.default is not MISSING:
        default = option.default
        schema["default"] = list(default) if isinstance(default, tuple) else default
    return schema


# --- numbers ---------------------------------------------------------------------------


def as_integer(value: object) -> int | None:
    """The integer that a JSON value is, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value) if abs(value) <= LARGEST_SAFE_INTEGER else None
    return None


def as_number(value: object) -> float | None:
    """The finite number that a JSON value is, or None; nothing that float32 cannot hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) <= LARGEST_FLOAT32 else None


def integer(low: int, high: int, way_out: str) -> Option:
    """A whole number from `low` to `high`."""

    def read(value: object, key: str) -> int:
        number = as_integer(value)
        if number is None or not low <= number <= high:
            raise refusal(
                value, key, f"it must be a whole number from {low:,} to {high:,}", way_out
            )
        return number

    return Option(read=read, schema={"type": "integer", "minimum": low, "maximum": high})


def positive(high: float, way_out: str) -> Option:
    """A number above 0, and at most `high`."""

    def read(value: object, key: str) -> float:
        number = as_number(value)
        if number is None or not 0 < number <= high:
            raise refusal(value, key, f"it must be a number above 0 and up to {high:g}", way_out)
        return number

    return Option(read=read, schema={"type": "number", "exclusiveMinimum": 0, "maximum": high})


def between(low: float, high: float, way_out: str) -> Option:
    """A number from `low` to `high`, both included."""

    def read(value: object, key: str) -> float:
        number = as_number(value)
        if number is None or not low <= number <= high:
            raise refusal(value, key, f"it must be a number from {low:g} to {high:g}", way_out)
        return number

    return Option(read=read, schema={"type": "number", "minimum": low, "maximum": high})


def fraction(way_out: str) -> Option:
    """A number from 0 up to, but not including, 1."""

    def read(value: object, key: str) -> float:
        number = as_number(value)
        if number is None or not 0 <= number < 1:
            raise refusal(value, key, "it must be a number from 0 up to, but below, 1", way_out)
        return number

    return Option(read=read, schema={"type": "number", "minimum": 0, "exclusiveMaximum": 1})


def boolean(way_out: str) -> Option:
    """`true` or `false`, and nothing that a programming language takes for one."""

    def read(value: object, key: str) -> bool:
        if not isinstance(value, bool):
            raise refusal(value, key, "it must be true or false", way_out)
        return value

    return Option(read=read, schema={"type": "boolean"})


def pair(high: int, way_out: str) -> Option:
    """A whole number, or two of them as `[height, width]`; read as the two."""
    one = integer(1, high, way_out)

    def read(value: object, key: str) -> tuple[int, int]:
        sides = value if isinstance(value, list | tuple) else (value, value)
        numbers = [as_integer(side) for side in sides] if len(sides) == 2 else [None]
        if len(numbers) != 2 or not all(n is not None and 1 <= n <= high for n in numbers):
            raise refusal(
                value,
                key,
                f"it must be a whole number from 1 to {high:,}, or two of them as [height, width]",
                way_out,
            )
        return numbers[0] or 0, numbers[1] or 0

    two = {"type": "array", "items": one.schema, "minItems": 2, "maxItems": 2}
    return Option(read=read, schema={"anyOf": [one.schema, two]})


# --- words to choose from --------------------------------------------------------------


def choice(words: Sequence[str], *, none_means: str | None = None) -> Option:
    """One of the words; `null` stands for `none_means`, if that is given."""

    def read(value: object, key: str) -> str:
        if value is None and none_means is not None:
            return none_means
        if not isinstance(value, str) or value not in words:
            raise refusal(
                value,
                key,
                f"it must be one of {listed(words)}",
                (closest(value, words) if isinstance(value, str) else "")
                + f'For example "{words[0]}".',
            )
        return value

    values: list[str | None] = list(words)
    return Option(read=read, schema={"enum": values + ([None] if none_means is not None else [])})
